"""JPEG 2000 through imagecodecs, which carries its own OpenJPEG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from numpy.typing import NDArray

from storebench.backends._backend import StoredAs, WriteRequest, owned
from storebench.backends._jp2 import Jp2InMemory, tile_shape
from storebench.backends._jp2_header import Header, read_header
from storebench.backends._single_file import check_region, reading
from storebench.grid import Region, Shape
from storebench.stores import Location


class Jp2Imagecodecs(Jp2InMemory):
    """``.jp2`` of 8 or 16 bits in one tile, always decoded whole; lossless or by PSNR."""

    name = "jp2-imagecodecs"
    library = "imagecodecs"
    distributions = ("imagecodecs",)
    _n_threads = 1  # for all images of this process, as OpenJPEG's own setting
    makes_levels = False  # the wavelet does, but imagecodecs decodes the full size only

    def _why_not_tiled(self, request: WriteRequest) -> str | None:
        if request.codec.ratio is not None:
            return f"{self.name} has no setting for a ratio, only for a PSNR; use jp2-psnr-45 or the backend jp2-glymur"
        if tile_shape(request) != request.shape:
            return f"{self.name} writes one tile only; leave the chunk shape out or use jp2-glymur"
        return super()._why_not_tiled(request)

    def _encode(self, image: NDArray, request: WriteRequest, psnr_db: float | None) -> bytes:
        import imagecodecs

        level = math.ceil(psnr_db or 0)  # a PSNR in whole dB; 0 cuts nothing off
        return bytes(
            imagecodecs.jpeg2k_encode(image, level, codecformat="jp2", reversible=True, numthreads=self._n_threads)
        )

    def _decode(self, data: bytes) -> NDArray:
        import imagecodecs

        return owned(imagecodecs.jpeg2k_decode(data, numthreads=self._n_threads))

    @contextmanager
    def open(self, location: Location) -> Iterator[_Jp2ImagecodecsReader]:
        """Read the header."""
        yield _Jp2ImagecodecsReader(self, location, read_header(location))

    def limit_threads(self, threads: int) -> str | None:
        """Hold OpenJPEG, and tell imagecodecs to use as many; without a limit it uses one."""
        sentence = super().limit_threads(threads)
        self._n_threads = threads
        return sentence

    def facts(self) -> Mapping[str, str]:
        """Return the OpenJPEG of imagecodecs."""
        import imagecodecs

        return {"openjpeg": f"{imagecodecs.jpeg2k_version().split()[-1]} (imagecodecs' wheel)"}


class _Jp2ImagecodecsReader:
    """Decodes the whole image for every read."""

    def __init__(self, backend: Jp2Imagecodecs, location: Location, header: Header) -> None:
        self._backend = backend
        self._location = location
        self._header = header

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level: imagecodecs has no setting for the wavelet's smaller ones."""
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
