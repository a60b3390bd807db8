"""Building levels as a workload of its own: what it costs to make an image that is there zoomable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from storebench.backends import get_backend
from storebench.errors import UnsupportedError, UsageError, VerificationError
from storebench.grid import Region
from storebench.levels import build_levels
from storebench.measurement.images import Image
from storebench.measurement.stored import write_request
from storebench.measurement.writes import TargetWorkload
from storebench.records import Case
from storebench.storage import Storage
from storebench.stores import Location


class BuildLevelsWorkload(TargetWorkload):
    """Read the stored level 0 whole, make the smaller levels from it in memory, write them beside it."""

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        if case.n_levels < 2:
            raise UsageError("build_levels makes the levels above 0, and 1 level was asked for; use --levels 2 or more")
        request = write_request(case, image)
        if not request.codec.lossless:
            raise UnsupportedError(
                f"build_levels is checked to the bit, which {case.codec} is not; use a codec that loses nothing"
            )
        if get_backend(case.backend).write_order(request) == "whole":
            raise UnsupportedError(
                f"{case.backend} writes an image in one piece, and nothing can be added to it; write it with its levels "
                "(operation write), or use a format that takes levels later: omezarr-0.5-zarrpython"
            )
        super().__init__(case, image, storage)

    @contextmanager
    def fresh(self) -> Iterator[Location]:
        """Give a target as a call finds it: the metadata of every level and the voxels of level 0."""
        with super().fresh() as location:
            with self.backend.create(location, self.store.request) as writer:
                writer.write(Region.whole(self.image.shape), self.image.voxels())
            yield location

    def perform(self, location: Location) -> None:
        """Open, read level 0, close; make the levels; open again, write each level, close."""
        request = self.store.request
        with self.backend.open(location) as reader:
            values = reader.read(Region.whole(request.shape))
        levels = build_levels(values, request.level_factors, request.level_method)
        with self.backend.reopen(location) as writer:
            for level, smaller in enumerate(levels[1:], start=1):
                writer.write(Region.whole(smaller.shape), smaller, level)

    def check(self) -> None:
        """Compare every level with that of the verified store, which was written at once."""
        self._check_files()
        with self.backend.open(self._target) as made, self.backend.open(self.store.location) as written:
            for level, shape in enumerate(self.store.request.level_shapes):
                found, wanted = (reader.read(Region.whole(shape), level) for reader in (made, written))
                if not np.array_equal(found, wanted, equal_nan=found.dtype.kind == "f"):
                    raise VerificationError(f"{self.backend.name}: level {level} is not what was written at once")
