"""JPEG XL through imagecodecs, which carries libjxl: one grey plane, lossless or at a Butteraugli distance.

Not floats: libjxl 0.12 fails on many images of float32, by their voxels and the effort (a sine at 1 and 3, not at 5 and 7), and
libjxl 0.11 makes infinities of NaNs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest
from storebench.backends._image_headers import jxl_header
from storebench.backends._imagecodecs_file import ImagecodecsFile
from storebench.backends._owned import owned
from storebench.backends._refusals import check_thread_limit
from storebench.codecs import Codec

JXL_DTYPES: Final = "uint8 uint16"
_DISTANCES: Final = (0.05, 25.0)


class JxlImagecodecs(ImagecodecsFile):
    """``.jxl`` of 8 or 16 bits."""

    name = "jxl-imagecodecs"
    format = "jxl"
    suffix = ".jxl"
    what = "a JPEG XL image"
    _kind = "jxl"
    _dtypes = JXL_DTYPES
    _read_header = staticmethod(jxl_header)
    _n_threads = 1  # for all images of this process; imagecodecs' own choice

    def _why_not(self, request: WriteRequest) -> str | None:
        return why_not_jxl(self.name, request)

    def encode(self, image: NDArray, request: WriteRequest) -> bytes:
        """Return the image as a file."""
        import imagecodecs

        return bytes(imagecodecs.jpegxl_encode(image, numthreads=self._n_threads, **jxl_settings(request.codec)))

    def decode(self, data: bytes) -> NDArray:
        """Return the image of a file."""
        import imagecodecs

        return owned(imagecodecs.jpegxl_decode(data, numthreads=self._n_threads))

    def limit_threads(self, threads: int) -> str | None:
        """Have libjxl use so many; without a limit it uses one."""
        check_thread_limit(threads)
        self._n_threads = threads
        return None

    def facts(self) -> Mapping[str, str]:
        """Return the libjxl of imagecodecs."""
        import imagecodecs

        return {"libjxl": f"{imagecodecs.jpegxl_version().split()[-1]} (imagecodecs' wheel)"}


def jxl_settings(codec: Codec) -> dict[str, Any]:
    """Return imagecodecs' words for a codec."""
    return {"lossless": True, "effort": codec.level} if codec.distance is None else {"distance": codec.distance}


@cache
def _libjxl() -> tuple[int, ...]:
    """Return the version of libjxl."""
    import imagecodecs

    return tuple(map(int, imagecodecs.jpegxl_version().split()[-1].split(".")))


def why_not_jxl(name: str, request: WriteRequest) -> str | None:
    """Return the sentence for a distance that libjxl changes without saying so, or an effort that is not safe, or None."""
    distance, (least, most) = request.codec.distance, _DISTANCES
    if request.codec.level == 1 and request.dtype.itemsize > 1 and request.codec.kind == "jxl" and _libjxl() < (0, 12):
        return (
            f"{name} has libjxl {'.'.join(map(str, _libjxl()))}, which writes beyond its memory where 16-bit voxels are noise, "
            "and so ends the process; take jxl-lossless-2, or imagecodecs 2026.10 or newer"
        )
    if distance is None:
        return None
    if not least <= distance <= most:
        return f"{name} takes distances of {least} to {most:g}: libjxl takes {distance:g} for the nearest of them, and says nothing"
    return None
