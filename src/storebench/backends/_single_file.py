"""What the backends of single image files share: checks, the writer of a whole image, words for damaged files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import Backend, WriteRequest
from storebench.errors import DataError, StorageError, StorebenchError, UsageError
from storebench.grid import Region, Shape
from storebench.stores import Location

NUMBERS: Final = "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64"


def check_region(location: Location, levels: Sequence[Shape], region: Region, level: int) -> None:
    """Refuse a level that is not there, and a region that leaves it.

    Raises
    ------
    UsageError
        Says what the image has instead.
    """
    name = location.path.name
    if not 0 <= level < len(levels):
        has = f"levels 0 to {len(levels) - 1}" if len(levels) > 1 else "level 0 only"
        raise UsageError(f"{name} has no level {level}; it has {has}")
    if not region.fits(levels[level]):
        raise UsageError(f"region {region} lies outside {name}, whose level {level} has the shape {levels[level]}")


class Voxels(Protocol):
    """What voxels are written into: shape and type, of a request or of what is stored."""

    @property
    def shape(self) -> Shape:
        """Voxels, slowest axis first."""

    @property
    def dtype(self) -> np.dtype:
        """Type of a voxel."""


def check_values(image: Voxels, region: Region, values: NDArray, level: int) -> None:
    """Refuse voxels that are not those of a region of the one level asked for: nothing is cast or cut silently."""
    if level != 0 or not region.fits(image.shape):
        raise UsageError(f"region {region} of level {level} lies outside the image of shape {image.shape} at level 0")
    if values.shape != region.shape or values.dtype != image.dtype:
        raise UsageError(
            f"region {region} of {image.dtype.name} cannot take {values.dtype.name} values of shape {values.shape}"
        )


def no_checksum(backend: Backend, request: WriteRequest) -> str | None:
    """Return the sentence for a checksum that only Zarr has, or None."""
    if request.codec.crc32c:
        return f"{backend.name} has no CRC-32C checksum ({request.codec.name}); leave it out or use zarr3-zarrpython"
    return None


def no_chunks(backend: Backend, request: WriteRequest) -> str | None:
    """Return the sentence for a layout that is asked of a format without chunks, or None."""
    if request.layout is not None:
        return f"{backend.name} stores one run of voxels and has no chunks; leave the chunk shape out"
    return None


def put_file(location: Location, data: bytes) -> None:
    """Write a file that was made in memory; where requests are counted it is one "set"."""
    location.path.write_bytes(data)
    if location.log is not None:
        location.log.add("set", location.path.name, len(data))


class WholeWriter:
    """Takes an image in one piece and hands it to the function that stores it.

    Parameters
    ----------
    request : WriteRequest
        Shape and dtype of the image.
    store : callable
        Called once with the C-contiguous voxels.
    """

    def __init__(self, request: WriteRequest, store: Callable[[NDArray], None]) -> None:
        self._request = request
        self._store = store

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store the image; only the whole of it is taken."""
        check_values(self._request, region, values, level)
        if region.shape != self._request.shape:
            raise UsageError(f"region {region} is a part of {self._request.shape}; this format is written whole")
        self._store(np.ascontiguousarray(values))

    def flush(self) -> None:
        """Do nothing: the file was closed when its image was written."""


_UNREADABLE: Final = (
    "{path} cannot be read as {what} ({words}); it is damaged or something else: fetch or write it again"
)
_UNWRITABLE: Final = "{path} could not be written ({words}); look for free space and permission in its folder"


@contextmanager
def reading(location: Location, what: str, *damage: type[Exception]) -> Iterator[None]:
    """Turn a library's complaints about a file's content into a sentence.

    Parameters
    ----------
    location : Location
        The file.
    what : str
        What it should be, as in "a PNG image".
    *damage : type
        Exceptions by which the library says that the content is wrong, besides `OSError` without a number.

    Raises
    ------
    DataError
        If the content is wrong. What the operating system says (with an errno) passes as it is.
    """
    with _complaints(damage, lambda words: DataError(_UNREADABLE.format(path=location.path, what=what, words=words))):
        yield


@contextmanager
def storing(location: Location, *failure: type[Exception]) -> Iterator[None]:
    """Turn a library's complaints while writing into a sentence; what the operating system says passes as it is.

    Raises
    ------
    StorageError
        If the library failed without saying what the operating system said.
    """
    with _complaints(failure, lambda words: StorageError(_UNWRITABLE.format(path=location.path, words=words))):
        yield


@contextmanager
def _complaints(failures: tuple[type[Exception], ...], explain: Callable[[str], StorebenchError]) -> Iterator[None]:
    """Raise what `explain` makes of a library's words; what has an errno and what is ours already pass as they are."""
    errors: tuple[type[Exception], ...] = (OSError, *failures)
    try:
        yield
    except StorebenchError:
        raise
    except errors as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise explain(" ".join(str(error).split()) or type(error).__name__) from error
