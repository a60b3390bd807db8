"""Streams: an image as an instrument gives it, slab after slab along z, all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from storebench.access._requests import Request, Target
from storebench.errors import UsageError
from storebench.grid import iter_blocks
from storebench.names import NameRule

_SLAB_AXIS: Final = "z"


@dataclass(frozen=True, slots=True)
class StreamPattern:
    """Slabs of whole planes along z, in order; where there are times and channels, each volume after the other.

    Attributes
    ----------
    name : str
        As in `RULES`.
    n_planes : int
        Planes of a slab; the last one of a volume may have fewer.
    """

    name: str
    n_planes: int

    def requests(self, target: Target, seed: int = 0) -> tuple[Request, ...]:
        """Return the slabs of one sample, in order; together they are level 0.

        Parameters
        ----------
        target : Target
            The image.
        seed : int
            Not looked at: a stream has one order.

        Raises
        ------
        UsageError
            If the image has no z.
        """
        if _SLAB_AXIS not in target.axes:
            raise UsageError(
                f"pattern {self.name} goes through z, plane by plane; the image has the axes {target.axes}: take a volume"
            )
        shape = target.levels[0]
        extents = dict.fromkeys("tc", 1) | {_SLAB_AXIS: self.n_planes}
        slab = tuple(extents.get(axis, n) for axis, n in zip(target.axes, shape, strict=True))
        return tuple(Request(0, region) for region in iter_blocks(shape, slab))


RULES: Final = (
    NameRule(
        r"stream([1-9][0-9]*)",
        lambda m: {"n_planes": int(m[1])},
        ("stream1", "stream16", "stream64"),
        "all of the image, so many whole xy planes at a time, in order: as a camera gives it",
    ),
)
