"""HDF5 through h5py: one dataset of a file, in one run or in chunks, with one of HDF5's filters or without.

Without a layout it is as the format does by default: contiguous where there is no codec; with one, in chunks of h5py's
own choice, for HDF5's filters need chunks. Chunks are allocated when they are first written, and HDF5 writes each that
it was given, also one of zeros. The file is created by h5py's defaults, so that old versions of HDF5 read it; those of
filters beyond HDF5's own (`_hdf5_filters`) need the plugin. SWMR, the mode of one writer and many readers, is off.

HDF5 keeps decoded chunks of an open dataset in a cache, here of the library's default size (see `StoredAs.note`): a
region that is read twice from one reader may come from there. Contiguous data are read through a sieve buffer, so that
one voxel fetches 64 KiB. HDF5 works in one thread; of its filters Blosc's alone can use more.
"""

from __future__ import annotations

import ctypes
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._hdf5_blocks import hdf5_blocks
from storebench.backends._hdf5_files import open_file, system_errors
from storebench.backends._hdf5_filters import (
    KINDS,
    codec_name,
    filter_settings,
    load_filters,
    pipeline_of,
    plugin_facts,
    why_not_filtered,
)
from storebench.backends._refusals import check_thread_limit, missing_distributions, refusal
from storebench.backends._single_file import NUMBERS, check_region, check_values, no_checksum, reading, storing
from storebench.errors import DataError
from storebench.grid import Layout, Region, Shape, grid_shape
from storebench.stores import Location

if TYPE_CHECKING:
    import h5py

DATASET: Final = "image"
"""Name of the dataset inside the file."""

_MAX_CHUNK_BYTES: Final = 2**32 - 1


