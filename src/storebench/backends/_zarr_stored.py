"""What a Zarr store holds, from its metadata and the sizes of its objects: the same for each library that reads it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from storebench.backends._backend import StoredAs
from storebench.backends._omezarr import Multiscale
from storebench.backends._zarr_codecs import neutral_name
from storebench.errors import DataError
from storebench.grid import Layout, Shape, grid_shape
from storebench.stores import Location

METADATA_FILES: Final = frozenset({"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"})
_BLOSC_HEADER_BYTES: Final = 16
_END_OF_CODESTREAM: Final = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a store.

    Attributes
    ----------
    path : pathlib.Path
        Where it is.
    n_bytes : int
        Its size.
    first_bytes : callable
        Returns so many of its first bytes, or all where there are fewer.
    """

    path: Path
    n_bytes: int
    first_bytes: Callable[[int], bytes]


def files_as_objects(location: Location) -> Iterator[StoredObject]:
    """Yield the objects of a store that is a folder."""
    for file in location.files():
        path = Path(file)
        yield StoredObject(path, file.stat().st_size, functools.partial(_first_bytes, path))


def _first_bytes(path: Path, n_bytes: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(n_bytes) or b""


def describe(
    location: Location,
    *,
    metadata: Mapping[str, Any],
    dtype: np.dtype,
    arrays: Sequence[tuple[Shape, Layout]],
    group: Multiscale | None,
    objects: Iterable[StoredObject] | None = None,
) -> StoredAs:
    """Describe an image as it is found, after a look at every object's size.

    Parameters
    ----------
    location : Location
        The image.
    metadata : mapping
        Of the array of level 0, as JSON objects; for v2 with its attributes.
    dtype : numpy.dtype
        Of a voxel.
    arrays : sequence of (tuple of int, Layout)
        Shape, chunks and shards of each level.
    group : Multiscale or None
        What a group around the arrays says of them; None: there is none.
    objects : iterable of StoredObject, optional
        What the store holds; None: the files of the folder.

    Raises
    ------
    DataError
        If an object is empty, shorter than its Blosc header says, or HTJ2K without an end: not every library notices that when
        it reads.
    """
    shape, layout = arrays[0]
    codec, remark = neutral_name(metadata, dtype)
    plain = "" if layout.shard_shape else codec  # a chunk in a shard has no end of its own
    n_objects, chunk_bytes = _look_at_objects(
        files_as_objects(location) if objects is None else objects,
        blosc=plain.startswith("blosc-"),
        htj2k=plain == "htj2k-lossless",
    )
    n_expected = sum(math.prod(grid_shape(shape, layout.object_shape)) for shape, layout in arrays)
    notes = [remark] if remark else []
    if n_objects != n_expected:
        fill = metadata.get("fill_value")
        notes.append(
            f"{n_objects} of {n_expected} chunk files are there, the others read as {0 if fill is None else fill}"
        )
    if metadata.get("order") == "F":
        notes.append("voxels in Fortran order")
    return StoredAs(
        shape=shape,
        dtype=dtype,
        axes=(group and group.axes) or _axes_of(metadata),
        level_method=group and group.level_method,
        layout=layout,
        codec=codec,
        level_shapes=tuple(shape for shape, _ in arrays),
        decode_shape=layout.chunk_shape,
        smaller_decode_shapes=tuple(layout.chunk_shape for _, layout in arrays[1:]),
        chunk_bytes=chunk_bytes,
        note="; ".join(notes),
    )


def _look_at_objects(objects: Iterable[StoredObject], *, blosc: bool, htj2k: bool) -> tuple[int, int]:
    """Return number and bytes of all objects that are no metadata."""
    sizes = []
    for found in objects:
        if found.path.name in METADATA_FILES:
            continue
        sizes.append(found.n_bytes)
        is_cut = found.n_bytes == 0 or (blosc and _blosc_bytes(found) > found.n_bytes)
        if is_cut or (htj2k and found.path.is_file() and not _ends_as_jpeg2000(found.path)):  # a zip has checksums
            raise DataError(f"the chunk file {found.path} is cut off; restore it from a copy or write the image anew")
    return len(sizes), sum(sizes)


def _blosc_bytes(chunk: StoredObject) -> int:
    """Return the bytes that a Blosc chunk says it has. numcodecs does not compare them and decodes past the end."""
    header = chunk.first_bytes(_BLOSC_HEADER_BYTES)
    return int.from_bytes(header[12:16], "little") if len(header) == _BLOSC_HEADER_BYTES else _BLOSC_HEADER_BYTES


def _ends_as_jpeg2000(path: Path) -> bool:
    """Tell whether a codestream has its end marker. OpenJPH decodes one that was cut off to other voxels, without an error."""
    with path.open("rb", buffering=0) as file:
        file.seek(-min(2, path.stat().st_size), 2)
        return file.read(2) == _END_OF_CODESTREAM


def _axes_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the axis names where an array has some, one letter each."""
    names = metadata.get("dimension_names") or (metadata.get("attributes") or {}).get("_ARRAY_DIMENSIONS")
    if not names or not all(isinstance(name, str) and len(name) == 1 for name in names):
        return None
    return "".join(names)
