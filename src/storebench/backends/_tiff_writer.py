"""Writing TIFF: an image in one piece, its levels after it, or plane after plane as a camera gives them; and changing one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import WriteOrder, WriteRequest
from storebench.backends._single_file import check_values, reading, storing
from storebench.backends._tiff_codecs import TIFF_CODECS
from storebench.backends._tiff_reader import READ_ERRORS, TiffReader
from storebench.backends._tiff_tags import chunk_shape
from storebench.errors import DataError, UnsupportedError, UsageError
from storebench.grid import Layout, Region, Shape, grid_shape
from storebench.stores import Location

if TYPE_CHECKING:
    import tifffile

CLASSIC_TIFF_BYTES: Final = 2**32 - 2**25
"""What a TIFF of 32-bit offsets holds, with tifffile's margin; larger images become BigTIFF."""


class TiffPages:
    """Takes an image whole, or plane after plane in order; then its smaller levels, each whole.

    One whole image is one call of tifffile, which puts uncompressed planes side by side. Planes that come one by one are
    pages of their own, each complete with its directory: so all that was flushed is readable when this process dies.

    Parameters
    ----------
    location : Location
        The new file; it appears with the first voxels.
    request : WriteRequest
        What is stored.
    description : str
        Text of the first page, which tells shape and axes.
    overviews : bool
        Whether smaller levels are further pages, as in a COG, whose pages are all cut into tiles; else they hang on their
        pages.
    n_workers : int, optional
        Threads in which tifffile compresses; left out: as it chooses.
    """

    def __init__(
        self,
        location: Location,
        request: WriteRequest,
        description: str,
        *,
        overviews: bool = False,
        n_workers: int | None = None,
    ) -> None:
        self._location = location
        self._request = request
        self._description = description
        self._overviews = overviews
        self._n_workers = n_workers
        self._settings, self._n_page_axes = cut(request.shape, request.layout, strips=not overviews)
        self._file: tifffile.TiffWriter | None = None
        self._next = (0, 0)  # level, and index along its first axis

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Append whole planes of level 0 along the first axis, or a whole level."""
        shapes = self._request.level_shapes
        if not 0 <= level < len(shapes):
            raise UsageError(f"level {level} was not asked for: the image has the levels 0 to {len(shapes) - 1}")
        check_values(replace(self._request, shape=shapes[level]), region, values, 0)
        whole = region == Region.whole(shapes[level])
        if not whole and write_order(self._request) == "whole":
            raise UsageError(f"region {region} is a part of {shapes[level]}; this file is written whole")
        if region.shape[1:] != shapes[level][1:]:
            raise UsageError(f"region {region} cuts planes; TIFF takes whole planes of {shapes[level][1:]} voxels")
        if (level, region.start[0]) != self._next:
            at, index = self._next
            raise UsageError(
                f"region {region} of level {level} is out of order: plane {index} of level {at} comes next"
            )
        pages = np.ascontiguousarray(values).reshape((-1, *shapes[level][-self._n_page_axes :]))
        with storing(self._location):
            for part in (pages,) if whole else pages[:, np.newaxis]:
                self._append(part, level)
        self._next = (level, region.stop[0]) if region.stop[0] < shapes[level][0] else (level + 1, 0)
        if self._next[0] == len(shapes):
            self.close()

    def _append(self, pages: NDArray, level: int) -> None:
        """Have tifffile write pages; what a file says once goes into the first."""
        import tifffile

        first = self._file is None
        if self._file is None:
            self._file = tifffile.TiffWriter(self._location.path, bigtiff=needs_bigtiff(self._request), ome=False)
        codec, n_smaller = self._request.codec, len(self._request.level_factors)
        if codec.kind == "lerc" and pages.dtype.kind == "f" and np.isnan(pages.min()):
            raise UnsupportedError(
                "LERC through imagecodecs makes 0 of what is not a number (NaN), without an error, and this image has some; "
                "take zstd-3-predictor"
            )
        settings: dict[str, Any] = dict(self._settings)
        if codec.kind != "none":
            able = TIFF_CODECS[codec.kind]
            settings |= {"compression": able.tag, "compressionargs": able.settings(codec)}
        if codec.predictor:
            settings["predictor"] = True
        if level:
            settings["subfiletype"] = 1
        elif n_smaller and not self._overviews:
            settings["subifds"] = n_smaller
        self._file.write(
            pages,
            photometric="minisblack",  # else a last axis of 3 or 4 voxels becomes colour
            metadata=None,
            description=self._description if first else None,
            software=None if first else False,
            maxworkers=self._n_workers,
            **settings,
        )

    def flush(self) -> None:
        """Hand the planes written so far to the operating system; from then on they outlive this process.

        Raises
        ------
        UnsupportedError
            If smaller levels are still to come: tifffile writes the directories that lead there last.
        """
        if self._file is None:
            return
        if self._request.level_factors:
            raise UnsupportedError("a TIFF with levels is readable once its last level is written; flush after that")
        with storing(self._location):
            self._file.filehandle.flush()

    def close(self) -> None:
        """Write what tifffile keeps for the end, and close the file."""
        if self._file is not None:
            with storing(self._location):
                self._file.close()
            self._file = None


class TiffInPlace:
    """Changes voxels of level 0 where they lie in an uncompressed file: nothing is read, nothing else is written.

    Parameters
    ----------
    location : Location
        The file.
    reader : TiffReader
        The same file, open.

    Raises
    ------
    UnsupportedError
        If it is compressed: a changed strip or tile need not fit where the old one was.
    """

    def __init__(self, location: Location, reader: TiffReader) -> None:
        if not reader.in_place:
            raise UnsupportedError(
                f"{location.path.name} is compressed, and a changed strip or tile may not fit into the old one's place; "
                "write it anew, or store it with the codec none, or in a format that takes regions: zarr3-zarrpython"
            )
        self._location = location
        self._reader = reader
        self._bytes = np.memmap(location.path, np.uint8, "r+")

    @property
    def shape(self) -> Shape:
        """Of level 0."""
        return self._reader.levels[0]

    @property
    def dtype(self) -> np.dtype:
        """Of a voxel, in native byte order."""
        return self._reader.dtype.newbyteorder("=")

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store the voxels of any region that is in the file; of one that is not all there nothing is changed."""
        check_values(self, region, values, level)
        with reading(self._location, "a TIFF", *READ_ERRORS):
            segments = self._reader.segments(region, np.ascontiguousarray(values))
            places = [(self._place(page, index)[inside], part) for page, index, inside, part in segments]
        if any(place.shape != part.shape for place, part in places):
            raise DataError(
                f"{self._location.path} lacks a strip or tile of {region}: nothing was stored for it, or the file is cut off; "
                "fetch or write it again"
            )
        for place, part in places:
            place[...] = part

    def _place(self, page: Any, index: int) -> NDArray:
        """Return a strip or tile in the file, as (depth, rows, columns)."""
        start, n_bytes = page.dataoffsets[index], page.databytecounts[index]
        depth, _, columns = (1, *chunk_shape(page.keyframe))[-3:]
        return self._bytes[start : start + n_bytes].view(self._reader.dtype).reshape(depth, -1, columns)

    def flush(self) -> None:
        """Do nothing: what is in a shared map is the file's already, also when this process is killed."""


