"""TIFF through tifffile (and imagecodecs): strips, tiles or volumetric tiles, grey pages, BigTIFF where needed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import ArrayReader, BlockCodec, ParallelWrites, WriteOrder, WriteRequest
from storebench.backends._jp2 import limit_openjpeg
from storebench.backends._owned import owned
from storebench.backends._refusals import check_thread_limit, missing_distributions, refusal
from storebench.backends._single_file import NUMBERS, no_checksum, reading
from storebench.backends._tiff_codecs import TIFF_CODECS, tiff_facts, why_not_compressed
from storebench.backends._tiff_reader import READ_ERRORS, TiffReader, open_tiff
from storebench.backends._tiff_writer import TiffInPlace, TiffPages, cut, why_not_cut, write_order
from storebench.stores import Location


class TiffTifffile:
    """``.tiff`` of one series of grey pages, or of volumes of tiles."""

    name = "tiff-tifffile"
    format = "tiff"
    library = "tifffile"
    distributions: tuple[str, ...] = ("tifffile", "imagecodecs")
    suffix = ".tiff"
    extra = None
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = True
    counts_writes = False  # tifffile writes arrays past any file object of Python
    _levels = False
    _overviews = False  # else all pages are cut into tiles, and smaller levels are pages too
    _n_axes = range(2, 6)
    _kinds = tuple(TIFF_CODECS)
    _dtypes = NUMBERS
    _reader: type[TiffReader] = TiffReader
    _n_workers: int | None = None  # for all images of this process

    def why_unavailable(self) -> str | None:
        """Return None where tifffile and imagecodecs are installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse what TIFF or tifffile cannot hold exactly."""
        sentence = refusal(
            self,
            request,
            n_axes=self._n_axes,
            dtypes=self._dtypes,
            kinds=self._kinds,
            levels=self._levels,
        )
        sentence = sentence or no_checksum(self, request)
        if sentence is None and request.layout is not None:
            sentence = why_not_cut(request.shape, request.layout, strips=not self._overviews)
        _, n_page_axes = cut(request.shape, request.layout)
        return sentence or why_not_compressed(self.name, request, in_volumes=n_page_axes == 3)

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "planes" where planes are pages, which come in order; "whole" for tiles of volumes."""
        return write_order(request)

    def create(self, location: Location, request: WriteRequest) -> AbstractContextManager[TiffPages]:
        """Take the image in one piece, or plane after plane."""
        return self._write(location, request)

    @contextmanager
    def _write(self, location: Location, request: WriteRequest) -> Iterator[TiffPages]:
        description, workers = self._describe(request), self._n_workers
        writer = TiffPages(location, request, description, overviews=self._overviews, n_workers=workers)
        try:
            yield writer
        finally:
            writer.close()

    def _describe(self, request: WriteRequest) -> str:
        """Return what tifffile itself would write; but given as `metadata=` it squeezes a last axis of one voxel away."""
        return json.dumps({"shape": request.shape, "axes": request.axes.upper()})

    @contextmanager
    def reopen(self, location: Location) -> Iterator[TiffInPlace]:
        """Take any region of an uncompressed file, in place; what was never written of it is not appended."""
        with self._read(location) as reader:
            yield TiffInPlace(location, reader)

    def open(self, location: Location) -> AbstractContextManager[ArrayReader]:
        """Read the first page's tags."""
        return self._read(location)

    @contextmanager
    def _read(self, location: Location) -> Iterator[TiffReader]:
        with open_tiff(location) as tiff:
            with reading(location, "a TIFF", *READ_ERRORS):
                reader = self._reader(location, tiff)
            yield reader

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return predictor and compressor as tifffile calls them for one strip or tile."""
        return _TiffBlocks(request)

    def limit_threads(self, threads: int) -> str | None:
        """Hold tifffile's workers, which compress, and OpenJPEG's threads; without a limit tifffile chooses half of the cores.

        Strips and tiles are read in one thread, by a loop of our own.
        """
        check_thread_limit(threads)
        limit_openjpeg(threads)
        self._n_workers = threads
        return None

    def facts(self) -> Mapping[str, str]:
        """Return the compressors inside imagecodecs, and when a file is a BigTIFF."""
        return tiff_facts()


class _TiffBlocks:
    """One strip or tile at a time, through the functions in tifffile's own tables."""

    def __init__(self, request: WriteRequest) -> None:
        import tifffile

        able = TIFF_CODECS[request.codec.kind]
        predictor = 1 if not request.codec.predictor else 3 if request.dtype.kind == "f" else 2
        self._settings = able.settings(request.codec)
        self._as_image = able.as_image
        self._compress = tifffile.TIFF.COMPRESSORS[able.tag] if able.tag > 1 else None
        self._decompress = tifffile.TIFF.DECOMPRESSORS[able.tag] if able.tag > 1 else None
        self._predict = tifffile.TIFF.PREDICTORS[predictor] if predictor > 1 else None
        self._unpredict = tifffile.TIFF.UNPREDICTORS[predictor] if predictor > 1 else None
        self._dtype = request.dtype
        self._shape = request.layout.chunk_shape if request.layout is not None else request.shape
        _, self._n_axes = cut(request.shape, request.layout)

    def encode(self, block: NDArray) -> bytes:
        """Compress one block."""
        self._shape = block.shape
        block = np.ascontiguousarray(block).reshape(
            -1, *block.shape[1 - self._n_axes :], 1
        )  # one sample, which comes last
        if self._predict is not None:
            block = self._predict(block, axis=-2)
        return block.tobytes() if self._compress is None else bytes(self._compress(block, **self._settings))

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block."""
        if self._as_image and self._decompress is not None:
            return owned(np.asarray(self._decompress(data)).reshape(self._shape))
        n_bytes = math.prod(self._shape) * self._dtype.itemsize
        raw = data if self._decompress is None else self._decompress(data, out=n_bytes)
        block = np.frombuffer(raw, self._dtype).reshape(*self._shape, 1)
        block = block.copy() if self._unpredict is None else self._unpredict(block, axis=-2)
        return np.ascontiguousarray(block[..., 0])
