"""The machine's limits: what is measured, where it cannot be, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from storebench.errors import StorageError
from storebench.measurement.cache import why_not_cold
from storebench.measurement.limits import RANDOM_REQUESTS, REQUESTS, measure_limits
from storebench.measurement.single import measure
from storebench.records import Limits, Operation
from storebench.storage import Storage

_REQUESTS = {str(n) for n in REQUESTS}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Limits, Storage]:
    storage = Storage.open(tmp_path_factory.mktemp("limits") / "root")
    return measure_limits(storage, budget_s=0.5), storage


def test_every_limit_is_there(measured: tuple[Limits, Storage]) -> None:
    limits, storage = measured
    assert set(limits.warm_read_bytes_per_s) == _REQUESTS
    assert set(limits.write_bytes_per_s) == set(limits.durable_write_bytes_per_s) == _REQUESTS
    assert {"262144", "4194304", "33554432"} <= set(limits.memcpy_bytes_per_s)
    assert None not in (limits.open_s, limits.create_s, limits.sync_s)
    assert abs(limits.taken_at - time.time()) < 600
    if why_not_cold(storage.root) is None:
        assert set(limits.cold_read_bytes_per_s) == _REQUESTS
        assert set(limits.random_read_s) == {str(n) for n in RANDOM_REQUESTS}


def test_the_limits_keep_the_order_that_physics_gives_them(measured: tuple[Limits, Storage]) -> None:
    """Not one of these is a wall time: a busy machine slows both sides, and orders of magnitude stay."""
    limits, _ = measured
    for request in _REQUESTS:
        assert limits.durable_write_bytes_per_s[request] < limits.memcpy_bytes_per_s["262144"]
    assert limits.open_s is not None
    assert limits.open_s > 1e-8
    for cold in limits.cold_read_bytes_per_s.values():
        assert cold < max(limits.warm_read_bytes_per_s.values())
    if limits.random_read_s:
        # From memory 4 KiB come in less than a microsecond: a read that was not cold would show.
        assert limits.random_read_s["4096"] > 4096 / max(limits.warm_read_bytes_per_s.values())


def test_nothing_is_left(measured: tuple[Limits, Storage]) -> None:
    _, storage = measured
    assert list((storage.root / "scratch").iterdir()) == []


def test_nothing_is_left_after_ctrl_c(tmp_path: Path) -> None:
    code = (
        "import signal\n"
        "from storebench.measurement.limits import measure_limits\n"
        "from storebench.storage import Storage\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores it
        f"measure_limits(Storage.open({str(tmp_path / 'root')!r}), budget_s=30)\n"
    )
    scratch = tmp_path / "root" / "scratch"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    with process:
        deadline = time.monotonic() + 300
        while not any(scratch.glob("*/sequential")) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        assert any(scratch.iterdir())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert list(scratch.iterdir()) == []


def test_where_cold_is_impossible_there_is_no_cold_figure() -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or why_not_cold(memory) is None:
        pytest.skip("no file system in memory here; mount one: mount -t tmpfs tmpfs /dev/shm")
    storage = Storage.open(memory / f"storebench-{os.getpid()}")
    try:
        limits = measure_limits(storage, budget_s=0.5)
    finally:
        for path in sorted(storage.root.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        storage.root.rmdir()
    assert limits.cold_read_bytes_per_s == {}
    assert limits.random_read_s == {}
    assert set(limits.warm_read_bytes_per_s) == _REQUESTS


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage.open(tmp_path / "root")
    full = replace(storage.file_system(), free_bytes=1024)
    monkeypatch.setattr(Storage, "file_system", lambda _: full)
    with pytest.raises(StorageError, match=r"16\.0 MiB are needed and 1\.00 KiB are free"):
        measure_limits(storage, budget_s=0.5)


@pytest.mark.parametrize("operation", ["read", "write", "open", "encode", "decode"])
def test_a_real_case_takes_longer_than_its_limit(operation: Operation, tmp_path: Path) -> None:
    """What else runs makes the case slower; by far the largest part of so small a one is Python's anyway."""
    row = measure(
        "ct",
        backend="zarr3-zarrpython",
        chunks=(16, 16, 16),
        codec="zstd-1",
        shape=(32, 32, 32),
        operation=operation,
        samples=5,
        storage=Storage.open(tmp_path / "root"),
    )
    assert 0 < row["limit_fraction"] < 1
    assert row["limit_s"] == pytest.approx(row["limit_fraction"] * row["median_s"])
