"""What a run will do, worked out before it begins: who may write, which blocks, in which order; and why not."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from storebench.backends import Backend, get_backend
from storebench.datasets import Dataset, FileDataset
from storebench.errors import StorageError, UnsupportedError, unknown_name
from storebench.grid import Shape, grid_shape, iter_blocks
from storebench.levels import METHODS
from storebench.pipelines._blocks import Block, block_bytes, block_voxels, decode_factor, grown, piece_of, write_unit
from storebench.pipelines._engines import Engine, Workers
from storebench.pipelines._sources import Source
from storebench.pipelines._volumes import SmallerLevel, Target, Voxels
from storebench.storage import file_system_of
from storebench.stores import Location
from storebench.units import bytes_text

_TORN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "hdf5": "HDF5 keeps its tables of chunks in memory, so that a file that was interrupted may be damaged",
    }
)
"""By format: why an image that was begun by a process that is gone cannot be gone on with."""

_TOLERABLE_FACTOR: Final = 1.5
"""What a source decodes ÷ what a block needs, up to which nothing need be said."""


def why_not_resumed(backend: Backend) -> str | None:
    """Return why an interrupted image of a backend cannot be gone on with, or None."""
    if backend.parallel_writes == "none":
        return f"{backend.name} writes its file from the beginning to the end"
    return _TORN.get(backend.format)


def why_not_by(backend: Backend, engine: Workers) -> str | None:
    """Return why an engine cannot write an image of a backend, or None; a format that nobody shares takes one thread."""
    if engine.one_process and (backend.parallel_writes != "none" or engine.n_workers == 1):
        return None
    if backend.parallel_writes == "processes":
        return None
    who = engine.name
    if backend.parallel_writes == "threads":
        return (
            f"{who} are processes, and several processes must not write one {backend.format} file at the same time; use threads "
            "of one process instead, or a format with many objects (zarr3-zarrpython)"
        )
    return (
        f"{who} cannot write one {backend.format} file, which is written from its beginning to its end; let one thread write it, "
        "or use a format with many objects (zarr3-zarrpython, tiffstack-tifffile)"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The work on one target.

    Attributes
    ----------
    source : Source
        Where the voxels come from.
    target : Target
        Where they go.
    shapes : tuple of tuple of int
        Block shape of each level.
    """

    source: Source
    target: Target
    shapes: tuple[Shape, ...]

    @property
    def n_blocks(self) -> int:
        """Number of blocks of all levels."""
        grids = zip(self.target.shapes, self.shapes, strict=True)
        return sum(math.prod(grid_shape(shape, block)) for shape, block in grids)

    @property
    def stages(self) -> tuple[tuple[Block, ...], ...]:
        """All blocks: first those of level 0, in order; then all others, the smallest level first, as its blocks take longest."""
        numbers = itertools.count()
        order = range(len(self.shapes) - 1, 0, -1)
        of_level = {level: tuple(self._blocks(level, numbers)) for level in (0, *order)}
        return of_level[0], tuple(block for level in order for block in of_level[level])

    def _blocks(self, level: int, numbers: Iterator[int]) -> Iterator[Block]:
        for region in iter_blocks(self.target.shapes[level], self.shapes[level]):
            yield Block(index=next(numbers), level=level, region=region)

    def voxels(self, level: int) -> Voxels:
        """Return what a level is made of: smaller ones from level 0 as it is stored, or from the source where that is not exact."""
        request = self.target.request
        if level == 0:
            return self.source.dataset
        base = self.target.level(0) if request.codec.lossless else self.source.dataset
        return SmallerLevel(base=base, factors=request.level_factors[level - 1], method=request.level_method)

    def piece(self, block: Block) -> Shape | None:
        """Return the pieces that a block of a smaller level is made in, so that little of level 0 is held at once."""
        if block.level == 0:
            return None
        factors = self.target.request.level_factors[block.level - 1]
        return piece_of(block.region.shape, factors, self.target.request.dtype.itemsize)

    def weight(self, block: Block) -> int:
        """Return the voxels of level 0 that a block takes: what its time goes with."""
        factors = (1,) if block.level == 0 else self.target.request.level_factors[block.level - 1]
        return block.region.n_voxels * math.prod(factors)


def facts_of(source: Dataset, target: Target) -> dict[str, Any]:
    """Return what must be the same where a run goes on: as JSON values."""
    backend, request = get_backend(target.backend), target.request
    return {
        "source": source_facts(source),
        "backend": backend.name,
        "versions": {name: importlib.metadata.version(name) for name in ("storebench", *backend.distributions)},
        "request": dataclasses.asdict(request) | {"dtype": request.dtype.name, "codec": request.codec.name},
    }


def source_facts(source: Dataset) -> dict[str, Any]:
    """Return what tells one source from another, without reading its voxels."""
    facts: dict[str, Any] = {
        "name": source.name,
        "shape": list(source.shape),
        "dtype": source.dtype.name,
        "axes": source.axes,
        "seed": source.seed,
    }
    if isinstance(source, FileDataset):
        facts |= {"path": str(source.path), "inner": source.inner} | _files_facts(source.path)
    return facts


