"""NRRD through pynrrd: a header in words, then the voxels in one run, or in one gzip stream.

NRRD counts its axes from the fastest on; pynrrd's `index_order="C"` turns them round, so that the voxels lie in the file as
they do in memory. The names of the axes are kept as labels. pynrrd reads a file whole, also where it is not compressed.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import ArrayWriter, BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._gzip import GzipBlocks, zlib_facts
from storebench.backends._mapped import RawBlocks
from storebench.backends._owned import owned
from storebench.backends._refusals import check_thread_limit, missing_distributions, no_reopening, refusal
from storebench.backends._single_file import WholeWriter, check_region, no_checksum, no_chunks, reading, storing
from storebench.grid import Region, Shape
from storebench.stores import Location

_DTYPES: Final = "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64"
_WHAT: Final = "an NRRD image"
_CODECS: Final = {"raw": "none", "gzip": "gzip-*", "gz": "gzip-*"}


class NrrdPynrrd:
    """``.nrrd`` with its header attached."""

    name = "nrrd-pynrrd"
    format = "nrrd"
    library = "pynrrd"
    distributions = ("pynrrd",)
    suffix = ".nrrd"
    extra = "medical"
    partial_read = False
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = True
    counts_writes = True

    def why_unavailable(self) -> str | None:
        """Return None where pynrrd is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse layouts, and dtypes that NRRD has no name for."""
        sentence = refusal(self, request, n_axes=range(2, 6), dtypes=_DTYPES, kinds=("none", "gzip"))
        sentence = sentence or no_checksum(self, request) or no_chunks(self, request)
        return sentence

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "whole"."""
        return "whole"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[WholeWriter]:
        """Take the image in one piece."""
        yield WholeWriter(request, partial(_store, location, request))

    def reopen(self, location: Location) -> AbstractContextManager[ArrayWriter]:
        """Refuse: pynrrd writes a file once."""
        raise no_reopening(self)

    @contextmanager
    def open(self, location: Location) -> Iterator[_NrrdReader]:
        """Read the header."""
        yield _NrrdReader(location)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return zlib as pynrrd calls it, or the copy where nothing is compressed."""
        return RawBlocks(request) if request.codec.kind == "none" else GzipBlocks(request)

    def limit_threads(self, threads: int) -> str | None:
        """Return None: pynrrd uses one thread."""
        check_thread_limit(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return Python's zlib."""
        return zlib_facts()


def _store(location: Location, request: WriteRequest, image: NDArray) -> None:
    """Have pynrrd write an image."""
    import nrrd

    header: dict[str, Any] = {"encoding": "raw", "labels": list(reversed(request.axes))}
    settings = {}
    if request.codec.kind == "gzip":
        header["encoding"] = "gzip"
        settings["compression_level"] = request.codec.level
    with storing(location):
        nrrd.write(str(location.path), image, header, index_order="C", **settings)
    if location.log is not None:
        location.log.add("set", location.path.name, location.path.stat().st_size)


@contextmanager
def _reading(location: Location) -> Iterator[None]:
    """Turn what pynrrd raises on damaged files into a sentence."""
    from nrrd.errors import NRRDError

    with reading(location, _WHAT, NRRDError, ValueError, KeyError, IndexError, StopIteration, zlib.error):
        yield


class _NrrdReader:
    """Reads the whole file anew for every read, so that no read is served from memory."""

    def __init__(self, location: Location) -> None:
        import nrrd

        self._location = location
        with location.path.open("rb") as file, _reading(location):
            self._header = nrrd.read_header(file)
            self._n_header_bytes = file.tell()
            kind = {name: self._header[name] for name in ("type", "endian") if name in self._header}
            one_voxel = {**kind, "dimension": 1, "sizes": np.array([1]), "encoding": "raw"}
            self._dtype = nrrd.read_data(one_voxel, io.BytesIO(bytes(8))).dtype
            self._shape: Shape = tuple(int(n) for n in reversed(self._header["sizes"]))
        self._count(self._n_header_bytes)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Read and decompress the whole image, and return a region of it."""
        import nrrd

        check_region(self._location, self.levels, region, level)
        with _reading(self._location):
            values, _ = nrrd.read(str(self._location.path), index_order="C")
        self._count(self._location.path.stat().st_size)
        return owned(values[region.slices])

    def _count(self, n_bytes: int) -> None:
        """Write down a request: pynrrd reads by other means than a file object that it is given."""
        if self._location.log is not None:
            self._location.log.add("get", self._location.path.name, n_bytes)

    def stored_as(self) -> StoredAs:
        """Return what the header says; a gzip stream does not keep its compression level."""
        encoding, labels = self._header["encoding"], self._header.get("labels", ())
        return StoredAs(
            shape=self._shape,
            dtype=self._dtype.newbyteorder("="),
            axes="".join(reversed(labels)) if labels and all(len(label) == 1 for label in labels) else None,
            layout=None,
            codec=_CODECS.get(encoding, "?"),
            level_shapes=self.levels,
            decode_shape=self._shape,
            chunk_bytes=self._location.path.stat().st_size - self._n_header_bytes,
            note="" if encoding in _CODECS else f"encoding: {encoding}",
        )
