"""What the OME-Zarr backends have in common whose library makes group and arrays by itself: ome-zarr-py, ngff-zarr, iohub.

Each writes by its own functions and reads by its own reader. What is stored is described by zarr-python, which also finds the
file that is damaged where a library complains. Their requests are not counted: each makes its store from a path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from storebench.backends import _omezarr
from storebench.backends._backend import ArrayWriter, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._owned import owned
from storebench.backends._refusals import missing_distributions, no_reopening
from storebench.backends._zarr_arrays import ArraysWriter, open_array, open_store
from storebench.backends.omezarr import OmeZarrZarrPython
from storebench.errors import DataError, StorebenchError, UsageError
from storebench.grid import Layout, Region, Shape, block_region
from storebench.stores import Location


class OmeZarrLibrary:
    """One version of OME-Zarr by a library that makes all of it.

    Parameters
    ----------
    version : str
        "0.4" or "0.5".

    Attributes
    ----------
    short : str
        How names of backends call the library.
    """

    short: str
    library: str
    distributions: tuple[str, ...]
    extra: str | None
    suffix = ".ome.zarr"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = False
    counts_writes = False

    def __init__(self, version: Literal["0.4", "0.5"]) -> None:
        self.version = version
        self.name = f"omezarr-{version}-{self.short}"
        self.format = f"ome-zarr-{version}"
        self.zarr_format = 2 if version == "0.4" else 3
        self.plain = OmeZarrZarrPython(version)

    def why_unavailable(self) -> str | None:
        """Return None where the library is installed."""
        return missing_distributions(self.distributions, self.extra)

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "whole"."""
        return "whole"

    def reopen(self, location: Location) -> AbstractContextManager[ArrayWriter]:
        """Refuse: an image is written once."""
        raise no_reopening(self)  # type: ignore[arg-type]  # a part of a backend

    def facts(self) -> Mapping[str, str]:
        """Return nothing: the versions of the distributions say all."""
        return {}

    def why_not_axes(self, request: WriteRequest) -> str | None:
        """Return the sentence for axes that OME-Zarr does not hold, or None."""
        return _omezarr.why_not(self.name, f"zarr{self.zarr_format}-zarrpython", request)

    @contextmanager
    def opening(self, location: Location) -> Iterator[None]:
        """Turn a library's complaint about an image into a sentence that names the file."""
        try:
            if not (location.path / (".zgroup" if self.zarr_format == 2 else "zarr.json")).exists():
                raise FileNotFoundError(location.path)  # some would find the other version and read that
            yield
        except StorebenchError:
            raise
        except Exception as error:
            with self.plain.open(location) as reader:
                _ = reader.levels
            raise DataError(
                f"{self.library} cannot open {location.path} ({_brief(error)}), though its metadata can be understood; "
                f"read it by {self.plain.name}"
            ) from error

    @contextmanager
    def reading(self, location: Location, region: Region, level: int) -> Iterator[None]:
        """Turn a library's complaint about voxels into a sentence that names the file."""
        try:
            yield
        except Exception as error:
            with self.plain.open(location) as reader:
                reader.stored_as()
                reader.read(region, level)
            raise DataError(
                f"{self.library} could not read {region} of {location.path} ({_brief(error)}), though its chunks are whole; "
                f"try again, or read it by {self.plain.name}"
            ) from error


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def image_name(location: Location) -> str:
    """Return the name under which an image is noted in its metadata."""
    return location.path.name.removesuffix(OmeZarrLibrary.suffix) or "image"


