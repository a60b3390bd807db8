"""Zarr by zarr-python: what is on disk, and what damage looks like. What a read fetches: test_partial_reads."""

from __future__ import annotations

import asyncio
import errno
import json
import threading
import time
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync

from storebench.backends import Backend, StoredAs, WriteRequest, _zarr_threads, get_backend, write_array
from storebench.backends._zarr_codecs import BUILT_IN
from storebench.codecs import EXAMPLES, parse_codec
from storebench.errors import DataError, UsageError
from storebench.grid import Layout, Region, Shape, padding_ratio
from storebench.stores import Location


def _if_available(name: str) -> Any:
    why = get_backend(name).why_unavailable()
    return pytest.param(name, marks=pytest.mark.skipif(why is not None, reason=str(why)))


BOTH = pytest.mark.parametrize("name", ["zarr2-zarrpython", "zarr3-zarrpython"])
V3 = [_if_available(name) for name in ("zarr3-zarrpythonfused", "zarr3-zarrs", "zarr3-obstore")]
FOLDERS = pytest.mark.parametrize("name", ["zarr2-zarrpython", "zarr3-zarrpython", *V3])
CODECS = [
    name
    for name in (*EXAMPLES, "blosc-lz4-5-bitshuffle+crc32c")
    if parse_codec(name).kind in BUILT_IN and parse_codec(name).filter is None and not parse_codec(name).predictor
]
_INDEX_ENTRY_BYTES, _CHECKSUM_BYTES = 16, 4


def _request(shape: Shape, codec: str, layout: Layout | None, dtype: str = "uint16") -> WriteRequest:
    return WriteRequest(
        shape=shape, dtype=np.dtype(dtype), axes="tczyx"[-len(shape) :], codec=parse_codec(codec), layout=layout
    )


def _noise(shape: Shape, dtype: str = "uint16") -> NDArray:
    return np.random.default_rng(5).integers(0, 200, shape).astype(dtype)


def _written(
    folder: Path, name: str, values: NDArray, codec: str, layout: Layout | None
) -> tuple[Backend, Location, StoredAs]:
    backend = get_backend(name)
    location = Location(folder / f"image{backend.suffix}")
    return (
        backend,
        location,
        write_array(backend, location, _request(values.shape, codec, layout, values.dtype.name), (values,)),
    )


def _key(location: Location, index: tuple[int, ...]) -> Path:
    return location.path / (
        ".".join(map(str, index)) if (location.path / ".zarray").exists() else "c/" + "/".join(map(str, index))
    )


# what is on disk


@BOTH
@pytest.mark.parametrize("codec", CODECS)
def test_the_block_codec_makes_the_bytes_of_the_file(name: str, codec: str, tmp_path: Path) -> None:
    values = _noise((8, 8, 8))
    layout = Layout(chunk_shape=(8, 8, 8))
    backend, location, _ = _written(tmp_path, name, values, codec, layout)
    block_codec = backend.block_codec(_request(values.shape, codec, layout))
    assert not isinstance(block_codec, str)
    data, on_disk = block_codec.encode(values), _key(location, (0, 0, 0)).read_bytes()
    if codec.startswith("gzip"):  # its header holds the time of day
        data, on_disk = data[8:], on_disk[8:]
    assert data == on_disk


@FOLDERS
@pytest.mark.parametrize("shape", [(9, 10, 11), (8, 8, 8), (3, 1, 4)])
def test_uncompressed_chunks_are_padded_whole(name: str, shape: Shape, tmp_path: Path) -> None:
    values, chunk = _noise(shape), (4, 4, 5)
    _, _, stored = _written(tmp_path, name, values, "none", Layout(chunk_shape=chunk))
    assert stored.chunk_bytes is not None
    assert values.nbytes / stored.chunk_bytes == pytest.approx(padding_ratio(shape, chunk))


@BOTH
def test_every_chunk_is_written_also_where_all_is_zero(name: str, tmp_path: Path) -> None:
    values = np.zeros((8, 8, 8), np.uint16)
    _, _, stored = _written(tmp_path, name, values, "none", Layout(chunk_shape=(4, 4, 4)))
    assert stored.chunk_bytes == values.nbytes
    assert stored.note == ""


def test_every_chunk_of_a_shard_is_written_but_none_outside_of_the_image(tmp_path: Path) -> None:
    values = np.zeros((9, 4, 4), np.uint16)
    layout = Layout(chunk_shape=(4, 4, 4), shard_shape=(32, 8, 8))
    _, _, stored = _written(tmp_path, "zarr3-zarrpython", values, "none", layout)
    n_chunks, n_places = 3, 8 * 2 * 2
    assert stored.chunk_bytes == n_chunks * 4**3 * 2 + n_places * _INDEX_ENTRY_BYTES + _CHECKSUM_BYTES


