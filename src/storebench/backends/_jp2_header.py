"""The header of a JPEG 2000 file, read from its codestream: what is really stored, whatever was asked."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from storebench.backends._backend import StoredAs
from storebench.backends._single_file import reading
from storebench.errors import DataError
from storebench.grid import Layout, Shape, grid_shape
from storebench.stores import Location

_SIZ, _COD, _SOT = 0xFF51, 0xFF52, 0xFF90  # the markers of size, coding style, and of the first tile
_BARE = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the file says about itself.

    Attributes
    ----------
    shape : tuple of int
        (y, x), or (y, x, component) where there are several.
    dtype : numpy.dtype
        Smallest that holds the bits per voxel.
    tile_shape : tuple of int
        (y, x); the image's own shape where it is not tiled.
    n_wavelet_levels : int
        How many times the image can be halved.
    reversible : bool
        The 5-3 wavelet, which is lossless unless bits were cut off; otherwise the 9-7 wavelet.
    n_layers : int
        Quality layers.
    high_throughput : bool
        Whether blocks are coded as ISO/IEC 15444-15 says (HTJ2K).
    payload_bytes : int
        From the first tile on.
    """

    shape: Shape
    dtype: np.dtype
    tile_shape: Shape
    n_wavelet_levels: int
    reversible: bool
    n_layers: int
    high_throughput: bool
    payload_bytes: int

    @property
    def level_shapes(self) -> tuple[Shape, ...]:
        """Shapes that the wavelet's low-pass bands have: half the size each time, rounded up. They are no means."""
        y, x, *components = self.shape
        return tuple((*grid_shape((y, x), (2**k, 2**k)), *components) for k in range(self.n_wavelet_levels + 1))

    def stored_as(self, decode_shape: Shape | None) -> StoredAs:
        """Return the header in storebench's words.

        `level_shapes` is what was asked to be stored, one level: the wavelet's own levels come for free, in every file,
        and are listed by the readers that can decode them (`ArrayReader.levels`).
        """
        wavelet = "5-3 reversible" if self.reversible else "9-7 irreversible"
        layers = f", {self.n_layers} quality layers" if self.n_layers > 1 else ""
        return StoredAs(
            shape=self.shape,
            dtype=self.dtype,
            axes=None,
            layout=Layout(chunk_shape=(*self.tile_shape, *self.shape[2:])),
            codec=self.codec,
            level_shapes=(self.shape,),
            decode_shape=decode_shape,
            chunk_bytes=self.payload_bytes,
            note=f"{wavelet} wavelet, {self.n_wavelet_levels} wavelet levels{layers}",
        )

    @property
    def codec(self) -> str:
        """Return the neutral name. The file does not tell where bits were cut off: 5-3 may be lossy, 9-7 is."""
        kind = "htj2k" if self.high_throughput else "jp2"
        if not self.reversible:
            return f"{kind}-[pr]*"
        # Of layers the number is kept, not the ratios. [!y]: one layer is no "layers".
        return f"{kind}-layers{'-*' * self.n_layers}" if self.n_layers > 1 else f"{kind}-??[!y]*"


def read_header(location: Location) -> Header:
    """Read the codestream's main header. Never counted: the library that decodes the file reads it again itself.

    Raises
    ------
    DataError
        If it is no JPEG 2000 file.
    """
    with location.path.open("rb") as file, reading(location, "a JPEG 2000 image", ValueError, struct.error, KeyError):
        return _main_header(file, _seek_codestream(file, location))


def codestream_header(data: bytes) -> Header:
    """Read the main header of a bare codestream.

    Raises
    ------
    ValueError, KeyError, struct.error
        If it is none.
    """
    if data[:4] != _BARE:
        raise ValueError("it does not begin as a JPEG 2000 codestream does")
    file = io.BytesIO(data)
    file.seek(2)
    return _main_header(file, len(data))


def _main_header(file: Any, end: int) -> Header:
    """Read what lies before the first tile."""
    segments: dict[int, bytes] = {}
    while (marker := _unpack(">H", file)[0]) != _SOT:
        (length,) = _unpack(">H", file)
        if marker < 0xFF00 or length < 2:
            raise ValueError("its header is damaged")
        segments[marker] = file.read(length - 2)
    return _header(segments[_SIZ], segments[_COD], end - file.tell() + 2)


def _unpack(form: str, file: Any) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _seek_codestream(file: Any, location: Location) -> int:
    """Go behind the codestream's first marker, bare or in a JP2 box, and return where the codestream ends."""
    size = location.path.stat().st_size
    if file.read(4) == _BARE:
        file.seek(2)
        return size
    file.seek(0)
    while True:
        start = file.tell()
        length, kind = _unpack(">I4s", file)
        if length == 1:
            (length,) = _unpack(">Q", file)
        if kind == b"jp2c":
            if file.read(2) != b"\xff\x4f":
                raise DataError(f"{location.path}: the JPEG 2000 codestream is damaged; fetch or write the file again")
            if start + length > size:
                raise DataError(
                    f"{location.path} is cut off: {size} of {start + length} bytes; fetch or write it again"
                )
            return start + length if length else size
        if (start == 0 and kind != b"jP  ") or length < 8:
            raise DataError(f"{location.path} is no JPEG 2000 image; give a .jp2 or .j2k file")
        file.seek(start + length)


def _header(siz: bytes, cod: bytes, payload_bytes: int) -> Header:
    """Take the fields apart as ISO/IEC 15444-1 A.5.1 and A.6.1 order them; bit 6 of the code blocks' style is HTJ2K."""
    _, x1, y1, x0, y0, tile_x, tile_y, _, _, n_components, depth = struct.unpack_from(">H8IHB", siz)
    n_bits = (depth & 0x7F) + 1
    (n_layers,) = struct.unpack_from(">H", cod, 2)
    shape = (y1 - y0, x1 - x0)
    return Header(
        shape=shape if n_components == 1 else (*shape, n_components),
        dtype=np.dtype(f"{'i' if depth & 0x80 else 'u'}{1 if n_bits <= 8 else 2 if n_bits <= 16 else 4}"),
        tile_shape=(tile_y, tile_x),
        n_wavelet_levels=cod[5],
        reversible=cod[9] == 1,
        n_layers=n_layers,
        high_throughput=bool(cod[8] & 0x40),
        payload_bytes=payload_bytes,
    )
