"""What changing a region of a stored image must move: from the files before and after, and their geometry."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from storebench.grid import Region
from storebench.measurement._geometry import (
    ArrayGrid,
    Prediction,
    documents,
    level_folders,
    n_runs,
    stored_object,
)
from storebench.measurement._geometry_tensorstore import array_document, group_document, n5_document, n5_folder
from storebench.stores import Location

ChangeFamily = Callable[[Location, Location, Region], Prediction]
"""From the image before and after, and the region that was written, to what is read and written together."""


def npy(before: Location, after: Location, region: Region) -> Prediction:
    """Read the header; write each run of voxels that lie side by side."""
    values = np.load(before.path, mmap_mode="r", allow_pickle=False)
    runs = n_runs(region, values.shape)
    n_bytes = values.offset + region.n_voxels * values.itemsize
    return Prediction(requests=1 + runs, n_bytes=n_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Library:
    """How a library goes about a store of arrays that are cut into objects.

    Attributes
    ----------
    of_array, of_group : callable
        From the folder of an array or a group to what is read of its metadata.
    may_read : callable
        Whether an object that is replaced whole may be read first, though nothing of it is needed: from the array's grid and
        the object's part of the image.
    grid_of : callable
        From the folder of an array to its grid.
    """

    of_array: Callable[[Path], Prediction]
    of_group: Callable[[Path], Prediction]
    may_read: Callable[[ArrayGrid, Region], bool]
    grid_of: Callable[[Path], ArrayGrid] = ArrayGrid.of

    def zarr(self, before: Location, after: Location, region: Region) -> Prediction:
        """Read the array's metadata, and change its objects."""
        return self._changed(before.path, after.path, region, self.of_array(before.path))

    def omezarr(self, before: Location, after: Location, region: Region) -> Prediction:
        """Read the metadata of the group and of every level, and change objects of level 0."""
        folders = level_folders(before)
        metadata = sum(map(self.of_array, folders), self.of_group(before.path))
        return self._changed(folders[0], level_folders(after)[0], region, metadata)

    def n5(self, before: Location, after: Location, region: Region) -> Prediction:
        """Read the dataset's attributes, and change its blocks."""
        folder = n5_folder(before)
        return self._changed(folder, n5_folder(after), region, self.of_array(folder))

    def _changed(self, before: Path, after: Path, region: Region, metadata: Prediction) -> Prediction:
        """Read each object that is touched and not covered whole as it was; write each one as it is now.

        `n_parts` and `beside_bytes` are of the objects that are covered whole and may be read all the same.
        """
        grid = self.grid_of(before)
        total = replace(metadata, n_parts=0)
        for path, own, part in grid.touched(region):
            was, now = stored_object(path), stored_object(after / path.relative_to(before))
            total += Prediction(requests=1, n_bytes=now.n_bytes)
            if part != own:
                total += Prediction(requests=1, n_bytes=was.n_bytes)
            elif self.may_read(grid, own):
                total += Prediction(n_parts=1, beside_bytes=was.n_bytes)
        return total


def _is_a_shard(grid: ArrayGrid, own: Region) -> bool:
    return grid.inner is not None


def _sticks_out(grid: ArrayGrid, own: Region) -> bool:
    return own.shape != grid.block


_ZARR_PYTHON: Final = _Library(of_array=documents, of_group=documents, may_read=_is_a_shard)
_TENSORSTORE: Final = _Library(of_array=array_document, of_group=group_document, may_read=_sticks_out)
_N5: Final = _Library(of_array=n5_document, of_group=n5_document, may_read=_sticks_out, grid_of=ArrayGrid.of_n5)

CHANGES: Final[tuple[tuple[str, ChangeFamily], ...]] = (
    ("npy-numpy", npy),
    ("zarr?-zarrpython*", _ZARR_PYTHON.zarr),
    ("zarr3-obstore", _ZARR_PYTHON.zarr),
    ("omezarr-*-zarrpython", _ZARR_PYTHON.omezarr),
    ("zarr?-tensorstore", _TENSORSTORE.zarr),
    ("omezarr-*-tensorstore", _TENSORSTORE.omezarr),
    ("n5-tensorstore", _N5.n5),
)
"""Who predicts for which backends."""


def predict_change(backend: str, before: Location, after: Location, regions: Sequence[Region]) -> Prediction | None:
    """Return what an overwrite reads and writes, both together.

    Parameters
    ----------
    backend : str
        Name of the backend.
    before, after : Location
        The image as it was, and the one that was changed.
    regions : sequence of Region
        What was written, in order.

    Returns
    -------
    Prediction or None
        None where no family of `CHANGES` fits (HDF5 looks for a chunk in a tree and keeps it in a cache), and for several
        regions: how large an object was in between is not in the files.
    """
    if len(regions) != 1:
        return None
    for pattern, family in CHANGES:
        if fnmatch.fnmatchcase(backend, pattern):
            return family(before, after, regions[0])
    return None
