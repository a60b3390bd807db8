"""Pure geometry of chunked images: shapes, regions, chunk grids. No I/O, no arrays.

All extents are in voxels, in the array's own axis order (slowest axis first).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from storebench.errors import UsageError

Shape = tuple[int, ...]

_MOST_WAVELET_LEVELS: Final = 5  # OpenJPEG's default: five times half the size


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open box of voxels.

    Attributes
    ----------
    start, stop : tuple of int
        First voxel and one past the last, per axis.

    Raises
    ------
    UsageError
        If the two differ in length, or the box is empty or negative on an axis.
    """

    start: Shape
    stop: Shape

    def __post_init__(self) -> None:
        if len(self.start) != len(self.stop):
            raise UsageError(f"region {self.start} … {self.stop}: start and stop have different numbers of axes")
        for axis, (low, high) in enumerate(zip(self.start, self.stop, strict=True)):
            if not 0 <= low < high:
                raise UsageError(f"region {self}: axis {axis} runs from {low} to {high}; it needs 0 <= start < stop")

    @classmethod
    def whole(cls, shape: Shape) -> Region:
        """Return the region that covers an image of `shape`."""
        return cls((0,) * len(shape), tuple(shape))

    @property
    def shape(self) -> Shape:
        """Extent in voxels, per axis."""
        return tuple(high - low for low, high in zip(self.start, self.stop, strict=True))

    @property
    def n_voxels(self) -> int:
        """Number of voxels inside."""
        return math.prod(self.shape)

    @property
    def slices(self) -> tuple[slice, ...]:
        """The region as an index for an array."""
        return tuple(slice(low, high) for low, high in zip(self.start, self.stop, strict=True))

    def fits(self, shape: Shape) -> bool:
        """Tell whether the region lies inside an image of `shape`."""
        return len(shape) == len(self.stop) and all(high <= n for high, n in zip(self.stop, shape, strict=True))

    def intersection(self, other: Region) -> Region | None:
        """Return what both regions cover, or None where they do not touch."""
        start = tuple(max(a, b) for a, b in zip(self.start, other.start, strict=True))
        stop = tuple(min(a, b) for a, b in zip(self.stop, other.stop, strict=True))
        return Region(start, stop) if all(a < b for a, b in zip(start, stop, strict=True)) else None

    def relative_to(self, origin: Shape) -> Region:
        """Return the same box with `origin` taken as the zero point."""
        return Region(
            tuple(a - o for a, o in zip(self.start, origin, strict=True)),
            tuple(b - o for b, o in zip(self.stop, origin, strict=True)),
        )

    def __str__(self) -> str:
        return ",".join(f"{a}:{b}" for a, b in zip(self.start, self.stop, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How an image is cut into pieces.

    Attributes
    ----------
    chunk_shape : tuple of int
        Smallest block that can be decoded alone, in voxels.
    shard_shape : tuple of int or None
        One storage object, in voxels: a multiple of `chunk_shape` on each axis. None: each chunk is an object of its own.

    Raises
    ------
    UsageError
        If an extent is not positive, or a shard is not a multiple of the chunk.
    """

    chunk_shape: Shape
    shard_shape: Shape | None = None

    def __post_init__(self) -> None:
        if not self.chunk_shape or any(n < 1 for n in self.chunk_shape):
            raise UsageError(f"chunk shape {self.chunk_shape}: every extent must be at least 1 voxel")
        if self.shard_shape is None:
            return
        if len(self.shard_shape) != len(self.chunk_shape):
            raise UsageError(
                f"shard shape {self.shard_shape} has {len(self.shard_shape)} axes, "
                f"chunk shape {self.chunk_shape} has {len(self.chunk_shape)}"
            )
        if any(s < 1 or s % c for s, c in zip(self.shard_shape, self.chunk_shape, strict=True)):
            raise UsageError(
                f"shard shape {self.shard_shape} must be a multiple of the chunk shape {self.chunk_shape} on every axis"
            )

    @property
    def object_shape(self) -> Shape:
        """Extent of one storage object: the shard, or the chunk where there are no shards."""
        return self.shard_shape or self.chunk_shape


def parse_shape(text: str) -> Shape:
    """Read a shape as in "64,64,64" or "64x64x64".

    Returns
    -------
    tuple of int
        Voxels, in the array's axis order.

    Raises
    ------
    UsageError
        If it is not a list of positive whole numbers.
    """
    parts = re.split(r"\s*[,x]\s*", text.strip())
    if not all(re.fullmatch(r"[1-9]\d*", part) for part in parts):
        raise UsageError(f"{text!r} is no shape; write voxels per axis, slowest axis first, as in 64,64,64")
    return tuple(int(part) for part in parts)


def parse_region(text: str) -> Region:
    """Read a region as in "2:4,3:5,2:4" (half-open, voxels).

    Raises
    ------
    UsageError
        If it is not a list of start:stop pairs, or a pair is empty.
    """
    pairs = [re.fullmatch(r"(\d+):(\d+)", part.strip()) for part in text.split(",")]
    if not all(pairs):
        raise UsageError(f"{text!r} is no region; write start:stop per axis, as in 2:4,3:5,2:4")
    bounds = [(int(pair[1]), int(pair[2])) for pair in pairs if pair]
    return Region(tuple(low for low, _ in bounds), tuple(high for _, high in bounds))


def grid_shape(shape: Shape, block_shape: Shape) -> Shape:
    """Return how many blocks of `block_shape` cover `shape`, per axis (edge blocks count whole)."""
    return tuple(-(-n // b) for n, b in zip(shape, block_shape, strict=True))


def blocks_touched(region: Region, block_shape: Shape) -> Iterator[tuple[int, ...]]:
    """Yield the grid coordinates of the blocks that a region touches, in C order."""
    ranges = [range(a // b, -(-z // b)) for a, z, b in zip(region.start, region.stop, block_shape, strict=True)]
    return itertools.product(*ranges)


def block_region(index: tuple[int, ...], block_shape: Shape, shape: Shape) -> Region:
    """Return the part of an image of `shape` that the block at grid coordinates `index` holds."""
    start = tuple(i * b for i, b in zip(index, block_shape, strict=True))
    return Region(start, tuple(min(a + b, n) for a, b, n in zip(start, block_shape, shape, strict=True)))


def iter_blocks(shape: Shape, block_shape: Shape) -> Iterator[Region]:
    """Yield the regions that tile an image of `shape` in blocks of `block_shape`, in C order."""
    for index in blocks_touched(Region.whole(shape), block_shape):
        yield block_region(index, block_shape, shape)


def chunks_touched(region: Region, chunk_shape: Shape) -> int:
    """Count the chunks that must be decoded to read a region."""
    return math.prod(-(-z // c) - a // c for a, z, c in zip(region.start, region.stop, chunk_shape, strict=True))


def voxels_decoded(region: Region, chunk_shape: Shape) -> int:
    """Count the voxels that must be decoded to read a region; padded edge chunks count whole."""
    return chunks_touched(region, chunk_shape) * math.prod(chunk_shape)


def read_amplification(region: Region, chunk_shape: Shape) -> float:
    """Return voxels decoded ÷ voxels asked, which is at least 1."""
    return voxels_decoded(region, chunk_shape) / region.n_voxels


def padding_ratio(shape: Shape, chunk_shape: Shape) -> float:
    """Return voxels of the image ÷ voxels of its padded chunk grid, at most 1.

    This is the compression ratio of an uncompressed array whose edge chunks are stored whole, as in Zarr.
    """
    padded = math.prod(g * c for g, c in zip(grid_shape(shape, chunk_shape), chunk_shape, strict=True))
    return math.prod(shape) / padded


def wavelet_levels(shape: Shape, tile_shape: Shape) -> int:
    """Return how often an image can be halved so that no tile becomes empty, at most five times.

    OpenJPEG 2.5.4 writes wrong voxels into a corner tile that has none left at its smaller levels (tiles of 17 × 17 in
    35 × 35 voxels, 3 levels). Positions count, not only sizes: levels are cut on the image's grid.
    """
    bounds = [(a, min(a + t, n)) for n, t in zip(shape, tile_shape, strict=True) for a in range(0, n, t)]
    levels = 0
    while (
        levels < _MOST_WAVELET_LEVELS
        and 2 ** (levels + 1) <= min(*shape, *tile_shape)
        and all(-(-a // 2 ** (levels + 1)) < -(-b // 2 ** (levels + 1)) for a, b in bounds)
    ):
        levels += 1
    return levels


def morton_blocks(grid: Shape) -> list[Shape]:
    """Return the boxes of chunks that have numbers in a row where chunks are numbered along a Morton curve.

    A number has the bits of the chunk's place in turn, last axis first and lowest bits first, as long as the grid needs
    them on that axis: Neuroglancer's "compressed Morton code" (`datasource/precomputed/sharded.md`).

    Parameters
    ----------
    grid : tuple of int
        Chunks of the image.

    Returns
    -------
    list of tuple of int
        Extents in chunks; numbers in the n-th box differ in their lowest n bits alone.
    """
    block = [1] * len(grid)
    blocks = [tuple(block)]
    for _, axis in _morton_bits(grid):
        block[axis] *= 2
        blocks.append(tuple(block))
    return blocks


def morton_number(index: tuple[int, ...], grid: Shape) -> int:
    """Return the number of the chunk at grid coordinates `index` (see `morton_blocks`)."""
    return sum((index[axis] >> bit & 1) << n for n, (bit, axis) in enumerate(_morton_bits(grid)))


def _morton_bits(grid: Shape) -> Iterator[tuple[int, int]]:
    """Yield which bit of which axis each bit of a number is."""
    for bit in range(max(grid).bit_length()):
        yield from ((bit, axis) for axis in reversed(range(len(grid))) if 1 << bit < grid[axis])


def morton_shard_bits(grid: Shape, shard_grid: Shape) -> tuple[int, int]:
    """Return the bits of a number inside of a shard and those that number shards, for the largest that fits.

    Parameters
    ----------
    grid, shard_grid : tuple of int
        Chunks of the image, and most chunks of a shard.
    """
    blocks = morton_blocks(grid)
    fitting = [n for n, block in enumerate(blocks) if all(a <= b for a, b in zip(block, shard_grid, strict=True))]
    return fitting[-1], len(blocks) - 1 - fitting[-1]
