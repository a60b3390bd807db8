"""A campaign: asv driven in shuffled passes over the current environment, resumable, its results kept under neutral names.

Each pass calls asv on batches of benchmarks in a new random order; within a call asv goes by name. Every call appends its
samples, so a case gets 2 samples from each of 5 processes with everything else in between. Results are published to the
results folder now and then and at the end, however it comes; Ctrl-C loses the asv samples of one call at most, and no journal.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from storebench.assets import bundled_results
from storebench.asv_calls import AsvCall, AsvFolder
from storebench.backends import get_backend
from storebench.errors import NothingSelectedError, ResultsError
from storebench.measurement.environment import record_environment
from storebench.measurement.images import Image
from storebench.records import Case, Environment
from storebench.results.journal import JournalRow, read_journal
from storebench.storage import Storage, content_key
from storebench.suites import COUNTED, Grid, Tier, grids_of
from storebench.units import MIB

BATCH: Final = 24
"""Benchmarks per call of asv: a call costs about 2 s, so that many keep the cost small and the order mixed."""

SAMPLES_PER_PASS: Final = 2
PUBLISH_EVERY_S: Final = 30.0
SLOW_PASSES: Final = 3
_PROCESS_S: Final = 0.08
_CALL_S: Final = 2.0
_ETA_FROM: Final = 3


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a campaign reads and writes: results folder, machine's name, storage root."""

    results: Path
    machine: str
    storage: Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a campaign will do.

    Attributes
    ----------
    workspace : Workspace
        Where.
    environment : Environment
        With what.
    tier, suites, dataset : str, tuple of str, str or None
        What was asked for; `dataset` is the name of the one image measured, None: the grids' own.
    passes : int
        Separated passes.
    batches : tuple of (int, tuple of str)
        Pass and benchmarks of each call of asv, in order.
    skipped : tuple of (str, str)
        Benchmarks that cannot run here, and why.
    n_cases, n_measurements : int
        Cases, and measurements in all: one case in one process, with up to `SAMPLES_PER_PASS` samples or one counted value.
    estimate_s : float
        Expected seconds.
    subject_key : str or None
        Key of the image in the storage root.
    """

    workspace: Workspace
    environment: Environment
    tier: Tier
    suites: tuple[str, ...]
    dataset: str | None
    passes: int
    batches: tuple[tuple[int, tuple[str, ...]], ...]
    skipped: tuple[tuple[str, str], ...]
    n_cases: int
    n_measurements: int
    estimate_s: float
    subject_key: str | None = None

    @property
    def key(self) -> str:
        """The same for a plan that asks for the same in the same environment: what `--resume` looks for."""
        asked = [self.tier, self.suites, self.subject_key, self.passes, self.environment.id, self.workspace.machine]
        return content_key({"asked": asked, "batches": self.batches, "results": str(self.workspace.results.absolute())})

    @property
    def dirty(self) -> bool:
        """Whether the measured clone has changes that are not committed: its results are marked so."""
        return bool(self.environment.dirty)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is: measurements done and planned, seconds still expected, and the last case."""

    done: int
    total: int
    eta_s: float | None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a campaign ended: files written, and cases by status."""

    result_files: tuple[Path, ...]
    n_ok: int
    n_failed: int
    n_skipped: int
    interrupted: bool
    failures: tuple[tuple[str, str], ...]


def plan_campaign(
    *,
    workspace: Workspace,
    tier: Tier = "smoke",
    suites: tuple[str, ...] = (),
    image: Image | None = None,
    passes: int = 5,
) -> Plan:
    """Say what will be measured, in what order, and about how long it takes; nothing is measured.

    Parameters
    ----------
    workspace : Workspace
        Where.
    tier, suites
        As `storebench.suites.grids_of`.
    image : Image, optional
        Measure on this image instead of the grids' own.
    passes : int
        Separated passes; 2 samples of each case in each.

    Raises
    ------
    NothingSelectedError
        If no benchmark is left.
    UsageError
        For an unknown tier or suite.
    """
    grids, skipped = [], []
    for grid in grids_of(tier, suites=suites, subject=image.subject if image else None):
        why_not = get_backend(grid.backend).why_unavailable()
        if why_not:
            skipped.append((f"{grid.suite}.{grid.name}", why_not))
        else:
            grids.append(grid)
    if not grids:
        raise NothingSelectedError("no benchmark is selected; see: storebench list suites")
    environment = record_environment(workspace.storage.root)
    plan = Plan(
        workspace=workspace,
        environment=environment,
        tier=tier,
        suites=suites,
        dataset=image.name if image else None,
        passes=passes,
        batches=_batches(grids, passes),
        skipped=tuple(skipped),
        n_cases=len({grid.case(*values).id for grid in grids for values in grid.combinations()}),
        n_measurements=sum(grid.n_cases * _processes(grid, passes) for grid in grids),
        estimate_s=0.0,
        subject_key=image.key if image else None,
    )
    return replace(plan, estimate_s=_estimate_s(plan, grids))


def _passes_of(grid: Grid, passes: int) -> int:
    if grid.suite in COUNTED:
        return 1
    return min(passes, SLOW_PASSES) if grid.slow else passes


def _processes(grid: Grid, passes: int) -> int:
    """Return how many processes asv starts for a case of the grid, over all passes."""
    return _passes_of(grid, passes) * len(grid.methods)


def _batches(grids: list[Grid], passes: int) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Deal the benchmarks of each pass into calls of asv, in an order that differs from pass to pass and is always the same."""
    batches = []
    for number in range(passes):
        names = [
            f"{grid.suite}.{grid.name}.{method}"
            for grid in grids
            if number < _passes_of(grid, passes)
            for method in grid.methods
        ]
        random.Random(number).shuffle(names)  # noqa: S311 (an order, not a secret)
        batches += [(number, tuple(names[i : i + BATCH])) for i in range(0, len(names), BATCH)]
    return tuple(batches)


