"""What each format must be asked for to read a region: from the files themselves and their geometry, never from a count."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from storebench.access import Request
from storebench.errors import DataError
from storebench.grid import Region, Shape, block_region, blocks_touched, grid_shape
from storebench.stores import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What an operation asks of its store.

    Attributes
    ----------
    requests : int
        Read requests; of a write the objects stored.
    n_bytes : int
        Bytes in them.
    n_parts : int
        Files, objects or pages that are looked into.
    beside_bytes : int
        Bytes between and beside those asked for that a library is allowed to drag along: gaps of a shard, tags of a TIFF.
    again_requests, again_bytes : int
        Of `requests` and `n_bytes`, what an earlier read of the same opening has fetched already.
    """

    requests: int = 0
    n_bytes: int = 0
    n_parts: int = 0
    beside_bytes: int = 0
    again_requests: int = 0
    again_bytes: int = 0

    def __add__(self, other: Prediction) -> Prediction:
        return Prediction(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


Family = Callable[[Location, Sequence[Request]], Prediction]
"""From a place and the reads, in order, to what they take; no reads: opening alone."""


def npy(location: Location, reads: Sequence[Request]) -> Prediction:
    """Header, then each run of voxels that lie side by side."""
    with location.path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        total = Prediction(requests=1, n_bytes=file.tell(), n_parts=1)
    for read in reads:
        total += Prediction(requests=n_runs(read.region, shape), n_bytes=read.region.n_voxels * dtype.itemsize)
    return total


def n_runs(region: Region, shape: Shape) -> int:
    """Return how many runs of voxels that lie side by side in C order a region is made of."""
    # An axis that is taken whole joins the runs of the axes behind it.
    split = max((i for i, n in enumerate(region.shape) if n != shape[i]), default=0)
    return math.prod(region.shape[:split])


_PNG_HEADER_BYTES: Final = 33


def png(location: Location, reads: Sequence[Request]) -> Prediction:
    """The header when it is opened, the whole file for each read."""
    opened = Prediction(requests=1, n_bytes=_PNG_HEADER_BYTES, n_parts=1)
    return sum((whole_file(location, [read]) for read in reads), opened)


def whole_file(location: Location, reads: Sequence[Request]) -> Prediction:
    """The whole file in one request for each read; what is looked at before is the backend's own and never counted."""
    return Prediction(requests=len(reads), n_bytes=len(reads) * location.path.stat().st_size, n_parts=len(reads))


def stack(plane: Family) -> Family:
    """Return the family of folders of 2-D files: the first file is opened, then each one that is touched, for each read."""

    def folder(location: Location, reads: Sequence[Request]) -> Prediction:
        places = [location.child(name) for name in sorted(file.name for file in location.files())]
        axes, _, along = places[0].path.name.partition("-")
        axis = axes.index(along[0])
        total = plane(places[0], ())
        for read in reads:
            start, stop = read.region.start, read.region.stop
            part = Request(read.level, Region(_without(start, axis), _without(stop, axis)))
            total = sum((plane(place, [part]) for place in places[start[axis] : stop[axis]]), total)
        return total

    return folder


def _without(extents: Shape, axis: int) -> Shape:
    return extents[:axis] + extents[axis + 1 :]


def zarr(location: Location, reads: Sequence[Request]) -> Prediction:
    """The array's metadata, then chunks or shards."""
    total = documents(location.path)
    for read in reads:
        total += zarr_region(location.path, read.region)
    return total


def omezarr(location: Location, reads: Sequence[Request]) -> Prediction:
    """The group's metadata, those of each level when it is first read, then chunks or shards."""
    paths = level_folders(location)
    total = documents(location.path)
    for level in sorted({read.level for read in reads}):
        total += documents(paths[level])
    for read in reads:
        total += zarr_region(paths[read.level], read.region)
    return total


def level_folders(location: Location) -> list[Path]:
    """Return the folder of each level of an OME-Zarr image."""
    attributes = _json(location.path / ".zattrs") or (_json(location.path / "zarr.json") or {})["attributes"]["ome"]
    return [location.path / dataset["path"] for dataset in attributes["multiscales"][0]["datasets"]]


def _json(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_bytes()) if path.exists() else None


def documents(folder: Path) -> Prediction:
    """One request for each metadata file of an array or group; v2 always asks for attributes too, there or not."""
    names = ["zarr.json"] if (folder / "zarr.json").exists() else [".zattrs"]
    names += [name for name in (".zarray", ".zgroup") if (folder / name).exists()]
    return sum((stored_object(folder / name) for name in names), Prediction())


def stored_object(path: Path) -> Prediction:
    """One object in one request; one that is not there is asked for all the same."""
    return Prediction(requests=1, n_bytes=path.stat().st_size if path.exists() else 0, n_parts=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayGrid:
    """How the metadata of an array of Zarr or N5 say it is cut into objects.

    Attributes
    ----------
    shape, block : tuple of int
        Voxels of the array and of one object: a chunk, or a shard.
    inner : dict or None
        The configuration of the sharding codec; None: objects are chunks.
    head, separator : str
        What a path has before and between its numbers.
    x_first : bool
        Whether a path begins with the last axis.
    """

    folder: Path
    shape: Shape
    block: Shape
    inner: dict[str, Any] | None
    head: str
    separator: str
    x_first: bool = False

    @classmethod
    def of(cls, folder: Path) -> ArrayGrid:
        """Read the metadata of a Zarr array."""
        old, new = _json(folder / ".zarray"), _json(folder / "zarr.json")
        if new is not None:
            return cls.of_v3(folder, new)
        if old is None:
            raise DataError(f"{folder} is no Zarr array: it has neither zarr.json nor .zarray; write the image anew")
        separator, block = old.get("dimension_separator", "."), tuple(old["chunks"])
        return cls(folder=folder, shape=tuple(old["shape"]), block=block, inner=None, head="", separator=separator)

    @classmethod
    def of_n5(cls, folder: Path) -> ArrayGrid:
        """Read the attributes of an N5 dataset."""
        found = json.loads((folder / "attributes.json").read_bytes())
        shape, block = (tuple(found[name][::-1]) for name in ("dimensions", "blockSize"))
        return cls(folder=folder, shape=shape, block=block, inner=None, head="", separator=os.sep, x_first=True)

    @classmethod
    def of_v3(cls, folder: Path, metadata: dict[str, Any]) -> ArrayGrid:
        """Take the metadata of an array of Zarr v3."""
        codec, block = metadata["codecs"][0], metadata["chunk_grid"]["configuration"]["chunk_shape"]
        inner = codec["configuration"] if codec["name"] == "sharding_indexed" else None
        shape = tuple(metadata["shape"])
        return cls(folder=folder, shape=shape, block=tuple(block), inner=inner, head=f"c{os.sep}", separator="/")

    def touched(self, region: Region) -> Iterator[tuple[Path, Region, Region]]:
        """Yield file, own region and touched part of each object that a region touches, in voxels of the array."""
        for index in blocks_touched(region, self.block):
            own = block_region(index, self.block, self.shape)
            numbers = index[::-1] if self.x_first else index
            path = self.folder / (self.head + self.separator.join(map(str, numbers)))
            yield path, own, region.intersection(own) or own


def zarr_region(folder: Path, region: Region) -> Prediction:
    """Each chunk by one request; of a shard the index and each chunk, or the whole where all of it is touched."""
    return objects_touched(ArrayGrid.of(folder), region)


def objects_touched(grid: ArrayGrid, region: Region) -> Prediction:
    """Return what reading a region of an array takes, its metadata left out."""
    total = Prediction()
    for path, own, part in grid.touched(region):
        within = part.relative_to(own.start)
        total += stored_object(path) if grid.inner is None else _shard(path, within, grid.block, grid.inner)
    return total


def _shard(path: Path, region: Region, shape: Shape, inner: dict[str, Any]) -> Prediction:
    """One shard, of which a region in its own voxels is read."""
    if not path.exists():
        return stored_object(path)
    with path.open("rb") as file:
        found = shard_parts(file, region, shape, inner)
    if found is None:
        return stored_object(path)
    return Prediction(
        requests=1 + found.n_chunks,
        n_bytes=found.index_bytes + found.taken_bytes,
        n_parts=1,
        beside_bytes=found.gap_bytes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardParts:
    """What of a shard is read: its index, and some chunks with the gaps between them."""

    index_bytes: int
    n_chunks: int
    taken_bytes: int
    gap_bytes: int


def shard_parts(file: IO[bytes], region: Region, shape: Shape, inner: dict[str, Any]) -> ShardParts | None:
    """Return what of an opened shard is read for a region in its own voxels; None: all of it at once."""
    chunk = tuple(inner["chunk_shape"])
    grid = grid_shape(shape, chunk)
    touched = [int(np.ravel_multi_index(i, grid)) for i in blocks_touched(region, chunk)]
    if len(touched) == math.prod(grid):
        return None
    n_bytes = 16 * math.prod(grid)
    checked = any(codec["name"] == "crc32c" for codec in inner["index_codecs"])
    if inner.get("index_location", "end") == "end":
        file.seek(-n_bytes - 4 * checked, os.SEEK_END)
    entries = np.frombuffer(file.read(n_bytes), "<u8").reshape(-1, 2)[touched]
    entries = entries[entries[:, 0] != np.iinfo(np.uint64).max].astype(np.int64)  # chunks that were never written
    taken = int(entries[:, 1].sum())
    span = int(entries.sum(axis=1).max() - entries[:, 0].min()) if len(entries) else 0
    return ShardParts(
        index_bytes=n_bytes + 4 * checked, n_chunks=len(entries), taken_bytes=taken, gap_bytes=span - taken
    )
