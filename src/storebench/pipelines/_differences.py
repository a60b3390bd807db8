"""How voxels differ from what they should be, block by block and summed up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storebench.grid import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the voxels of a block, or of a level, differ from what they should be.

    Attributes
    ----------
    n_voxels, n_wrong : int
        Compared, and not equal to the bit.
    first : tuple of int or None
        Where the first wrong voxel lies, in C order of the blocks.
    max_abs_error, sum_of_squares : float
        Of the differences, in the image's units.
    peak : float
        Largest value that the voxels' type has; of floats, the largest that occurs.
    """

    n_voxels: int
    n_wrong: int
    first: Shape | None
    max_abs_error: float
    sum_of_squares: float
    peak: float

    def __add__(self, other: Difference) -> Difference:
        places = [place for place in (self.first, other.first) if place is not None]
        return Difference(
            n_voxels=self.n_voxels + other.n_voxels,
            n_wrong=self.n_wrong + other.n_wrong,
            first=min(places, default=None),
            max_abs_error=max(self.max_abs_error, other.max_abs_error),
            sum_of_squares=self.sum_of_squares + other.sum_of_squares,
            peak=max(self.peak, other.peak),
        )

    @property
    def psnr_db(self) -> float | None:
        """Peak signal-to-noise ratio, dB (see `measurement.fidelity`); None where nothing differs."""
        if not self.sum_of_squares or not self.peak:
            return None
        return 10 * math.log10(self.peak**2 * self.n_voxels / self.sum_of_squares)


def difference_of(origin: Shape, found: NDArray, expected: NDArray) -> Difference:
    """Compare two arrays of one shape and type; `origin` is where they lie in their level."""
    integers = found.dtype.kind in "iu"
    peak = float(np.iinfo(found.dtype).max) if integers else float(np.max(np.abs(expected), initial=0))
    wrong = found != expected
    if found.dtype.kind == "f":
        wrong &= ~(np.isnan(found) & np.isnan(expected))
    if not wrong.any():
        return Difference(n_voxels=found.size, n_wrong=0, first=None, max_abs_error=0.0, sum_of_squares=0.0, peak=peak)
    place = np.unravel_index(int(wrong.argmax()), wrong.shape)
    errors = np.abs(found[wrong].astype(np.float64) - expected[wrong].astype(np.float64))
    return Difference(
        n_voxels=found.size,
        n_wrong=int(wrong.sum()),
        first=tuple(o + int(i) for o, i in zip(origin, place, strict=True)),
        max_abs_error=float(errors.max()),
        sum_of_squares=float(np.sum(errors**2)),
        peak=peak,
    )
