"""Images made from a seed: what is stored where no real image is at hand.

Any region can be made alone and gives the same voxels as the whole image, and a seed gives the same bits with every
supported Python and numpy, because voxels are computed from whole numbers only (`_noise`). An image has 2 to 5 axes;
the last three are space, each index of the axes before gets an image of its own.

How real they look is measured in `tests/datasets/test_synthetic.py`: `ct` and the labels against compression ratios of
the volumes that HEFTIE's zarr-benchmarks published (doi 10.5281/zenodo.17806390), the others as said in `_fills`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets import _fills
from storebench.datasets._fills import DType, Fill
from storebench.datasets._noise import key_of
from storebench.errors import UsageError, unknown_name
from storebench.grid import Region, Shape, block_region, blocks_touched

_BLOCK: Final = (32, 64, 64)  # voxels worked on at a time: fits a processor's cache; no effect on the values


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of synthetic image.

    Attributes
    ----------
    name : str
        Short, without commas and blanks.
    reason : str
        One sentence: why it exists.
    shape : tuple of int
        Default extent in voxels, slowest axis first.
    dtype : str
        Default type, as numpy names it.
    axes : str
        Axis names of the default shape, slowest first.
    fill : callable
        Makes the voxels of a box; see `Fill`.
    """

    name: str
    reason: str
    shape: Shape = (256, 256, 256)
    dtype: str = "uint16"
    axes: str = "zyx"
    fill: Fill


_FAMILIES: Final = (
    Family(
        name="random",
        reason="Uniform noise that no lossless codec can shrink: the chapter's image; what a codec costs for nothing.",
        fill=_fills.fill_random,
    ),
    Family(
        name="ct",
        reason="Soft-tissue CT that compresses like the published HiP-CT heart: grey images with a noisy low byte.",
        fill=_fills.fill_ct,
    ),
    Family(
        name="em",
        reason="Electron microscopy of neuropil: 8-bit texture everywhere and no empty background to save bytes on.",
        dtype="uint8",
        fill=_fills.fill_em,
    ),
    Family(
        name="fluorescence",
        reason="Sparse bright blobs on a dark ground with Poisson noise: few bits used of the sixteen.",
        fill=_fills.fill_fluorescence,
    ),
    Family(
        name="labels_dense",
        reason="A segmentation that fills the volume and compresses like the published dense H01 neurons.",
        fill=_fills.fill_labels_dense,
    ),
    Family(
        name="labels_sparse",
        reason="A few selected segments in a sea of zeros, like the published proofread H01 neurons: empty chunks.",
        fill=_fills.fill_labels_sparse,
    ),
    Family(
        name="constant",
        reason="One value everywhere: the best case of every codec, which shows the fixed cost of each chunk.",
        fill=_fills.fill_constant,
    ),
    Family(
        name="chapter2d",
        reason="The textbook chapter's first example: a random 16-bit image of 32 x 32 pixels.",
        shape=(32, 32),
        axes="yx",
        fill=_fills.fill_random,
    ),
    Family(
        name="fluorescence5d",
        reason="A small time series with channels: five axes, for formats and chunk shapes that must cope with them.",
        shape=(2, 2, 16, 128, 128),
        axes="tczyx",
        fill=_fills.fill_fluorescence,
    ),
)
FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({family.name: family for family in _FAMILIES})


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticDataset:
    """An image made from a seed; implements `Dataset`. Build it with `make`."""

    name: str
    shape: Shape
    dtype: DType
    axes: str
    seed: int
    axes_assumed: bool = False

    @property
    def source(self) -> str:
        """One sentence: that it is made, and why it exists."""
        return f"synthetic, seed {self.seed}. {FAMILIES[self.name].reason}"

    def read(self, region: Region) -> NDArray[Any]:
        """Make the voxels of a region.

        Returns
        -------
        array of `dtype`, shape of the region
            Owned, C-contiguous, native byte order; the same values as in the whole image.

        Raises
        ------
        UsageError
            If the region does not lie in the image.
        """
        if not region.fits(self.shape):
            raise UsageError(f"region {region} does not lie in the {self.name} image of shape {self.shape}")
        fill = FAMILIES[self.name].fill
        n_lead, flat = max(0, len(self.shape) - 3), (0,) * (3 - len(self.shape))
        extent = (1,) * len(flat) + self.shape[n_lead:]
        space = Region(flat + region.start[n_lead:], (1,) * len(flat) + region.stop[n_lead:])
        voxels = np.empty(region.shape[:n_lead] + space.shape, dtype=self.dtype)
        bounds = zip(region.start[:n_lead], region.stop[:n_lead], strict=True)
        for lead in itertools.product(*(range(first, end) for first, end in bounds)):
            key = key_of("storebench-1", self.name, self.seed, *lead)
            image = voxels[tuple(i - first for i, first in zip(lead, region.start, strict=False))]
            for box in _blocks(space):
                image[box.relative_to(space.start).slices] = fill(key, box, extent, self.dtype)
        return voxels.reshape(region.shape)


def _blocks(space: Region) -> Iterator[Region]:
    """Cut a region (axes zyx) into the pieces that are worked on at a time."""
    for index in blocks_touched(space, _BLOCK):
        box = block_region(index, _BLOCK, space.stop).intersection(space)
        if box is not None:
            yield box


def _checked_dtype(dtype: object) -> DType:
    """Return an integer or float dtype in native byte order, or raise UsageError."""
    try:
        found = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError as error:
        raise UsageError(f"{dtype!r} is no dtype; try uint8, uint16 or float32") from error
    if found.kind not in "uif" or found.itemsize > 8:
        raise UsageError(
            f"synthetic images cannot be {found}; use an integer or float type up to 64 bits, as in uint16"
        )
    native: DType = found.newbyteorder("=")
    return native


def make(name: str, *, shape: Iterable[int] | None = None, dtype: object = None, seed: int = 0) -> SyntheticDataset:
    """Describe a synthetic image; its voxels are made when they are read.

    Parameters
    ----------
    name : str
        A key of `FAMILIES`.
    shape : iterable of int, optional
        Extent in voxels, 2 to 5 axes, slowest first; the family's default if not given. Axes are yx, zyx, czyx, tczyx.
    dtype : dtype-like, optional
        Integer or float, up to 64 bits; the family's default if not given.
    seed : int
        Another seed, another image of the same kind.

    Raises
    ------
    UnknownNameError
        If there is no such family.
    UsageError
        If the shape has fewer than 2 or more than 5 axes or an empty one, or the dtype is neither integer nor float.
    """
    if name not in FAMILIES:
        raise unknown_name("synthetic dataset", name, FAMILIES)
    family = FAMILIES[name]
    extent = family.shape if shape is None else tuple(int(n) for n in shape)
    if not 2 <= len(extent) <= 5 or min(extent) < 1:
        raise UsageError(f"shape {extent}: a synthetic image has 2 to 5 axes of at least 1 voxel, as in 64,64,64")
    axes = family.axes if len(extent) == len(family.axes) else "tczyx"[-len(extent) :]
    return SyntheticDataset(
        name=name,
        shape=extent,
        dtype=_checked_dtype(family.dtype if dtype is None else dtype),
        axes=axes,
        seed=int(seed),
    )
