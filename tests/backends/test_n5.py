"""N5: axes and bytes as its other readers expect them, blocks at the edge, and what its two libraries do differently."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.access import Request
from storebench.backends import StoredAs, WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.errors import DataError, StorageError, UnsupportedError, UsageError
from storebench.grid import Layout, Region, Shape, block_region, blocks_touched
from storebench.measurement.prediction import predict_read
from storebench.stores import Location, RequestLog

ts = pytest.importorskip(
    "tensorstore", reason='tensorstore is missing; install with: pip install "storebench[tensorstore]"'
)
z5py = pytest.importorskip("z5py", reason='z5py is missing; install with: pip install "storebench[z5py]"')

NAMES = ("n5-tensorstore", "n5-z5py")
BOTH = pytest.mark.parametrize("name", NAMES)
PAIRS = pytest.mark.parametrize(("writer", "reader"), [NAMES, NAMES[::-1]])
SHAPE, CHUNK = (5, 7, 10), (2, 3, 4)


def _request(
    shape: Shape = SHAPE, codec: str = "none", chunk: Shape | None = CHUNK, dtype: str = "uint16"
) -> WriteRequest:
    layout = None if chunk is None else Layout(chunk_shape=chunk)
    return WriteRequest(
        shape=shape, dtype=np.dtype(dtype), axes="tczyx"[-len(shape) :], codec=parse_codec(codec), layout=layout
    )


def _values(shape: Shape = SHAPE, dtype: str = "uint16") -> NDArray:
    return np.random.default_rng(5).integers(1, 200, shape).astype(dtype)


def _written(
    folder: Path, name: str, request: WriteRequest, values: NDArray | None = None
) -> tuple[Location, StoredAs]:
    location = Location(folder / f"{name}.n5")
    source = _values(request.shape, request.dtype.name) if values is None else values
    return location, write_array(get_backend(name), location, request, (source,))


def _block(location: Location, index: tuple[int, ...]) -> Path:
    return location.path.joinpath("s0", *map(str, index[::-1]))


# axes and bytes


@BOTH
def test_x_is_first_in_every_name_and_fastest_in_every_block(name: str, tmp_path: Path) -> None:
    location, stored = _written(tmp_path, name, _request())
    found = json.loads((location.path / "s0/attributes.json").read_text())
    assert (found["dimensions"], found["blockSize"], found["axes"]) == ([10, 7, 5], [4, 3, 2], ["x", "y", "z"])
    assert json.loads((location.path / "attributes.json").read_text()) == {"n5": "2.0.0"}
    assert stored.axes == "zyx"
    data = _block(location, (1, 0, 2)).read_bytes()
    mode, n_axes, *extents = struct.unpack(">HH3I", data[:16])
    assert (mode, n_axes) == (0, 3)
    block = np.frombuffer(data[16:], ">u2").reshape(extents[::-1])
    np.testing.assert_array_equal(block[:2, :3, :2], _values()[2:4, 0:3, 8:10])


@pytest.mark.parametrize("writer", NAMES)
def test_the_librarys_own_calls_see_the_same_voxels(writer: str, tmp_path: Path) -> None:
    """z5py turns N5's axes around by itself; tensorstore shows them as they are in the file, x first."""
    location, _ = _written(tmp_path, writer, _request())
    by_z5py = z5py.N5File(location.path, mode="r")["s0"]
    np.testing.assert_array_equal(by_z5py[:], _values(), strict=True)
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": f"{location.path}/s0/"}}
    by_tensorstore = ts.open(spec, open=True).result()
    assert by_tensorstore.domain.labels == ("x", "y", "z")
    np.testing.assert_array_equal(by_tensorstore.read().result(), _values().T, strict=True)


