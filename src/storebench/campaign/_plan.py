"""What a campaign will do: cases, order, and about how long it takes."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from storebench.assets import bundled_results
from storebench.backends import get_backend
from storebench.errors import NothingSelectedError, ResultsError, unknown_name
from storebench.measurement.environment import record_environment
from storebench.measurement.images import Image
from storebench.measurement.sampler import SamplingRule
from storebench.records import Case, Environment
from storebench.results.journal import read_journal
from storebench.storage import Storage, content_key
from storebench.suites import Grid, Tier, grids_of
from storebench.units import MIB

EngineName = Literal["asv", "paired"]
ENGINES: Final[tuple[EngineName, ...]] = ("asv", "paired")

BATCH: Final = 24
"""Benchmarks per call of asv: a call costs about 2 s, so that many keep the cost small and the order mixed."""

SAMPLES_PER_PASS: Final = 2
SLOW_PASSES: Final = 3
LIMITS_S: Final = 3.0
"""Seconds given to measuring the machine's limits, at the start and again in each pass."""

_ASV_PASSES: Final = 5
_PROCESS_S: Final = 0.08
_WORKER_S: Final = 1.0
_COUNT_S: Final = 0.5
_CALL_S: Final = 2.0
_WARM_UPS: Final = 2


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
    engine : str
        What takes the samples: one of `ENGINES`.
    budget_s : float or None
        Seconds that the paired engine may take for the timed cases; None: until all intervals are narrow.
    half_width : float
        Of the 95 % intervals at which the paired engine stops, as a share of the median.
    grids : tuple of Grid
        What is measured.
    passes : int
        Separated passes of asv; processes of each case, at least, of the paired engine.
    batches : tuple of (int, tuple of str)
        Pass and benchmarks of each call of asv, in order; of the paired engine one with all of them.
    skipped : tuple of (str, str)
        Benchmarks that cannot run here, and why.
    n_cases, n_measurements : int
        Cases, and measurements in all: of asv one case in one process, with up to `SAMPLES_PER_PASS` samples or one counted
        value; of the paired engine one sample, or one case counted.
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
    engine: EngineName
    budget_s: float | None
    half_width: float
    grids: tuple[Grid, ...]
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
        facts = {"asked": asked, "batches": self.batches, "results": str(self.workspace.results.absolute())}
        return content_key(facts | {"engine": self.engine})

    @property
    def dirty(self) -> bool:
        """Whether the measured clone has changes that are not committed: its results are marked so."""
        return bool(self.environment.dirty)

    @property
    def rule(self) -> SamplingRule:
        """How long the paired engine goes on."""
        return SamplingRule(min_processes=self.passes, budget_s=self.budget_s, half_width=self.half_width)


