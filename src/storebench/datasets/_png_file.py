"""PNG images. A region is cut from the whole decoded image: PNG has no partial read."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._file_kind import SAMPLES_AXIS, FileKind, Found
from storebench.errors import DataError
from storebench.grid import Region

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_SAMPLES: Final = {0: 1, 2: 3, 4: 2, 6: 4}  # by PNG's colour type: grey, RGB, grey and alpha, RGB and alpha
_PALETTE: Final = 3


def _header(path: Path) -> tuple[tuple[int, int, int, int], set[bytes]]:
    """Return (width, height, bits, colour type) and the names of the chunks before the voxels."""
    chunks: set[bytes] = set()
    with path.open("rb") as file:
        file.seek(len(_SIGNATURE))
        length, _name, width, height, bits, colour = struct.unpack(">I4sIIBB", file.read(18))
        file.seek(len(_SIGNATURE) + 12 + length)
        while (name := file.read(8)) and name[4:] != b"IDAT":
            chunks.add(name[4:])
            file.seek(int.from_bytes(name[:4], "big") + 4, 1)
    return (width, height, bits, colour), chunks


def _describe(path: Path, _inner: str) -> Found:
    (width, height, bits, colour), chunks = _header(path)
    if colour == _PALETTE:
        raise DataError(f"{path}: a PNG file with a colour palette; save it as grey values or RGB first")
    if b"acTL" in chunks:
        raise DataError(f"{path}: an animated PNG file; save its frames as a folder of PNG files or as a TIFF stack")
    if colour not in _SAMPLES:
        raise DataError(f"{path}: its PNG header is damaged (colour type {colour}); copy it again from where it came")
    n_samples = _SAMPLES[colour] + (b"tRNS" in chunks)  # a transparent colour is decoded as one more sample
    return Found(
        shape=(height, width) if n_samples == 1 else (height, width, n_samples),
        dtype=np.dtype(np.uint16 if bits == 16 else np.uint8),
        axes="yx" if n_samples == 1 else "yx" + SAMPLES_AXIS,
        about="a PNG file" if bits >= 8 else f"a PNG file of {bits} bits, scaled to 8",
    )


def _read(path: Path, _inner: str, regions: Sequence[Region]) -> list[NDArray[Any]]:
    import imagecodecs  # Pillow would cut 16-bit colours down to 8 bits

    voxels = imagecodecs.png_decode(path.read_bytes())
    return [np.array(voxels[region.slices]) for region in regions]


PNG: Final = FileKind(name="png", label="PNG", magic=(_SIGNATURE,), suffixes=(".png",), describe=_describe, read=_read)
