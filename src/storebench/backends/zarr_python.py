"""Zarr v2 and v3 by zarr-python, on local files. Sharding is a layout of v3, not another backend.

v2 names its chunks "0.1.2" and keeps axis names in xarray's attribute ``_ARRAY_DIMENSIONS``; v3 names them "c/0/1/2"
and has ``dimension_names``. A chunk larger than the image is stored whole, as any edge chunk is; a shard holds only the
chunks that touch the image, and its index. See `_zarr_arrays` for fill value and empty chunks, the same in both.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from storebench.backends import _zarr_codecs
from storebench.backends._backend import ArrayReader, ArrayWriter, BlockCodec, ParallelWrites, WriteOrder, WriteRequest
from storebench.backends._refusals import check_thread_limit, missing_distributions, refusal
from storebench.backends._zarr_arrays import (
    ArraysReader,
    ArraysWriter,
    create_array,
    open_array,
    open_store,
    zarr_facts,
)
from storebench.backends._zarr_pipelines import CONFIGURED, Pipeline
from storebench.backends._zarr_refusals import why_not_more
from storebench.backends._zarr_threads import limit_zarr_threads
from storebench.codecs import parse_codec
from storebench.grid import Layout, Shape
from storebench.stores import Location
from storebench.zarr_codecs import FILTERS, MORE_KINDS

# Every numpy number that zarr has.
_DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"


class ZarrPython:
    """What every backend on zarr-python has in common.

    Attributes
    ----------
    name, format, suffix : str
        As in the protocol.
    zarr_format : int
        Version of the arrays: 2 or 3.
    pipeline : Pipeline
        Who codes chunks.
    kinds, filters : collection of str
        Codec families and filters that it has.
    writes_empty_chunks : bool
        Whether a chunk of nothing but 0 is stored like any other; False: it cannot be had.
    """

    name: str
    format: str
    suffix: str
    zarr_format: int
    pipeline: Pipeline = CONFIGURED
    kinds: Collection[str] = (*_zarr_codecs.KINDS, *MORE_KINDS)
    filters: Collection[str] = tuple(FILTERS)
    library = "zarr"
    distributions: tuple[str, ...] = ("zarr", "numcodecs")
    extra: str | None = None
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "processes"
    counts_reads = True
    counts_writes = True
    several_levels = False
    writes_empty_chunks = True

    def why_unavailable(self) -> str | None:
        """Return None where zarr is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        sentence = refusal(
            self,
            request,
            n_axes=range(2, 6),
            dtypes=_DTYPES,
            kinds=self.kinds,
            filters=self.filters,
            levels=self.several_levels,
            shards=self.zarr_format == 3,
        )
        layout = request.layout or Layout(
            chunk_shape=(1,) * len(request.shape)
        )  # zarr's own choice is always small enough
        n_bytes = math.prod(layout.chunk_shape) * request.dtype.itemsize
        sentence = sentence or _zarr_codecs.why_not(self.name, request.codec, n_bytes)
        chunk_shape = functools.partial(self._chunk_shape, request)
        return sentence or why_not_more(self.name, request, zarr_format=self.zarr_format, chunk_shape=chunk_shape)

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Any region."""
        return "any"

    def open_store(self, location: Location, *, read_only: bool) -> Any:
        """Return zarr's store of that place; of one for writing the folder need not be there yet."""
        return open_store(location, read_only=read_only)

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new array."""
        store = self.open_store(location, read_only=False)
        zarr_format, pipeline = self.zarr_format, self.pipeline
        yield ArraysWriter([create_array(store, request, request.shape, zarr_format=zarr_format, pipeline=pipeline)])

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored array."""
        store = self.open_store(location, read_only=True)
        reader = ArraysReader(location, store, ("",), zarr_format=self.zarr_format, pipeline=self.pipeline)
        reader.array(0)  # opening is reading the metadata, not a promise to do so
        yield reader

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open a stored array for writing into it."""
        store = self.open_store(location, read_only=False)
        zarr_format, pipeline = self.zarr_format, self.pipeline
        yield ArraysWriter([open_array(store, location, zarr_format=zarr_format, mode="r+", pipeline=pipeline)])

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the codec alone, for blocks of one chunk."""
        return _zarr_codecs.ZarrBlockCodec(request.codec, self._chunk_shape(request), request.dtype)

    def _chunk_shape(self, request: WriteRequest) -> Shape:
        """Return the chunk shape asked for, or the one that zarr would choose."""
        if request.layout is not None:
            return request.layout.chunk_shape
        from zarr.storage import MemoryStore

        plain = replace(request, codec=parse_codec("none"))  # zarr chooses alike for all
        array = create_array(MemoryStore(), plain, request.shape, zarr_format=self.zarr_format)
        return tuple(array.chunks)

    def limit_threads(self, threads: int) -> str | None:
        """Hold zarr's pools, the chunks that it works on at once, and Blosc's own threads."""
        check_thread_limit(threads)
        return limit_zarr_threads(threads)

    def facts(self) -> Mapping[str, str]:
        """Return the builds and settings that results depend on."""
        return zarr_facts() | self.pipeline.facts(self.name)


class Zarr2ZarrPython(ZarrPython):
    """Zarr v2."""

    name = "zarr2-zarrpython"
    format = "zarr2"
    suffix = ".zarr"
    zarr_format = 2


class Zarr3ZarrPython(ZarrPython):
    """Zarr v3, with shards or without."""

    name = "zarr3-zarrpython"
    format = "zarr3"
    suffix = ".zarr"
    zarr_format = 3
