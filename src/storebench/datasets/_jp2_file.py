"""JPEG 2000 images: grey ones by area through the jp2-glymur backend, colour ones decoded whole."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._file_kind import SAMPLES_AXIS, FileKind, Found
from storebench.errors import DataError
from storebench.grid import Region
from storebench.stores import Location

_BOX_SIGNATURE: Final = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_CODESTREAM: Final = b"\xff\x4f\xff\x51"
_END: Final = b"\xff\xd9"


def _codestream(file: BinaryIO, path: Path) -> tuple[int, int]:
    """Return where the codestream begins and ends, walking the boxes of a JP2 file."""
    size = os.fstat(file.fileno()).st_size
    if file.read(4) == _CODESTREAM:
        return 0, size
    start = 0
    while start + 8 <= size:
        file.seek(start)
        length, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if length == 1:  # a 64-bit length follows
            (length,), head = struct.unpack(">Q", file.read(8)), 16
        if name == b"jp2c":
            return start + head, start + length if length else size
        if length < head:
            break
        start += length
    raise DataError(
        f"{path}: a JPEG 2000 file without a codestream, damaged or incomplete; copy it again from where it came"
    )


def _describe(path: Path, _inner: str) -> Found:
    with path.open("rb") as file:
        start, end = _codestream(file, path)
        file.seek(start + 8)
        x1, y1, x0, y0 = struct.unpack(">IIII", file.read(16))
        file.seek(start + 40)
        n_samples, precision = struct.unpack(">HB", file.read(3))
        file.seek(end - len(_END))
        if file.read(len(_END)) != _END:  # OpenJPEG would make up what is missing
            raise DataError(f"{path}: the JPEG 2000 codestream is incomplete; copy the file again from where it came")
    bits, signed = (precision & 0x7F) + 1, bool(precision & 0x80)
    if bits > 16:
        raise DataError(f"{path}: JPEG 2000 with {bits} bits per voxel; up to 16 can be read exactly")
    dtype = np.dtype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")
    shape, axes = (y1 - y0, x1 - x0), "yx"
    if n_samples == 1:
        return Found(shape=shape, dtype=dtype, axes=axes, about="a JPEG 2000 file")
    return Found(shape=(*shape, n_samples), dtype=dtype, axes=axes + SAMPLES_AXIS, about="a JPEG 2000 file")


def _read(path: Path, inner: str, regions: Sequence[Region]) -> list[NDArray[Any]]:
    if SAMPLES_AXIS in _describe(path, inner).axes:
        import imagecodecs

        voxels = imagecodecs.jpeg2k_decode(path.read_bytes())
        return [np.array(voxels[region.slices]) for region in regions]
    from storebench.backends.jp2_glymur import Jp2Glymur

    with Jp2Glymur().open(Location(path)) as reader:
        return [reader.read(region) for region in regions]


JP2: Final = FileKind(
    name="jp2",
    label="JPEG 2000",
    magic=(_BOX_SIGNATURE, _CODESTREAM),
    suffixes=(".jp2", ".j2k", ".jpx", ".jpc", ".j2c", ".jph", ".jhc"),
    describe=_describe,
    read=_read,
)