@PAIRS
@pytest.mark.parametrize("codec", ["none", "gzip-1", "gzip-9", "zstd-3", "zstd-22"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "float32", "float64"])
def test_each_reads_the_other_to_the_bit(writer: str, reader: str, codec: str, dtype: str, tmp_path: Path) -> None:
    location, stored = _written(tmp_path, writer, _request(codec=codec, dtype=dtype))
    with get_backend(reader).open(location) as opened:
        found = opened.stored_as()
        for region in (Region.whole(SHAPE), Region((1, 2, 3), (5, 7, 10)), Region((4, 6, 9), (5, 7, 10))):
            np.testing.assert_array_equal(opened.read(region), _values(dtype=dtype)[region.slices], strict=True)
    assert found == stored


@pytest.mark.parametrize("codec", ["blosc-lz4-5-shuffle", "blosc-zstd-5-bitshuffle", "blosc-blosclz-5-noshuffle"])
def test_blosc_is_the_same_to_the_byte_and_z5py_reads_it(codec: str, tmp_path: Path) -> None:
    request = _request((4, 6, 8), codec)  # no block is cut
    by_tensorstore, stored = _written(tmp_path, "n5-tensorstore", request)
    by_z5py, other = _written(tmp_path, "n5-z5py", request)
    assert (stored.codec, other.codec) == (codec, codec)
    for index in blocks_touched(Region.whole(request.shape), CHUNK):
        assert _block(by_tensorstore, index).read_bytes() == _block(by_z5py, index).read_bytes()
    with get_backend("n5-z5py").open(by_tensorstore) as opened:
        np.testing.assert_array_equal(opened.read(Region.whole(request.shape)), _values(request.shape), strict=True)


@pytest.mark.xfail(strict=True, raises=DataError, reason="tensorstore refuses 'nthreads', which z5py notes with Blosc")
def test_tensorstore_opens_blosc_of_z5py(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, "n5-z5py", _request(codec="blosc-lz4-5-shuffle"))
    with get_backend("n5-tensorstore").open(location):
        pass


def test_a_compression_without_a_neutral_name_is_read_and_named(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, "n5-z5py", _request())
    values = _values()
    file = z5py.N5File(location.path, mode="r+")
    del file["s0"]
    file.create_dataset("s0", data=values, chunks=CHUNK, compression="xz")
    for name in NAMES:
        with get_backend(name).open(location) as opened:
            stored = opened.stored_as()
            np.testing.assert_array_equal(opened.read(Region.whole(SHAPE)), values, strict=True)
        assert (stored.codec, stored.axes) == ("?", None)
        assert stored.note == 'compression on disk: {"preset": 6, "type": "xz"}'


# blocks at the edge, and empty ones


def test_a_block_at_the_edge_is_whole_by_tensorstore_and_cut_by_z5py(tmp_path: Path) -> None:
    sizes = {}
    for name in NAMES:
        location, stored = _written(tmp_path, name, _request())
        sizes[name] = [_block(location, index).stat().st_size for index in blocks_touched(Region.whole(SHAPE), CHUNK)]
        assert stored.chunk_bytes == sum(sizes[name])
        assert stored.decode_shape == CHUNK
    assert set(sizes["n5-tensorstore"]) == {16 + 2 * 3 * 4 * 2}
    own = [block_region(index, CHUNK, SHAPE).n_voxels for index in blocks_touched(Region.whole(SHAPE), CHUNK)]
    assert sizes["n5-z5py"] == [16 + 2 * n for n in own]


EDGE = Region((3, 5, 7), (5, 7, 10))
"""It cuts blocks, some of which stick out of the image where tensorstore wrote them."""


def test_tensorstore_changes_a_part_of_a_cut_block_and_keeps_the_rest(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, "n5-z5py", _request())
    expected = _values()
    expected[EDGE.slices] += 1000
    with get_backend("n5-tensorstore").reopen(location) as opened:
        opened.write(EDGE, expected[EDGE.slices])
    for name in NAMES:
        with get_backend(name).open(location) as opened:
            np.testing.assert_array_equal(opened.read(Region.whole(SHAPE)), expected, strict=True)


