"""One case in one process: verified, counted apart, warmed up, then timed call by call, everything written to the journal.

Around each call, and outside its clock, the state of the page cache is brought about and shown, and what the system counted
is taken down. asv's hooks, the workers of the paired engine and the single measurement all go through here, so that there is
one path from a case to its numbers.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from storebench.backends import get_backend
from storebench.errors import MeasurementError, MissingDependencyError, StorebenchError, UnsupportedError
from storebench.measurement._counting_calls import touch_elsewhere
from storebench.measurement.cache import CacheKeeper, why_not_cold
from storebench.measurement.counters import Probe
from storebench.measurement.counting import counts_of
from storebench.measurement.environment import record_environment
from storebench.measurement.images import Image
from storebench.measurement.operations import workload_for
from storebench.measurement.pages import Residency
from storebench.measurement.workload import ReadWorkload, Workload
from storebench.records import Case, Environment, Row, Sample, Status
from storebench.results.journal import Journal
from storebench.storage import Storage

_ONE_WARM_UP_ABOVE_S: Final = 0.25
"""After so long a first call there is no second one: what a first call adds is about 10 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who asks for a case: a run with its engine, and asv's benchmark with its parameters where asv does."""

    run: str | None = None
    benchmark: str | None = None
    params: Sequence[str] | None = None
    engine: str | None = None


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
    slow : bool
        Whether one call takes so long that none is made without a clock: what the first timed one gave is checked after it.

    Attributes
    ----------
    first_touch : Sample or None
        The first call, once it was made; None where the first call is timed.
    """

    def __init__(
        self,
        case: Case,
        image: Image,
        storage: Storage,
        *,
        journal: Path | None = None,
        origin: Origin | None = None,
        slow: bool = False,
    ) -> None:
        self.case, self.image, self.storage = case, image, storage
        self.first_touch: Sample | None = None
        self._unchecked = slow
        self._journal = Journal(journal) if journal else None
        self._origin = origin or Origin()
        self._workload: Workload | None = None
        self._keeper: CacheKeeper | None = None
        self._resident: Residency | None = None
        self._probe = Probe()
        self._timed = False

    @property
    def environment(self) -> Environment:
        """Where this runs."""
        return record_environment(self.storage.root)

    def start(self) -> Row:
        """Write and verify the store, count apart, and make two untimed, checked calls; the first is the first touch.

        The second call is already as quick as any later one (measurement notes, section 1.2). Of a slow case there is none; a read
        of one voxel elsewhere, where that is quick, lets the library load what it loads once.

        Returns
        -------
        Row
            With status "ok".

        Raises
        ------
        Exception
            Whatever stands in the way; the row with its status and reason is in the journal then.
        """
        return self._begin(self._load_library if self._unchecked else self._warm_up)

    def count(self) -> Row:
        """Do the same without the calls: for what needs no clock."""
        return self._begin(lambda: None)

    def _begin(self, warm_up: Callable[[], Sample | None]) -> Row:
        try:
            workload = workload_for(self.case, self.image, self.storage)
            counts = counts_of(self.case, self.image, self.storage)
            row = replace(workload.row(), engine=self._origin.engine, **asdict(counts))
            self._keeper = _keeper(workload)
            self._workload = workload
            self._note_crops(workload)
            self.first_touch = warm_up()
        except Exception as error:  # of any library: the reason is kept, and asv sees the failure
            self._workload = None  # what did not come through this is not timed
            self._note_failure(error)
            raise
        self._note(row)
        if self.first_touch is not None:
            self._note_sample(self.first_touch)
        return row

    def _load_library(self) -> None:
        if isinstance(self._ready, ReadWorkload):
            touch_elsewhere(self._ready, self._ready.requests)

    def _warm_up(self) -> Sample:
        first = self._checked_call()
        if first.wall_s <= _ONE_WARM_UP_ABOVE_S:
            self._checked_call()
        return replace(first, kind="first_touch")

    def _checked_call(self) -> Sample:
        self._make_ready()
        try:
            self._ready.run()
            seen = self._take_down()
            self._ready.check()
        finally:
            sample = self._ready.conclude()
        return replace(sample, **seen)

    def prepare(self) -> None:
        """Make the next call ready; the first time, start."""
        if self._workload is None:
            self.start()
        self._make_ready()

    def _make_ready(self) -> None:
        self._ready.prepare()
        self._resident = self._keeper.prepare() if self._keeper else None
        self._probe.start()

    def run(self) -> None:
        """Make one call: the timed part."""
        self._timed = False  # a call that fails gives no sample
        try:
            self._ready.run()
        except Exception as error:
            self._note_failure(error)
            raise
        self._timed = True

    def _take_down(self) -> dict[str, Any]:
        """Return what was counted in the call that has just ended, and whether the cache was in the state asked for."""
        counted = self._probe.stop()
        seen = asdict(counted)
        if self._keeper:
            verified, reason = self._keeper.judge(self._resident, counted.device_read_bytes)
            fraction = None if self._resident is None else round(self._resident.fraction, 6)
            seen |= {"verified": verified, "unverified_reason": reason, "resident_fraction": fraction}
        return seen

    @property
    def _ready(self) -> Workload:
        if self._workload is None:
            raise MeasurementError(f"{self.case.id} is not ready: start it first")
        return self._workload

    def conclude(self) -> Sample | None:
        """Tidy up after a call and note its sample; None where no call came to its end.

        A sample whose cache was not in the state asked for is noted and returned too: see `Sample.counts`.

        Raises
        ------
        VerificationError
            If the first call of a slow case did not give what is in the source.
        """
        if self._workload is None:
            return None
        timed, self._timed = self._timed, False
        seen = self._take_down() if timed else {}
        try:
            if timed and self._unchecked:
                self._check()
        finally:
            sample = self._ready.conclude()
        if not timed:
            return None
        sample = replace(sample, **seen)
        self._note_sample(sample)
        return sample

    def _check(self) -> None:
        """Check what the last call gave, once."""
        try:
            self._ready.check()
        except Exception as error:
            self._note_failure(error)
            raise
        self._unchecked = False

    def sample(self) -> Sample | None:
        """Make one call with the garbage collector at rest, and return its sample: what asv does with its hooks."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            self.prepare()
            self.run()
        finally:
            if was_enabled:
                gc.enable()
            sample = self.conclude()
        # What the call left is collected after it: a collection right before it leaves the processor's caches full of other
        # things (+ 1 % on 1 ms; a full one, which walks through all memory, + 11 % on 2.6 ms).
        gc.collect(1)
        return sample

    def empty_row(self, status: Status, reason: str) -> Row:
        """Return the row of a case that gives no number, and why."""
        backend = get_backend(self.case.backend)
        return Row(
            case=self.case,
            status=status,
            reason=reason,
            format=backend.format,
            library=backend.library,
            engine=self._origin.engine,
        )

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

    def _note_crops(self, workload: Workload) -> None:
        """Note the pictures, long before a clock runs: looking whether another process has done so reads the journal."""
        if self._journal:
            for crop in workload.store.crops(self.case.backend, self.image.crop):
                self._journal.append_crop(crop)

    def _note_sample(self, sample: Sample) -> None:
        if self._journal:
            self._journal.append_sample(self.environment.id, self._origin.run, self.case.id, sample)


def _keeper(workload: Workload) -> CacheKeeper | None:
    """Return what keeps the page cache in the state that the case names; None where the operation reads no store.

    Raises
    ------
    UnsupportedError
        If no read can be cold in this place.
    """
    if not workload.paths:
        return None
    if workload.case.cache != "warm":
        why_not = why_not_cold(workload.storage.root, dropped=workload.case.cache == "cold-dropped")
        if why_not is not None:
            raise UnsupportedError(why_not)
    return CacheKeeper(workload.case.cache, workload.paths)
