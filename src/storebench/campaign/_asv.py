"""The engine "asv": shuffled passes, each in a few calls of asv; within a call asv goes by name.

Every call appends its samples, so a case gets 2 samples from each of 5 processes with everything else in between. Results
are published now and then and at the end, however it comes; Ctrl-C loses the asv samples of one call at most, and no journal.
"""

from __future__ import annotations

import time
from typing import Final

from storebench.campaign._steps import Job, Progress, Surroundings

PUBLISH_EVERY_S: Final = 30.0
_ETA_FROM: Final = 3


def run_asv(job: Job, around: Surroundings) -> None:
    """Make the calls of asv that are not made yet.

    Parameters
    ----------
    job : Job
        With the batches, and where it is noted which of them came to their end.
    around : Surroundings
        Told to note limits once per pass, and conditions over each call.
    """
    plan, folder, call = job.plan, job.folder, job.call
    done = folder.finished_batches()
    clock = _Clock(job)
    published, limits_of_pass = time.monotonic(), -1
    for number, (pass_number, names) in enumerate(plan.batches):
        if number in done:
            continue
        if pass_number != limits_of_pass:
            around.note_limits()
            limits_of_pass = pass_number
        with around.watched():
            call.run(names, poll=clock.tick)
        folder.note_finished(number)
        if time.monotonic() - published > PUBLISH_EVERY_S:
            call.publish(plan.workspace.results)
            published = time.monotonic()


class _Clock:
    """Tells progress from the journal, where each process leaves one line per case, and how long the rest will take."""

    def __init__(self, job: Job) -> None:
        self._total, self._folder, self._on_progress = job.plan.n_measurements, job.folder, job.on_progress
        self._started, self._at_start = time.monotonic(), job.folder.seen().n_rows

    def tick(self) -> None:
        """Report."""
        seen = self._folder.seen()
        new, elapsed = seen.n_rows - self._at_start, time.monotonic() - self._started
        left = max(self._total - seen.n_rows, 0)
        eta_s = elapsed / new * left if new >= _ETA_FROM else None
        self._on_progress(Progress(min(seen.n_rows, self._total), self._total, eta_s, seen.last_case))
