"""The headers of JPEG XL, JPEG-LS, JPEG XR and LERC, read from the bytes: what is really stored, whatever was asked."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap
from typing import Final

import numpy as np

from storebench.backends._backend import StoredAs
from storebench.grid import Layout, Shape

HEADER_ERRORS: Final = (ValueError, KeyError, IndexError, struct.error)
"""What these functions raise where the bytes are something else or end too early."""


Bytes = bytes | mmap
"""A whole file or block; of a file only what is looked at is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """What an image says about itself.

    Attributes
    ----------
    shape : tuple of int
        (y, x), and the channels where there are several; before them 0 where there may be several frames.
    dtype : numpy.dtype
        Smallest that holds the bits per voxel.
    codec : str
        Neutral name, with ``*`` for what the bytes do not tell.
    payload_bytes : int
        Of the codestream.
    """

    shape: Shape
    dtype: np.dtype
    codec: str
    payload_bytes: int

    def stored_as(self, decode_shape: Shape | None) -> StoredAs:
        """Return the header in storebench's words."""
        return StoredAs(
            shape=self.shape,
            dtype=self.dtype,
            axes=None,
            layout=Layout(chunk_shape=self.shape),
            codec=self.codec,
            level_shapes=(self.shape,),
            decode_shape=decode_shape,
            chunk_bytes=self.payload_bytes,
        )


class _Bits:
    """Bits in order, the lowest of each byte first (JPEG XL) or the highest (JPEG XR)."""

    def __init__(self, data: bytes, *, highest_first: bool) -> None:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="big" if highest_first else "little")
        self._bits = iter(bits.tolist())
        self._highest_first = highest_first

    def take(self, n: int) -> int:
        """Return the next bits as a number.

        Raises
        ------
        ValueError
            If there are no more.
        """
        found = list(itertools.islice(self._bits, n))
        if len(found) < n:
            raise ValueError("its header is cut off")
        return sum(bit << i for i, bit in enumerate(reversed(found) if self._highest_first else found))


# JPEG XL: ISO/IEC 18181-1, annexes A to E

_JXL_SIGNATURE: Final = b"\xff\x0a"
_JXL_BOXES: Final = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_JXL_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_JXL_HEADER_BYTES: Final = 512


def jxl_header(data: Bytes) -> ImageHeader:
    """Read JPEG XL, bare or in boxes. Lossless is what keeps its own colours: loss begins with a change to XYB."""
    bits = _Bits(_jxl_codestream(data), highest_first=False)
    y, x = _jxl_size(bits)
    n_frames, is_float, n_bits, n_extra, xyb, n_colours = 1, 0, 8, 0, 1, 3
    if not bits.take(1):  # else all is as most photographs have it
        n_frames = _jxl_extra_fields(bits) if bits.take(1) else 1
        is_float = bits.take(1)
        n_bits = _jxl_u32(bits, *(((32, 0), (16, 0), (24, 0)) if is_float else ((8, 0), (10, 0), (12, 0))), (1, 6))
        bits.take(4 * is_float + 1)  # bits of the exponent; whether 16 bits are enough to decode
        n_extra = _jxl_u32(bits, (0, 0), (1, 0), (2, 4), (1, 12))
        if n_extra:
            raise ValueError("it has channels beyond its colours")
        xyb = bits.take(1)
        grey = not bits.take(1) and not bits.take(1) and _jxl_u32(bits, (0, 0), (1, 0), (2, 4), (18, 6)) == 1
        n_colours = 1 if grey else 3
    return ImageHeader(
        shape=(*((n_frames,) if n_frames != 1 else ()), y, x, *((n_colours,) if n_colours > 1 else ())),
        dtype=np.dtype(f"f{n_bits // 8}" if is_float else f"u{1 if n_bits <= 8 else 2 if n_bits <= 16 else 4}"),
        codec="jxl-distance-*" if xyb else "jxl-lossless-*",
        payload_bytes=len(data),
    )


def _jxl_codestream(data: Bytes) -> bytes:
    """Return the beginning of the codestream, behind its signature."""
    if data[:2] == _JXL_SIGNATURE:
        return data[2:_JXL_HEADER_BYTES]
    if data[:12] != _JXL_BOXES:
        raise ValueError("it does not begin as a JPEG XL image does")
    at = 12
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        if kind in (b"jxlc", b"jxlp"):
            start += 6 if kind == b"jxlp" else 2
            return data[start : start + _JXL_HEADER_BYTES]
        if length < 8:
            raise ValueError("it has no codestream")
        at += length


def _jxl_u32(bits: _Bits, *ways: tuple[int, int]) -> int:
    """Read a number that is coded in one of four ways: an offset, and how many bits are added to it."""
    offset, n_bits = ways[bits.take(2)]
    return offset + bits.take(n_bits)


def _jxl_size(bits: _Bits) -> tuple[int, int]:
    """Read height and width."""
    eights = bits.take(1)

    def extent() -> int:
        return 8 * (1 + bits.take(5)) if eights else _jxl_u32(bits, (1, 9), (1, 13), (1, 18), (1, 30))

    y, ratio = extent(), bits.take(3)
    if ratio == 0:
        return y, extent()
    numerator, denominator = _JXL_RATIOS[ratio - 1]
    return y, y * numerator // denominator


def _jxl_extra_fields(bits: _Bits) -> int:
    """Skip orientation, intrinsic size and animation; return 0 where there may be several frames, whose number is not told."""
    if bits.take(3) > 3:
        raise ValueError("it is stored turned by a right angle")
    if bits.take(1):
        _jxl_size(bits)
    if bits.take(1):
        raise ValueError("it has a preview")
    if not bits.take(1):
        return 1
    _jxl_u32(bits, (100, 0), (1000, 0), (1, 10), (1, 30))
    _jxl_u32(bits, (1, 0), (1001, 0), (1, 8), (1, 10))
    _jxl_u32(bits, (0, 0), (0, 3), (0, 16), (0, 32))
    bits.take(1)
    return 0


