"""Writes as instruments and pipelines do them."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.suites._grid import Grid


def streaming() -> Iterator[Grid]:
    """Yield the grids."""
    yield from ()
