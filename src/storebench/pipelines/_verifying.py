"""Comparing a volume with where it came from, block by block, and its levels with what they are made of."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from storebench.codecs import parse_codec
from storebench.errors import StorebenchError, VerificationError
from storebench.grid import Region, Shape, grid_shape, iter_blocks
from storebench.levels import METHODS
from storebench.pipelines._arrays import Done, block_work, region_array
from storebench.pipelines._blocks import Block, block_voxels, grown, piece_of
from storebench.pipelines._differences import Difference, difference_of
from storebench.pipelines._engines import Engine
from storebench.pipelines._peaks import Peaks
from storebench.pipelines._running import Progress, run_blocks
from storebench.pipelines._sources import Source
from storebench.pipelines._volumes import SmallerLevel, Voxels

if TYPE_CHECKING:
    import dask.array as da

_DIGEST_BLOCK: Final = (16, 256, 256)
"""Grid of the digest, in voxels of the last axes: the same for every layout, so that digests can be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLevel:
    """One level.

    Attributes
    ----------
    level : int
        0 = full.
    shape : tuple of int
        Voxels.
    digest : str
        SHA-256 over the voxels' SHA-256 in blocks of a fixed grid: the same for every format, chunk shape and codec.
    difference : Difference or None
        From the source, or from what level 0 makes of it; None where there was nothing to compare with.
    """

    level: int
    shape: Shape
    digest: str
    difference: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found.

    Attributes
    ----------
    levels : tuple of VerifiedLevel
        Each level that is stored.
    lossless : bool
        Whether the codec promises every bit: a difference is then an error.
    seconds : float
        It took.
    client_peak_bytes, worker_peak_bytes, total_peak_bytes
        As of `Written`.
    """

    levels: tuple[VerifiedLevel, ...]
    lossless: bool
    seconds: float
    client_peak_bytes: int | None
    worker_peak_bytes: tuple[int, ...]
    total_peak_bytes: int | None

    def require_equal(self) -> None:
        """Raise VerificationError where a lossless image differs: names the level and the first voxel."""
        for level in self.levels:
            found = level.difference
            if self.lossless and found is not None and found.n_wrong:
                what = "the source" if level.level == 0 else "what level 0 makes of it"
                raise VerificationError(
                    f"level {level.level}: {found.n_wrong} of {found.n_voxels} voxels differ from {what}, the first at "
                    f"{found.first}, by up to {found.max_abs_error:g}"
                )


def verify_volume(
    image: Source,
    engine: Engine,
    *,
    against: Source | None = None,
    level_method: str | None = None,
    shown: Callable[[Progress], None] = lambda _: None,
) -> Verified:
    """Read an image of any size, compare it, and make its digest.

    Parameters
    ----------
    image : Source
        What is looked at, with all levels that are stored.
    engine : Engine
        Who works.
    against : Source, optional
        What level 0 should be, and what the smaller levels should be made of; None: level 0 is compared with nothing, and the
        others with what level 0 makes.
    level_method : str, optional
        How the levels were made, one of `levels.METHODS`; None: as the file says, or by "mean" where it says none of these.
    shown : callable
        Called with the progress after each block.

    Raises
    ------
    VerificationError
        If the two have another shape or type.
    """
    began, peaks = time.monotonic(), Peaks()
    if against is not None:
        _require_alike(image, against)
    method = level_method or _noted_method(image)
    levels = [
        _Level(found=voxels, expected=_expected(image, against, level, method))
        for level, voxels in enumerate(image.levels)
    ]
    blocks = list(_blocks(image, levels))
    weights = {block.index: block.region.n_voxels * levels[block.level].below for block in blocks}
    progress = Progress(total=len(blocks), weights=weights)

    def finished(block: Block, done: Done) -> None:
        digests, difference = done.value
        levels[block.level].add(digests, difference)
        peaks.add(done)
        progress.add(block)
        shown(progress)

    run_blocks(engine, blocks, lambda block: levels[block.level].work(block), finished)
    return Verified(
        levels=tuple(level.verified(number) for number, level in enumerate(levels)),
        lossless=_is_lossless(image),
        seconds=time.monotonic() - began,
        client_peak_bytes=peaks.client_bytes,
        worker_peak_bytes=peaks.worker_bytes,
        total_peak_bytes=peaks.total_bytes(engine.n_workers),
    )


def _require_alike(image: Source, against: Source) -> None:
    facts = [(source.dataset.shape, source.dataset.dtype.name) for source in (image, against)]
    if facts[0] != facts[1]:
        texts = [f"{dtype} of {'x'.join(map(str, shape))} voxels" for shape, dtype in facts]
        raise VerificationError(f"{image.dataset.name} is {texts[0]}, {against.dataset.name} is {texts[1]}")


def _is_lossless(image: Source) -> bool:
    """Tell whether an image must be equal to the bit; a codec that has no neutral name is taken for one that promises it."""
    if image.stored is None:
        return True
    try:
        return parse_codec(image.stored.codec).lossless
    except StorebenchError:
        return True


def _noted_method(image: Source) -> str:
    """Return how a file says that its levels were made."""
    noted = None if image.stored is None else image.stored.level_method
    return noted if noted is not None and noted in METHODS else "mean"


def _expected(image: Source, against: Source | None, level: int, method: str) -> SmallerLevel | Voxels | None:
    """Return what a level should be."""
    if level == 0:
        return None if against is None else against.dataset
    base = (image if against is None else against).dataset
    return SmallerLevel(base=base, factors=factors_between(base.shape, image.levels[level].shape), method=method)


def factors_between(shape: Shape, smaller: Shape) -> Shape:
    """Return the factors that make one level's shape of another's: the smallest power of two, else the rounded quotient."""
    factors = []
    for n, m in zip(shape, smaller, strict=True):
        powers = (1 << k for k in range(n.bit_length() + 1))
        factors.append(next((f for f in powers if -(-n // f) == m), max(1, round(n / m))))
    return tuple(factors)


def _blocks(image: Source, levels: list[_Level]) -> Iterator[Block]:
    """Yield what is read at once: whole blocks of the digest's grid, as far as possible what the file decodes at once."""
    stored = image.stored
    numbers = itertools.count()
    for number, level in enumerate(levels):
        layout = None if stored is None else stored.layout
        first = image.decode_shape if layout is None else layout.object_shape
        n_voxels = block_voxels(level.found.dtype.itemsize, level.below)
        block = grown(digest_unit(len(level.found.shape)), level.found.shape, n_voxels, first=first)
        for region in iter_blocks(level.found.shape, block):
            yield Block(index=next(numbers), level=number, region=region)