@pytest.mark.xfail(strict=True, reason="z5py destroys the other voxels of a whole block at the edge")
def test_z5py_changes_a_part_of_a_whole_block_and_keeps_the_rest(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, "n5-tensorstore", _request())
    expected = _values()
    expected[EDGE.slices] += 1000
    z5py.N5File(location.path, mode="r+")["s0"][EDGE.slices] = expected[EDGE.slices]
    with get_backend("n5-tensorstore").open(location) as opened:
        np.testing.assert_array_equal(opened.read(Region.whole(SHAPE)), expected, strict=True)


def test_such_a_write_is_refused_and_one_of_whole_blocks_is_not(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, "n5-tensorstore", _request())
    stored = {Path(file): Path(file).read_bytes() for file in location.files()}
    expected, whole = _values(), Region((2, 3, 4), SHAPE)
    with get_backend("n5-z5py").reopen(location) as opened:
        with pytest.raises(UnsupportedError, match="sticks out of the image, as tensorstore writes it"):
            opened.write(EDGE, expected[EDGE.slices])
        assert {Path(file): Path(file).read_bytes() for file in location.files()} == stored
        expected[whole.slices] += 1000
        opened.write(whole, expected[whole.slices])
    for name in NAMES:
        with get_backend(name).open(location) as opened:
            np.testing.assert_array_equal(opened.read(Region.whole(SHAPE)), expected, strict=True)


def test_empty_blocks_are_written_by_tensorstore_and_never_by_z5py(tmp_path: Path) -> None:
    values = _values((4, 6, 8))
    values[:2] = 0
    _, stored = _written(tmp_path, "n5-tensorstore", _request(values.shape), values)
    location, without = _written(tmp_path, "n5-z5py", _request(values.shape), values)
    assert stored.note == ""
    assert without.note == "4 of 8 chunk files are there, the others read as 0"
    assert get_backend("n5-z5py").facts()["z5py empty chunks"].startswith("never written")
    for name in NAMES:
        with get_backend(name).open(location) as opened:
            np.testing.assert_array_equal(opened.read(Region.whole(values.shape)), values, strict=True)


# what is counted


@pytest.mark.parametrize("writer", NAMES)
@pytest.mark.parametrize(
    "region",
    [Region.whole(SHAPE), Region((3, 0, 0), (4, 7, 10)), Region((4, 6, 9), SHAPE)],
    ids=["whole", "xy", "voxel"],
)
def test_tensorstore_asks_for_what_geometry_says(writer: str, region: Region, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, writer, _request(codec="gzip-5"))
    log = RequestLog()
    with get_backend("n5-tensorstore").open(location.counted(log)) as opened:
        opened.read(region)
    predicted = predict_read("n5-tensorstore", location, [Request(0, region)])
    assert predicted is not None
    assert (log.count("get"), log.n_bytes("get")) == (predicted.requests, predicted.n_bytes)
    assert log.count("miss") == 0
    blocks = [_block(location, index) for index in blocks_touched(region, CHUNK)]
    assert predicted.requests == 1 + len(blocks)
    attributes = location.path / "s0/attributes.json"
    assert predicted.n_bytes == sum(path.stat().st_size for path in (attributes, *blocks))


# what z5py cannot


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            _request(codec="blosc-zstd-3-shuffle"),
            "level 5 whatever is asked; use blosc-zstd-5-shuffle, or n5-tensorstore",
        ),
        (_request(codec="gzip-0"), "compresses at gzip's level 0 too"),
        (_request(chunk=(2, 9, 4)), "no larger than the image; use 2,7,4"),
        (_request(codec="crc32c"), "no CRC-32C checksum"),
        (_request(dtype="float16"), "cannot hold float16"),
    ],
    ids=["blosc", "gzip", "chunk", "checksum", "dtype"],
)
def test_what_z5py_would_do_otherwise_is_refused(request_: WriteRequest, words: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=words):
        _written(tmp_path, "n5-z5py", request_)


def test_z5py_ignores_the_level_of_blosc(tmp_path: Path) -> None:
    """Why other levels are refused; when this fails, the refusal can go."""
    values = np.random.default_rng(0).normal(1000, 30, (32, 32, 32)).astype("uint16")
    file = z5py.N5File(tmp_path / "image.n5", mode="x")
    for level in (1, 9):
        name = f"level{level}"
        file.create_dataset(name, data=values, chunks=values.shape, compression="blosc", codec="zstd", clevel=level)
        found = json.loads((tmp_path / "image.n5" / name / "attributes.json").read_text())
        assert found["compression"]["clevel"] == 5
    one, nine = ((tmp_path / "image.n5" / name / "0/0/0").read_bytes() for name in ("level1", "level9"))
    assert one == nine


