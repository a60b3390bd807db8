"""Tiled TIFF with overviews, as in a Cloud-Optimized GeoTIFF (COG), through tifffile.

One plane. The first directory is the image's, cut into tiles (of 512 × 512 where nothing is asked); the directories of its
overviews follow in the chain, each with NewSubfileType 1, from large to small. GDAL, QGIS and tifffile take them for overviews.

It is no strict COG, because tifffile writes each directory right before the data it describes (a test watches it). GDAL's
driver "COG" has, and this has not:

- all directories before any data: to open an overview, a reader must ask for its directory somewhere in the file;
- the overviews' data before the image's;
- the ghost area behind the header, which promises such an order, and each tile's size before its data and again its last
  bytes behind.

No georeference is written. Compressions are those that GDAL has too: with rasterio 1.5.2 (GDAL 3.12.2) all but JPEG XL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any, Final

from storebench.backends._backend import WriteRequest
from storebench.backends._tiff_reader import Level, TiffReader
from storebench.backends._tiff_tags import OME_AXES, SPATIAL_AXES, is_plain, page_shape
from storebench.backends._tiff_writer import TiffPages
from storebench.backends.tiff import TiffTifffile
from storebench.grid import Layout, Shape
from storebench.stores import Location

_KINDS: Final = ("none", "deflate", "lzw", "zstd", "lerc", "jpeg", "jxl")
_TILE: Final = 512


class CogReader(TiffReader):
    """One plane, and the reduced pages that follow it; masks and pages of another kind are passed over."""

    def _told(self, key: Any) -> tuple[Shape, str | None] | None:
        if not is_plain(key) or key.imagedepth > 1:
            return None
        axes = key.description.removeprefix(OME_AXES) if key.description.startswith(OME_AXES) else ""
        return page_shape(key), axes if len(axes) == len(set(axes) & SPATIAL_AXES) == 2 else None

    def _smaller(self, key: Any, shape: Shape) -> Iterator[Level]:
        """Yield the reduced pages of the chain."""
        pages: Any = self._tiff.pages
        pages.useframes = False  # overviews have tags of their own
        number = 1
        while (page := self._find(number)) is not None:
            number += 1
            if page.is_reduced and not page.is_mask and is_plain(page) and page.dtype == key.dtype:
                yield Level(page_shape(page), page, partial(_only, page))


def _only(page: Any, index: int) -> Any:
    """Return the one page of a level."""
    return page


class CogTifffile(TiffTifffile):
    """``.tif`` of one plane in tiles, with overviews."""

    name = "cog-tifffile"
    format = "cog"
    suffix = ".tif"
    _levels = True
    _overviews = True
    _n_axes = range(2, 3)
    _kinds = _KINDS
    _reader = CogReader

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse what a COG cannot hold beyond what TIFF cannot."""
        sentence = super().why_unsupported(location, _with_tiles(request))
        unequal = [factors for factors in request.level_factors if len(set(factors)) > 1]
        if sentence is None and unequal:
            return f"{self.name} makes overviews smaller by one factor along both axes, not by {unequal[0]}; use ometiff-tifffile"
        return sentence

    def create(self, location: Location, request: WriteRequest) -> AbstractContextManager[TiffPages]:
        """Take the image, then its overviews, each in one piece."""
        return super().create(location, _with_tiles(request))

    def _describe(self, request: WriteRequest) -> str:
        """Return the axes alone: of tifffile's JSON it would say that the overviews are too many."""
        return f"{OME_AXES}{request.axes}"


def _with_tiles(request: WriteRequest) -> WriteRequest:
    """Return the request with the usual tiles where it asks for none: no larger than the image, in steps of 16."""
    if request.layout is not None:
        return request
    return replace(request, layout=Layout(chunk_shape=tuple(min(_TILE, -(-n // 16) * 16) for n in request.shape)))
