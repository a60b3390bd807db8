"""Zarr v2 and v3 by tensorstore: the same bytes on disk as by zarr-python, as far as tensorstore has the codec.

Without a layout tensorstore chooses chunks of about 2**20 voxels, alike on each axis, and no shards. Of v2 it reads
``.zarray`` alone, and has no filters: there a checksum behind a codec would be one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from storebench.backends import _zarr_codecs
from storebench.backends._backend import ArrayReader, ArrayWriter, StoredAs, WriteRequest
from storebench.backends._omezarr import Multiscale
from storebench.backends._refusals import refusal
from storebench.backends._tensorstore import Tensorstore, create_array, folder_store, open_array, write_file
from storebench.backends._tensorstore_arrays import ArraysReader, ArraysWriter
from storebench.backends._zarr_documents import v3_document, v3_layout
from storebench.backends._zarr_stored import describe
from storebench.codecs import SHUFFLES, parse_codec
from storebench.errors import DataError, UsageError
from storebench.grid import Layout, Shape
from storebench.stores import Location

_DTYPES: Final = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"
_DRIVERS: Final = {2: "zarr", 3: "zarr3"}
ARRAY_FILES: Final = {2: ".zarray", 3: "zarr.json"}
"""By version: where an array's metadata are."""


def array_spec(path: Path, zarr_format: int) -> dict[str, Any]:
    """Return what tensorstore needs to open an array."""
    return {
        "driver": _DRIVERS[zarr_format],
        "kvstore": folder_store(path),
        "store_data_equal_to_fill_value": True,
    }


def create_zarr(
    location: Location, path: Path, request: WriteRequest, shape: Shape, *, zarr_format: int, separator: str = "."
) -> Any:
    """Create one empty array.

    Parameters
    ----------
    location : Location
        The image.
    path : pathlib.Path
        Folder of this array.
    request : WriteRequest
        What is asked; its shape is not looked at.
    shape : tuple of int
        Voxels of this array.
    zarr_format : int
        2 or 3.
    separator : str
        Between the numbers in a v2 chunk's name; v3 has "/" and a folder "c".
    """
    metadata = _v2(request, separator) if zarr_format == 2 else v3_document(request)
    metadata |= {"shape": list(shape), "fill_value": _zero(request.dtype)}
    return create_array(array_spec(path, zarr_format) | {"metadata": metadata}, location)


def _zero(dtype: np.dtype) -> Any:
    """Return 0 as the metadata spell it."""
    return [0.0, 0.0] if dtype.kind == "c" else dtype.type(0).item()


def _v2(request: WriteRequest, separator: str) -> dict[str, Any]:
    codec = request.codec
    compressor: dict[str, Any] | None = None
    if codec.kind in ("gzip", "zstd"):
        compressor = {"id": codec.kind, "level": codec.level}
    elif codec.kind == "blosc":
        shuffle = SHUFFLES.index(str(codec.shuffle))
        compressor = {
            "id": "blosc",
            "cname": codec.compressor,
            "clevel": codec.level,
            "shuffle": shuffle,
            "blocksize": 0,
        }
    metadata: dict[str, Any] = {
        "dtype": request.dtype.newbyteorder("<").str,
        "compressor": compressor,
        "filters": None,
        "order": "C",
        "dimension_separator": separator,
    }
    return metadata if request.layout is None else metadata | {"chunks": list(request.layout.chunk_shape)}


class ZarrReader(ArraysReader):
    """Reads Zarr arrays, one for each level.

    Parameters
    ----------
    location : Location
        The image.
    paths : sequence of pathlib.Path
        Folder of each level's array.
    zarr_format : int
        2 or 3.
    group : Multiscale, optional
        What a group around the arrays says of them.
    """

    def __init__(
        self, location: Location, paths: Sequence[Path], *, zarr_format: int, group: Multiscale | None = None
    ) -> None:
        super().__init__(location)
        self._paths, self._zarr_format, self._group = paths, zarr_format, group

    def open_level(self, level: int) -> Any:
        """Open the array of a level."""
        if not 0 <= level < len(self._paths):
            raise UsageError(f"{self._location.path} has levels 0 to {len(self._paths) - 1}, not {level}")
        return open_zarr(self._location, self._paths[level], self._zarr_format)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """Shape of each level, 0 = full."""
        return tuple(tuple(self.array(level).shape) for level in range(len(self._paths)))

    def stored_as(self) -> StoredAs:
        """Return layout, codec and levels as found in the metadata, after a look at every object's size."""
        arrays = [self.array(level) for level in range(len(self._paths))]
        metadata = [json.loads((path / ARRAY_FILES[self._zarr_format]).read_bytes()) for path in self._paths]
        attributes = self._paths[0] / ".zattrs"
        if attributes.is_file():
            metadata[0]["attributes"] = json.loads(attributes.read_bytes())
        return describe(
            self._location,
            metadata=metadata[0],
            dtype=np.dtype(arrays[0].dtype.numpy_dtype),
            arrays=[(tuple(a.shape), _layout_of(m)) for a, m in zip(arrays, metadata, strict=True)],
            group=self._group,
        )


