"""Patterns of one box: a plane, a slab, a box, a voxel, a view."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from storebench.access._requests import SCREEN_YX, Request, Target
from storebench.errors import UsageError
from storebench.grid import Region, Shape
from storebench.names import NameRule


@dataclass(frozen=True, slots=True)
class BoxPattern:
    """One box: how large, and where.

    Attributes
    ----------
    name : str
        As in `RULES`.
    extent : mapping of str to int
        Voxels wanted per axis; an axis that is not named is taken whole. Clipped to the image.
    grid : int or None
        For aligned and misaligned variants: edge of the grid in voxels.
    aligned : bool
        Whether regions start on the grid, or half a cell beside it.
    level : int
        Resolution level that is read.
    shown_at : int
        Read at full resolution, but where `viewport@` of that level looks, so that both show the same part of the image.
    needs : str
        Axes without which the pattern has no meaning.
    """

    name: str
    extent: Mapping[str, int]
    grid: int | None = None
    aligned: bool = True
    level: int = 0
    shown_at: int = 0
    needs: str = ""

    def requests(self, target: Target, seed: int = 0) -> tuple[Request, ...]:
        """Return the one box, as `AccessPattern.requests`."""
        if self.level >= len(target.levels):
            raise UsageError(
                f"pattern {self.name}: the image has no level {self.level}, its levels are 0 to {len(target.levels) - 1}"
            )
        missing = [axis for axis in self.needs if axis not in target.axes]
        if missing:
            raise UsageError(
                f"pattern {self.name} needs axis {', '.join(missing)}; the image has the axes {target.axes}"
            )
        shape = target.levels[self.level]
        start, stop = [], []
        shown = self._first_shown(target, seed) if self.shown_at else None
        for index, (axis, n_voxels) in enumerate(zip(target.axes, shape, strict=True)):
            wanted = min(self.extent.get(axis, n_voxels), n_voxels)
            last = n_voxels - wanted
            first = min(shown[index], last) if shown else self._first(axis, last, seed, shape)
            start.append(first)
            stop.append(first + wanted)
        return (Request(self.level, Region(tuple(start), tuple(stop))),)

    def _first(self, axis: str, last: int, seed: int, shape: Shape) -> int:
        """Return where the region starts on an axis: 0 to `last`, drawn from the names."""
        text = f"{seed}/{self.name}/{'x'.join(map(str, shape))}/{axis}"
        drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        if self.grid is None or last == 0:
            return drawn % (last + 1)
        offset = 0 if self.aligned else self.grid // 2
        cells = (last - offset) // self.grid + 1 if last >= offset else 0
        return offset + self.grid * (drawn % cells) if cells else 0

    def _first_shown(self, target: Target, seed: int) -> Shape:
        """Return where the view of the smaller level starts, in voxels of full resolution."""
        factors = [2**self.shown_at if axis in "zyx" else 1 for axis in target.axes]
        smaller = tuple(-(-n // factor) for n, factor in zip(target.levels[0], factors, strict=True))
        view = BoxPattern(f"viewport@{self.shown_at}", _screen(0))
        (shown,) = view.requests(Target((smaller,), target.axes), seed)
        return tuple(first * factor for first, factor in zip(shown.region.start, factors, strict=True))


def _one_plane(kept: str) -> Callable[[re.Match[str]], dict[str, object]]:
    """Return the extents of a plane that keeps the axes `kept` whole."""
    return lambda _: {"extent": {axis: 1 for axis in "tczyx" if axis not in kept}, "needs": kept}


def _screen(level: int) -> dict[str, int]:
    """Return the extents, in voxels of full resolution, of what a screen shows of one xy plane at a level."""
    return {"t": 1, "c": 1, "z": 1, "y": SCREEN_YX[0] * 2**level, "x": SCREEN_YX[1] * 2**level}


def _roi(match: re.Match[str]) -> dict[str, object]:
    edges = [int(n) for n in match["edges"].split("x")]
    if len(edges) not in (1, 2, 3):
        raise UsageError(f"pattern {match[0]}: give one edge or one per axis (z x y x x), not {len(edges)}")
    extent = dict.fromkeys("zyx", edges[0]) if len(edges) == 1 else dict(zip("xyz", reversed(edges), strict=False))
    fields: dict[str, object] = {"extent": {"t": 1, "c": 1} | extent}
    if match["grid"]:
        fields |= {"grid": int(match["grid"]), "aligned": match["how"] == "aligned"}
    return fields


_SIZE: Final = r"[1-9][0-9]*"
RULES: Final = (
    NameRule("whole", lambda _: {"extent": {}}, ("whole",), "the whole image"),
    NameRule("plane_xy", _one_plane("yx"), ("plane_xy",), "one plane as acquired: z fixed"),
    NameRule("plane_xz", _one_plane("zx"), ("plane_xz",), "one plane across: y fixed"),
    NameRule("plane_yz", _one_plane("zy"), ("plane_yz",), "one plane across: x fixed"),
    NameRule(
        rf"slab({_SIZE})",
        lambda m: {"extent": {"t": 1, "c": 1, "z": int(m[1])}, "needs": "z"},
        ("slab16",),
        "that many neighbouring xy planes",
    ),
    NameRule(
        rf"roi(?P<edges>{_SIZE}(x{_SIZE})*)(-(?P<how>aligned|misaligned)(?P<grid>{_SIZE}))?",
        _roi,
        ("roi32", "roi64", "roi16x64x64", "roi64-aligned64", "roi64-misaligned64"),
        "a box of that edge (or z x y x x edges) anywhere; -aligned64 starts on a grid of 64, -misaligned64 half a cell beside",
    ),
    NameRule(
        rf"tile({_SIZE})",
        lambda m: {"extent": {"t": 1, "c": 1, "z": 1, "y": int(m[1]), "x": int(m[1])}},
        ("tile256",),
        "a square of that edge in one xy plane",
    ),
    NameRule(
        r"voxel_line_([zyx])",
        lambda m: {"extent": {axis: 1 for axis in "tczyx" if axis != m[1]}, "needs": m[1]},
        ("voxel_line_z", "voxel_line_y", "voxel_line_x"),
        "all voxels along one axis, as for a time or depth profile",
    ),
    NameRule("voxel", lambda _: {"extent": dict.fromkeys("tczyx", 1)}, ("voxel",), "a single voxel"),
    NameRule(
        r"level@([0-9])",
        lambda m: {"extent": {}, "level": int(m[1])},
        ("level@1", "level@2"),
        "the whole image at a resolution level",
    ),
    NameRule(
        r"viewport@([0-9])",
        lambda m: {"extent": _screen(0), "level": int(m[1])},
        ("viewport@0", "viewport@1", "viewport@2"),
        "what a screen of 2560 x 1664 shows of one xy plane at a resolution level",
    ),
    NameRule(
        r"viewport@([1-9])-from0",
        lambda m: {"extent": _screen(int(m[1])), "shown_at": int(m[1])},
        ("viewport@1-from0", "viewport@2-from0"),
        "the part of the plane that viewport@1 shows, at full resolution: the price of that view where there are no levels",
    ),
)
