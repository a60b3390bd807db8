"""What the backends of one 2-D image file share: written once and whole, by a library that works in memory or on files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Protocol

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
)
from storebench.backends._owned import owned
from storebench.backends._refusals import missing_distributions, no_reopening
from storebench.backends._single_file import WholeWriter, check_region, put_file, reading
from storebench.grid import Region, Shape
from storebench.stores import Location


class Header(Protocol):
    """What a file says about its image before anything is decoded."""

    @property
    def shape(self) -> Shape:
        """(y, x), and the channels where there are several."""

    def stored_as(self, decode_shape: Shape | None) -> StoredAs:
        """Return it in storebench's words."""


class ImageFileBackend(ABC):
    """A backend of single images that are written once."""

    name: str
    format: str
    suffix: str
    library: str
    distributions: tuple[str, ...]
    partial_read: bool
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = True
    counts_writes = True
    extra: str | None = None

    def why_unavailable(self) -> str | None:
        """Return None where the library is installed."""
        return missing_distributions(self.distributions, self.extra)

    @abstractmethod
    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse what the format or the library cannot hold exactly."""

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

    @abstractmethod
    def limit_threads(self, threads: int) -> str | None:
        """Hold the library to so many threads."""

    @abstractmethod
    def facts(self) -> Mapping[str, str]:
        """Return the codec library that takes part."""


class InMemoryBackend(ImageFileBackend):
    """A backend whose library encodes to bytes and decodes whole images."""

    partial_read = False
    what: str
    """For a sentence, as in "a JPEG 2000 image"."""

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Read the header; a library that decodes smaller levels brings a reader of its own."""
        yield _WholeReader(self, location, self._header(location))

    @abstractmethod
    def _header(self, location: Location) -> Header:
        """Read the header. Never counted: the library that decodes the file reads it again itself."""

    @abstractmethod
    def encode(self, image: NDArray, request: WriteRequest) -> bytes:
        """Return the image as a file."""

    @abstractmethod
    def decode(self, data: bytes) -> NDArray:
        """Return the image of a file."""

    def _store(self, location: Location, request: WriteRequest, image: NDArray) -> None:
        put_file(location, self.encode(image, request))

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the codec as files in memory."""
        return _ImageBlocks(self, request)


class _WholeReader:
    """Decodes the whole image for every read."""

    def __init__(self, backend: InMemoryBackend, location: Location, header: Header) -> None:
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
        with reading(self._location, self._backend.what, RuntimeError, ValueError):
            return owned(self._backend.decode(data)[region.slices])

    def stored_as(self) -> StoredAs:
        """Return what the header says."""
        return self._header.stored_as(self._header.shape)


class _ImageBlocks:
    """Blocks of two axes as files in memory."""

    def __init__(self, backend: InMemoryBackend, request: WriteRequest) -> None:
        self._backend = backend
        self._request = request

    def encode(self, block: NDArray) -> bytes:
        """Compress one block."""
        return self._backend.encode(np.ascontiguousarray(block), self._request)

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block."""
        return self._backend.decode(data)
