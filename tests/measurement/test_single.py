"""The notebook's call: one row, the documented columns, the store of the last call used again."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import storebench
from storebench.errors import DataError, UnknownNameError, UsageError
from storebench.measurement import single
from storebench.measurement.sampler import SamplingProgress
from storebench.measurement.single import measure
from storebench.records import OPERATIONS
from storebench.results.tidy import COLUMNS
from storebench.storage import Storage

SETTINGS: dict[str, Any] = {"backend": "zarr3-zarrpython", "chunks": (5, 5, 5), "codec": "zstd-3", "samples": 2}
MADE: dict[str, Any] = {"shape": (10, 10, 20), "dtype": "uint16"}


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("single"))


def _one(storage: Storage, **settings: Any) -> dict[str, Any]:
    return measure("ct", **(MADE | SETTINGS | settings), storage=storage)


def test_a_row_has_the_documented_columns_and_whether_axes_were_assumed(storage: Storage) -> None:
    row = _one(storage, pattern="plane_xz")
    assert tuple(row)[: len(COLUMNS)] == COLUMNS
    assert set(row) == {*COLUMNS, "axes_assumed"}
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_a_row_says_what_was_measured(storage: Storage) -> None:
    row = _one(storage, pattern="plane_xz")
    expected = {
        "dataset": "ct",
        "shape": [10, 10, 20],
        "backend": "zarr3-zarrpython",
        "format": "zarr3",
        "library": "zarr",
        "chunk_shape": [5, 5, 5],
        "shard_shape": None,
        "codec": "zstd-3",
        "operation": "read",
        "pattern": "plane_xz",
        "status": "ok",
        "reason": None,
        "n_samples": 2,
        "n_processes": 1,
        "low_confidence": True,
        "logical_bytes": 4000,
        "asked_bytes": 400,
        "voxels_asked": 200,
        "voxels_decoded": 8 * 125,
        "chunks_touched": 8,
        "read_amplification": 5.0,
        "max_abs_error": 0.0,
        "axes_assumed": False,
    }
    assert {name: row[name] for name in expected} == expected
    assert len(row["samples_s"]) == 2
    assert min(row["samples_s"]) <= row["median_s"] <= max(row["samples_s"])
    assert row["compression_ratio"] == 4000 / row["stored_bytes"]


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "build_levels"])  # needs several levels
def test_every_operation(storage: Storage, operation: Any) -> None:
    row = _one(storage, operation=operation)
    assert (row["status"], row["n_samples"]) == ("ok", 2)
    assert (row["open_s"] is None) == (operation not in ("read", "open", "append", "overwrite"))
    assert (row["asked_bytes"] is None) == (operation in ("open", "list", "delete"))
    assert (row["write_amplification"] is None) == (operation not in ("append", "overwrite"))
    assert (row["limit_s"] is None) == (operation in ("append", "overwrite", "list", "delete"))


def test_what_a_backend_cannot_do_is_a_row_that_says_so(storage: Storage) -> None:
    row = _one(storage, backend="png-imageio", chunks=None, codec="png-6")
    assert row["status"] == "skipped"
    assert "png-imageio holds images of 2 axes" in row["reason"]
    assert row["samples_s"] is row["median_s"] is row["stored_bytes"] is None


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"samples": 0}, UsageError, "samples is 0"),
        ({"codec": "zstd3"}, UnknownNameError, "Did you mean zstd-3"),
        ({"backend": "zarr-zarrpython"}, UnknownNameError, "zarr3-zarrpython"),
        ({"pattern": "plane-xz"}, UnknownNameError, "plane_xz"),
        ({"operation": "reed"}, UsageError, "no operation 'reed'"),
        ({"operation": "write", "pattern": "voxel"}, UsageError, "goes with the operations append, overwrite and read"),
        ({"shards": (7, 7, 7)}, UsageError, "multiple of the chunk shape"),
        ({"shards": (10, 10, 10), "chunks": None}, UsageError, "without a chunk shape; give both"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_a_sentence(
    storage: Storage, settings: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        _one(storage, **settings)


def test_a_file_that_is_no_image_is_a_sentence(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "broken.npy"
    path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.npy"):
        measure(path, **SETTINGS, storage=storage)


def test_a_users_file_is_measured_and_left_alone(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "mine.npy"
    np.save(path, np.arange(2000, dtype=np.uint16).reshape(10, 10, 20))
    before = path.read_bytes()
    row = measure(path, **SETTINGS, storage=storage)
    assert (row["status"], row["shape"], row["seed"], row["axes_assumed"]) == ("ok", [10, 10, 20], None, True)
    assert path.read_bytes() == before
    assert str(tmp_path) not in json.dumps(row)


def test_the_second_call_reuses_the_store(storage: Storage) -> None:
    settings = {"chunks": (4, 4, 4)}
    before = len(list((storage.root / "stores").iterdir()))
    _one(storage, **settings)
    files = {path: path.stat().st_mtime_ns for path in (storage.root / "stores").rglob("*") if path.is_file()}
    assert len(list((storage.root / "stores").iterdir())) == before + 1
    _one(storage, **settings, pattern="voxel")
    again = {path: path.stat().st_mtime_ns for path in (storage.root / "stores").rglob("*") if path.is_file()}
    assert again == files


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_rests_in_the_clock_and_is_as_before_afterwards(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    states: list[bool] = []
    run = single.Session.run
    monkeypatch.setattr(single.Session, "run", lambda self: (states.append(gc.isenabled()), run(self)))
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        _one(storage)
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()
    assert states == [False, False]


def test_slow_calls_tell_how_far_they_are(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "_QUIET_S", 0.0)
    seen: list[SamplingProgress] = []
    measure("ct", shape=(8, 16, 16), backend="npy-numpy", samples=4, storage=storage, on_progress=seen.append)
    assert [(told.done, told.total) for told in seen] == [(1, 4), (2, 4), (3, 4)]
    assert all(told.eta_s > 0 for told in seen)


def test_measure_works_after_importing_the_package_alone_and_twice(tmp_path: Path) -> None:
    code = (
        "import json, storebench\n"
        "rows = [storebench.measure('ct', shape=(8, 8, 8), backend='npy-numpy', samples=1) for _ in range(2)]\n"
        "print(json.dumps([row['status'] for row in rows]), callable(storebench.measure))"
    )
    environ = os.environ | {"STOREBENCH_ROOT": str(tmp_path / "root")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environ, check=True
    )
    assert done.stdout.split("\n")[0] == '["ok", "ok"] True'


def test_the_package_offers_what_it_names() -> None:
    assert {name for name in storebench.__all__ if not hasattr(storebench, name)} == set()
