"""Repeatable randomness for synthetic images, in whole numbers only.

Every random number is a hash of (image, place), so any voxel can be made alone: a counter-based generator whose counter
is the voxel's coordinate. No floating-point function is evaluated on the way to a voxel, because neither numpy's
distributions nor the C library's `log` and `exp` promise the same last bit everywhere; tables are rounded to whole
numbers (a test holds that none of them is near a tie) or made of exact integer arithmetic.

The hash is the output function of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014): along x, the values are exactly that generator's stream.
"""

from __future__ import annotations

import functools
import hashlib
import statistics
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.grid import Region

Bits = NDArray[np.uint64]
Counts = NDArray[np.int32]

GAUSS_UNIT: Final = 1024
"""What one standard deviation is in the numbers of `gauss`."""
POISSON_MEANS: Final = 512
_POISSON_STEPS: Final = 2048
_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_FACTORS: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def key_of(*words: object) -> int:
    """Return a 64-bit key for an image or for one of its layers, the same on every machine."""
    text = "/".join(str(word) for word in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _mix(values: Bits) -> Bits:
    """Scramble 64-bit numbers in place with SplitMix64's output function and return them."""
    scratch = np.empty_like(values)
    for shift, factor in zip((30, 27), _FACTORS, strict=True):
        np.right_shift(values, np.uint64(shift), out=scratch)
        values ^= scratch
        values *= factor
    np.right_shift(values, np.uint64(31), out=scratch)
    values ^= scratch
    return values


def lattice_bits(key: int, z: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64]) -> Bits:
    """Return 64 random bits for each point of a lattice.

    Parameters
    ----------
    key : int
        Key of the layer.
    z, y, x : array of int64, 1-D
        Coordinates of the points per axis; negative ones too.

    Returns
    -------
    array of uint64, shape (len(z), len(y), len(x))
    """
    steps = [(axis.astype(np.uint64) + np.uint64(1)) * _GAMMA for axis in (z, y, x)]
    columns = _mix(np.array(key, dtype=np.uint64) + steps[0])
    rows = _mix(columns[:, None] + steps[1])
    return _mix(rows[:, :, None] + steps[2])


def voxel_bits(key: int, box: Region) -> Bits:
    """Return 64 random bits for each voxel of a box (axes zyx)."""
    z, y, x = (np.arange(low, high) for low, high in zip(box.start, box.stop, strict=True))
    return lattice_bits(key, z, y, x)


@functools.cache
def gauss_table() -> NDArray[np.int16]:
    """Return 65 536 quantiles of the normal distribution, in units of 1 / `GAUSS_UNIT` standard deviations."""
    normal = statistics.NormalDist()
    upper = [round(GAUSS_UNIT * normal.inv_cdf((2 * i + 1) / 131072)) for i in range(32768, 65536)]
    return np.array([-value for value in reversed(upper)] + upper, dtype=np.int16)


def gauss(bits: Bits) -> Counts:
    """Return normally distributed numbers of mean 0 and standard deviation `GAUSS_UNIT`, from the top 16 bits."""
    return gauss_table().take((bits >> np.uint64(48)).astype(np.intp)).astype(np.int32)


@functools.cache
def poisson_table() -> NDArray[np.int16]:
    """Return quantiles of the Poisson distribution for the means 0, 1, … 511 events.

    Returns
    -------
    array of int16, shape (512, 2048)
        Row: mean. Column j: the smallest count whose cumulative probability reaches (j + 1/2) / 2048. Made of exact
        whole numbers: weights mean**k / k! scaled by 2**200.
    """
    table = np.zeros((POISSON_MEANS, _POISSON_STEPS), dtype=np.int16)
    for mean in range(1, POISSON_MEANS):
        weights = [1 << 200]
        while len(weights) <= mean or weights[-1] << 40 > weights[mean]:
            weights.append(weights[-1] * mean // len(weights))
        total, below, column = sum(weights), 0, 0
        for count, weight in enumerate(weights):
            below += weight
            end = min((below * _POISSON_STEPS * 2 + total) // (2 * total), _POISSON_STEPS)
            table[mean, column:end] = count
            column = max(column, end)
        table[mean, column:] = len(weights) - 1
    return table


def poisson(mean: Counts, bits: Bits) -> Counts:
    """Return Poisson-distributed counts.

    Parameters
    ----------
    mean : array of int32
        Expected events per voxel; clipped to 0 … 511.
    bits : array of uint64, same shape
        Random bits, of which the top 11 are used.
    """
    index = np.clip(mean, 0, POISSON_MEANS - 1).astype(np.intp)
    index *= _POISSON_STEPS
    index += (bits >> np.uint64(53)).astype(np.intp)
    counts: Counts = poisson_table().ravel().take(index).astype(np.int32)
    return counts


def _between(nodes: Counts, axis: int, coordinates: NDArray[np.int64], spacing: int) -> Counts:
    """Interpolate lattice values along one axis with a smooth step in 256 levels."""
    first = coordinates // spacing - coordinates[0] // spacing
    offset = coordinates % spacing
    step = (256 * (3 * spacing * offset**2 - 2 * offset**3) // spacing**3).astype(np.int32)
    low: Counts = nodes.take(first, axis)
    high: Counts = nodes.take(first + 1, axis)
    high -= low
    high *= step.reshape([-1 if i == axis else 1 for i in range(3)])
    high >>= 8
    high += low
    return high


def smooth_field(key: int, box: Region, spacing: int, amplitude: int) -> Counts:
    """Return a smooth random field: lattice values, interpolated.

    Parameters
    ----------
    key : int
        Key of the layer.
    box : Region
        Which voxels (axes zyx).
    spacing : int
        Voxels between lattice points: the size of the structures.
    amplitude : int
        The field stays within ± `amplitude` counts.

    Returns
    -------
    array of int32, shape of the box
    """
    axes = [np.arange(low, high) for low, high in zip(box.start, box.stop, strict=True)]
    points = [np.arange(a[0] // spacing, a[-1] // spacing + 2) for a in axes]
    field = (lattice_bits(key, *points) >> np.uint64(48)).astype(np.int32)
    field -= 32768
    for axis, coordinates in enumerate(axes):
        field = _between(field, axis, coordinates, spacing)
    field *= amplitude
    field >>= 15
    return field
