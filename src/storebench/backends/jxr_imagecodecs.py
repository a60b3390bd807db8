"""JPEG XR through imagecodecs, which carries Microsoft's jxrlib: one grey plane, lossless.

Not floats: those of 32 bits lose theirs at the level that is lossless for others, and those of 16 bits the sign of a zero.
"""

from __future__ import annotations

from collections.abc import Mapping

from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest
from storebench.backends._image_headers import jxr_header
from storebench.backends._imagecodecs_file import ImagecodecsFile
from storebench.backends._owned import owned


class JxrImagecodecs(ImagecodecsFile):
    """``.jxr`` of 8 or 16 bits.

    A file that is cut off is found out by its header: jxrlib fills in what is missing, without an error.
    """

    name = "jxr-imagecodecs"
    format = "jxr"
    suffix = ".jxr"
    what = "a JPEG XR image"
    _kind = "jxr"
    _dtypes = "uint8 uint16"
    _read_header = staticmethod(jxr_header)

    def encode(self, image: NDArray, request: WriteRequest) -> bytes:
        """Return the image as a file."""
        import imagecodecs

        return bytes(imagecodecs.jpegxr_encode(image, level=1.0))  # 1 is lossless

    def decode(self, data: bytes) -> NDArray:
        """Return the image of a file."""
        import imagecodecs

        return owned(imagecodecs.jpegxr_decode(data))

    def facts(self) -> Mapping[str, str]:
        """Return the jxrlib of imagecodecs."""
        import imagecodecs

        return {"jxrlib": f"{imagecodecs.jpegxr_version().split()[-1]} (imagecodecs' wheel)"}
