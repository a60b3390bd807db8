"""A campaign drives the real asv: separated samples, neutral names, nothing lost on Ctrl-C, and asv's own tools still work."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from storebench.assets import clone_root
from storebench.asv_calls import AsvFolder
from storebench.asv_results import write_asv_results
from storebench.campaign import Outcome, Plan, Progress, Workspace, plan_campaign, run_campaign
from storebench.campaign._plan import timed_cases
from storebench.campaign._run import outcome_of
from storebench.datasets import open_dataset
from storebench.errors import MeasurementError, NothingSelectedError, UsageError
from storebench.measurement.cache import why_not_cold
from storebench.measurement.images import Image, stored_image
from storebench.measurement.sampler import SamplingRule
from storebench.measurement.session import Origin
from storebench.records import Row, Sample
from storebench.results.asv import read_asv_file, read_benchmarks
from storebench.results.frame import load_results
from storebench.results.journal import Journal, read_journal
from storebench.storage import Storage
from storebench.suites import counted_values, grids_of

pytestmark = pytest.mark.slow

PASSES = 2
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: apt-get install git")


@pytest.fixture(scope="module", autouse=True)
def _still_clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let git say the same of this clone from the first pass to the last.

    Every process of a campaign asks git for the commit. Where somebody commits between two passes, the samples rightly belong
    to two environments: seen as a failure here that came and went, and found with a commit every four seconds.
    """
    root = clone_root()
    assert root is not None, "the tests run from a clone"
    folder = tmp_path_factory.mktemp("still") / "clone.git"
    with pytest.MonkeyPatch.context() as patch:
        if shutil.which("git") is not None and (root / ".git").exists():
            command = ["git", "clone", "--quiet", "--bare", "--shared", str(root), str(folder)]
            subprocess.run(command, check=True, capture_output=True)
            patch.setenv("GIT_DIR", str(folder))
            patch.setenv("GIT_WORK_TREE", str(root))
        yield


@pytest.fixture(scope="module", autouse=True)
def _short_limits() -> Iterator[None]:
    """Measure the limits as everywhere, but in as short a time as they take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storebench.campaign._steps.LIMITS_S", 0.5)
        yield


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("campaigns") / "root")


@pytest.fixture(scope="module")
def image(storage: Storage) -> Image:
    return stored_image(storage, open_dataset("ct", shape=(48, 40), dtype="uint8"))


def planned(storage: Storage, image: Image, folder: Path) -> Plan:
    workspace = Workspace(folder / "results", "lab", storage)
    return plan_campaign(workspace=workspace, tier="quick", suites=("write",), image=image, passes=PASSES)


def quiet(progress: Progress) -> None:
    assert 0 <= progress.done <= progress.total


def timed(row: Row) -> list[Sample]:
    return [sample for sample in row.samples if sample.kind == "timed"]


def files_of(outcome: Outcome) -> tuple[Path, Path]:
    """Return asv's file and the journal."""
    (journal,) = (path for path in outcome.result_files if path.suffix == ".jsonl")
    (asv_path,) = (path for path in outcome.result_files if path.suffix == ".json")
    return asv_path, journal


@pytest.fixture(scope="module")
def finished(storage: Storage, image: Image, tmp_path_factory: pytest.TempPathFactory):
    """A plan that was run to its end."""
    plan = planned(storage, image, tmp_path_factory.mktemp("finished"))
    return plan, run_campaign(plan, on_progress=quiet)


def test_the_plan_says_what_will_be_done(storage: Storage, image: Image, tmp_path: Path) -> None:
    plan = planned(storage, image, tmp_path)
    assert plan.n_measurements == PASSES * plan.n_cases
    assert plan.estimate_s > 0
    assert [number for number, _ in plan.batches] == sorted(number for number, _ in plan.batches)
    assert {number for number, _ in plan.batches} == set(range(PASSES))
    orders = [
        [name for number, names in plan.batches if number == wanted for name in names] for wanted in range(PASSES)
    ]
    assert orders[0] != orders[1], "each pass has an order of its own"
    assert sorted(orders[0]) == sorted(orders[1])
    assert not list(tmp_path.iterdir()), "planning writes nothing"


def test_every_case_has_samples_of_separated_processes(finished) -> None:
    plan, outcome = finished
    assert (outcome.n_ok, outcome.n_failed, outcome.n_skipped) == (plan.n_cases, 0, 0)
    frame = load_results(plan.workspace.results)
    assert len(frame) == plan.n_cases
    assert set(frame["n_samples"]) == {2 * PASSES}
    assert set(frame["n_processes"]) == {PASSES}
    assert set(frame["dataset"]) == {"ct"}


