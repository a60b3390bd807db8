"""What blocks are read from and written to. All of it can be pickled: a block may be worked on in another process.

Nothing is kept open between blocks, so that a block needs nothing of the one before it.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from storebench.backends import ArrayWriter, WriteRequest, get_backend
from storebench.grid import Region, Shape, grid_shape
from storebench.levels import METHODS
from storebench.stores import Location


class Voxels(Protocol):
    """One array of voxels that is read by regions; every `Dataset` is one."""

    @property
    def shape(self) -> Shape:
        """Extent in voxels, slowest axis first."""

    @property
    def dtype(self) -> np.dtype:
        """Type of a voxel."""

    def read(self, region: Region) -> NDArray:
        """Return the voxels of a region: owned, C-contiguous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLevel:
    """One level of a stored image; implements `Voxels`.

    Attributes
    ----------
    backend : str
        Name of the backend that reads it.
    path : pathlib.Path
        The file or folder, absolute: a worker may stand in another folder.
    level : int
        0 = full.
    """

    backend: str
    path: Path
    level: int
    shape: Shape
    dtype: np.dtype

    def read(self, region: Region) -> NDArray:
        """Open the image, read the voxels of a region, close it."""
        with get_backend(self.backend).open(Location(self.path)) as reader:
            return reader.read(region, self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallerLevel:
    """A level that is made from level 0 as it is read; implements `Voxels`.

    Blocks of level 0 become voxels one by one, so that any region has the same voxels as in the level of the whole image.

    Attributes
    ----------
    base : Voxels
        Level 0.
    factors : tuple of int
        Voxels of level 0 per voxel, per axis.
    method : str
        One of `levels.METHODS`.
    """

    base: Voxels
    factors: Shape
    method: str

    @property
    def shape(self) -> Shape:
        """Extent in voxels; a last block that is not full counts as one voxel."""
        return grid_shape(self.base.shape, self.factors)

    @property
    def dtype(self) -> np.dtype:
        """Type of a voxel."""
        return self.base.dtype

    def read(self, region: Region) -> NDArray:
        """Read what lies below a region, and make its voxels."""
        below = Region(
            tuple(a * f for a, f in zip(region.start, self.factors, strict=True)),
            tuple(min(b * f, n) for b, f, n in zip(region.stop, self.factors, self.base.shape, strict=True)),
        )
        return METHODS[self.method](self.base.read(below), self.factors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The image that is being written.

    Attributes
    ----------
    backend : str
        Who writes.
    path : pathlib.Path
        The file or folder, absolute.
    request : WriteRequest
        What is to be stored, and how.
    own_fsync : bool
        As in `Location`.
    """

    backend: str
    path: Path
    request: WriteRequest
    own_fsync: bool = False

    @property
    def location(self) -> Location:
        """The place."""
        return Location(self.path, own_fsync=self.own_fsync)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shape of each level, 0 = full."""
        return self.request.level_shapes

    def create(self) -> None:
        """Begin the image: metadata and empty arrays."""
        with get_backend(self.backend).create(self.location, self.request):
            pass

    def write(self, region: Region, values: NDArray, level: int) -> None:
        """Open the image, store the voxels of a region of a level, close it."""
        with self._opened() as writer:
            writer.write(region, values, level)

    def _opened(self) -> AbstractContextManager[ArrayWriter]:
        backend = get_backend(self.backend)
        if backend.write_order(self.request) == "planes":
            # Each plane is a file of its own, and a folder may be begun more than once.
            return backend.create(self.location, self.request)
        return backend.reopen(self.location)

    def level(self, level: int) -> StoredLevel:
        """Return a level as it is stored."""
        shape, dtype = self.shapes[level], self.request.dtype
        return StoredLevel(backend=self.backend, path=self.path, level=level, shape=shape, dtype=dtype)

    @property
    def logical_bytes(self) -> int:
        """Bytes of all levels, uncompressed."""
        return sum(math.prod(shape) for shape in self.shapes) * self.request.dtype.itemsize
