"""Views of a viewer, one after the other, and what their levels cost."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.suites._grid import Grid


def multiscale() -> Iterator[Grid]:
    """Yield the grids."""
    yield from ()
