"""Where boxes of voxels stand in a picture: three faces seen from a corner, or flat for an image of two axes.

A face is drawn in the voxels of its own two axes, and a matrix places it: coordinates stay whole numbers, so a picture of
hundreds of chunks is a few kilobytes. `static/voxels.js` draws by the same rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from storebench.errors import UsageError
from storebench.grid import Region, Shape
from storebench.units import shape_text

Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in voxels of a face's two axes; a line where two of them are equal."""

LONGEST: Final = 100.0  # picture units of the longest axis
THINNEST: Final = 0.08  # of the longest axis: a thinner image would be a line
MOST_LINES: Final = 40  # per axis: more lines than that are a grey surface, and kilobytes
_COS, _SIN = math.cos(math.radians(30)), 0.5
_SIDES, _ABOVE, _BELOW = 20, 3, 9  # picture units around it, where the extents are written


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What stands on one face of a picture in one style.

    Attributes
    ----------
    role : str
        What it stands for; a CSS class.
    face : int
        The axis that the face is across: 0 looks left, 1 up, 2 right. A flat image has face 1 alone.
    matrix : tuple of float
        From the face's voxels to picture units, as SVG's `matrix(a b c d e f)`.
    boxes, lines : sequence of Box
        Filled boxes, and lines without a surface.
    """

    role: str
    face: int
    matrix: Matrix
    boxes: Sequence[Box]
    lines: Sequence[Box] = ()

    def place(self, u: float, v: float) -> Point:
        """Return where a point of the face is in the picture; y grows downwards as in SVG."""
        a, b, c, d, e, f = self.matrix
        return a * u + c * v + e, b * u + d * v + f


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The scale of a picture in which an extent of voxels fits.

    Attributes
    ----------
    extent : tuple of 3 int
        Voxels of the axes that are drawn: an image's last three. One of two axes lies flat, its second axis of 1 voxel made up.
    is_flat : bool
        Whether that is so.
    """

    extent: Shape
    is_flat: bool

    @classmethod
    def around(cls, *extents: Shape) -> Frame:
        """Return the frame in which boxes that start at zero all fit.

        Raises
        ------
        UsageError
            If there are fewer than two axes.
        """
        largest = tuple(map(max, zip(*extents, strict=True)))
        if len(largest) < 2:
            raise UsageError(f"a picture needs at least two axes, {shape_text(largest)} has {len(largest)}")
        return cls(extent=_three(largest, 1), is_flat=len(largest) == 2)

    @property
    def steps(self) -> tuple[Point, Point, Point]:
        """One voxel along each axis, in picture units: left and down, up, right and down; or down, nowhere, right."""
        longest = max(self.extent)
        first, second, third = (LONGEST * max(1 / longest, THINNEST / n) for n in self.extent)
        if self.is_flat:
            return (0.0, first), (0.0, 0.0), (third, 0.0)
        return (-_COS * first, _SIN * first), (0.0, -second), (_COS * third, _SIN * third)

    @property
    def is_to_scale(self) -> bool:
        """Whether no axis is drawn longer than it is."""
        drawn = [n for axis, n in enumerate(self.extent) if not (self.is_flat and axis == 1)]
        return min(drawn) >= THINNEST * max(drawn)

    def drawn(self, shape: Shape, made_up: int = 1) -> Shape:
        """Return what stands for the three axes that are drawn; `made_up` on the axis that a flat image lacks."""
        return _three(shape, made_up)

    def faces(self, stop: Shape) -> Iterator[tuple[int, int, int, Matrix]]:
        """Yield each face, its two axes, and its matrix, for a box that ends at `stop` (voxels of the drawn axes)."""
        steps = self.steps
        for face, u, v in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
            if face == 1 or not self.is_flat:
                x, y = steps[face]
                yield face, u, v, (*steps[u], *steps[v], x * stop[face], y * stop[face])

    def box_layers(self, role: str, box: Region, step: Shape) -> Iterator[Layer]:
        """Yield the faces of a box, with the lines of a grid of `step` voxels that begins where the box does."""
        start, stop, steps = self.drawn(box.start, 0), self.drawn(box.stop), self.drawn(step)
        for face, u, v, matrix in self.faces(stop):
            lines = [(at, start[v], at, stop[v]) for at in _cuts(start[u], stop[u], steps[u])]
            lines += [(start[u], at, stop[u], at) for at in _cuts(start[v], stop[v], steps[v])]
            outline = (start[u], start[v], stop[u], stop[v])
            yield Layer(role=role, face=face, matrix=matrix, boxes=(outline,), lines=tuple(lines))

    def point(self, *place: float) -> Point:
        """Return where a place (voxels of the drawn axes) is in the picture."""
        x, y = (sum(step[part] * n for step, n in zip(self.steps, place, strict=True)) for part in (0, 1))
        return x, y

    @property
    def view_box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the picture, with room for the extents written beside the edges."""
        ends = [[n * step[part] for n, step in zip(self.extent, self.steps, strict=True)] for part in (0, 1)]
        left, top = (sum(min(end, 0) for end in part) for part in ends)
        right, bottom = (sum(max(end, 0) for end in part) for part in ends)
        return left - _SIDES, top - _ABOVE, right - left + 2 * _SIDES, bottom - top + _ABOVE + _BELOW

    def labels(self, shape: Shape) -> Iterator[tuple[float, float, str, str]]:
        """Yield x, y, text anchor and text of the image's extents, each at the middle of an edge."""
        first, second, third = self.drawn(shape)
        x, y = self.point(first / 2, 0, third)
        yield x + 2, y + (2 if self.is_flat else 6), "start", str(first)
        if not self.is_flat:
            x, y = self.point(first, second / 2, 0)
            yield x - 2, y + 2, "end", str(second)
        x, y = self.point(first, 0, third / 2)
        yield x - 2, y + 6, "end", str(third)


