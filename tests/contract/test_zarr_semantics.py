"""What Zarr leaves open is the same in every backend that writes it, as found in the raw metadata and not through a library.

Fill value, empty chunks, byte order, separator of a chunk's name, consolidated metadata: where libraries differ in these by
their own defaults, the same image has another size, other names of files, or another number of requests.
"""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storebench.backends import BACKENDS, Backend, WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.errors import UnsupportedError
from storebench.grid import Layout, Region, Shape, grid_shape, iter_blocks
from storebench.levels import build_levels
from storebench.stores import Location

from .contract_requests import own_index

FAMILY = tuple(name for name, backend in BACKENDS.items() if backend.format.startswith(("zarr", "ome-zarr")))
_SEPARATORS = {"zarr2": "."}
"""By format: what stands between the numbers of a chunk's name; "/" in all others."""

_SHAPE, _CHUNK, _SHARD = (9, 10, 13), (4, 5, 6), (8, 10, 12)
_MISSING = np.iinfo(np.uint64).max
_CODECS = ("none", "zstd-3", "blosc-zstd-3-shuffle", "blosc-zstd-1-bitshuffle")
_DTYPES = ("bool", "uint8", "uint16", "int32", "float32")


@dataclass(frozen=True)
class RawArray:
    """The metadata document of one array, and the other objects below it by name."""

    document: dict[str, Any]
    objects: Mapping[str, bytes]

    @property
    def version(self) -> int:
        return int(self.document["zarr_format"])

    @property
    def shape(self) -> Shape:
        return tuple(self.document["shape"])

    @property
    def codecs(self) -> list[dict[str, Any]]:
        """The codecs of one chunk, those inside of a shard where there is one; of v3."""
        codecs: list[dict[str, Any]] = self.document["codecs"]
        return codecs if self.sharding is None else self.sharding["codecs"]

    @property
    def sharding(self) -> dict[str, Any] | None:
        if self.version == 2 or self.document["codecs"][0]["name"] != "sharding_indexed":
            return None
        found: dict[str, Any] = self.document["codecs"][0]["configuration"]
        return found

    @property
    def block_shape(self) -> Shape:
        """Of one object."""
        if self.version == 2:
            return tuple(self.document["chunks"])
        return tuple(self.document["chunk_grid"]["configuration"]["chunk_shape"])


def raw_files(location: Location) -> dict[str, bytes]:
    """Return all objects of a store by name, from the disk."""
    if location.path.is_file():
        with zipfile.ZipFile(location.path) as archive:
            return {entry.filename: archive.read(entry) for entry in archive.infolist()}
    return {
        path.relative_to(location.path).as_posix(): path.read_bytes()
        for path in location.path.rglob("*")
        if path.is_file()
    }


def raw_arrays(files: Mapping[str, bytes]) -> list[RawArray]:
    """Return every array of a store."""
    found = []
    for name, content in sorted(files.items()):
        folder, _, file = name.rpartition("/")
        head = f"{folder}/" if folder else ""
        if file == ".zarray" or (file == "zarr.json" and json.loads(content)["node_type"] == "array"):
            inside = {n.removeprefix(head): data for n, data in files.items() if n.startswith(head)}
            chunks = {n: data for n, data in inside.items() if not n.rpartition("/")[2].startswith((".z", "zarr.json"))}
            found.append(RawArray(json.loads(content), chunks))
    return found


def _request(backend: Backend, dtype: str = "uint16", *, sharded: bool = False) -> WriteRequest | None:
    """Return the first request that a backend takes, with two levels where it has levels; None where it takes none.

    What makes nothing without shards has shards of one chunk where none are asked for.
    """
    shards = (_SHARD,) if sharded else (None, _CHUNK)
    levels = ((1, 2, 2),) if getattr(backend, "several_levels", False) else ()
    for shard, codec, factors in itertools.product(shards, _CODECS, (levels, ())):
        layout = Layout(chunk_shape=_CHUNK, shard_shape=shard)
        request = WriteRequest(
            shape=_SHAPE,
            dtype=np.dtype(dtype),
            axes="zyx",
            codec=parse_codec(codec),
            layout=layout,
            level_factors=factors,
        )
        if backend.why_unsupported(Location(Path("nowhere")), request) is None:
            return request
    return None


