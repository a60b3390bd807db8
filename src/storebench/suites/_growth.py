"""What grows with the volume, and what with the number of objects."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.suites._grid import Grid


def growth() -> Iterator[Grid]:
    """Yield the grids."""
    yield from ()
