"""A sample of a large image: spread tiles of it, put together to a mosaic that can be stored and measured quickly.

A centre crop tells little about the whole: where the background is empty it was seen to miss the compression ratio by
73 %. A regular stride over the tiles beats with whatever is regular in the image. So the image is cut into strata of
equal size and each gives one tile at a random place.

What a mosaic can tell, and what not:

* Compression ratios, and the cost of reading and decoding a chunk, are those of the image as long as no chunk spans a
  seam: take chunk shapes that divide the tile. A larger chunk holds voxels that do not belong together; at the seams
  it compresses worse than in the image (predictors, wavelets) or finds other repetitions, so its numbers are a guess.
* Access times at full size do not follow from it: an image of a terabyte has more chunks, files and directory entries
  than the page cache and the file system's caches hold. Nothing is extrapolated here.
* Fewer than 16 tiles give intervals that cover the truth too rarely.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._dataset import Dataset
from storebench.datasets.files import FileDataset
from storebench.errors import UsageError
from storebench.grid import Region, Shape, block_region, blocks_touched
from storebench.units import MIB, ratio_text

_MOST_TILES: Final = 64
_PLANE_AXES: Final = "yx"
_SPACE_AXES: Final = "zyx"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleDataset:
    """Tiles of an image, side by side; implements `Dataset`. Get it from `sample_of`.

    Attributes
    ----------
    base : Dataset
        The image that the tiles are from.
    tile_shape : tuple of int
        Extent of a tile in voxels.
    grid : tuple of int
        Number of tiles, per axis.
    starts : tuple of tuple of int
        First voxel of each tile in the image, in C order of the grid.
    sample_seed : int
        What the places were drawn with.
    """

    base: Dataset
    tile_shape: Shape
    grid: Shape
    starts: tuple[Shape, ...]
    sample_seed: int

    @property
    def name(self) -> str:
        """Name of the image, number of tiles and their extent, as in "scan.tif-sample64x64"."""
        edges = self.tile_shape if len(set(self.tile_shape)) > 1 else self.tile_shape[:1]
        drawn = f"-s{self.sample_seed}" if self.sample_seed else ""
        return f"{self.base.name}-sample{len(self.starts)}x{'-'.join(map(str, edges))}{drawn}"

    @property
    def shape(self) -> Shape:
        """Extent of the mosaic in voxels, slowest axis first."""
        return tuple(n * edge for n, edge in zip(self.grid, self.tile_shape, strict=True))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel."""
        return self.base.dtype

    @property
    def axes(self) -> str:
        """Axis names, slowest first."""
        return self.base.axes

    @property
    def axes_assumed(self) -> bool:
        """As of the image."""
        return self.base.axes_assumed

    @property
    def seed(self) -> int | None:
        """As of the image."""
        return self.base.seed

    @property
    def source(self) -> str:
        """One sentence on the image and one on the sample."""
        percent = 100 * math.prod(self.shape) / math.prod(self.base.shape)
        edges = " x ".join(map(str, self.tile_shape))
        whole = " x ".join(map(str, self.base.shape))
        return (
            f"{self.base.source} Sample of it: {len(self.starts)} spread tiles of {edges} voxels, "
            f"{ratio_text(percent)} % of the {whole} image; chunks larger than a tile span seams."
        )

    def read(self, region: Region) -> NDArray[Any]:
        """Return the voxels of a region of the mosaic.

        Returns
        -------
        array of `dtype`, shape of the region
            Owned, C-contiguous, native byte order.

        Raises
        ------
        UsageError
            If the region does not lie in the mosaic.
        """
        if not region.fits(self.shape):
            raise UsageError(f"region {region} does not lie in {self.name} of shape {self.shape}")
        voxels = np.empty(region.shape, dtype=self.dtype)
        targets, wanted = zip(*self._parts(region), strict=True)
        for target, piece in zip(targets, _read_many(self.base, wanted), strict=True):
            voxels[target.relative_to(region.start).slices] = piece
        return voxels

    def _parts(self, region: Region) -> Iterator[tuple[Region, Region]]:
        """Yield which box of the mosaic comes from which box of the image."""
        for index in blocks_touched(region, self.tile_shape):
            tile = block_region(index, self.tile_shape, self.shape)
            target = tile.intersection(region)
            if target is not None:
                start = self.starts[int(np.ravel_multi_index(index, self.grid))]
                moved = tuple(low - first for low, first in zip(tile.start, start, strict=True))
                yield target, target.relative_to(moved)


