"""The picture of an image cut into chunks, each chunk in a colour that its neighbours do not have."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from storebench.errors import UsageError
from storebench.grid import Shape, block_region, grid_shape, padding_ratio
from storebench.report.isometric import Frame, Layer, picture_svg
from storebench.units import count_text, shape_text

CHAPTER_CUTS: Final[tuple[Shape, ...]] = ((10, 10, 1), (5, 5, 10), (2, 2, 3))
N_COLOURS: Final = 8
"""Even ones are light, odd ones dark: of neighbours on any axis one is light, so greyscale tells them apart."""
_MOST_CELLS: Final = 400  # on the three faces together: more are a grey surface, and kilobytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPicture:
    """An image cut into chunks.

    Attributes
    ----------
    shape, chunk_shape : tuple of int
        Voxels.
    cell_chunks : tuple of int
        Chunks that one drawn block stands for, on each drawn axis: 1 unless there are too many to draw.
    """

    shape: Shape
    chunk_shape: Shape
    cell_chunks: Shape

    @property
    def n_chunks(self) -> int:
        """Chunks of the image."""
        return math.prod(grid_shape(self.shape, self.chunk_shape))

    @property
    def stored_voxels(self) -> int:
        """Voxels of all chunks, which at the edge are stored whole."""
        return self.n_chunks * math.prod(self.chunk_shape)

    @property
    def sentence(self) -> str:
        """What the picture shows, in words."""
        n_voxels = math.prod(self.shape)
        text = f"{count_text(self.n_chunks)} chunk{'' if self.n_chunks == 1 else 's'} of {shape_text(self.chunk_shape)}"
        if padding_ratio(self.shape, self.chunk_shape) < 1:
            text += f", stored whole at the edge: {count_text(self.stored_voxels)} voxels for {count_text(n_voxels)}"
        if math.prod(self.cell_chunks) > 1:
            text += f"; each block drawn stands for {count_text(math.prod(self.cell_chunks))} of them"
        return f"{text}."

    @property
    def frame(self) -> Frame:
        """Its scale."""
        return Frame.around(self.shape)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The coloured faces of the chunks that are seen from outside; chunks at the edge are cut there."""
        return tuple(self._layers())

    def _layers(self) -> Iterator[Layer]:
        frame = self.frame
        shape, chunk_shape = frame.drawn(self.shape), frame.drawn(self.chunk_shape)
        cell = tuple(c * n for c, n in zip(chunk_shape, self.cell_chunks, strict=True))
        last = [n - 1 for n in grid_shape(shape, cell)]
        for face, u, v, matrix in frame.faces(shape):
            colours: dict[int, list[tuple[int, int, int, int]]] = {}
            for i, j in itertools.product(range(last[u] + 1), range(last[v] + 1)):
                index = list(last)
                index[u], index[v] = i, j
                box = block_region(tuple(index), cell, shape)
                colours.setdefault(_colour(*index), []).append((box.start[u], box.start[v], box.stop[u], box.stop[v]))
            for colour, boxes in sorted(colours.items()):
                yield Layer(role=f"k{colour}", face=face, matrix=matrix, boxes=boxes)


def _colour(first: int, second: int, third: int) -> int:
    """Return the colour of a block of the grid: each of 2 x 2 x 2 has its own, and runs along an axis change theirs."""
    hue = second + 2 * third + first // 2 + second // 2 + third // 2
    return 2 * (hue % (N_COLOURS // 2)) + (first + second + third) % 2


def chunk_picture(shape: Shape, chunk_shape: Shape) -> ChunkPicture:
    """Cut an image into chunks; where they are too many to draw, several share a block.

    Parameters
    ----------
    shape, chunk_shape : tuple of int
        Voxels; at least two axes, of which the last three are drawn.

    Raises
    ------
    UsageError
        If the numbers of axes differ, or there are fewer than two.
    """
    if len(shape) != len(chunk_shape):
        raise UsageError(f"image {shape_text(shape)} and chunks {shape_text(chunk_shape)} differ in their axes")
    frame = Frame.around(shape)
    counts = grid_shape(frame.drawn(shape), frame.drawn(chunk_shape))
    shared = [1] * len(counts)
    while _n_cells(cells := grid_shape(counts, tuple(shared))) > _MOST_CELLS:
        shared[cells.index(max(cells))] *= 2
    return ChunkPicture(shape=shape, chunk_shape=chunk_shape, cell_chunks=tuple(shared))


def _n_cells(cells: Shape) -> int:
    a, b, c = cells
    return a * b + b * c + c * a


def chunk_svg(picture: ChunkPicture) -> str:
    """Draw it as an SVG element of a few kilobytes."""
    label = f"An image of {shape_text(picture.shape)} voxels in {picture.sentence}"
    return picture_svg(picture.frame, picture.layers, picture.shape, label)
