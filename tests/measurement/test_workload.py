"""What a row says about a case, for every operation and several backends: against the geometry, not against itself."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.access import Target, parse_pattern
from storebench.backends import BACKENDS
from storebench.errors import MissingDependencyError, UnsupportedError, UsageError, VerificationError
from storebench.grid import Region, Shape, chunks_touched, grid_shape, voxels_decoded
from storebench.measurement import operations
from storebench.measurement import writes as writes_module
from storebench.measurement.images import Image, image_of
from storebench.measurement.operations import workload_for
from storebench.measurement.session import Session
from storebench.measurement.workload import Workload, process_id
from storebench.records import OPERATIONS, Case, Operation
from storebench.storage import Storage

SHAPE = (10, 10, 20)
_ITEM_BYTES = 2


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("workloads"))


@pytest.fixture(scope="session")
def image(storage: Storage) -> Image:
    return image_of(storage, "random", SHAPE, "uint16", 0)


def _case(backend: str, operation: Operation = "read", **settings: Any) -> Case:
    known = {"dataset": "random", "shape": SHAPE, "dtype": "uint16", "axes": "zyx"}
    return Case(**known, backend=backend, operation=operation, **settings)


def _checked(workload: Workload) -> None:
    """Make one call and compare what it gave, as a session does before it times anything."""
    workload.prepare()
    try:
        workload.run()
        workload.check()
    finally:
        workload.conclude()


def _timed(workload: Workload) -> Workload:
    workload.prepare()
    workload.run()
    return workload


# what is stored, and the block that is decoded whole
CHUNKED = [
    (_case("tiff-tifffile", chunk_shape=(1, 16, 16)), (1, 16, 16)),
    (_case("tiff-tifffile", chunk_shape=(2, 16, 16), codec="zstd-3"), (2, 16, 16)),
    (_case("zarr2-zarrpython", chunk_shape=(10, 10, 1)), (10, 10, 1)),
    (_case("zarr3-zarrpython", chunk_shape=(10, 10, 1), codec="zstd-3"), (10, 10, 1)),
    (_case("zarr3-zarrpython", chunk_shape=(3, 4, 7)), (3, 4, 7)),
    (_case("zarr3-zarrpython", chunk_shape=(5, 5, 5), shard_shape=(10, 10, 10)), (5, 5, 5)),
    (_case("omezarr-0.5-zarrpython", chunk_shape=(2, 2, 3), n_levels=2), (2, 2, 3)),
    (_case("omezarr-0.4-zarrpython", chunk_shape=(2, 2, 3), n_levels=2), (2, 2, 3)),
]


@pytest.mark.parametrize("pattern", ["plane_xz", "voxel"])
@pytest.mark.parametrize(("case", "block"), CHUNKED, ids=lambda value: value.id if isinstance(value, Case) else "")
def test_a_read_decodes_what_the_geometry_predicts(
    storage: Storage, image: Image, case: Case, block: Shape, pattern: str
) -> None:
    row = workload_for(replace(case, pattern=pattern), image, storage).row()
    region = parse_pattern(pattern).requests(Target((SHAPE,), "zyx"))[0].region
    assert row.voxels_asked == region.n_voxels == (200 if pattern == "plane_xz" else 1)
    assert row.chunks_touched == chunks_touched(region, block)
    assert row.voxels_decoded == voxels_decoded(region, block)
    assert (row.chunk_shape, row.shard_shape) == (case.chunk_shape, case.shard_shape)


@pytest.mark.parametrize("pattern", ["plane_xz", "voxel"])
@pytest.mark.parametrize("backend", ["zarr2-zarrpython", "zarr3-zarrpython"])
def test_a_zarr_read_fetches_its_chunks_and_its_metadata(
    storage: Storage, image: Image, backend: str, pattern: str
) -> None:
    row = Session(_case(backend, pattern=pattern, chunk_shape=(10, 10, 1)), image, storage).count()
    n_chunks = 20 if pattern == "plane_xz" else 1
    metadata_bytes = row.stored_bytes - row.chunk_bytes
    assert row.chunk_bytes == math.prod(SHAPE) * _ITEM_BYTES
    assert row.fetched_bytes == n_chunks * 100 * _ITEM_BYTES + metadata_bytes
    assert row.requests == n_chunks + (1 if backend == "zarr3-zarrpython" else 2)
    assert row.n_files == 20 + (1 if backend == "zarr3-zarrpython" else 2)


def test_a_voxel_of_a_shard_fetches_one_chunk_and_the_index(storage: Storage, image: Image) -> None:
    case = _case("zarr3-zarrpython", pattern="voxel", chunk_shape=(5, 5, 5), shard_shape=(10, 10, 10))
    row = Session(case, image, storage).count()
    index_bytes = 8 * 16 + 4  # offset and length of 8 chunks, and a CRC-32C
    assert row.n_files == 3
    assert row.chunk_bytes == math.prod(SHAPE) * _ITEM_BYTES + 2 * index_bytes
    assert row.fetched_bytes == 125 * _ITEM_BYTES + index_bytes + (row.stored_bytes - row.chunk_bytes)
    assert row.requests == 3


@pytest.mark.parametrize(
    ("pattern", "n_voxels", "n_runs"), [("whole", 2000, 1), ("plane_xz", 200, 10), ("voxel", 1, 1)]
)
def test_npy_fetches_the_voxels_alone(storage: Storage, image: Image, pattern: str, n_voxels: int, n_runs: int) -> None:
    row = Session(_case("npy-numpy", pattern=pattern), image, storage).count()
    header_bytes = row.stored_bytes - row.chunk_bytes
    assert row.voxels_asked == row.voxels_decoded == n_voxels
    assert row.chunks_touched is None
    assert row.fetched_bytes == n_voxels * _ITEM_BYTES + header_bytes
    assert row.requests == n_runs + 1


def test_a_tiled_tiff_fetches_the_tiles_touched(storage: Storage, image: Image) -> None:
    voxel, plane, whole = (
        Session(_case("tiff-tifffile", pattern=pattern, chunk_shape=(1, 16, 16)), image, storage).count()
        for pattern in ("voxel", "plane_xz", "whole")
    )
    tile_bytes = 256 * _ITEM_BYTES
    assert whole.chunk_bytes == 20 * tile_bytes
    assert plane.fetched_bytes == whole.fetched_bytes  # an x tile and a half each, of all 10 pages: both tiles of each
    assert tile_bytes < voxel.fetched_bytes < tile_bytes + (whole.stored_bytes - whole.chunk_bytes) + 1


_WITH_TESTS_OF_THEIR_OWN = ("append", "overwrite", "build_levels")  # not every format takes them


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in _WITH_TESTS_OF_THEIR_OWN])
@pytest.mark.parametrize(
    ("backend", "settings"),
    [
        ("npy-numpy", {}),
        ("tiff-tifffile", {"chunk_shape": (1, 16, 16), "codec": "deflate-6-predictor"}),
        ("pngstack-imageio", {"codec": "png-6"}),
        ("jp2stack-imageio", {"codec": "jp2-ratio-2"}),
        ("zarr2-zarrpython", {"chunk_shape": (5, 5, 5), "codec": "gzip-1"}),
        ("zarr3-zarrpython", {"chunk_shape": (3, 4, 7), "codec": "blosc-zstd-3-shuffle"}),
        ("omezarr-0.5-zarrpython", {"chunk_shape": (5, 5, 5), "codec": "zstd-3", "n_levels": 2}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_operation_gives_a_sample_and_the_same_facts(
    storage: Storage, image: Image, backend: str, settings: dict[str, Any], operation: Operation
) -> None:
    workload = workload_for(_case(backend, operation, **settings), image, storage)
    _checked(workload)
    row = workload.row()
    sample = _timed(workload).conclude()
    assert row.status == "ok"
    assert (row.format, row.library) == (BACKENDS[backend].format, BACKENDS[backend].library)
    assert row.logical_bytes == math.prod(SHAPE) * _ITEM_BYTES
    assert (row.max_abs_error == 0) == (settings.get("codec") != "jp2-ratio-2")
    assert sample.wall_s > 0
    assert sample.process_id == process_id()
    assert (sample.open_s is not None) == (operation in ("read", "open"))
    assert sample.open_s is None or 0 < sample.open_s <= sample.wall_s
    assert list((storage.root / "scratch").glob("*")) == []
    if operation != "read":
        assert (row.fetched_bytes, row.requests, row.voxels_asked, row.voxels_decoded) == (None,) * 4


@pytest.mark.parametrize("operation", ["encode", "decode"])
def test_the_codec_alone_makes_the_bytes_that_the_store_holds(
    storage: Storage, image: Image, operation: Operation
) -> None:
    settings = {"chunk_shape": (3, 4, 7), "codec": "blosc-zstd-3-shuffle"}
    row = workload_for(_case("zarr3-zarrpython", operation, **settings), image, storage).row()
    stored = workload_for(_case("zarr3-zarrpython", **settings), image, storage).row()
    assert row.chunk_bytes == row.stored_bytes == stored.chunk_bytes
    assert row.n_files is None


def test_the_codec_alone_pads_the_edge_as_the_store_does(storage: Storage, image: Image) -> None:
    row = workload_for(_case("zarr3-zarrpython", "encode", chunk_shape=(4, 4, 7)), image, storage).row()
    assert row.chunk_bytes == math.prod(grid_shape(SHAPE, (4, 4, 7))) * 4 * 4 * 7 * _ITEM_BYTES


def test_a_level_is_read_in_its_own_voxels(storage: Storage, image: Image) -> None:
    case = _case("omezarr-0.5-zarrpython", pattern="viewport@1", chunk_shape=(2, 2, 3), n_levels=2)
    workload = workload_for(case, image, storage)
    _checked(workload)
    assert workload.row().voxels_asked == 1 * 5 * 10


@pytest.mark.parametrize(
    ("backend", "chunk", "chunk_of_level_1"),
    [
        ("ometiff-tifffile", (1, 4, 64), (1, 4, 32)),  # a strip is as wide as its level
        ("omezarr-0.5-zarrpython", (1, 16, 16), (1, 16, 16)),
    ],
)
def test_a_smaller_level_is_decoded_in_its_own_blocks(
    storage: Storage, backend: str, chunk: Shape, chunk_of_level_1: Shape
) -> None:
    plane = image_of(storage, "random", (1, 48, 64), "uint16", 0)
    case = replace(_case(backend, chunk_shape=chunk, n_levels=2, level_axes="yx"), shape=plane.shape)
    whole = workload_for(replace(case, pattern="viewport@1"), plane, storage)
    assert whole.store.stored.smaller_decode_shapes == (chunk_of_level_1,)
    row = whole.row()
    assert row.chunks_touched == math.prod(grid_shape((1, 24, 32), chunk_of_level_1))
    assert row.voxels_decoded == row.chunks_touched * math.prod(chunk_of_level_1)


def test_blocks_of_a_level_of_the_formats_own_are_not_known(storage: Storage) -> None:
    plane = image_of(storage, "random", (48, 64), "uint16", 0)
    case = replace(_case("jp2-glymur", codec="jp2-lossless", pattern="viewport@1"), shape=plane.shape, axes="yx")
    row = workload_for(case, plane, storage).row()
    assert (row.voxels_asked, row.voxels_decoded, row.chunks_touched) == (24 * 32, None, None)


def test_a_write_has_a_fresh_target_each_time_and_leaves_nothing(storage: Storage, image: Image) -> None:
    workload = workload_for(_case("zarr3-zarrpython", "write", chunk_shape=(5, 5, 5)), image, storage)
    for _ in range(2):
        _timed(workload)
        assert len(list((storage.root / "scratch").iterdir())) == 1
        workload.conclude()
        assert list((storage.root / "scratch").iterdir()) == []


@pytest.mark.parametrize("durability", ["returned", "durable"])
def test_a_write_is_synced_before_and_after_and_says_how_long(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    done: list[str] = []
    sync = writes_module.sync_file_system

    def noted(path: Path) -> float:
        files = sum(1 for file in path.rglob("*") if file.is_file())
        done.append(f"sync of {files} files")
        return sync(path)

    monkeypatch.setattr(writes_module, "sync_file_system", noted)
    workload = workload_for(_case("npy-numpy", "write", durability=durability), image, storage)
    workload.prepare()
    done.append("run")
    workload.run()
    done.append("return")
    sample = workload.conclude()
    inside = ["sync of 1 files", "return"] if durability == "durable" else ["return", "sync of 1 files"]
    assert done == ["sync of 0 files", "run", *inside]
    assert sample.sync_s is not None
    assert (sample.sync_s < sample.wall_s) or durability == "returned"


def test_a_write_with_the_librarys_own_fsync_asks_for_it_and_holds_no_sync_of_storebench(
    storage: Storage, image: Image
) -> None:
    pytest.importorskip("tensorstore", reason='pip install "storebench[tensorstore]"')
    case = _case("zarr3-tensorstore", "write", durability="own-fsync", chunk_shape=(5, 5, 5))
    workload = workload_for(case, image, storage)
    workload.prepare()
    assert workload._target.own_fsync  # type: ignore[attr-defined]
    workload.run()
    assert workload._sync_s is None
    assert workload.conclude().sync_s is not None  # outside of the clock, so that the next call finds nothing to do
    plain = workload_for(replace(case, durability="returned"), image, storage)
    plain.prepare()
    assert not plain._target.own_fsync  # type: ignore[attr-defined]
    plain.run()
    plain.conclude()
    assert plain.store.location == workload.store.location


def test_an_own_fsync_that_a_library_has_not_is_refused_before_anything_is_stored(tmp_path: Path, image: Image) -> None:
    storage = Storage.open(tmp_path)
    with pytest.raises(UnsupportedError, match="zarr has no fsync of its own that zarr3-zarrpython could switch on"):
        workload_for(_case("zarr3-zarrpython", "write", durability="own-fsync"), image, storage)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "zarr" in str(path)]


def test_a_write_that_fails_leaves_nothing(storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = workload_for(_case("npy-numpy", "write"), image, storage)

    @contextlib.contextmanager
    def broken(*_: object) -> Iterator[None]:
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(type(workload.backend), "create", broken)
    with pytest.raises(OSError, match="No space left"):
        _checked(workload)
    assert list((storage.root / "scratch").iterdir()) == []


class _WrongReader:
    """Gives something else than a backend must."""

    def __init__(self, reader: Any, wrong: str) -> None:
        self._reader, self._wrong = reader, wrong
        self.levels = reader.levels

    def read(self, region: Region, level: int = 0) -> NDArray:
        found = self._reader.read(region, level)
        if self._wrong == "value":
            found[(0,) * found.ndim] ^= 1
        elif self._wrong == "window":
            return np.concatenate([found, found])[: len(found)]
        elif self._wrong == "read-only":
            found.flags.writeable = False
        elif self._wrong == "order":
            return np.asfortranarray(found)
        elif self._wrong == "dtype":
            return found.astype(np.int32)
        elif self._wrong == "shape":
            return found[:, :, :-1].copy()
        return found

    def stored_as(self) -> Any:
        return self._reader.stored_as()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("value", "npy-numpy: region 0:10,0:10,0:20 of level 0 is not what was written.*storebench clean"),
        ("window", "npy-numpy gave a view"),
        ("read-only", "npy-numpy gave a view .* or a read-only array"),
        ("order", "npy-numpy .* C-contiguous"),
        ("dtype", r"read int32\(10, 10, 20\) where uint16"),
        ("shape", r"read uint16\(10, 10, 19\) where uint16\(10, 10, 20\)"),
    ],
)
def test_a_backend_that_reads_wrongly_is_caught_before_it_is_timed(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch, wrong: str, words: str
) -> None:
    workload = workload_for(_case("npy-numpy"), image, storage)
    original = workload.backend.open

    @contextlib.contextmanager
    def opened(location: Any) -> Iterator[Any]:
        with original(location) as reader:
            yield _WrongReader(reader, wrong)

    monkeypatch.setattr(workload.backend, "open", opened, raising=False)
    with pytest.raises(VerificationError, match=words):
        _checked(workload)


def test_a_store_that_was_written_wrongly_is_never_kept(
    tmp_path: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage.open(tmp_path)
    backend = BACKENDS["npy-numpy"]
    original = backend.create

    @contextlib.contextmanager
    def create(location: Any, request: Any) -> Iterator[Any]:
        with original(location, request) as writer:
            write = writer.write
            monkeypatch.setattr(writer, "write", lambda region, values, level=0: write(region, values + 1, level))
            yield writer

    monkeypatch.setattr(backend, "create", create, raising=False)
    with pytest.raises(
        VerificationError, match=r"2000 of 2000 voxels differ from the source, the first at \(0, 0, 0\)"
    ):
        workload_for(_case("npy-numpy"), image, storage)
    assert storage.n_entries() == 0


def test_a_block_that_comes_back_wrong_is_noticed(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = workload_for(_case("zarr3-zarrpython", "decode", chunk_shape=(5, 5, 5), codec="zstd-3"), image, storage)
    codec = workload._codec  # type: ignore[attr-defined]
    decode = codec.decode
    monkeypatch.setattr(workload, "_codec", type("Wrong", (), {"decode": staticmethod(lambda data: decode(data) + 1)}))
    with pytest.raises(VerificationError, match="did not come back to the bit"):
        _checked(workload)


def test_a_missing_library_says_what_installs_it(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = BACKENDS["npy-numpy"]
    monkeypatch.setattr(
        backend, "why_unavailable", lambda: "x not installed; install with: pip install x", raising=False
    )
    with pytest.raises(MissingDependencyError, match="pip install x"):
        workload_for(_case("npy-numpy"), image, storage)


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        (_case("npy-numpy", codec="zstd-3"), UnsupportedError, "npy-numpy has no codec zstd-3"),
        (_case("npy-numpy", "reed"), UsageError, "no operation 'reed'; operations are read, write"),  # type: ignore[arg-type]
        (
            _case("npy-numpy", "write", pattern="voxel"),
            UsageError,
            "pattern voxel goes with the operations append, overwrite and read, not with write",
        ),
        (_case("npy-numpy", pattern="viewport@1"), UsageError, "has no level 1"),
        (
            _case("npy-numpy", "write", cache="cold"),
            UsageError,
            "cache cold goes with the operations read and open, not",
        ),
        (
            _case("npy-numpy", durability="durable"),
            UsageError,
            "durability durable goes with the operations append, overwrite and write, not",
        ),
        (_case("npy-numpy", cache="cool"), UsageError, "Did you mean cold"),
        (_case("npy-numpy", "write", durability="durabel"), UsageError, "Did you mean durable"),
        (_case("npy-numpyy"), UsageError, "Did you mean npy-numpy"),
    ],
    ids=["codec", "operation", "pattern", "level", "cache", "durability", "state", "promise", "backend"],
)
def test_what_cannot_be_is_a_sentence(
    storage: Storage, image: Image, case: Case, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        workload_for(case, image, storage)


def test_every_operation_has_a_workload() -> None:
    assert set(operations._WORKLOADS) == set(OPERATIONS)


def test_cases_of_one_setting_share_one_store(tmp_path: Path, image: Image) -> None:
    storage = Storage.open(tmp_path)
    first = _case("zarr3-zarrpython", chunk_shape=(5, 5, 5))
    for case in (
        first,
        replace(first, pattern="voxel"),
        replace(first, operation="write"),
        replace(first, operation="open"),
    ):
        workload_for(case, image, storage)
    assert storage.n_entries() == 1
    workload_for(replace(first, codec="zstd-3"), image, storage)
    assert storage.n_entries() == 2


def test_the_process_is_named_apart_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = process_id()
    assert process_id() == mine
    monkeypatch.setattr("os.getpid", lambda: 1)  # as after a fork
    assert process_id() != mine
