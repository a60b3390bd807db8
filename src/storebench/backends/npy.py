"""NumPy's own file: a header, then the voxels as they are in memory. The baseline that everything is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from storebench.backends._backend import BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._mapped import MappedRegions, MappedWriter, RawBlocks, allocate
from storebench.backends._refusals import check_thread_limit, missing_distributions, refusal
from storebench.backends._single_file import NUMBERS, no_checksum, no_chunks, reading
from storebench.errors import DataError
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
        sentence = sentence or no_checksum(self, request) or no_chunks(self, request)
        return sentence

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "any": the memory map takes each voxel where it belongs."""
        return "any"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[MappedWriter]:
        """Make the file in its full size, then take regions."""
        values = np.lib.format.open_memmap(location.path, mode="w+", dtype=request.dtype, shape=request.shape)
        allocate(location.path, location.path.stat().st_size)
        if location.log is not None:
            location.log.add("set", location.path.name, values.offset)
        yield MappedWriter(values, location)

    @contextmanager
    def reopen(self, location: Location) -> Iterator[MappedWriter]:
        """Map the file for writing."""
        with reading(location, "a NumPy .npy file", ValueError, EOFError):
            values = np.load(location.path, mmap_mode="r+", allow_pickle=False)
        if location.log is not None:
            location.log.add("get", location.path.name, values.offset)
        yield MappedWriter(values, location)

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
        return RawBlocks(request)

    def limit_threads(self, threads: int) -> str | None:
        """Return None: copying into and out of a memory map takes one thread."""
        check_thread_limit(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return nothing: NumPy's version says all."""
        return {}


class _NpyReader(MappedRegions):
    """Reads regions, and says what the header says."""

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
