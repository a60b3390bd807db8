"""The user's own images: opened by what they are, read by regions, and never written to.

Nothing is kept open between reads; a `FileDataset` holds a path and what was found there, and can be pickled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._file_axes import NamedAxes, check_axes, name_axes
from storebench.datasets._file_kind import SAMPLES_AXIS, FileKind, Found, reading
from storebench.datasets._folder import FOLDER
from storebench.datasets._hdf5_file import HDF5
from storebench.datasets._jp2_file import JP2
from storebench.datasets._npy_file import NPY
from storebench.datasets._png_file import PNG
from storebench.datasets._tiff_file import TIFF
from storebench.datasets._zarr_file import ZARR, is_zarr
from storebench.errors import DataError, UsageError
from storebench.grid import Region, Shape

KINDS: Final[Mapping[str, FileKind]] = MappingProxyType(
    {kind.name: kind for kind in (NPY, TIFF, PNG, JP2, HDF5, ZARR, FOLDER)}
)
"""All kinds of images that can be opened."""

_INNER: Final = "::"
_LONGEST_NAME: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDataset:
    """An image of the user's; implements `Dataset`. Get it from `open_file`.

    Attributes
    ----------
    path : pathlib.Path
        The file or folder.
    inner : str
        Path of the image inside the file; empty where there is nothing to choose.
    kind : str
        A key of `KINDS`.
    order : tuple of int
        For each axis of the dataset, the axis of the file that it is.
    """

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    axes: str
    axes_assumed: bool
    source: str
    path: Path
    inner: str
    kind: str
    order: tuple[int, ...]
    seed: None = None

    def read(self, region: Region) -> NDArray[Any]:
        """Return the voxels of a region.

        Returns
        -------
        array of `dtype`, shape of the region
            Owned, writable, C-contiguous, native byte order.

        Raises
        ------
        UsageError
            If the region does not lie in the image.
        DataError
            If the file cannot be read, or has changed.
        """
        return self.read_many([region])[0]

    def read_many(self, regions: Sequence[Region]) -> list[NDArray[Any]]:
        """Return the voxels of several regions, opening the file and decoding what they share only once."""
        for region in regions:
            if not region.fits(self.shape):
                raise UsageError(f"region {region} does not lie in {self.name} of shape {self.shape}")
        in_file = [self._in_file(region) for region in regions]
        with reading(self.path):
            pieces = KINDS[self.kind].read(self.path, self.inner, in_file)
        if any(piece.shape != region.shape for piece, region in zip(pieces, in_file, strict=True)):
            raise DataError(f"{self.path}: has changed since it was opened; open it again")
        return [np.require(piece.transpose(self.order), self.dtype, ["C", "W", "O", "E"]) for piece in pieces]

    def _in_file(self, region: Region) -> Region:
        """Return a region in the file's own axis order."""
        bounds = dict(zip(self.order, zip(region.start, region.stop, strict=True), strict=True))
        return Region(*zip(*(bounds[axis] for axis in range(len(bounds))), strict=True))


def open_file(path: str | os.PathLike[str], *, axes: str | None = None) -> FileDataset:
    """Open an image that lies on disk; its voxels are read later, by regions.

    Parameters
    ----------
    path : path-like
        A file or folder of one of `KINDS`, recognised by its content; "file.h5::/path" chooses one dataset of an HDF5
        file.
    axes : str, optional
        Names of the file's axes, slowest first, as in "zyx" (colour samples count as the first axis). If not given they
        are read from the metadata, and where there are none the trailing axes are taken for zyx.

    Raises
    ------
    UsageError
        If `axes` are no axis names, or not as many as the image has.
    DataError
        If there is nothing, or nothing that can be read as an image.
    MissingDependencyError
        If it is an HDF5 file and h5py is not installed.
    """
    if axes is not None:
        check_axes(axes)
    place, inner = _split(os.fspath(path))
    with reading(place):
        kind = _kind_of(place)
        if inner and kind is not HDF5:
            raise UsageError(f"{place} is no HDF5 file, so {_INNER}{inner} chooses nothing in it; leave that part out")
        found = kind.describe(place, inner)
    dtype = _voxel_dtype(place, found)
    if min(found.shape, default=1) < 1:
        raise DataError(f"{place}: an image of shape {found.shape} holds no voxels; choose another file")
    named = name_axes(found, axes)
    return FileDataset(
        name=_slug(place, inner, kind),
        shape=tuple(found.shape[axis] for axis in named.order),
        dtype=dtype,
        axes=named.axes,
        axes_assumed=named.assumed,
        source=_source(found, named),
        path=place.absolute(),  # a worker process may stand in another folder
        inner=inner,
        kind=kind.name,
        order=named.order,
    )


def _split(text: str) -> tuple[Path, str]:
    """Part "file.h5::/path" into the file and the path inside it."""
    if _INNER in text and not os.path.lexists(text):
        outer, inner = text.split(_INNER, 1)
        return Path(outer), inner
    return Path(text), ""


def _kind_of(path: Path) -> FileKind:
    """Recognise what lies at a path: by its content; the name only helps to word the error."""
    if path.is_dir():
        return ZARR if is_zarr(path) or path.suffix.lower() in ZARR.suffixes else FOLDER
    with path.open("rb") as file:
        head = file.read(16)
    for kind in KINDS.values():
        if head.startswith(kind.magic):
            return kind
    for kind in KINDS.values():
        if path.suffix.lower() in kind.suffixes:
            what = "is empty" if not head else "does not begin like one: it is damaged, incomplete or something else"
            raise DataError(f"{path}: is named like {kind.label}, but {what}; copy it again from where it came")
    advice = "unpack it first; " if head.startswith(b"PK") else ""
    kinds = ", ".join(kind.label for kind in KINDS.values())
    raise DataError(f"{path}: no image that storebench knows; {advice}it reads: {kinds}")


def _voxel_dtype(path: Path, found: Found) -> np.dtype[Any]:
    """Return the type that the voxels get in memory, or raise DataError for what is no number."""
    dtype = found.dtype
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise DataError(
            f"{path}: its voxels are {dtype}; storebench stores integers and floats up to 64 bits: "
            "save real numbers, or the parts as images of their own"
        )
    return dtype.newbyteorder("=")


def _slug(path: Path, inner: str, kind: FileKind) -> str:
    """Make a name for case ids and file names from a file's name.

    It always holds a dot, so that a folder called "heart" is never taken for the dataset of that name.
    """
    text = (path.name.strip(".") and path.name) or path.resolve().name
    text += f"-{inner}" if inner else ""
    name = re.sub(r"[^A-Za-z0-9._]+", "-", text)[-_LONGEST_NAME:].strip("-.") or "image"
    return name if "." in name else f"{name}.{kind.name}"


def _source(found: Found, named: NamedAxes) -> str:
    """Say where the voxels come from and what was decided on the way; no path."""
    notes = [f"The user's own image: {found.about}"]
    if found.dtype.kind == "b":
        notes.append("true and false read as uint8 1 and 0")
    if SAMPLES_AXIS in found.axes:
        notes.append("colour samples read as channels")
    elif named.order != tuple(range(len(named.order))):
        notes.append(f"axes brought from {found.axes} into the order {named.axes}")
    if named.assumed:
        notes.append(f"axes not named in it and taken for {named.axes}")
    return "; ".join(notes) + "."