def open_zarr(location: Location, path: Path, zarr_format: int) -> Any:
    """Open one stored array.

    Raises
    ------
    DataError
        If there is none, its metadata cannot be understood, or tensorstore has no such codec.
    """
    file = path / ARRAY_FILES[zarr_format]
    try:
        return open_array(array_spec(path, zarr_format), location, file, what=f"Zarr v{zarr_format} array")
    except DataError as error:
        codec = _lacking_codec(file)
        if codec is None:
            raise
        raise DataError(
            f"{file}: tensorstore has no codec {codec} of Zarr v{zarr_format}; read it by a zarrpython backend"
        ) from error


def _lacking_codec(file: Path) -> str | None:
    """Return the name of an array's codec where it is one that tensorstore does not have, or None."""
    try:
        metadata = json.loads(file.read_bytes())
        dtype = np.dtype(metadata["dtype"] if metadata["zarr_format"] == 2 else metadata["data_type"])
        codec = parse_codec(_zarr_codecs.neutral_name(metadata, dtype)[0])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    filtered = codec.filter is not None or (codec.crc32c and metadata["zarr_format"] == 2)
    return codec.name if filtered or codec.kind not in _zarr_codecs.KINDS else None


def _layout_of(metadata: dict[str, Any]) -> Layout:
    """Return chunks and shards as the metadata say."""
    if metadata["zarr_format"] == 2:
        return Layout(chunk_shape=tuple(metadata["chunks"]))
    return v3_layout(metadata)


class ZarrTensorstore(Tensorstore):
    """What Zarr and OME-Zarr by tensorstore have in common.

    Attributes
    ----------
    zarr_format : int
        Version of the arrays: 2 or 3.
    """

    zarr_format: int
    several_levels = False

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        sentence = refusal(
            self,
            request,
            n_axes=range(2, 6),
            dtypes=_DTYPES,
            kinds=_zarr_codecs.KINDS,
            levels=self.several_levels,
            shards=self.zarr_format == 3,
        )
        if sentence is not None:
            return sentence
        if request.codec.crc32c and self.zarr_format == 2:
            return f"{self.name} has no checksum, which is a filter in Zarr v2; use zarr3-tensorstore or omezarr-0.5-tensorstore"
        layout = request.layout or Layout(chunk_shape=(1,) * len(request.shape))  # tensorstore's own choice is small
        return _zarr_codecs.why_not(self.name, request.codec, math.prod(layout.chunk_shape) * request.dtype.itemsize)

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new array."""
        array = create_zarr(location, location.path, request, request.shape, zarr_format=self.zarr_format)
        if self.zarr_format == 2:  # xarray's convention; v2 itself has no names
            names = json.dumps({"_ARRAY_DIMENSIONS": list(request.axes)})
            write_file(location, location.path / ".zattrs", names.encode())
        yield ArraysWriter(location, [array])

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored array."""
        reader = ZarrReader(location, [location.path], zarr_format=self.zarr_format)
        reader.array(0)  # opening is reading the metadata, not a promise to do so
        yield reader

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open a stored array for writing into it."""
        yield ArraysWriter(location, [open_zarr(location, location.path, self.zarr_format)])


class Zarr2Tensorstore(ZarrTensorstore):
    """Zarr v2."""

    name = "zarr2-tensorstore"
    format = "zarr2"
    suffix = ".zarr"
    zarr_format = 2


class Zarr3Tensorstore(ZarrTensorstore):
    """Zarr v3, with shards or without."""

    name = "zarr3-tensorstore"
    format = "zarr3"
    suffix = ".zarr"
    zarr_format = 3
