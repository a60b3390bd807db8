"""Speed of the codec alone on voxels of an image: the term of a limit that decoding or encoding sets."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends import BlockCodec
from storebench.grid import Layout, Shape, iter_blocks
from storebench.measurement.workload import Workload

_MOST_BYTES: Final = 8 << 20
_MOST_BLOCKS: Final = 1024
_REPEATS: Final = 5
_ENOUGH_S: Final = 1.0


def codec_bytes_per_s(workload: Workload) -> float | None:
    """Return uncompressed bytes per second, best of five passes in this thread; None where there is no codec alone.

    Parameters
    ----------
    workload : Workload
        Reads and decodes are decoded, writes and encodes are encoded; for an open there is nothing.
    """
    operation, codec = workload.case.operation, workload.store.request.codec
    if operation == "open" or codec.kind == "none":
        return None
    shape = _block_shape(workload)
    alone = workload.backend.block_codec(replace(workload.store.request, layout=Layout(chunk_shape=shape)))
    if isinstance(alone, str):
        return None
    blocks = _some_blocks(workload, shape)
    n_bytes = sum(block.nbytes for block in blocks)
    encoded = [alone.encode(block) for block in blocks]
    passes: list[float] = []
    while len(passes) < _REPEATS and sum(passes) < _ENOUGH_S:
        start = time.perf_counter()
        if operation in ("read", "decode"):
            _decode(alone, encoded)
        else:
            _encode(alone, blocks)
        passes.append(time.perf_counter() - start)
    return n_bytes / min(passes)


def _encode(codec: BlockCodec, blocks: list[NDArray]) -> None:
    for block in blocks:
        codec.encode(block)


def _decode(codec: BlockCodec, encoded: list[bytes]) -> None:
    for data in encoded:
        codec.decode(data)


def _block_shape(workload: Workload) -> Shape:
    stored = workload.store.stored
    shape = stored.layout.chunk_shape if stored.layout else stored.decode_shape
    if shape is None or math.prod(shape) == 1:
        shape = workload.image.shape
    return _part(shape, _MOST_BYTES // workload.image.dtype.itemsize)


def _part(shape: Shape, most_voxels: int) -> Shape:
    """Return the shape, halved along its first axes until it is small enough: a large block says no more than a part of it."""
    part = list(shape)
    for axis in range(len(part)):
        while math.prod(part) > most_voxels and part[axis] > 1:
            part[axis] = -(-part[axis] // 2)
    return tuple(part)


def _some_blocks(workload: Workload, shape: Shape) -> list[NDArray]:
    """Return the first blocks of the image, up to 8 MiB and 1024, one at least; edges are filled up with zeros."""
    blocks: list[NDArray] = []
    block_bytes = math.prod(shape) * workload.image.dtype.itemsize
    for region in iter_blocks(workload.image.shape, shape):
        if blocks and ((len(blocks) + 1) * block_bytes > _MOST_BYTES or len(blocks) == _MOST_BLOCKS):
            break
        block = np.zeros(shape, workload.image.dtype)
        block[tuple(slice(0, n) for n in region.shape)] = workload.image.read(region)
        blocks.append(block)
    return blocks
