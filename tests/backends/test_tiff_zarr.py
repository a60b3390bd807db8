"""What is particular to TIFF through tifffile's Zarr store: what it asks for, interrupted files, levels, threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from storebench.backends import WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.errors import DataError
from storebench.grid import Layout, Region, Shape, chunks_touched
from storebench.stores import Location, RequestLog

from .test_threads import _run

BACKEND, BY_PAGES = get_backend("tiff-tifffilezarr"), get_backend("tiff-tifffile")


def index_image(shape: Shape) -> NDArray:
    """Return an image whose voxels are their own flat index."""
    return np.arange(np.prod(shape)).reshape(shape).astype("uint16")


def store(folder: Path, values: NDArray, codec: str, chunk: Shape | None) -> Location:
    """Store `values` and return where."""
    location = Location(folder / "image.tiff")
    request = WriteRequest(
        shape=values.shape,
        dtype=values.dtype,
        axes="tczyx"[-values.ndim :],
        codec=parse_codec(codec),
        layout=None if chunk is None else Layout(chunk_shape=chunk),
    )
    write_array(BACKEND, location, request, (values,))
    return location


@pytest.mark.parametrize("chunk", [(1, 16, 32), (4, 16, 32)])
def test_it_parses_all_pages_and_reads_each_tile_that_is_touched_by_itself(chunk: Shape, tmp_path: Path) -> None:
    values, region = index_image((12, 80, 96)), Region((0, 17, 20), (1, 30, 40))
    location = store(tmp_path, values, "zstd-3", chunk)
    counts = {}
    for backend in (BACKEND, BY_PAGES):
        log = RequestLog()
        with backend.open(location.counted(log)) as reader:
            n_opening = log.fetched_bytes
            np.testing.assert_array_equal(reader.read(region), values[region.slices])
        counts[backend.name] = (n_opening, log.fetched_bytes)
    with tifffile.TiffFile(location.path) as file:
        sizes = sorted({count for page in file.pages for count in page.databytecounts})
    touched = chunks_touched(region, chunk)
    asked = [r for r in log.requests if r.n_bytes in sizes]
    assert len(asked) == touched
    by_store, by_pages = counts[BACKEND.name], counts[BY_PAGES.name]
    assert (
        by_store[0] > by_pages[0] if chunk[0] == 1 else by_store[0] >= by_pages[0]
    )  # one page holds all tiles of volumes
    assert by_store[1] >= by_pages[1]


def test_what_was_flushed_of_a_stream_is_read_and_what_was_not_is_a_sentence(tmp_path: Path) -> None:
    values = index_image((5, 40, 50))
    request = WriteRequest(shape=values.shape, dtype=values.dtype, axes="zyx", codec=parse_codec("zstd-3"))
    location = Location(tmp_path / "a.tiff")
    context = BACKEND.create(location, request)
    writer = context.__enter__()
    writer.write(Region((0, 0, 0), (2, 40, 50)), values[:2])
    writer.flush()
    with BACKEND.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region((1, 0, 0), (2, 40, 50))), values[1:2])
        with pytest.raises(DataError, match=r"a\.tiff"):
            reader.read(Region((2, 0, 0), (3, 40, 50)))
    context.__exit__(None, None, None)


def test_a_file_without_its_second_half_is_never_a_smaller_image(tmp_path: Path) -> None:
    location = Location(tmp_path / "a.tif")
    tifffile.imwrite(location.path, index_image((6, 40, 50)), photometric="minisblack", compression="zlib")
    data = location.path.read_bytes()
    location.path.write_bytes(data[: len(data) // 2])
    assert tifffile.imread(location.path).shape == (40, 50)  # which is what tifffile makes of one without names of axes
    with pytest.raises(DataError, match="interrupted"), BACKEND.open(location):
        pass


def test_levels_of_another_program_are_read(tmp_path: Path) -> None:
    """As tifffile writes a pyramid of volumes: smaller levels hang on the pages, here with depth."""
    values = index_image((16, 64, 64))
    smaller = np.ascontiguousarray(values[::2, ::2, ::2])
    settings = {"photometric": "minisblack", "tile": (8, 16, 16), "volumetric": True}
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(values, subifds=1, **settings)
        file.write(smaller, subfiletype=1, **settings)
    for backend in (BACKEND, BY_PAGES):
        with backend.open(Location(tmp_path / "a.tif")) as reader:
            assert reader.levels == (values.shape, smaller.shape)
            part = Region((3, 4, 5), (8, 30, 31))
            np.testing.assert_array_equal(reader.read(part, 1), smaller[part.slices], strict=True)


def test_workers_are_those_of_the_limit() -> None:
    printed = _run("""
import tifffile.zarr
asked = []
init = tifffile.zarr.ZarrTiffStore.__init__
def watched(self, *args, **settings):
    asked.append(settings["maxworkers"])
    init(self, *args, **settings)
tifffile.zarr.ZarrTiffStore.__init__ = watched
backend = get_backend("tiff-tifffilezarr")
use(backend.name, chunk=(1, 16, 16))
print(backend.limit_threads(2))
use(backend.name, chunk=(1, 16, 16))
print(asked, backend.limit_threads(1))
""")
    assert printed[0] == "None"
    assert printed[1] == "[None, 2] this process already runs zarr with 2 threads, not 1; start a fresh process"
