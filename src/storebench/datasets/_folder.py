"""A folder of 2-D files, one plane each, in the natural order of their names ("plane9" before "plane10")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._file_kind import UNKNOWN_AXIS, FileKind, Found, reading
from storebench.datasets._jp2_file import JP2
from storebench.datasets._png_file import PNG
from storebench.datasets._tiff_file import TIFF
from storebench.errors import DataError
from storebench.grid import Region

_PLANE_KINDS: Final = (TIFF, PNG, JP2)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that compares runs of digits as numbers."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", path.name)
    return [(int(digits), "") if digits else (-1, text) for digits, text in parts], path.name


def _planes(folder: Path) -> tuple[FileKind, list[Path], int]:
    """Return the kind of the planes, their files in order, and how many other files lie beside them.

    Raises
    ------
    DataError
        If there are no image files or several kinds of them: guessing which ones are meant could measure a wrong image.
    """
    files = [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()]
    by_kind = {kind.name: (kind, [f for f in files if f.suffix.lower() in kind.suffixes]) for kind in _PLANE_KINDS}
    present = [(kind, planes) for kind, planes in by_kind.values() if planes]
    if not present:
        names = ", ".join(kind.label for kind in _PLANE_KINDS)
        raise DataError(
            f"{folder}: a folder that is no Zarr and holds no planes ({names}); give a folder of 2-D files or one file"
        )
    if len(present) > 1:
        counts = " and ".join(f"{len(planes)} {kind.label} files" for kind, planes in present)
        raise DataError(f"{folder}: holds {counts}; move one kind to a folder of its own")
    kind, planes = present[0]
    return kind, sorted(planes, key=_natural), len(files) - len(planes)


def _plane(kind: FileKind, path: Path) -> Found:
    """Describe one file, which must hold one grey plane."""
    with reading(path):
        found = kind.describe(path, "")
    if len(found.shape) != 2:
        raise DataError(
            f"{path}: holds an image of shape {found.shape} ({found.axes}); in a folder each file is one grey plane. "
            "Open that file by itself, or convert the colours to grey"
        )
    return found


def _describe(folder: Path, _inner: str) -> Found:
    kind, planes, n_others = _planes(folder)
    first = _plane(kind, planes[0])
    for path in planes[1:]:
        found = _plane(kind, path)
        if (found.shape, found.dtype.newbyteorder("=")) != (first.shape, first.dtype.newbyteorder("=")):
            raise DataError(
                f"{path}: is {found.shape} {found.dtype}, but {planes[0].name} is {first.shape} {first.dtype}; "
                "all planes of a folder must be alike: move the odd file away"
            )
    beside = f", {n_others} other files beside them left out" if n_others else ""
    return Found(
        shape=(len(planes), *first.shape),
        dtype=first.dtype.newbyteorder("="),
        axes=UNKNOWN_AXIS + "yx",
        about=f"a folder of {len(planes)} {kind.label} files{beside}",
    )


def _read(folder: Path, _inner: str, regions: Sequence[Region]) -> list[NDArray[Any]]:
    kind, planes, _ = _planes(folder)
    dtype = _plane(kind, planes[0]).dtype.newbyteorder("=")
    voxels = [np.empty(region.shape, dtype=dtype) for region in regions]
    for z in sorted({z for region in regions for z in range(region.start[0], region.stop[0])}):
        touched = [i for i, region in enumerate(regions) if region.start[0] <= z < region.stop[0]]
        parts = [Region(regions[i].start[1:], regions[i].stop[1:]) for i in touched]
        with reading(planes[z]):
            pieces = kind.read(planes[z], "", parts)
        for i, part, piece in zip(touched, parts, pieces, strict=True):
            if piece.shape != part.shape:
                raise DataError(f"{planes[z]}: has changed since the folder was opened; open it again")
            voxels[i][z - regions[i].start[0]] = piece
    return voxels


FOLDER: Final = FileKind(
    name="folder", label="folder of 2-D TIFF, PNG or JPEG 2000 files", describe=_describe, read=_read
)
