"""When there are enough samples of a case: the rule, and what was taken so far. No process and no clock in here.

Looking after every sample would stop at lucky moments. So there are few looks, at numbers of samples that grow by a factor,
and two in a row must agree (measurement notes, section 2: that brings the coverage of a 95 % interval back to 95 %).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from storebench.errors import UsageError
from storebench.records import Sample
from storebench.results.intervals import median_interval

_LOOKS_IN_A_ROW: Final = 2
SLOW_S: Final = 2.0
"""Calls longer than this are made once in each process, and no more often than there have to be processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRule:
    """When to stop.

    Attributes
    ----------
    min_samples, min_processes : int
        Samples, and fresh processes they come from, before the first look at the interval.
    growth : float
        Factor between the numbers of samples of two looks.
    half_width : float
        Of the 95 % interval of the median, as a share of the median: narrow enough.
    budget_s : float or None
        Seconds for all cases together, launches and verification included; None: until each case is narrow enough or has
        `max_samples`.
    max_samples : int
        Calls of one case at most.
    seed : int
        Of the order.
    """

    min_samples: int = 15
    min_processes: int = 3
    growth: float = 1.35
    half_width: float = 0.05
    budget_s: float | None = None
    max_samples: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)}; it must be {words}"
            for name, right, words in (
                ("min_samples", self.min_samples >= 1, "at least 1"),
                ("min_processes", self.min_processes >= 1, "at least 1"),
                ("growth", self.growth > 1, "above 1"),
                ("half_width", self.half_width > 0, "above 0, as in 0.05"),
                ("budget_s", self.budget_s is None or self.budget_s > 0, "above 0 seconds"),
                ("max_samples", self.max_samples >= 1, "at least 1"),
            )
            if not right
        ]
        if wrong:
            raise UsageError("; ".join(wrong))


class Taken:
    """What was taken of one case, and whether it is enough.

    Parameters
    ----------
    rule : SamplingRule
        When it is.
    already : iterable of Sample
        Of an earlier, interrupted run, in the order taken.

    Attributes
    ----------
    samples : list of Sample
        All of them, in the order taken.
    converged : bool
        Whether the interval is narrow enough.
    slow : bool
        Whether a call takes so long that few must do.
    n_calls : int
        Calls made, those that gave no sample or one that does not count included; no first touches.
    """

    def __init__(self, rule: SamplingRule, already: Iterable[Sample] = ()) -> None:
        self._rule = rule
        self.samples: list[Sample] = []
        self.converged = False
        self.slow = False
        self.n_calls = 0
        self._walls_s: list[float] = []
        self._processes: list[str] = []
        self._narrow_looks = 0
        self._next_look = rule.min_samples
        self._quota = self._here = self._calls_here = 0
        for sample in already:
            self.add(sample)
            self.look()  # as it was looked at then

    def add(self, sample: Sample | None) -> None:
        """Take what one call gave, or a first touch (which is kept and counts as no call)."""
        if sample is not None:
            self.samples.append(sample)
        if sample is not None and sample.counts:
            self._walls_s.append(sample.wall_s)
            self._processes.append(sample.process_id)
            self._here += 1
            self.slow = statistics.median(self._walls_s) > SLOW_S
        if sample is None or sample.kind == "timed":
            self.n_calls += 1
            self._calls_here += 1

    @property
    def n(self) -> int:
        """Samples that count."""
        return len(self._walls_s)

    @property
    def n_processes(self) -> int:
        """Processes they come from."""
        return len(set(self._processes))

    @property
    def half_width(self) -> float | None:
        """Of the 95 % interval of the median, as a share of the median; None where there are too few samples."""
        interval = median_interval(self._walls_s, self._processes)
        if not interval.median or interval.low is None or interval.high is None:
            return None
        return (interval.high - interval.low) / 2 / interval.median

    def look(self) -> None:
        """Look at the interval, where the number of samples is one to look at."""
        n = self.n
        if n < self._next_look or self.n_processes < self._rule.min_processes:
            return
        width = self.half_width
        narrow = width is not None and width <= self._rule.half_width
        self._narrow_looks = self._narrow_looks + 1 if narrow else 0
        self.converged = self._narrow_looks >= _LOOKS_IN_A_ROW
        self._next_look = math.ceil(max(n, self._next_look) * self._rule.growth)

    @property
    def finished(self) -> bool:
        """Whether no further call is to be made, converged or not."""
        hopeless = self.n == 0 and self.n_calls >= 2 * self._rule.min_samples  # none could be shown to be cold, say
        enough = self.slow and self.n_processes >= self._rule.min_processes
        return self.converged or hopeless or enough or self.n_calls >= self._rule.max_samples

    @property
    def missing(self) -> int:
        """Samples until the interval may be narrow enough, as far as can be told: 0 when finished."""
        if self.finished:
            return 0
        if self.slow:
            return max(1, self._rule.min_processes - self.n_processes)
        upto = self._next_look
        if self._narrow_looks + 1 < _LOOKS_IN_A_ROW:
            upto = math.ceil(upto * self._rule.growth)
        return max(1, min(upto, self._rule.max_samples) - self.n)

    def enter_process(self) -> None:
        """Begin with a fresh process, and settle how many samples it is to give.

        The first processes share the samples before the first look evenly; each further one goes to the next look.
        """
        processes_left = max(1, self._rule.min_processes - self.n_processes)
        self._quota = max(1, math.ceil((self._next_look - self.n) / processes_left))
        self._here = self._calls_here = 0

    @property
    def due(self) -> bool:
        """Whether the present process is to make one more call; one that loses samples makes up to twice as many."""
        quota = 1 if self.slow else self._quota
        return not self.finished and self._here < quota and self._calls_here < 2 * quota
