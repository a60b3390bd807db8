"""Zarr v3 by zarrista, a binding of zarrs, the Rust library that ngff-zarr writes with.

zarrista chooses no chunks: without a layout the image is one chunk. It leaves out chunks of nothing but the fill value unless it
is told otherwise, as it is here; inside of shards it leaves them out whatever it is told.

Of an uncompressed chunk without a checksum it reads the runs of voxels that a region has in it and nothing else, each by a
request of its own. Files are written where they lie, not renamed into place: who reads a chunk while it is written sees a part of
it. What is read lies in memory that zarrista lends, and is copied from there.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends import _zarr_codecs
from storebench.backends._backend import (
    ArrayReader,
    ArrayWriter,
    BlockCodec,
    ParallelWrites,
    StoredAs,
    WriteOrder,
    WriteRequest,
)
from storebench.backends._refusals import check_thread_limit, missing_distributions, refusal
from storebench.backends._single_file import check_region, check_values, storing
from storebench.backends._zarr_documents import v3_document, v3_layout
from storebench.backends._zarr_stored import describe
from storebench.errors import DataError
from storebench.grid import Layout, Region, Shape, block_region, blocks_touched
from storebench.stores import Location

_DTYPES: Final = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"
_METADATA: Final = "zarr.json"

_options: dict[str, int] = {}
"""What each call is told of threads."""


class Zarr3Zarrista:
    """Zarr v3, with shards or without.

    Attributes
    ----------
    writes_empty_chunks : bool
        Whether a chunk of nothing but 0 is stored like any other; False: inside of shards that cannot be had.
    """

    name = "zarr3-zarrista"
    format = "zarr3"
    library = "zarrista"
    distributions = ("zarrista",)
    suffix = ".zarr"
    extra = "zarrista"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "processes"
    counts_reads = False
    counts_writes = False
    writes_empty_chunks = False

    def why_unavailable(self) -> str | None:
        """Return None where zarrista is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        sentence = refusal(self, request, n_axes=range(2, 6), dtypes=_DTYPES, kinds=_zarr_codecs.KINDS, shards=True)
        n_bytes = math.prod(_layout(request).chunk_shape) * request.dtype.itemsize
        return sentence or _zarr_codecs.why_not(self.name, request.codec, n_bytes)

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Any region."""
        return "any"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new array."""
        import zarrista

        document = v3_document(replace(request, layout=_layout(request))) | {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(request.shape),
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": [0.0, 0.0] if request.dtype.kind == "c" else request.dtype.type(0).item(),
        }
        with storing(location, zarrista.exceptions.ZarristaError):
            array = zarrista.Array.from_metadata(document, zarrista.store.FilesystemStore(location.path))
            array.store_metadata()
        yield _Writer(location, array, request.dtype)

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored array."""
        yield _Reader(location, _open_array(location))

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open a stored array for writing into it."""
        array = _open_array(location)
        yield _Writer(location, array, np.dtype(array.dtype.name))

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """There is none."""
        return "zarrista gives codecs alone for bytes and no voxels; use zarr3-zarrpython for the codec alone"

    def limit_threads(self, threads: int) -> str | None:
        """Tell each call from now on how many chunks and blocks it may work on at once, and a pool that is still to be made.

        One works in the calling thread. zarrista's own bound from below, of four chunks at once, would go beyond.
        """
        check_thread_limit(threads)
        _options.update(concurrent_target=threads, chunk_concurrent_minimum=min(threads, 4))
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return what results depend on beyond the version."""
        return {
            "empty chunks": "written (its own default: left out), inside of shards left out (no setting)",
            "zarrista without a layout": "one chunk (it chooses none)",
            "zarrista result": "copied from read-only memory that it lends",
        }


def _layout(request: WriteRequest) -> Layout:
    """Return the layout asked for, or one chunk."""
    return request.layout or Layout(chunk_shape=request.shape)


def _open_array(location: Location) -> Any:
    """Open a stored array.

    Raises
    ------
    DataError
        If there is none, or its metadata cannot be understood.
    """
    import zarrista

    file = location.path / _METADATA
    try:
        return zarrista.Array.open(zarrista.store.FilesystemStore(location.path))
    except zarrista.exceptions.ZarristaError as error:
        if not file.is_file():
            raise DataError(f"{location.path} is no Zarr v3 array: it has no {_METADATA}; check the path") from error
        raise DataError(
            f"the metadata {file} cannot be understood by zarrista ({_brief(error)}); "
            "read them with another library, restore them from a copy or write the image anew"
        ) from error


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


class _Writer:
    """Writes regions. A region whose edges lie inside chunks (shards where there are some) has those read, changed and written."""

    def __init__(self, location: Location, array: Any, dtype: np.dtype) -> None:
        self._location, self._array = location, array
        self.shape: Shape = tuple(array.chunk_grid.array_shape)
        self.dtype = dtype

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store a region."""
        import zarrista

        check_values(self, region, values, level)
        # zarrista looks at the strides of axes of one voxel too, which numpy leaves as they are unless it makes them anew.
        data: Any = np.ascontiguousarray(values).reshape(-1).reshape(values.shape)
        if data.dtype.kind == "c":  # its way for arrays has no complex numbers, the one for bytes asks for no type
            data = memoryview(data).cast("B")
        with storing(self._location, zarrista.exceptions.ZarristaError):
            self._array.store_array_subset(region.slices, data, store_empty_chunks=True, **_options)

    def flush(self) -> None:
        """Do nothing: each write has handed over whole files, and the metadata were there before."""


class _Reader:
    """Reads regions of an array."""

    def __init__(self, location: Location, array: Any) -> None:
        self._location, self._array = location, array
        self._shape: Shape = tuple(array.chunk_grid.array_shape)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Return the voxels of a region."""
        import zarrista

        check_region(self._location, self.levels, region, level)
        try:
            return np.array(self._tensor(region))
        except zarrista.exceptions.ZarristaError as error:
            raise self._damaged_chunk(region, error) from error

    def _tensor(self, region: Region) -> NDArray:
        """Return the voxels of a region where zarrista has them."""
        lent: NDArray = self._array.retrieve_array_subset(region.slices, **_options).to_numpy()
        return lent

    def _damaged_chunk(self, region: Region, error: Exception) -> DataError:
        """Find out which file of the region cannot be read, one after the other."""
        import zarrista

        block = tuple(self._array.chunk_shape([0] * len(self._shape)))
        for index in blocks_touched(region, block):
            try:
                self._tensor(block_region(index, block, self._shape))
            except zarrista.exceptions.ZarristaError as found:
                file = self._location.path / self._array.chunk_key(list(index))
                return DataError(
                    f"the chunk file {file} is damaged ({_brief(found)}); restore it from a copy or write the image anew"
                )
        return DataError(
            f"{self._location.path}: reading {region} failed once ({_brief(error)}); try again, check the disk"
        )

    def stored_as(self) -> StoredAs:
        """Return layout and codec as found in the metadata, after a look at every object's size."""
        document = json.loads((self._location.path / _METADATA).read_bytes())
        stored = describe(
            self._location,
            metadata=document,
            dtype=np.dtype(self._array.dtype.name),
            arrays=[(self._shape, v3_layout(document))],
            group=None,
        )
        if stored.codec == "none":  # of such a chunk nothing but the region's voxels is fetched
            return replace(stored, decode_shape=(1,) * len(self._shape))
        return stored
