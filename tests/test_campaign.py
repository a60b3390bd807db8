"""A campaign drives the real asv: separated samples, neutral names, nothing lost on Ctrl-C, and asv's own tools still work."""

from __future__ import annotations

import getpass
import json
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from storebench.asv_calls import AsvFolder
from storebench.campaign import Plan, Progress, Workspace, plan_campaign, run_campaign
from storebench.datasets import open_dataset
from storebench.errors import MeasurementError, NothingSelectedError
from storebench.measurement.images import Image, stored_image
from storebench.results.asv import read_asv_file
from storebench.results.frame import load_results
from storebench.results.journal import read_journal
from storebench.storage import Storage

PASSES = 2


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


def test_asv_and_the_journal_hold_the_same_samples(finished) -> None:
    plan, outcome = finished
    (journal,) = (path for path in outcome.result_files if path.suffix == ".jsonl")
    (asv_path,) = (path for path in outcome.result_files if path.suffix == ".json")
    asv_rows = {(row.benchmark, row.params): row for row in read_asv_file(asv_path).rows}
    entries = read_journal(journal).rows.values()
    assert len(entries) == plan.n_cases
    for entry in entries:
        kept = asv_rows[entry.benchmark, entry.params].samples
        assert len(kept) == len(entry.row.samples)
        for asv_s, own in zip(kept, entry.row.samples, strict=True):
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


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: apt-get install git")
def test_asv_compares_and_publishes_what_is_kept(finished, tmp_path: Path) -> None:
    """`asv compare` of two commits and `asv publish` work on the kept files."""
    plan, outcome = finished

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("git", "init", "--quiet", "--initial-branch=main", ".")
    commits = []
    for number in range(2):
        identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        run("git", *identity, "commit", "--quiet", "--allow-empty", "-m", f"commit {number}")
        commits.append(run("git", "rev-parse", "HEAD").strip())
    (asv_path,) = (path for path in outcome.result_files if path.suffix == ".json")
    machine = tmp_path / "results" / "lab"
    machine.mkdir(parents=True)
    (machine / "machine.json").write_text((asv_path.parent / "machine.json").read_text())
    (tmp_path / "results" / "benchmarks.json").write_text((plan.workspace.results / "benchmarks.json").read_text())
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
    (tmp_path / "asv.conf.json").write_text(json.dumps(config))
    compared = run(sys.executable, "-m", "asv", "compare", *commits, "--machine", "lab")
    assert Counter(re.findall(r"time_write", compared))["time_write"] == plan.n_cases
    run(sys.executable, "-m", "asv", "publish")
    assert (tmp_path / "html" / "index.html").exists()
