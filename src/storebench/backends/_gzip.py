"""One gzip stream around a whole image, as NIfTI and NRRD have it: the codec alone, and what is known of it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest

_GZIP_FRAME = zlib.MAX_WBITS | 16


class GzipBlocks:
    """Python's zlib, which nibabel and pynrrd call, with gzip's header and checksum; the shape of the last block is kept."""

    def __init__(self, request: WriteRequest) -> None:
        self._level, self._dtype = request.codec.level or 0, request.dtype
        self._shape = request.shape

    def encode(self, block: NDArray) -> bytes:
        """Compress one block."""
        self._shape = block.shape
        return zlib.compress(np.ascontiguousarray(block).data, self._level, _GZIP_FRAME)

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block."""
        n_bytes = math.prod(self._shape) * self._dtype.itemsize
        return np.frombuffer(zlib.decompress(data, _GZIP_FRAME, n_bytes), self._dtype).reshape(self._shape)


def zlib_facts() -> Mapping[str, str]:
    """Return the version of Python's zlib."""
    return {"zlib": f"{zlib.ZLIB_RUNTIME_VERSION} (Python's)"}
