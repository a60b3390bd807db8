"""Zarr v3 by acquire-zarr, which writes what a microscope's camera gives, plane after plane; it is read by zarr-python.

acquire-zarr has no array without shards: a shard of one chunk is the least that it makes. Without a layout it chooses nothing;
then each plane of the last two axes is a chunk and a shard of its own.

`append` hands voxels over to threads of the library, and nothing but closing the stream waits for them. So this closes as soon as
the last plane is there. Planes one by one are taken where each completes its shards; a flush then looks at the files until
those are complete. Each shard is synced, and so are the metadata at the end, whatever is asked: what it has written is durable,
and takes the time that this takes. Chunks of nothing but 0 are left out of a shard, whatever is asked.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import (
    ALWAYS_SYNCED,
    ArrayReader,
    ArrayWriter,
    BlockCodec,
    ParallelWrites,
    WriteOrder,
    WriteRequest,
)
from storebench.backends._refusals import check_thread_limit, missing_distributions, no_reopening, refusal
from storebench.backends._single_file import check_values, no_checksum, storing
from storebench.backends._zarr_arrays import ArraysReader, open_store, zarr_facts
from storebench.backends._zarr_codecs import ZarrBlockCodec, why_not
from storebench.backends._zarr_threads import limit_zarr_threads
from storebench.codecs import SHUFFLES, Codec
from storebench.errors import StorageError, UnsupportedError, UsageError
from storebench.grid import Layout, Region, blocks_touched
from storebench.stores import Location

_DTYPES: Final = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64"
_COMPRESSORS: Final = ("lz4", "zstd")
_INDEX_ENTRY_BYTES, _CHECKSUM_BYTES = 16, 4
_PAUSE_S, _LONGEST_WAIT_S = 0.001, 60.0

_limits: dict[str, int] = {}


class Zarr3AcquireZarr:
    """Zarr v3 in shards.

    Attributes
    ----------
    writes_empty_chunks : bool
        Whether a chunk of nothing but 0 is stored like any other; False: it cannot be had.
    """

    name = "zarr3-acquirezarr"
    format = "zarr3"
    library = "acquire-zarr"
    distributions = ("acquire-zarr", "zarr", "numcodecs")
    suffix = ".zarr"
    extra = "acquire-zarr"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = True
    counts_writes = False
    writes_empty_chunks = False
    own_fsync = ALWAYS_SYNCED

    def why_unavailable(self) -> str | None:
        """Return None where acquire-zarr is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        sentence = refusal(self, request, n_axes=range(3, 6), dtypes=_DTYPES, kinds=("none", "blosc"), shards=True)
        return sentence or no_checksum(self, request) or self._why_not(request)

    def _why_not(self, request: WriteRequest) -> str | None:
        """Return the sentence for what acquire-zarr alone does not do."""
        codec, layout = request.codec, request.layout
        if codec.kind == "blosc" and codec.compressor not in _COMPRESSORS:
            return f"{self.name} has Blosc with {' and '.join(_COMPRESSORS)}, not {codec.name}; use one of those"
        if layout is not None and layout.shard_shape is None:
            least = "x".join(map(str, layout.chunk_shape))
            return f"{self.name} writes shards always; name them, at least {least}, or use zarr3-zarrpython for chunks without"
        return why_not(self.name, codec, math.prod(_layout(request).chunk_shape) * request.dtype.itemsize)

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "planes" where each plane along the first axis completes its shards, else "whole"."""
        return "planes" if _layout(request).object_shape[0] == 1 and request.stack_axis == 0 else "whole"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Open a stream, take the image or its planes, close the stream."""
        with storing(location, RuntimeError):
            writer = _Stream(location, request, self.write_order(request))
        try:
            yield writer
        except BaseException:
            with suppress(StorageError):  # what was wrong before is what is raised
                writer.close()
            raise
        writer.close()

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored array by zarr-python."""
        reader = ArraysReader(location, open_store(location, read_only=True), ("",), zarr_format=3)
        reader.array(0)
        yield reader

    def reopen(self, location: Location) -> AbstractContextManager[ArrayWriter]:
        """Refuse: a stream begins a new array."""
        raise no_reopening(self)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the codec as zarr-python, which reads it, calls it."""
        return ZarrBlockCodec(request.codec, _layout(request).chunk_shape, request.dtype)

    def limit_threads(self, threads: int) -> str | None:
        """Hold the pools of acquire-zarr's streams and of zarr-python.

        Beside its pool a stream has a thread that cuts planes into chunks and one that writes shards; all work at the same time.
        """
        check_thread_limit(threads)
        _limits["max_threads"] = max(1, threads - 2)
        sentence = limit_zarr_threads(threads)
        if sentence is None and threads < 3:
            return "acquire-zarr cuts, compresses and writes in a thread each at the same time; use --threads 3 or more"
        return sentence

    def facts(self) -> Mapping[str, str]:
        """Return what results depend on beyond the versions."""
        if self.why_unavailable() is not None:
            return {}
        return {
            **zarr_facts(),
            "acquire-zarr is read by": "zarr-python",
            "acquire-zarr fsync": "of each shard and of the metadata at the end (no setting)",
            "empty chunks": "left out of shards (no setting)",
        }


