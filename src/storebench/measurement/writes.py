"""Workloads that change what is stored: each call has a target of its own in a scratch folder, which goes with it.

A durable call ends with the file system told to put everything on the device; after any other call that is done outside
the clock, so that nothing of one call is left for the device to do in the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from storebench.errors import UnsupportedError, VerificationError
from storebench.grid import Region
from storebench.levels import build_levels
from storebench.measurement.cache import sync_file_system
from storebench.measurement.images import Image
from storebench.measurement.workload import Workload
from storebench.records import Case, Sample
from storebench.storage import Storage
from storebench.stores import Location


class TargetWorkload(Workload):
    """What is done to a target: nothing is there yet, or a copy of the stored image is."""

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        super().__init__(case, image, storage)
        self._tidy = contextlib.ExitStack()
        self._durable = case.durability == "durable"
        self._returned = False

    @contextmanager
    def fresh(self) -> Iterator[Location]:
        """Give a target as a call finds it: a place where nothing is, which is removed afterwards."""
        with self.storage.scratch() as folder:
            yield Location(folder / f"image{self.backend.suffix}")

    def prepare(self) -> None:
        """Make a target, and leave nothing of earlier writes for the device to do."""
        self._tidy = contextlib.ExitStack()
        self._target = self._tidy.enter_context(self.fresh())
        self._returned = False
        self._sync()

    def _call(self) -> None:
        self.perform(self._target)
        self._returned = True
        if self._durable:
            self._add_sync()

    def _add_sync(self) -> None:
        """Have everything put on the device, as a part of the call."""
        self._sync_s = (self._sync_s or 0.0) + (self._sync() or 0.0)

    def _sync(self) -> float | None:
        """Have everything put on the device, and return the seconds; None where a system cannot be told and nobody asked."""
        try:
            return sync_file_system(self._target.path.parent)
        except UnsupportedError:
            if self._durable:
                raise
            return None

    def conclude(self) -> Sample:
        """Sync what a call has left dirty, and remove the target."""
        try:
            if self._returned and self._sync_s is None:
                self._sync_s = self._sync()
        finally:
            self._tidy.close()
        return super().conclude()

    def _check_files(self) -> None:
        """Compare the number of files with the verified store of the same setting (gzip holds the time: sizes may differ)."""
        stored_bytes, n_files = self._target.size()
        if n_files != self.store.n_files:
            raise VerificationError(
                f"{self.backend.name} wrote {n_files} files, the verified store of this setting has {self.store.n_files}"
            )
        if stored_bytes == 0:
            raise VerificationError(f"{self.backend.name} returned and had written nothing")


class WriteWorkload(TargetWorkload):
    """Create, write everything, close."""

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        super().__init__(case, image, storage)
        self._levels = build_levels(image.voxels(), self.store.request.level_factors, self.store.request.level_method)

    def perform(self, location: Location) -> None:
        """Create, write every level, close."""
        # The library's own door: storebench's checks were made when the store of this setting was written.
        with self.backend.create(location, self.store.request) as writer:
            for level, values in enumerate(self._levels):
                writer.write(Region.whole(values.shape), values, level)

    def check(self) -> None:
        """Compare the number of files with the verified store's."""
        self._check_files()
