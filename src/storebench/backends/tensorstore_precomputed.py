"""Neuroglancer precomputed by tensorstore: chunks in files of their own or in shards; levels are its scales.

The format holds x, y, z and a channel; here one channel, seen as z, y, x. Chunks at the edge are cut, not padded. Without
a layout tensorstore chooses chunks of about 2**20 voxels, alike on each axis, for all levels, and no shards. In shards a
raw chunk may be in gzip's frames, which tensorstore makes at level 9; other encodings are stored there as they are.
A shard is made as tensorstore itself makes one: a single minishard, its chunks in Morton order.

PNG and JPEG see a chunk as one flat image, x wide and y times z high: a block of 8 x 8 pixels of JPEG lies in two planes
where y is no multiple of 8.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from storebench.backends._backend import ArrayReader, ArrayWriter, StoredAs, WriteRequest
from storebench.backends._refusals import refusal
from storebench.backends._tensorstore import (
    Tensorstore,
    create_array,
    damaged_metadata,
    folder_store,
    open_array,
    read_file,
)
from storebench.backends._tensorstore_arrays import ArraysReader, ArraysWriter, alike
from storebench.codecs import Codec
from storebench.errors import DataError, UsageError
from storebench.grid import Layout, Shape, grid_shape, morton_blocks, morton_shard_bits
from storebench.stores import Location

INFO: Final = "info"
_WHAT: Final = "precomputed image"
_DTYPES: Final = "uint8 int8 uint16 int16 uint32 int32 uint64 float32"
_KINDS: Final = ("none", "gzip", "png", "jpeg", "compressed-segmentation")
_DTYPES_OF: Final = {"png": "uint8 uint16", "jpeg": "uint8", "compressed-segmentation": "uint32 uint64"}
_GZIP_LEVEL: Final = 9
_MOST_PIXELS: Final = {"png": 1_000_000, "jpeg": 65_500}
"""Of a chunk seen as a flat image, along each of its sides: what libpng and libjpeg take."""

_SEGMENTATION_BLOCK: Final = 8
_MOST_SEGMENTATION_WORDS: Final = 1 << 24
"""compressed_segmentation has 24 bits for where the table of a block lies, counted in words of 4 bytes."""


class PrecomputedTensorstore(Tensorstore):
    """Volumes of one channel, with any number of levels."""

    name = "precomputed-tensorstore"
    format = "precomputed"
    suffix = ".precomputed"

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        if request.axes != "zyx":
            return (
                f"{self.name} holds the axes zyx, these are {request.axes!r}; "
                "give a plane a z axis of 1 voxel, or use omezarr-0.5-tensorstore"
            )
        sentence = refusal(self, request, n_axes=range(3, 4), dtypes=_DTYPES, kinds=_KINDS, levels=True, shards=True)
        return sentence or self._why_no_codec(request) or self._why_no_chunks(request) or self._why_no_shards(request)

    def _why_no_codec(self, request: WriteRequest) -> str | None:
        codec, layout, dtypes = request.codec, request.layout, _DTYPES_OF.get(request.codec.kind, _DTYPES)
        if codec.crc32c:
            return f"{self.name} has no checksum; leave it out, or use zarr3-tensorstore"
        if request.dtype.name not in dtypes.split():
            return (
                f"{self.name} has {codec.name} for {', '.join(dtypes.split())} only, not for {request.dtype.name}; "
                "use none, or gzip-9 in shards"
            )
        if codec.kind == "gzip" and (codec.level != _GZIP_LEVEL or layout is None or layout.shard_shape is None):
            return f"{self.name} has gzip inside of shards only, and at level {_GZIP_LEVEL} only; give a shard shape and gzip-9"
        return None

    def _why_no_chunks(self, request: WriteRequest) -> str | None:
        """Return the sentence for chunks that an encoding cannot hold."""
        if request.layout is None:
            return None
        kind, chunk = request.codec.kind, request.layout.chunk_shape
        most = _MOST_PIXELS.get(kind)
        if most is not None and max(chunk[0] * chunk[1], chunk[2]) > most:
            return (
                f"a chunk of {','.join(map(str, chunk))} is a {kind.upper()} image of {chunk[2]} x {chunk[0] * chunk[1]} "
                f"pixels, and the most is {most} along each side; use smaller chunks"
            )
        if kind == "compressed-segmentation" and _most_words(chunk, request.dtype) > _MOST_SEGMENTATION_WORDS:
            return (
                f"a chunk of {','.join(map(str, chunk))} may need more than the 64 MiB that compressed_segmentation can "
                "point into, and tensorstore would write it all the same; use smaller chunks"
            )
        return None

    def _why_no_shards(self, request: WriteRequest) -> str | None:
        layout = request.layout
        if layout is None or layout.shard_shape is None:
            return None
        possible = morton_blocks(grid_shape(request.shape, layout.chunk_shape))
        if grid_shape(layout.shard_shape, layout.chunk_shape) in possible:
            return None
        shapes = [",".join(map(str, _times(n, layout.chunk_shape))) for n in possible]
        return (
            f"{self.name} has no shards of {','.join(map(str, layout.shard_shape))} here: chunks lie on a Morton curve, "
            f"so choose one of {' | '.join(shapes)}"
        )

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new image with all of its levels; each of them writes the info file anew."""

        def created(shape: Shape, factors: Shape, asked: WriteRequest) -> Any:
            return _as_zyx(create_array(_new_scale(location, asked, shape, factors), location))

        full, *smaller = request.level_shapes
        first = created(full, (1,) * len(full), request)
        asked, scales = alike(request, first), zip(smaller, request.level_factors, strict=True)
        yield ArraysWriter(location, [first, *(created(shape, factors, asked) for shape, factors in scales)])

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored image."""
        reader = PrecomputedReader(location)
        reader.array(0)
        yield reader

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open all levels of a stored image for writing into them."""
        reader = PrecomputedReader(location)
        yield ArraysWriter(location, [reader.array(level) for level in range(len(reader.levels))])


