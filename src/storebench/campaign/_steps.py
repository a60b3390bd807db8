"""What both engines do besides timing: tell progress, count the cases beforehand, note how the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from storebench.asv_calls import AsvCall, AsvFolder
from storebench.campaign._plan import LIMITS_S, Plan
from storebench.measurement.conditions import ConditionsRecorder
from storebench.measurement.counting import counts_of
from storebench.measurement.images import Image, image_of, load_image
from storebench.measurement.limits import measure_limits
from storebench.results.journal import Journal
from storebench.storage import Storage
from storebench.suites import Grid, Subject

_SPAN_S: Final = 5.0
_LIMITS_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is: measurements done and planned, seconds still expected, and the last case."""

    done: int
    total: int
    eta_s: float | None
    label: str


class Images:
    """The images of a campaign's grids in the storage root, each looked up once."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[Subject, Image] = {}

    def of(self, grid: Grid) -> Image:
        """Return the image of a grid; a synthetic one is made the first time."""
        subject = grid.subject
        if subject not in self._known:
            if subject.key is not None:
                self._known[subject] = load_image(self._storage, subject.key)
            else:
                self._known[subject] = image_of(
                    self._storage, subject.name, subject.shape, subject.dtype, subject.seed or 0
                )
        return self._known[subject]


@dataclass(frozen=True, slots=True)
class Job:
    """A campaign that is under way.

    Attributes
    ----------
    plan : Plan
        What is to be done.
    folder : AsvFolder
        Where it works: the journal, and what is finished.
    call : AsvCall
        How asv is called.
    images : Images
        Of the grids.
    on_progress : callable
        Told how far it is; may raise KeyboardInterrupt to end the campaign.
    """

    plan: Plan
    folder: AsvFolder
    call: AsvCall
    images: Images
    on_progress: Callable[[Progress], None]

    def tell(self, label: str, done: int = 0) -> None:
        """Say what is done besides measuring."""
        total = self.plan.n_measurements
        self.on_progress(Progress(min(done, total), total, None, label))


def count_cases(job: Job, n_done: int) -> None:
    """Count every case in a process of its own, so that no timed process has to: what is counted is kept in the storage root.

    A case that cannot be counted says so in its own row when its turn to be measured comes.

    Parameters
    ----------
    job : Job
        With the cases.
    n_done : int
        Measurements that are made already.
    """
    grids = job.plan.grids
    cases = {(case := grid.case(*values)).id: (case, grid) for grid in grids for values in grid.combinations()}
    for number, (case, grid) in enumerate(cases.values(), start=1):
        job.tell(f"counting {number} of {len(cases)}: {case.id}", n_done)
        with suppress(Exception):  # of any library; the session that measures the case meets it again and notes it
            counts_of(case, job.images.of(grid), job.plan.workspace.storage)


class Surroundings:
    """Notes in a campaign's journal how busy the machine was, and what it can do at best.

    Parameters
    ----------
    job : Job
        Where, and with what.
    """

    def __init__(self, job: Job) -> None:
        environment = job.plan.environment
        self._storage, self._run, self._id = job.plan.workspace.storage, job.folder.path.name, environment.id
        self._journal = Journal(job.folder.journal)
        self._journal.append_environment(environment)

    def note_limits(self) -> None:
        """Measure what the machine can do at best, beside the cases."""
        self._journal.append_limits(self._id, self._run, measure_limits(self._storage, budget_s=LIMITS_S))

    @contextmanager
    def watched(self) -> Iterator[Callable[[int], None]]:
        """Note how busy the machine was while the block ran, however it ends.

        Gives a function to call between two rounds: it cuts the span now and then, and measures the limits anew.
        """
        recorder = ConditionsRecorder()
        span_from = limits_from = time.monotonic()

        def between_rounds(_number: int) -> None:
            nonlocal span_from, limits_from
            now = time.monotonic()
            if now - span_from >= _SPAN_S:
                self._journal.append_conditions(self._id, self._run, recorder.take())
                span_from = now
            if now - limits_from >= _LIMITS_EVERY_S:
                self.note_limits()
                recorder.take()  # that was this process
                span_from = limits_from = time.monotonic()

        try:
            yield between_rounds
        finally:
            self._journal.append_conditions(self._id, self._run, recorder.take())
