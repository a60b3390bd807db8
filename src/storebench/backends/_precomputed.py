"""Neuroglancer's precomputed format: chunks in the order of a Morton curve, and the shards that follow from it.

Axes here are those of the image, z, y, x; the format itself lists x, y, z. A chunk's number has the bits of its place
along x, y and z in turn, lowest first, as long as the grid of chunks needs them along that axis ("compressed Morton
code"). A shard holds the chunks whose numbers differ in their lowest bits only, so its shape goes up in halves of that
turn: x, y, z, x, y, …  (neuroglancer, `datasource/precomputed/volume.md` and `sharded.md`).
"""

from __future__ import annotations

from storebench.grid import Shape


def shard_grids(grid: Shape) -> list[Shape]:
    """Return every shape that a shard can have, in chunks: the n-th one takes n bits of a chunk's number.

    Parameters
    ----------
    grid : tuple of int
        Chunks of the image along z, y, x.
    """
    block = [1] * len(grid)
    shapes = [tuple(block)]
    for bit in range(max(grid).bit_length()):
        for axis in reversed(range(len(grid))):
            if 1 << bit < grid[axis]:
                block[axis] *= 2
                shapes.append(tuple(block))
    return shapes


def chunk_number(index: Shape, grid: Shape) -> int:
    """Return a chunk's number on the curve.

    Parameters
    ----------
    index, grid : tuple of int
        Place of the chunk, and chunks of the image, along z, y, x.
    """
    number = n_bits = 0
    for bit in range(max(grid).bit_length()):
        for axis in reversed(range(len(grid))):
            if 1 << bit < grid[axis]:
                number |= (index[axis] >> bit & 1) << n_bits
                n_bits += 1
    return number