def _written(name: str, request: WriteRequest | None, folder: Path, *, zeros: bool = False) -> dict[str, bytes]:
    backend = get_backend(name)
    if (why := backend.why_unavailable()) is not None:
        pytest.skip(why)
    assert request is not None
    values = own_index(request.shape, request.dtype)
    if zeros:
        values[...] = 0
        values[0, 0, 0] = 1
    location = Location(folder / f"image{backend.suffix}")
    write_array(backend, location, request, build_levels(values, request.level_factors))
    return raw_files(location)


_TAKEN = [(name, dtype) for name in FAMILY for dtype in _DTYPES if _request(BACKENDS[name], dtype) is not None]
_SHARDED = [name for name in FAMILY if _request(BACKENDS[name], sharded=True) is not None]


def test_every_backend_of_the_family_is_looked_at() -> None:
    assert {name for name, _ in _TAKEN} == set(FAMILY)
    assert {"zarr2-zarrpython", "zarr3-zarrpython", "omezarr-0.4-zarrpython", "omezarr-0.5-zarrpython"} <= set(FAMILY)
    assert "zarr3-zarrpython" in _SHARDED


@pytest.mark.parametrize(("name", "dtype"), _TAKEN)
def test_what_was_never_written_is_zero(name: str, dtype: str, tmp_path: Path) -> None:
    for array in raw_arrays(_written(name, _request(BACKENDS[name], dtype), tmp_path)):
        assert array.document["fill_value"] is not None
        assert array.document["fill_value"] == 0  # 0.0 and false as well, and no "NaN" or null


@pytest.mark.parametrize(("name", "dtype"), _TAKEN)
def test_voxels_are_little_endian(name: str, dtype: str, tmp_path: Path) -> None:
    one_byte = np.dtype(dtype).itemsize == 1
    for array in raw_arrays(_written(name, _request(BACKENDS[name], dtype), tmp_path)):
        if array.version == 2:
            assert array.document["dtype"] == np.dtype(dtype).newbyteorder("<").str
            assert array.document["order"] == "C"
            continue
        first = array.codecs[0]
        assert first["name"] == "bytes"
        assert first.get("configuration", {}).get("endian", "little" if one_byte else None) == "little"


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in FAMILY
        if (r := _request(BACKENDS[n])) and r.codec.kind == "none" and r.layout == Layout(chunk_shape=_CHUNK)
    ],
)
def test_bytes_on_disk_are_those_of_little_endian_voxels(name: str, tmp_path: Path) -> None:
    full = raw_arrays(_written(name, _request(BACKENDS[name]), tmp_path))[0]
    values = own_index(_SHAPE, np.dtype("uint16"))[tuple(slice(n) for n in _CHUNK)]
    assert full.objects[min(full.objects)] == values.astype("<u2").tobytes()


@pytest.mark.parametrize("name", FAMILY)
def test_chunks_are_named_alike(name: str, tmp_path: Path) -> None:
    separator = _SEPARATORS.get(BACKENDS[name].format, "/")
    for array in raw_arrays(_written(name, _request(BACKENDS[name]), tmp_path)):
        if array.version == 2:
            assert array.document.get("dimension_separator", ".") == separator
        else:
            encoding = array.document["chunk_key_encoding"]
            assert encoding["name"] == "default"
            assert encoding.get("configuration", {}).get("separator", "/") == separator
        head = "" if array.version == 2 else f"c{separator}"
        blocks = itertools.product(*map(range, grid_shape(array.shape, array.block_shape)))
        assert set(array.objects) == {head + separator.join(map(str, index)) for index in blocks}