class LevelsReader(ABC):
    """Reads regions of one array per level, of whatever kind a library gives.

    Parameters
    ----------
    backend : OmeZarrLibrary
        Whose reader it is.
    location : Location
        The image.
    n_levels : int
        How many there are.
    """

    def __init__(self, backend: OmeZarrLibrary, location: Location, n_levels: int) -> None:
        self._backend, self._location, self._n_levels = backend, location, n_levels
        self._arrays: dict[int, Any] = {}

    @abstractmethod
    def open_level(self, level: int) -> Any:
        """Return the library's array of a level, which has a shape."""

    @abstractmethod
    def voxels(self, array: Any, slices: tuple[slice, ...]) -> NDArray:
        """Return the voxels of a part of it."""

    def array(self, level: int) -> Any:
        """Return the library's array of a level, opened when it is first asked for."""
        if level not in self._arrays:
            if not 0 <= level < self._n_levels:
                raise UsageError(f"{self._location.path} has levels 0 to {self._n_levels - 1}, not {level}")
            with self._backend.opening(self._location):
                self._arrays[level] = self.open_level(level)
        return self._arrays[level]

    @property
    def levels(self) -> tuple[Shape, ...]:
        """Shape of each level, 0 = full."""
        return tuple(tuple(self.array(level).shape) for level in range(self._n_levels))

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Return the voxels of a region of a level."""
        array = self.array(level)
        if not region.fits(tuple(array.shape)):
            raise UsageError(f"region {region} lies outside of level {level}, which has shape {tuple(array.shape)}")
        with self._backend.reading(self._location, region, level):
            values = self.voxels(array, region.slices)
        return owned(values)

    def stored_as(self) -> StoredAs:
        """Return layout, codec and levels as zarr-python finds them in the metadata."""
        with self._backend.plain.open(self._location) as reader:
            return reader.stored_as()


class LevelsWriter:
    """Takes each level whole, and hands them over when the last has come: such a library stores all of them in one call.

    Until then the arrays are kept as they were given, not copied.

    Parameters
    ----------
    request : WriteRequest
        What is stored.
    store : callable
        Called once with the voxels of every level.
    """

    def __init__(self, request: WriteRequest, store: Callable[[Sequence[NDArray]], None]) -> None:
        self._request, self._store = request, store
        self._levels: dict[int, NDArray] = {}

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Take a level; with the last one everything is stored."""
        shapes, dtype = self._request.level_shapes, self._request.dtype
        if not 0 <= level < len(shapes) or level in self._levels:
            raise UsageError(f"level {level} was written already, or is none of the {len(shapes)} of this image")
        if region != Region.whole(shapes[level]):
            raise UsageError(f"region {region} is not the whole of level {level}, which has shape {shapes[level]}")
        if values.shape != shapes[level] or values.dtype != dtype:
            raise UsageError(
                f"level {level} of {dtype.name} and shape {shapes[level]} cannot take {values.dtype.name} values of shape "
                f"{values.shape}"
            )
        self._levels[level] = values
        if len(self._levels) == len(shapes):
            self._store([self._levels[n] for n in range(len(shapes))])

    def flush(self) -> None:
        """Do nothing: what is stored is in its place, and before the last level came nothing is."""

    def close(self) -> None:
        """Refuse to leave levels out."""
        missing = set(range(len(self._request.level_shapes))) - self._levels.keys()
        if missing:
            raise UsageError(f"levels {sorted(missing)} were not written, and all levels are stored in one call")


def store_what_was_left_out(
    location: Location, levels: Sequence[tuple[str, NDArray, Layout]], *, zarr_format: int
) -> None:
    """Store the chunks of zeros that a library has left out: every format here holds every chunk.

    Parameters
    ----------
    location : Location
        The image.
    levels : sequence of (str, numpy.ndarray, Layout)
        Array of each level, its voxels, its chunks and shards.
    zarr_format : int
        2 or 3.
    """
    for path, values, layout in levels:
        regions = _objects_with_an_empty_chunk(values, layout)
        if regions:
            store = open_store(Location(location.path), read_only=False)  # not counted, as all the rest is not
            writer = ArraysWriter([open_array(store, location, zarr_format=zarr_format, name=path, mode="r+")])
            for region in regions:
                writer.write(region, values[region.slices])


def _objects_with_an_empty_chunk(values: NDArray, layout: Layout) -> list[Region]:
    """Return the chunks that hold nothing but zeros, or the shards that they lie in."""
    first_voxels = values[tuple(slice(None, None, n) for n in layout.chunk_shape)]
    found = {}
    for index in map(tuple, np.argwhere(first_voxels == 0).tolist()):
        chunk = block_region(index, layout.chunk_shape, values.shape)
        if not values[chunk.slices].any():
            owner = tuple(start // n for start, n in zip(chunk.start, layout.object_shape, strict=True))
            found[owner] = block_region(owner, layout.object_shape, values.shape)
    return list(found.values())
