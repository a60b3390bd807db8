"""The asv suites: every class runs once in this process on a tiny image, and asv itself finds and accepts them all."""

from __future__ import annotations

import dataclasses
import importlib
import json
import mmap
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from storebench.assets import bundled_benchmarks
from storebench.backends import get_backend
from storebench.errors import MeasurementError
from storebench.measurement.cache import why_not_cold
from storebench.results.journal import read_journal
from storebench.storage import Storage
from storebench.suites import GRIDS, SUITES, Grid, Subject, grids_of

pytestmark = pytest.mark.slow

ROOT = bundled_benchmarks().parent
TINY = {
    2: Subject("ct", (96, 80), "uint16", "yx"),
    3: Subject("ct", (33, 34, 35), "uint16", "zyx"),
    5: Subject("fluorescence5d", (1, 2, 8, 40, 36), "uint16", "tczyx"),
}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory):
    """The module that makes asv's classes, on a storage root and a journal of its own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("suites")
        patch.setenv("STOREBENCH_ROOT", str(folder / "root"))
        patch.setenv("STOREBENCH_JOURNAL", str(folder / "journal.jsonl"))
        patch.syspath_prepend(str(ROOT))
        yield importlib.import_module("benchmarks.common")


def may_be_missing(grid: Grid, method: str) -> bool:
    """A tiny image fits into what a process has.

    A run of bytes has no chunks; what OpenJPEG reads and decodes through glymur, or of a wavelet's level, is not known.
    """
    if (
        not get_backend(grid.backend).counts_reads
        or method == "track_peak_memory_bytes"
        or grid.name.endswith("PlaneLevels")
    ):
        return True
    run_of_bytes = grid.backend == "npy-numpy" or grid.name.endswith("Contiguous")
    return run_of_bytes and method == "track_chunks_touched"


def tiny(grid: Grid) -> Grid:
    """Return the grid on a tiny image, with no more than four chunks along an axis: a million files are not made here."""
    subject = TINY[len(grid.subject.shape)]
    if grid.subject.name == subject.name:
        subject = dataclasses.replace(subject, dtype=grid.subject.dtype)  # what some codecs take alone
    small = dataclasses.replace(grid, subject=subject)
    chunk = small.case(*next(small.combinations())).chunk_shape or subject.shape
    shape = tuple(min(n, 4 * c) for n, c in zip(subject.shape, chunk, strict=True))
    return dataclasses.replace(grid, subject=dataclasses.replace(subject, shape=shape))


def each_kind(grids: Iterable[Grid]) -> dict[str, Grid]:
    """Return grids by id that do, on one backend or another, all that all do on a tiny image; and one of each backend.

    Layouts and codecs, which a class hands on to its backend, do not make another kind: those the tests of the contract try.
    """
    kinds, done = [], set()
    for grid in grids:
        small = tiny(grid)
        case = small.case(*next(small.combinations()))
        shape = TINY[len(case.shape)].shape
        plain = dataclasses.replace(case, backend="any", shape=shape, codec="none", chunk_shape=None, shard_shape=None)
        does = {(grid.methods, grid.slow, plain.id), case.backend}
        if not does <= done:
            kinds.append(grid)
            done |= does
    return by_id(kinds)


def by_id(grids: Iterable[Grid]) -> dict[str, Grid]:
    return {f"{grid.suite}.{grid.name}": grid for grid in grids}


def skip_what_cannot_be_here(grid: Grid) -> None:
    """Skip backends that are not installed, and cold reads on a file system that is itself in memory."""
    if (why := get_backend(grid.backend).why_unavailable()) is not None:
        pytest.skip(why)
    why_not = why_not_cold(Storage.open().root) if grid.cache != "warm" else None
    if why_not is not None:
        pytest.skip(f"{why_not}: pytest --basetemp=FOLDER")


def run_once(common, grid: Grid) -> None:
    """Do what asv does with a class: one process, the first combination."""
    made = common._class(tiny(grid))
    params = next(tiny(grid).combinations())
    for method in grid.methods:
        benchmark = made()
        benchmark.setup(*params)
        value = getattr(benchmark, method)(*params)
        if not grid.is_timed:
            assert value > 0 or may_be_missing(grid, method)
        elif grid.own_loop:
            assert value["number"] == 1
            assert len(value["samples"]) == (1 if grid.slow else 2)
            assert min(value["samples"]) > 0
        else:
            benchmark.teardown(*params)


@pytest.mark.parametrize("name", each_kind(grid for grid in GRIDS if grid.threads is None))
def test_every_kind_of_class_runs_once(common, name: str) -> None:
    grid = by_id(GRIDS)[name]
    skip_what_cannot_be_here(grid)
    run_once(common, grid)


@pytest.mark.parametrize("name", each_kind(grid for grid in GRIDS if grid.threads is not None))
def test_every_kind_of_class_with_a_thread_budget_runs_once(common, name: str) -> None:
    """Each in a process of its own, as asv has it: a library's pool of threads is made once."""
    skip_what_cannot_be_here(by_id(GRIDS)[name])
    done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_two_samples_and_their_facts_are_in_the_journal(
    common, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOREBENCH_JOURNAL", str(tmp_path / "journal.jsonl"))
    grid = tiny(next(g for g in GRIDS if g.suite == "read" and g.backend == "zarr3-zarrpython"))
    benchmark, params = common._class(grid)(), next(grid.combinations())
    for _ in range(2):  # as asv does: set up, call, tear down, for every sample
        benchmark.setup(*params)
        benchmark.time_read(*params)
        benchmark.teardown(*params)
    (entry,) = read_journal(tmp_path / "journal.jsonl").rows.values()
    assert entry.benchmark == f"read.{grid.name}.time_read"
    assert entry.params == tuple(map(repr, params))
    assert [sample.kind for sample in entry.row.samples] == ["first_touch", "timed", "timed"]
    assert entry.row.engine == "asv"
    assert entry.row.fetched_bytes > 0
    assert all(sample.open_s < sample.wall_s for sample in entry.row.samples)


def test_a_cold_read_that_was_not_cold_is_no_sample_and_says_why(
    common, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has the file mapped into memory: its pages cannot be evicted."""
    monkeypatch.setenv("STOREBENCH_JOURNAL", str(tmp_path / "journal.jsonl"))
    grid = tiny(next(g for g in GRIDS if g.suite == "cold" and g.backend == "npy-numpy" and len(g.subject.shape) == 3))
    skip_what_cannot_be_here(grid)
    benchmark, params = common._class(grid)(), next(grid.combinations())
    benchmark.setup(*params)
    (path,) = benchmark._open[1]._ready.paths
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) > 0, "every page is touched"
        with pytest.raises(MeasurementError, match=r"none of 4 samples counts: .*the journal has them"):
            benchmark.track_read_cold(*params)
    (entry,) = read_journal(tmp_path / "journal.jsonl").rows.values()
    timed = [sample for sample in entry.row.samples if sample.kind == "timed"]
    assert [sample.verified for sample in timed] == [False] * 4
    assert all(sample.unverified_reason for sample in timed)
    assert benchmark.track_read_cold(*params)["samples"], "and once nobody has it, it is cold again"


def test_a_case_that_cannot_be_is_skipped_with_its_reason(
    common, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOREBENCH_JOURNAL", str(tmp_path / "journal.jsonl"))
    grid = tiny(next(g for g in GRIDS if g.suite == "read" and g.backend == "zarr3-zarrpython"))
    wrong = dataclasses.replace(grid, params={"codec": ("lzw",)})
    with pytest.raises(NotImplementedError, match="lzw"):
        common._class(wrong)().setup("lzw")
    (entry,) = read_journal(tmp_path / "journal.jsonl").rows.values()
    assert entry.row.status == "skipped"
    assert "lzw" in entry.row.reason


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: apt-get install git")
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="asv needs a repository: run the tests in a git clone")
def test_asv_accepts_the_suites_and_plain_asv_sees_the_smoke_tier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asv check` imports every class and compares argument counts; its list of benchmarks is exactly the smoke tier's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    config = json.loads((ROOT / "asv.conf.json").read_text())
    config |= {"repo": str(ROOT), "benchmark_dir": str(ROOT / "benchmarks"), "results_dir": str(tmp_path / "results")}
    (tmp_path / "asv.conf.json").write_text(json.dumps(config))
    machine = "machine --yes --machine m --os o --arch a --cpu c --num_cpu 1 --ram 1".split()
    for arguments in (machine, ["check", "-E", "existing"], ["run", "-E", "existing", "-b", "just-discover"]):
        command = [sys.executable, "-m", "asv", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "results" / "benchmarks.json").read_text())
    smoke = {name: grid for grid in grids_of("smoke") for name in grid.benchmarks}
    assert set(found) - {"version"} == set(smoke)
    seconds = {name for name, about in found.items() if name != "version" and about["unit"] == "seconds"}
    assert seconds == {name for name, grid in smoke.items() if grid.is_timed}
    assert all(about["number"] == 1 and about["warmup_time"] == 0 for name, about in found.items() if ".time_" in name)


def test_each_suite_has_a_module() -> None:
    assert {path.stem for path in bundled_benchmarks().glob("*.py")} - {"__init__", "common"} == {
        suite.replace("-", "_") for suite in SUITES
    }


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    run_once(importlib.import_module("benchmarks.common"), by_id(GRIDS)[sys.argv[1]])
