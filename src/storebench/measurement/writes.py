"""Workloads that write to a target of their own: each call has one in a scratch folder, which goes with it.

A durable call ends with the file system told to put everything on the device; after any other call that is done outside
the clock, so that nothing of one call is left for the device to do in the next. With the library's own fsync a call ends
when the library returns, which by its own account is when the device has everything.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from numpy.typing import NDArray

from storebench.backends import ArrayWriter, get_backend, why_no_own_fsync
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
    """What is done to a target, which is made anew for each call."""

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        self._own_fsync = case.durability == "own-fsync"
        why_not = why_no_own_fsync(get_backend(case.backend)) if self._own_fsync else None
        if why_not is not None:
            raise UnsupportedError(why_not)
        super().__init__(case, image, storage)
        self._tidy = contextlib.ExitStack()
        self._durable = case.durability == "durable"
        self._returned = False

    @contextmanager
    def fresh(self) -> Iterator[Location]:
        """Give a target as a call finds it; it is removed afterwards."""
        with self.storage.scratch() as folder:
            location = Location(folder / f"image{self.backend.suffix}", own_fsync=self._own_fsync)
            self._fill(location)
            yield location

    def _fill(self, location: Location) -> None:
        """Put there what a call finds: nothing."""

    def prepare(self) -> None:
        """Make a target, and leave nothing of earlier writes for the device to do."""
        self._tidy = contextlib.ExitStack()
        self._target = self._tidy.enter_context(self.fresh())
        self._returned = False
        self._sync(self._target)

    def _call(self) -> None:
        self.perform(self._target)
        self._returned = True
        if self._durable:
            self._add_sync(self._target)

    def _add_sync(self, location: Location) -> None:
        """Have everything put on the device, as a part of the call."""
        self._sync_s = (self._sync_s or 0.0) + (self._sync(location) or 0.0)

    def _sync(self, location: Location) -> float | None:
        """Have everything put on the device, and return the seconds; None where a system cannot be told and nobody asked."""
        try:
            return sync_file_system(location.path.parent)
        except UnsupportedError:
            if self._durable:
                raise
            return None

    def conclude(self) -> Sample:
        """Sync what a call has left dirty, and remove the target."""
        try:
            if self._returned and self._sync_s is None:
                self._sync_s = self._sync(self._target)
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


class PartsWorkload(TargetWorkload):
    """What writes an image or a region part after part, each in order and handed over before the next one begins.

    A part's seconds hold its flush, after which it would outlive this process; of a durable case also the sync, after which
    it would outlive the power.
    """

    def write_parts(self, writer: ArrayWriter, parts: Sequence[tuple[Region, NDArray]], location: Location) -> None:
        """Write every part; `location` is where they go."""
        before = self._opened_at = time.perf_counter()
        for region, values in parts:
            writer.write(region, values)
            writer.flush()
            if self._durable:
                self._add_sync(location)
            now = time.perf_counter()
            self._frame_s.append(now - before)
            before = now
