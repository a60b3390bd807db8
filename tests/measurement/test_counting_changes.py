"""Bytes and requests of appends and overwrites: what the counters say is what geometry says, worked out here once more."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storebench.access import Target, parse_pattern
from storebench.errors import VerificationError
from storebench.grid import Region, Shape, block_region, blocks_touched, grid_shape
from storebench.measurement import _counting_calls as calls
from storebench.measurement import _counting_changes
from storebench.measurement._counters import count
from storebench.measurement._counting_calls import Counts
from storebench.measurement.images import Image, image_of
from storebench.measurement.operations import workload_for
from storebench.measurement.workload import Workload
from storebench.records import Case, Operation
from storebench.results.tidy import tidy_row
from storebench.storage import Storage
from storebench.stores import Location

SHAPE = (12, 20, 30)
_ITEM_BYTES = 2


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("changes"))


@pytest.fixture(scope="module")
def image(storage: Storage) -> Image:
    return image_of(storage, "random", SHAPE, "uint16", 0)


def _case(backend: str, operation: Operation, **settings: Any) -> Case:
    known = {"dataset": "random", "shape": SHAPE, "dtype": "uint16", "axes": "zyx"}
    return Case(**known, backend=backend, operation=operation, **settings)


def _count(workload: Workload) -> Counts:
    """Count one call: what is the same in every call is in this one."""
    with workload.fresh() as location:  # type: ignore[attr-defined]
        log, _ = calls.logged(workload, location)
        return _counting_changes._counts(workload, log, location)


def _metadata(folder: Path) -> tuple[int, int]:
    """Return number and bytes of the metadata files that opening an array or an OME-Zarr image asks for."""
    files = [path for path in folder.rglob("*") if path.name in ("zarr.json", ".zarray", ".zattrs", ".zgroup")]
    return len(files), sum(path.stat().st_size for path in files)


OVERWRITES = [
    _case("zarr2-zarrpython", "overwrite", chunk_shape=(4, 8, 8), codec="gzip-1"),
    _case("zarr3-zarrpython", "overwrite", chunk_shape=(4, 8, 8)),
    _case("zarr3-zarrpython", "overwrite", chunk_shape=(1, 20, 30), codec="zstd-3"),
    _case("omezarr-0.4-zarrpython", "overwrite", chunk_shape=(4, 8, 8), n_levels=2),
    _case("omezarr-0.5-zarrpython", "overwrite", chunk_shape=(4, 8, 8), n_levels=2, codec="zstd-3"),
]


@pytest.mark.parametrize("pattern", ["roi8-aligned8", "roi8-misaligned8", "plane_xz", "whole"])
@pytest.mark.parametrize("case", OVERWRITES, ids=lambda case: case.id)
def test_an_overwrite_reads_the_chunks_that_it_cuts_and_writes_those_that_it_touches(
    storage: Storage, image: Image, case: Case, pattern: str
) -> None:
    workload = workload_for(replace(case, pattern=pattern), image, storage)
    counts, folder = _count(workload), workload.store.location.path
    (request,) = parse_pattern(pattern).requests(Target((SHAPE,), "zyx"))
    head = "0/c" if case.backend == "omezarr-0.5-zarrpython" else {"zarr2": "", "zarr3": "c"}.get(case.backend[:5], "0")
    separator = "." if case.backend.startswith("zarr2") else "/"
    touched = list(blocks_touched(request.region, case.chunk_shape))
    cut = [
        i
        for i in touched
        if request.region.intersection(block_region(i, case.chunk_shape, SHAPE))
        != block_region(i, case.chunk_shape, SHAPE)
    ]
    n_documents, document_bytes = _metadata(folder)
    read = [(folder / head / separator.join(map(str, index))).stat().st_size for index in cut]
    assert counts.requests == n_documents + len(cut)
    assert counts.fetched_bytes == document_bytes + sum(read)
    assert counts.sets == len(touched)
    assert counts.predicted_requests == counts.requests + counts.sets
    assert counts.predicted_bytes == counts.fetched_bytes + counts.set_bytes
    if case.codec == "none":
        assert counts.set_bytes == len(touched) * math.prod(case.chunk_shape) * _ITEM_BYTES


@pytest.mark.parametrize("pattern", ["voxel", "roi4-aligned4", "plane_xy", "whole"])
def test_a_shard_is_read_and_written_whole_for_one_voxel_of_it(storage: Storage, image: Image, pattern: str) -> None:
    case = _case("zarr3-zarrpython", "overwrite", chunk_shape=(2, 4, 4), shard_shape=(4, 8, 8), pattern=pattern)
    workload = workload_for(case, image, storage)
    counts, folder = _count(workload), workload.store.location.path
    (request,) = parse_pattern(pattern).requests(Target((SHAPE,), "zyx"))
    touched = list(blocks_touched(request.region, case.shard_shape))
    paths = [folder / "c" / "/".join(map(str, index)) for index in touched]
    shard_bytes = sum(path.stat().st_size for path in paths)
    covered = [
        path.stat().st_size
        for path, index in zip(paths, touched, strict=True)
        if request.region.intersection(own := block_region(index, case.shard_shape, SHAPE)) == own
    ]
    metadata_bytes = (folder / "zarr.json").stat().st_size
    assert counts.sets == len(touched)
    assert counts.set_bytes == shard_bytes  # without a codec a shard keeps its size
    most = shard_bytes + metadata_bytes
    assert most - sum(covered) <= counts.fetched_bytes <= most  # zarr before 3.4 reads shards that it replaces
    assert counts.predicted_bytes == most - sum(covered) + shard_bytes
    assert len(touched) - len(covered) + 1 <= counts.requests <= len(touched) + 1


@pytest.mark.parametrize("pattern", ["voxel", "roi8-aligned8", "roi8-misaligned8", "plane_xz", "whole"])
@pytest.mark.parametrize(
    ("backend", "shard_shape"),
    [
        *(
            (name, None)
            for name in ("zarr2-tensorstore", "zarr3-tensorstore", "omezarr-0.4-tensorstore", "n5-tensorstore")
        ),
        ("omezarr-0.5-tensorstore", (8, 16, 16)),
    ],
)
def test_tensorstore_reads_what_it_cuts_and_shards_at_the_edge(
    storage: Storage, image: Image, backend: str, shard_shape: tuple[int, ...] | None, pattern: str
) -> None:
    pytest.importorskip(
        "tensorstore", reason='tensorstore is missing; install with: pip install "storebench[tensorstore]"'
    )
    case = _case(backend, "overwrite", chunk_shape=(4, 8, 8), shard_shape=shard_shape, codec="gzip-1", pattern=pattern)
    counts = _count(workload_for(case, image, storage))
    found = (counts.requests or 0) + (counts.sets or 0), (counts.fetched_bytes or 0) + (counts.set_bytes or 0)
    predicted = counts.predicted_requests, counts.predicted_bytes
    # Of a "whole", `_count` has found what sticks out of the image read too, and nothing else.
    assert found > predicted if pattern == "whole" else found == predicted


def test_what_changes_costs_more_bytes_misaligned_and_most_in_shards(storage: Storage, image: Image) -> None:
    """The pitfall in numbers: bytes moved for each byte changed."""
    chunks = _case("zarr3-zarrpython", "overwrite", chunk_shape=(4, 8, 8))
    shards = replace(chunks, chunk_shape=(4, 8, 8), shard_shape=(12, 24, 32))
    found = []
    for case in (chunks, shards):
        for pattern in ("roi4x8x8-aligned8", "roi4x8x8-misaligned8"):
            workload = workload_for(replace(case, pattern=pattern), image, storage)
            row = replace(workload.row(), **vars_of(_count(workload)))
            found.append(tidy_row(row)["write_amplification"])
    aligned, misaligned, *sharded = found
    assert 1 < aligned < 5 < misaligned < min(sharded)


def vars_of(counts: Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in ("fetched_bytes", "set_bytes", "sets", "requests")}


@pytest.mark.parametrize(("pattern", "runs"), [("whole", 1), ("plane_xz", 12), ("voxel", 1)])
def test_a_run_of_bytes_moves_what_changes(storage: Storage, image: Image, pattern: str, runs: int) -> None:
    workload = workload_for(_case("npy-numpy", "overwrite", pattern=pattern), image, storage)
    counts = _count(workload)
    header_bytes = workload.store.stored_bytes - workload.store.stored.chunk_bytes
    assert (counts.requests, counts.fetched_bytes) == (1, header_bytes)
    assert (counts.sets, counts.set_bytes) == (runs, workload.row().voxels_asked * _ITEM_BYTES)


@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("n_planes", [1, 2, 4, 12])
def test_a_stream_writes_a_chunk_once_for_each_slab_that_cuts_it(
    storage: Storage, image: Image, depth: int, n_planes: int
) -> None:
    chunk: Shape = (depth, 8, 8)
    case = _case("zarr3-zarrpython", "append", chunk_shape=chunk, pattern=f"stream{n_planes}")
    counts = _count(workload_for(case, image, storage))
    sets = gets = 0
    misses = 1  # is an array here already?
    seen: set[tuple[int, ...]] = set()
    for start in range(0, SHAPE[0], n_planes):
        region = Region((start, 0, 0), (min(start + n_planes, SHAPE[0]), *SHAPE[1:]))
        for index in blocks_touched(region, chunk):
            own = block_region(index, chunk, SHAPE)
            sets += 1
            if region.intersection(own) != own:
                misses, gets = (misses, gets + 1) if index in seen else (misses + 1, gets)
            seen.add(index)
    chunk_bytes = math.prod(chunk) * _ITEM_BYTES
    assert len(seen) == math.prod(grid_shape(SHAPE, chunk))
    assert counts.sets == sets + 1  # and zarr.json
    assert (counts.misses, counts.gets) == (misses, gets)
    assert counts.fetched_bytes == gets * chunk_bytes
    assert sets * chunk_bytes < counts.set_bytes < (sets + 1) * chunk_bytes + 2000
    assert (gets == 0) == (n_planes % depth == 0)


def test_hdf5_is_counted_and_not_predicted(storage: Storage, image: Image) -> None:
    case = _case("hdf5-h5py", "overwrite", chunk_shape=(4, 8, 8), pattern="voxel")
    counts = count(workload_for(case, image, storage))
    chunk_bytes = 4 * 8 * 8 * _ITEM_BYTES
    assert counts.predicted_bytes is None
    assert chunk_bytes < counts.fetched_bytes
    assert chunk_bytes <= counts.set_bytes < chunk_bytes + 1000


@pytest.mark.parametrize("backend", ["tiff-tifffile", "ometiff-tifffile"])
def test_tags_that_are_read_to_change_a_tiff_are_counted(storage: Storage, image: Image, backend: str) -> None:
    workload = workload_for(_case(backend, "overwrite", pattern="plane_xy"), image, storage)
    counts, row = _count(workload), workload.row()
    assert counts.requests > 1
    assert 8 < counts.fetched_bytes < row.logical_bytes
    assert (counts.sets, counts.set_bytes) == (None, None)  # a map's writes pass nobody


def test_a_library_that_moves_more_than_it_must_is_caught(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = workload_for(
        _case("zarr3-zarrpython", "overwrite", chunk_shape=(4, 8, 8), pattern="voxel"), image, storage
    )
    predict = _counting_changes.predict_change
    monkeypatch.setattr(
        _counting_changes,
        "predict_change",
        lambda *arguments: replace(found := predict(*arguments), n_bytes=found.n_bytes - 1),
    )
    with pytest.raises(VerificationError, match=r"zarr3-zarrpython asked its store for \d+ bytes, where geometry says"):
        count(workload)


def test_what_differs_from_call_to_call_is_no_count(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _case("zarr3-zarrpython", "append", chunk_shape=(4, 20, 30), pattern="stream4")
    workload = workload_for(case, image, storage)
    steady = count(workload)
    perform, more = workload.perform, itertools.count()

    def varying(location: Location) -> None:
        perform(location)
        if location.log is not None:
            location.log.add("set", "x", next(more))

    monkeypatch.setattr(workload, "perform", varying)
    found = count(workload)
    assert steady.set_bytes > 0
    assert (found.sets, found.set_bytes, found.fetched_bytes) == (steady.sets + 1, None, steady.fetched_bytes)


def test_a_list_reads_every_folder_once(storage: Storage, image: Image) -> None:
    case = _case("zarr3-zarrpython", "list", chunk_shape=(4, 8, 8))
    counts = count(workload_for(case, image, storage))
    assert counts.lists == 1 + 1 + 3 + 3 * 3  # the store, c, and two more levels of folders
    assert counts.sets in (None, 0)
