"""Blosc2's ``.b2nd`` by python-blosc2: one file of compressed chunks, each of which holds blocks that are decoded alone.

A Blosc2 *block* is what is called a chunk here, and a Blosc2 *chunk* what is called a shard; without shards a Blosc2 chunk holds
one block. Without a layout python-blosc2 chooses both by the size of the processor's caches: another machine cuts the same image
otherwise.

The file is one contiguous frame, read with pread and not through a memory map (the library's default). Each chunk that is written
rewrites the index of all chunks and the trailer behind it; one that is written again and has another size than before moves all
that lies behind it. So nobody may write beside, and a process that is killed within a call leaves a file that may be damaged.
A chunk of nothing but 0 lies in the index alone where anything is compressed. Nothing is checked by a checksum.
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._owned import owned
from storebench.backends._refusals import check_thread_limit, missing_distributions, refusal
from storebench.backends._single_file import NUMBERS, check_region, check_values, no_checksum, reading, storing
from storebench.codecs import BLOSC_COMPRESSORS, Codec
from storebench.errors import DataError
from storebench.grid import Layout, Region, Shape, grid_shape
from storebench.stores import Location

_FILTERS: Final = {"noshuffle": "NOFILTER", "shuffle": "SHUFFLE", "bitshuffle": "BITSHUFFLE"}

# What python-blosc2 4.14 raises on damaged files (found by damaging them): the header holds a type as numpy's text and shapes,
# from which it builds objects before anything is compared.
_DAMAGE: Final = (
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    SyntaxError,
    OverflowError,
    MemoryError,
)


class B2ndBlosc2:
    """``.b2nd``, one array."""

    name = "b2nd-blosc2"
    format = "b2nd"
    library = "blosc2"
    distributions = ("blosc2",)
    suffix = ".b2nd"
    extra = "blosc2"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = False
    counts_writes = False

    def why_unavailable(self) -> str | None:
        """Return None where python-blosc2 is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        sentence = refusal(
            self,
            request,
            n_axes=range(2, 6),
            dtypes=f"bool {NUMBERS} complex64 complex128",
            kinds=("none", "blosc2"),
            shards=True,
        )
        sentence = sentence or no_checksum(self, request)
        if sentence is None and request.codec.kind == "blosc2" and request.codec.level == 0:
            return f"{self.name} compresses nothing at level 0, whatever the compressor is called; use none"
        if sentence is None and request.layout is not None:
            return _why_not_cut(request, request.layout)
        return sentence

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Any region."""
        return "any"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[_B2ndWriter]:
        """Make the file with all its chunks as zeros, then take regions."""
        import blosc2

        cut: dict[str, Any] = {}
        if request.layout is not None:
            cut = {"chunks": request.layout.object_shape, "blocks": request.layout.chunk_shape}
        with storing(location, RuntimeError):
            array = blosc2.zeros(
                request.shape,
                dtype=request.dtype,
                urlpath=str(location.path),
                mode="w",
                contiguous=True,
                cparams=_settings(request.codec, request.dtype.itemsize),
                **cut,
            )
        yield _B2ndWriter(location, array)

    @contextmanager
    def open(self, location: Location) -> Iterator[_B2ndReader]:
        """Open the file."""
        yield _B2ndReader(location, _open_array(location, "r"))

    @contextmanager
    def reopen(self, location: Location) -> Iterator[_B2ndWriter]:
        """Open the file for writing."""
        yield _B2ndWriter(location, _open_array(location, "a"))

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return Blosc2's functions for one chunk of one block."""
        return _Blosc2Blocks(request)

    def limit_threads(self, threads: int) -> str | None:
        """Hold the threads of arrays that are made or opened from now on.

        The environment variable is for the index of chunks: for each chunk that is written C-Blosc2 starts four threads to
        compress it, whatever else is set, and the variable goes before all that is.
        """
        check_thread_limit(threads)
        import blosc2

        os.environ["BLOSC_NTHREADS"] = str(threads)
        blosc2.set_nthreads(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return C-Blosc2's version and what results depend on."""
        if self.why_unavailable() is not None:
            return {}
        return {
            "c-blosc2": _c_blosc2_version(),
            "blosc2 reads": "with pread (its default; no memory map)",
            "empty chunks": "written where nothing is compressed, else in the index alone (no setting)",
            "blosc2 chunks without a layout": "by the sizes of the processor's caches",
        }


def _settings(codec: Codec, typesize: int, **more: int) -> Any:
    """Return Blosc2's words for a codec; the threads are those that are set for the process."""
    import blosc2

    return blosc2.CParams(
        codec=blosc2.Codec[(codec.compressor or "blosclz").upper()],
        clevel=codec.level or 0,
        filters=[blosc2.Filter[_FILTERS[codec.shuffle or "noshuffle"]]],
        filters_meta=[0],
        typesize=typesize,
        nthreads=blosc2.nthreads,
        **more,
    )


def _why_not_cut(request: WriteRequest, layout: Layout) -> str | None:
    """Return the sentence for blocks and chunks that Blosc2 does not take, or None."""
    if layout.shard_shape == layout.chunk_shape:
        return (
            f"a Blosc2 chunk of one block, {layout.chunk_shape}, is what it makes without shards; leave the shards out"
        )
    # Known before the library is imported: blosc2.MAX_BLOCKSIZE and blosc2.MAX_BUFFERSIZE.
    for what, shape, limit in (("block", layout.chunk_shape, 536866816), ("chunk", layout.object_shape, 2147483615)):
        n_bytes = math.prod(shape) * request.dtype.itemsize
        if n_bytes > limit:
            return f"a Blosc2 {what} has at most {limit} bytes, {shape} of {request.dtype.name} has {n_bytes}; use less"
    return None


def _reading(location: Location) -> AbstractContextManager[None]:
    return reading(location, "a Blosc2 array", *_DAMAGE)


def _open_array(location: Location, mode: str) -> Any:
    """Open the array of a file.

    Raises
    ------
    DataError
        If there is none, or if the shape in its header is not that of its frame.
    """
    import blosc2

    with _reading(location):
        array = blosc2.open(str(location.path), mode=mode)
        if not isinstance(array, blosc2.NDArray) or array.dtype.kind not in "iufbc" or not array.ndim:
            raise DataError(f"{location.path} is no Blosc2 array of numbers; check the path")
        blocks, itemsize = grid_shape(array.chunks, array.blocks), array.dtype.itemsize
        n_blocks = math.prod(blocks) * math.prod(grid_shape(array.shape, array.chunks))
        n_bytes = n_blocks * math.prod(array.blocks) * itemsize
        if (n_bytes, itemsize) != (array.schunk.nbytes, array.schunk.typesize):
            raise DataError(f"{location.path} is damaged: its shape is not that of its chunks; fetch or write it again")
    return array


class _B2ndWriter:
    """Writes regions. A region that cuts chunks has those read, changed and written again."""

    def __init__(self, location: Location, array: Any) -> None:
        self._location, self._array = location, array

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store the voxels of a region."""
        check_values(self._array, region, values, level)
        with storing(self._location, RuntimeError):
            self._array[region.slices] = np.ascontiguousarray(values)

    def flush(self) -> None:
        """Do nothing: each write ends with the index and the trailer in the file."""


class _B2ndReader:
    """Reads regions."""

    def __init__(self, location: Location, array: Any) -> None:
        self._location, self._array = location, array
        self._shape: Shape = tuple(array.shape)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Read and decode the blocks that a region touches."""
        check_region(self._location, self.levels, region, level)
        with _reading(self._location):
            return owned(self._array[region.slices])

    def stored_as(self) -> StoredAs:
        """Return blocks, chunks, compressor, level and filters as the file's header says, and the bytes of its chunks."""
        with _reading(self._location):
            chunk, block = tuple(self._array.chunks), tuple(self._array.blocks)
            codec, remark = _codec_name(self._array.schunk.cparams)
            chunk_bytes = int(self._array.schunk.cbytes)
        notes = [remark] if remark else []
        if any(c % b for c, b in zip(chunk, block, strict=True)):
            layout = Layout(chunk_shape=block)
            notes.append(f"in Blosc2 chunks of {chunk}, in which the blocks do not come out even")
        else:
            layout = Layout(chunk_shape=block, shard_shape=None if chunk == block else chunk)
        return StoredAs(
            shape=self._shape,
            dtype=self._array.dtype.newbyteorder("="),
            axes=None,
            layout=layout,
            codec=codec,
            level_shapes=self.levels,
            decode_shape=block,
            chunk_bytes=chunk_bytes or None,
            note="; ".join(notes),
        )


def _codec_name(settings: Any) -> tuple[str, str]:
    """Return the neutral name of what a header says, and a remark where there is none."""
    if settings.clevel == 0:
        return "none", ""
    compressor = str(getattr(settings.codec, "name", settings.codec)).lower()
    filters = [str(getattr(one, "name", one)) for one in settings.filters]  # a number where python-blosc2 has no name
    used = [name for name in filters if name != "NOFILTER"] or ["NOFILTER"]
    shuffle = {name: neutral for neutral, name in _FILTERS.items()}.get("+".join(used))
    if compressor in BLOSC_COMPRESSORS and shuffle is not None:
        return f"blosc2-{compressor}-{settings.clevel}-{shuffle}", ""
    return "?", f"Blosc2's {compressor} at level {settings.clevel} behind the filters {', '.join(used)}"


class _Blosc2Blocks:
    """Compression of one block in memory, in a Blosc2 chunk of its own."""

    def __init__(self, request: WriteRequest) -> None:
        self._codec, self._dtype = request.codec, request.dtype
        self._shape = request.shape if request.layout is None else request.layout.chunk_shape

    def encode(self, block: NDArray) -> bytes:
        """Compress one block; the shape of the last one is kept."""
        import blosc2

        self._shape = block.shape
        settings = _settings(self._codec, self._dtype.itemsize, blocksize=block.nbytes)
        data: bytes = blosc2.compress2(np.ascontiguousarray(block), cparams=settings)
        return data

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block."""
        import blosc2

        block = np.empty(self._shape, self._dtype)
        blosc2.decompress2(data, dst=block, dparams=blosc2.DParams(nthreads=blosc2.nthreads))
        return block


def _c_blosc2_version() -> str:
    """Return what the header beside the library says: to import blosc2 takes a second, and starts threads."""
    spec = importlib.util.find_spec("blosc2")
    header = Path(str(spec and spec.origin)).parent / "include" / "blosc2.h"
    if header.is_file() and (said := re.search(r'#define BLOSC2_VERSION_STRING +"([\d.]+)', header.read_text())):
        return said[1]
    import blosc2

    return str(blosc2.blosclib_version).partition(" ")[0]
