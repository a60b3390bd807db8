"""Which blocks a volume is worked on in: whole chunks or shards, large enough to be worth a task, small enough for memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from storebench.backends import Backend, WriteRequest
from storebench.grid import Layout, Region, Shape, grid_shape, voxels_decoded
from storebench.units import MIB

BLOCK_BYTES: Final = 32 * MIB
"""Blocks grow up to this size. A task costs some milliseconds, in which 32 MiB are not even copied ten times."""

_COPIES: Final = 4
"""Arrays of the size of a block that one task holds at its peak: source, values, chunks being coded, bytes (measured)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One piece of work.

    Attributes
    ----------
    index : int
        Position in the plan.
    level : int
        Level that it belongs to, 0 = full.
    region : Region
        Its voxels, of that level.
    """

    index: int
    level: int
    region: Region


def block_voxels(itemsize: int, below: int = 1) -> int:
    """Return the voxels that a block has at most.

    Parameters
    ----------
    itemsize : int
        Bytes of a voxel.
    below : int
        Voxels of level 0 that are read for each.
    """
    return max(1, BLOCK_BYTES // itemsize // below)


def grown(unit: Shape, shape: Shape, n_voxels: int, *, first: Shape | None = None) -> Shape:
    """Merge whole units into a block.

    Parameters
    ----------
    unit : tuple of int
        What is never cut: a chunk or shard, in voxels.
    shape : tuple of int
        Of the image.
    n_voxels : int
        Voxels of a block at most, unless one unit has more.
    first : tuple of int, optional
        Extent to reach first, where that is possible: what the source decodes at once.

    Returns
    -------
    tuple of int
        A multiple of the unit on each axis.
    """
    block = list(unit)
    whole = [g * u for g, u in zip(grid_shape(shape, unit), unit, strict=True)]
    wanted = first or (0,) * len(unit)
    while True:
        room = [i for i in range(len(block)) if block[i] < whole[i]]
        sizes = {i: min(2 * block[i], whole[i]) for i in room}
        fitting = [i for i in room if math.prod(block) // block[i] * sizes[i] <= n_voxels]
        if not fitting:
            return tuple(block)
        axis = min(fitting, key=lambda i: (block[i] >= wanted[i], block[i]))
        block[axis] = sizes[axis]


def piece_of(block: Shape, factors: Shape, itemsize: int) -> Shape:
    """Return the part of a block of a smaller level that is made at once.

    Parameters
    ----------
    block : tuple of int
        Voxels of that level.
    factors : tuple of int
        Voxels of level 0 per voxel.
    itemsize : int
        Bytes of a voxel.

    Returns
    -------
    tuple of int
        The block, halved along its longest axis until no more than `BLOCK_BYTES` of level 0 lie below it.
    """
    piece, most = list(block), block_voxels(itemsize, math.prod(factors))
    while math.prod(piece) > most and max(piece) > 1:
        axis = piece.index(max(piece))
        piece[axis] = -(-piece[axis] // 2)
    return tuple(piece)


def write_unit(backend: Backend, request: WriteRequest, layout: Layout | None) -> Shape:
    """Return what is written at once: a shard or chunk, a plane, or a row where the format has no chunks.

    Parameters
    ----------
    backend : Backend
        Who writes: regions or planes.
    request : WriteRequest
        What is stored.
    layout : Layout or None
        Chunks and shards as they are in the store, where nobody asked for any.
    """
    if backend.write_order(request) == "planes":
        return tuple(1 if axis == request.stack_axis else n for axis, n in enumerate(request.shape))
    return (*(1,) * (len(request.shape) - 1), request.shape[-1]) if layout is None else layout.object_shape


def block_bytes(block: Shape, itemsize: int) -> int:
    """Return the memory that a task on a block needs at its peak, bytes."""
    return _COPIES * math.prod(block) * itemsize


def decode_factor(block: Shape, decode_shape: Shape | None) -> float:
    """Return voxels that a source decodes ÷ voxels of a block; 1 where that is not known."""
    if decode_shape is None:
        return 1.0
    return voxels_decoded(Region.whole(block), decode_shape) / math.prod(block)