def plan_campaign(
    *,
    workspace: Workspace,
    tier: Tier = "smoke",
    suites: tuple[str, ...] = (),
    image: Image | None = None,
    passes: int | None = None,
    engine: EngineName = "asv",
    budget_s: float | None = None,
    half_width: float | None = None,
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
    passes : int, optional
        Separated passes of asv, 2 samples of each case in each (5); fewest processes of a case of the paired engine (3).
    engine : str
        "asv" or "paired".
    budget_s : float, optional
        Seconds that the paired engine may take for the timed cases; counting and the limits come before.
    half_width : float, optional
        Half of the 95 % interval ÷ median at which the paired engine stops (0.05).

    Raises
    ------
    NothingSelectedError
        If no benchmark is left.
    UsageError
        For an unknown tier, suite or engine.
    """
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    grids, skipped = [], []
    for grid in grids_of(tier, suites=suites, subject=image.subject if image else None):
        why_not = get_backend(grid.backend).why_unavailable()
        if why_not:
            skipped.append((f"{grid.suite}.{grid.name}", why_not))
        else:
            grids.append(grid)
    if not grids:
        raise NothingSelectedError("no benchmark is selected; see: storebench list suites")
    usual = SamplingRule()
    if passes is None:
        passes = _ASV_PASSES if engine == "asv" else usual.min_processes
    plan = Plan(
        workspace=workspace,
        environment=record_environment(workspace.storage.root),
        tier=tier,
        suites=suites,
        dataset=image.name if image else None,
        engine=engine,
        budget_s=budget_s,
        half_width=usual.half_width if half_width is None else half_width,
        grids=tuple(grids),
        passes=passes,
        batches=_batches(grids, passes) if engine == "asv" else ((0, tuple(n for g in grids for n in g.benchmarks)),),
        skipped=tuple(skipped),
        n_cases=len({grid.case(*values).id for grid in grids for values in grid.combinations()}),
        n_measurements=0,
        estimate_s=0.0,
        subject_key=image.key if image else None,
    )
    n_measurements = _n_measurements(plan)
    return replace(plan, n_measurements=n_measurements, estimate_s=_estimate_s(plan))


def timed_cases(grids: tuple[Grid, ...]) -> dict[str, tuple[Case, Grid]]:
    """Return the cases of grids whose numbers are seconds, by id, each once, with a grid that has it."""
    return {
        (case := grid.case(*values)).id: (case, grid)
        for grid in grids
        if grid.is_timed
        for values in grid.combinations()
    }


def _passes_of(grid: Grid, passes: int) -> int:
    if not grid.is_timed:
        return 1
    return min(passes, SLOW_PASSES) if grid.slow else passes


def _n_measurements(plan: Plan) -> int:
    if plan.engine == "asv":
        return sum(grid.n_cases * _processes(grid, plan.passes) for grid in plan.grids)
    counted = sum(grid.n_cases for grid in plan.grids if not grid.is_timed)
    return len(timed_cases(plan.grids)) * plan.rule.min_samples + counted


def _processes(grid: Grid, passes: int) -> int:
    """Return how many processes asv starts for a case of the grid, over all passes."""
    return _passes_of(grid, passes) * len(grid.methods)


def _batches(grids: list[Grid], passes: int) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Deal the benchmarks of each pass into calls of asv, in an order that differs from pass to pass and is always the same."""
    batches = []
    for number in range(passes):
        names = [name for grid in grids if number < _passes_of(grid, passes) for name in grid.benchmarks]
        random.Random(number).shuffle(names)  # noqa: S311 (an order, not a secret)
        batches += [(number, tuple(names[i : i + BATCH])) for i in range(0, len(names), BATCH)]
    return tuple(batches)


def _estimate_s(plan: Plan) -> float:
    known = _known_medians(plan.workspace.results)
    seconds = LIMITS_S + _COUNT_S * plan.n_cases
    if plan.engine == "asv":
        return seconds + _asv_s(plan, known)
    measuring = _paired_s(plan, known)
    return seconds + (measuring if plan.budget_s is None else min(measuring, plan.budget_s))


def _asv_s(plan: Plan, known: dict[str, float]) -> float:
    seconds = _CALL_S * len(plan.batches)
    for grid in plan.grids:
        for values in grid.combinations():
            n_processes = _processes(grid, plan.passes)
            n_calls = _WARM_UPS + SAMPLES_PER_PASS if grid.is_timed and not grid.slow else _WARM_UPS
            seconds += n_processes * (_PROCESS_S + n_calls * _one_call_s(grid.case(*values), known))
    return seconds


def _paired_s(plan: Plan, known: dict[str, float]) -> float:
    """Say how long the fewest samples take: a process of its own per backend and round, two warm-up calls in each."""
    rule, cases = plan.rule, timed_cases(plan.grids)
    n_calls = rule.min_samples + _WARM_UPS * rule.min_processes
    calls_s = sum(n_calls * _one_call_s(case, known) for case, _ in cases.values())
    n_workers = rule.min_processes * len({(case.backend, case.threads) for case, _ in cases.values()})
    return calls_s + _WORKER_S * n_workers


def _one_call_s(case: Case, known: dict[str, float]) -> float:
    return known.get(case.id) or _guess_s(case)


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
                good = [sample.wall_s for sample in merged.row.samples if sample.counts]
                if good:
                    medians[merged.row.case.id] = statistics.median(good)
    return medians
