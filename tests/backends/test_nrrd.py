"""NRRD: the header in words, gzip as gzip, and files that are damaged or somebody else's."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import StoredAs, WriteRequest, get_backend, write_array
from storebench.codecs import DEFAULT_CODECS, parse_codec
from storebench.errors import DataError
from storebench.grid import Region, Shape
from storebench.stores import Location, RequestLog

nrrd = pytest.importorskip("nrrd", reason='pynrrd is not installed; pip install "storebench[medical]"')
NRRD = get_backend("nrrd-pynrrd")


def _noise(shape: Shape = (9, 10, 16), dtype: str = "uint16") -> NDArray:
    return np.random.default_rng(5).integers(0, 200, shape).astype(dtype)


def _written(folder: Path, values: NDArray, codec: str) -> tuple[Location, StoredAs]:
    location, axes = Location(folder / "image.nrrd"), "tczyx"[-values.ndim :]
    request = WriteRequest(shape=values.shape, dtype=values.dtype, axes=axes, codec=parse_codec(codec))
    return location, write_array(NRRD, location, request, (values,))


@pytest.mark.parametrize("codec", ["none", "gzip-0", "gzip-1", "gzip-9"])
def test_the_header_says_what_it_is(codec: str, tmp_path: Path) -> None:
    values = _noise((4, 5, 6))
    location, stored = _written(tmp_path, values, codec)
    header, data = location.path.read_bytes().split(b"\n\n", 1)
    fields = dict(line.split(": ") for line in header.decode().splitlines() if ": " in line and line[0] != "#")
    assert header.startswith(b"NRRD000")
    assert (fields["type"], fields["dimension"], fields["sizes"]) == ("uint16", "3", "6 5 4")
    assert (fields["endian"], fields["labels"]) == ("little", '"x" "y" "z"')
    assert fields["encoding"] == ("raw" if codec == "none" else "gzip")
    assert (data if codec == "none" else gzip.decompress(data)) == values.tobytes()
    assert stored.codec == ("none" if codec == "none" else "gzip-*")
    assert (stored.axes, stored.chunk_bytes, stored.decode_shape) == ("zyx", len(data), values.shape)


def test_levels_do_what_they_say(tmp_path: Path) -> None:
    sizes = []
    for level in (0, 1, 9):
        (tmp_path / str(level)).mkdir()
        _, stored = _written(tmp_path / str(level), _noise((32, 32, 32)), f"gzip-{level}")
        sizes.append(stored.chunk_bytes)
    assert sizes[0] > 32**3 * 2 > sizes[1] > sizes[2]


def test_pynrrds_own_level_is_nine(tmp_path: Path) -> None:
    values = _noise((32, 32, 32))
    location, _ = _written(tmp_path, values, DEFAULT_CODECS["nrrd-pynrrd"])
    nrrd.write(str(tmp_path / "own.nrrd"), values, index_order="C")
    with NRRD.open(Location(tmp_path / "own.nrrd")) as reader:
        own = reader.stored_as()
    assert own.chunk_bytes == len(location.path.read_bytes().split(b"\n\n", 1)[1])
    assert own.axes is None


def test_each_read_asks_for_the_whole_file(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _noise(), "none")
    log = RequestLog()
    with NRRD.open(location.counted(log)) as reader:
        n_header = log.fetched_bytes
        for _ in range(2):
            reader.read(Region((1, 2, 3), (2, 3, 4)))
    assert log.fetched_bytes == n_header + 2 * location.size()[0]
    assert location.path.read_bytes()[:n_header].endswith(b"\n\n")


def test_somebodys_file_is_described_as_it_is(tmp_path: Path) -> None:
    values = _noise((3, 4, 5), "int16")
    nrrd.write(str(tmp_path / "a.nhdr"), values, {"encoding": "bzip2"}, index_order="C")
    with NRRD.open(Location(tmp_path / "a.nhdr")) as reader:
        stored = reader.stored_as()
        np.testing.assert_array_equal(reader.read(Region.whole((3, 4, 5))), values)
    assert (stored.codec, stored.note) == ("?", "encoding: bzip2")
    big = values.astype(">i2")
    nrrd.write(str(tmp_path / "b.nrrd"), big, {"encoding": "raw"}, index_order="C")
    with NRRD.open(Location(tmp_path / "b.nrrd")) as reader:
        found = reader.read(Region.whole((3, 4, 5)))
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("codec", ["none", "gzip-5"])
@pytest.mark.parametrize("left", [0, 3, 100, -1, -50])
def test_a_cut_off_file_is_a_sentence(codec: str, left: int, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _noise(), codec)
    location.path.write_bytes(location.path.read_bytes()[:left])
    if codec == "gzip-5" and left == -1:
        return  # half of the checksum is missing, and all voxels are there
    with pytest.raises(DataError, match=r"image\.nrrd cannot be read as an NRRD"), NRRD.open(location) as reader:
        reader.read(Region.whole((9, 10, 16)))


def test_a_damaged_stream_is_a_sentence(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _noise(), "gzip-5")
    data = bytearray(location.path.read_bytes())
    data[-6] ^= 1  # in the checksum
    location.path.write_bytes(data)
    with NRRD.open(location) as reader, pytest.raises(DataError, match="incorrect data check"):
        reader.read(Region((0, 0, 0), (1, 1, 1)))
