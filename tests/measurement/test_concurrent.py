"""Several threads, and several processes, on one image: verified values, refusals, nothing counted that is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storebench.errors import UnsupportedError, UsageError, VerificationError
from storebench.measurement import concurrent
from storebench.measurement.images import Image, image_of
from storebench.measurement.operations import workload_for
from storebench.measurement.single import measure
from storebench.pipelines import Cluster, StoredLevel
from storebench.records import Case
from storebench.storage import Storage

SHAPE = (33, 34, 35)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("concurrent"))


@pytest.fixture(scope="module")
def image(storage: Storage) -> Image:
    return image_of(storage, "ct", SHAPE, "uint16", 0)


@pytest.fixture
def case() -> Callable[..., Case]:
    def make(**settings: Any) -> Case:
        base: dict[str, Any] = {
            "dataset": "ct", "shape": SHAPE, "dtype": "uint16", "axes": "zyx", "operation": "read",
            "backend": "zarr3-zarrpython", "codec": "zstd-3", "chunk_shape": (8, 8, 8), "concurrency": "threads-2",
        }  # fmt: skip
        return Case(**base | settings)

    return make


@pytest.mark.parametrize(("operation", "concurrency"), [("write", "threads-2"), ("read", "workers-2")])
def test_a_case_is_timed_and_what_workers_ask_for_is_not_made_up(
    storage: Storage, operation: str, concurrency: str
) -> None:
    row = measure(
        "ct", shape=SHAPE, dtype="uint16", backend="zarr3-zarrpython", chunks=(8, 8, 8), codec="zstd-3", samples=2,
        operation=operation, concurrency=concurrency, storage=storage,
    )  # fmt: skip
    assert (row["status"], row["concurrency"], row["n_samples"]) == ("ok", concurrency, 2)
    assert row["asked_bytes"] == np.prod(SHAPE) * 2
    assert row["requests"] is row["fetched_bytes"] is row["peak_memory_bytes"] is None
    of_this_process = [row[name] is None for name in ("parallelism", "cpu_s", "preempted_share")]
    assert of_this_process == [concurrency == "workers-2"] * 3
    assert row["device_bytes"] is row["read_call_bytes"] is None


@pytest.mark.parametrize(("operation", "concurrency"), [("read", "threads-2"), ("write", "workers-2")])
def test_blocks_come_back_and_go_there_to_the_bit(
    storage: Storage, image: Image, case: Callable[..., Case], operation: str, concurrency: str
) -> None:
    workload = workload_for(case(operation=operation, concurrency=concurrency), image, storage)
    workload.prepare()
    workload.run()
    workload.check()
    assert workload.conclude().wall_s > 0
    if concurrency == "workers-2":  # what they leave when they are cut off is where a clean finds it
        assert list((storage.root / "scratch").glob("*/dask-scratch-space/*"))


def test_a_reader_that_gives_other_voxels_is_found(
    storage: Storage, image: Image, case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = workload_for(case(), image, storage)
    workload.prepare()
    workload.run()
    workload.check()
    monkeypatch.setattr(StoredLevel, "read", lambda self, region: np.zeros(region.shape, self.dtype))
    workload.prepare()
    workload.run()
    with pytest.raises(VerificationError, match=r"threads-2: \d+ of \d+ blocks are not what was written, the first 0:"):
        workload.check()


def test_a_writer_that_loses_a_block_is_found(storage: Storage, image: Image, case: Callable[..., Case]) -> None:
    workload = workload_for(case(operation="write"), image, storage)
    workload.prepare()
    workload.run()
    workload.check()
    first = next(p for p in sorted(Path(workload._target.path).rglob("c/*/*/*")))
    others = [p for p in first.parent.iterdir() if p.read_bytes() != first.read_bytes()]
    first.write_bytes(others[0].read_bytes())
    with pytest.raises(VerificationError, match="blocks are not what was written"):
        workload.check()
    workload.conclude()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"operation": "write", "backend": "hdf5-h5py", "codec": "none", "concurrency": "workers-2"}, "not write one hdf5"),
        ({"operation": "write", "backend": "tiff-tifffile", "codec": "none", "chunk_shape": None}, "cannot write one tiff file"),
        ({"operation": "write", "backend": "omezarr-0.5-zarrpython", "n_levels": 2}, "is of one level"),
        ({"cache": "cold", "concurrency": "workers-2"}, "is not counted here"),
    ],
)  # fmt: skip
def test_what_is_unsafe_or_cannot_be_shown_is_refused(
    storage: Storage, image: Image, case: Callable[..., Case], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UnsupportedError, match=sentence):
        workload_for(case(**settings), image, storage)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"concurrency": "threads"}, "is neither threads-N"),
        ({"operation": "open"}, "concurrency goes with the operations read and write of a whole image"),
        ({"pattern": "plane_xy"}, "concurrency goes with the operations read and write of a whole image"),
    ],
)
def test_concurrency_of_anything_else_is_wrong(
    storage: Storage, image: Image, case: Callable[..., Case], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        workload_for(case(**settings), image, storage)


def test_what_cannot_be_is_refused_before_anybody_is_started(
    storage: Storage, image: Image, case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(**_: int) -> None:
        raise AssertionError("workers were started")

    monkeypatch.setattr(concurrent, "engine_for", nobody)
    with pytest.raises(UnsupportedError, match="3 workers are processes"):
        workload_for(
            case(operation="write", backend="hdf5-h5py", codec="none", concurrency="workers-3"), image, storage
        )


def test_workers_whose_library_takes_no_limit_are_ended(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Stubborn(Cluster):
        def limit_threads(self, backend: str, threads: int) -> str | None:
            return f"{backend} has no limit"

    @contextmanager
    def started(**_: Any) -> Iterator[Cluster]:
        try:
            yield Stubborn(None, "3 workers", one_machine=True)  # type: ignore[arg-type]
        finally:
            said.append("ended")

    monkeypatch.setattr(concurrent, "engine_for", started)
    with pytest.raises(UnsupportedError, match="zarr3-zarrpython has no limit"):
        concurrent._engine("workers-3", ("zarr3-zarrpython", 1), storage)
    assert said == ["ended"]
