"""Resolution levels: which factors, and the voxels, as means of blocks, most frequent values, or every n-th voxel.

A level's factors are voxels of level 0 per voxel of that level, per axis. Of blocks that stick out of the image counts
what is there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.errors import UsageError, unknown_name
from storebench.grid import Shape, grid_shape

SPATIAL_AXES: Final = "zyx"

# Voxels of the input that are worked on at once: the sums of one such slab stay near the processor.
_SLAB_VOXELS: Final = 1 << 20


def level_factors(
    axes: str, shape: Shape, n_levels: int, spacing: Sequence[float] | None = None, *, along: str | None = None
) -> tuple[Shape, ...]:
    """Choose the factors of each level: 2 per spatial axis and level, never along t and c.

    Parameters
    ----------
    axes : str
        Axis names, slowest first.
    shape : tuple of int
        Voxels of level 0. An axis that has come down to 1 voxel is left alone.
    n_levels : int
        Number of levels, level 0 included.
    spacing : sequence of float, optional
        Size of a voxel per axis, in any one unit (that of t and c is not looked at). An axis is halved only while its
        voxels are nearer (by ratio) to the finest axis' size than to the double of it, so coarse axes wait until the
        others catch up.
    along : str, optional
        Spatial axes that get smaller, as in "yx"; all of them if not given.

    Returns
    -------
    tuple of tuple of int
        One entry per further level, relative to level 0: `WriteRequest.level_factors`.

    Raises
    ------
    UsageError
        If the image is too small for so many levels, `along` has an axis that is not in space, or the numbers of axes differ.
    """
    if along is not None and not set(along) <= set(SPATIAL_AXES) & set(axes):
        raise UsageError(f"levels along {along!r}: name axes in space that the image has, of {axes!r}")
    if len(axes) != len(shape) or (spacing is not None and len(spacing) != len(shape)):
        raise UsageError(f"axes {axes!r}, shape {shape} and spacing {spacing} have different numbers of axes")
    size = [1.0] * len(shape) if spacing is None else [float(s) for s in spacing]
    spatial = [i for i, axis in enumerate(axes) if axis in (along or SPATIAL_AXES)]
    if any(not 0 < size[i] < math.inf for i in spatial):
        raise UsageError(f"spacing {spacing}: every voxel size must be above 0")
    factors = [1] * len(shape)
    levels = []
    for level in range(1, n_levels):
        left = [i for i in spatial if factors[i] < shape[i]]
        if not left:
            raise UsageError(f"an image of shape {shape} ({axes}) has at most {level} levels, {n_levels} were asked")
        finest = min(size[i] for i in left)
        for i in left:
            if size[i] < math.sqrt(2) * finest:
                factors[i], size[i] = factors[i] * 2, size[i] * 2
        levels.append(tuple(factors))
    return tuple(levels)


def bin_mean(values: NDArray, factors: Shape) -> NDArray:
    """Return the means of blocks.

    Integers are exact for every dtype and value: whole sums, rounded half to even (as numpy's `round`; half up would
    make each level a little brighter than the one before). Floats are summed in float64 and overflow only where that
    does.

    Parameters
    ----------
    values : numpy.ndarray
        Voxels of level 0.
    factors : tuple of int
        Extent of a block, in voxels; edge blocks average what is there.

    Returns
    -------
    numpy.ndarray
        Same dtype; shape `grid_shape(values.shape, factors)`.
    """
    return _by_slabs(values, factors, _slab_mean)


def bin_mode(values: NDArray, factors: Shape) -> NDArray:
    """Return the most frequent value of each block, of equally frequent ones the smallest (as `scipy.stats.mode`).

    For labels: the mean of two labels is a third one, which lies elsewhere.

    Parameters
    ----------
    values : numpy.ndarray
        Voxels of level 0: whole numbers of any size, or truth values.
    factors : tuple of int
        Extent of a block, in voxels.

    Returns
    -------
    numpy.ndarray
        Same dtype; shape `grid_shape(values.shape, factors)`.

    Raises
    ------
    UsageError
        If the voxels are no whole numbers.
    """
    if values.dtype.kind not in "biu":
        raise UsageError(
            f"levels by mode are for labels, which are whole numbers, not {values.dtype}; take mean or nearest"
        )
    return _by_slabs(values, factors, _slab_mode)


def take_nearest(values: NDArray, factors: Shape) -> NDArray:
    """Return the first voxel of each block: every n-th voxel, where level 0 has it.

    Parameters
    ----------
    values : numpy.ndarray
        Voxels of level 0, of any dtype.
    factors : tuple of int
        Extent of a block, in voxels.

    Returns
    -------
    numpy.ndarray
        Owned; same dtype; shape `grid_shape(values.shape, factors)`.
    """
    return np.array(values[tuple(slice(None, None, f) for f in factors)], order="C")


def build_levels(values: NDArray, factors: Sequence[Shape], method: str = "mean") -> tuple[NDArray, ...]:
    """Return all levels, 0 = `values` itself; each is made from level 0, so that none is rounded twice.

    Parameters
    ----------
    values : numpy.ndarray
        Voxels of level 0.
    factors : sequence of tuple of int
        Of each further level, relative to level 0.
    method : str
        One of `METHODS`.
    """
    if method not in METHODS:
        raise unknown_name("way to make levels", method, METHODS)
    return (values, *(METHODS[method](values, f) for f in factors))


METHODS: Final[Mapping[str, Callable[[NDArray, Shape], NDArray]]] = MappingProxyType(
    {"mean": bin_mean, "mode": bin_mode, "nearest": take_nearest}
)
"""How the voxels of a block become one."""


def _by_slabs(values: NDArray, factors: Shape, reduce: Callable[[NDArray, Shape], NDArray]) -> NDArray:
    """Return what a function makes of the blocks, worked on a few planes of blocks at a time."""
    result = np.empty(grid_shape(values.shape, factors), values.dtype)
    plane_voxels = max(1, values[:1].size * factors[0])
    n_planes = max(1, _SLAB_VOXELS // plane_voxels)
    for start in range(0, len(result), n_planes):
        stop = min(start + n_planes, len(result))
        result[start:stop] = reduce(values[start * factors[0] : stop * factors[0]], factors)
    return result


def _parts(values: NDArray, factors: Shape) -> Iterator[tuple[tuple[slice, ...], NDArray]]:
    """Yield, for each voxel of a block, where it is added and that voxel of every block."""
    for offset in itertools.product(*(range(f) for f in factors)):
        part = values[tuple(slice(o, None, f) for o, f in zip(offset, factors, strict=True))]
        yield tuple(slice(n) for n in part.shape), part


def _n_voxels(shape: Shape, factors: Shape) -> NDArray:
    """Return the number of voxels in each block; shape: the grid's, or one that broadcasts to it."""
    counts: NDArray = np.ones((1,) * len(shape), np.int64)
    for axis, (n, f) in enumerate(zip(shape, factors, strict=True)):
        along = np.full(-(-n // f), f, np.int64)
        along[-1] = n - (len(along) - 1) * f
        if along[-1] == f:
            along = along[:1]
        counts = counts * along.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return counts


def _slab_mean(values: NDArray, factors: Shape) -> NDArray:
    """Return the block means of a slab, in the dtype of the values."""
    dtype, counts = values.dtype, _n_voxels(values.shape, factors)
    grid = grid_shape(values.shape, factors)
    if dtype.kind in "fc":
        total = np.zeros(grid, np.complex128 if dtype.kind == "c" else np.float64)
        for place, part in _parts(values, factors):
            total[place] += part
        return np.asarray((total / counts).astype(dtype))
    if dtype.itemsize == 8:
        quotient, rest = _long_division(values, factors, counts)
    else:
        # Up to 32,768 voxels of 16 bits, or 2**31 of 32 bits: the sum cannot overflow.
        small = dtype.itemsize <= 2 and math.prod(factors) <= 1 << 15
        total = np.zeros(grid, np.int32 if small else np.int64)
        for place, part in _parts(values, factors):
            total[place] += part
        quotient, rest = np.divmod(total, counts.astype(total.dtype))
    twice = rest * 2
    up = (twice > counts) | ((twice == counts) & (quotient % 2 == 1))
    return np.asarray((quotient + up.astype(quotient.dtype)).astype(dtype))


def _long_division(values: NDArray, factors: Shape, counts: NDArray) -> tuple[NDArray, NDArray]:
    """Return quotient and remainder of 64-bit sums that do not fit into 64 bits: divide first, then add."""
    grid = grid_shape(values.shape, factors)
    divisor = np.broadcast_to(counts.astype(values.dtype), grid)
    quotient, rest = np.zeros(grid, values.dtype), np.zeros(grid, values.dtype)
    for place, part in _parts(values, factors):
        each, left = np.divmod(part, divisor[place])
        quotient[place] += each
        rest[place] += left
    more, rest = np.divmod(rest, divisor)
    return quotient + more, rest


def _slab_mode(values: NDArray, factors: Shape) -> NDArray:
    """Return the most frequent values of a slab's blocks: each block sorted, then its longest run of equal values."""
    grid, n_in_block = grid_shape(values.shape, factors), math.prod(factors)
    counts = np.broadcast_to(_n_voxels(values.shape, factors), grid).reshape(-1)
    # What a block at the border lacks is the largest value there is: sorted, it comes last, and is left out there.
    largest = True if values.dtype.kind == "b" else np.iinfo(values.dtype).max
    blocks = np.full((*grid, n_in_block), largest, values.dtype)
    for n, (place, part) in enumerate(_parts(values, factors)):
        blocks[..., n][place] = part
    rising = np.ascontiguousarray(np.sort(blocks.reshape(-1, n_in_block), axis=1).T)
    best: NDArray = rising[0].copy()
    longest = np.ones(len(counts), np.int64)
    run = longest.copy()
    for n in range(1, n_in_block):
        run = np.where(rising[n] == rising[n - 1], run + 1, 1)
        longer = (run > longest) & (n < counts)
        longest[longer] = run[longer]
        best[longer] = rising[n][longer]
    return best.reshape(grid)