# JPEG-LS: ISO/IEC 14495-1, annex C

_SOI, _SOF_JLS, _SOS = 0xFFD8, 0xFFF7, 0xFFDA


def jls_header(data: Bytes) -> ImageHeader:
    """Read JPEG-LS, which tells the largest error that it allows."""
    if struct.unpack_from(">H", data)[0] != _SOI:
        raise ValueError("it does not begin as a JPEG-LS image does")
    if data[-2:] != b"\xff\xd9":
        raise ValueError("it is cut off")
    at, segments = 2, dict[int, bytes]()
    while _SOS not in segments:
        marker, length = struct.unpack_from(">HH", data, at)
        if marker < 0xFF00 or length < 2:
            raise ValueError("its header is damaged")
        segments[marker] = data[at + 4 : at + 2 + length]
        at += 2 + length
    n_bits, y, x, n_components = struct.unpack_from(">BHHB", segments[_SOF_JLS])
    near = segments[_SOS][1 + 2 * segments[_SOS][0]]
    return ImageHeader(
        shape=(y, x) if n_components == 1 else (y, x, n_components),
        dtype=np.dtype("u1" if n_bits <= 8 else "u2"),
        codec=f"jls-error-{near}" if near else "jls-lossless",
        payload_bytes=len(data) - at,
    )


# JPEG XR: ISO/IEC 29199-2, clause 8 and annex A

_JXR_PIXELS: Final = {0x08: "u1", 0x0B: "u2", 0x3E: "f2", 0x3F: "f4"}
"""Last byte of a pixel format's GUID → grey voxels of that type."""

_JXR_GUID: Final = bytes.fromhex("24c3dd6f034efe4bb1853d77768dc9")


def jxr_header(data: Bytes) -> ImageHeader:
    """Read JPEG XR. It is lossless where nothing is scaled, no bits are left out and each quantum is 1."""
    if data[:4] != b"II\xbc\x01":
        raise ValueError("it does not begin as a JPEG XR image does")
    (at,) = struct.unpack_from("<I", data, 4)
    (n_entries,) = struct.unpack_from("<H", data, at)
    entries = [struct.unpack_from("<HHII", data, at + 2 + 12 * i) for i in range(n_entries)]
    tags = {tag: value & 0xFFFF if kind == 3 else value for tag, kind, _, value in entries}
    guid = data[tags[0xBC01] : tags[0xBC01] + 16]
    if guid[:15] != _JXR_GUID or guid[15] not in _JXR_PIXELS:
        raise ValueError("its voxels are not grey numbers of whole bytes")
    if tags[0xBCC0] + tags[0xBCC1] > len(data):
        raise ValueError("it is cut off")
    return ImageHeader(
        shape=(tags[0xBC81], tags[0xBC80]),
        dtype=np.dtype(_JXR_PIXELS[guid[15]]),
        codec="jxr-lossless" if _jxr_keeps_all(data[tags[0xBCC0] : tags[0xBCC0] + 128]) else "?",
        payload_bytes=tags[0xBCC1],
    )


def _jxr_keeps_all(codestream: bytes) -> bool:
    """Tell whether a grey codestream's quanta are all 1 and no bits are left out."""
    if codestream[:8] != b"WMPHOTO\0":
        raise ValueError("its codestream is damaged")
    bits = _Bits(codestream[8:], highest_first=True)
    bits.take(4 + 1 + 3)
    tiled = bits.take(1)
    bits.take(1 + 3 + 1 + 2)
    short, _, windowed, trimmed = (bits.take(1) for _ in range(4))
    bits.take(1 + 1 + 1 + 1 + 4)
    depth = bits.take(4)
    bits.take(2 * (16 if short else 32))
    if tiled:
        n_columns, n_rows = bits.take(12), bits.take(12)
        bits.take((n_columns + n_rows) * (8 if short else 16))
    if windowed:
        bits.take(4 * 6)
    bits.take(3)
    scaled, bands = bits.take(1), bits.take(4)
    bits.take({2: 8, 3: 8, 6: 8, 7: 16}.get(depth, 0))  # by how many bits voxels were shifted, or how floats were cut
    return not (trimmed or scaled or bands) and all(_jxr_quantum(bits, may_follow=n > 0) <= 1 for n in range(3))


def _jxr_quantum(bits: _Bits, *, may_follow: bool) -> int:
    """Return a band's quantum, of which 0 stands for 1; of one that differs between tiles a large one, and 0 of a follower."""
    if may_follow and bits.take(1):  # as the band before
        return 0
    return bits.take(8) if bits.take(1) else 255


# LERC: Esri's Lerc2.cpp, HeaderInfo

_LERC_MAX_ERROR_AT: Final = {4: 42, 5: 42, 6: 50}


def lerc_codec(data: bytes) -> str:
    """Return the neutral name of a block of LERC, which tells the largest error that it allows."""
    if data[:6] != b"Lerc2 ":
        raise ValueError("it does not begin as LERC does")
    (version,) = struct.unpack_from("<i", data, 6)
    at = _LERC_MAX_ERROR_AT[version]
    n_type = struct.unpack_from("<i", data, 38)[0]
    (max_error,) = struct.unpack_from("<d", data, at)
    is_integer = n_type < 6
    lossless = 0.5 if is_integer else 0.0
    return "lerc-lossless" if max_error <= lossless else f"lerc-error-{np.format_float_positional(max_error, trim='-')}"


HeaderReader = Callable[[Bytes], ImageHeader]