def digest_unit(n_axes: int) -> Shape:
    """Return the grid of the digest for so many axes."""
    return ((1,) * n_axes + _DIGEST_BLOCK)[-n_axes:]


class _Level:
    """One level while it is looked at.

    Parameters
    ----------
    found, expected : Voxels
        What is stored, and what it should be; None: nothing to compare with.
    """

    def __init__(self, found: Voxels, expected: SmallerLevel | Voxels | None) -> None:
        self.found, self.expected = found, expected
        self._digest = _InOrder(found)
        self._difference: Difference | None = None

    @property
    def below(self) -> int:
        """Voxels of level 0 that one voxel takes."""
        return math.prod(self.expected.factors) if isinstance(self.expected, SmallerLevel) else 1

    def work(self, block: Block) -> da.Array:
        """Return the graph that reads and compares one block."""
        arrays = [region_array(self.found, block.region)]
        if self.expected is not None:
            factors = self.expected.factors if isinstance(self.expected, SmallerLevel) else (1,)
            piece = piece_of(block.region.shape, factors, self.found.dtype.itemsize)
            arrays.append(region_array(self.expected, block.region, piece if self.below > 1 else None))
        return block_work(block.index, functools.partial(look_at_block, block.region), *arrays)

    def add(self, digests: dict[Shape, bytes], difference: Difference | None) -> None:
        """Take down what a block gave."""
        self._digest.add(digests)
        if difference is not None:
            self._difference = difference if self._difference is None else self._difference + difference

    def verified(self, level: int) -> VerifiedLevel:
        """Return what was found in all blocks."""
        digest = self._digest.text()
        return VerifiedLevel(level=level, shape=self.found.shape, digest=digest, difference=self._difference)


class _InOrder:
    """SHA-256 over the digests of a level's grid, in C order.

    It keeps those alone that came before their turn: of about one layer of blocks, whatever the size of the volume.

    Parameters
    ----------
    voxels : Voxels
        The level.
    """

    def __init__(self, voxels: Voxels) -> None:
        self._unit = digest_unit(len(voxels.shape))
        self._grid = grid_shape(voxels.shape, self._unit)
        self._digest = hashlib.sha256(f"{voxels.dtype.name} {voxels.shape}".encode())
        self._early: dict[int, bytes] = {}
        self._next = 0

    def add(self, digests: Mapping[Shape, bytes]) -> None:
        """Take the digests of some blocks of the grid, by their start."""
        for start, digest in digests.items():
            cell = tuple(a // n for a, n in zip(start, self._unit, strict=True))
            self._early[int(np.ravel_multi_index(cell, self._grid))] = digest
        while self._next in self._early:
            self._digest.update(self._early.pop(self._next))
            self._next += 1

    def text(self) -> str:
        """Return the digest of the whole level, of which no block may be missing."""
        if self._next != math.prod(self._grid):
            raise VerificationError(f"{self._next} of {math.prod(self._grid)} blocks of the digest were read in order")
        return self._digest.hexdigest()


def look_at_block(
    region: Region, found: NDArray, expected: NDArray | None = None
) -> tuple[dict[Shape, bytes], Difference | None]:
    """Return the SHA-256 of each block of the digest's grid in a region, by its start, and how the region differs."""
    little = found.astype(found.dtype.newbyteorder("<"), copy=False)
    digests = {}
    for part in iter_blocks(region.shape, digest_unit(len(region.shape))):
        start = tuple(a + b for a, b in zip(region.start, part.start, strict=True))
        digests[start] = hashlib.sha256(np.ascontiguousarray(little[part.slices]).data).digest()
    return digests, None if expected is None else difference_of(region.start, found, expected)
