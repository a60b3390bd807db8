"""Paired comparison of two stacks, backends or settings, in two stages.

Two live workers make one call each, alternately in random order, over several fresh pairs of processes. What differs by more
than the margin is measured again, longer and against a larger margin, in fresh processes, before it is called slower or faster: on
unchanged code this raised no false alarm in 3000 simulated comparisons of each of five operations under load, and found
+10 % in at least 95 % (measurement notes, section 5, rule V3).
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from storebench.measurement._crew import blocks_that_fit, held_bytes, memory_for_cases, without_paths
from storebench.measurement._duels import Duel, Match, Setting, group_by_pools
from storebench.measurement.sampler import SamplingProgress
from storebench.measurement.worker import Worker
from storebench.records import Case, Sample
from storebench.results.comparison import verdict_of
from storebench.results.intervals import ratio_interval
from storebench.storage import Storage

__all__ = ["PairedResult", "PairedRule", "PairedStage", "Setting", "compare_paired", "decide", "judge"]

_DECIDED: Final = ("slower", "faster")
_ETA_FROM_ROUND: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRule:
    """How long to measure, and what counts as a difference.

    Attributes
    ----------
    processes, pairs : int
        Fresh pairs of processes, and pairs of calls in each.
    margin, confidence : float
        Of the first stage: the ratio has to be beyond 1 ± margin, and its interval of that confidence beyond 1.
    confirm_processes, confirm_margin, confirm_confidence
        The same of the second stage, which only what the first one flags gets.
    slow_s, slow_pairs : float, int
        Pairs in each pair of processes for operations longer than that.
    seed : int
        Of all orders.
    """

    processes: int = 5
    pairs: int = 40
    margin: float = 0.03
    confidence: float = 0.95
    confirm_processes: int = 10
    confirm_margin: float = 0.05
    confirm_confidence: float = 0.99
    slow_s: float = 0.05
    slow_pairs: int = 12
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedStage:
    """What one stage found. Ratios are B ÷ A: above 1, B is slower.

    Attributes
    ----------
    ratio, ratio_low, ratio_high : float or None
        Median of the pairs' ratios, and its interval; None: too few pairs.
    verdict : str
        "slower", "faster", "same" or "undecided".
    margin, confidence : float
        That it was judged by.
    n_pairs, n_dropped, n_processes : int
        Pairs that count, pairs that were lost, pairs of processes.
    a_samples, b_samples : tuple of Sample
        Of the pairs that count; entries of one index belong together.
    """

    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    verdict: str
    margin: float
    confidence: float
    n_pairs: int
    n_dropped: int
    n_processes: int
    a_samples: tuple[Sample, ...]
    b_samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedResult:
    """How B compares with A.

    Attributes
    ----------
    a, b : Case
        What was compared.
    a_s, b_s : float or None
        Median seconds of the pairs that decided.
    ratio, ratio_low, ratio_high, verdict, n_pairs, n_processes, a_samples, b_samples
        As in `PairedStage`, of the stage that decided: the last one.
    confirmed : bool or None
        Whether the second stage agreed with the first; None: the first flagged nothing.
    failure : str or None
        Why there is no verdict.
    screening : PairedStage or None
        The first stage, where there was a second one.
    """

    a: Case
    b: Case
    a_s: float | None
    b_s: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    verdict: str
    n_pairs: int
    n_processes: int
    confirmed: bool | None
    a_samples: tuple[Sample, ...]
    b_samples: tuple[Sample, ...]
    failure: str | None = None
    screening: PairedStage | None = None


def compare_paired(
    pairs: Sequence[tuple[Setting, Setting]],
    storage: Storage,
    rule: PairedRule | None = None,
    on_progress: Callable[[SamplingProgress], None] | None = None,
) -> list[PairedResult]:
    """Compare settings, live.

    Parameters
    ----------
    pairs : sequence of (Setting, Setting)
        A and B of each comparison. Those whose backends, thread budgets and interpreters agree share their processes, and their
        calls are interleaved.
    storage : Storage
        Where stores are kept.
    rule : PairedRule, optional
        How long, and what counts as a difference.
    on_progress : callable, optional
        Is told how far it is, after each pair of calls.

    Returns
    -------
    list of PairedResult
        In the order given.

    Raises
    ------
    MissingDependencyError
        If an interpreter has not this version of storebench.
    UsageError
        If there is no such interpreter.
    """
    rule = rule or PairedRule()
    duels = [Duel(a, b) for a, b in pairs]
    contest = _Contest(storage, rule, on_progress)
    contest.hold(duels, rule.processes)
    first = [judge(duel.pairs, rule.margin, rule.confidence, n_dropped=duel.n_dropped) for duel in duels]
    again = {
        position: Duel(duel.a, duel.b)
        for position, (duel, stage) in enumerate(zip(duels, first, strict=True))
        if stage.verdict in _DECIDED and duel.failure is None
    }
    contest.hold(list(again.values()), rule.confirm_processes)
    results = []
    for position, (duel, stage) in enumerate(zip(duels, first, strict=True)):
        last = again.get(position)
        second = None
        if last is not None:
            second = judge(last.pairs, rule.confirm_margin, rule.confirm_confidence, n_dropped=last.n_dropped)
        failure = duel.failure or (last.failure if last else None)
        results.append(
            decide(duel.a.case, duel.b.case, stage, second, failure=failure and without_paths(failure, storage))
        )
    return results


def judge(
    pairs: Sequence[tuple[Sample, Sample]], margin: float, confidence: float, *, n_dropped: int = 0
) -> PairedStage:
    """Judge pairs of samples; nothing is measured.

    Parameters
    ----------
    pairs : sequence of (Sample, Sample)
        One of A and one of B each, taken beside each other.
    margin, confidence : float
        As in `PairedRule`.
    n_dropped : int
        Pairs that were lost, for the record.
    """
    processes = [(a.process_id, b.process_id) for a, b in pairs]
    logs = [math.log(b.wall_s / a.wall_s) for a, b in pairs]
    interval = ratio_interval(logs, processes, confidence=confidence)
    verdict = "undecided"
    if interval.median is not None and interval.low is not None and interval.high is not None:
        verdict = verdict_of(interval.median, interval.low, interval.high, margin)
    return PairedStage(
        ratio=interval.median,
        ratio_low=interval.low,
        ratio_high=interval.high,
        verdict=verdict,
        margin=margin,
        confidence=confidence,
        n_pairs=len(pairs),
        n_dropped=n_dropped,
        n_processes=len(set(processes)),
        a_samples=tuple(a for a, _ in pairs),
        b_samples=tuple(b for _, b in pairs),
    )


def decide(
    a: Case, b: Case, first: PairedStage, second: PairedStage | None, *, failure: str | None = None
) -> PairedResult:
    """Bring both stages together: slower or faster is only what the second stage confirms.

    Parameters
    ----------
    a, b : Case
        What was compared.
    first, second : PairedStage
        The second one None where the first flagged nothing.
    failure : str, optional
        Why one of them did not come to its end; then there is no verdict.
    """
    last = second or first
    verdict = last.verdict
    if failure is not None or (verdict in _DECIDED and verdict != (first.verdict if second else None)):
        verdict = "undecided"  # it failed, nothing confirmed it, or the stages contradict each other
    return PairedResult(
        a=a,
        b=b,
        a_s=_median_s(last.a_samples),
        b_s=_median_s(last.b_samples),
        ratio=last.ratio,
        ratio_low=last.ratio_low,
        ratio_high=last.ratio_high,
        verdict=verdict,
        n_pairs=last.n_pairs,
        n_processes=last.n_processes,
        confirmed=None if second is None else verdict == first.verdict,
        a_samples=last.a_samples,
        b_samples=last.b_samples,
        failure=failure,
        screening=first if second else None,
    )


def _median_s(samples: Sequence[Sample]) -> float | None:
    return statistics.median(sample.wall_s for sample in samples) if samples else None


class _Contest:
    """Holds the duels of a stage: pair of processes by pair of processes, those with the same pools together."""

    def __init__(
        self, storage: Storage, rule: PairedRule, on_progress: Callable[[SamplingProgress], None] | None
    ) -> None:
        self._storage, self._rule, self._on_progress = storage, rule, on_progress
        self._rng = random.Random(rule.seed)  # noqa: S311 (an order, not a secret)
        self._duels: list[Duel] = []
        self._n_processes = self._done = 0
        self._started = 0.0

    def hold(self, duels: Sequence[Duel], n_processes: int) -> None:
        """Make the pairs of all duels."""
        self._duels, self._n_processes, self._done, self._started = list(duels), n_processes, 0, time.monotonic()
        groups = [block for group in group_by_pools(duels) for block in self._that_fit(group)]
        for _ in range(n_processes):
            for group in self._rng.sample(groups, len(groups)):
                Match(group, self._launch, self._rng, n_pairs=self._n_pairs, on_pair=self._report).play()

    def _that_fit(self, group: list[Duel]) -> list[list[Duel]]:
        sizes = [held_bytes(duel.a.case) + held_bytes(duel.b.case) for duel in group]
        return blocks_that_fit(group, sizes, memory_for_cases())

    def _launch(self, setting: Setting) -> Worker:
        return Worker(self._storage, python=setting.python, entry=setting.entry)

    def _n_pairs(self, duel: Duel) -> int:
        slow = duel.typical_s is not None and duel.typical_s > self._rule.slow_s
        return min(self._rule.slow_pairs, self._rule.pairs) if slow else self._rule.pairs

    def _report(self, duel: Duel) -> None:
        self._done += 1
        if self._on_progress is None:
            return
        total = sum(len(one.pairs) if one.failure else self._n_processes * self._n_pairs(one) for one in self._duels)
        total = max(total, self._done)
        rounds = self._done / len(self._duels)
        elapsed_s = time.monotonic() - self._started
        eta_s = elapsed_s / self._done * (total - self._done) if rounds >= _ETA_FROM_ROUND else None
        self._on_progress(SamplingProgress(self._done, total, eta_s, f"{duel.a.case.id} ÷ {duel.b.case.id}"))
