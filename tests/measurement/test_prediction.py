"""Predictions are what can be worked out by hand, and every backend's counts are within what the table explains."""

from __future__ import annotations

import fnmatch
import math
from typing import Any

import pytest

from storebench.backends import BACKENDS, Backend
from storebench.errors import UnsupportedError
from storebench.measurement._counting_checks import check_prediction
from storebench.measurement.explained import EXPLAINED, allowed, explained_rows
from storebench.measurement.images import Image, image_of
from storebench.measurement.operations import workload_for
from storebench.measurement.prediction import FAMILIES, Prediction, predict_read, predict_write
from storebench.measurement.workload import Workload
from storebench.records import Case
from storebench.storage import Storage
from storebench.stores import Location, RequestLog

SHAPE = (8, 32, 48)
VOXEL_BYTES = 2


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("predictions"))


@pytest.fixture(scope="session")
def volume(storage: Storage) -> Image:
    return image_of(storage, "ct", SHAPE, "uint16", 0)


@pytest.fixture(scope="session")
def plane(storage: Storage) -> Image:
    return image_of(storage, "ct", (32, 48), "uint16", 0)


@pytest.fixture(scope="session")
def images(volume: Image, plane: Image) -> dict[int, Image]:
    return {2: plane, 3: volume}


def _workload(
    storage: Storage, image: Image, backend: str, operation: str = "read", pattern: str = "whole", **settings: Any
) -> Workload:
    known = {"dataset": "ct", "shape": image.shape, "dtype": "uint16", "axes": image.axes}
    return workload_for(
        Case(**known, backend=backend, operation=operation, pattern=pattern, **settings), image, storage
    )


def _predicted(workload: Workload) -> Prediction:
    found = predict_read(workload.backend.name, workload.store.location, getattr(workload, "requests", ()))
    assert found is not None
    return found


def _metadata_bytes(workload: Workload) -> int:
    chunk_bytes = workload.store.stored.chunk_bytes
    assert chunk_bytes is not None
    return workload.store.stored_bytes - chunk_bytes


@pytest.mark.parametrize(
    ("pattern", "n_runs", "n_voxels"),
    [("whole", 1, 12288), ("plane_xy", 1, 1536), ("plane_xz", 8, 384), ("voxel", 1, 1)],
)
def test_npy_is_its_header_and_its_runs(
    storage: Storage, volume: Image, pattern: str, n_runs: int, n_voxels: int
) -> None:
    found = _predicted(_workload(storage, volume, "npy-numpy", pattern=pattern))
    assert (found.requests, found.n_bytes) == (1 + n_runs, 128 + n_voxels * VOXEL_BYTES)


@pytest.mark.parametrize(("pattern", "n_chunks"), [("whole", 12), ("plane_xy", 6), ("plane_xz", 6), ("voxel", 1)])
@pytest.mark.parametrize("backend", ["zarr2-zarrpython", "zarr3-zarrpython"])
def test_zarr_is_its_metadata_and_its_chunks(
    storage: Storage, volume: Image, backend: str, pattern: str, n_chunks: int
) -> None:
    workload = _workload(storage, volume, backend, pattern=pattern, chunk_shape=(4, 16, 16))
    found = _predicted(workload)
    assert found.requests == n_chunks + (1 if "3" in backend else 2)
    assert found.n_bytes == n_chunks * 1024 * VOXEL_BYTES + _metadata_bytes(workload)


def test_a_shard_is_its_index_and_its_chunks_or_the_whole(storage: Storage, volume: Image) -> None:
    settings = {"chunk_shape": (4, 8, 8), "shard_shape": (8, 16, 16)}
    index_bytes = 8 * 16 + 4
    for pattern, n_requests, n_bytes in (
        ("whole", 6, 6 * (2048 * VOXEL_BYTES + index_bytes)),
        ("voxel", 2, 256 * VOXEL_BYTES + index_bytes),
        ("plane_xy", 6 * (1 + 4), 6 * (4 * 256 * VOXEL_BYTES + index_bytes)),
    ):
        workload = _workload(storage, volume, "zarr3-zarrpython", pattern=pattern, **settings)
        found = _predicted(workload)
        metadata_bytes = workload.store.location.child("zarr.json").path.stat().st_size
        assert (found.requests, found.n_bytes) == (n_requests + 1, n_bytes + metadata_bytes)


def test_a_level_of_omezarr_is_read_with_its_own_metadata(storage: Storage, volume: Image) -> None:
    workload = _workload(storage, volume, "omezarr-0.5-zarrpython", chunk_shape=(4, 16, 16), n_levels=2)
    folder = workload.store.location.path
    metadata_bytes = (folder / "zarr.json").stat().st_size + (folder / "0" / "zarr.json").stat().st_size
    found = _predicted(workload)
    assert (found.requests, found.n_bytes) == (2 + 12, metadata_bytes + math.prod(SHAPE) * VOXEL_BYTES)


