"""Small pictures of voxels inside the page: grey values, and differences whose zero is the page's own paper."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TOO_LOW: Final = (226, 72, 64)
TOO_HIGH: Final = (44, 136, 224)
"""Red and blue as in matplotlib's RdBu, but readable on white and on black paper alike."""
LIMIT_PERCENTILE: Final = 99.5
"""Of the absolute differences: at the largest of them a picture would be blank but for a few voxels."""
_WINDOW_PERCENTILES: Final = (0.5, 99.5)
_ZERO: Final = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureImage:
    """One image of a picture.

    Attributes
    ----------
    src : str
        The PNG, as a data URI.
    alt : str
        Its text alternative.
    width, height : int
        Voxels, as many as pixels in the file.
    """

    src: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Images that belong together, one below the other, with a caption.

    Attributes
    ----------
    title : str
        The caption's first words.
    lines : sequence of str
        The rest of it, line by line.
    images : sequence of PictureImage
        At least one.
    scale : tuple of (str, str) or None
        What the two ends of the last image's difference colours mean; None where it has none.
    """

    title: str
    lines: Sequence[str]
    images: Sequence[PictureImage]
    scale: tuple[str, str] | None = None


def real(values: NDArray) -> NDArray:
    """Return voxels as float64; of complex ones the absolute value."""
    return np.asarray(np.abs(values) if values.dtype.kind == "c" else values, np.float64)


def grey_window(values: NDArray) -> tuple[float, float]:
    """Return the values that become black and white: percentiles, so that a few hot voxels do not darken the rest."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(known, _WINDOW_PERCENTILES))
    return (low, high) if high > low else (low, low + 1)


def difference_limit(difference: NDArray) -> float:
    """Return where the symmetric colour scale of a difference ends, in the image's units; 0.0 where nothing differs."""
    sizes = np.abs(difference[np.isfinite(difference)])
    if sizes.size == 0:
        return 0.0
    limit = float(np.percentile(sizes, LIMIT_PERCENTILE))
    return limit if limit > 0 else float(sizes.max())  # fewer than 1 voxel in 200 differs: show those


def grey_image(values: NDArray, window: tuple[float, float], alt: str) -> PictureImage:
    """Return voxels (two axes) as a grey picture, black at the window's first value and white at its second."""
    low, high = window
    share = np.nan_to_num((values - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0)
    return _image(np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8), alt)


def difference_image(difference: NDArray, limit: float, alt: str) -> PictureImage:
    """Return differences (two axes) as a picture: red below zero, blue above, nothing at zero, the strongest from the limit on."""
    share = difference / limit if limit > 0 else np.zeros_like(difference)
    share = np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=-1.0)
    index = np.rint(np.clip(share, -1, 1) * _ZERO).astype(np.int16) + _ZERO
    colours = [TOO_LOW] * _ZERO + [TOO_HIGH] * (_ZERO + 1)
    alphas = bytes(round(255 * abs(step - _ZERO) / _ZERO) for step in range(2 * _ZERO + 1))
    return _image(
        index.astype(np.uint8), alt, palette=bytes(part for colour in colours for part in colour), alphas=alphas
    )


def _image(pixels: NDArray, alt: str, *, palette: bytes | None = None, alphas: bytes | None = None) -> PictureImage:
    from PIL import Image  # what matplotlib itself writes PNG with

    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True, **({} if alphas is None else {"transparency": alphas}))
    text = base64.b64encode(stream.getvalue()).decode("ascii")
    height, width = pixels.shape
    return PictureImage(src=f"data:image/png;base64,{text}", alt=alt, width=width, height=height)
