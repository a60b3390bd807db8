"""NumPy's own file: a header, then the voxels as they are in memory. The baseline that everything is compared with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import (
    BlockCodec,
    ParallelWrites,
    StoredAs,
    WriteOrder,
    WriteRequest,
    check_thread_limit,
    missing_distributions,
    owned,
    refusal,
)
from storebench.backends._single_file import NUMBERS, check_region, check_values, no_checksum, reading
from storebench.errors import DataError
from storebench.grid import Region, Shape
from storebench.stores import Location


class NpyNumpy:
    """``.npy`` through a memory map, so that any region can be written and read alone."""

    name = "npy-numpy"
    format = "npy"
    library = "numpy"
    distributions = ("numpy",)
    suffix = ".npy"
    extra = None
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "threads"
    counts_reads = True
    counts_writes = True

    def why_unavailable(self) -> str | None:
        """Return None: NumPy is always there."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse codecs and layouts: the file is one run of voxels."""
        sentence = refusal(self, request, n_axes=range(2, 6), dtypes=NUMBERS, kinds=("none",))
        sentence = sentence or no_checksum(self, request)
        if sentence is None and request.layout is not None:
            return f"{self.name} stores one run of voxels in C order and has no chunks; leave the chunk shape out"
        return sentence

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "any": the memory map takes each voxel where it belongs."""
        return "any"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[_NpyWriter]:
        """Make the file in its full size, then take regions."""
        values = np.lib.format.open_memmap(location.path, mode="w+", dtype=request.dtype, shape=request.shape)
        if hasattr(os, "posix_fallocate"):
            # A memory map of a file with holes is killed by SIGBUS when the disk is full; this raises OSError instead.
            with location.path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, location.path.stat().st_size)
        if location.log is not None:
            location.log.add("set", location.path.name, values.offset)
        yield _NpyWriter(values, location)

    @contextmanager
    def reopen(self, location: Location) -> Iterator[_NpyWriter]:
        """Map the file for writing."""
        with reading(location, "a NumPy .npy file", ValueError, EOFError):
            values = np.load(location.path, mmap_mode="r+", allow_pickle=False)
        if location.log is not None:
            location.log.add("get", location.path.name, values.offset)
        yield _NpyWriter(values, location)

    @contextmanager
    def open(self, location: Location) -> Iterator[_NpyReader]:
        """Map the file into memory; nothing but the header is read yet."""
        with reading(location, "a NumPy .npy file", ValueError, EOFError):
            values = np.load(location.path, mmap_mode="r", allow_pickle=False)
        if not isinstance(values, np.memmap) or values.dtype.kind not in "iufb":
            raise DataError(f"{location.path} is no .npy file of numbers; storebench reads integers and floats")
        yield _NpyReader(values, location)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the copy to bytes and back that stands for a codec here."""
        return _RawBlocks(request)

    def limit_threads(self, threads: int) -> str | None:
        """Return None: copying into and out of a memory map takes one thread."""
        check_thread_limit(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return nothing: NumPy's version says all."""
        return {}


def _log_runs(location: Location, kind: Literal["ranged_get", "set"], values: np.memmap, region: Region) -> None:
    """Write down what a memory map is asked for, where somebody counts.

    A memory map shows no requests of its own. What is logged is each run of voxels of a region that lie side by side in the
    file. The disk moves whole pages instead (4 KiB, read-ahead).
    """
    if location.log is not None:
        n_runs, n_voxels = _runs(values, region)
        location.log.add(kind, location.path.name, n_voxels * values.itemsize, times=n_runs)


def _runs(values: np.memmap, region: Region) -> tuple[int, int]:
    """Return how many runs of voxels a region is made of in the file, and the voxels of one run."""
    extents, shape = region.shape, values.shape
    if not values.flags.c_contiguous:  # someone's file in Fortran order
        extents, shape = extents[::-1], shape[::-1]
    run = 1
    for extent, full in zip(reversed(extents), reversed(shape), strict=True):
        run *= extent
        if extent != full:
            break
    return region.n_voxels // run, run


class _NpyWriter:
    """Copies regions into the memory map."""

    def __init__(self, values: np.memmap, location: Location) -> None:
        self._values, self._location = values, location

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store the voxels of a region."""
        check_values(self._values, region, values, level)
        self._values[region.slices] = values
        _log_runs(self._location, "set", self._values, region)

    def flush(self) -> None:
        """Do nothing: what is in a shared map is the file's already, also when this process is killed.

        `numpy.memmap.flush` would wait for the disk, which no other format's flush does.
        """


class _NpyReader:
    """Copies regions out of the memory map."""

    def __init__(self, values: np.memmap, location: Location) -> None:
        self._values = values
        self._location = location
        if location.log is not None:
            location.log.add("get", location.path.name, values.offset)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._values.shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Return a copy of the voxels of a region."""
        check_region(self._location, self.levels, region, level)
        _log_runs(self._location, "ranged_get", self._values, region)
        return owned(self._values[region.slices])

    def stored_as(self) -> StoredAs:
        """Return what the header says."""
        return StoredAs(
            shape=self._values.shape,
            dtype=self._values.dtype,
            axes=None,
            layout=None,
            codec="none",
            level_shapes=self.levels,
            decode_shape=(1,) * self._values.ndim,
            chunk_bytes=self._values.nbytes,
            note="" if self._values.flags.c_contiguous else "Fortran order",
        )


class _RawBlocks:
    """Voxels to bytes and back, copied both ways; the shape of the last block is remembered."""

    def __init__(self, request: WriteRequest) -> None:
        self._dtype = request.dtype
        self._shape = request.shape

    def encode(self, block: NDArray) -> bytes:
        """Copy a block into bytes."""
        self._shape = block.shape
        return block.tobytes()

    def decode(self, data: bytes) -> NDArray:
        """Copy bytes into a block."""
        return np.frombuffer(data, self._dtype).reshape(self._shape).copy()
