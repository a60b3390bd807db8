"""An image that comes slab by slab, and a region of a stored image that changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from storebench.access import Request, Target, parse_pattern
from storebench.backends import why_not_in_parts
from storebench.errors import UnsupportedError, UsageError, VerificationError
from storebench.grid import Region
from storebench.measurement.images import Image
from storebench.measurement.writes import PartsWorkload
from storebench.records import Case, Row
from storebench.storage import Storage
from storebench.stores import Location


class AppendWorkload(PartsWorkload):
    """Create, write slab after slab, close: as a camera or a scanner gives an image.

    A slab that cuts chunks (shards where there are some) makes a library read, change and write those again, slab after
    slab: that is measured as it is.
    """

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        if case.n_levels > 1:
            raise UsageError(
                "an append writes full resolution only; leave --levels out (operation build_levels makes them)"
            )
        super().__init__(case, image, storage)
        regions = [request.region for request in _requests(case, image)]
        if sum(region.n_voxels for region in regions) != Region.whole(image.shape).n_voxels:
            raise UsageError(
                f"pattern {case.pattern} is a part of the image; an append takes all of it: stream1, stream16"
            )
        why_not = why_not_in_parts(self.backend, self.store.request, regions)
        if why_not is not None:
            raise UnsupportedError(why_not)
        voxels = image.voxels()
        self._parts = [(region, voxels[region.slices]) for region in regions]

    def perform(self, location: Location) -> None:
        """Create, write every slab, close."""
        with self.backend.create(location, self.store.request) as writer:
            self.write_parts(writer, self._parts, location)

    def check(self) -> None:
        """Compare every slab with the verified store of the same setting, and the number of files."""
        self._check_files()
        with self.backend.open(self._target) as reader, self.backend.open(self.store.location) as verified:
            for region, _ in self._parts:
                if not _equal(reader.read(region), verified.read(region)):
                    raise VerificationError(
                        f"{self.backend.name}: region {region} is not what was appended; its writer has to keep every slab"
                    )


class OverwriteWorkload(PartsWorkload):
    """Open a stored image for writing, write a region, close. Each call has a copy of the verified store, made outside the clock.

    The new values are the old ones with the lowest bit of each voxel flipped: all differ, and they compress as well.
    """

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        super().__init__(case, image, storage)
        if not self.store.request.codec.lossless:
            raise UnsupportedError(
                f"an overwrite is compared voxel by voxel, and {case.codec} is lossy; take a lossless codec"
            )
        self.requests: tuple[Request, ...] = _requests(case, image)
        voxels = image.voxels()
        self._parts = [(request.region, flipped(voxels[request.region.slices])) for request in self.requests]
        self._try()

    def _try(self) -> None:
        """Do it once: what a format does not take, it says of a stored image alone.

        Raises
        ------
        UnsupportedError
            If the stored image takes no changes, or not of such a region.
        """
        try:
            with self.fresh() as location:
                self.perform(location)
        except UsageError as error:
            raise UnsupportedError(str(error)) from error

    def _fill(self, location: Location) -> None:
        """Put a copy of the verified store there."""
        self.store.location.copy_to(location)

    def perform(self, location: Location) -> None:
        """Open for writing, write every region, close."""
        with self.backend.reopen(location) as writer:
            self.write_parts(writer, self._parts, location)
        if len(self._parts) == 1:  # one region is no stream
            self._frame_s.clear()

    def check(self) -> None:
        """Compare the region with the new values, and everything else with the source."""
        expected = self.image.voxels()
        for region, values in self._parts:
            expected[region.slices] = values
        with self.backend.open(self._target) as reader:
            found = reader.read(Region.whole(expected.shape))
        for region, values in self._parts:
            if not _equal(found[region.slices], values):
                raise VerificationError(f"{self.backend.name}: region {region} does not hold the new values")
        if not _equal(found, expected):
            raise VerificationError(f"{self.backend.name} changed voxels beside the region that it was to write")

    def row(self) -> Row:
        """Return the facts, with the voxels that change."""
        return replace(super().row(), voxels_asked=sum(request.region.n_voxels for request in self.requests))


def flipped(values: NDArray) -> NDArray:
    """Return values that differ from the given ones in the lowest bit of each voxel, of complex ones in that of both parts."""
    changed = np.array(values, order="C")
    _bits(changed)[...] ^= 1
    return changed


def _bits(values: NDArray) -> NDArray:
    """Return values as unsigned integers: an infinity with a bit flipped is a NaN, and a NaN another one, which equals none."""
    parts = 2 if values.dtype.kind == "c" else 1
    return values.view(f"u{values.itemsize // parts}")


def _requests(case: Case, image: Image) -> tuple[Request, ...]:
    """Return the parts of a write; only full resolution is written."""
    requests = parse_pattern(case.pattern).requests(Target((image.shape,), image.axes), image.seed or 0)
    if any(request.level for request in requests):
        raise UsageError(f"pattern {case.pattern} is of a smaller level; {case.operation} writes level 0")
    return requests


def _equal(found: NDArray, expected: NDArray) -> bool:
    """Tell whether two arrays hold the same bits."""
    return found.dtype == expected.dtype and np.array_equal(_bits(found), _bits(expected))