class Hdf5H5py:
    """``.h5`` with one dataset."""

    name = "hdf5-h5py"
    format = "hdf5"
    library = "h5py"
    distributions = ("h5py",)
    suffix = ".h5"
    extra = "hdf5"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "threads"
    counts_reads = True
    counts_writes = True

    def why_unavailable(self) -> str | None:
        """Return None where h5py is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse what HDF5 cannot hold exactly."""
        dtypes = f"bool {NUMBERS}"
        sentence = refusal(self, request, n_axes=range(2, 6), dtypes=dtypes, kinds=KINDS, filters=("shuffle",))
        sentence = sentence or no_checksum(self, request) or why_not_filtered(self.name, request)
        if sentence is None and request.layout is not None:
            return _why_not_cut(request, request.layout)
        return sentence

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "any"."""
        return "any"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[_Hdf5Writer]:
        """Make the file and its dataset, then take regions."""
        with ExitStack() as stack:
            with _storing(location):
                file, collect = stack.enter_context(open_file(location, "x"))
                writer = _Hdf5Writer(location, _create_dataset(file, request), collect)
            yield writer
            with _storing(location):
                stack.close()

    @contextmanager
    def reopen(self, location: Location) -> Iterator[_Hdf5Writer]:
        """Open the file and its dataset for writing."""
        with ExitStack() as stack:
            with _storing(location):
                file, collect = stack.enter_context(open_file(location, "r+"))
                writer = _Hdf5Writer(location, _dataset_of(location, file), collect)
            yield writer
            with _storing(location):
                stack.close()

    @contextmanager
    def open(self, location: Location) -> Iterator[_Hdf5Reader]:
        """Open the file and its dataset."""
        with ExitStack() as stack:
            with _reading(location):
                file, collect = stack.enter_context(open_file(location, "r"))
                reader = _Hdf5Reader(location, file, collect)
            yield reader

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the filter's function for one chunk, or the copy where there is no filter."""
        return hdf5_blocks(request)

    def limit_threads(self, threads: int) -> str | None:
        """Return None: HDF5 and its filters work in the calling thread.

        But for Blosc's, which look for their number of threads in the environment with each chunk (none there: 1).
        """
        check_thread_limit(threads)
        os.environ["BLOSC_NTHREADS"] = str(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return HDF5's build and the sizes of its caches."""
        if self.why_unavailable() is not None:
            return {}
        import h5py

        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        _, n_slots, n_bytes, _ = access.get_cache()
        facts = {
            "hdf5": h5py.version.hdf5_version,
            "chunk cache": f"{n_bytes} bytes in {n_slots} slots (HDF5's default)",
            "sieve buffer": f"{access.get_sieve_buf_size()} bytes (HDF5's default)",
            "zlib of the codec alone": zlib.ZLIB_RUNTIME_VERSION,
            **plugin_facts(),
        }
        version = _zlib_of_hdf5()
        return facts if version is None else facts | {"zlib": version}


def _storing(location: Location) -> AbstractContextManager[None]:
    return system_errors(location, storing(location, RuntimeError))


def _reading(location: Location) -> AbstractContextManager[None]:
    return system_errors(location, reading(location, "an HDF5 file with one image", RuntimeError, ValueError))


def _zlib_of_hdf5() -> str | None:
    """Return the version of the zlib that HDF5 calls: h5py's wheels for Linux take the system's. None: unknown."""
    try:
        library = ctypes.CDLL("libz.so.1")  # the one of this name that is loaded already, once h5py is imported
    except OSError:
        return None
    library.zlibVersion.restype = ctypes.c_char_p
    return f"{library.zlibVersion().decode()} (the system's libz.so.1)"


def _why_not_cut(request: WriteRequest, layout: Layout) -> str | None:
    """Return the sentence for chunks that HDF5 does not take, or None."""
    chunk = layout.chunk_shape
    if any(c > n for c, n in zip(chunk, request.shape, strict=True)):
        within = tuple(min(c, n) for c, n in zip(chunk, request.shape, strict=True))
        return f"an HDF5 chunk of {chunk} is larger than the image of {request.shape}; use {within}"
    n_bytes = math.prod(chunk) * request.dtype.itemsize
    if n_bytes > _MAX_CHUNK_BYTES:
        return f"HDF5 before 2.0 takes chunks of less than 4 GiB, these have {n_bytes} bytes; use smaller chunks"
    return None


def _create_dataset(file: h5py.File, request: WriteRequest) -> Any:
    """Make the dataset that a request asks for."""
    settings = filter_settings(request.codec)
    if request.layout is not None:
        settings["chunks"] = request.layout.chunk_shape
    # No fill value is named: zero is HDF5's own, and a named one would be written all over a contiguous dataset first.
    dataset = file.create_dataset(DATASET, request.shape, request.dtype, **settings)
    for dimension, axis in zip(dataset.dims, request.axes, strict=True):
        dimension.label = axis
    return dataset


class _Hdf5Writer:
    """Writes regions. A region that cuts chunks makes HDF5 read those again, unless cached."""

    def __init__(self, location: Location, dataset: Any, collect: Callable[[], None]) -> None:
        self._location, self._dataset, self._collect = location, dataset, collect

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store the voxels of a region."""
        check_values(self._dataset, region, values, level)
        with _storing(self._location):
            self._dataset.write_direct(np.ascontiguousarray(values), dest_sel=region.slices)
        self._collect()

    def flush(self) -> None:
        """Write what HDF5 holds in its caches."""
        with _storing(self._location):
            self._dataset.file.flush()
        self._collect()


class _Hdf5Reader:
    """Reads regions of the file's dataset."""

    def __init__(self, location: Location, file: h5py.File, collect: Callable[[], None]) -> None:
        self._location, self._collect = location, collect
        self._dataset = _dataset_of(location, file)
        self._shape: Shape = tuple(self._dataset.shape)
        self._dtype = self._dataset.dtype.newbyteorder("=")
        collect()

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Read and decode the chunks that a region touches, or its runs of voxels where there are no chunks."""
        check_region(self._location, self.levels, region, level)
        values = np.empty(region.shape, self._dtype)
        with _reading(self._location):
            self._dataset.read_direct(values, source_sel=region.slices)
        self._collect()
        return values

    def stored_as(self) -> StoredAs:
        """Return what the file says: chunks, filters with their levels, labels, and the size of each chunk."""
        with _reading(self._location):
            codec, remark = codec_name(pipeline_of(self._dataset))
            labels = [dimension.label for dimension in self._dataset.dims]
            chunk = self._dataset.chunks
            chunk_bytes, remarks = _chunks(self._dataset) if chunk else _run(self._dataset)
        return StoredAs(
            shape=self._shape,
            dtype=self._dtype,
            axes="".join(labels) if all(len(label) == 1 for label in labels) else None,
            layout=Layout(chunk_shape=tuple(chunk)) if chunk else None,
            codec=codec,
            level_shapes=self.levels,
            decode_shape=tuple(chunk) if chunk else (1,) * len(self._shape),
            chunk_bytes=chunk_bytes,
            note="; ".join([*([remark] if remark else []), *remarks]),
        )


def _dataset_of(location: Location, file: h5py.File) -> h5py.Dataset:
    """Return the dataset that storebench writes, else the only one of somebody's file.

    Raises
    ------
    DataError
        If there is none or several, or if it is no image of numbers.
    MissingDependencyError
        If it is compressed by a plugin, and hdf5plugin is not installed.
    """
    import h5py

    dataset = file.get(DATASET)
    if not isinstance(dataset, h5py.Dataset):
        found: list[h5py.Dataset] = []
        file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        if len(found) != 1:
            raise DataError(f"{location.path} holds {len(found)} datasets, none of them called {DATASET}; keep one")
        dataset = found[0]
    if not dataset.shape or dataset.dtype.kind not in "iufb":
        raise DataError(f"{location.path}: {dataset.name} is no image of integers or floats; store it as one")
    load_filters(location, pipeline_of(dataset))
    return dataset


def _run(dataset: h5py.Dataset) -> tuple[int, list[str]]:
    """Return the bytes of a contiguous dataset, and how it is read."""
    n_bytes = dataset.file.id.get_access_plist().get_sieve_buf_size()
    return dataset.id.get_storage_size(), [f"read through a sieve buffer of {n_bytes} bytes (HDF5's default)"]


def _chunks(dataset: h5py.Dataset) -> tuple[int, list[str]]:
    """Return the bytes of all chunks, and what is worth knowing of them."""
    sizes, n_bare = [], 0

    def look(chunk: Any) -> None:
        nonlocal n_bare
        sizes.append(chunk.size)
        n_bare += chunk.filter_mask != 0

    dataset.id.chunk_iter(look)
    n_expected = math.prod(grid_shape(tuple(dataset.shape), tuple(dataset.chunks)))
    n_slots, n_cached, _ = dataset.id.get_access_plist().get_chunk_cache()
    remarks = [f"read through a chunk cache of {n_cached} bytes in {n_slots} slots (HDF5's default)"]
    if len(sizes) != n_expected:
        remarks.append(f"{len(sizes)} of {n_expected} chunks are there, the others read as {dataset.fillvalue}")
    if n_bare:
        remarks.append(f"{n_bare} chunks are stored without their filter")
    return sum(sizes), remarks
