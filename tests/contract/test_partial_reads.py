"""A log of requests proves that partial reads of Zarr, sharded Zarr and tiled TIFF fetch what the geometry predicts."""

from __future__ import annotations

import collections
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from storebench.backends import Backend, get_backend, write_array
from storebench.grid import (
    Layout,
    Region,
    Shape,
    block_region,
    blocks_touched,
    chunks_touched,
    grid_shape,
    voxels_decoded,
)
from storebench.stores import Location, RequestLog

from .contract_requests import layout_request, noise

BOTH = pytest.mark.parametrize("name", ["zarr2-zarrpython", "zarr3-zarrpython"])
METADATA_FILES = ("zarr.json", ".zarray", ".zattrs")
_INDEX_ENTRY_BYTES, _CHECKSUM_BYTES = 16, 4


def _written(folder: Path, name: str, values: NDArray, codec: str, layout: Layout) -> tuple[Backend, Location]:
    backend = get_backend(name)
    location = Location(folder / f"image{backend.suffix}")
    write_array(backend, location, layout_request(values.shape, codec, layout, values.dtype.name), (values,))
    return backend, location


def _key(location: Location, index: tuple[int, ...]) -> Path:
    v2 = (location.path / ".zarray").exists()
    return location.path / (".".join(map(str, index)) if v2 else "c/" + "/".join(map(str, index)))


def _metadata_bytes(location: Location) -> int:
    return sum(Path(f).stat().st_size for f in location.files() if f.name in METADATA_FILES)


@BOTH
@pytest.mark.parametrize(
    ("chunk", "n_chunks", "n_voxels"), [((10, 10, 1), 2, 200), ((2, 2, 3), 4, 48)], ids=["columns", "boxes"]
)
def test_the_example_of_the_chapter_fetches_what_geometry_says(
    name: str, chunk: Shape, n_chunks: int, n_voxels: int, tmp_path: Path
) -> None:
    region = Region((2, 3, 2), (4, 5, 4))
    backend, location = _written(tmp_path, name, noise((10, 10, 20)), "none", Layout(chunk_shape=chunk))
    log = RequestLog()
    with backend.open(location.counted(log)) as reader:
        n_opening = len(log.requests)
        opened = log.fetched_bytes
        assert opened == _metadata_bytes(location)
        reader.read(region)
    assert [r.kind for r in log.requests[n_opening:]] == ["get"] * n_chunks
    assert log.fetched_bytes - opened == n_voxels * 2
    assert (chunks_touched(region, chunk), voxels_decoded(region, chunk)) == (n_chunks, n_voxels)


@BOTH
@pytest.mark.parametrize("codec", ["zstd-3", "blosc-lz4-5-bitshuffle+crc32c"])
@pytest.mark.parametrize(
    "region", [Region((0, 0, 0), (17, 20, 23)), Region((3, 0, 5), (4, 20, 6)), Region((16, 19, 22), (17, 20, 23))]
)
def test_a_read_fetches_the_chunks_that_it_touches(name: str, codec: str, region: Region, tmp_path: Path) -> None:
    shape, chunk = (17, 20, 23), (4, 6, 5)
    backend, location = _written(tmp_path, name, noise(shape), codec, Layout(chunk_shape=chunk))
    log = RequestLog()
    with backend.open(location.counted(log)) as reader:
        reader.read(region)
    keys = {str(_key(location, index).relative_to(location.path)) for index in blocks_touched(region, chunk)}
    fetched = [r for r in log.requests if r.key.rpartition("/")[2] not in METADATA_FILES]
    assert len(fetched) == len(keys) == chunks_touched(region, chunk)
    assert {r.key for r in fetched} == keys
    assert sum(r.n_bytes for r in fetched) == sum((location.path / key).stat().st_size for key in keys)
    assert log.fetched_bytes == sum(r.n_bytes for r in fetched) + _metadata_bytes(location)
    assert not [r for r in log.requests if r.kind == "miss"]


def _shard_index(path: Path, n_chunks: int) -> NDArray:
    """Return offset and length of each chunk in a shard, read from its end; shape (n_chunks, 2)."""
    data = path.read_bytes()[-n_chunks * _INDEX_ENTRY_BYTES - _CHECKSUM_BYTES : -_CHECKSUM_BYTES]
    return np.frombuffer(data, "<u8").reshape(n_chunks, 2)


