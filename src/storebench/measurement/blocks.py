"""The codec alone, in memory: compressing and decompressing the blocks that a store would hold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from storebench.backends import BlockCodec
from storebench.errors import UnsupportedError, VerificationError
from storebench.grid import Layout, Shape, iter_blocks
from storebench.measurement.fidelity import error_bound, largest_error
from storebench.measurement.images import Image
from storebench.measurement.stored import StoredImage
from storebench.measurement.workload import Workload
from storebench.records import Case, Row
from storebench.storage import Storage


class _BlockWorkload(Workload):
    """The codec alone, in memory, on the blocks that the store would hold; edge blocks are padded with zeros."""

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        super().__init__(case, image, storage)
        stored = self.store.stored
        block_shape = stored.layout.chunk_shape if stored.layout else stored.decode_shape
        if block_shape is None or math.prod(block_shape) == 1:
            block_shape = image.shape
        self._codec = self._block_codec(block_shape)
        self._blocks = [_padded(image.read(region), block_shape) for region in iter_blocks(image.shape, block_shape)]
        self._encoded = [self._codec.encode(block) for block in self._blocks]

    def _block_codec(self, block_shape: Shape) -> BlockCodec:
        request = replace(self.store.request, layout=Layout(chunk_shape=block_shape))
        codec = self.backend.block_codec(request)
        if isinstance(codec, str):
            raise UnsupportedError(codec)
        return codec

    def row(self) -> Row:
        """Return the facts; what is stored are the compressed blocks."""
        n_bytes = sum(len(data) for data in self._encoded)
        return replace(super().row(), chunk_bytes=n_bytes, stored_bytes=n_bytes, n_files=None)


class EncodeWorkload(_BlockWorkload):
    """Compress every block, one after another."""

    def _call(self) -> None:
        encode = self._codec.encode
        self._encoded = [encode(block) for block in self._blocks]

    def check(self) -> None:
        """Decode what was encoded."""
        _check_blocks(self._blocks, [self._codec.decode(data) for data in self._encoded], self.store)


class DecodeWorkload(_BlockWorkload):
    """Decompress every block, one after another; each is thrown away when the next one comes."""

    def _call(self) -> None:
        decode = self._codec.decode
        for data in self._encoded:
            self._last = decode(data)

    def check(self) -> None:
        """Compare the last block with its source."""
        _check_blocks(self._blocks[-1:], [self._last], self.store)


def _padded(block: NDArray, block_shape: Shape) -> NDArray:
    if block.shape == block_shape:
        return block
    return np.pad(block, [(0, full - n) for full, n in zip(block_shape, block.shape, strict=True)])


def _check_blocks(sources: list[NDArray], found: list[NDArray], store: StoredImage) -> None:
    for source, block in zip(sources, found, strict=True):
        if block.shape != source.shape or block.dtype != source.dtype:
            raise VerificationError(
                f"a block came back as {block.dtype}{block.shape}, it was {source.dtype}{source.shape}"
            )
        codec = store.request.codec
        if codec.lossless and not np.array_equal(block, source, equal_nan=source.dtype.kind == "f"):
            raise VerificationError("a block did not come back to the bit")
        bound = error_bound(codec, source)
        if bound is not None and not largest_error(block, source) <= bound:
            raise VerificationError(f"{codec.name}: a block came back with a larger error than that")
