"""Traces: what somebody who looks at an image asks for, view after view, from one open image.

A trace opens with an overview, zooms in by steps of one level to full resolution around a point, moves about there, and
zooms out again. Everything is drawn in voxels of level 0 and then scaled to the level that is read, so that every format
shows the same parts of the image, whichever axes its levels are smaller on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from storebench.access._requests import SCREEN_YX, Request, Target
from storebench.errors import UsageError
from storebench.grid import Region, Shape, grid_shape
from storebench.names import NameRule

Phase = Literal["overview", "zoom in", "pan", "planes", "zoom out"]

N_PANS: Final = 10
N_PLANES: Final = 5
ROI_EDGE: Final = 256


@dataclass(frozen=True, slots=True)
class TracePattern:
    """Somebody with a viewer: overview, zoom in, pan, other planes, zoom out.

    Attributes
    ----------
    name : str
        As in `RULES`.
    extent : mapping of str to int
        Voxels of a level that are shown at once, per axis; 1: one plane of that axis at a time. Clipped to the image.
    from0 : bool
        The same parts of the image from full resolution: what storage without levels makes a viewer read.
    """

    name: str
    extent: Mapping[str, int]
    from0: bool = False

    def requests(self, target: Target, seed: int = 0) -> tuple[Request, ...]:
        """Return the views of one sample, in order.

        Parameters
        ----------
        target : Target
            The image. The views begin at its first level that fits the screen, or else at its last; where everything is
            read from full resolution, at the one that would fit if the axes that are shown were halved level by level.
        seed : int
            Same seed, same parts of the image.

        Raises
        ------
        UsageError
            If the image has none of the axes that are shown.
        """
        if not any(axis in target.axes for axis in self._shown):
            raise UsageError(f"pattern {self.name} needs axis {self._shown}; the image has the axes {target.axes}")
        if not self.from0:
            return tuple(request for _, request in self._views(target, seed))
        whole, halved = target.levels[0], [axis in self._shown for axis in target.axes]
        levels = self._ideal_levels(target)
        views = self._views(Target(levels, target.axes), seed)
        return tuple(Request(0, _at_full_resolution(view, whole, halved)) for _, view in views)

    def phases(self, shape: Shape, axes: str, n_views: int) -> tuple[Phase, ...]:
        """Name what each view of a trace is part of, without knowing the levels: as many as were zoomed through.

        Parameters
        ----------
        shape : tuple of int
            Voxels of level 0.
        axes : str
            Axis names.
        n_views : int
            Views that the trace had.
        """
        moves = [phase for phase, _ in self._moves(Target((shape,), axes), 0)]
        n_zooms = (n_views - 1 - len(moves)) // 2
        zoom_in: list[Phase] = ["zoom in"] * n_zooms
        zoom_out: list[Phase] = ["zoom out"] * n_zooms
        return ("overview", *zoom_in, *moves, *zoom_out)

    @property
    def scene(self) -> str:
        """The name of the trace that shows the same parts of the image from its levels."""
        return self.name.removesuffix(_FROM0)

    @property
    def _shown(self) -> str:
        """The axes that a view shows more than one voxel of: those that are zoomed and panned along."""
        return "".join(axis for axis, n_voxels in self.extent.items() if n_voxels > 1)

    def _views(self, target: Target, seed: int) -> Iterator[tuple[Phase, Request]]:
        """Yield each view with its phase."""
        coarsest = next((k for k, shape in enumerate(target.levels) if self._fits(shape, target.axes)), None)
        coarsest = len(target.levels) - 1 if coarsest is None else coarsest
        focus = self._focus(target, seed)
        for level in range(coarsest, -1, -1):
            yield "overview" if level == coarsest else "zoom in", self._view(target, level, focus)
        for phase, focus in self._moves(target, seed):
            yield phase, self._view(target, 0, focus)
        for level in range(1, coarsest + 1):
            yield "zoom out", self._view(target, level, focus)

    def _view(self, target: Target, level: int, focus: Shape) -> Request:
        """Return the view of a level around a point of level 0, moved where it would stick out of the image."""
        start, stop = [], []
        for axis, n, n_full, at in zip(target.axes, target.levels[level], target.levels[0], focus, strict=True):
            shown = min(self.extent.get(axis, 1), n)
            first = min(max(at * n // n_full - shown // 2, 0), n - shown)
            start.append(first)
            stop.append(first + shown)
        return Request(level, Region(tuple(start), tuple(stop)))

    def _focus(self, target: Target, seed: int) -> Shape:
        """Return the point of level 0 that is zoomed in to: where a view of full resolution has room around it."""
        places = []
        for axis, n in zip(target.axes, target.levels[0], strict=True):
            shown = min(self.extent.get(axis, 1), n)
            places.append(shown // 2 + self._draw(seed, target, axis) % (n - shown + 1))
        return tuple(places)

    def _moves(self, target: Target, seed: int) -> Iterator[tuple[Phase, Shape]]:
        """Yield the points of level 0 that are looked at one after the other at full resolution.

        Pans are by half a view along one axis, drawn for each step; other planes are the neighbours. At the image's
        border the direction turns, so that no view is the one before again.
        """
        whole = target.levels[0]
        at = list(self._focus(target, seed))
        direction = [1 if self._draw(seed, target, f"towards {axis}") % 2 else -1 for axis in target.axes]
        shown = [min(self.extent.get(axis, 1), n) for axis, n in zip(target.axes, whole, strict=True)]
        wide = [i for i, axis in enumerate(target.axes) if axis in self._shown and shown[i] < whole[i]]
        flat = [i for i, axis in enumerate(target.axes) if axis in "z" and axis not in self._shown and whole[i] > 1]
        steps: list[tuple[Phase, int]] = []
        if wide:
            steps += [("pan", wide[self._draw(seed, target, f"step {n}") % len(wide)]) for n in range(N_PANS)]
        if flat:
            steps += [("planes", flat[0])] * N_PLANES
        for phase, i in steps:
            low, high = shown[i] // 2, shown[i] // 2 + whole[i] - shown[i]
            if at[i] == (high if direction[i] > 0 else low):
                direction[i] = -direction[i]
            at[i] = min(max(at[i] + direction[i] * max(shown[i] // 2, 1), low), high)
            yield phase, tuple(at)

    def _fits(self, shape: Shape, axes: str) -> bool:
        """Tell whether a view shows the whole of a level, along the axes that are zoomed."""
        return all(n <= self.extent[axis] for axis, n in zip(axes, shape, strict=True) if axis in self._shown)

    def _ideal_levels(self, target: Target) -> tuple[Shape, ...]:
        """Return the levels that there would be: the axes that are shown, halved until a view holds them."""
        levels = [target.levels[0]]
        while not self._fits(levels[-1], target.axes):
            factors = tuple(2 ** len(levels) if axis in self._shown else 1 for axis in target.axes)
            levels.append(grid_shape(target.levels[0], factors))
        return tuple(levels)

    def _draw(self, seed: int, target: Target, what: str) -> int:
        """Return a number that follows from the names alone, the same for a trace with levels and from full resolution."""
        shape = "x".join(map(str, target.levels[0]))
        text = f"{seed}/{self.scene}/{shape}/{what}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _at_full_resolution(view: Request, whole: Shape, halved: list[bool]) -> Region:
    """Return the voxels of level 0 that a view of a smaller level stands for."""
    factors = [2**view.level if is_halved else 1 for is_halved in halved]
    region = view.region
    return Region(
        tuple(first * factor for first, factor in zip(region.start, factors, strict=True)),
        tuple(min(last * factor, n) for last, factor, n in zip(region.stop, factors, whole, strict=True)),
    )


_FROM0: Final = "-from0"
_EDGE: Final = r"(?:[2-9]|[1-9][0-9]+)"
_SCREEN_NAME: Final = rf"viewer((?P<y>{_EDGE})x(?P<x>{_EDGE}))?"
_BOX_NAME: Final = rf"viewer_roi(?P<edge>{_EDGE})?"


def _screen(match: re.Match[str]) -> dict[str, object]:
    height, width = (int(match["y"]), int(match["x"])) if match["y"] else SCREEN_YX
    return {"extent": {"y": height, "x": width}, "from0": match[0].endswith(_FROM0)}


def _box(match: re.Match[str]) -> dict[str, object]:
    return {"extent": dict.fromkeys("zyx", int(match["edge"] or ROI_EDGE)), "from0": match[0].endswith(_FROM0)}


RULES: Final = (
    NameRule(
        _SCREEN_NAME,
        _screen,
        ("viewer", "viewer832x1280"),
        "what somebody sees of xy planes on a screen of 1664 x 2560 (or rows x columns), view after view: overview, zoom in, "
        "pan, other planes, zoom out",
    ),
    NameRule(
        _SCREEN_NAME + _FROM0,
        _screen,
        ("viewer-from0",),
        "the same parts of the image at full resolution: the price of those views where there are no levels",
    ),
    NameRule(
        _BOX_NAME,
        _box,
        ("viewer_roi", "viewer_roi128"),
        "the same in 3-D: boxes of 256 voxels (or that edge) of a level, zoomed in to and moved by half",
    ),
    NameRule(_BOX_NAME + _FROM0, _box, ("viewer_roi-from0",), "those boxes at full resolution"),
)