def _layout(request: WriteRequest) -> Layout:
    """Return the layout asked for, or one chunk and shard for each plane."""
    plane = (*(1,) * (len(request.shape) - 2), *request.shape[-2:])
    return request.layout or Layout(chunk_shape=plane, shard_shape=plane)


def _settings(path: Path, request: WriteRequest) -> Any:
    """Return what a stream is opened with."""
    import acquire_zarr as aqz

    layout = _layout(request)
    dimensions = [
        aqz.Dimension(
            name=name,
            kind=aqz.DimensionType.SPACE,
            array_size_px=n,
            chunk_size_px=chunk,
            shard_size_chunks=shard // chunk,
        )
        for name, n, chunk, shard in zip(
            request.axes, request.shape, layout.chunk_shape, layout.object_shape, strict=True
        )
    ]
    array = aqz.ArraySettings(dimensions=dimensions, data_type=request.dtype, compression=_compression(request.codec))
    return aqz.StreamSettings(arrays=[array], store_path=str(path), **_limits)


def _compression(codec: Codec) -> Any:
    """Return acquire-zarr's words for a codec; None: no compression."""
    import acquire_zarr as aqz

    if codec.kind == "none":
        return None
    return aqz.CompressionSettings(
        compressor=aqz.Compressor.BLOSC1,
        codec=getattr(aqz.CompressionCodec, f"BLOSC_{str(codec.compressor).upper()}"),
        level=codec.level,
        shuffle=SHUFFLES.index(str(codec.shuffle)),
    )


class _Stream:
    """Appends planes in order, and closes itself with the last one."""

    def __init__(self, location: Location, request: WriteRequest, order: WriteOrder) -> None:
        import acquire_zarr as aqz

        aqz.set_log_level(aqz.LogLevel.NONE)  # what fails is raised
        self._location, self._request, self._order = location, request, order
        self._stream: Any = aqz.ZarrStream(_settings(location.path, request))
        self._n_planes = self._n_flushed = 0

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Append whole planes along the first axis; the voxels' type is checked, for acquire-zarr takes any bytes."""
        shape = self._request.shape
        check_values(self._request, region, values, level)
        if region.shape != shape and self._order == "whole":
            raise UsageError(f"region {region} is a part of {shape}; such shards are written whole")
        if region.shape[1:] != shape[1:]:
            raise UsageError(f"region {region} cuts planes; acquire-zarr takes whole planes of {shape[1:]} voxels")
        if region.start[0] != self._n_planes:
            raise UsageError(f"region {region} is out of order: plane {self._n_planes} comes next")
        with storing(self._location, RuntimeError):
            self._stream.append(np.ascontiguousarray(values))
        self._n_planes = region.stop[0]
        if self._n_planes == shape[0]:
            self.close()

    def flush(self) -> None:
        """Wait until the shards of the planes so far are complete, and the metadata count these planes.

        Raises
        ------
        UnsupportedError
            If the shards are thicker than a plane: acquire-zarr completes a part of them when it closes only.
        """
        if self._stream is None or self._n_planes == self._n_flushed:
            return
        if self._order == "whole":
            raise UnsupportedError("acquire-zarr keeps planes until their shards are full; flush after the last plane")
        layout, shape = _layout(self._request), self._request.shape
        region = Region((self._n_flushed, *(0,) * (len(shape) - 1)), (self._n_planes, *shape[1:]))
        n_chunks = math.prod(s // c for s, c in zip(layout.object_shape, layout.chunk_shape, strict=True))
        deadline = time.monotonic() + _LONGEST_WAIT_S
        for index in blocks_touched(region, layout.object_shape):
            shard = self._location.path.joinpath("c", *map(str, index))
            while not _is_complete(shard, n_chunks):
                self._pause(deadline)
        while _planes_counted(self._location.path / "zarr.json") < self._n_planes:
            self._pause(deadline)
        self._n_flushed = self._n_planes

    def _pause(self, deadline: float) -> None:
        """Wait a moment.

        Raises
        ------
        StorageError
            If the stream has ended, or nothing comes any more.
        """
        if not self._stream.is_active() or time.monotonic() > deadline:
            raise StorageError(
                f"{self._location.path}: acquire-zarr does not complete its shards; look for free space and permission"
            )
        time.sleep(_PAUSE_S)

    def close(self) -> None:
        """Close the stream, which waits for what was appended."""
        if self._stream is None:
            return
        stream, self._stream = self._stream, None
        with storing(self._location, RuntimeError):
            stream.close()


def _is_complete(shard: Path, n_chunks: int) -> bool:
    """Tell whether a shard ends with the index of its chunks, which is written last, and its checksum."""
    from numcodecs.checksum32 import CRC32C

    n_bytes = n_chunks * _INDEX_ENTRY_BYTES
    try:
        with shard.open("rb", buffering=0) as file:
            file.seek(-n_bytes - _CHECKSUM_BYTES, os.SEEK_END)
            end = file.read()
    except OSError:  # not there yet, or too short
        return False
    return len(end) == n_bytes + _CHECKSUM_BYTES and bytes(CRC32C().encode(end[:n_bytes])) == end


def _planes_counted(metadata: Path) -> int:
    """Return how many planes an array's metadata have."""
    try:
        return int(json.loads(metadata.read_bytes())["shape"][0])
    except (OSError, ValueError):  # not there yet, or half there
        return 0
