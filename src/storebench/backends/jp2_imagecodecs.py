"""JPEG 2000 through imagecodecs, which carries its own OpenJPEG."""

from __future__ import annotations

import math
from collections.abc import Mapping

from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest
from storebench.backends._jp2 import Jp2InMemory, tile_shape
from storebench.backends._owned import owned


class Jp2Imagecodecs(Jp2InMemory):
    """``.jp2`` of 8 or 16 bits in one tile, always decoded whole; lossless or by PSNR."""

    name = "jp2-imagecodecs"
    library = "imagecodecs"
    distributions = ("imagecodecs",)
    _n_threads = 1  # for all images of this process, as OpenJPEG's own setting
    makes_levels = False  # the wavelet does; imagecodecs decodes smaller ones since 2026.10 only

    def _why_not_tiled(self, request: WriteRequest) -> str | None:
        if request.codec.ratio is not None:
            return f"{self.name} has no setting for a ratio, only for a PSNR; use jp2-psnr-45 or the backend jp2-glymur"
        if request.codec.layer_ratios:
            return f"{self.name} writes one quality layer; use jp2-lossless or the backend jp2-glymur"
        if tile_shape(request) != request.shape:
            return f"{self.name} writes one tile only; leave the chunk shape out or use jp2-glymur"
        return super()._why_not_tiled(request)

    def _encode(self, image: NDArray, request: WriteRequest, psnr_db: float | None) -> bytes:
        import imagecodecs

        level = math.ceil(psnr_db or 0)  # a PSNR in whole dB; 0 cuts nothing off
        return bytes(
            imagecodecs.jpeg2k_encode(image, level, codecformat="jp2", reversible=True, numthreads=self._n_threads)
        )

    def decode(self, data: bytes) -> NDArray:
        """Return the image of a file."""
        import imagecodecs

        return owned(imagecodecs.jpeg2k_decode(data, numthreads=self._n_threads))

    def limit_threads(self, threads: int) -> str | None:
        """Hold OpenJPEG, and tell imagecodecs to use as many; without a limit it uses one."""
        sentence = super().limit_threads(threads)
        self._n_threads = threads
        return sentence

    def facts(self) -> Mapping[str, str]:
        """Return the OpenJPEG of imagecodecs."""
        import imagecodecs

        return {"openjpeg": f"{imagecodecs.jpeg2k_version().split()[-1]} (imagecodecs' wheel)"}