@pytest.mark.parametrize("name", FAMILY)
def test_metadata_are_not_consolidated(name: str, tmp_path: Path) -> None:
    files = _written(name, _request(BACKENDS[name]), tmp_path)
    documents = {n: json.loads(data) for n, data in files.items() if n.rpartition("/")[2] in ("zarr.json", ".zgroup")}
    assert not [n for n in files if n.endswith(".zmetadata")]
    assert [n for n, document in documents.items() if document.get("consolidated_metadata") is not None] == []


_LEAVES_OUT = {
    "zarr3-zarrs": "zarrs leaves out chunks of nothing but 0, whatever write_empty_chunks says (docs/findings)",
}
_LEAVES_OUT_OF_SHARDS = _LEAVES_OUT | {
    "zarr3-zarrista": "zarrs leaves out chunks of nothing but 0 inside of shards, whatever store_empty_chunks says",
    "zarr3-acquirezarr": "acquire-zarr leaves out chunks of nothing but 0 and has no setting for it (docs/findings)",
}


def _with_gaps(names: list[str] | tuple[str, ...], gaps: Mapping[str, str]) -> list[Any]:
    """Return parameters, those of a known gap as strict xfails."""
    return [pytest.param(n, marks=pytest.mark.xfail(strict=True, reason=gaps[n])) if n in gaps else n for n in names]


def test_the_gaps_are_those_that_backends_tell() -> None:
    told = {name for name in FAMILY if not getattr(BACKENDS[name], "writes_empty_chunks", True)}
    assert set(_LEAVES_OUT_OF_SHARDS) == told


@pytest.mark.parametrize("name", _with_gaps(FAMILY, _LEAVES_OUT))
def test_chunks_of_zeros_are_there(name: str, tmp_path: Path) -> None:
    for array in raw_arrays(_written(name, _request(BACKENDS[name]), tmp_path, zeros=True)):
        assert len(array.objects) == np.prod(grid_shape(array.shape, array.block_shape))


@pytest.mark.parametrize("name", _with_gaps(FAMILY, _LEAVES_OUT))
def test_chunks_of_zeros_that_are_written_later_are_there(name: str, tmp_path: Path) -> None:
    request, backend = _request(BACKENDS[name]), get_backend(name)
    before = _written(name, request, tmp_path)
    assert request is not None
    try:
        with backend.reopen(location := Location(tmp_path / f"image{backend.suffix}")) as writer:
            writer.write(Region.whole(request.shape), np.zeros(request.shape, request.dtype))
    except UnsupportedError:
        return  # written once
    assert raw_files(location).keys() == before.keys()


@pytest.mark.parametrize("name", _with_gaps(_SHARDED, _LEAVES_OUT_OF_SHARDS))
def test_chunks_of_zeros_are_there_inside_of_shards(name: str, tmp_path: Path) -> None:
    for array in raw_arrays(_written(name, _request(BACKENDS[name], sharded=True), tmp_path, zeros=True)):
        assert array.sharding is not None
        assert array.sharding.get("index_location", "end") == "end"
        chunk = tuple(array.sharding["chunk_shape"])
        n_found = sum(_chunks_in_shard(data, array.block_shape, chunk) for data in array.objects.values())
        assert n_found == np.prod(grid_shape(array.shape, chunk))  # and none outside of the image


def _chunks_in_shard(data: bytes, shard: Shape, chunk: Shape) -> int:
    """Return the number of chunks that the index at the end of a shard tells of; behind it is its checksum."""
    n_places = int(np.prod(grid_shape(shard, chunk)))
    offsets = np.frombuffer(data[-16 * n_places - 4 : -4], "<u8").reshape(n_places, 2)[:, 0]
    return int((offsets != _MISSING).sum())


# known answers: the volume of the published zarr-benchmarks, 806 x 629 x 629 voxels of uint16

