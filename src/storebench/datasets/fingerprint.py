"""The fingerprint of an image: what makes measurements on two images comparable.

The image is read in pieces that are contiguous in C order, plus one layer beyond each piece for the neighbours across
its border, so it may be larger than memory.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._dataset import Dataset, Fingerprint
from storebench.errors import UsageError
from storebench.grid import Region, Shape

_PIECE_VOXELS: Final = 2**22


def _pieces(shape: Shape, limit: int) -> Iterator[Region]:
    """Yield regions of at most `limit` voxels (or one row) that follow each other in C order and cover the image."""
    # The first axis along which one layer is small enough.
    axis = next((a for a in range(len(shape)) if math.prod(shape[a + 1 :]) <= limit), len(shape) - 1)
    thickness = max(1, limit // math.prod(shape[axis + 1 :]))
    for lead in itertools.product(*(range(n) for n in shape[:axis])):
        for low in range(0, shape[axis], thickness):
            high = min(low + thickness, shape[axis])
            yield Region(
                (*lead, low, *(0 for _ in shape[axis + 1 :])), (*(i + 1 for i in lead), high, *shape[axis + 1 :])
            )


class _Histogram:
    """Counts of each bit pattern; its memory grows with the number of different values, not with the image."""

    def __init__(self) -> None:
        self._patterns: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._counts: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def add(self, voxels: NDArray[Any]) -> None:
        patterns = voxels.reshape(-1).view(f"u{voxels.dtype.itemsize}")
        if voxels.dtype.itemsize <= 2:
            dense = np.bincount(patterns, minlength=0)
            values = np.flatnonzero(dense)
            counts = dense[values]
        else:
            values, counts = np.unique(patterns, return_counts=True)
        merged = np.concatenate([self._patterns, values.astype(np.uint64)])
        self._patterns, slots = np.unique(merged, return_inverse=True)
        totals = np.zeros(len(self._patterns), dtype=np.int64)
        np.add.at(totals, slots, np.concatenate([self._counts, counts]))
        self._counts = totals

    def entropy_bits(self) -> float:
        """Return the Shannon entropy in bits per voxel."""
        shares = self._counts / self._counts.sum()
        return float(max(0.0, -(shares * np.log2(shares)).sum()))


class _Correlation:
    """Pearson's correlation of pairs of voxels from means and centred moments that are merged batch by batch.

    Plain running sums would cancel where the mean is far above the spread (Chan, Golub and LeVeque, "Algorithms for
    computing the sample variance", The American Statistician 37, 1983).
    """

    def __init__(self) -> None:
        self._n = 0
        self._means = np.zeros(2)
        self._moments = np.zeros(3)  # of first², second², first x second
        self._ranges = np.array([[np.inf, -np.inf], [np.inf, -np.inf]])

    def add(self, first: NDArray[Any], second: NDArray[Any]) -> None:
        """Count the pairs of two arrays of the same shape."""
        with np.errstate(all="ignore"):  # a float image with infinities has no correlation, see `value`
            a, b = first.astype(np.float64), second.astype(np.float64)
            for limits, part in zip(self._ranges, (a, b), strict=True):
                limits[:] = min(limits[0], np.min(part)), max(limits[1], np.max(part))
            means = np.array([a.mean(), b.mean()])
            a -= means[0]
            b -= means[1]
            total = self._n + a.size
            da, db = means - self._means
            self._moments += [(a * a).sum(), (b * b).sum(), (a * b).sum()]
            self._moments += np.array([da * da, db * db, da * db]) * (self._n * a.size / total)
            self._means += (means - self._means) * (a.size / total)
            self._n = total

    def value(self) -> float | None:
        """Return the correlation; None without pairs, without variance, or with values that are not finite."""
        if self._n == 0 or (self._ranges[:, 0] == self._ranges[:, 1]).any():
            return None
        with np.errstate(all="ignore"):
            aa, bb, ab = self._moments
            result = float(ab / (np.sqrt(aa) * np.sqrt(bb)))
        return max(-1.0, min(1.0, result)) if math.isfinite(result) else None


def _axis_slice(ndim: int, axis: int, part: slice) -> tuple[slice, ...]:
    """Return an index that takes `part` of one axis and all of the others."""
    return tuple(part if i == axis else slice(None) for i in range(ndim))


def _layer_after(piece: Region, axis: int) -> Region:
    """Return the layer of one voxel that follows a piece along an axis."""
    start, stop = list(piece.start), list(piece.stop)
    start[axis], stop[axis] = piece.stop[axis], piece.stop[axis] + 1
    return Region(tuple(start), tuple(stop))


def _correlate(sums: list[_Correlation], dataset: Dataset, piece: Region, voxels: NDArray[Any]) -> None:
    """Add the pairs of neighbours of one piece, and those across its far borders, to the sums of each axis."""
    for axis, total in enumerate(sums):
        if piece.shape[axis] > 1:
            ahead = voxels[_axis_slice(voxels.ndim, axis, slice(None, -1))]
            total.add(ahead, voxels[_axis_slice(voxels.ndim, axis, slice(1, None))])
        if piece.stop[axis] < dataset.shape[axis]:
            border = voxels[_axis_slice(voxels.ndim, axis, slice(-1, None))]
            total.add(border, dataset.read(_layer_after(piece, axis)))


def _checked_dtype(dataset: Dataset) -> np.dtype[Any]:
    """Return the dtype of an image that can have a fingerprint, or raise UsageError."""
    dtype = np.dtype(dataset.dtype)
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise UsageError(
            f"{dataset.name} holds {dtype} voxels; only integers and floats up to 64 bits have a fingerprint"
        )
    return dtype


def fingerprint(dataset: Dataset, *, piece_voxels: int = _PIECE_VOXELS) -> Fingerprint:
    """Compute the fingerprint of an image of any size.

    Parameters
    ----------
    dataset : Dataset
        Integer, boolean or float image of up to 64 bits a voxel.
    piece_voxels : int
        How many voxels are read at a time, at most; rows longer than that are read whole.

    Returns
    -------
    Fingerprint
        The hash, bits and entropy are exact; the correlations are computed in float64, so equal to about 1e-9 whatever
        the pieces.

    Raises
    ------
    UsageError
        If the voxels are complex numbers or wider than 64 bits.
    """
    dtype = _checked_dtype(dataset)
    digest, histogram, largest = hashlib.sha256(), _Histogram(), 0
    sums = [_Correlation() for _ in dataset.shape]
    for piece in _pieces(dataset.shape, piece_voxels):
        voxels = np.ascontiguousarray(dataset.read(piece))
        little = voxels.astype(dtype.newbyteorder("<"), copy=False)
        digest.update(little.reshape(-1).view(np.uint8).data)
        histogram.add(voxels)
        if dtype.kind != "f":
            largest = max(largest, abs(int(voxels.min())), abs(int(voxels.max())))
        _correlate(sums, dataset, piece, voxels)
    return Fingerprint(
        shape=tuple(dataset.shape),
        dtype=dtype.name,
        axes=dataset.axes,
        sha256=digest.hexdigest(),
        bits_used=None if dtype.kind == "f" else largest.bit_length(),
        entropy_bits=histogram.entropy_bits(),
        autocorrelation=tuple(total.value() for total in sums),
    )
