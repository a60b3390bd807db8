"""Reading TIFF by strips and tiles: only those that a region touches, and only the pages that hold them."""

from __future__ import annotations

import itertools
import json
import math
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import StoredAs, owned
from storebench.backends._single_file import check_region, reading
from storebench.errors import DataError
from storebench.grid import Layout, Region, Shape, grid_shape
from storebench.stores import Location

if TYPE_CHECKING:
    import tifffile

COMPRESSION_TAGS: Final = {"none": 1, "lzw": 5, "deflate": 8, "zstd": 50000}
"""TIFF's number for each codec family that storebench writes."""

READ_ERRORS: Final = (ValueError, RuntimeError, struct.error, IndexError)
"""What tifffile and imagecodecs raise on damaged files."""

_SPATIAL_AXES: Final = frozenset("tczyx")


class TiffReader:
    """The first series of a TIFF.

    A file as storebench (and tifffile) writes it tells its shape in the first page, and no other page is parsed before
    it is needed. Of other files tifffile parses all pages to find out what they hold. Colour, JPEG-in-TIFF and the like
    are decoded whole by tifffile, then cut.

    A whole image is read by our own loop over strips and tiles, except where it is one run of bytes: tifffile's
    `asarray` reads that 5 to 30 times faster (1.6 against 10 and 49 ms for 16.8 MB), and the rest about as fast.
    """

    def __init__(self, location: Location, tiff: tifffile.TiffFile) -> None:
        self._location = location
        self._tiff = tiff
        self._key: Any = tiff.pages.first
        self._series: Any = None
        self._axes: str | None
        described = _described(self._key)
        if described is not None:
            self._shape, self._axes = described
            self._pages: Any = tiff.pages
            tiff.pages.useframes = True  # parse offsets and counts only: all pages have the first one's tags
            tiff.pages.cache = True  # and of each page once: while the image is open its tags are read a single time
        else:
            self._series = tiff.series[0]
            self._key = self._series.keyframe
            self._pages = self._series.pages
            self._shape = tuple(self._series.shape)
            axes = self._series.axes.lower()
            self._axes = axes if set(axes) <= _SPATIAL_AXES and len(set(axes)) == len(axes) else None
        self._dtype = np.dtype(self._key.dtype).newbyteorder("=")
        page = (self._key.imagedepth, self._key.imagelength, self._key.imagewidth)
        self._n_page_axes = 3 if self._key.tile is not None and len(self._key.tile) == 3 else 2
        self._page_shape: Shape = page[-self._n_page_axes :]
        self._by_segments = _is_plain(self._key) and self._shape[-self._n_page_axes :] == self._page_shape
        if self._by_segments and self._series is not None:
            self._by_segments = len(self._pages) == math.prod(self._shape[: -self._n_page_axes])

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Decode the strips or tiles that a region touches."""
        check_region(self._location, self.levels, region, level)
        with reading(self._location, "a TIFF", *READ_ERRORS):
            in_one_run = self._key.is_contiguous and region == Region.whole(self._shape)
            if self._by_segments and not in_one_run:
                return self._read_segments(region)
            series = self._series or self._tiff.series[0]
            if not in_one_run and series.dataoffset is not None and self._location.log is None:
                values = np.memmap(self._location.path, self._key.dtype, "r", series.dataoffset, self._shape)
                return owned(values[region.slices])
            return owned(series.asarray(maxworkers=1).reshape(self._shape)[region.slices])

    def _read_segments(self, region: Region) -> NDArray:
        """Go through the pages, then through each page's strips or tiles."""
        k = self._n_page_axes
        lead = self._shape[:-k]
        box = Region(_to_3d(region.start[-k:], 0), _to_3d(region.stop[-k:], 1))
        values = np.empty(region.shape, self._dtype)
        planes = values.reshape(-1, *box.shape)
        positions = itertools.product(*(range(a, b) for a, b in zip(region.start[:-k], region.stop[:-k], strict=True)))
        for plane, position in zip(planes, positions, strict=True):
            index = int(np.ravel_multi_index(position, lead)) if lead else 0
            self._read_page(self._pages[index], box, plane)
        return values

    def _read_page(self, page: Any, box: Region, out: NDArray) -> None:
        """Fill `out`, of the shape of `box` (depth, rows, columns), from one page. Plain integers, for speed."""
        (d0, r0, c0), (d1, r1, c1) = box.start, box.stop
        depth, rows, columns = _to_3d(self._chunk_shape, 1)
        _, n_rows, n_columns = grid_shape(_to_3d(self._page_shape, 1), (depth, rows, columns))
        for d in range(d0 // depth, -(-d1 // depth)):
            for r in range(r0 // rows, -(-r1 // rows)):
                for c in range(c0 // columns, -(-c1 // columns)):
                    starts = (d * depth, r * rows, c * columns)
                    low = max(starts[0], d0), max(starts[1], r0), max(starts[2], c0)
                    high = min(starts[0] + depth, d1), min(starts[1] + rows, r1), min(starts[2] + columns, c1)
                    block = self._segment(page, (d * n_rows + r) * n_columns + c)
                    target = out[low[0] - d0 : high[0] - d0, low[1] - r0 : high[1] - r0, low[2] - c0 : high[2] - c0]
                    if block is None:
                        target[...] = page.nodata
                        continue
                    target[...] = block[
                        low[0] - starts[0] : high[0] - starts[0],
                        low[1] - starts[1] : high[1] - starts[1],
                        low[2] - starts[2] : high[2] - starts[2],
                    ]

    def _segment(self, page: Any, index: int) -> NDArray | None:
        """Return a strip or tile as (depth, rows, columns), or None where nothing was stored for it."""
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        if count == 0:
            return None
        file = self._tiff.filehandle
        file.seek(offset)
        data = file.read(count)
        if len(data) != count:
            raise DataError(f"{self._location.path} ends before its strip or tile {index}; fetch or write it again")
        values: NDArray = page.decode(data, index)[0]
        return values[..., 0]

    @property
    def _chunk_shape(self) -> Shape:
        """Extent of a strip or tile, in the page's axes."""
        if self._key.tile is not None:
            return tuple(self._key.tile)
        return (min(self._key.rowsperstrip, self._key.imagelength), self._key.imagewidth)

    def stored_as(self) -> StoredAs:
        """Return what the tags say; parses every page to add up the bytes of its strips or tiles."""
        with reading(self._location, "a TIFF", *READ_ERRORS):
            n_pages = math.prod(self._shape[: -self._n_page_axes]) if self._by_segments else 0
            n_bytes = sum(sum(self._pages[i].databytecounts) for i in range(n_pages))
        chunk = (1,) * (len(self._shape) - self._n_page_axes) + self._chunk_shape
        return StoredAs(
            shape=self._shape,
            dtype=self._dtype,
            axes=self._axes,
            layout=Layout(chunk_shape=chunk) if self._by_segments else None,
            codec=_codec_name(self._key),
            level_shapes=self.levels,
            decode_shape=chunk if self._by_segments else self._shape,
            chunk_bytes=n_bytes if self._by_segments else None,
            note=", ".join(
                word for word in ("BigTIFF" if self._tiff.is_bigtiff else "", _foreign_compression(self._key)) if word
            ),
        )


def _to_3d(extents: Shape, fill: int) -> Shape:
    """Put a depth before rows and columns where there is none."""
    return (fill, *extents) if len(extents) == 2 else extents


def _described(page: Any) -> tuple[Shape, str | None] | None:
    """Return shape and axes from the JSON that tifffile puts into the first page, or None where there is none."""
    text = page.description
    if not text.startswith('{"shape":'):
        return None
    try:
        told = json.loads(text)
        shape = tuple(int(n) for n in told["shape"])
    except (ValueError, TypeError):
        return None
    n_page_voxels = page.imagedepth * page.imagelength * page.imagewidth
    if told.get("truncate") or told.get("truncated") or math.prod(shape) % n_page_voxels or not _is_plain(page):
        return None
    axes = str(told.get("axes", "")).lower()
    usable = len(axes) == len(shape) and set(axes) <= _SPATIAL_AXES and len(set(axes)) == len(axes)
    return shape, axes if usable else None


def _is_plain(page: Any) -> bool:
    """Tell whether strips or tiles are plain blocks of one grey value per voxel."""
    return (
        page.samplesperpixel == 1
        and page.compression in COMPRESSION_TAGS.values()
        and page.bitspersample == 8 * np.dtype(page.dtype).itemsize
        and (page.imagedepth == 1 or (page.tile is not None and len(page.tile) == 3))
    )


def _codec_name(page: Any) -> str:
    """Return the neutral name; a TIFF keeps no level. The digit at the end keeps '-predictor' out of the pattern."""
    kinds = {tag: kind for kind, tag in COMPRESSION_TAGS.items()}
    kind = kinds.get(int(page.compression), "?")
    if kind in ("?", "none"):
        return kind
    predictor = page.predictor != 1
    if kind == "lzw":
        return "lzw-predictor" if predictor else "lzw"
    return f"{kind}-*-predictor" if predictor else f"{kind}-*[0-9]"


def _foreign_compression(page: Any) -> str:
    """Name a compression that has no neutral name."""
    return "" if int(page.compression) in COMPRESSION_TAGS.values() else f"compression {page.compression.name}"
