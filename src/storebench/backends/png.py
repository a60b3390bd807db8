"""PNG through imageio, whose pillow plugin does the work: one 2-D image, always decoded whole."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import ArrayWriter, BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._owned import owned
from storebench.backends._pillow import any_size, facts_of_pillow
from storebench.backends._refusals import check_thread_limit, missing_distributions, no_reopening, refusal
from storebench.backends._single_file import WholeWriter, check_region, no_checksum, put_file, reading
from storebench.codecs import Codec
from storebench.errors import DataError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class PngImageio:
    """``.png`` of 8 or 16 bits."""

    name = "png-imageio"
    format = "png"
    library = "imageio"
    distributions = ("imageio", "pillow")
    suffix = ".png"
    extra = None
    partial_read = False
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = True
    counts_writes = True

    def why_unavailable(self) -> str | None:
        """Return None where imageio and Pillow are installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse what PNG has no place for: volumes, other dtypes, chunks."""
        sentence = refusal(self, request, n_axes=range(2, 3), dtypes="uint8 uint16", kinds=("png",))
        if sentence is None and request.layout is not None and request.layout.chunk_shape != request.shape:
            return f"{self.name} compresses the image as one run and has no chunks; leave the chunk shape out"
        return sentence or no_checksum(self, request)

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "whole"."""
        return "whole"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[WholeWriter]:
        """Take the image in one piece."""
        yield WholeWriter(request, partial(_store, location, request.codec))

    def reopen(self, location: Location) -> AbstractContextManager[ArrayWriter]:
        """Refuse: the file is written once."""
        raise no_reopening(self)

    @contextmanager
    def open(self, location: Location) -> Iterator[_PngReader]:
        """Read the header."""
        yield _PngReader(location)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the codec as files in memory."""
        return _PngBlocks(request.codec)

    def limit_threads(self, threads: int) -> str | None:
        """Return None: Pillow's zlib uses one thread."""
        check_thread_limit(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return the zlib that Pillow compresses with."""
        return facts_of_pillow("zlib")


def _encode(image: NDArray, codec: Codec) -> bytes:
    """Return the image as a PNG file."""
    import imageio.v3 as iio

    # Pillow's mode is not given: imageio takes it from the dtype, and a 2-D array is never taken for colour or a batch.
    encoded: bytes = iio.imwrite("<bytes>", image, plugin="pillow", extension=".png", compress_level=codec.level)
    return encoded


def _store(location: Location, codec: Codec, image: NDArray) -> None:
    """Write an image to a file. Not by imageio: on a full disk it fails in a destructor, and no caller sees that."""
    put_file(location, _encode(image, codec))


def _decode(source: Any) -> NDArray:
    """Read an image from a path, an open file or bytes."""
    import imageio.v3 as iio

    return owned(iio.imread(source, plugin="pillow", extension=".png"))


class _PngReader:
    """Decodes the whole image anew for every read, so that no read is served from memory."""

    def __init__(self, location: Location) -> None:
        import imageio.v3 as iio

        self._location = location
        with self._source() as source, any_size(), reading(location, "a PNG image", SyntaxError, ValueError):
            properties = iio.improps(source, plugin="pillow", extension=".png")
        self._shape: Shape = tuple(properties.shape)
        self._dtype = np.dtype(properties.dtype)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Decode the whole image and return a region of it."""
        check_region(self._location, self.levels, region, level)
        with self._source() as source, any_size(), reading(self._location, "a PNG image", SyntaxError, ValueError):
            return owned(_decode(source)[region.slices])

    @contextmanager
    def _source(self) -> Iterator[Any]:
        """Give the path, which imageio opens itself; where requests are counted, an open file that counts them."""
        if self._location.log is None:
            yield self._location.path
            return
        with self._location.open_file() as file:
            yield file

    def stored_as(self) -> StoredAs:
        """Return what the file's header and chunks say; a PNG does not keep its compression level."""
        with self._location.path.open("rb") as file, reading(self._location, "a PNG image", struct.error):
            payload = _payload_bytes(file, self._location)
        return StoredAs(
            shape=self._shape,
            dtype=self._dtype,
            axes=None,
            layout=Layout(chunk_shape=self._shape),
            codec="png-*",
            level_shapes=self.levels,
            decode_shape=self._shape,
            chunk_bytes=payload,
        )


def _payload_bytes(file: BinaryIO, location: Location) -> int:
    """Return the bytes of all IDAT chunks."""
    total, kind = 0, b""
    if file.read(8) != _SIGNATURE:
        raise DataError(f"{location.path} is no PNG image")
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", file.read(8))
        total += length if kind == b"IDAT" else 0
        file.seek(length + 4, 1)
    return total


class _PngBlocks:
    """Blocks of two axes as PNG files in memory."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def encode(self, block: NDArray) -> bytes:
        """Compress one block."""
        return _encode(np.ascontiguousarray(block), self._codec)

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block."""
        return _decode(data)
