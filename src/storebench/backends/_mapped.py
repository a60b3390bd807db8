"""What formats of one uncompressed run of voxels share that are read and written through a memory map.

A memory map shows no requests of its own. Where somebody counts, what is written down is each run of voxels of a region
that lie side by side in the file. The disk moves whole pages instead (4 KiB, read-ahead).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest
from storebench.backends._owned import owned
from storebench.backends._single_file import check_region, check_values
from storebench.grid import Region, Shape
from storebench.stores import Location, RequestKind


def allocate(path: Path, n_bytes: int) -> None:
    """Give a file its full size on disk, where the system can.

    A memory map of a file with holes is killed by SIGBUS when the disk is full; this raises OSError instead.
    """
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        else:
            file.truncate(n_bytes)


class MappedWriter:
    """Copies regions into a memory map.

    Parameters
    ----------
    values : numpy.memmap
        The whole image, writable.
    location : Location
        Its file.
    """

    def __init__(self, values: np.memmap, location: Location) -> None:
        self._values, self._location = values, location

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store the voxels of a region."""
        check_values(self._values, region, values, level)
        self._values[region.slices] = values
        _log_runs(self._location, "set", self._values, region)

    def flush(self) -> None:
        """Do nothing: what is in a shared map is the file's already, also when this process is killed.

        `numpy.memmap.flush` would wait for the disk, which no other format's flush does.
        """


class MappedRegions:
    """Copies regions out of a memory map.

    Parameters
    ----------
    values : numpy.memmap
        The whole image.
    location : Location
        Its file; what is in front of the voxels counts as read when this is made.
    """

    def __init__(self, values: np.memmap, location: Location) -> None:
        self._values, self._location = values, location
        if location.log is not None:
            location.log.add("get", location.path.name, values.offset)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._values.shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Return a copy of the voxels of a region."""
        check_region(self._location, self.levels, region, level)
        _log_runs(self._location, "ranged_get", self._values, region)
        return owned(self._values[region.slices])


class RawBlocks:
    """Voxels to bytes and back, copied both ways, which stands for a codec; the shape of the last block is remembered."""

    def __init__(self, request: WriteRequest) -> None:
        self._dtype = request.dtype
        self._shape = request.shape

    def encode(self, block: NDArray) -> bytes:
        """Copy a block into bytes."""
        self._shape = block.shape
        return block.tobytes()

    def decode(self, data: bytes) -> NDArray:
        """Copy bytes into a block."""
        return np.frombuffer(data, self._dtype).reshape(self._shape).copy()


def _log_runs(location: Location, kind: RequestKind, values: np.memmap, region: Region) -> None:
    """Write down what a memory map is asked for, where somebody counts."""
    if location.log is not None:
        n_runs, n_voxels = runs(region, values.shape, fortran=not values.flags.c_contiguous)
        location.log.add(kind, location.path.name, n_voxels * values.itemsize, times=n_runs)


def runs(region: Region, shape: Sequence[int], *, fortran: bool = False) -> tuple[int, int]:
    """Return how many runs of voxels that lie side by side a region is made of in the file, and the voxels of one.

    Parameters
    ----------
    region : Region
        What is read or written.
    shape : sequence of int
        Of the image, voxels.
    fortran : bool
        Whether the first axis is the fastest in the file, and not the last.
    """
    extents, full = (region.shape[::-1], shape[::-1]) if fortran else (region.shape, shape)
    run = 1
    for extent, n in zip(reversed(extents), reversed(full), strict=True):
        run *= extent
        if extent != n:
            break
    return region.n_voxels // run, run