_VOLUME = (806, 629, 629)
_ANSWERS = {128: (175, 0.868897), 64: (1300, 0.935735), 60: (1694, None), 90: (441, None)}
"""Edge of a chunk: number of chunks, and logical bytes ÷ chunk bytes where nothing is compressed."""
_SMALL = {16: ((101, 79, 79), 128), 9: ((80, 62, 62), 90)}
"""Edge of a small chunk: a small volume that is cut as the large one is by chunks of the other edge."""


def _plain(shape: Shape, edge: int) -> WriteRequest:
    layout = Layout(chunk_shape=(edge,) * 3)
    return WriteRequest(shape=shape, dtype=np.dtype("uint16"), axes="zyx", codec=parse_codec("none"), layout=layout)


_UNCOMPRESSED = [
    name for name in FAMILY if BACKENDS[name].why_unsupported(Location(Path("nowhere")), _plain(_VOLUME, 128)) is None
]


_MADE_EMPTY = [name for name in _UNCOMPRESSED if BACKENDS[name].write_order(_plain(_VOLUME, 128)) == "any"]
"""The others make nothing before all voxels have come."""


@pytest.mark.parametrize("edge", _ANSWERS)
@pytest.mark.parametrize("name", _MADE_EMPTY)
def test_the_grid_of_the_published_volume_is_as_known(name: str, edge: int, tmp_path: Path) -> None:
    """As the array's own metadata say; no voxel is written."""
    backend = get_backend(name)
    if (why := backend.why_unavailable()) is not None:
        pytest.skip(why)
    location = Location(tmp_path / f"image{backend.suffix}")
    with backend.create(location, _plain(_VOLUME, edge)):
        pass
    (array,) = raw_arrays(raw_files(location))
    n_chunks, ratio = _ANSWERS[edge]
    assert array.shape == _VOLUME
    assert array.block_shape == (edge,) * 3
    assert np.prod(grid_shape(array.shape, array.block_shape)) == n_chunks
    if ratio is not None:
        assert np.prod(_VOLUME) / (n_chunks * edge**3) == pytest.approx(ratio, abs=1e-6)


@pytest.mark.parametrize("edge", _SMALL)
@pytest.mark.parametrize("name", _UNCOMPRESSED)
def test_a_small_volume_that_is_cut_alike_has_its_chunks_padded(name: str, edge: int, tmp_path: Path) -> None:
    backend, (shape, large_edge) = get_backend(name), _SMALL[edge]
    if (why := backend.why_unavailable()) is not None:
        pytest.skip(why)
    location = Location(tmp_path / f"image{backend.suffix}")
    stored = write_array(backend, location, _plain(shape, edge), (np.ones(shape, np.uint16),))
    n_chunks = _ANSWERS[large_edge][0]
    (array,) = raw_arrays(raw_files(location))
    assert len(array.objects) == n_chunks
    assert {len(data) for data in array.objects.values()} == {edge**3 * 2}
    assert stored.chunk_bytes == n_chunks * edge**3 * 2


@pytest.mark.slow
@pytest.mark.parametrize("edge", [128, 64])
def test_the_published_volume_has_its_known_ratio(edge: int, tmp_path: Path) -> None:
    """All 640 MB of it, as zeros, slab by slab."""
    backend = get_backend("zarr3-zarrpython")
    location = Location(tmp_path / f"image{backend.suffix}")
    zeros = np.zeros((edge, *_VOLUME[1:]), np.uint16)
    with backend.create(location, _plain(_VOLUME, edge)) as writer:
        for slab in iter_blocks(_VOLUME, zeros.shape):
            writer.write(slab, zeros[: slab.shape[0]])
    with backend.open(location) as reader:
        stored = reader.stored_as()
        assert not reader.read(Region((805, 628, 628), _VOLUME)).any()
    n_chunks, ratio = _ANSWERS[edge]
    assert location.size()[1] == n_chunks + 1
    assert stored.chunk_bytes is not None
    assert 2 * np.prod(_VOLUME) / stored.chunk_bytes == pytest.approx(ratio, abs=1e-6)
    location.delete()
