"""The engine "paired" of a run: all cases interleaved in shuffled rounds over several generations of fresh processes.

In each generation one worker process for each backend and thread budget is started, each case is opened in its worker
(verified, two calls made and checked), and then called once in each round; one call at a time in the whole machine. The
first generations give 5 samples each (`min_samples` ÷ `min_processes`); further ones hold only the cases whose interval
is not yet narrow enough, and go on to the next look at it (`_convergence`). With a time budget the first generations
share it evenly; when it is spent, what there is counts, and `converged` is False.

Sessions hold voxels. Where all of them would take more than half of the free memory, the cases are dealt into as few
blocks as fit, measured one after the other; cases are interleaved within a block.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from storebench.backends import get_backend
from storebench.errors import MissingDependencyError, UnsupportedError
from storebench.measurement._convergence import SamplingRule, Taken
from storebench.measurement._crew import Crew, blocks_that_fit, held_bytes, memory_for_cases, without_paths
from storebench.measurement._rounds import Rounds, Standing
from storebench.measurement.environment import record_environment
from storebench.measurement.session import Origin
from storebench.measurement.worker import ENGINE, ENTRY, Worker
from storebench.records import Case, Environment, Row, Sample, Status
from storebench.results.journal import Journal
from storebench.storage import Storage

__all__ = ["SamplingProgress", "SamplingRule", "sample_cases"]

_ETA_FROM_ROUND: Final = 3


@dataclass(frozen=True, slots=True)
class SamplingProgress:
    """How far the sampling is: calls made and expected, seconds still expected (None: not known yet), and the last case.

    What is expected grows where an interval does not become narrow.
    """

    done: int
    total: int
    eta_s: float | None
    label: str


def sample_cases(
    cases: Sequence[tuple[Case, str]],
    storage: Storage,
    rule: SamplingRule | None = None,
    *,
    journal: Path | None = None,
    run: str | None = None,
    on_progress: Callable[[SamplingProgress], None] | None = None,
    on_round: Callable[[int], None] | None = None,
    already: Mapping[str, Sequence[Sample]] | None = None,
    python: str | None = None,
    entry: Sequence[str] = ENTRY,
    memory_bytes: int | None = None,
) -> dict[str, Row]:
    """Measure cases, interleaved, until the median of each is known well enough or the time is up.

    Parameters
    ----------
    cases : sequence of (Case, str)
        Each with the key of its image in the storage root; one that is there twice is measured once.
    storage : Storage
        Where stores are kept.
    rule : SamplingRule, optional
        When to stop.
    journal : Path, optional
        File that facts and samples are appended to while measuring: what interrupts loses the running call only.
    run : str, optional
        Name of the run, written beside them.
    on_progress : callable, optional
        Is told how far it is, after each call.
    on_round : callable, optional
        Called with the number of rounds made, before the first one of a block and after each round, while nothing else
        runs: for limits and conditions. Its time is part of the budget.
    already : mapping of str to sequence of Sample, optional
        By case id, what an interrupted run has taken: it counts.
    python, entry
        Interpreter and what it runs, as `Worker`.
    memory_bytes : int, optional
        What open cases may hold together; half of the free memory.

    Returns
    -------
    dict of str to Row
        By case id, in the order given; samples in the order taken, first touches included. A case that cannot be measured is
        "skipped" or "failed" with its reason, one that the budget left no time for "timeout".

    Raises
    ------
    MissingDependencyError
        If the other interpreter has not this version of storebench.
    UnknownNameError
        If a case names a backend that does not exist.
    """
    unique = {case.id: (case, key) for case, key in cases}
    for case, _ in unique.values():
        get_backend(case.backend)
    sampling = _Sampling(
        unique,
        storage,
        rule=rule or SamplingRule(),
        launch=lambda: Worker(storage, python=python, journal=journal, run=run, entry=entry),
        hooks=_Hooks(on_progress, on_round),
        already=already or {},
    )
    try:
        sampling.run(memory_for_cases() if memory_bytes is None else memory_bytes)
    finally:
        rows = sampling.rows()
        # Where no worker was needed or came to start, this interpreter knows as well, unless another one is asked for.
        environment = sampling.environment or (record_environment(storage.root) if python is None else None)
        if journal is not None and environment is not None and rows:
            _note(Journal(journal), environment, rows.values(), run)
    return rows


def _note(journal: Journal, environment: Environment, rows: Iterable[Row], run: str | None) -> None:
    journal.append_environment(environment)
    for row in rows:  # the samples are there already
        journal.append_row(environment, replace(row, samples=()), Origin(run=run, engine=ENGINE))


@dataclass(frozen=True, slots=True)
class _Hooks:
    on_progress: Callable[[SamplingProgress], None] | None
    on_round: Callable[[int], None] | None


class _Sampling:
    """All blocks, one after the other."""

    def __init__(
        self,
        cases: Mapping[str, tuple[Case, str]],
        storage: Storage,
        *,
        rule: SamplingRule,
        launch: Callable[[], Worker],
        hooks: _Hooks,
        already: Mapping[str, Sequence[Sample]],
    ) -> None:
        self.environment: Environment | None = None
        self._cases, self._storage, self._rule, self._launch, self._hooks = cases, storage, rule, launch, hooks
        self._standings = {name: Standing(name, Taken(rule, already.get(name, ()))) for name in cases}
        self._n_before = self._n_calls
        self._started, self._ended = time.monotonic(), False
        self._n_rounds = 0

    def run(self, memory_bytes: int) -> None:
        """Measure block by block; those still to come share the time that is left by their numbers of cases."""
        rng = random.Random(self._rule.seed)  # noqa: S311 (an order, not a secret)
        waiting = [name for name, standing in self._standings.items() if standing.wanted]
        sizes = [held_bytes(self._cases[name][0]) for name in waiting]
        blocks = blocks_that_fit(waiting, sizes, memory_bytes) if waiting else []
        for number, block in enumerate(blocks):
            n_to_come = sum(len(later) for later in blocks[number:])
            left_s = self._left_s()
            crew = Crew([self._cases[name] for name in block], self._launch, rng)
            rounds = Rounds(
                [self._standings[name] for name in block],
                crew,
                self._rule,
                seconds=None if left_s is None else left_s * len(block) / n_to_come,
                rng=rng,
                on_round=self._after_round,
                on_sample=self._report,
            )
            try:
                rounds.run()
            finally:
                self.environment = crew.environment or self.environment
        self._ended = True
        if blocks:
            self._report(self._standings[blocks[-1][-1]])

    @property
    def _n_calls(self) -> int:
        return sum(standing.taken.n_calls for standing in self._standings.values())

    def _left_s(self) -> float | None:
        return None if self._rule.budget_s is None else self._rule.budget_s - (time.monotonic() - self._started)

    def _after_round(self, number: int) -> None:
        self._n_rounds += number > 0
        if self._hooks.on_round:
            self._hooks.on_round(self._n_rounds)

    def _report(self, standing: Standing) -> None:
        if self._hooks.on_progress is None:
            return
        done = self._n_calls
        missing = 0 if self._ended else sum(one.taken.missing for one in self._standings.values() if not one.error)
        eta_s = None
        if self._n_rounds >= _ETA_FROM_ROUND:
            eta_s = (time.monotonic() - self._started) / max(1, done - self._n_before) * missing
            left_s = self._left_s()
            eta_s = eta_s if left_s is None else min(eta_s, max(0.0, left_s))
        self._hooks.on_progress(SamplingProgress(done, done + missing, eta_s, standing.case_id))

    def rows(self) -> dict[str, Row]:
        """Return what is known of each case that was begun, or that was not for want of time."""
        found = {name: self._row(self._cases[name][0], standing) for name, standing in self._standings.items()}
        return {name: row for name, row in found.items() if row is not None}

    def _row(self, case: Case, standing: Standing) -> Row | None:
        samples = tuple(standing.taken.samples)
        if standing.error is not None:
            skipped = isinstance(standing.error, UnsupportedError | MissingDependencyError)
            reason = without_paths(str(standing.error), self._storage)
            return replace(_empty(case, standing, "skipped" if skipped else "failed", reason), samples=samples)
        converged = standing.taken.converged
        if standing.row is None and not standing.taken.n:
            reason = "the time was up before its first call; give a larger budget, or fewer cases"
            return _empty(case, standing, "timeout", reason) if self._ended else None
        facts = standing.row or _empty(case, standing, "ok", None)
        # None after an interruption: there was time left.
        told = converged if self._ended or converged else None
        return replace(facts, samples=samples, engine=ENGINE, converged=told)


def _empty(case: Case, standing: Standing, status: Status, reason: str | None) -> Row:
    if standing.row is not None:
        return replace(standing.row, status=status, reason=reason)
    backend = get_backend(case.backend)
    return Row(case=case, status=status, reason=reason, format=backend.format, library=backend.library, engine=ENGINE)
