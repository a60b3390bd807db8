"""JPEG-LS through imagecodecs, which carries CharLS: one grey plane, lossless or with a largest error."""

from __future__ import annotations

from collections.abc import Mapping

from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest
from storebench.backends._image_headers import jls_header
from storebench.backends._imagecodecs_file import ImagecodecsFile
from storebench.backends._owned import owned


class JlsImagecodecs(ImagecodecsFile):
    """``.jls`` of 8 or 16 bits.

    A file without its end mark is never given to CharLS, which decodes many such files for ever (2.4.4).
    """

    name = "jls-imagecodecs"
    format = "jls"
    suffix = ".jls"
    what = "a JPEG-LS image"
    _kind = "jls"
    _dtypes = "uint8 uint16"
    _read_header = staticmethod(jls_header)

    def _why_not(self, request: WriteRequest) -> str | None:
        most = 127 if request.dtype.itemsize == 1 else 255  # half of the range, and what fits into the header's byte
        if (request.codec.max_error or 0) > most:
            return f"JPEG-LS allows errors of at most {most} in {request.dtype.name}; beyond, CharLS writes what nobody can read"
        return None

    def encode(self, image: NDArray, request: WriteRequest) -> bytes:
        """Return the image as a file."""
        import imagecodecs

        room = 2 * image.nbytes + 1024  # imagecodecs 2026.3 has too little for noise
        return bytes(imagecodecs.jpegls_encode(image, level=int(request.codec.max_error or 0), out=room))

    def decode(self, data: bytes) -> NDArray:
        """Return the image of a file."""
        import imagecodecs

        return owned(imagecodecs.jpegls_decode(data))

    def facts(self) -> Mapping[str, str]:
        """Return the CharLS of imagecodecs."""
        import imagecodecs

        return {"charls": f"{imagecodecs.jpegls_version().split()[-1]} (imagecodecs' wheel)"}
