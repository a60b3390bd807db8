"""What the image files through imagecodecs share: a plane in memory becomes one file, and a file becomes a plane again."""

from __future__ import annotations

import mmap
from abc import abstractmethod
from collections.abc import Mapping

from storebench.backends._backend import WriteRequest
from storebench.backends._image_file import Header, InMemoryBackend
from storebench.backends._image_headers import HEADER_ERRORS, HeaderReader
from storebench.backends._refusals import check_thread_limit, refusal
from storebench.backends._single_file import no_checksum, reading
from storebench.errors import DataError
from storebench.stores import Location


class ImagecodecsFile(InMemoryBackend):
    """One grey plane without chunks; always decoded whole.

    Attributes
    ----------
    _kind : str
        Codec family.
    _dtypes : str
        numpy's names of what comes back to the bit.
    _read_header : callable
        Reads what a file says about itself.
    """

    library = "imagecodecs"
    distributions = ("imagecodecs",)
    _kind: str
    _dtypes: str
    _read_header: HeaderReader

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse volumes, other dtypes, chunks, and what the library cannot do exactly."""
        sentence = refusal(self, request, n_axes=range(2, 3), dtypes=self._dtypes, kinds=(self._kind,))
        if sentence is None and request.layout is not None and request.layout.chunk_shape != request.shape:
            return f"{self.name} compresses the image in one piece and has no chunks; leave the chunk shape out"
        return sentence or no_checksum(self, request) or self._why_not(request)

    def _why_not(self, request: WriteRequest) -> str | None:
        """Refuse more."""
        return None

    def _header(self, location: Location) -> Header:
        with location.path.open("rb") as file, reading(location, self.what, *HEADER_ERRORS):
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                header = self._read_header(data)
        if header.shape[0] == 0:
            raise DataError(
                f"{location.path} holds a sequence of images, and storebench reads one; store them one by one"
            )
        return header

    def limit_threads(self, threads: int) -> str | None:
        """Return None: the library uses one thread."""
        check_thread_limit(threads)
        return None

    @abstractmethod
    def facts(self) -> Mapping[str, str]:
        """Return the codec library inside imagecodecs."""
