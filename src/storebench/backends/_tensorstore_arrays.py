"""Regions of tensorstore's arrays, one array for each resolution level."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from storebench.backends._backend import StoredAs, WriteRequest
from storebench.backends._tensorstore import brief, counted, file_of, wait_for_other_chunks
from storebench.errors import DataError, UsageError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location, RequestKind


def _reads_of(array: Any) -> RequestKind:
    """Return the kind of an array's reads: whole files where a file is a chunk, else not known."""
    layout = array.chunk_layout
    return "get" if layout.read_chunk.shape == layout.write_chunk.shape else "read"


def alike(request: WriteRequest, first: Any) -> WriteRequest:
    """Return the request for the levels after the first: tensorstore itself would choose chunks for each anew.

    Parameters
    ----------
    request : WriteRequest
        For level 0.
    first : tensorstore.TensorStore
        Level 0 as it was created, axes in the image's order.
    """
    if request.layout is not None:
        return request
    return replace(request, layout=Layout(chunk_shape=tuple(first.chunk_layout.write_chunk.shape)))


class ArraysWriter:
    """Writes regions into one array per level.

    A region whose edges lie inside chunks (shards where there are some) makes tensorstore read, change and write those again.

    Parameters
    ----------
    location : Location
        The image.
    arrays : sequence of tensorstore.TensorStore
        Of each level, axes in the image's order.
    """

    def __init__(self, location: Location, arrays: Sequence[Any]) -> None:
        self._location, self._arrays = location, arrays

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store a region of a level.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        array = self._arrays[level]
        if values.shape != region.shape or not region.fits(array.shape):  # tensorstore would broadcast values
            raise UsageError(
                f"values of shape {values.shape} do not fit region {region} of a level of shape {tuple(array.shape)}"
            )
        try:
            with counted(self._location.log, _reads_of(array)):
                array[region.slices].write(values).result()
        except ValueError as error:
            wait_for_other_chunks()
            raise OSError(f"writing {region} into {self._location.path} failed: {brief(error)}") from error
        except BaseException:
            wait_for_other_chunks()
            raise

    def flush(self) -> None:
        """Do nothing: each write has put whole files in place by renaming them, and the metadata were there before."""


class ArraysReader(ABC):
    """Reads regions of one array per level; a level is opened when it is first asked for, as a viewer does.

    Parameters
    ----------
    location : Location
        The image.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._arrays: dict[int, Any] = {}

    @abstractmethod
    def open_level(self, level: int) -> Any:
        """Open the array of a level, axes in the image's order.

        Raises
        ------
        UsageError
            If there is no such level.
        DataError
            If its metadata cannot be understood.
        """

    @property
    @abstractmethod
    def levels(self) -> tuple[Shape, ...]:
        """Shape of each level, 0 = full."""

    @abstractmethod
    def stored_as(self) -> StoredAs:
        """Return layout, codec and levels as found in the metadata."""

    def array(self, level: int) -> Any:
        """Return the tensorstore array of a level."""
        if level not in self._arrays:
            self._arrays[level] = self.open_level(level)
        return self._arrays[level]

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Return the voxels of a region of a level."""
        array = self.array(level)
        shape = tuple(array.shape)
        if not region.fits(shape):
            raise UsageError(f"region {region} lies outside of level {level}, which has shape {shape}")
        try:
            with counted(self._location.log, _reads_of(array)):
                # A new array of numpy's whose memory tensorstore has allocated for it alone: nothing else sees it.
                values: NDArray = array[region.slices].read(order="C").result()
        except ValueError as error:
            file = file_of(error)
            if file is None:
                raise DataError(
                    f"{self._location.path}: reading {region} failed ({brief(error)}); try again, check the disk"
                ) from error
            raise DataError(
                f"the chunk file {file} is damaged ({brief(error)}); restore it from a copy or write the image anew"
            ) from error
        return values