def test_asv_and_the_journal_hold_the_same_samples(finished, image: Image) -> None:
    plan, outcome = finished
    asv_path, journal = files_of(outcome)
    asv_rows = {(row.benchmark, row.params): row for row in read_asv_file(asv_path).rows}
    content = read_journal(journal)
    assert set(content.crops.values()) == {image.crop}, "nothing was stored with loss"
    entries = content.rows.values()
    assert len(entries) == plan.n_cases
    for entry in entries:
        kept = asv_rows[entry.benchmark, entry.params].samples
        for asv_s, own in zip(kept, timed(entry.row), strict=True):
            assert asv_s >= own.wall_s, "asv's clock is read outside ours"


def test_kept_files_name_no_machine(finished, storage: Storage) -> None:
    plan, _ = finished
    for path in plan.workspace.results.rglob("*.json*"):
        text = path.read_text()
        assert not re.search(r'"/\w', text), f"an absolute path in {path.name}"
        assert str(storage.root) not in text
        assert platform.node() not in text
        assert "existing" not in path.name
    assert getpass.getuser() not in {part for path in plan.workspace.results.rglob("*") for part in path.parts[-2:]}


def test_a_finished_campaign_leaves_nothing_in_the_storage_root(finished, storage: Storage) -> None:
    plan, _ = finished
    assert not AsvFolder(storage.root / "campaigns" / plan.key).exists()
    assert not list((storage.root / "scratch").glob("*"))


def test_running_again_adds_samples_and_loses_none(finished) -> None:
    plan, _ = finished
    before = load_results(plan.workspace.results).set_index("case_id")["samples_s"]
    run_campaign(plan, on_progress=quiet)
    after = load_results(plan.workspace.results).set_index("case_id")["samples_s"]
    assert all(after[case][: 2 * PASSES] == before[case] and len(after[case]) == 4 * PASSES for case in before.index)


class _StopAfter:
    """Presses Ctrl-C after the first call of asv came to its end."""

    def __init__(self, folder: AsvFolder) -> None:
        self._folder = folder

    def __call__(self, progress: Progress) -> None:
        if self._folder.finished_batches():
            raise KeyboardInterrupt


def test_an_interrupted_campaign_is_kept_and_goes_on(storage: Storage, image: Image, tmp_path: Path) -> None:
    plan = planned(storage, image, tmp_path)
    folder = AsvFolder(storage.root / "campaigns" / plan.key)
    outcome = run_campaign(plan, on_progress=_StopAfter(folder))
    assert outcome.interrupted
    kept = load_results(plan.workspace.results).set_index("case_id")["samples_s"]
    assert len(kept) > 0
    outcome = run_campaign(plan, on_progress=quiet, resume=True)
    assert not outcome.interrupted
    frame = load_results(plan.workspace.results).set_index("case_id")
    assert len(frame) == plan.n_cases
    assert all(frame.loc[case, "samples_s"][: len(samples)] == samples for case, samples in kept.items())
    assert frame["n_samples"].min() >= 2 * PASSES


def test_nothing_to_resume_is_said(storage: Storage, image: Image, tmp_path: Path) -> None:
    with pytest.raises(NothingSelectedError, match="--resume"):
        run_campaign(planned(storage, image, tmp_path), on_progress=quiet, resume=True)