def _three(shape: Shape, made_up: int) -> Shape:
    return (shape[0], made_up, shape[1]) if len(shape) == 2 else shape[-3:]


def _cuts(start: int, stop: int, step: int) -> range:
    """Return where a grid cuts an axis inside (start, stop), thinned where there are too many lines."""
    every = step * math.ceil((stop - start) / step / MOST_LINES)
    return range(start + every, stop, every)


def picture_svg(frame: Frame, layers: Iterable[Layer], shape: Shape, label: str) -> str:
    """Write a picture as an SVG element that takes its colours from the page.

    Parameters
    ----------
    frame : Frame
        Its scale.
    layers : iterable of Layer
        Back to front.
    shape : tuple of int
        Voxels of the image, written at its edges.
    label : str
        What it shows, for those who do not see it.
    """
    view_box = " ".join(f"{n:.5g}" for n in frame.view_box)
    paths = "".join(_path(layer) for layer in layers)
    texts = "".join(
        f'<text x="{x:.4g}" y="{y:.4g}" text-anchor="{anchor}">{escape(text)}</text>'
        for x, y, anchor, text in frame.labels(shape)
    )
    return f'<svg class="vx" viewBox="{view_box}" role="img" aria-label={quoteattr(label)}>{paths}{texts}</svg>'


def _path(layer: Layer) -> str:
    matrix = " ".join(f"{n:.6g}" for n in layer.matrix)
    boxes = "".join(f"M{a} {b}h{c - a}v{d - b}h{a - c}z" for a, b, c, d in layer.boxes)
    lines = "".join(f"M{a} {b}v{d - b}" if a == c else f"M{a} {b}h{c - a}" for a, b, c, d in layer.lines)
    return f'<path class="{layer.role} f{layer.face}" transform="matrix({matrix})" d="{boxes}{lines}"/>'


def corners(layer: Layer, box: Box) -> tuple[Point, ...]:
    """Return the corners of a box in the picture; the two ends of a line."""
    a, b, c, d = box
    around = ((a, b), (c, d)) if a == c or b == d else ((a, b), (c, b), (c, d), (a, d))
    return tuple(layer.place(u, v) for u, v in around)