def _predicted_shard_bytes(location: Location, region: Region, layout: Layout, shape: Shape) -> tuple[int, int]:
    """Return requests and bytes of a partial read: each shard's index and the chunks touched, or the whole shard."""
    assert layout.shard_shape is not None
    chunks_per_shard = tuple(s // c for s, c in zip(layout.shard_shape, layout.chunk_shape, strict=True))
    n_chunks = math.prod(chunks_per_shard)
    n_requests = n_bytes = 0
    for index in blocks_touched(region, layout.shard_shape):
        path = _key(location, index)
        origin = tuple(i * s for i, s in zip(index, layout.shard_shape, strict=True))
        part = region.intersection(block_region(index, layout.shard_shape, shape))
        assert part is not None
        touched = list(blocks_touched(part.relative_to(origin), layout.chunk_shape))
        if len(touched) == n_chunks:
            n_requests, n_bytes = n_requests + 1, n_bytes + path.stat().st_size
            continue
        lengths = _shard_index(path, n_chunks)[:, 1].reshape(chunks_per_shard)
        n_requests += 1 + len(touched)
        n_bytes += n_chunks * _INDEX_ENTRY_BYTES + _CHECKSUM_BYTES + sum(int(lengths[t]) for t in touched)
    return n_requests, n_bytes


SHARDED_REGIONS = [
    Region((0, 0, 0), (16, 16, 20)),
    Region((3, 0, 0), (4, 16, 20)),
    Region((0, 5, 0), (16, 6, 20)),
    Region((5, 5, 5), (6, 6, 6)),
]


@pytest.mark.parametrize("region", SHARDED_REGIONS, ids=["whole", "xy", "xz", "voxel"])
def test_a_sharded_read_fetches_indexes_and_the_chunks_that_it_touches(region: Region, tmp_path: Path) -> None:
    shape, layout = (16, 16, 20), Layout(chunk_shape=(4, 4, 4), shard_shape=(8, 8, 8))
    backend, location = _written(tmp_path, "zarr3-zarrpython", noise(shape), "zstd-3", layout)
    n_requests, n_bytes = _predicted_shard_bytes(location, region, layout, shape)
    metadata = _metadata_bytes(location)

    with zarr.config.set({"array.sharding_coalesce_max_gap_bytes": 0, "array.sharding_coalesce_max_bytes": 1}):
        log = RequestLog()
        with backend.open(location.counted(log)) as reader:
            reader.read(region)
    assert log.fetched_bytes == n_bytes + metadata
    assert log.n_requests == n_requests + 1

    log = RequestLog()  # the library's default: 3.4 merges near ranges, which is fewer requests and never fewer bytes
    with backend.open(location.counted(log)) as reader:
        reader.read(region)
    assert log.fetched_bytes >= n_bytes + metadata
    assert log.n_requests <= n_requests + 1


def test_the_plain_store_is_used_where_nothing_is_counted(tmp_path: Path) -> None:
    backend, location = _written(tmp_path, "zarr3-zarrpython", noise((4, 4)), "none", Layout(chunk_shape=(2, 2)))
    with backend.open(location) as reader:
        assert type(reader.array(0).store) is zarr.storage.LocalStore  # type: ignore[attr-defined]
        assert reader.array(0).store.read_only  # type: ignore[attr-defined]


def test_writing_is_counted(tmp_path: Path) -> None:
    backend, log, values = get_backend("zarr3-zarrpython"), RequestLog(), noise((4, 4))
    location = Location(tmp_path / "image.zarr", log=log)
    request = layout_request((4, 4), "none", Layout(chunk_shape=(2, 2)))
    with backend.create(location, request) as writer:
        writer.write(Region.whole((4, 4)), values)
    chunks_set = [r for r in log.requests if r.kind == "set" and r.key != "zarr.json"]
    assert sorted((r.key, r.n_bytes) for r in chunks_set) == [(f"c/{i}/{j}", 8) for i in range(2) for j in range(2)]
    log.requests.clear()
    with backend.create(Location(tmp_path / "other.zarr", log=log), request) as writer:
        writer.write(Region((0, 0), (2, 3)), values[:2, :3])  # half of the second chunk: read, change, write
    assert len([r for r in log.requests if r.kind == "miss" and r.key == "c/0/1"]) == 1


@pytest.mark.parametrize(
    ("shape", "tile"),
    [((50, 70), (16, 32)), ((9, 50, 70), (1, 16, 32)), ((20, 50, 70), (16, 16, 32))],
    ids=["plane", "planes", "volume"],
)
@pytest.mark.parametrize("part", ["whole", "voxel", "columns"])
def test_a_tiled_tiff_fetches_the_tiles_that_it_touches(shape: Shape, tile: Shape, part: str, tmp_path: Path) -> None:
    values = noise(shape)
    backend, location = _written(tmp_path, "tiff-tifffile", values, "zstd-3", Layout(chunk_shape=tile))
    middle = tuple(n // 2 for n in shape)
    region = {
        "whole": Region.whole(shape),
        "voxel": Region(middle, tuple(m + 1 for m in middle)),
        "columns": Region((*(0 for _ in shape[1:]), middle[-1]), (*shape[:-1], middle[-1] + 2)),
    }[part]
    with tifffile.TiffFile(location.path) as tiff:
        counts = [count for page in tiff.pages for count in page.databytecounts]
    assert len(counts) == math.prod(grid_shape(shape, tile))
    touched = [counts[np.ravel_multi_index(i, grid_shape(shape, tile))] for i in blocks_touched(region, tile)]
    assert len(touched) == chunks_touched(region, tile)

    log = RequestLog()
    with backend.open(location.counted(log)) as reader:
        np.testing.assert_array_equal(reader.read(region), values[region.slices])
    asked = collections.Counter(r.n_bytes for r in log.requests)
    assert not collections.Counter(touched) - asked, "a tile was not fetched as one request"
    rest = log.fetched_bytes - sum(touched)
    # tifffile reads the tags of a page of many twice: on its way to the next page, and when the page is parsed.
    assert 0 < rest <= (location.size()[0] - sum(counts)) * (2 if len(shape) > len(tile) - tile.count(1) else 1)