def test_an_asv_that_breaks_is_told_from_slow_or_failing_code(
    storage: Storage, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(storage, image, tmp_path)
    monkeypatch.setattr("storebench.asv_calls.bundled_benchmarks", lambda: tmp_path / "nowhere")
    with pytest.raises(MeasurementError, match="asv ended with code"):
        run_campaign(plan, on_progress=quiet)


@needs_git
def test_asv_compares_and_publishes_what_is_kept(finished, tmp_path: Path) -> None:
    """`asv compare` of two commits and `asv publish` work on the kept files."""
    plan, outcome = finished
    compared = compared_and_published(plan, outcome, tmp_path)
    assert Counter(re.findall(r"time_write", compared))["time_write"] == plan.n_cases


def compared_and_published(plan: Plan, outcome: Outcome, folder: Path) -> str:
    """Lay the result into a fresh repository as that of two commits, and have asv show, compare and publish them."""

    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("git", "init", "--quiet", "--initial-branch=main", ".")
    commits = []
    for number in range(2):
        identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        run("git", *identity, "commit", "--quiet", "--allow-empty", "-m", f"commit {number}")
        commits.append(run("git", "rev-parse", "HEAD").strip())
    asv_path, _ = files_of(outcome)
    machine = folder / "results" / "lab"
    machine.mkdir(parents=True)
    (machine / "machine.json").write_text((asv_path.parent / "machine.json").read_text())
    (folder / "results" / "benchmarks.json").write_text((plan.workspace.results / "benchmarks.json").read_text())
    for commit in commits:
        data = json.loads(asv_path.read_text()) | {"commit_hash": commit}
        (machine / f"{commit[:8]}-{data['env_name']}.json").write_text(json.dumps(data))
    config = {
        "version": 1,
        "project": "p",
        "repo": ".",
        "branches": ["main"],
        "results_dir": "results",
        "html_dir": "html",
    }
    (folder / "asv.conf.json").write_text(json.dumps(config))
    shown = run(sys.executable, "-m", "asv", "show", commits[1])
    assert all(grid.name in shown for grid in plan.grids)
    compared = run(sys.executable, "-m", "asv", "compare", *commits, "--machine", "lab")
    run(sys.executable, "-m", "asv", "publish")
    assert (folder / "html" / "index.html").exists()
    return compared


@pytest.fixture(scope="module")
def states(storage: Storage, image: Image, tmp_path_factory: pytest.TempPathFactory):
    """A campaign of cold reads and durable writes that was run to its end."""
    why_not = why_not_cold(storage.root)
    if why_not is not None:
        pytest.skip(f"{why_not}: pytest --basetemp=FOLDER")
    workspace = Workspace(tmp_path_factory.mktemp("states") / "results", "lab", storage)
    suites = ("cold", "durable")
    plan = plan_campaign(workspace=workspace, tier="smoke", suites=suites, image=image, passes=PASSES)
    return plan, run_campaign(plan, on_progress=quiet)


def test_samples_of_a_state_are_in_asvs_file_as_in_the_journal(states) -> None:
    """`track_` benchmarks that return samples: asv keeps them all, over all passes, and knows that they are seconds."""
    plan, outcome = states
    assert (outcome.n_ok, outcome.n_failed, outcome.n_skipped) == (plan.n_cases, 0, 0)
    asv_path, journal = files_of(outcome)
    asv_rows = read_asv_file(asv_path, read_benchmarks(plan.workspace.results / "benchmarks.json")).rows
    by_key = {(row.benchmark, row.params): row for row in asv_rows}
    assert {name.rpartition(".")[2] for name, _ in by_key} == {"track_read_cold", "track_write_durable"}
    entries = read_journal(journal).rows.values()
    assert len(entries) == plan.n_cases
    for entry in entries:
        row = by_key[entry.benchmark, entry.params]
        counting = [sample.wall_s for sample in entry.row.samples if sample.counts]
        assert row.in_seconds
        assert list(row.samples) == counting
        assert len(counting) > PASSES, "appended, not replaced"
        assert len({sample.process_id for sample in timed(entry.row)}) == PASSES
        assert row.value == pytest.approx(statistics.median(counting))
        assert entry.row.engine == "asv"


def test_the_state_is_shown_in_every_sample(states) -> None:
    _, outcome = states
    rows = [entry.row for entry in read_journal(files_of(outcome)[1]).rows.values()]
    for row in rows:
        good = [sample for sample in row.samples if sample.counts]
        if row.case.cache == "cold":
            assert {sample.resident_fraction for sample in good} == {0}
        else:
            assert all(0 < sample.sync_s < sample.wall_s for sample in good)
    assert {(row.case.cache, row.case.durability) for row in rows} == {("cold", "returned"), ("warm", "durable")}


def test_the_journal_holds_how_the_machine_was(states) -> None:
    plan, outcome = states
    content = read_journal(files_of(outcome)[1])
    assert len(content.conditions[plan.environment.id]) == len(plan.batches), "over each call of asv"
    assert len(content.limits[plan.environment.id]) == PASSES, "at the start and once per pass"


@needs_git
def test_asv_compares_and_publishes_samples_of_a_state(states, tmp_path: Path) -> None:
    plan, outcome = states
    compared = compared_and_published(plan, outcome, tmp_path)
    n_lines = Counter(re.findall(r"track_read_cold|track_write_durable", compared))
    assert sum(n_lines.values()) == plan.n_cases


def test_a_case_without_a_sample_that_counts_is_a_failure_with_its_reason(
    storage: Storage, image: Image, tmp_path: Path
) -> None:
    """What asv says of it is null; the reason comes from the discarded sample."""
    plan = planned(storage, image, tmp_path)
    folder = AsvFolder(tmp_path / "campaign")
    (cold,) = (grid for grid in grids_of("smoke", suites=("cold",)) if grid.name == "SmokeNpyNumpyPlane")
    case = cold.case(*next(cold.combinations()))
    journal = Journal(folder.journal)
    origin = Origin(benchmark=cold.noted_as, params=("'default'", "'none'", "'whole'"))
    journal.append_environment(plan.environment)
    journal.append_row(plan.environment, Row(case=case, status="ok", format="npy", library="numpy"), origin)
    assert outcome_of(folder, (), interrupted=False).failures == (
        (case.id, "no call came to its end: stopped after the time limit, or crashed"),
    )
    sample = Sample(
        wall_s=0.1, open_s=None, cpu_s=0.1, started_at=1.0, process_id="p", verified=False, unverified_reason="why"
    )
    journal.append_sample(plan.environment.id, None, case.id, sample)
    assert outcome_of(folder, (), interrupted=False).failures == ((case.id, "none of 1 samples counts: why"),)
    assert outcome_of(folder, (), interrupted=True).failures == (), "it may still come"


def paired_plan(storage: Storage, image: Image, folder: Path) -> Plan:
    """Three timed cases of two libraries, and what is counted of others, lossy ones among them."""
    workspace = Workspace(folder / "results", "lab", storage)
    plan = plan_campaign(
        workspace=workspace, tier="smoke", suites=("durable", "size"), image=image, engine="paired", passes=2
    )
    names = ("SmokeNpyNumpyPlane__", "SmokeTiffTifffilePlane__", "SmokeJp2GlymurRates__")
    grids = tuple(grid for grid in plan.grids if grid.name.startswith(names))
    return dataclasses.replace(plan, grids=grids)


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough are enough, however wide the interval."""
    monkeypatch.setattr(Plan, "rule", SamplingRule(min_samples=4, min_processes=2, max_samples=6))


@pytest.mark.usefixtures("few_samples")
def test_the_paired_engine_goes_on_after_an_interruption_and_files_like_asv(
    storage: Storage, image: Image, tmp_path: Path
) -> None:
    plan = paired_plan(storage, image, tmp_path)

    def stop(progress: Progress) -> None:
        if progress.done >= 2:
            raise KeyboardInterrupt

    first = run_campaign(plan, on_progress=stop)
    assert first.interrupted
    before = {entry.row.case.id: entry.row for entry in read_journal(files_of(first)[1]).rows.values()}
    assert any(timed(row) for row in before.values()), "what is measured is kept"

    outcome = run_campaign(plan, on_progress=quiet, resume=True)
    assert not outcome.interrupted
    assert not AsvFolder(storage.root / "campaigns" / plan.key).exists()
    asv_path, journal = files_of(outcome)
    content = read_journal(journal)
    rows = {entry.row.case.id: entry for entry in content.rows.values()}
    timed_ids = set(timed_cases(plan.grids))
    assert len(timed_ids) == 3
    assert (outcome.n_ok, outcome.n_failed) == (len(rows), 0)
    for case_id in timed_ids:
        row = rows[case_id].row
        assert row.samples[: len(before[case_id].samples) if case_id in before else 0] == (
            before[case_id].samples if case_id in before else ()
        )
        assert 4 <= len(timed(row)) <= 6
        assert len({sample.process_id for sample in timed(row)}) >= 2
        assert row.engine == "paired"
    assert content.conditions[plan.environment.id]
    assert len(content.limits[plan.environment.id]) == 2, "of each start one"
    lossy = {row.case.codec for row in (entry.row for entry in rows.values()) if row.max_abs_error}
    assert len(lossy) == 5
    assert {crop.codec for crop in content.crops.values()} == {None, *lossy}
    assert {crop.sha256 for crop in content.crops.values()} == {image.record.sha256}

    benchmarks = read_benchmarks(plan.workspace.results / "benchmarks.json")
    asv_rows = {(row.benchmark, row.params): row for row in read_asv_file(asv_path, benchmarks).rows}
    assert {name for name, _ in asv_rows} == {name for grid in plan.grids for name in grid.benchmarks}
    for grid in plan.grids:
        for values in grid.combinations():
            entry = rows[grid.case(*values).id]
            params = tuple(map(repr, values))
            assert (grid.noted_as, params) in entry.measured_as
            for benchmark in grid.benchmarks:
                filed = asv_rows[benchmark, params]
                assert (filed.status, filed.version, filed.stale) == ("ok", "1", False)
                assert filed.in_seconds is grid.is_timed
                if grid.is_timed:
                    assert list(filed.samples) == [sample.wall_s for sample in entry.row.samples if sample.counts]
                else:
                    assert filed.value == counted_values(entry.row)[benchmark.rpartition(".track_")[2]]
    frame = load_results(plan.workspace.results)
    assert sorted(frame["case_id"]) == sorted(rows), "the two files are one table"
    if shutil.which("git"):
        (tmp_path / "clone").mkdir()
        compared_and_published(plan, outcome, tmp_path / "clone")


def test_a_file_of_the_other_engine_is_as_asv_would_have_written_it(finished, tmp_path: Path) -> None:
    """From the journal of a campaign of asv's comes the file that asv wrote, but for whose clock it was."""
    plan, outcome = finished
    asv_path, journal = files_of(outcome)
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "machine.json").write_text((asv_path.parent / "machine.json").read_text())
    write_asv_results(
        folder,
        grids=plan.grids,
        rows={entry.row.case.id: entry.row for entry in read_journal(journal).rows.values()},
        benchmarks=read_benchmarks(plan.workspace.results / "benchmarks.json"),
        environment=plan.environment,
        commit=plan.environment.commit or plan.environment.storebench,
    )
    (written,) = (path for path in folder.glob("*.json") if path.name != "machine.json")
    ours, theirs = json.loads(written.read_text()), json.loads(asv_path.read_text())
    assert written.name == asv_path.name
    assert ours.keys() == theirs.keys()
    for key in ("commit_hash", "env_name", "params", "python", "requirements", "env_vars", "result_columns", "version"):
        assert ours[key] == theirs[key], key
    assert ours["results"].keys() == theirs["results"].keys()
    same = [theirs["result_columns"].index(name) for name in ("params", "version", "stats_number")]
    for name, row in theirs["results"].items():
        assert len(ours["results"][name]) == len(row)
        assert [ours["results"][name][i] for i in same] == [row[i] for i in same]


