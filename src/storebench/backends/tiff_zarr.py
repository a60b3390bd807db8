"""TIFF read as many people do who want a part of one: through tifffile's own Zarr store (`aszarr`), with zarr-python.

The store parses the tags of all pages, decodes each strip or tile that zarr asks for and hands over voxels; zarr puts them
together. Files are those of `tiff-tifffile`, which writes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import ArrayReader, StoredAs
from storebench.backends._owned import owned
from storebench.backends._single_file import check_region, reading
from storebench.backends._tiff_codecs import KIND_OF_TAG, TIFF_CODECS
from storebench.backends._tiff_reader import READ_ERRORS, cut_off, open_tiff
from storebench.backends._tiff_tags import described, page_shape
from storebench.backends._zarr_threads import limit_zarr_threads
from storebench.backends.tiff import TiffTifffile
from storebench.errors import DataError
from storebench.grid import Region, Shape
from storebench.stores import Location

if TYPE_CHECKING:
    import tifffile

_READ_ERRORS: Final = (*READ_ERRORS, KeyError)


class TiffTifffileZarr(TiffTifffile):
    """``.tiff`` read through zarr; written as `tiff-tifffile` writes it."""

    name = "tiff-tifffilezarr"
    distributions: tuple[str, ...] = ("tifffile", "imagecodecs", "zarr")

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Have tifffile find out what the file holds: it parses all pages."""
        with open_tiff(location) as tiff:
            with reading(location, "a TIFF", *_READ_ERRORS):
                reader = _StoreReader(location, tiff, self._n_workers)
            yield reader

    def limit_threads(self, threads: int) -> str | None:
        """Hold tifffile's workers, which are threads of zarr's pool where there are several, and that pool."""
        return super().limit_threads(threads) or limit_zarr_threads(threads)


class _StoreReader:
    """The first series of a TIFF as an array of zarr for each level, made when it is first read."""

    def __init__(self, location: Location, tiff: tifffile.TiffFile, n_workers: int | None) -> None:
        self._location = location
        self._size = tiff.filehandle.size
        self._series = tiff.series[0]
        self._n_workers = n_workers
        self._arrays: dict[int, Any] = {}
        first = tiff.pages.first
        if not first.dataoffsets or first.dataoffsets[0] >= self._size:
            raise cut_off(location)
        told = described(first)
        if told is not None and told[0] != tuple(self._series.shape):
            raise DataError(
                f"{location.path} was made for {told[0]} voxels, and tifffile finds {tuple(self._series.shape)}: writing or "
                "copying it was interrupted; read what is there with tiff-tifffile, or fetch or write it again"
            )

    @property
    def levels(self) -> tuple[Shape, ...]:
        """As tifffile finds them."""
        return tuple(tuple(level.shape) for level in self._series.levels)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Have zarr put together what the region touches."""
        check_region(self._location, self.levels, region, level)
        with reading(self._location, "a TIFF", *_READ_ERRORS):
            self._check_there(region, level)
            return owned(np.asarray(self._array(level)[region.slices]))

    def _array(self, level: int) -> Any:
        import zarr

        if level not in self._arrays:
            store = self._series.aszarr(level=level, maxworkers=self._n_workers)
            self._arrays[level] = zarr.open_array(store, mode="r")
        return self._arrays[level]

    def _check_there(self, region: Region, level: int) -> None:
        """Refuse pages that are cut off, where their codec would fill in something instead of failing."""
        series = self._series.levels[level]
        kind = KIND_OF_TAG.get(int(series.keyframe.compression))
        if kind is None or TIFF_CODECS[kind].notices_a_cut:
            return
        lead = tuple(series.shape[: -len(page_shape(series.keyframe))])
        ranges = [range(a, b) for a, b in zip(region.start, region.stop, strict=True)][: len(lead)]
        for index in np.ravel_multi_index(np.ix_(*ranges), lead).flat if lead else (0,):
            page = series.pages[int(index)]
            if any(at + n > self._size for at, n in zip(page.dataoffsets, page.databytecounts, strict=True)):
                raise cut_off(self._location)

    def stored_as(self) -> StoredAs:
        """Return what `tiff-tifffile` finds in the tags."""
        with TiffTifffile().open(replace(self._location, log=None)) as reader:
            return reader.stored_as()