def test_axis_names_and_chunk_names(tmp_path: Path) -> None:
    values = _noise((4, 4, 4))
    for name in ("zarr2-zarrpython", "zarr3-zarrpython"):
        _, _, stored = _written(tmp_path / name, name, values, "none", Layout(chunk_shape=(2, 2, 2)))
        assert stored.axes == "zyx"
    v2, v3 = tmp_path / "zarr2-zarrpython/image.zarr", tmp_path / "zarr3-zarrpython/image.zarr"
    assert (v2 / "1.0.1").is_file()
    assert json.loads((v2 / ".zattrs").read_text()) == {"_ARRAY_DIMENSIONS": ["z", "y", "x"]}
    assert (v3 / "c/1/0/1").is_file()
    assert json.loads((v3 / "zarr.json").read_text())["dimension_names"] == ["z", "y", "x"]


@BOTH
def test_an_array_of_somebody_else_is_described_as_it_is(name: str, tmp_path: Path) -> None:
    zarr_format = 2 if name.startswith("zarr2") else 3
    foreign = {2: numcodecs.BZ2(3), 3: zarr.codecs.ZstdCodec(level=0)}[zarr_format]
    location = Location(tmp_path / "foreign.zarr")
    array = zarr.create_array(
        zarr.storage.LocalStore(location.path),
        shape=(4, 6),
        dtype="u1",
        chunks=(2, 3),
        compressors=foreign,
        zarr_format=zarr_format,
    )
    array[:2, :3] = 7
    with get_backend(name).open(location) as reader:
        stored = reader.stored_as()
        assert reader.read(Region((0, 0), (4, 6))).sum() == 7 * 6
    assert stored.axes is None
    assert "1 of 4 chunk files are there, the others read as 0" in stored.note
    if zarr_format == 2:
        assert stored.codec == "?"
        assert "bz2" in stored.note
    else:
        assert stored.codec == "zstd-3"
        assert "level 0 on disk" in stored.note


def test_default_chunks_are_the_librarys(tmp_path: Path) -> None:
    values = _noise((40, 50, 60))
    backend, _, stored = _written(tmp_path, "zarr3-zarrpython", values, "zstd-3", None)
    assert stored.layout is not None
    codec = backend.block_codec(_request(values.shape, "zstd-3", None))
    assert not isinstance(codec, str)
    block = np.zeros(stored.layout.chunk_shape, np.uint16)
    np.testing.assert_array_equal(codec.decode(codec.encode(block)), block, strict=True)


@BOTH
def test_blosc_is_refused_where_its_header_cannot_count(name: str, tmp_path: Path) -> None:
    backend = get_backend(name)
    for codec, refused in (("blosc-lz4-5-shuffle", True), ("zstd-3", False)):
        request = _request((2048, 1024, 1024), codec, Layout(chunk_shape=(1024, 1024, 1024)))
        sentence = backend.why_unsupported(Location(tmp_path / "x.zarr"), request)
        assert (sentence is not None) == refused
    assert "at most 2147483631 bytes" in str(
        backend.why_unsupported(
            Location(tmp_path / "x.zarr"), _request((9, 9), "blosc-zlib-3-shuffle", Layout(chunk_shape=(32768, 32768)))
        )
    )


def test_the_heart_with_64_chunks_has_its_known_size(heart: NDArray, tmp_path: Path) -> None:
    layout = Layout(chunk_shape=(64, 64, 64))
    _, _, stored = _written(tmp_path, "zarr2-zarrpython", heart, "blosc-zstd-9-shuffle", layout)
    assert stored.chunk_bytes == 941_577
    _, _, plain = _written(tmp_path / "none", "zarr3-zarrpython", heart, "none", layout)
    assert plain.chunk_bytes is not None
    assert heart.nbytes / plain.chunk_bytes == pytest.approx(padding_ratio(heart.shape, (64, 64, 64)))


# damage


def _cut(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])


@FOLDERS
@pytest.mark.parametrize("codec", ["none", "crc32c", "gzip-5", "zstd-3", "zstd-3+crc32c", "blosc-lz4-5-shuffle+crc32c"])
@pytest.mark.parametrize("left", [0, 3, 60])
def test_a_cut_off_chunk_is_named(name: str, codec: str, left: int, tmp_path: Path) -> None:
    backend, location, _ = _written(tmp_path, name, _noise((8, 8, 8)), codec, Layout(chunk_shape=(4, 4, 4)))
    damaged = _key(location, (1, 0, 1))
    _cut(damaged, left)
    with backend.open(location) as reader:
        assert reader.read(Region((0, 0, 0), (4, 8, 8))).any()
        with pytest.raises(DataError, match="restore it from a copy") as caught:
            reader.read(Region.whole((8, 8, 8)))
    assert str(damaged) in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("name", ["zarr3-zarrpython", *V3])
