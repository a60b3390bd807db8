"""Isometric pictures of a chunked image: which voxels were asked for, and which had to be decoded.

Pure Python and a few kilobytes each. All numbers come from `storebench.grid`, none is drawn by hand: the chapter's own
figure counted 96 voxels where the chunk grid gives 48.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal
from xml.sax.saxutils import escape, quoteattr

from storebench.errors import UsageError
from storebench.grid import (
    Region,
    Shape,
    block_region,
    blocks_touched,
    chunks_touched,
    read_amplification,
    voxels_decoded,
)
from storebench.units import ratio_text, shape_text

Role = Literal["image", "grid", "decoded", "decoded-grid", "asked"]
Point = tuple[float, float]

CHAPTER_SHAPE: Final[Shape] = (10, 10, 20)
CHAPTER_REGION: Final = Region((2, 3, 2), (4, 5, 4))
CHAPTER_CHUNKS: Final[tuple[Shape, ...]] = ((10, 10, 1), (2, 2, 3))

_COS, _SIN = math.cos(math.radians(30)), math.sin(math.radians(30))
_MAX_LINES: Final = 40  # per axis: more lines than that are a grey surface, and kilobytes
_STYLES: Final[dict[Role, str]] = {
    "image": "fill:var(--box,#f4f6f8);stroke:var(--box-line,#57606a);stroke-width:.06",
    "grid": "fill:none;stroke:var(--box-line,#57606a);stroke-width:.025;stroke-opacity:.65",
    "decoded": "fill:var(--decoded,#d9860f);fill-opacity:.38;stroke:var(--decoded-line,#8a5200);stroke-width:.07",
    "decoded-grid": "fill:none;stroke:var(--decoded-line,#8a5200);stroke-width:.045",
    "asked": "fill:var(--asked,#b3261e);stroke:var(--asked-line,#4d0f0b);stroke-width:.05",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """One polygon or open line of a picture, in picture units (one voxel edge = 1).

    Attributes
    ----------
    role : str
        What it stands for.
    points : tuple of (x, y)
        Corners; y grows downwards as in SVG.
    closed : bool
        A filled face, or a line.
    """

    role: Role
    points: tuple[Point, ...]
    closed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCost:
    """What reading a region from a chunk grid costs, in voxels, from the geometry alone."""

    shape: Shape
    chunk_shape: Shape
    region: Region
    chunks: int
    asked: int
    decoded: int
    amplification: float

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return (
            f"You asked for {self.asked} voxels, the computer decoded {self.decoded}: "
            f"{self.chunks} chunk{'s' if self.chunks != 1 else ''} of {shape_text(self.chunk_shape)}, "
            f"{ratio_text(self.amplification)} times what was asked."
        )


def read_cost(shape: Shape, chunk_shape: Shape, region: Region) -> ReadCost:
    """Count chunks and voxels of one read.

    Parameters
    ----------
    shape, chunk_shape : tuple of int
        Image and chunk, voxels.
    region : Region
        What is asked for.
    """
    return ReadCost(
        shape=shape,
        chunk_shape=chunk_shape,
        region=region,
        chunks=chunks_touched(region, chunk_shape),
        asked=region.n_voxels,
        decoded=voxels_decoded(region, chunk_shape),
        amplification=read_amplification(region, chunk_shape),
    )


def _project(first: float, second: float, third: float) -> Point:
    """Place a voxel corner: the third axis runs to the right, the first to the left (both downwards), the second up."""
    return ((third - first) * _COS, (third + first) * _SIN - second)


def _faces(role: Role, box: Region) -> Iterator[Piece]:
    """Yield the three faces of a box that the viewer sees: top, front left, front right."""
    (a0, b0, c0), (a1, b1, c1) = box.start, box.stop
    corners = (
        ((a0, b1, c0), (a0, b1, c1), (a1, b1, c1), (a1, b1, c0)),
        ((a1, b0, c0), (a1, b1, c0), (a1, b1, c1), (a1, b0, c1)),
        ((a0, b0, c1), (a0, b1, c1), (a1, b1, c1), (a1, b0, c1)),
    )
    for face in corners:
        yield Piece(role, tuple(_project(*corner) for corner in face))


def _cuts(start: int, stop: int, step: int) -> list[int]:
    """Return where the grid cuts an axis inside (start, stop), thinned where there are too many lines."""
    cuts = [n for n in range(start - start % step, stop, step) if n > start]
    return cuts[:: -(-len(cuts) // _MAX_LINES)] if cuts else []


def _grid_lines(role: Role, box: Region, chunk_shape: Shape) -> Iterator[Piece]:
    """Yield the chunk borders on the three visible faces of a box."""
    (a0, b0, c0), (a1, b1, c1) = box.start, box.stop
    first, second, third = (_cuts(a, z, step) for a, z, step in zip(box.start, box.stop, chunk_shape, strict=True))
    paths = [((a, b1, c0), (a, b1, c1), (a, b0, c1)) for a in first]
    paths += [((a1, b, c0), (a1, b, c1), (a0, b, c1)) for b in second]
    paths += [((a0, b1, c), (a1, b1, c), (a1, b0, c)) for c in third]
    for path in paths:
        yield Piece(role, tuple(_project(*corner) for corner in path), closed=False)


def voxel_pieces(shape: Shape, chunk_shape: Shape, region: Region) -> tuple[Piece, ...]:
    """Return the polygons of a picture, back to front.

    Parameters
    ----------
    shape, chunk_shape : tuple of 3 int
        Image and chunk, voxels.
    region : Region
        What is asked for, inside the image.

    Raises
    ------
    UsageError
        If the image has not three axes, or the region does not lie inside.
    """
    if len(shape) != 3 or len(chunk_shape) != 3 or not region.fits(shape):
        raise UsageError(f"a picture needs three axes and a region inside the image, not {region} in {shape}")
    touched = [block_region(index, chunk_shape, shape) for index in blocks_touched(region, chunk_shape)]
    decoded = Region(
        tuple(min(box.start[axis] for box in touched) for axis in range(3)),
        tuple(max(box.stop[axis] for box in touched) for axis in range(3)),
    )
    image = Region.whole(shape)
    voxel_edges = _grid_lines("decoded-grid", region, (1, 1, 1))
    return tuple(
        itertools.chain(
            _faces("image", image),
            _grid_lines("grid", image, chunk_shape),
            _faces("decoded", decoded),
            _grid_lines("decoded-grid", decoded, chunk_shape),
            _faces("asked", region),
            (Piece("asked", piece.points, closed=False) for piece in voxel_edges),
        )
    )


def voxel_svg(cost: ReadCost) -> str:
    """Draw the picture as an SVG element of at most a few kilobytes.

    Parameters
    ----------
    cost : ReadCost
        What is drawn, from `read_cost`.

    Returns
    -------
    str
        SVG that takes its colours from the page's variables, and has its own where there is no page.
    """
    pieces = voxel_pieces(cost.shape, cost.chunk_shape, cost.region)
    xs, ys = zip(*(point for piece in pieces for point in piece.points), strict=True)
    left, top, margin = min(xs), min(ys), 0.3
    box = f"{left - margin:.2f} {top - margin:.2f} {max(xs) - left + 2 * margin:.2f} {max(ys) - top + 2 * margin:.2f}"
    groups = []
    for (role, closed), members in itertools.groupby(pieces, key=lambda piece: (piece.role, piece.closed)):
        path = "".join(_path(piece) for piece in members)
        style = _STYLES[role] if closed else _STYLES[role] + ";fill:none"
        groups.append(f'<path style="{style}" d="{path}"/>')
    body = "".join(groups)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-label={quoteattr(cost.sentence)} '
        f'stroke-linejoin="round"><title>{escape(cost.sentence)}</title>{body}</svg>'
    )


def _path(piece: Piece) -> str:
    steps = "L".join(f"{x:.2f} {y:.2f}" for x, y in piece.points)
    return f"M{steps}{'Z' if piece.closed else ''}"
