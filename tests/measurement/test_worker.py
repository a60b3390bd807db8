"""A worker process: what it answers, what it is told apart from, and how it ends."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import storebench
from storebench.errors import (
    MeasurementError,
    MissingDependencyError,
    StorageError,
    UnknownNameError,
    UnsupportedError,
    UsageError,
)
from storebench.measurement._serving import _VOXELS, _SharedImage
from storebench.measurement.images import Image
from storebench.measurement.session import Session
from storebench.measurement.worker import Worker
from storebench.measurement.workload import process_id
from storebench.records import SCHEMA_VERSION, Case
from storebench.results.journal import read_journal
from storebench.storage import Storage

pytestmark = pytest.mark.slow

SHAPE = (10, 10, 20)
READ = Case(
    dataset="random",
    shape=SHAPE,
    dtype="uint16",
    axes="zyx",
    operation="read",
    backend="zarr3-zarrpython",
    chunk_shape=(10, 10, 10),
)
WRITE = dataclasses.replace(READ, operation="write")
NOT_POSSIBLE = dataclasses.replace(READ, codec="png-6")

_PATCHED = """
import os, signal, sys, time
from storebench.measurement import worker, workload

def patched(self, call=workload.Workload._call):
    {body}
    call(self)

workload.Workload._call = patched
worker.main()
"""


@pytest.fixture
def worker(storage: Storage, tmp_path: Path) -> Iterator[Worker]:
    with Worker(storage, journal=tmp_path / "journal.jsonl", run="r1") as opened:
        yield opened


def patched_entry(folder: Path, body: str) -> tuple[str, ...]:
    """Return an entry whose reads do something else first."""
    script = folder / "patched_worker.py"
    script.write_text(_PATCHED.format(body=body))
    return (str(script),)


def test_it_holds_several_cases_and_writes_the_journal(worker: Worker, image: Image, tmp_path: Path) -> None:
    rows = [worker.open(case, image.key) for case in (READ, WRITE)]
    taken = [worker.call(case.id) for case in (READ, WRITE, READ)]
    assert [row.status for row in rows] == ["ok", "ok"]
    assert [[sample.kind for sample in row.samples] for row in rows] == [["first_touch"]] * 2
    assert all(sample is not None and sample.kind == "timed" and sample.wall_s > 0 for sample in taken)
    processes = {sample.process_id for sample in (*taken, *rows[0].samples) if sample}
    assert len(processes) == 1
    assert processes != {process_id()}
    content = read_journal(tmp_path / "journal.jsonl")
    assert set(content.environments) == {worker.environment.id}
    entries = {entry.row.case.id: entry for entry in content.rows.values()}
    assert {name: len(entry.row.samples) for name, entry in entries.items()} == {READ.id: 3, WRITE.id: 2}
    assert {entry.run for entry in entries.values()} == {"r1"}
    assert {entry.row.engine for entry in entries.values()} == {"paired"}


def test_its_environment_is_that_of_a_session_here(worker: Worker, storage: Storage, image: Image) -> None:
    assert worker.environment == Session(READ, image, storage).environment


def test_errors_come_back_as_what_they_are(worker: Worker, storage: Storage, image: Image) -> None:
    with pytest.raises(UnsupportedError) as here:
        Session(NOT_POSSIBLE, image, storage).start()
    with pytest.raises(UnsupportedError) as there:
        worker.open(NOT_POSSIBLE, image.key)
    assert type(there.value) is type(here.value)
    assert str(there.value) == str(here.value)
    with pytest.raises(StorageError, match="no longer holds the dataset 0123"):
        worker.open(READ, "0123")
    with pytest.raises(UnknownNameError, match=r"there is no codec called 'zsdt-3'\. Did you mean zstd-3"):
        worker.open(dataclasses.replace(READ, codec="zsdt-3"), image.key)
    assert worker.open(READ, image.key).status == "ok"  # it goes on


def test_an_error_of_a_library_names_its_type(storage: Storage, image: Image, tmp_path: Path) -> None:
    with Worker(storage, entry=patched_entry(tmp_path, "raise ZeroDivisionError('in a library')")) as worker:
        with pytest.raises(MeasurementError, match=r"^ZeroDivisionError: in a library$"):
            worker.open(READ, image.key)
        assert worker.alive


def test_a_case_that_was_let_go_is_not_open(worker: Worker, image: Image) -> None:
    worker.open(READ, image.key)
    worker.close_case(READ.id)
    assert worker.held == set()
    with pytest.raises(MeasurementError, match="is not open in this worker"):
        worker.call(READ.id)


@pytest.mark.parametrize("other", [{"backend": "npy-numpy", "chunk_shape": None}, {"threads": 1}], ids=str)
def test_another_pool_is_refused(worker: Worker, image: Image, other: dict[str, object]) -> None:
    worker.open(READ, image.key)
    with pytest.raises(MeasurementError, match="serves one backend and thread budget"):
        worker.open(dataclasses.replace(READ, **other), image.key)  # type: ignore[arg-type]


def test_what_a_library_prints_or_reads_does_not_disturb(storage: Storage, image: Image, tmp_path: Path) -> None:
    body = "print('{} nonsense'); os.system('echo more nonsense'); assert sys.stdin.read() == ''"
    with Worker(storage, entry=patched_entry(tmp_path, body)) as worker:
        worker.open(READ, image.key)
        assert worker.call(READ.id) is not None
        assert worker.call(READ.id) is not None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL: often memory that ran out"),
        ("sys.stderr.write('so it goes'); sys.stderr.flush(); os._exit(3)", "ended with code 3"),
    ],
    ids=["crash", "killed", "gone"],
)
def test_a_death_names_the_case_and_the_signal(
    storage: Storage, image: Image, tmp_path: Path, body: str, words: str
) -> None:
    with Worker(storage, entry=patched_entry(tmp_path, body)) as worker:
        with pytest.raises(MeasurementError, match=words) as caught:
            worker.open(READ, image.key)
        assert str(caught.value).startswith(f"the worker process died on {READ.id}: it ")
        assert "\n" not in str(caught.value)  # what it wrote names paths: a note, and no part of a result
        assert not worker.alive
        with pytest.raises(MeasurementError, match=words):  # and says so again
            worker.call(READ.id)
    if "so it goes" in body:
        assert "so it goes" in caught.value.__notes__[0]


def test_one_that_gives_no_answer_is_ended(storage: Storage, image: Image, tmp_path: Path) -> None:
    with Worker(storage, entry=patched_entry(tmp_path, "time.sleep(600)"), answer_s=0.5) as worker:
        with pytest.raises(MeasurementError, match=r"died on read/.*: it gave no answer in 0.5 s and was ended"):
            worker.open(READ, image.key)
        assert not worker.alive


def test_an_interpreter_without_storebench_is_told_what_to_install(storage: Storage, image: Image) -> None:
    # -S: without site-packages
    with Worker(storage, entry=("-S", "-m", "storebench.measurement.worker")) as worker:
        with pytest.raises(MissingDependencyError, match=r"-m pip install storebench==\d") as caught:
            worker.open(READ, image.key)
        assert sys.executable in str(caught.value)


@pytest.mark.parametrize(("version", "schema"), [("0.0.9", SCHEMA_VERSION), (storebench.__version__, 1)])
def test_another_version_is_refused(storage: Storage, image: Image, version: str, schema: int) -> None:
    hello = json.dumps({"storebench": version, "schema_version": schema})
    with Worker(storage, entry=("-c", f"input(); print({hello!r})")) as worker:
        with pytest.raises(MissingDependencyError, match="two versions do not measure alike; install it there with"):
            worker.open(READ, image.key)


def test_no_such_interpreter(storage: Storage) -> None:
    with pytest.raises(UsageError, match=r"the interpreter /nowhere/python cannot be started \(No such file"):
        Worker(storage, python="/nowhere/python")


def test_ctrl_c_is_not_for_it(worker: Worker, image: Image) -> None:
    worker.open(READ, image.key)
    os.kill(worker.pid, signal.SIGINT)
    assert worker.call(READ.id) is not None
    assert os.getpgid(worker.pid) != os.getpgid(0)  # nor does a terminal's reach it while it starts


def _gone(pid: int) -> bool:
    for _ in range(600):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_it_ends_with_the_one_who_asks(storage: Storage) -> None:
    code = (
        "import os, sys\nfrom storebench.measurement.worker import Worker\nfrom storebench.storage import Storage\n"
        f"worker = Worker(Storage.open({str(storage.root)!r}))\nworker.environment\n"
        "print(worker.pid, flush=True)\nos._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert _gone(int(done.stdout))


def test_closing_ends_it_and_may_be_done_twice(storage: Storage) -> None:
    worker = Worker(storage)
    worker.close()
    worker.close()
    assert not worker.alive


def test_voxels_are_in_memory_once_and_then_not(image: Image) -> None:
    one, other = (_SharedImage(image.key, image.record, image.path) for _ in range(2))
    voxels = one.voxels()
    assert other.voxels() is voxels
    assert (voxels == image.voxels()).all()
    del voxels
    assert image.key not in _VOXELS
