"""Writes in parts, changes of what is stored, and what is done to a store's objects: what each leaves, and what it says."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storebench.errors import UnsupportedError, UsageError, VerificationError
from storebench.grid import Region
from storebench.measurement import streams, writes
from storebench.measurement.images import Image, image_of
from storebench.measurement.operations import workload_for
from storebench.measurement.streams import flipped
from storebench.measurement.workload import Workload
from storebench.records import Case, Operation, Sample
from storebench.storage import Storage

SHAPE = (10, 10, 20)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("writes"))


@pytest.fixture(scope="module")
def image(storage: Storage) -> Image:
    return image_of(storage, "random", SHAPE, "uint16", 0)


def _case(backend: str, operation: Operation, **settings: Any) -> Case:
    known = {"dataset": "random", "shape": SHAPE, "dtype": "uint16", "axes": "zyx"}
    return Case(**known, backend=backend, operation=operation, **settings)


def _call(workload: Workload) -> Sample:
    """Make one call and compare what it left."""
    workload.prepare()
    try:
        workload.run()
        workload.check()
    finally:
        sample = workload.conclude()
    assert list((workload.storage.root / "scratch").iterdir()) == []
    return sample


IN_PARTS = [
    _case("npy-numpy", "append"),
    _case("hdf5-h5py", "append", chunk_shape=(4, 5, 5), codec="deflate-1"),
    _case("zarr2-zarrpython", "append", chunk_shape=(4, 5, 5), codec="gzip-1"),
    _case("zarr3-zarrpython", "append", chunk_shape=(2, 5, 5), shard_shape=(4, 10, 10), codec="zstd-3"),
    _case("omezarr-0.5-zarrpython", "append", chunk_shape=(1, 10, 20)),
    _case("tiff-tifffile", "append"),
]
IN_PLANES = [
    _case("pngstack-imageio", "append", codec="png-1"),
    _case("jp2stack-imageio", "append", codec="jp2-ratio-2"),
]
by_id = {"ids": lambda value: value.id if isinstance(value, Case) else None}


@pytest.mark.parametrize(("pattern", "n_slabs"), [("stream1", 10), ("stream4", 3), ("whole", 1)])
@pytest.mark.parametrize("case", [*IN_PARTS, *IN_PLANES], **by_id)
def test_an_append_has_the_seconds_of_each_slab(
    storage: Storage, image: Image, case: Case, pattern: str, n_slabs: int
) -> None:
    sample = _call(workload_for(replace(case, pattern=pattern), image, storage))
    assert sample.frame_s is not None
    assert len(sample.frame_s) == n_slabs
    assert min(sample.frame_s) > 0
    assert sample.open_s is not None
    assert sample.open_s + sum(sample.frame_s) <= sample.wall_s


@pytest.mark.parametrize("pattern", ["roi4-misaligned4", "plane_xy", "plane_xz", "voxel", "stream4"])
@pytest.mark.parametrize("case", IN_PARTS, **by_id)
def test_an_overwrite_changes_its_region_and_nothing_else(
    storage: Storage, image: Image, case: Case, pattern: str
) -> None:
    workload = workload_for(replace(case, operation="overwrite", pattern=pattern), image, storage)
    before = {path: path.read_bytes() for path in map(Path, workload.store.location.files())}
    sample = _call(workload)
    assert sample.open_s is not None
    n_voxels = {"roi4-misaligned4": 64, "plane_xy": 200, "plane_xz": 200, "voxel": 1, "stream4": 2000}[pattern]
    assert workload.row().voxels_asked == n_voxels
    assert {path: path.read_bytes() for path in map(Path, workload.store.location.files())} == before


@pytest.mark.parametrize("operation", ["append", "overwrite"])
def test_a_durable_part_ends_when_it_is_on_the_device(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch, operation: Operation
) -> None:
    """A sync after each slab, in its time; one more for what closing wrote."""
    synced: list[float] = []

    def slow(path: Path) -> float:
        synced.append(0.001)
        return 0.001

    monkeypatch.setattr(writes, "sync_file_system", slow)
    case = _case("npy-numpy", operation, pattern="stream4", durability="durable")
    workload = workload_for(case, image, storage)
    synced.clear()
    sample = _call(workload)
    assert len(synced) == 1 + 3 + 1  # before the clock, each slab, the end
    assert sample.sync_s == pytest.approx(0.004)
    workload = workload_for(replace(case, durability="returned"), image, storage)
    synced.clear()
    sample = _call(workload)
    assert len(synced) == 2  # before the clock, and after it
    assert sample.sync_s == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        (_case("npy-numpy", "append", pattern="plane_xy"), UsageError, "plane_xy is a part of the image; an append"),
        (_case("tiff-tifffile", "overwrite", pattern="voxel", codec="zstd-1"), UnsupportedError, "is compressed"),
        (_case("tiffstack-tifffile", "overwrite", pattern="voxel"), UnsupportedError, "takes whole planes"),
        (
            _case("pngstack-imageio", "overwrite", codec="png-1", pattern="plane_xy"),
            UnsupportedError,
            "do not tell exactly how they are compressed",
        ),
        (_case("jp2stack-imageio", "overwrite", codec="jp2-ratio-2", pattern="plane_xy"), UnsupportedError, "is lossy"),
        (
            _case("jp2stack-imageio", "append", codec="jp2-lossless", pattern="stream1", stack_axis=1),
            UnsupportedError,
            "whole planes along y, and these regions are cut along z; use a format that takes regions",
        ),
        (
            _case("omezarr-0.5-zarrpython", "append", pattern="stream1", n_levels=2),
            UsageError,
            "full resolution only",
        ),
        (
            _case("npy-numpy", "list", durability="durable"),
            UsageError,
            "goes with the operations append, overwrite and",
        ),
    ],
    ids=lambda value: value.id if isinstance(value, Case) else "",
)
def test_what_cannot_be_is_a_sentence(
    storage: Storage, image: Image, case: Case, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        workload_for(case, image, storage)


class _Careless:
    """A writer that loses a slab, forgets a change, or changes too much."""

    def __init__(self, writer: Any, fault: str) -> None:
        self._writer, self._fault, self._n_written = writer, fault, 0

    def write(self, region: Region, values: Any, level: int = 0) -> None:
        self._n_written += 1
        if self._fault == "forgets" or (self._fault == "loses" and self._n_written == 2):
            return
        self._writer.write(region, values, level)
        if self._fault == "spills":
            self._writer.write(Region((9, 9, 19), (10, 10, 20)), values[-1:, -1:, -1:] + 1, level)

    def flush(self) -> None:
        self._writer.flush()


@pytest.mark.parametrize(
    ("case", "fault_and_words"),
    [
        (_case("npy-numpy", "append", pattern="stream4"), ("loses", r"region 4:8,0:10,0:20 is not what was appended")),
        (_case("npy-numpy", "append", pattern="whole"), ("forgets", r"region 0:10,0:10,0:20 is not what was appended")),
        (_case("npy-numpy", "overwrite", pattern="stream4"), ("loses", r"region 4:8,0:10,0:20 does not hold the new")),
        (_case("npy-numpy", "overwrite", pattern="voxel"), ("forgets", "does not hold the new values")),
        (_case("npy-numpy", "overwrite", pattern="voxel"), ("spills", "changed voxels beside the region")),
    ],
)
def test_a_careless_writer_is_caught(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch, case: Case, fault_and_words: tuple[str, str]
) -> None:
    workload, (fault, words) = workload_for(case, image, storage), fault_and_words
    door = {"append": "create", "overwrite": "reopen"}[case.operation]
    original = getattr(workload.backend, door)

    @contextlib.contextmanager
    def careless(*arguments: Any) -> Iterator[Any]:
        with original(*arguments) as writer:
            yield _Careless(writer, fault)

    monkeypatch.setattr(workload.backend, door, careless, raising=False)
    with pytest.raises(VerificationError, match=words):
        _call(workload)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float16", "float32", "float64", "complex64"])
def test_flipped_values_all_differ(dtype: str) -> None:
    values = np.arange(-3, 4).astype(dtype)
    changed = flipped(values)
    assert changed.dtype == values.dtype
    assert not (changed == values).any()
    np.testing.assert_array_equal(flipped(changed), values)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_of_voxels_that_are_no_numbers_each_bit_counts(dtype: str) -> None:
    values = np.array([np.nan, np.inf, -np.inf, 0.0]).astype(dtype)
    changed = flipped(values)
    assert streams._equal(changed, changed.copy())
    assert not any(streams._equal(changed[i : i + 1], values[i : i + 1]) for i in range(len(values)))
    assert streams._equal(flipped(changed), values)


def test_objects_are_found_and_removed_from_a_copy(storage: Storage, image: Image) -> None:
    settings = {"chunk_shape": (5, 5, 5)}
    for operation in ("list", "delete"):
        workload = workload_for(_case("zarr3-zarrpython", operation, **settings), image, storage)
        _call(workload)
        row = workload.row()
        assert row.n_files == math.prod((2, 2, 4)) + 1
        assert workload.store.location.size() == (row.stored_bytes, row.n_files)


def test_a_copy_shares_no_file_with_the_store(storage: Storage, image: Image) -> None:
    """Removing a second name of a file would be a hundred times quicker than removing the file."""
    workload = workload_for(_case("zarr3-zarrpython", "delete", chunk_shape=(5, 5, 5)), image, storage)
    with workload.fresh() as copy:  # type: ignore[attr-defined]
        files = [Path(file).stat() for file in copy.files()]
    assert {status.st_nlink for status in files} == {1}
