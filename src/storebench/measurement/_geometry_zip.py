"""What Zarr in a zip must be asked for to read a region: the zip's list of entries, then entries, each behind a head of its own."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

from storebench.access import Request
from storebench.grid import Region
from storebench.measurement._geometry import ArrayGrid, Prediction, shard_parts
from storebench.stores import Location

_END_BYTES, _LARGE_END_BYTES = 22, 20
_LISTED_BYTES, _HEAD_BYTES = 46, 30
_REQUESTS_OF_ONE: Final = 3
"""Of an entry: its head, its name, its bytes."""


def zarr3(location: Location, reads: Sequence[Request]) -> Prediction:
    """The end of the zip, its list, the array's metadata; then chunks or shards.

    `n_parts` is the number of chunks inside of shards that are asked for, and `beside_bytes` what a reader drags along that
    looks for each of them from the beginning of its shard.
    """
    with zipfile.ZipFile(location.path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        list_bytes = sum(_LISTED_BYTES + len(entry.filename) for entry in archive.infolist())
        total = Prediction(requests=3, n_bytes=_END_BYTES + _LARGE_END_BYTES + list_bytes)
        total += _entry(entries["zarr.json"])
        if reads:
            grid = ArrayGrid.of_v3(Path(), json.loads(archive.read("zarr.json")))
            total = sum((_region(archive, entries, grid, read.region) for read in reads), total)
    return total


def _entry(entry: zipfile.ZipInfo) -> Prediction:
    return Prediction(requests=_REQUESTS_OF_ONE, n_bytes=_head_bytes(entry) + entry.compress_size)


def _head_bytes(entry: zipfile.ZipInfo) -> int:
    return _HEAD_BYTES + len(entry.filename)


def _region(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], grid: ArrayGrid, region: Region
) -> Prediction:
    total = Prediction()
    for path, own, part in grid.touched(region):
        entry = entries.get(path.as_posix())
        if entry is None:
            continue  # known from the list
        if grid.inner is None:
            total += _entry(entry)
            continue
        with archive.open(entry) as file:
            total += _shard(file, entry, part.relative_to(own.start), grid, grid.inner)
    return total


def _shard(
    file: IO[bytes], entry: zipfile.ZipInfo, region: Region, grid: ArrayGrid, inner: dict[str, Any]
) -> Prediction:
    """The index of a shard, then its chunks at one go, or the whole."""
    found = shard_parts(file, region, grid.block, inner)
    if found is None:
        return _entry(entry)
    from_the_beginning = (2 + found.n_chunks) * entry.compress_size
    return Prediction(
        requests=_REQUESTS_OF_ONE * (1 + min(found.n_chunks, 1)),
        n_bytes=_head_bytes(entry) * (1 + min(found.n_chunks, 1)) + found.index_bytes + found.taken_bytes,
        n_parts=found.n_chunks,
        beside_bytes=from_the_beginning + found.n_chunks * _head_bytes(entry),
    )
