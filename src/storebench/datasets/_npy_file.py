"""numpy's own files, read through a memory map. Pickled objects are never loaded."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._file_kind import UNKNOWN_AXIS, FileKind, Found
from storebench.grid import Region


def read_mapped(voxels: NDArray[Any], regions: Sequence[Region]) -> list[NDArray[Any]]:
    """Copy regions out of a memory map.

    Where rows are not read whole, reading ahead is switched off: it would fetch 128 KiB for each row of a few bytes.
    """
    pages: object = getattr(voxels, "base", None)  # numpy's types say "an array"; of a memory map it is the mmap
    cut_rows = any(region.shape[-1] < voxels.shape[-1] for region in regions)
    if cut_rows and isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        pages.madvise(mmap.MADV_RANDOM)
    return [np.array(voxels[region.slices]) for region in regions]


def _voxels(path: Path) -> NDArray[Any]:
    """Map the file; nothing is read yet."""
    voxels: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return voxels


def _describe(path: Path, _inner: str) -> Found:
    voxels = _voxels(path)
    return Found(shape=voxels.shape, dtype=voxels.dtype, axes=UNKNOWN_AXIS * voxels.ndim, about="a .npy file")


def _read(path: Path, _inner: str, regions: Sequence[Region]) -> list[NDArray[Any]]:
    return read_mapped(_voxels(path), regions)


NPY: Final = FileKind(
    name="npy", label=".npy", magic=(b"\x93NUMPY",), suffixes=(".npy",), describe=_describe, read=_read
)
