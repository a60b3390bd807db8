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

from storebench.codecs import Codec
from storebench.errors import VerificationError

_WINDOW: Final = 7
"""Voxels along an edge of SSIM's window: scikit-image's default."""
_PSNR_SLACK_DB: Final = 1.0
_ROUNDING_UNITS: Final = 2
"""Units in the last place of the largest voxel by which a bound may be passed, of floats only."""


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


def verified(found: NDArray, source: NDArray, codec: Codec) -> Fidelity:
    """Hold a codec to its promise, and return how near the voxels are.

    Parameters
    ----------
    found, source : numpy.ndarray
        What came back, and what was given: whole levels, or blocks.
    codec : Codec
        What it promises: every bit, a maximum error, a share of each voxel (kept bits), a PSNR; or only a likeness.

    Raises
    ------
    VerificationError
        If it is not kept, or what came back is not the same image at all.
    """
    if found.shape != source.shape or found.dtype != source.dtype:
        raise VerificationError(f"read back {found.dtype}{found.shape}, wrote {source.dtype}{source.shape}")
    if codec.lossless:
        if not np.array_equal(found, source, equal_nan=source.dtype.kind == "f"):
            wrong = np.argwhere(found != source)
            raise VerificationError(
                f"{len(wrong)} of {source.size} voxels differ from the source, the first at {tuple(int(i) for i in wrong[0])}"
            )
        return EXACT
    fidelity = fidelity_of(found, source)
    bound = error_bound(codec, source)
    if bound is not None and fidelity.max_abs_error > bound:
        raise VerificationError(
            f"{codec.name}: a voxel is off by {fidelity.max_abs_error:.6g}, and {codec.max_error:.6g} is the most it says"
        )
    if codec.keep_bits is not None:
        _check_kept_bits(found, source, codec)
    if codec.psnr_db is not None and fidelity.psnr_db is not None and fidelity.psnr_db < codec.psnr_db - _PSNR_SLACK_DB:
        raise VerificationError(f"{codec.name}: the PSNR is {fidelity.psnr_db:.1f} dB")
    return fidelity


def error_bound(codec: Codec, source: NDArray) -> float | None:
    """Return the largest error that a codec may make of these voxels, in the image's units; None where it states none."""
    if codec.max_error is None:
        return None
    if source.dtype.kind != "f":
        return codec.max_error
    largest = np.abs(source).max(initial=0, where=np.isfinite(source))
    return codec.max_error + _ROUNDING_UNITS * float(np.spacing(largest))


def _check_kept_bits(found: NDArray, source: NDArray, codec: Codec) -> None:
    """Compare each voxel with half of the last bit that is kept of it; below the smallest normal number that is a constant."""
    finite, smallest = np.isfinite(source), float(np.finfo(source.dtype).tiny)
    values = _exact(source[finite])
    allowed = np.maximum(np.abs(values), smallest) * 2.0 ** -(int(codec.keep_bits or 0) + 1)
    wrong = np.abs(_exact(found[finite]) - values) > allowed
    if wrong.any():
        raise VerificationError(
            f"{codec.name}: {int(wrong.sum())} voxels are off by more than half of the last bit that it keeps, the first of "
            f"{values[wrong.argmax()]:.6g}"
        )


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


def largest_error(found: NDArray, source: NDArray) -> float:
    """Return the largest absolute difference of voxels, in the image's units; infinite where what is not finite differs."""
    finite = np.isfinite(source)
    if not np.array_equal(found[~finite], source[~finite], equal_nan=True):
        return math.inf
    difference = np.abs(_exact(found[finite]) - _exact(source[finite]))
    return float(difference.max(initial=0))


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
