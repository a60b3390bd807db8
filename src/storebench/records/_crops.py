"""A small piece of an image, kept so that a report can show what a lossy codec did to it. Frozen, and JSON both ways."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from storebench.errors import ResultsError
from storebench.grid import Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_VOXELS: Final = 1 << 16
"""A crop is a picture, not a data set: a line that unpacks to more is no crop."""

CropKey = tuple[str, Shape, str, int | None, str | None, str | None, Shape | None, Shape | None]
"""Dataset's name, shape, dtype and seed; then backend, codec, chunk and shard shape, all None for the original."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A part of one plane of level 0, as it was before it was stored or as it came back.

    Attributes
    ----------
    dataset, shape, dtype, seed
        Of the image, as in `Case`.
    sha256 : str
        Of the whole image, as in `DatasetRecord`: only crops of the same voxels are compared.
    backend, codec : str or None
        What stored it; None for the original.
    chunk_shape, shard_shape : tuple of int or None
        As found in the store, as in `Row`.
    start, extent : tuple of int
        Where it lies and how large it is, voxels; the extent is 1 along all axes but the last two.
    packed : str
        The values: little-endian, in C order, compressed by zlib, as base64. See `pack_values`.
    """

    dataset: str
    shape: Shape
    dtype: str
    seed: int | None
    sha256: str
    start: Shape
    extent: Shape
    packed: str
    backend: str | None = None
    codec: str | None = None
    chunk_shape: Shape | None = None
    shard_shape: Shape | None = None

    @property
    def dataset_key(self) -> tuple[str, Shape, str, int | None]:
        """What a case names its image by."""
        return self.dataset, self.shape, self.dtype, self.seed

    @property
    def key(self) -> CropKey:
        """What there is one crop of."""
        return (*self.dataset_key, self.backend, self.codec, self.chunk_shape, self.shard_shape)

    @property
    def is_original(self) -> bool:
        """Whether this is the image before it was stored."""
        return self.backend is None

    def values(self) -> NDArray:
        """Return the voxels: two axes, in the image's dtype.

        Raises
        ------
        ResultsError
            If they are damaged, or not as many as the extent says.
        """
        import numpy as np

        try:
            dtype = np.dtype(self.dtype)
        except (TypeError, ValueError) as error:
            raise ResultsError(f"a crop's dtype is {self.dtype!r}") from error
        n_voxels = math.prod(self.extent)
        if dtype.kind not in "biufc" or len(self.extent) < 2 or not 0 < n_voxels <= _MOST_VOXELS:
            raise ResultsError(f"{self.dtype} of extent {self.extent} is no crop")
        raw = _unpacked(self.packed, n_voxels * dtype.itemsize)
        found = np.frombuffer(raw, dtype.newbyteorder("<")).reshape(self.extent[-2:])
        return np.array(found, dtype)


def pack_values(values: NDArray) -> str:
    """Return voxels as the text that a crop keeps: little-endian, C order, zlib, base64."""
    raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii")


def _unpacked(text: str, n_bytes: int) -> bytes:
    """Return so many bytes, and never unpack many more than that."""
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(base64.b64decode(text, validate=True), n_bytes + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ResultsError(f"a crop's values are damaged: {error}") from error
    if len(raw) != n_bytes or not stream.eof:
        raise ResultsError(f"a crop's values are damaged: not {n_bytes} bytes")
    return raw