def write_order(request: WriteRequest) -> WriteOrder:
    """Return "planes" where the planes along the first axis are pages and no levels follow, else "whole"."""
    _, n_page_axes = cut(request.shape, request.layout)
    in_pages = len(request.shape) > n_page_axes and request.stack_axis == 0
    return "planes" if in_pages and not request.level_factors else "whole"


def cut(shape: Shape, layout: Layout | None, *, strips: bool = True) -> tuple[dict[str, Any], int]:
    """Return tifffile's words for a layout, and how many of the last axes one page holds; rows as strips or as tiles."""
    if layout is None:
        return {}, 2
    chunk = layout.chunk_shape
    if len(chunk) > 2 and chunk[-3] > 1:
        return {"tile": chunk[-3:], "volumetric": True}, 3
    if strips and chunk[-1] == shape[-1]:
        return {"rowsperstrip": chunk[-2]}, 2
    return {"tile": chunk[-2:]}, 2


def why_not_cut(shape: Shape, layout: Layout, *, strips: bool = True) -> str | None:
    """Return the sentence for a chunk shape that is neither a strip nor a tile nor a volumetric tile, or None."""
    chunk = layout.chunk_shape
    settings, n_page_axes = cut(shape, layout, strips=strips)
    if any(n != 1 for n in chunk[:-n_page_axes]):
        return f"TIFF cuts its last three axes only; make all but those 1 in the chunk shape {chunk}"
    if "rowsperstrip" in settings:
        if chunk[-2] > shape[-2]:
            return f"a TIFF strip of {chunk[-2]} rows is higher than the image of {shape[-2]} rows; use {shape[-2]}"
        return None
    if chunk[-1] % 16 or chunk[-2] % 16:
        strip = (*(1,) * (len(chunk) - 2), min(chunk[-2], shape[-2]), shape[-1])
        need = f"TIFF tiles need multiples of 16 voxels along the last two axes, not {chunk[-2]} × {chunk[-1]}"
        return f"{need}; or use strips, which are rows of the whole width, as in {strip}" if strips else need
    return None


def needs_bigtiff(request: WriteRequest) -> bool:
    """Tell whether the file may outgrow 32-bit offsets, taking the worst that the codec can make of the voxels."""
    return sum(_most_bytes(request, shape) for shape in request.level_shapes) > CLASSIC_TIFF_BYTES


def _most_bytes(request: WriteRequest, shape: Shape) -> float:
    """Return the most that one level can take."""
    _, n_page_axes = cut(request.shape, request.layout)
    plane = (*(1,) * (len(shape) - 2), *shape[-2:])
    chunk = request.layout.chunk_shape if request.layout is not None else plane
    n_chunks = math.prod(grid_shape(shape, chunk))
    n_pages = math.prod(shape[:-n_page_axes])
    able = TIFF_CODECS[request.codec.kind]
    stored = n_chunks * (math.prod(chunk) * request.dtype.itemsize * able.worst + (512 if able.as_image else 16))
    return stored + 1024 * n_pages
