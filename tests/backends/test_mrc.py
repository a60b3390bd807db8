"""MRC: what is in the header by hand and by mrcfile's own validator, and a write that does not wait for the disk."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import WriteRequest, get_backend, write_array, writing
from storebench.codecs import parse_codec
from storebench.errors import DataError
from storebench.grid import Region, Shape
from storebench.stores import Location, RequestLog

mrcfile = pytest.importorskip("mrcfile", reason='mrcfile is not installed; pip install "storebench[medical]"')
MRC = get_backend("mrc-mrcfile")


def _noise(shape: Shape = (9, 10, 16), dtype: str = "uint16") -> NDArray:
    return np.random.default_rng(5).integers(0, 120, shape).astype(dtype)


def _request(values: NDArray) -> WriteRequest:
    axes = "tczyx"[-values.ndim :]
    return WriteRequest(shape=values.shape, dtype=values.dtype, axes=axes, codec=parse_codec("none"))


def _written(folder: Path, values: NDArray) -> Location:
    location = Location(folder / "image.mrc")
    write_array(MRC, location, _request(values), (values,))
    return location


@pytest.mark.parametrize(("dtype", "mode"), [("int8", 0), ("int16", 1), ("float32", 2), ("uint16", 6), ("float16", 12)])
@pytest.mark.parametrize(
    ("shape", "numbers"),
    [
        ((5, 6), (6, 5, 1, 6, 5, 1, 0)),
        ((1, 5, 6), (6, 5, 1, 6, 5, 1, 1)),
        ((4, 5, 6), (6, 5, 4, 6, 5, 4, 1)),
        ((2, 3, 5, 6), (6, 5, 6, 6, 5, 3, 401)),
        ((2, 1, 5, 6), (6, 5, 2, 6, 5, 1, 401)),
    ],
)
def test_the_header_says_what_it_is(
    dtype: str, mode: int, shape: Shape, numbers: tuple[int, ...], tmp_path: Path
) -> None:
    """Sizes, grid and space group of one image, of a volume, and of a stack of volumes."""
    values = _noise(shape, dtype)
    data = (location := _written(tmp_path, values)).path.read_bytes()
    assert struct.unpack_from("<4i", data) == (*numbers[:3], mode)
    assert struct.unpack_from("<3i", data, 28) == numbers[3:6]
    assert struct.unpack_from("<3i", data, 64) == (1, 2, 3)  # x, y, z: the fastest first
    least, most, mean = struct.unpack_from("<3f", data, 76)
    assert most < least  # not determined
    assert mean < min(least, most)
    assert struct.unpack_from("<2i", data, 88) == (numbers[6], 0)
    assert data[208:212] == b"MAP "
    assert data[1024:] == values.tobytes()
    said = io.StringIO()
    assert mrcfile.validate(location.path, print_file=said), said.getvalue()
    with mrcfile.open(location.path) as opened:
        np.testing.assert_array_equal(opened.data, values, strict=True)


def test_eight_bits_without_a_sign_are_refused_and_mrcfile_would_widen_them(tmp_path: Path) -> None:
    values = _noise((4, 5), "uint8")
    assert "cannot hold uint8" in str(MRC.why_unsupported(Location(tmp_path / "a.mrc"), _request(values)))
    mrcfile.write(tmp_path / "own.mrc", values)
    with MRC.open(Location(tmp_path / "own.mrc")) as reader:
        assert reader.stored_as().dtype == np.uint16


def test_a_write_asks_for_no_sync_of_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mrcfile's own map waits for the disk (msync) when it is closed, as `numpy.memmap.flush` does."""
    flushed: list[int] = []
    monkeypatch.setattr(np.memmap, "flush", lambda values: flushed.append(values.nbytes))
    values = _noise()
    with writing(MRC, Location(tmp_path / "a.mrc"), _request(values)) as writer:
        writer.write(Region.whole(values.shape), values)
        writer.flush()
    assert not flushed
    with mrcfile.new_mmap(tmp_path / "own.mrc", values.shape, mrc_mode=6) as own:
        own.data[...] = values
    assert values.nbytes in flushed


def test_a_region_that_is_overwritten_takes_the_statistics_with_it(tmp_path: Path) -> None:
    values = _noise()
    mrcfile.write(tmp_path / "own.mrc", values)
    location, region = Location(tmp_path / "own.mrc"), Region((2, 3, 4), (4, 5, 6))
    values[region.slices] = 999
    with MRC.reopen(location) as writer:
        writer.write(region, values[region.slices])
    with mrcfile.open(location.path) as opened:
        np.testing.assert_array_equal(opened.data, values)
        assert opened.header.dmax < opened.header.dmin


def test_somebodys_file_is_described_as_it_is(tmp_path: Path) -> None:
    values = _noise((3, 4, 5)).astype(">u2")
    with mrcfile.new(tmp_path / "own.mrc", values) as own:
        own.header.mapc, own.header.maps = 3, 1
        own.set_extended_header(np.zeros(80, "V1"))
    log = RequestLog()
    with MRC.open(Location(tmp_path / "own.mrc", log=log)) as reader:
        found, stored = reader.read(Region.whole((3, 4, 5))), reader.stored_as()
    assert [request.n_bytes for request in log.requests] == [1024 + 80, values.nbytes]
    assert found.dtype.isnative
    assert stored.dtype == np.uint16
    assert "crystal's axes (3, 2, 1)" in stored.note
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("left", [0, 100, 1023, 1024, -1])
def test_a_cut_off_file_is_a_sentence(left: int, tmp_path: Path) -> None:
    location = _written(tmp_path, _noise())
    location.path.write_bytes(location.path.read_bytes()[:left])
    with pytest.raises(DataError, match=r"image\.mrc cannot be read as an MRC"), MRC.open(location):
        pass


def test_complex_voxels_are_no_image_of_numbers(tmp_path: Path) -> None:
    mrcfile.write(tmp_path / "own.mrc", np.zeros((3, 4), np.complex64))
    with pytest.raises(DataError, match="no MRC image of integers"), MRC.open(Location(tmp_path / "own.mrc")):
        pass
