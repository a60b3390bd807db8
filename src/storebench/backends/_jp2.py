"""What the JPEG 2000 backends share: what is refused, the wavelet's levels, a PSNR that is really reached.

OpenJPEG's PSNR and rate limits choose which bits of the reversible 5-3 wavelet are kept. Its PSNR is an estimate, which
missed by 8 dB (8-bit image, 30 dB asked): `encode_to_psnr` decodes what was encoded and asks for more until it holds.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest
from storebench.backends._image_file import ImageFileBackend, InMemoryBackend
from storebench.backends._jp2_header import Header, read_header
from storebench.backends._refusals import check_thread_limit, refusal
from storebench.backends._single_file import no_checksum
from storebench.grid import Shape
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


class Jp2Backend(ImageFileBackend):
    """The parts of a JPEG 2000 backend that do not depend on the library."""

    makes_levels = True
    format = "jp2"
    suffix = ".jp2"
    _codec_kind = "jp2"

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

    def limit_threads(self, threads: int) -> str | None:
        """Hold OpenJPEG."""
        check_thread_limit(threads)
        limit_openjpeg(threads)
        return None


def limit_openjpeg(threads: int) -> None:
    """Hold OpenJPEG by its environment variable, which it reads for every image.

    Pillow sets no number of threads, and imagecodecs' `numthreads=1` changes nothing: with OPJ_NUM_THREADS=2 in the
    environment both used two (imagecodecs 2026.3.6, Pillow 12 to 13). 0 stands for the calling thread alone.
    """
    os.environ["OPJ_NUM_THREADS"] = str(threads if threads > 1 else 0)


class Jp2InMemory(Jp2Backend, InMemoryBackend):
    """A JPEG 2000 backend whose library encodes to bytes and decodes whole images."""

    what = "a JPEG 2000 image"

    def _header(self, location: Location) -> Header:
        return read_header(location)

    @abstractmethod
    def _encode(self, image: NDArray, request: WriteRequest, psnr_db: float | None) -> bytes:
        """Return the image as a JP2 file, reaching about `psnr_db`; None: as the request's codec says, or lossless."""

    def encode(self, image: NDArray, request: WriteRequest) -> bytes:
        """Return the image as a JP2 file."""
        if request.codec.psnr_db is None:
            return self._encode(image, request, None)
        return encode_to_psnr(image, request.codec.psnr_db, partial(self._encode, image, request), self.decode)


def tile_shape(request: WriteRequest) -> Shape:
    """Return the tile that is asked for: the whole image where there is no layout."""
    return request.layout.chunk_shape if request.layout is not None else request.shape