@pytest.mark.parametrize("left", [3, 60, -1])
def test_a_cut_off_shard_is_named(name: str, left: int, tmp_path: Path) -> None:
    layout = Layout(chunk_shape=(2, 2, 2), shard_shape=(4, 4, 4))
    backend, location, _ = _written(tmp_path, name, _noise((8, 8, 8)), "zstd-3", layout)
    damaged = _key(location, (1, 0, 1))
    _cut(damaged, left)
    with backend.open(location) as reader, pytest.raises(DataError, match="restore it from a copy") as caught:
        reader.read(Region((1, 1, 1), (8, 8, 8)))
    assert str(damaged) in str(caught.value)


@FOLDERS
@pytest.mark.parametrize("left", [0, 10, 60])
def test_a_cut_off_blosc_chunk_is_found_by_its_header(name: str, left: int, tmp_path: Path) -> None:
    backend, location, _ = _written(
        tmp_path, name, _noise((8, 8, 8)), "blosc-lz4-5-shuffle", Layout(chunk_shape=(4, 4, 4))
    )
    damaged = _key(location, (1, 0, 1))
    _cut(damaged, left)
    with backend.open(location) as reader, pytest.raises(DataError, match="is cut off") as caught:
        reader.stored_as()
    assert str(damaged) in str(caught.value)


@pytest.mark.xfail(strict=True, reason="zarr reads a missing chunk as the fill value; comparing the values finds it")
@FOLDERS
def test_a_missing_chunk_is_noticed_when_it_is_read(name: str, tmp_path: Path) -> None:
    backend, location, _ = _written(tmp_path, name, _noise((8, 8, 8)), "zstd-3", Layout(chunk_shape=(4, 4, 4)))
    _key(location, (1, 0, 1)).unlink()
    with backend.open(location) as reader, pytest.raises(DataError):
        reader.read(Region.whole((8, 8, 8)))


@FOLDERS
@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", "{}", "\x00\x01", '{"zarr_format": 7}', '{"zarr_format": 3, "node_type": "array"}']
)
def test_damaged_metadata_are_named(name: str, text: str, tmp_path: Path) -> None:
    backend, location, _ = _written(tmp_path, name, _noise((4, 4)), "zstd-3", Layout(chunk_shape=(2, 2)))
    file = location.path / (".zarray" if name.startswith("zarr2") else "zarr.json")
    file.write_text(text)
    with pytest.raises(DataError, match="cannot be understood") as caught, backend.open(location):
        pass
    assert str(location.path) in str(caught.value)
    assert file.name in str(caught.value)


@FOLDERS
def test_a_path_without_an_array_is_a_sentence(name: str, tmp_path: Path) -> None:
    backend = get_backend(name)
    (tmp_path / "file").write_text("no array")
    (tmp_path / "folder").mkdir()
    for path in ("nothing", "file", "folder"):
        with pytest.raises(DataError, match="is no Zarr v"), backend.open(Location(tmp_path / path)):
            pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@FOLDERS
def test_regions_and_levels_outside_are_refused(name: str, tmp_path: Path) -> None:
    backend, location, _ = _written(tmp_path, name, _noise((4, 4)), "none", Layout(chunk_shape=(2, 2)))
    with backend.open(location) as reader:
        with pytest.raises(UsageError, match="lies outside"):
            reader.read(Region((0, 0), (4, 5)))
        with pytest.raises(UsageError, match="levels 0 to 0"):
            reader.read(Region((0, 0), (4, 4)), level=1)


@BOTH
def test_a_disk_that_fills_up_leaves_nothing_behind(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """zarr raises when the first chunk fails, while others are still being written: they must not come back afterwards."""
    from zarr.storage import LocalStore

    plain_set = LocalStore.set

    async def full_for_one(self, key, value):
        if key.endswith(("c/0/0", "0.0")):
            raise OSError(errno.ENOSPC, "No space left on device")
        if not key.endswith((".json", ".zarray", ".zattrs")):
            await asyncio.sleep(0.05)
        await plain_set(self, key, value)

    monkeypatch.setattr(LocalStore, "set", full_for_one)
    values = _noise((64, 64))
    request = _request(values.shape, "none", Layout(chunk_shape=(16, 16)))
    location = Location(tmp_path / "a.zarr")
    with pytest.raises(OSError, match="No space left"):
        write_array(get_backend(name), location, request, (values,))
    time.sleep(0.2)
    assert not location.exists()


def test_writes_that_fail_at_once_do_not_wait_for_each_other() -> None:
    threads = [
        threading.Thread(target=sync, args=(asyncio.sleep(0.3),), daemon=True),  # a chunk that is still being written
        *(threading.Thread(target=_zarr_threads.wait_for_other_chunks, daemon=True) for _ in range(3)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
