"""Cells and blobs around the jittered points of a lattice, in whole numbers (see `_noise`).

Each lattice cell has one seed point in its middle three quarters, so the nearest seed of any voxel is (but for rare
corners, which are cut the same way every time) among those of the 27 cells around it. That is what makes regions cheap
and exact.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._noise import Bits, Counts, lattice_bits
from storebench.grid import Region, block_region, blocks_touched

_NEIGHBOURS = tuple(itertools.product((0, 1, 2), repeat=3))
_CODE_BITS = 5  # 27 neighbours fit
_CODE_MASK = (1 << _CODE_BITS) - 1


@dataclass(frozen=True, slots=True)
class Patch:
    """The part of a box that lies in one lattice cell.

    Attributes
    ----------
    box : Region
        Where it is (axes zyx).
    seeds : array of uint64, shape (27,)
        Random bits of the seeds around.
    positions : array of int64, shape (27, 3)
        Their positions in voxels (zyx).
    """

    box: Region
    seeds: Bits
    positions: NDArray[np.int64]

    def distances(self, i: int) -> Counts:
        """Return the squared distance of each voxel to seed `i`, in voxels²; int32, shape of the box."""
        z, y, x = (
            (np.arange(low, high) - at).astype(np.int32) ** 2
            for low, high, at in zip(self.box.start, self.box.stop, self.positions[i], strict=True)
        )
        plane = z[:, None] + y
        return np.asarray(plane[:, :, None] + x)

    def gap(self, i: int) -> int:
        """Return the squared distance from seed `i` to the nearest voxel of the box, in voxels²."""
        bounds = zip(self.box.start, self.box.stop, self.positions[i].tolist(), strict=True)
        return sum(max(low - at, 0, at - high + 1) ** 2 for low, high, at in bounds)

    def nearest(self) -> NDArray[np.int32]:
        """Return which seed (0 … 26) is the nearest to each voxel; shape of the box."""
        best = self._coded(0)
        for i in range(1, len(self.seeds)):
            np.minimum(best, self._coded(i), out=best)
        best &= _CODE_MASK
        return best

    def walls(self) -> tuple[NDArray[np.int32], Counts]:
        """Return the nearest seed of each voxel and the distance to the nearest wall between two seeds' cells.

        Returns
        -------
        nearest : array of int32, shape of the box
            0 … 26.
        distance : array of int32, shape of the box
            Voxels, rounded down: difference of the squared distances to both seeds over twice the seeds' distance.
        """
        best = self._coded(0)
        second = np.full_like(best, np.iinfo(np.int32).max)
        for i in range(1, len(self.seeds)):
            other = self._coded(i)
            np.minimum(second, np.maximum(best, other), out=second)
            np.minimum(best, other, out=best)
        nearest = best & _CODE_MASK
        pair = (nearest << _CODE_BITS) | (second & _CODE_MASK)
        return nearest, ((second >> _CODE_BITS) - (best >> _CODE_BITS)) // self._twice_apart().take(pair)

    def _twice_apart(self) -> NDArray[np.int32]:
        """Return twice the distance of each two seeds, in voxels; a table indexed by `first * 32 + second`."""
        table = np.ones((len(self.seeds), 1 << _CODE_BITS), dtype=np.int32)
        for (i, a), (j, b) in itertools.permutations(enumerate(self.positions.tolist()), 2):
            table[i, j] = max(1, math.isqrt(4 * sum((p - q) ** 2 for p, q in zip(a, b, strict=True))))
        return table.ravel()

    def _coded(self, i: int) -> Counts:
        """Return squared distances with the seed's number in the lowest bits, so that one minimum keeps both."""
        z, y, x = (
            ((np.arange(low, high) - at).astype(np.int32) ** 2) << _CODE_BITS
            for low, high, at in zip(self.box.start, self.box.stop, self.positions[i], strict=True)
        )
        plane = z[:, None] + y + np.int32(i)
        return np.asarray(plane[:, :, None] + x)


def patches(key: int, box: Region, spacing: int) -> Iterator[Patch]:
    """Cut a box along a lattice of `spacing` voxels and yield each part with the 27 seeds around it."""
    for cell in blocks_touched(box, (spacing,) * 3):
        part = block_region(cell, (spacing,) * 3, box.stop).intersection(box)
        if part is None:
            continue
        axes = [np.arange(c - 1, c + 2) for c in cell]
        seeds = lattice_bits(key, *axes)
        positions = np.empty((27, 3), dtype=np.int64)
        for row, index in enumerate(_NEIGHBOURS):
            bits = int(seeds[index])
            positions[row] = [
                int(axes[a][index[a]]) * spacing + spacing // 8 + ((bits >> (20 * a)) & 0xFFFFF) % (spacing * 3 // 4)
                for a in range(3)
            ]
        yield Patch(part, seeds.ravel(), positions)


def place(box: Region, part: Region) -> tuple[slice, ...]:
    """Return where a part of a box goes in an array of the box's voxels."""
    return part.relative_to(box.start).slices
