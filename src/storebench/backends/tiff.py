"""TIFF through tifffile (and imagecodecs): strips, tiles or volumetric tiles, grey pages, BigTIFF where needed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import IO, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import (
    ArrayWriter,
    BlockCodec,
    ParallelWrites,
    WriteOrder,
    WriteRequest,
    check_thread_limit,
    missing_distributions,
    no_reopening,
    refusal,
)
from storebench.backends._single_file import NUMBERS, WholeWriter, no_checksum, reading, storing
from storebench.backends._tiff_reader import COMPRESSION_TAGS, READ_ERRORS, TiffReader
from storebench.grid import Layout, Shape, grid_shape
from storebench.stores import Location

CLASSIC_TIFF_BYTES: Final = 2**32 - 2**25
"""What a TIFF of 32-bit offsets holds, with tifffile's margin; larger images become BigTIFF."""

_PREDICTABLE: Final = "int8 uint8 int16 uint16 int32 uint32 float16 float32 float64"


class TiffTifffile:
    """``.tiff`` of one series of grey pages, or of volumes of tiles."""

    name = "tiff-tifffile"
    format = "tiff"
    library = "tifffile"
    distributions = ("tifffile", "imagecodecs")
    suffix = ".tiff"
    extra = None
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = True
    counts_writes = False  # tifffile writes arrays past any file object of Python

    def why_unavailable(self) -> str | None:
        """Return None where tifffile and imagecodecs are installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse what TIFF or tifffile cannot hold exactly."""
        sentence = refusal(self, request, n_axes=range(2, 6), dtypes=NUMBERS, kinds=tuple(COMPRESSION_TAGS))
        sentence = sentence or no_checksum(self, request)
        if sentence is None and request.codec.predictor and request.dtype.name not in _PREDICTABLE.split():
            return f"{self.name} has no predictor for {request.dtype.name}; take the codec without '-predictor'"
        if sentence is None and request.layout is not None:
            return _why_not_cut(request.shape, request.layout)
        return sentence

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "whole"."""
        return "whole"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[WholeWriter]:
        """Take the image in one piece."""
        yield WholeWriter(request, partial(_store, location, request))

    def reopen(self, location: Location) -> AbstractContextManager[ArrayWriter]:
        """Refuse: the file is written once."""
        raise no_reopening(self)

    @contextmanager
    def open(self, location: Location) -> Iterator[TiffReader]:
        """Read the first page's tags. Where requests are counted, tifffile reads through the counting file."""
        import tifffile

        if location.log is not None:
            with location.open_file() as file:
                with reading(location, "a TIFF", *READ_ERRORS):
                    reader = TiffReader(location, tifffile.TiffFile(cast("IO[bytes]", file)))
                yield reader
            return
        with reading(location, "a TIFF", *READ_ERRORS):
            tiff = tifffile.TiffFile(location.path)
        with tiff:
            with reading(location, "a TIFF", *READ_ERRORS):
                reader = TiffReader(location, tiff)
            yield reader

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return predictor and compressor as tifffile calls them for one strip or tile."""
        return _TiffBlocks(request)

    def limit_threads(self, threads: int) -> str | None:
        """Return None: reading and writing pass `maxworkers=1`, and imagecodecs' codecs use one thread."""
        check_thread_limit(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return the compressors inside imagecodecs."""
        import imagecodecs

        versions = (imagecodecs.deflate_version(), imagecodecs.zstd_version())
        return {name: f"{version} (imagecodecs' wheel)" for name, version in (v.split(maxsplit=1) for v in versions)}


def _cut(shape: Shape, layout: Layout | None) -> tuple[dict[str, Any], int]:
    """Return tifffile's words for a layout, and how many of the last axes one page holds."""
    if layout is None:
        return {}, 2
    chunk = layout.chunk_shape
    if len(chunk) > 2 and chunk[-3] > 1:
        return {"tile": chunk[-3:], "volumetric": True}, 3
    if chunk[-1] == shape[-1]:
        return {"rowsperstrip": chunk[-2]}, 2
    return {"tile": chunk[-2:]}, 2


def _why_not_cut(shape: Shape, layout: Layout) -> str | None:
    """Return the sentence for a chunk shape that is neither a strip nor a tile nor a volumetric tile, or None."""
    chunk = layout.chunk_shape
    settings, n_page_axes = _cut(shape, layout)
    if any(n != 1 for n in chunk[:-n_page_axes]):
        return f"TIFF cuts its last three axes only; make all but those 1 in the chunk shape {chunk}"
    if "rowsperstrip" in settings:
        if chunk[-2] > shape[-2]:
            return f"a TIFF strip of {chunk[-2]} rows is higher than the image of {shape[-2]} rows; use {shape[-2]}"
        return None
    if chunk[-1] % 16 or chunk[-2] % 16:
        strip = (*(1,) * (len(chunk) - 2), min(chunk[-2], shape[-2]), shape[-1])
        return (
            f"TIFF tiles need multiples of 16 voxels along the last two axes, not {chunk[-2]} × {chunk[-1]}; "
            f"or use strips, which are rows of the whole width, as in {strip}"
        )
    return None


def needs_bigtiff(request: WriteRequest) -> bool:
    """Tell whether the file may outgrow 32-bit offsets, taking the worst that the codec can make of the voxels."""
    _, n_page_axes = _cut(request.shape, request.layout)
    plane = (*(1,) * (len(request.shape) - 2), *request.shape[-2:])
    chunk = request.layout.chunk_shape if request.layout is not None else plane
    n_chunks = math.prod(grid_shape(request.shape, chunk))
    n_pages = math.prod(request.shape[:-n_page_axes])
    worst = {"lzw": 1.5}.get(request.codec.kind, 1.01)  # LZW codes of up to 12 bits for one byte that never repeats
    stored = n_chunks * math.prod(chunk) * request.dtype.itemsize * worst
    return stored + 16 * n_chunks + 1024 * n_pages > CLASSIC_TIFF_BYTES


def _store(location: Location, request: WriteRequest, values: NDArray) -> None:
    """Write all pages, one thread."""
    import tifffile

    settings, n_page_axes = _cut(request.shape, request.layout)
    if request.codec.kind != "none":
        settings["compression"] = COMPRESSION_TAGS[request.codec.kind]
        settings["predictor"] = request.codec.predictor
    if request.codec.level is not None:
        settings["compressionargs"] = {"level": request.codec.level}
    # What tifffile itself would write; but given as `metadata=` it squeezes a last axis of one voxel out of the pages.
    description = json.dumps({"shape": request.shape, "axes": request.axes.upper()})
    with storing(location):
        tifffile.imwrite(
            location.path,
            values.reshape((-1, *request.shape[-n_page_axes:])),
            photometric="minisblack",  # else a last axis of 3 or 4 voxels becomes colour
            bigtiff=needs_bigtiff(request),
            ome=False,
            metadata=None,
            description=description,
            maxworkers=1,
            **settings,
        )


class _TiffBlocks:
    """One strip or tile at a time, through the functions in tifffile's own tables."""

    def __init__(self, request: WriteRequest) -> None:
        import tifffile

        tag = COMPRESSION_TAGS[request.codec.kind]
        predictor = 1 if not request.codec.predictor else 3 if request.dtype.kind == "f" else 2
        self._settings = {} if request.codec.level is None else {"level": request.codec.level}
        self._compress = tifffile.TIFF.COMPRESSORS[tag] if tag > 1 else None
        self._decompress = tifffile.TIFF.DECOMPRESSORS[tag] if tag > 1 else None
        self._predict = tifffile.TIFF.PREDICTORS[predictor] if predictor > 1 else None
        self._unpredict = tifffile.TIFF.UNPREDICTORS[predictor] if predictor > 1 else None
        self._dtype = request.dtype
        self._shape = request.layout.chunk_shape if request.layout is not None else request.shape

    def encode(self, block: NDArray) -> bytes:
        """Compress one block."""
        self._shape = block.shape
        block = np.ascontiguousarray(block)[..., np.newaxis]  # samples come last, there is one
        if self._predict is not None:
            block = self._predict(block, axis=-2)
        return block.tobytes() if self._compress is None else bytes(self._compress(block, **self._settings))

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block."""
        n_bytes = math.prod(self._shape) * self._dtype.itemsize
        raw = data if self._decompress is None else self._decompress(data, out=n_bytes)
        block = np.frombuffer(raw, self._dtype).reshape(*self._shape, 1)
        block = block.copy() if self._unpredict is None else self._unpredict(block, axis=-2)
        return np.ascontiguousarray(block[..., 0])
