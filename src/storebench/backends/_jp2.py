"""What the JPEG 2000 backends share: what is refused, the wavelet's levels, a PSNR that is really reached.

OpenJPEG's PSNR and rate limits choose which bits of the reversible 5-3 wavelet are kept. Its PSNR is an estimate, which
missed by 8 dB (8-bit image, 30 dB asked): `encode_to_psnr` decodes what was encoded and asks for more until it holds.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import (
    ArrayReader,
    ArrayWriter,
    BlockCodec,
    ParallelWrites,
    StoredAs,
    WriteOrder,
    WriteRequest,
    check_thread_limit,
    missing_distributions,
    no_reopening,
    owned,
    refusal,
)
from storebench.backends._jp2_header import Header, read_header
from storebench.backends._single_file import WholeWriter, check_region, no_checksum, put_file, reading
from storebench.grid import Region, Shape
from storebench.stores import Location

Encoded = TypeVar("Encoded")

_TRIES: Final = 6


def encode_to_psnr(
    image: NDArray,
    psnr_db: float,
    encode: Callable[[float | None], Encoded],
    decode: Callable[[Encoded], NDArray],
) -> Encoded:
    """Encode so that the PSNR (peak: the dtype's largest value) is at least `psnr_db`.

    Parameters
    ----------
    image : numpy.ndarray
        Two axes of unsigned integers.
    psnr_db : float
        The least PSNR in dB.
    encode : callable
        Takes the PSNR to tell OpenJPEG, or None for lossless, and returns what `decode` takes.
    decode : callable
        Gives the voxels back.
    """
    peak = float(np.iinfo(image.dtype).max)
    target = psnr_db
    for _ in range(_TRIES):
        encoded = encode(target)
        error = np.square(decode(encoded).astype(np.float64) - image).mean()
        reached = 10 * np.log10(peak**2 / error) if error else np.inf
        if reached >= psnr_db:
            return encoded
        target += max(psnr_db - reached, 0.1) + 0.1
    return encode(None)


class Jp2Backend(ABC):
    """The parts of a JPEG 2000 backend that do not depend on the library."""

    name: str
    library: str
    distributions: tuple[str, ...]
    partial_read: bool
    makes_levels = True
    parallel_writes: ParallelWrites = "none"
    counts_reads = True
    counts_writes = True
    format = "jp2"
    suffix = ".jp2"
    extra = None
    _codec_kind = "jp2"

    def why_unavailable(self) -> str | None:
        """Return None where the library is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse what JPEG 2000 or the library cannot hold exactly."""
        sentence = refusal(self, request, n_axes=range(2, 3), dtypes="uint8 uint16", kinds=(self._codec_kind,))
        sentence = sentence or no_checksum(self, request)
        if sentence is None and request.codec.ratio == 1:
            return f"{self.name} cannot promise a ratio of 1: noise grows when it is encoded; use jp2-lossless"
        layers = request.codec.layer_ratios
        if sentence is None and list(layers) != sorted(set(layers), reverse=True):
            return f"{self.name} refines layer by layer: the ratios of {request.codec.name} must get smaller"
        return sentence or self._why_not_tiled(request)

    def _why_not_tiled(self, request: WriteRequest) -> str | None:
        """Refuse tiles larger than the image, and those that the library cannot write."""
        tile = tile_shape(request)
        if any(t > n for t, n in zip(tile, request.shape, strict=True)):
            return f"a JPEG 2000 tile of {tile} is larger than the image of {request.shape}; make it smaller"
        return None

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "whole"."""
        return "whole"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[WholeWriter]:
        """Take the image in one piece."""
        yield WholeWriter(request, partial(self._store, location, request))

    def reopen(self, location: Location) -> AbstractContextManager[ArrayWriter]:
        """Refuse: the file is written once."""
        raise no_reopening(self)

    @abstractmethod
    def open(self, location: Location) -> AbstractContextManager[ArrayReader]:
        """Read the header."""

    @abstractmethod
    def _store(self, location: Location, request: WriteRequest, image: NDArray) -> None:
        """Write the file."""

    @abstractmethod
    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the codec in memory, or why not."""

    def limit_threads(self, threads: int) -> str | None:
        """Hold OpenJPEG by its environment variable, which it reads for every image.

        Pillow sets no number of threads, and imagecodecs' `numthreads=1` changes nothing: with OPJ_NUM_THREADS=2 in the
        environment both used two (imagecodecs 2026.3.6, Pillow 12 to 13). 0 stands for the calling thread alone.
        """
        check_thread_limit(threads)
        os.environ["OPJ_NUM_THREADS"] = str(threads if threads > 1 else 0)
        return None

    @abstractmethod
    def facts(self) -> Mapping[str, str]:
        """Return the OpenJPEG that takes part."""


class Jp2InMemory(Jp2Backend):
    """A backend whose library encodes to bytes and decodes whole images."""

    partial_read = False

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Read the header; a library that decodes smaller levels brings a reader of its own."""
        yield _WholeReader(self, location, read_header(location))

    @abstractmethod
    def _encode(self, image: NDArray, request: WriteRequest, psnr_db: float | None) -> bytes:
        """Return the image as a JP2 file, reaching about `psnr_db`; None: as the request's codec says, or lossless."""

    @abstractmethod
    def _decode(self, data: bytes) -> NDArray:
        """Return the image of a JP2 file."""

    def encode(self, image: NDArray, request: WriteRequest) -> bytes:
        """Return the image as a JP2 file."""
        if request.codec.psnr_db is None:
            return self._encode(image, request, None)
        return encode_to_psnr(image, request.codec.psnr_db, partial(self._encode, image, request), self._decode)

    def _store(self, location: Location, request: WriteRequest, image: NDArray) -> None:
        put_file(location, self.encode(image, request))

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the codec as files in memory."""
        return _Jp2Blocks(self, request)


class _WholeReader:
    """Decodes the whole image for every read."""

    def __init__(self, backend: Jp2InMemory, location: Location, header: Header) -> None:
        self._backend = backend
        self._location = location
        self._header = header

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._header.shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Decode the whole image and return a region of it."""
        check_region(self._location, self.levels, region, level)
        with self._location.open_file() as file:
            data = file.read()
        with reading(self._location, "a JPEG 2000 image", RuntimeError, ValueError):
            return owned(self._backend._decode(data)[region.slices])

    def stored_as(self) -> StoredAs:
        """Return what the codestream's header says."""
        return self._header.stored_as(self._header.shape)


class _Jp2Blocks:
    """Blocks of two axes as JP2 files in memory."""

    def __init__(self, backend: Jp2InMemory, request: WriteRequest) -> None:
        self._backend = backend
        self._request = request

    def encode(self, block: NDArray) -> bytes:
        """Compress one block."""
        return self._backend.encode(np.ascontiguousarray(block), self._request)

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block."""
        return self._backend._decode(data)


def tile_shape(request: WriteRequest) -> Shape:
    """Return the tile that is asked for: the whole image where there is no layout."""
    return request.layout.chunk_shape if request.layout is not None else request.shape