def _files_facts(path: Path) -> dict[str, int]:
    """Return number, bytes and newest time of a file, or of all files of a folder, whose own time is not that of its files."""
    n_files, n_bytes, newest = 0, 0, 0
    for file in Location(path).files():
        status = file.stat()
        n_files, n_bytes, newest = n_files + 1, n_bytes + status.st_size, max(newest, status.st_mtime_ns)
    return {"files": n_files, "bytes": n_bytes, "modified_ns": newest}


def block_shapes(target: Target, decode_shape: Shape | None) -> tuple[Shape, ...]:
    """Return the block shape of each level of an image that was begun.

    Parameters
    ----------
    target : Target
        Created: where no chunks were asked for, they are those that the library chose.
    decode_shape : tuple of int or None
        What the source decodes at once, where that is known.

    Raises
    ------
    UnsupportedError
        If the blocks of a level would cut its chunks: two workers would then change one chunk.
    """
    backend, request = get_backend(target.backend), target.request
    stored = None
    if backend.write_order(request) == "any":
        with backend.open(target.location) as reader:
            stored = reader.stored_as()
    layout = request.layout if request.layout is not None or stored is None else stored.layout
    unit = write_unit(backend, request, layout)
    n_voxels = block_voxels(request.dtype.itemsize)
    shapes = tuple(
        grown(unit, shape, n_voxels, first=None if level else decode_shape)
        for level, shape in enumerate(request.level_shapes)
    )
    for level, block in enumerate(shapes):
        chunk = None if stored is None else stored.decode_shape_of(level)
        if chunk is not None and any(n % c for n, c in zip(block, chunk, strict=True)):
            raise UnsupportedError(
                f"{backend.name} has chunks of {chunk} voxels on level {level}, which blocks of {block} would cut; "
                "name chunks for all levels: --chunks 64,64,64"
            )
    return shapes


def warnings_of(plan: Plan) -> list[str]:
    """Return a sentence for each thing that makes a run dearer than its size says."""
    decode_shape = plan.source.decode_shape
    factor = decode_factor(plan.shapes[0], decode_shape)
    found = []
    if factor > _TOLERABLE_FACTOR:
        found.append(
            f"the source decodes {'x'.join(map(str, decode_shape or ()))} voxels at once, so that blocks of "
            f"{'x'.join(map(str, plan.shapes[0]))} decode {factor:.1f} times what they need; chunks or shards that hold whole "
            "blocks of the source would not"
        )
    free, needed = file_system_of(plan.target.path.parent).free_bytes, plan.target.logical_bytes
    if free < needed:
        found.append(
            f"{bytes_text(free)} are free and the voxels have {bytes_text(needed)}: it fits only if they are compressed to that; "
            "where the disk fills up, make room and go on with --resume"
        )
    return found


def require_room(plan: Plan, engine: Engine) -> None:
    """Check that disk and memory are there.

    Raises
    ------
    StorageError
        If voxels that are not compressed do not fit on the disk, or one block of each worker does not fit into this machine's
        memory; what other machines have, their scheduler knows.
    """
    request = plan.target.request
    free = file_system_of(plan.target.path.parent).free_bytes
    if request.codec.kind == "none" and free < plan.target.logical_bytes:
        raise StorageError(
            f"{plan.target.path.parent}: {bytes_text(plan.target.logical_bytes)} are needed and {bytes_text(free)} are free; "
            "make room, choose a codec (--codec blosc-zstd-3-shuffle) or name a target on a larger disk"
        )
    if not engine.one_machine:
        return
    import psutil

    largest = max(block_bytes(shape, request.dtype.itemsize) for shape in plan.shapes)
    needed, available = largest * engine.n_workers, int(psutil.virtual_memory().available)
    if needed > available:
        raise StorageError(
            f"{engine.name} need about {bytes_text(needed)} of memory for blocks of {plan.shapes[0]} voxels and "
            f"{bytes_text(available)} are free; use smaller shards or chunks, or fewer workers"
        )


def require_writable(target: Target, engine: Engine) -> None:
    """Check that a backend takes what is asked, from this engine.

    Raises
    ------
    UnsupportedError
        With the backend's sentence, or with the one for the engine.
    UsageError
        If nobody knows how to make levels by that name.
    """
    if target.request.level_method not in METHODS:
        raise unknown_name("way to make levels", target.request.level_method, METHODS)
    backend = get_backend(target.backend)
    reason = backend.why_unsupported(target.location, target.request) or why_not_by(backend, engine)
    order = backend.write_order(target.request)
    if reason is None and order == "whole":
        reason = (
            f"{backend.name} writes an image as a whole, so that it cannot be larger than memory; choose a format that takes "
            "regions (zarr3-zarrpython, omezarr-0.5-zarrpython, hdf5-h5py, npy-numpy) or a stack (tiffstack-tifffile)"
        )
    if reason is None and order == "planes" and target.request.level_factors:
        reason = f"{backend.name} takes planes of one level only; for levels use omezarr-0.5-zarrpython"
    if reason is not None:
        raise UnsupportedError(reason)
