"""Finding and removing the objects of a store: what many of them cost where no voxel is looked at."""

from __future__ import annotations

from storebench.errors import VerificationError
from storebench.measurement.workload import Workload
from storebench.measurement.writes import TargetWorkload
from storebench.stores import Location


class ListWorkload(Workload):
    """Find every file of the store, folder by folder: names and kinds, as a tool does that copies or counts it."""

    def perform(self, location: Location) -> None:
        """Go through all folders."""
        self._n_found = sum(1 for _ in location.files())

    def check(self) -> None:
        """Compare the number of files with the verified store's."""
        if self._n_found != self.store.n_files:
            raise VerificationError(f"{self._n_found} files were found where {self.store.n_files} were stored")


class DeleteWorkload(TargetWorkload):
    """Remove a copy of the store, which is made outside the clock and synced.

    The copy has files of its own: removing hard links would leave out the work of freeing what they hold (on ext4 mounted
    with discard 20,000 links went in 0.4 s, 20,000 files in 35 s or more).
    """

    def _fill(self, location: Location) -> None:
        """Put a copy of the verified store there."""
        self.store.location.copy_to(location)

    def perform(self, location: Location) -> None:
        """Remove it."""
        location.delete()

    def check(self) -> None:
        """Look whether anything is left."""
        if self._target.exists():
            raise VerificationError(f"{self._target.path.name} was deleted and is still there")
