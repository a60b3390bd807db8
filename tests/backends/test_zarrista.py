"""zarrista: what it is told of empty chunks and threads, what it reads of uncompressed chunks, and what damage looks like."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import StoredAs, WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.errors import DataError, UsageError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location

zarrista = pytest.importorskip(
    "zarrista", reason='zarrista is missing; install with: pip install "storebench[zarrista]"'
)

BACKEND = get_backend("zarr3-zarrista")
CHUNKS = Layout(chunk_shape=(8, 8, 8))
SHARDS = Layout(chunk_shape=(8, 8, 8), shard_shape=(16, 16, 16))


def _request(shape: Shape, codec: str = "none", layout: Layout | None = CHUNKS, dtype: str = "uint16") -> WriteRequest:
    return WriteRequest(
        shape=shape, dtype=np.dtype(dtype), axes="zyx"[-len(shape) :], codec=parse_codec(codec), layout=layout
    )


def _noise(shape: Shape, dtype: str = "uint16") -> NDArray:
    return np.random.default_rng(5).integers(0, 200, shape).astype(dtype)


def _written(folder: Path, request: WriteRequest) -> tuple[Location, StoredAs]:
    location = Location(folder / "image.zarr")
    return location, write_array(BACKEND, location, request, (_noise(request.shape, request.dtype.name),))


# what is on disk


def test_empty_chunks_are_written_and_unwritten_ones_are_zeros(tmp_path: Path) -> None:
    location, request = Location(tmp_path / "image.zarr"), _request((16, 16, 16))
    with BACKEND.create(location, request) as writer:
        writer.write(Region((0, 0, 0), (8, 16, 16)), np.zeros((8, 16, 16), np.uint16))
    assert sum(file.name != "zarr.json" for file in location.files()) == 4
    with BACKEND.open(location) as reader:
        assert not reader.read(Region.whole((16, 16, 16))).any()


def test_empty_chunks_inside_of_shards_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    location = Location(tmp_path / "image.zarr")
    stored = write_array(BACKEND, location, _request((32, 32, 32), "none", SHARDS), (np.zeros((32,) * 3, np.uint16),))
    assert stored.chunk_bytes == 8 * (8 * 16 + 4)  # eight shards of an index alone
    assert "inside of shards left out" in BACKEND.facts()["empty chunks"]


def test_without_a_layout_there_is_one_chunk(tmp_path: Path) -> None:
    _, stored = _written(tmp_path, _request((20, 30, 40), "zstd-3", None))
    assert stored.layout == Layout(chunk_shape=(20, 30, 40))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_voxels_come_back(dtype: str, tmp_path: Path) -> None:
    request = _request((9, 10, 11), "zstd-3", CHUNKS, dtype)
    location, values = Location(tmp_path / "image.zarr"), _noise(request.shape, dtype) * (1 - 2j)
    write_array(BACKEND, location, request, (values.astype(dtype),))
    with BACKEND.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(request.shape)), values.astype(dtype), strict=True)


def test_rows_of_a_larger_image_are_taken(tmp_path: Path) -> None:
    """numpy leaves the strides of an axis of one voxel as they are, and zarrista looks at those."""
    values = _noise((4, 30))
    location = Location(tmp_path / "image.zarr")
    with BACKEND.create(location, _request((1, 20), layout=Layout(chunk_shape=(1, 20)))) as writer:
        writer.write(Region.whole((1, 20)), values[1:2, :20])
    with BACKEND.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole((1, 20))), values[1:2, :20])


def test_a_checksum_is_written_so_that_others_read_it(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _request((16, 16, 16), "zstd-3+crc32c"))
    assert json.loads((location.path / "zarr.json").read_text())["codecs"][-1] == {"name": "crc32c"}


@pytest.mark.xfail(
    strict=True, raises=DataError, reason="zarrista stores the bare name of a codec without configuration"
)
@pytest.mark.parametrize("other", ["zarr3-zarrpython", "zarr3-tensorstore"])
def test_an_attribute_set_by_zarrista_leaves_a_checksummed_array_readable(other: str, tmp_path: Path) -> None:
    """docs/findings/zarrista-bare-crc32c.md."""
    backend, location = get_backend(other), Location(tmp_path / "image.zarr")
    why = backend.why_unavailable()
    if why is not None:
        pytest.skip(why)
    write_array(backend, location, _request((16, 16, 16), "zstd-3+crc32c"), (_noise((16, 16, 16)),))
    array = zarrista.Array.open(zarrista.store.FilesystemStore(location.path))
    array.with_attrs({"voxel_um": 25}).store_metadata()
    with backend.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole((16, 16, 16))), _noise((16, 16, 16)))


# what a read fetches


def _io(what: str) -> int:
    return int(Path("/proc/self/io").read_text().split(f"{what}: ")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="read calls are told by Linux alone")
@pytest.mark.parametrize(
    ("codec", "layout", "n_calls", "decode_shape"),
    [
        ("none", Layout(chunk_shape=(32, 32, 32)), 1024, (1, 1, 1)),
        ("crc32c", Layout(chunk_shape=(32, 32, 32)), 1, (32, 32, 32)),
        ("zstd-1", Layout(chunk_shape=(32, 32, 32)), 1, (32, 32, 32)),
        ("none", Layout(chunk_shape=(16, 16, 16), shard_shape=(32, 32, 32)), 1025, (1, 1, 1)),
        ("zstd-1", Layout(chunk_shape=(16, 16, 16), shard_shape=(32, 32, 32)), 5, (16, 16, 16)),
    ],
)
def test_an_uncompressed_chunk_is_read_row_by_row(
    codec: str, layout: Layout, n_calls: int, decode_shape: Shape, tmp_path: Path
) -> None:
    """docs/findings/zarrs-rows-of-uncompressed-chunks.md: a plane across the rows of one chunk or shard."""
    location, stored = _written(tmp_path, _request((32, 32, 32), codec, layout))
    assert stored.decode_shape == decode_shape
    with BACKEND.open(location) as reader:
        counts = []
        for _ in range(2):  # the first looks at the machine's processors too
            before = _io("syscr")
            found = reader.read(Region((0, 0, 5), (32, 32, 6)))
            counts.append(_io("syscr") - before)
    np.testing.assert_array_equal(found, _noise((32, 32, 32))[:, :, 5:6])
    assert n_calls <= counts[-1] <= n_calls + 3


# threads


_HELD = """
import sys, tempfile
from pathlib import Path
import numpy as np
from storebench.backends import WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.grid import Layout, Region
from storebench.stores import Location
backend = get_backend("zarr3-zarrista")
values = np.arange(64**3, dtype="uint16").reshape(64, 64, 64)
request = WriteRequest(
    shape=values.shape, dtype=values.dtype, axes="zyx", codec=parse_codec("zstd-3"), layout=Layout(chunk_shape=(16, 16, 16))
)

