"""What is particular to tiled TIFF with overviews: who takes them for such, and what a strict COG has beyond."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from storebench.backends import WriteRequest, get_backend, write_array
from storebench.backends.cog import CogTifffile
from storebench.codecs import parse_codec
from storebench.grid import Layout, Region, Shape
from storebench.levels import build_levels
from storebench.stores import Location, RequestLog

BACKEND = CogTifffile()
FACTORS = ((2, 2), (4, 4))


def plane(shape: Shape = (700, 530), dtype: str = "uint16") -> NDArray:
    """Return waves with noise."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    noise = np.random.default_rng(1).normal(0, 5, shape)
    return (100 + 50 * np.sin(y / 9) + 40 * np.cos(x / 7) + noise).clip(0).astype(dtype)


def asked(
    values: NDArray, codec: str = "deflate-6-predictor", tile: Shape | None = None, axes: str = "yx"
) -> WriteRequest:
    """Return a request for `values` with two overviews."""
    layout = None if tile is None else Layout(chunk_shape=tile)
    return WriteRequest(
        shape=values.shape,
        dtype=values.dtype,
        axes=axes,
        codec=parse_codec(codec),
        layout=layout,
        level_factors=FACTORS,
    )


def store(folder: Path, values: NDArray, request: WriteRequest) -> tuple[Location, tuple[NDArray, ...]]:
    """Store `values` with overviews, and return where, and the levels."""
    location, levels = Location(folder / "image.tif"), build_levels(values, FACTORS)
    write_array(BACKEND, location, request, levels)
    return location, levels


@pytest.mark.parametrize("codec", ["none", "deflate-6", "lzw-predictor", "zstd-3-predictor", "lerc-lossless"])
@pytest.mark.parametrize("tile", [None, (64, 64), (16, 528)])
def test_libtiff_and_tifffile_find_image_and_overviews(codec: str, tile: Shape | None, tmp_path: Path) -> None:
    values = plane()
    location, levels = store(tmp_path, values, asked(values, codec, tile))
    data = location.path.read_bytes()
    for number, level in enumerate(levels):
        np.testing.assert_array_equal(imagecodecs.tiff_decode(data, index=number), level, strict=True)
    with tifffile.TiffFile(location.path) as file:
        assert len(file.series) == 1
        for found, level in zip(file.series[0].levels, levels, strict=True):
            np.testing.assert_array_equal(found.asarray(), level, strict=True)
        assert [page.subfiletype for page in file.pages] == [0, 1, 1]
        assert {page.tile for page in file.pages} == {tile or (512, 512)}


def test_tiles_are_512_but_no_larger_than_the_image(tmp_path: Path) -> None:
    values = plane((40, 1000))
    location, _ = store(tmp_path, values, asked(values))
    with BACKEND.open(location) as reader:
        assert reader.stored_as().layout == Layout(chunk_shape=(48, 512))


def test_the_width_of_the_image_is_a_tile_and_no_strip(tmp_path: Path) -> None:
    values = plane((100, 64))
    location, _ = store(tmp_path, values, asked(values, tile=(32, 64)))
    with tifffile.TiffFile(location.path) as file:
        assert file.pages.first.tile == (32, 64)
    assert "multiples of 16" in (BACKEND.why_unsupported(location, asked(plane((100, 50)), tile=(7, 50))) or "")


def test_a_level_is_read_from_its_own_tiles(tmp_path: Path) -> None:
    values, log = plane(), RequestLog()
    location, levels = store(tmp_path, values, asked(values, tile=(64, 64)))
    with BACKEND.open(location.counted(log)) as reader:
        assert reader.levels == tuple(level.shape for level in levels)
        log.requests.clear()
        part = Region((60, 70), (70, 130))
        np.testing.assert_array_equal(reader.read(part, 2), levels[2][part.slices], strict=True)
    with tifffile.TiffFile(location.path) as file:
        counts = file.pages[2].databytecounts  # 3 × 3 tiles
    assert sorted(r.n_bytes for r in log.requests) == sorted(counts[i] for i in (1, 4, 2, 5))


def test_directories_lie_before_their_own_data_which_a_strict_cog_does_not_allow(tmp_path: Path) -> None:
    """Where this fails, tifffile writes directories first: then the docstring of `cog` is to be changed."""
    values = plane()
    location, _ = store(tmp_path, values, asked(values))
    with tifffile.TiffFile(location.path) as file:
        places = [(page.offset, page.dataoffsets[0]) for page in file.pages]
    assert places == sorted(places)
    assert [at for place in places for at in place] == sorted(at for place in places for at in place)
    assert b"LAYOUT=IFDS_BEFORE_DATA" not in location.path.read_bytes()[:200]


def test_names_of_axes_come_back(tmp_path: Path) -> None:
    values = plane()
    location, _ = store(tmp_path, values, asked(values, axes="zx"))
    with BACKEND.open(location) as reader:
        assert reader.stored_as().axes == "zx"


def test_other_programs_masks_and_thumbnails_are_no_levels(tmp_path: Path) -> None:
    """As in a COG of GDAL's with a mask: image, mask, overview, the overview's mask."""
    values, mask = plane(), np.ones((700, 530), bool)
    settings = {"photometric": "minisblack", "tile": (64, 64), "metadata": None}
    with tifffile.TiffWriter(tmp_path / "a.tif", shaped=False) as file:
        file.write(values, **settings)
        file.write(mask, subfiletype=4, **settings)
        file.write(np.ascontiguousarray(values[::2, ::2]), subfiletype=1, **settings)
        file.write(mask[::2, ::2], subfiletype=5, **settings)
        file.write(plane((32, 24), "uint8"), subfiletype=1, **settings)
    with BACKEND.open(Location(tmp_path / "a.tif")) as reader:
        assert reader.levels == (values.shape, (350, 265))
        np.testing.assert_array_equal(reader.read(Region.whole((350, 265)), 1), values[::2, ::2])
        assert reader.stored_as().axes is None


def test_refusals() -> None:
    place, values = Location(Path("a.tif")), plane((64, 64))
    stretched = WriteRequest(
        shape=(64, 64), dtype=values.dtype, axes="yx", codec=parse_codec("none"), level_factors=((2, 1),)
    )
    assert "one factor along both axes" in (BACKEND.why_unsupported(place, stretched) or "")
    assert "no codec jp2-lossless" in (BACKEND.why_unsupported(place, asked(values, "jp2-lossless")) or "")
    volume = WriteRequest(shape=(4, 64, 64), dtype=values.dtype, axes="zyx", codec=parse_codec("none"))
    assert "images of 2 axes" in (BACKEND.why_unsupported(place, volume) or "")


def test_the_image_is_changed_in_place_and_its_overviews_stay(tmp_path: Path) -> None:
    values = plane()
    location, levels = store(tmp_path, values, asked(values, "none", (64, 64)))
    part = Region((50, 60), (130, 70))
    with BACKEND.reopen(location) as writer:
        writer.write(part, np.zeros(part.shape, values.dtype))
    values[part.slices] = 0
    with get_backend("cog-tifffile").open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)
        np.testing.assert_array_equal(reader.read(Region.whole(levels[1].shape), 1), levels[1])
