"""How near a decoded image is to its source: largest error, RMSE, PSNR, SSIM. One definition for every codec.

The PSNR's peak is the largest value of the dtype for whole numbers (65,535 for uint16), as codecs that aim at a PSNR have it,
whatever part of that range an image uses; floats have no such value, so theirs is the range of the image. The SSIM is
scikit-image's (Wang et al. 2004, uniform window of 7 × 7, mean over the planes of the last two axes), with the range of the image
as its data range: with the dtype's, an image that uses a part of it would look undamaged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.errors import VerificationError

_WINDOW: Final = 7
"""Voxels along an edge of SSIM's window: scikit-image's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """What a codec did to an image, over all voxels.

    Attributes
    ----------
    max_abs_error : float
        Largest absolute difference, in the image's units.
    rmse : float
        Root of the mean squared difference, in the image's units.
    psnr_db : float or None
        Peak signal-to-noise ratio, dB; None where nothing differs (no noise: it would be infinite).
    ssim : float or None
        Mean structural similarity, 1.0 where nothing differs; None for planes smaller than its window, for voxels that are not
        finite, and for complex ones.
    """

    max_abs_error: float
    rmse: float
    psnr_db: float | None
    ssim: float | None


EXACT: Final = Fidelity(max_abs_error=0.0, rmse=0.0, psnr_db=None, ssim=1.0)
"""Every voxel came back to the bit."""


def fidelity_of(found: NDArray, source: NDArray) -> Fidelity:
    """Compare a decoded image with its source.

    Parameters
    ----------
    found, source : numpy.ndarray
        Voxels of the same shape and dtype, at least two axes.

    Raises
    ------
    VerificationError
        If it is no nearer to the source than one grey value all over would be, or what is not finite lies elsewhere.
    """
    if np.array_equal(found, source, equal_nan=source.dtype.kind in "fc"):
        return EXACT
    finite = np.isfinite(source)
    same_places = np.array_equal(finite, np.isfinite(found))
    if not same_places or not np.array_equal(found[~finite], source[~finite], equal_nan=True):
        raise VerificationError("voxels that are not finite lie elsewhere than in the source, or are others")
    largest, mean_square = _differences(found, source, finite)
    rmse = math.sqrt(mean_square)
    spread = math.sqrt(_variance(source, finite))
    if 0 < spread <= rmse:  # of a constant image there is no likeness to be lost
        raise VerificationError(
            f"what came back is not the image: its RMSE is {rmse:.4g}, that of the image's mean grey all over {spread:.4g}"
        )
    values = source[finite]
    extent = float(values.max()) - float(values.min()) if source.dtype.kind != "c" else 0.0
    peak = float(np.iinfo(source.dtype).max) if source.dtype.kind in "iu" else extent
    psnr_db = 10 * math.log10(peak**2 / mean_square) if mean_square > 0 and peak > 0 else None
    ssim = _mean_ssim(found, source, extent) if bool(finite.all()) and extent > 0 else None
    return Fidelity(max_abs_error=largest, rmse=rmse, psnr_db=psnr_db, ssim=ssim)


def _planes(*images: NDArray) -> Iterator[tuple[NDArray, ...]]:
    """Yield the planes of the last two axes of each image: all at once would need eight times the memory in float64."""
    return zip(*(image.reshape(-1, *image.shape[-2:]) for image in images), strict=True)


def _differences(found: NDArray, source: NDArray, finite: NDArray) -> tuple[float, float]:
    """Return the largest absolute difference and the mean of the squared ones."""
    largest, squares = 0.0, []
    for one, other, known in _planes(found, source, finite):
        difference = np.abs(_exact(one[known]) - _exact(other[known]))
        if difference.size:
            largest = max(largest, float(difference.max()))
            squares.append(float(np.sum(difference**2)))
    return largest, math.fsum(squares) / int(finite.sum())


def _variance(source: NDArray, finite: NDArray) -> float:
    mean = source[finite].mean(dtype=_exact(source[:0]).dtype)
    parts = [float(np.sum(np.abs(_exact(plane[known]) - mean) ** 2)) for plane, known in _planes(source, finite)]
    return math.fsum(parts) / int(finite.sum())


def _exact(values: NDArray) -> NDArray:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _mean_ssim(found: NDArray, source: NDArray, extent: float) -> float | None:
    if min(source.shape[-2:]) < _WINDOW:
        return None
    from skimage.metrics import structural_similarity  # scipy behind it: only where a codec is lossy

    each = [
        float(structural_similarity(_exact(other), _exact(one), data_range=extent, win_size=_WINDOW))
        for one, other in _planes(found, source)
    ]
    return math.fsum(each) / len(each)