def _spec(location: Location) -> dict[str, Any]:
    return {
        "driver": "neuroglancer_precomputed",
        "kvstore": folder_store(location.path),
        "store_data_equal_to_fill_value": True,
    }


def _new_scale(location: Location, request: WriteRequest, shape: Shape, factors: Shape) -> dict[str, Any]:
    """Return what tensorstore needs to create one scale: sizes in the format's order, x first."""
    scale = {"size": list(shape[::-1]), "resolution": list(factors[::-1]), **_encoding(request.codec)}
    layout = request.layout
    if layout is not None:
        scale["chunk_size"] = list(layout.chunk_shape[::-1])
        if layout.shard_shape is not None:
            scale["sharding"] = _sharding(grid_shape(shape, layout.chunk_shape), layout, request.codec.kind)
    kind = "segmentation" if request.codec.kind == "compressed-segmentation" else "image"
    volume = {"type": kind, "data_type": request.dtype.name, "num_channels": 1}
    return _spec(location) | {"multiscale_metadata": volume, "scale_metadata": scale}


def _encoding(codec: Codec) -> dict[str, Any]:
    """Return how a chunk's voxels become bytes; gzip is the shard's."""
    if codec.kind == "png":
        return {"encoding": "png", "png_level": codec.level}
    if codec.kind == "jpeg":
        return {"encoding": "jpeg", "jpeg_quality": codec.quality}
    if codec.kind == "compressed-segmentation":
        return {
            "encoding": "compressed_segmentation",
            "compressed_segmentation_block_size": [_SEGMENTATION_BLOCK] * 3,
        }
    return {"encoding": "raw"}


def _most_words(chunk: Shape, dtype: np.dtype) -> int:
    """Return how many words of 4 bytes a chunk needs at most: where no two voxels of a block are alike."""
    n_voxels = _SEGMENTATION_BLOCK**3
    header, indices, table = 2, n_voxels * 16 // 32, n_voxels * dtype.itemsize // 4
    return math.prod(grid_shape(chunk, (_SEGMENTATION_BLOCK,) * 3)) * (header + indices + table)


def _sharding(grid: Shape, layout: Layout, codec: str) -> dict[str, Any]:
    """Return how chunks come into shards; a small level has the largest shard that the asked one covers."""
    inside, shards = morton_shard_bits(grid, grid_shape(layout.object_shape, layout.chunk_shape))
    encoding = "gzip" if codec == "gzip" else "raw"
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "hash": "identity",
        "preshift_bits": inside,
        "minishard_bits": 0,
        "shard_bits": shards,
        "data_encoding": encoding,
        "minishard_index_encoding": encoding,
    }


def _as_zyx(array: Any) -> Any:
    """Return the only channel with the image's order of axes."""
    return array[..., 0].T


def _times(n: Shape, chunk_shape: Shape) -> Shape:
    return tuple(a * b for a, b in zip(n, chunk_shape, strict=True))