def test_a_tiff_is_its_chain_of_pages_and_its_tiles(storage: Storage, volume: Image) -> None:
    found = _predicted(_workload(storage, volume, "tiff-tifffile", pattern="plane_xy", chunk_shape=(1, 16, 16)))
    tags = found.n_bytes - 8 - 6 * 256 * VOXEL_BYTES
    assert found.requests - 1 - 6 == found.n_parts  # a page for each directory, up to the one that is read
    assert 1 <= found.n_parts <= SHAPE[0]
    assert tags >= found.n_parts * (2 + 12 * 12 + 4)


def test_a_file_that_is_decoded_whole_is_one_request_for_each_read(
    storage: Storage, volume: Image, plane: Image
) -> None:
    alone = _workload(storage, plane, "jp2-imagecodecs", codec="jp2-lossless", pattern="voxel")
    assert _predicted(alone) == Prediction(requests=1, n_bytes=alone.store.stored_bytes, n_parts=1)
    stack = _workload(storage, volume, "jp2stack-imagecodecs", codec="jp2-lossless", pattern="plane_xz")
    assert _predicted(stack) == Prediction(requests=8, n_bytes=stack.store.stored_bytes, n_parts=8)
    png = _workload(storage, plane, "png-imageio", codec="png-1", pattern="voxel")
    assert _predicted(png) == Prediction(requests=2, n_bytes=33 + png.store.stored_bytes, n_parts=2)


def test_hdf5_is_its_superblock_and_its_chunks(storage: Storage, volume: Image) -> None:
    pytest.importorskip("h5py", reason='h5py is missing; install with: pip install "storebench[hdf5]"')
    found = _predicted(_workload(storage, volume, "hdf5-h5py", pattern="plane_xy", chunk_shape=(4, 16, 16)))
    assert (found.requests, found.n_bytes) == (1 + 6, 96 + 6 * 1024 * VOXEL_BYTES)
    found = _predicted(_workload(storage, volume, "hdf5-h5py", pattern="plane_xz"))
    assert (found.requests, found.n_bytes) == (1 + 8, 96 + 8 * 48 * VOXEL_BYTES)


def test_openjpeg_in_a_file_is_not_predicted(storage: Storage, plane: Image) -> None:
    workload = _workload(storage, plane, "jp2-glymur", codec="jp2-lossless")
    assert predict_read("jp2-glymur", workload.store.location, workload.requests) is None  # type: ignore[attr-defined]


_CODECS = {
    "png": "png-1",
    "jp2": "jp2-lossless",
    "htj2k": "htj2k-lossless",
    "jxl": "jxl-lossless-3",
    "jls": "jls-lossless",
    "jxr": "jxr-lossless",
    "niftigz": "gzip-1",
    "cog": "none",
}


@pytest.mark.parametrize("chunk_shape", [None, (1, 16, 16), (4, 16, 16)], ids=["unset", "flat", "deep"])
@pytest.mark.parametrize(
    "call",
    [
        ("open", "whole"),
        *(("read", p) for p in ("whole", "plane_xy", "plane_xz", "voxel", "roi32")),
        ("write", "whole"),
    ],
)
def test_every_backend_asks_for_what_is_predicted_or_explained(
    storage: Storage, images: dict[int, Image], backend: Backend, call: tuple[str, str], chunk_shape: Any
) -> None:
    (operation, pattern), codec = call, _CODECS.get(backend.format.removesuffix("stack"), "none")
    n_axes = 2 if backend.format in _CODECS else 3
    image, shape = images[n_axes], chunk_shape and chunk_shape[-n_axes:]
    if n_axes == 2 and pattern == "plane_xz":
        pattern = "plane_xy"
    try:
        workload = _workload(storage, image, backend.name, operation, pattern, chunk_shape=shape, codec=codec)
    except UnsupportedError:
        return
    log = RequestLog()
    if operation == "write":
        with storage.scratch() as folder:
            workload.perform(Location(folder / f"image{backend.suffix}").counted(log))
        check_prediction(workload, log.count("set"), log.n_bytes("set"), predict_write(backend.name, workload.store))
        return
    workload.perform(workload.store.location.counted(log))
    predicted = predict_read(backend.name, workload.store.location, getattr(workload, "requests", ()))
    assert (predicted is None) == (not backend.counts_reads)
    check_prediction(workload, log.n_requests, log.fetched_bytes, predicted)


def test_the_tables_name_backends_that_there_are() -> None:
    for pattern in [pattern for pattern, _ in FAMILIES] + [p for entry in EXPLAINED for p in entry.backends.split()]:
        assert fnmatch.filter(BACKENDS, pattern), pattern


def test_what_has_no_explanation_is_exact() -> None:
    predicted = Prediction(requests=3, n_bytes=100, n_parts=3)
    assert allowed("npy-numpy", "read", "requests", predicted) == (3, 3)
    assert allowed("npy-numpy", "read", "bytes", predicted) == (100, 100)
    assert allowed("zarr3-zarrpython", "read", "bytes", predicted) == (100, 100)
    assert allowed("zarr3-zarrpython", "write", "requests", predicted) == (3, 3)


def test_the_table_is_written_for_a_page() -> None:
    head, rule, *rows = explained_rows()
    assert len(rows) == len(EXPLAINED)
    assert {line.count("|") for line in (head, rule, *rows)} == {6}