def _estimate_s(plan: Plan, grids: list[Grid]) -> float:
    known = _known_medians(plan.workspace.results)
    seconds = _CALL_S * len(plan.batches)
    for grid in grids:
        for values in grid.combinations():
            case = grid.case(*values)
            one_call = known.get(case.id) or _guess_s(case)
            n_processes = _processes(grid, plan.passes)
            n_calls = 2 if grid.slow or grid.suite in COUNTED else 1 + SAMPLES_PER_PASS  # the warm-up is one more
            seconds += n_processes * (_PROCESS_S + n_calls * one_call)
    return seconds


def _guess_s(case: Case) -> float:
    """Guess the seconds of a case that was never measured: a plan wants no more than the order of magnitude."""
    n_bytes = math.prod(case.shape) * int(np.dtype(case.dtype).itemsize)
    part = 1.0 if case.pattern == "whole" else 0.1
    return 0.003 + part * n_bytes / (200 * MIB)


def _known_medians(results: Path) -> dict[str, float]:
    """Return the median seconds of each case that was ever measured here or in the baseline."""
    medians = {}
    for folder in (bundled_results(), results):
        for path in sorted(folder.glob("*/*.jsonl")):
            try:
                rows = read_journal(path).rows
            except ResultsError:
                continue  # an estimate may do without; `report` and `export` name the damaged file
            for merged in rows.values():
                samples = merged.row.samples
                if samples:
                    medians[merged.row.case.id] = statistics.median(sample.wall_s for sample in samples)
    return medians


def run_campaign(plan: Plan, *, on_progress: Callable[[Progress], None], resume: bool = False) -> Outcome:
    """Measure what was planned.

    Parameters
    ----------
    plan : Plan
        From `plan_campaign`.
    on_progress : callable
        Is told how far it is, several times a second.
    resume : bool
        Go on with an interrupted campaign of the same plan.

    Returns
    -------
    Outcome
        With `interrupted` set where Ctrl-C ended it; what was measured is published all the same.

    Raises
    ------
    NothingSelectedError
        If there is nothing to resume.
    MeasurementError
        If asv itself fails; what was measured before is published.
    """
    folder = AsvFolder(plan.workspace.storage.root / "campaigns" / plan.key)
    if resume and not folder.exists():
        raise NothingSelectedError(
            "there is no interrupted run of this tier, suites and dataset here; leave out --resume"
        )
    if not resume:
        folder.create(machine=plan.workspace.machine, environment=plan.environment)
    call = AsvCall(
        folder, plan.workspace.storage, plan.tier, plan.subject_key, plan.workspace.machine, plan.environment
    )
    done = folder.finished_batches()
    clock = _Clock(plan, folder, on_progress)
    interrupted, published = False, time.monotonic()
    try:
        for number, (_, names) in enumerate(plan.batches):
            if number not in done:
                call.run(names, poll=clock.tick)
                folder.note_finished(number)
                if time.monotonic() - published > PUBLISH_EVERY_S:
                    call.publish(plan.workspace.results)
                    published = time.monotonic()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        files = call.publish(plan.workspace.results)
    outcome = _outcome(folder, files, interrupted)
    if not interrupted:
        folder.remove()
    return outcome


class _Clock:
    """Tells progress from the journal, where each process leaves one line per case, and how long the rest will take."""

    def __init__(self, plan: Plan, folder: AsvFolder, on_progress: Callable[[Progress], None]) -> None:
        self._total, self._folder, self._on_progress = plan.n_measurements, folder, on_progress
        self._started, self._at_start = time.monotonic(), folder.seen().n_rows

    def tick(self) -> None:
        """Report."""
        seen = self._folder.seen()
        new, elapsed = seen.n_rows - self._at_start, time.monotonic() - self._started
        left = max(self._total - seen.n_rows, 0)
        eta_s = elapsed / new * left if new >= _ETA_FROM else None
        self._on_progress(Progress(min(seen.n_rows, self._total), self._total, eta_s, seen.last_case))


def _outcome(folder: AsvFolder, files: tuple[Path, ...], interrupted: bool) -> Outcome:
    entries = read_journal(folder.journal).rows.values() if folder.journal.exists() else ()
    lost = [] if interrupted else [entry.row for entry in entries if _lost(entry)]
    rows = [entry.row for entry in entries if not _lost(entry)]
    failed = [(row.case.id, row.reason or "") for row in rows if row.status == "failed"]
    failed += [(row.case.id, "no call came to its end: stopped after the time limit, or crashed") for row in lost]
    return Outcome(
        result_files=files,
        n_ok=sum(row.status == "ok" for row in rows),
        n_failed=len(failed),
        n_skipped=sum(row.status == "skipped" for row in rows),
        interrupted=interrupted,
        failures=tuple(failed),
    )


def _lost(entry: JournalRow) -> bool:
    """Tell whether a case was begun to be timed and never gave a sample."""
    timed = any(".time_" in benchmark for benchmark, _ in entry.measured_as)
    return entry.row.status == "ok" and timed and not entry.row.samples
