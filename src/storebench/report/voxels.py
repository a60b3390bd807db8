"""What a read asks for and what must be decoded for it, and the picture of both.

All numbers come from `storebench.grid`, none is drawn by hand: the chapter's own figure counted 96 voxels where the chunk
grid gives 48.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final

from storebench.errors import UsageError
from storebench.grid import Region, Shape, chunks_touched, grid_shape, voxels_decoded
from storebench.report.isometric import Frame, Layer, picture_svg
from storebench.units import count_text, shape_text

CHAPTER_SHAPE: Final[Shape] = (10, 10, 20)
CHAPTER_REGION: Final = Region((2, 3, 2), (4, 5, 4))
CHAPTER_CHUNKS: Final[tuple[Shape, ...]] = ((10, 10, 1), (2, 2, 3))
CHAPTER_PATTERN: Final = "roi2"
CHAPTER_SEED: Final = 102
"""With this seed the pattern reads the chapter's region of an image of the chapter's shape."""
_MOST_VOXELS: Final = 12  # of a region, along one axis: more are not drawn one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCost:
    """What reading a region from a chunk grid costs, in voxels, from the geometry alone.

    Attributes
    ----------
    shape, chunk_shape : tuple of int
        Image and chunk, voxels.
    region : Region
        What is asked for.
    chunks, n_chunks : int
        Chunks that are touched, and chunks that the image has.
    asked, decoded : int
        Voxels. Chunks at the edge are stored whole, so what they hold beyond the image is decoded too.
    padding : int
        Of the voxels decoded, those beyond the image.
    """

    shape: Shape
    chunk_shape: Shape
    region: Region
    chunks: int
    n_chunks: int
    asked: int
    decoded: int
    padding: int

    @property
    def wasted(self) -> int:
        """Voxels that were decoded and not asked for."""
        return self.decoded - self.asked

    @property
    def decoded_region(self) -> Region:
        """The box of the chunks touched, which may end beyond the image."""
        cut = [
            (a - a % c, -(-z // c) * c)
            for a, z, c in zip(self.region.start, self.region.stop, self.chunk_shape, strict=True)
        ]
        return Region(tuple(a for a, _ in cut), tuple(z for _, z in cut))

    @property
    def sentence(self) -> str:
        """The finding in words."""
        padding = f", {count_text(self.padding)} of them padding beyond the image's edge" if self.padding else ""
        wasted = f"{_voxels(self.wasted)} for nothing{padding}" if self.wasted else "nothing more than that"
        return (
            f"You asked for {_voxels(self.asked)}, the computer decoded {count_text(self.decoded)}: "
            f"{count_text(self.chunks)} of {count_text(self.n_chunks)} chunks, {wasted}."
        )


def _voxels(n: int) -> str:
    return "1 voxel" if n == 1 else f"{count_text(n)} voxels"


def read_cost(shape: Shape, chunk_shape: Shape, region: Region) -> ReadCost:
    """Count chunks and voxels of one read.

    Parameters
    ----------
    shape, chunk_shape : tuple of int
        Image and chunk, voxels.
    region : Region
        What is asked for.

    Raises
    ------
    UsageError
        If the numbers of axes differ, or the region does not lie inside the image.
    """
    if len(chunk_shape) != len(shape) or not region.fits(shape):
        raise UsageError(
            f"image {shape_text(shape)}, chunks {shape_text(chunk_shape)}, region {region}: "
            "all need the same number of axes, and the region must lie inside the image"
        )
    decoded = voxels_decoded(region, chunk_shape)
    inside = math.prod(
        min(-(-z // c) * c, n) - (a - a % c)
        for a, z, c, n in zip(region.start, region.stop, chunk_shape, shape, strict=True)
    )
    return ReadCost(
        shape=shape,
        chunk_shape=chunk_shape,
        region=region,
        chunks=chunks_touched(region, chunk_shape),
        n_chunks=math.prod(grid_shape(shape, chunk_shape)),
        asked=region.n_voxels,
        decoded=decoded,
        padding=decoded - inside,
    )


def read_frame(cost: ReadCost) -> Frame:
    """Return the frame of a read's picture: the image, and the padding that is decoded."""
    return Frame.around(cost.shape, cost.decoded_region.stop)


def read_layers(cost: ReadCost) -> tuple[Layer, ...]:
    """Return the picture of a read, back to front: the image in chunks, the chunks touched, the voxels asked for."""
    frame = read_frame(cost)
    single_voxels = tuple(1 if n <= _MOST_VOXELS else n for n in cost.region.shape)
    return tuple(
        itertools.chain(
            frame.box_layers("image", Region.whole(cost.shape), cost.chunk_shape),
            frame.box_layers("decoded", cost.decoded_region, cost.chunk_shape),
            frame.box_layers("asked", cost.region, single_voxels),
        )
    )


def read_svg(cost: ReadCost) -> str:
    """Draw a read as an SVG element of a few kilobytes."""
    return picture_svg(read_frame(cost), read_layers(cost), cost.shape, cost.sentence)