def test_z5py_says_what_it_cannot_write(tmp_path: Path) -> None:
    location = Location(tmp_path / "image.n5")
    with get_backend("n5-z5py").create(location, _request()) as writer:
        _block(location, (0, 0, 0)).mkdir(parents=True)
        with pytest.raises(StorageError, match=r"writing into .* failed: z5: cannot open chunk file for writing"):
            writer.write(Region.whole(SHAPE), _values())
        with pytest.raises(UsageError, match="cannot take"):
            writer.write(Region.whole(SHAPE), _values(dtype="uint8"))


# damage


@BOTH
@pytest.mark.parametrize("left", [0, 3, 20])
def test_a_cut_off_block_is_named(name: str, left: int, tmp_path: Path) -> None:
    for codec in ("gzip-5", "zstd-3", "blosc-lz4-5-shuffle"):
        location, _ = _written(tmp_path / codec, name, _request(codec=codec))
        damaged = _block(location, (1, 1, 1))
        damaged.write_bytes(damaged.read_bytes()[:left])
        with get_backend(name).open(location) as reader:
            with pytest.raises(DataError, match="restore it from a copy") as caught:
                reader.read(Region.whole(SHAPE))
            assert str(damaged) in str(caught.value)
            np.testing.assert_array_equal(reader.read(Region((0, 0, 0), CHUNK)), _values()[:2, :3, :4])


@BOTH
def test_a_raw_block_that_is_cut_off_is_noticed_before_it_is_read(name: str, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, name, _request())
    damaged = _block(location, (1, 1, 1))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with get_backend(name).open(location) as reader, pytest.raises(DataError, match="is cut off") as caught:
        reader.stored_as()
    assert str(damaged) in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "n5-tensorstore",
        pytest.param(
            "n5-z5py",
            marks=pytest.mark.xfail(strict=True, reason="z5py reads a raw block that is cut off, and says nothing"),
        ),
    ],
)
def test_a_raw_block_that_is_cut_off_is_noticed_when_it_is_read(name: str, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, name, _request())
    damaged = _block(location, (1, 1, 1))
    damaged.write_bytes(damaged.read_bytes()[:30])
    with get_backend(name).open(location) as reader, pytest.raises(DataError):
        reader.read(Region.whole(SHAPE))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "{}", "\x00\x01", '{"dimensions": [4, 4], "blockSize": [2]}'])
def test_damaged_attributes_are_named_by_z5py(text: str, tmp_path: Path) -> None:
    backend = get_backend("n5-z5py")
    location, _ = _written(tmp_path, backend.name, _request())
    file = location.path / "s0/attributes.json"
    file.write_text(text)
    for opened in (backend.open, backend.reopen):
        with pytest.raises(DataError, match="cannot be understood by z5py") as caught, opened(location):
            pass
        assert str(file) in str(caught.value)


def test_z5py_says_where_no_container_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no image")
    (tmp_path / "folder").mkdir()
    for path in ("nothing", "file", "folder"):
        with (
            pytest.raises(DataError, match="is no N5 container with a dataset: it has no"),
            get_backend("n5-z5py").open(Location(tmp_path / path)),
        ):
            pass


def test_a_gzip_block_is_a_header_and_a_gzip_frame(tmp_path: Path) -> None:
    """What N5 is to a reader that knows nothing but its description."""
    for name in NAMES:
        location, _ = _written(tmp_path, name, _request(codec="gzip-5"))
        data = _block(location, (0, 0, 0)).read_bytes()
        voxels = np.frombuffer(gzip.decompress(data[16:]), ">u2").reshape(CHUNK)
        np.testing.assert_array_equal(voxels, _values()[:2, :3, :4])