class PrecomputedReader(ArraysReader):
    """Reads the scales of a volume."""

    @property
    def _info_file(self) -> Path:
        return self._location.path / INFO

    def open_level(self, level: int) -> Any:
        """Open one scale; tensorstore reads the info file for each."""
        try:
            array = open_array(
                _spec(self._location) | {"scale_index": level}, self._location, self._info_file, what=_WHAT
            )
        except DataError:
            n_levels = len(self.levels) if self._info_file.is_file() else 0
            if n_levels and level >= n_levels:
                raise UsageError(f"{self._location.path} has levels 0 to {n_levels - 1}, not {level}") from None
            raise
        if array.shape[-1] != 1:
            raise DataError(f"{self._location.path} has {array.shape[-1]} channels; storebench reads volumes of one")
        return _as_zyx(array)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """Shape of each level, 0 = full."""
        return tuple(tuple(scale["size"][::-1]) for scale in self._info()["scales"])

    def _info(self) -> Mapping[str, Any]:
        data = read_file(self._location, self._info_file, what=_WHAT)
        try:
            info: Mapping[str, Any] = json.loads(data)
            if not all(len(scale["size"]) == 3 for scale in info["scales"]):
                raise ValueError("a size of other than three numbers")
        except (ValueError, KeyError, TypeError) as error:
            raise damaged_metadata(self._info_file, error) from error
        return info

    def stored_as(self) -> StoredAs:
        """Return layout, codec and levels as found in the info file, after a look at every object's size."""
        array, scales = self.array(0), self._info()["scales"]
        chunk = _chunk_shape(scales[0])
        codec, note = _codec_of(scales[0])
        sizes = [file.stat().st_size for file in self._location.files() if file.name != INFO]
        if 0 in sizes:
            raise DataError(
                f"{self._location.path} has an empty chunk file; restore it from a copy or write the image anew"
            )
        n_expected = sum(math.prod(grid_shape(_grid(scale), _shard_of(scale) or (1, 1, 1))) for scale in scales)
        missing = f"{len(sizes)} of {n_expected} chunk files are there, the others read as 0"
        shard = _shard_of(scales[0])
        return StoredAs(
            shape=tuple(array.shape),
            dtype=np.dtype(array.dtype.numpy_dtype),
            axes="zyx",
            layout=Layout(chunk_shape=chunk, shard_shape=shard and _times(shard, chunk)),
            codec=codec,
            level_shapes=self.levels,
            decode_shape=chunk,
            smaller_decode_shapes=tuple(map(_chunk_shape, scales[1:])),
            chunk_bytes=sum(sizes),
            note="; ".join(filter(None, (note, missing if len(sizes) != n_expected else ""))),
        )


def _chunk_shape(scale: Mapping[str, Any]) -> Shape:
    return tuple(scale["chunk_sizes"][0][::-1])


def _grid(scale: Mapping[str, Any]) -> Shape:
    """Return the chunks of one scale along z, y, x."""
    return grid_shape(tuple(scale["size"][::-1]), _chunk_shape(scale))


def _codec_of(scale: Mapping[str, Any]) -> tuple[str, str]:
    """Return the neutral codec name and a remark; the level of gzip is not in the file."""
    encoding = scale["encoding"]
    gzip = (scale.get("sharding") or {}).get("data_encoding") == "gzip"
    if encoding == "raw":
        return ("gzip-*" if gzip else "none"), ""
    block = scale.get("compressed_segmentation_block_size")
    if gzip or (encoding == "compressed_segmentation" and block != [_SEGMENTATION_BLOCK] * 3):
        more = [f"in blocks of {block}"] * (block is not None) + ["in gzip"] * gzip
        return "?", f"encoding on disk: {' '.join([encoding, *more])}"
    if encoding == "png":
        return f"png-{scale.get('png_level', '*')}", ""
    if encoding == "jpeg":
        return f"jpeg-{scale.get('jpeg_quality', '*')}", ""
    return encoding.replace("_", "-"), ""


def _shard_of(scale: Mapping[str, Any]) -> Shape | None:
    """Return the shard in chunks; None where there are none, or a hash spreads chunks over them."""
    sharding = scale.get("sharding")
    if sharding is None or sharding["hash"] != "identity":
        return None
    possible = morton_blocks(_grid(scale))
    n_bits = int(sharding["preshift_bits"]) + int(sharding["minishard_bits"])
    return possible[min(n_bits, len(possible) - 1)]
