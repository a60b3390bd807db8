"""What is particular to High-Throughput JPEG 2000: tiles, levels, and two libraries' wrong voxels that are kept away."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import WriteRequest, get_backend, write_array
from storebench.backends._jp2_header import read_header
from storebench.backends.htj2k_glymur import Htj2kGlymur
from storebench.backends.htj2k_imagecodecs import Htj2kImagecodecs
from storebench.backends.jp2_glymur import Jp2Glymur, load_glymur
from storebench.codecs import parse_codec
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location, RequestLog

BY_GLYMUR, BY_IMAGECODECS = Htj2kGlymur(), Htj2kImagecodecs()


def image(shape: Shape = (130, 201), dtype: str = "uint16") -> NDArray:
    """Return waves with noise that come down to 0, where a wavelet's low-pass goes below."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    noise = np.random.default_rng(1).normal(0, 20, shape)
    return np.clip(300 * np.sin(y / 9) + 200 * np.cos(x / 7) + noise, 0, 250).astype(dtype)


def store(folder: Path, values: NDArray, tile: Shape | None = None, codec: str = "htj2k-lossless") -> Location:
    """Store `values` as HTJ2K, or as JPEG 2000 by glymur, and return where."""
    backend = BY_IMAGECODECS if codec.startswith("htj2k") else Jp2Glymur()
    location = Location(folder / f"image{backend.suffix}")
    request = WriteRequest(
        shape=values.shape,
        dtype=values.dtype,
        axes="yx",
        codec=parse_codec(codec),
        layout=tile and Layout(chunk_shape=tile),
    )
    write_array(backend, location, request, (values,))
    return location


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("tile", [None, (64, 48), (32, 32), (17, 90)])
def test_areas_and_levels_are_those_of_jpeg_2000(tmp_path: Path, dtype: str, tile: Shape | None) -> None:
    """The wavelet is the same, so its low-pass must be too; an area is that part of the whole, whatever its tiles."""
    values = image(dtype=dtype)
    fast, slow = store(tmp_path, values, tile), store(tmp_path, values, tile, "jp2-lossless")
    with BY_GLYMUR.open(fast) as found, Jp2Glymur().open(slow) as expected:
        assert found.levels == expected.levels
        assert len(found.levels) > 3
        assert found.stored_as().decode_shape == (tile or values.shape)
        for level, shape in enumerate(found.levels):
            whole = expected.read(Region.whole(shape), level)
            np.testing.assert_array_equal(found.read(Region.whole(shape), level), whole, strict=True)
            for part in (
                Region(tuple(n // 3 for n in shape), tuple(n // 3 + 1 + n // 4 for n in shape)),
                Region(tuple(n - 1 for n in shape), shape),
            ):
                np.testing.assert_array_equal(found.read(part, level), whole[part.slices], strict=True)


def test_a_codestream_is_told_apart_from_jpeg_2000(tmp_path: Path) -> None:
    values = image()
    location = store(tmp_path, values, (64, 48))
    fast = read_header(location)
    assert (fast.high_throughput, fast.tile_shape, fast.reversible) == (True, (64, 48), True)
    assert not read_header(store(tmp_path, values, None, "jp2-lossless")).high_throughput
    assert location.path.read_bytes()[:4] == b"\xff\x4f\xff\x51"  # bare: no boxes


def test_somebodys_htj2k_file_is_read_right_by_the_backend_of_jpeg_2000(tmp_path: Path) -> None:
    values, part = image(), Region((20, 30), (70, 101))
    with Jp2Glymur().open(store(tmp_path, values, (64, 48))) as reader:
        np.testing.assert_array_equal(reader.read(part), values[part.slices])


def test_imagecodecs_reads_the_whole_file_once_for_each_read(tmp_path: Path) -> None:
    location, log = store(tmp_path, image(), (64, 48)), RequestLog()
    with BY_IMAGECODECS.open(location.counted(log)) as reader:
        reader.read(Region((3, 3), (4, 4)))
    assert [request.n_bytes for request in log.requests] == [location.size()[0]]


def test_volumes_and_other_dtypes_are_refused_with_what_takes_them() -> None:
    codec, place = parse_codec("htj2k-lossless"), Location(Path("a.jhc"))
    volume = WriteRequest(shape=(4, 64, 64), dtype=np.dtype("uint16"), axes="zyx", codec=codec)
    assert "stack" in (BY_IMAGECODECS.why_unsupported(place, volume) or "")
    assert get_backend("htj2kstack-imagecodecs").why_unsupported(Location(Path("a")), volume) is None
    signed = WriteRequest(shape=(64, 64), dtype=np.dtype("int16"), axes="yx", codec=codec)
    assert "cannot hold int16" in (BY_IMAGECODECS.why_unsupported(place, signed) or "")


@pytest.mark.parametrize(
    ("shape", "tile", "refused"),
    [((1, 40), None, True), ((33, 40), (16, 16), True), ((4, 40), (1, 40), True), ((34, 40), (16, 16), False)],
)
def test_tiles_one_voxel_wide_are_refused(shape: Shape, tile: Shape | None, refused: bool) -> None:
    request = WriteRequest(
        shape=shape,
        dtype=np.dtype("uint8"),
        axes="yx",
        codec=parse_codec("htj2k-lossless"),
        layout=tile and Layout(chunk_shape=tile),
    )
    for backend in (BY_GLYMUR, BY_IMAGECODECS):
        sentence = backend.why_unsupported(Location(Path("a.jhc")), request) or ""
        assert ("one voxel high or wide" in sentence) == refused


def test_small_planes_of_zeros_come_back(tmp_path: Path) -> None:
    """OpenJPH codes a tile of one column otherwise: what is not refused must be right, also in a corner of two columns."""
    for n, shape in enumerate([(2, 2), (2, 7), (7, 2), (34, 18), (3, 50)]):
        folder = tmp_path / f"{n}"
        folder.mkdir()
        values = np.zeros(shape, "uint16")
        tile = (16, 16) if min(shape) > 16 else None
        with BY_GLYMUR.open(store(folder, values, tile)) as reader:
            np.testing.assert_array_equal(reader.read(Region.whole(shape)), values)
        with BY_IMAGECODECS.open(Location(folder / "image.jhc")) as whole:
            np.testing.assert_array_equal(whole.read(Region.whole(shape)), values)


def test_facts_name_who_writes_and_who_reads() -> None:
    assert set(BY_GLYMUR.facts()) == {"openjpeg", "openjph"}
    assert set(BY_IMAGECODECS.facts()) == {"openjph"}


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="OpenJPEG 2.5.0 to 2.5.4: a part of a tile of HTJ2K comes out wrong, without an error",
)
def test_openjpeg_decodes_a_part_of_a_tile(tmp_path: Path) -> None:
    values = image((64, 64))
    found = load_glymur().Jp2k(store(tmp_path, values).path)[8:40, 8:40]
    np.testing.assert_array_equal(found, values[8:40, 8:40])


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="imagecodecs 2026.3.6 and 2026.10.10: a low-pass below 0 wraps to the largest values",
)
def test_imagecodecs_decodes_a_smaller_level(tmp_path: Path) -> None:
    location = store(tmp_path, image())
    with BY_GLYMUR.open(location) as reader:
        expected = reader.read(Region.whole(reader.levels[1]), 1)
    found = imagecodecs.htj2k_decode(location.path.read_bytes(), skipres=1)
    np.testing.assert_array_equal(found, expected)
