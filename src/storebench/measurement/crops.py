"""Which small part of an image is kept for pictures of what a codec did to it, and that part before and after.

The place follows from the voxels alone, so that every store of an image shows the same one: on the middle plane (the middle along
all axes but the last two), the tile whose grey values spread most. A background says nothing about a codec.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.grid import Region, Shape
from storebench.records import Crop, DatasetRecord, pack_values

_MOST_VOXELS_PER_EDGE: Final = 96
_MOST_BYTES: Final = 12_800
"""Of the values, uncompressed: noise of 16 bits does not get smaller, and base64 makes 4 bytes of 3."""
_MULTIPLE: Final = 8


def crop_edge(itemsize: int) -> int:
    """Return the edge of a crop, voxels: 96 for one byte a voxel, 80 for two, 56 for four, 40 for eight."""
    edge = math.isqrt(_MOST_BYTES // itemsize)
    return min(_MOST_VOXELS_PER_EDGE, edge // _MULTIPLE * _MULTIPLE)


def crop_region(voxels: NDArray) -> Region:
    """Return the part of an image that is kept.

    Parameters
    ----------
    voxels : numpy.ndarray
        Level 0, at least two axes.

    Returns
    -------
    Region
        One voxel thick along all axes but the last two; of tiles that spread as much the first one, rows before columns. Tiles
        lie half an edge apart; where the image is smaller than a crop, it is all there is.
    """
    middle = tuple(n // 2 for n in voxels.shape[:-2])
    plane = voxels[middle]
    edges = [min(crop_edge(voxels.dtype.itemsize), n) for n in plane.shape]
    corners = [(row, column) for row in _starts(plane, edges, 0) for column in _starts(plane, edges, 1)]
    spreads = [_spread(plane[row : row + edges[0], column : column + edges[1]]) for row, column in corners]
    corner = corners[int(np.argmax(spreads))]
    start = (*middle, *corner)
    extent = (*(1 for _ in middle), *edges)
    return Region(start, tuple(a + n for a, n in zip(start, extent, strict=True)))


def _starts(plane: NDArray, edges: list[int], axis: int) -> list[int]:
    last = plane.shape[axis] - edges[axis]
    return [*range(0, last, max(1, edges[axis] // 2)), last]


def _spread(tile: NDArray) -> float:
    """Return the standard deviation of what is finite in a tile."""
    values = np.abs(tile) if tile.dtype.kind == "c" else tile
    known = values[np.isfinite(values)].astype(np.float64)
    return float(known.std()) if known.size else 0.0


def original_crop(record: DatasetRecord, voxels: NDArray) -> Crop:
    """Return the part of an image that is kept, as it was before it was stored.

    Parameters
    ----------
    record : DatasetRecord
        Which image it is.
    voxels : numpy.ndarray
        Level 0.
    """
    region = crop_region(voxels)
    return Crop(
        dataset=record.name,
        shape=record.shape,
        dtype=record.dtype,
        seed=record.seed,
        sha256=record.sha256,
        start=region.start,
        extent=region.shape,
        packed=pack_values(voxels[region.slices]),
    )


def crop_of(voxels: NDArray, original: Crop) -> str:
    """Return the packed values of another version of the image at the same place."""
    stop: Shape = tuple(a + n for a, n in zip(original.start, original.extent, strict=True))
    return pack_values(voxels[Region(original.start, stop).slices])
