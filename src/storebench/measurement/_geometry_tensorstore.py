"""What tensorstore must ask for to read a region: fewer metadata of Zarr than zarr-python, and Neuroglancer's chunks."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from storebench.access import Request
from storebench.grid import Region, Shape, block_region, blocks_touched, grid_shape, morton_number
from storebench.measurement._geometry import (
    ArrayGrid,
    Prediction,
    level_folders,
    objects_touched,
    stored_object,
    zarr_region,
)
from storebench.stores import Location

_SHARD_INDEX_ENTRY_BYTES: Final = 16


def array_document(folder: Path) -> Prediction:
    """The one file with an array's metadata; attributes are not looked at."""
    old = folder / ".zarray"
    return stored_object(old if old.exists() else folder / "zarr.json")


def group_document(folder: Path) -> Prediction:
    """The one file with a group's attributes."""
    old = folder / ".zattrs"
    return stored_object(old if old.exists() else folder / "zarr.json")


def zarr(location: Location, reads: Sequence[Request]) -> Prediction:
    """The array's metadata, then chunks or shards."""
    total = array_document(location.path)
    for read in reads:
        total += zarr_region(location.path, read.region)
    return total


def omezarr(location: Location, reads: Sequence[Request]) -> Prediction:
    """The group's attributes, the metadata of each level when it is first read, then chunks or shards."""
    total, folders = group_document(location.path), level_folders(location)
    for level in sorted({read.level for read in reads}):
        total += array_document(folders[level])
    for read in reads:
        total += zarr_region(folders[read.level], read.region)
    return total


def n5_document(folder: Path) -> Prediction:
    """The one file with a dataset's attributes; those of the container around it are not looked at."""
    return stored_object(folder / "attributes.json")


def n5_folder(location: Location) -> Path:
    """Return the folder of the dataset in its container: the only one there is."""
    (attributes,) = location.path.glob("*/attributes.json")
    return attributes.parent


def n5(location: Location, reads: Sequence[Request]) -> Prediction:
    """The dataset's attributes, then blocks."""
    folder = n5_folder(location)
    total, grid = n5_document(folder), ArrayGrid.of_n5(folder)
    for read in reads:
        total += objects_touched(grid, read.region)
    return total


def precomputed(location: Location, reads: Sequence[Request]) -> Prediction:
    """The info file once for each level, the first of which is opened with the image; then chunks or parts of shards."""
    info = stored_object(location.path / "info")
    scales = json.loads((location.path / "info").read_bytes())["scales"]
    total = sum((info for _ in {0, *(read.level for read in reads)}), Prediction())
    for read in reads:
        scale = scales[read.level]
        chunks = _shards if scale.get("sharding") else _chunks
        total += chunks(location.path / scale["key"], scale, read.region)
    return total


def _grids(scale: Mapping[str, Any]) -> tuple[Shape, Shape]:
    """Return image and chunk in voxels, z first."""
    return tuple(scale["size"][::-1]), tuple(scale["chunk_sizes"][0][::-1])


def _chunks(folder: Path, scale: Mapping[str, Any], region: Region) -> Prediction:
    """Each chunk by one request; its name says which voxels it holds, x first."""
    shape, chunk = _grids(scale)
    total = Prediction()
    for index in blocks_touched(region, chunk):
        own = block_region(index, chunk, shape)
        bounds = zip(own.start[::-1], own.stop[::-1], strict=True)
        total += stored_object(folder / "_".join(f"{a}-{b}" for a, b in bounds))
    return total


def _shards(folder: Path, scale: Mapping[str, Any], region: Region) -> Prediction:
    """Of a shard its index, its minishard's index and each chunk, or the whole where all of it is touched."""
    shape, chunk = _grids(scale)
    grid, sharding = grid_shape(shape, chunk), scale["sharding"]
    touched: dict[int, set[int]] = defaultdict(set)
    for index in blocks_touched(region, chunk):
        number = morton_number(index, grid)
        touched[number >> sharding["preshift_bits"]].add(number)
    total = Prediction()
    for shard, numbers in touched.items():
        digits = -(-sharding["shard_bits"] // 4)
        total += _shard(folder / f"{shard:0{digits}x}.shard", numbers, sharding)
    return total


def _shard(path: Path, numbers: set[int], sharding: Mapping[str, Any]) -> Prediction:
    """One shard with a single minishard, of which some chunks are read."""
    data = path.read_bytes()
    start, stop = (int(n) for n in np.frombuffer(data[:_SHARD_INDEX_ENTRY_BYTES], "<u8"))
    packed = data[_SHARD_INDEX_ENTRY_BYTES + start : _SHARD_INDEX_ENTRY_BYTES + stop]
    raw = gzip.decompress(packed) if sharding["minishard_index_encoding"] == "gzip" else packed
    steps, gaps, sizes = np.frombuffer(raw, "<u8").reshape(3, -1).astype(np.int64)
    if len(numbers) == len(sizes):
        return stored_object(path)
    starts = np.cumsum(gaps) + np.cumsum(sizes) - sizes
    wanted = np.isin(np.cumsum(steps), list(numbers))
    taken = int(sizes[wanted].sum())
    span = int(np.max((starts + sizes)[wanted]) - np.min(starts[wanted]))
    return Prediction(
        requests=2 + int(wanted.sum()),
        n_bytes=_SHARD_INDEX_ENTRY_BYTES + len(packed) + taken,
        n_parts=2,
        beside_bytes=span - taken,
    )
