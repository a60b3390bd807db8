"""One case in one process: verified, warmed up, then timed call by call, everything written to the journal.

asv's hooks and the single measurement both go through here, so that there is one path from a case to its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from storebench.backends import get_backend
from storebench.errors import MeasurementError, MissingDependencyError, StorebenchError, UnsupportedError
from storebench.measurement.environment import record_environment
from storebench.measurement.images import Image
from storebench.measurement.operations import workload_for
from storebench.measurement.workload import Workload
from storebench.records import Case, Environment, Row, Sample, Status
from storebench.results.journal import Journal
from storebench.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who asks for a case: a run, and asv's benchmark with its parameters where asv does."""

    run: str | None = None
    benchmark: str | None = None
    params: Sequence[str] | None = None


class Session:
    """A case in this process.

    Parameters
    ----------
    case, image, storage
        What is measured, on which voxels, and where.
    journal : Path or None
        File that facts and samples are appended to; None: nowhere.
    origin : Origin
        Written beside each row.

    """

    def __init__(
        self, case: Case, image: Image, storage: Storage, *, journal: Path | None = None, origin: Origin | None = None
    ) -> None:
        self.case, self.image, self.storage = case, image, storage
        self._journal = Journal(journal) if journal else None
        self._origin = origin or Origin()
        self._workload: Workload | None = None
        self._timed = False

    @property
    def environment(self) -> Environment:
        """Where this runs."""
        return record_environment(self.storage.root)

    def start(self) -> Row:
        """Write and verify the store, make the checked warm-up call, count, and note the facts.

        Returns
        -------
        Row
            With status "ok".

        Raises
        ------
        Exception
            Whatever stands in the way; the row with its status and reason is in the journal then.
        """
        return self._begin(lambda workload: replace(workload.row(), peak_memory_bytes=workload.warm_up()))

    def count(self) -> Row:
        """Do the same without the warm-up call: for what needs no clock."""
        return self._begin(lambda workload: workload.row())

    def _begin(self, facts: Callable[[Workload], Row]) -> Row:
        try:
            workload = workload_for(self.case, self.image, self.storage)
            row = facts(workload)
        except Exception as error:  # of any library: the reason is kept, and asv sees the failure
            self._note_failure(error)
            raise
        self._workload = workload  # from here on it may be timed
        self._note(row)
        return row

    def prepare(self) -> None:
        """Make the next call ready; the first time, start."""
        if self._workload is None:
            self.start()
        self._ready.prepare()

    def run(self) -> None:
        """Make one call: the timed part."""
        self._timed = False  # a call that fails gives no sample
        try:
            self._ready.run()
        except Exception as error:
            self._note_failure(error)
            raise
        self._timed = True

    @property
    def _ready(self) -> Workload:
        if self._workload is None:
            raise MeasurementError(f"{self.case.id} is not ready: start it first")
        return self._workload

    def conclude(self) -> Sample | None:
        """Tidy up after a call and note its sample; None where no call came to its end."""
        if self._workload is None:
            return None
        sample, timed = self._workload.conclude(), self._timed
        self._timed = False
        if not timed:
            return None
        if self._journal:
            self._journal.append_sample(self.environment.id, self._origin.run, self.case.id, sample)
        return sample

    def empty_row(self, status: Status, reason: str) -> Row:
        """Return the row of a case that gives no number, and why."""
        backend = get_backend(self.case.backend)
        return Row(case=self.case, status=status, reason=reason, format=backend.format, library=backend.library)

    def _note_failure(self, error: Exception) -> None:
        skipped = isinstance(error, UnsupportedError | MissingDependencyError)
        words = str(error) if isinstance(error, StorebenchError | OSError) else f"{type(error).__name__}: {error}"
        self._note(self.empty_row("skipped" if skipped else "failed", self._without_paths(words)))

    def _without_paths(self, sentence: str) -> str:
        """Return what a journal may hold: every file named here lies in the storage root, and results hold no path."""
        for root in (self.storage.root, self.storage.root.resolve()):
            sentence = sentence.replace(str(root), "<storage root>")
        return sentence

    def _note(self, row: Row) -> None:
        if self._journal:
            self._journal.append_environment(self.environment)
            self._journal.append_dataset(self.image.record)
            self._journal.append_row(self.environment, row, self._origin)
