"""One large plane: JPEG 2000 of every kind beside TIFF, PNG and OME-Zarr."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.suites._grid import Grid


def large_plane() -> Iterator[Grid]:
    """Yield the grids."""
    yield from ()