def use():
    with tempfile.TemporaryDirectory() as folder:
        location = Location(Path(folder) / "image.zarr")
        write_array(backend, location, request, (values,))
        with backend.open(location) as reader:
            np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)

def used():
    return {path.name: int((path / "schedstat").read_text().split()[0]) for path in Path("/proc/self/task").iterdir()}

if sys.argv[1] == "used before":
    use()
print(backend.limit_threads(1))
use()
before = used()
use()
print(sum(ns > before.get(name, 0) for name, ns in used().items()))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="what threads do is told by Linux alone")
@pytest.mark.parametrize("state", ["fresh", "used before"])
def test_one_thread_is_the_callers_also_where_the_pool_is_there(state: str) -> None:
    done = subprocess.run([sys.executable, "-c", _HELD, state], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "1"]


# damage


@pytest.mark.parametrize("codec", ["none", "gzip-5", "zstd-3", "blosc-zstd-3-shuffle", "crc32c"])
@pytest.mark.parametrize("left", [0, 3, -1])
def test_a_cut_off_chunk_is_named(codec: str, left: int, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _request((16, 16, 16), codec))
    damaged = location.path / "c/1/0/1"
    damaged.write_bytes(damaged.read_bytes()[:left])
    with BACKEND.open(location) as reader, pytest.raises(DataError, match="restore it from a copy") as caught:
        reader.read(Region.whole((16, 16, 16)))
    assert str(damaged) in str(caught.value)


@pytest.mark.parametrize("left", [0, 3, 60, -1])
def test_a_cut_off_shard_is_named(left: int, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _request((32, 32, 32), "zstd-3", SHARDS))
    damaged = location.path / "c/0/1/1"
    damaged.write_bytes(damaged.read_bytes()[:left])
    with BACKEND.open(location) as reader, pytest.raises(DataError, match="restore it from a copy") as caught:
        reader.read(Region((1, 1, 1), (32, 32, 32)))
    assert str(damaged) in str(caught.value)


@pytest.mark.xfail(strict=True, reason="a missing chunk is read as the fill value; comparing the values finds it")
def test_a_missing_chunk_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _request((16, 16, 16)))
    (location.path / "c/0/1/0").unlink()
    with BACKEND.open(location) as reader, pytest.raises(DataError):
        reader.read(Region.whole((16, 16, 16)))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "{}", "\x00\x01", '{"zarr_format": 3, "node_type": "array"}'])
def test_damaged_metadata_are_named(text: str, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _request((16, 16, 16)))
    file = location.path / "zarr.json"
    file.write_text(text)
    for opened in (BACKEND.open, BACKEND.reopen):
        with pytest.raises(DataError, match="cannot be understood by zarrista") as caught, opened(location):
            pass
        assert str(file) in str(caught.value)


def test_a_path_without_an_image_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no image")
    (tmp_path / "folder").mkdir()
    for path in ("nothing", "file", "folder"):
        with (
            pytest.raises(DataError, match=r"is no Zarr v3 array: it has no zarr\.json"),
            BACKEND.open(Location(tmp_path / path)),
        ):
            pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_values_of_another_type_are_refused(tmp_path: Path) -> None:
    with BACKEND.create(Location(tmp_path / "image.zarr"), _request((16, 16, 16))) as writer:
        with pytest.raises(UsageError, match="cannot take float32 values"):
            writer.write(Region.whole((16, 16, 16)), np.ones((16, 16, 16), np.float32))
