"""What a dataset is: a named image that can be read by regions, and what is known about its voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from storebench.grid import Region, Shape


class Dataset(Protocol):
    """An image to be stored: made, published, or the user's own. It is only ever read."""

    @property
    def name(self) -> str:
        """Short, stable and free of commas and blanks: it stands in case ids and file names."""

    @property
    def shape(self) -> Shape:
        """Extent in voxels, slowest axis first."""

    @property
    def dtype(self) -> np.dtype:
        """Type of a voxel."""

    @property
    def axes(self) -> str:
        """Axis names, slowest first, as in "zyx"."""

    @property
    def axes_assumed(self) -> bool:
        """True where no metadata named the axes and the trailing ones were taken for zyx."""

    @property
    def seed(self) -> int | None:
        """Seed of a synthetic image, None for others."""

    @property
    def source(self) -> str:
        """One sentence: where the voxels come from and why this dataset exists. Holds no path."""

    def read(self, region: Region) -> NDArray:
        """Return the voxels of a region: owned, C-contiguous, native byte order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What makes two images comparable.

    Attributes
    ----------
    shape : tuple of int
        Voxels, slowest axis first.
    dtype : str
        As numpy names it, as in "uint16".
    axes : str
        Axis names, slowest first.
    sha256 : str
        Of the voxels in C order, little-endian.
    bits_used : int or None
        Bits of the largest absolute value; None for floats.
    entropy_bits : float
        Shannon entropy of the histogram of voxel values, bits per voxel (floats: of their byte pattern's unique values).
    autocorrelation : tuple of float or None
        Pearson correlation of neighbouring voxels, one per axis; None where an axis has one voxel or the image is constant.
    """

    shape: Shape
    dtype: str
    axes: str
    sha256: str
    bits_used: int | None
    entropy_bits: float
    autocorrelation: tuple[float | None, ...]