def test_a_case_that_failed_is_null_and_one_that_was_not_measured_is_nan(finished, tmp_path: Path) -> None:
    plan, outcome = finished
    asv_path, _ = files_of(outcome)
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "machine.json").write_text((asv_path.parent / "machine.json").read_text())
    grid = next(grid for grid in plan.grids if grid.n_cases == 3)
    failed, skipped, _ = (grid.case(*values) for values in grid.combinations())
    empty = {"format": "f", "library": "l", "reason": "why"}
    rows = {
        failed.id: Row(case=failed, status="failed", **empty),
        skipped.id: Row(case=skipped, status="skipped", **empty),
    }
    benchmarks = read_benchmarks(plan.workspace.results / "benchmarks.json")
    write_asv_results(
        folder, grids=plan.grids, rows=rows, benchmarks=benchmarks, environment=plan.environment, commit="c" * 40
    )
    (written,) = (path for path in folder.glob("*.json") if path.name != "machine.json")
    found = read_asv_file(written, benchmarks).rows
    assert {row.benchmark for row in found} == set(grid.benchmarks), "a benchmark of which nothing is known is left out"
    assert [row.status for row in found] == ["failed", "skipped", "skipped"]


def test_an_engine_that_does_not_exist_is_named(storage: Storage, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "results", "lab", storage)
    with pytest.raises(UsageError, match="Did you mean paired"):
        plan_campaign(workspace=workspace, engine="paried")


def test_a_budget_bounds_the_estimate_of_the_paired_engine(storage: Storage, image: Image, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "results", "lab", storage)

    def plan(budget_s: float | None) -> Plan:
        return plan_campaign(
            workspace=workspace, tier="core", suites=("read",), image=image, engine="paired", budget_s=budget_s
        )

    free, bounded = plan(None), plan(1.0)
    assert bounded.estimate_s < free.estimate_s
    assert free.n_measurements == 15 * free.n_cases
    assert free.passes == 3
    assert (free.rule.budget_s, bounded.rule.budget_s) == (None, 1.0)
    assert free.rule.half_width == SamplingRule().half_width
    assert free.key == bounded.key, "more time may be given when it is resumed"
    assert free.key != dataclasses.replace(free, engine="asv").key
