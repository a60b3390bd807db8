"""What an N5 store is, the same for each library: its files, and its attributes as neutral names and back.

N5 names axes in Fortran's order, x first: ``dimensions``, ``blockSize``, ``axes`` and the folders of a block's path are the
image's own, turned around. Inside of a block x is the fastest too. So an image of z, y, x is stored as N5 readers expect it
(Fiji, n5-java, zarr): x of the image is their x, and no voxel is moved.

A block has a header that says how many voxels it holds, so that one at the edge may be cut (z5py) or whole (tensorstore).
Voxels are big-endian, also here: the format has no other order.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from storebench.backends import _zarr_codecs
from storebench.backends._backend import Backend, StoredAs, WriteRequest
from storebench.backends._refusals import refusal
from storebench.backends._single_file import no_checksum
from storebench.codecs import SHUFFLES, Codec
from storebench.errors import DataError
from storebench.grid import Layout, Shape, grid_shape
from storebench.stores import Location

ATTRIBUTES: Final = "attributes.json"
DATASET: Final = "s0"
"""Folder of the image inside of the container: what viewers of several resolutions call the full one."""

CONTAINER: Final = {"n5": "2.0.0"}
"""Attributes of the container itself, as z5py writes them."""

_DTYPES: Final = "uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64"
_BLOSC_BYTES_AT: Final = 12


def dataset_folder(location: Location) -> Path:
    """Return the folder with the image's attributes and blocks."""
    return location.path / DATASET


def why_not(backend: Backend, request: WriteRequest) -> str | None:
    """Return the sentence for what N5 cannot hold, or None."""
    sentence = refusal(backend, request, n_axes=range(2, 6), dtypes=_DTYPES, kinds=_zarr_codecs.KINDS)
    sentence = sentence or no_checksum(backend, request)
    if sentence is not None:
        return sentence
    layout = request.layout or Layout(chunk_shape=(1,) * len(request.shape))  # what libraries choose is small
    return _zarr_codecs.why_not(backend.name, request.codec, math.prod(layout.chunk_shape) * request.dtype.itemsize)


def compression(codec: Codec) -> dict[str, Any]:
    """Return a codec as the attributes name it."""
    if codec.kind in ("gzip", "zstd"):
        return {"type": codec.kind, "level": codec.level}
    if codec.kind == "blosc":
        shuffle = SHUFFLES.index(str(codec.shuffle))
        return {"type": "blosc", "cname": codec.compressor, "clevel": codec.level, "shuffle": shuffle, "blocksize": 0}
    return {"type": "raw"}


def neutral_name(found: Mapping[str, Any]) -> tuple[str, str]:
    """Return the neutral name of a compression that was found, and a remark; "?" where none fits."""
    kind = found["type"]
    if kind == "raw":
        return "none", ""
    if kind in ("gzip", "zstd") and not found.get("useZlib") and found.get("level", 0) >= (kind == "zstd"):
        return f"{kind}-{found['level']}", ""
    if kind == "blosc" and found.get("shuffle") in (0, 1, 2):
        return f"blosc-{found['cname']}-{found['clevel']}-{SHUFFLES[found['shuffle']]}", ""
    return "?", f"compression on disk: {json.dumps(found, sort_keys=True)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a dataset's attributes say, axes in the image's order.

    Attributes
    ----------
    shape, chunk_shape : tuple of int
        Voxels of the image, and of a block.
    dtype : numpy.dtype
        Of a voxel, native.
    axes : str or None
        Axis names where there are any of one letter each.
    compression : mapping
        As in the file.
    """

    shape: Shape
    chunk_shape: Shape
    dtype: np.dtype
    axes: str | None
    compression: Mapping[str, Any]

    @classmethod
    def parse(cls, text: bytes) -> Attributes:
        """Understand the text of a dataset's attributes.

        Raises
        ------
        ValueError, KeyError, TypeError
            If they are no dataset's.
        """
        found = json.loads(text)
        shape, chunk = (tuple(int(n) for n in found[name][::-1]) for name in ("dimensions", "blockSize"))
        if len(shape) != len(chunk):
            raise ValueError(f"{len(shape)} dimensions, but blocks of {len(chunk)}")
        names = found.get("axes")
        known = isinstance(names, list) and len(names) == len(shape) and all(len(str(name)) == 1 for name in names)
        return cls(
            shape=shape,
            chunk_shape=chunk,
            dtype=np.dtype(found["dataType"]),
            axes="".join(names[::-1]) if known else None,
            compression=dict(found["compression"]),
        )


def describe(location: Location, attributes: Attributes) -> StoredAs:
    """Describe an image as it is found, after a look at every block's size.

    Raises
    ------
    DataError
        If a block is shorter than its header says: not every library notices that when it reads.
    """
    codec, remark = neutral_name(attributes.compression)
    sizes = [_block_bytes(Path(file), attributes) for file in location.files() if file.name != ATTRIBUTES]
    n_expected = math.prod(grid_shape(attributes.shape, attributes.chunk_shape))
    missing = f"{len(sizes)} of {n_expected} chunk files are there, the others read as 0"
    return StoredAs(
        shape=attributes.shape,
        dtype=attributes.dtype,
        axes=attributes.axes,
        layout=Layout(chunk_shape=attributes.chunk_shape),
        codec=codec,
        level_shapes=(attributes.shape,),
        decode_shape=attributes.chunk_shape,
        chunk_bytes=sum(sizes) or None,  # z5py stores an image of nothing but 0 without any block
        note="; ".join(filter(None, (remark, missing if len(sizes) != n_expected else ""))),
    )


def _block_bytes(path: Path, attributes: Attributes) -> int:
    """Return the size of a block with its header, having compared it with what headers say."""
    n_bytes = path.stat().st_size
    n_axes = len(attributes.shape)
    header_bytes = 4 + 4 * n_axes
    with path.open("rb", buffering=0) as file:
        head = file.read(header_bytes + _BLOSC_BYTES_AT + 4)
    least = header_bytes + 1
    if len(head) >= header_bytes:
        mode, _, *extents = struct.unpack(f">HH{n_axes}I", head[:header_bytes])
        kind = attributes.compression["type"]
        if kind == "raw" and mode == 0:
            least = header_bytes + math.prod(extents) * attributes.dtype.itemsize
        elif kind == "blosc" and len(head) > header_bytes + _BLOSC_BYTES_AT:
            least = header_bytes + int.from_bytes(head[header_bytes + _BLOSC_BYTES_AT :], "little")
    if n_bytes < least:
        raise DataError(f"the chunk file {path} is cut off; restore it from a copy or write the image anew")
    return n_bytes


def block_shape(path: Path, n_axes: int) -> Shape | None:
    """Return how many voxels a block's header says it holds, in the image's order; None where there is no such header."""
    with path.open("rb", buffering=0) as file:
        head = file.read(4 + 4 * n_axes)
    if len(head) < 4 + 4 * n_axes:
        return None
    return struct.unpack(f">HH{n_axes}I", head)[:1:-1]


def block_path(location: Location, index: tuple[int, ...]) -> Path:
    """Return the file of the block at grid coordinates `index`, in the image's order."""
    return dataset_folder(location).joinpath(*map(str, index[::-1]))
