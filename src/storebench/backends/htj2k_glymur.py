"""High-Throughput JPEG 2000 read by OpenJPEG through glymur, which gives areas and smaller levels.

OpenJPEG cannot write it: imagecodecs does, as in `htj2k-imagecodecs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest
from storebench.backends._jp2 import tile_shape
from storebench.backends._single_file import put_file
from storebench.backends.htj2k_imagecodecs import encode_htj2k, openjph_facts, why_not_htj2k
from storebench.backends.jp2_glymur import Jp2Glymur, load_glymur
from storebench.stores import Location

_READS_HTJ2K: Final = (2, 5)


class Htj2kGlymur(Jp2Glymur):
    """``.jhc`` of 8 or 16 bits, lossless, with tiles, reading whole tiles at every level of the wavelet."""

    name = "htj2k-glymur"
    format = "htj2k"
    suffix = ".jhc"
    distributions = ("glymur", "imagecodecs", "pillow")
    counts_writes = True  # imagecodecs makes the file in memory
    _codec_kind = "htj2k"

    def why_unavailable(self) -> str | None:
        """Return None where glymur is installed and its OpenJPEG is new enough for HTJ2K."""
        sentence = super().why_unavailable()
        if sentence is not None:
            return sentence
        version = load_glymur().version
        if tuple(version.openjpeg_version_tuple) < _READS_HTJ2K:
            return (
                f"{self.name} needs OpenJPEG 2.5 or newer, glymur found {version.openjpeg_version}; "
                "remove the system's older one, so that the one in Pillow's wheel is taken: apt-get remove libopenjp2-7"
            )
        return None

    def _why_not_tiled(self, request: WriteRequest) -> str | None:
        return super()._why_not_tiled(request) or why_not_htj2k(self.name, request)

    def _store(self, location: Location, request: WriteRequest, image: NDArray) -> None:
        put_file(location, encode_htj2k(image, tile_shape(request)))

    def facts(self) -> Mapping[str, str]:
        """Return both libraries: OpenJPEG reads, OpenJPH writes."""
        return {**super().facts(), **openjph_facts()}