def sample_of(
    dataset: Dataset, *, max_bytes: int = 64 * MIB, tile: int = 64, min_tiles: int = 16, seed: int = 0
) -> Dataset:
    """Return an image that is small enough to be measured quickly: the image itself, or spread tiles of it.

    Parameters
    ----------
    dataset : Dataset
        Any image.
    max_bytes : int
        Bytes of voxels that the result may have.
    tile : int
        Edge of a tile in voxels along z, y and x; one step along t and c. An axis that is shorter gives a shorter edge,
        and y and x grow by powers of two to make up for it (512 x 512 tiles of a plane). It is halved where `max_bytes`
        is too small for `min_tiles`.
    min_tiles : int
        How many tiles there are at least; at most there are 64.
    seed : int
        Another seed, other places.

    Returns
    -------
    Dataset
        `dataset` itself if it has at most `max_bytes`, else a `SampleDataset`.

    Raises
    ------
    UsageError
        If `max_bytes` is too small for `min_tiles` tiles of one voxel, or a number is not positive.
    """
    if min(max_bytes, tile, min_tiles) < 1:
        raise UsageError(
            f"a sample of {max_bytes} bytes in {min_tiles} tiles of {tile} voxels: all three must be positive"
        )
    if math.prod(dataset.shape) * dataset.dtype.itemsize <= max_bytes:
        return dataset
    while tile >= 1:
        tile_shape = _tile_shape(dataset, tile)
        most = max_bytes // (math.prod(tile_shape) * dataset.dtype.itemsize)
        grid = _grid(dataset.shape, tile_shape, min(most, max(_MOST_TILES, min_tiles)))
        if most >= min_tiles and math.prod(grid) >= min_tiles:
            starts = _starts(dataset, tile_shape, grid, seed)
            return SampleDataset(base=dataset, tile_shape=tile_shape, grid=grid, starts=starts, sample_seed=seed)
        tile //= 2
    raise UsageError(
        f"{max_bytes} bytes are too few for a sample of {min_tiles} tiles; allow more bytes or fewer tiles"
    )


def _tile_shape(dataset: Dataset, tile: int) -> Shape:
    """Return the extent of a tile: about `tile`³ voxels, not larger than the image on any axis."""
    named = list(zip(dataset.axes, dataset.shape, strict=True))
    edges = [min(tile, n) if axis in _SPACE_AXES else 1 for axis, n in named]
    plane = [i for i, (axis, _) in enumerate(named) if axis in _PLANE_AXES]
    while math.prod(edges) * 4 <= tile**3 and all(edges[i] * 2 <= dataset.shape[i] for i in plane):
        for i in plane:
            edges[i] *= 2
    return tuple(edges)


def _grid(shape: Shape, tile_shape: Shape, most: int) -> Shape:
    """Return how many tiles to take per axis, at most `most`: more along axes that have more of them."""
    grid = [1] * len(shape)
    while True:
        room = [n / (edge * (count + 1)) for n, edge, count in zip(shape, tile_shape, grid, strict=True)]
        fits = [a for a in range(len(grid)) if room[a] >= 1 and math.prod(grid) // grid[a] * (grid[a] + 1) <= most]
        if not fits:
            return tuple(grid)
        grid[max(fits, key=lambda axis: room[axis])] += 1


def _starts(dataset: Dataset, tile_shape: Shape, grid: Shape, seed: int) -> tuple[Shape, ...]:
    """Draw one place per stratum.

    Along y and x each tile has a place of its own. Along the other axes tiles of one stratum share it, so that an image
    stored as planes (a folder of PNG files) decodes a plane once for all tiles that lie in it.
    """
    draw = random.Random(seed).random  # the one stream that Python promises to keep  # noqa: S311

    def place(axis: int, index: int) -> int:
        low = index * dataset.shape[axis] // grid[axis]
        high = (index + 1) * dataset.shape[axis] // grid[axis]
        return low + int(draw() * (high - low - tile_shape[axis] + 1))

    shared = {
        (axis, index): place(axis, index)
        for axis, count in enumerate(grid)
        if dataset.axes[axis] not in _PLANE_AXES
        for index in range(count)
    }
    return tuple(
        tuple(shared[axis, i] if (axis, i) in shared else place(axis, i) for axis, i in enumerate(index))
        for index in np.ndindex(*grid)
    )


def _read_many(dataset: Dataset, regions: Sequence[Region]) -> list[NDArray[Any]]:
    """Read several regions, at once where the dataset gains by it."""
    if isinstance(dataset, FileDataset):
        return dataset.read_many(regions)
    return [dataset.read(region) for region in regions]
