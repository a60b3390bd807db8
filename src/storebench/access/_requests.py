"""What a pattern turns an image into: requests, each a region of a level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from storebench.grid import Region, Shape

SCREEN_YX: Final = (1664, 2560)
"""The chapter's laptop screen, in pixels (rows, columns)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is read: the shape of each resolution level (0 = full) and the axis names, slowest first."""

    levels: tuple[Shape, ...]
    axes: str


@dataclass(frozen=True, slots=True)
class Request:
    """One read: a region in the voxels of a level."""

    level: int
    region: Region


class AccessPattern(Protocol):
    """A named way to go through an image."""

    @property
    def name(self) -> str:
        """Its name, which says all of it."""

    def requests(self, target: Target, seed: int = 0) -> tuple[Request, ...]:
        """Return the parts of one sample, in order.

        Parameters
        ----------
        target : Target
            The image.
        seed : int
            Same seed, same regions.

        Raises
        ------
        UsageError
            If the image has no such axis or level.
        """
