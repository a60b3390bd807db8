"""Whether a case was measured on a machine busy with other things. Pure.

The limits stand where experiments showed that times stop repeating: the median of 30 repeats to about 5 % below them, and
is off by more than 10 % in half of the cases or more above them.
"""

from __future__ import annotations

import itertools
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from storebench.records import Conditions, Sample

SHORT_S: Final = 0.010
"""Seconds. A longer sample is often preempted on a quiet machine too: a slice of processor time is some milliseconds."""

MAX_PREEMPTED_SHARE: Final = 0.20
"""Of the samples shorter than `SHORT_S`: more of them and the median is one of preempted samples before long."""

MAX_RUN_DELAY_SHARE: Final = 0.05
"""Of the wall time, median over samples: the thread was ready and waited. As large as what is promised to repeat."""

MAX_CPU_PRESSURE: Final = 0.10
"""Share of the span in which some task waited for a processor."""

MIN_OTHER_CPUS: Final = 0.10
"""Processors kept busy by others. Below that pressure and preemption of a case with several threads are its own."""

MAX_OTHER_SHARE: Final = 0.25
"""Of all processors kept busy by others: they share memory bandwidth and caches, even where a processor is left over."""

MAX_STEAL_SHARE: Final = 0.02
"""Of processor time taken by the hypervisor: quiet virtual machines have 0.001 to 0.01."""

MIN_SAMPLES: Final = 5
"""Samples that a share or a median needs."""

ADVICE: Final = "measure again on a quiet machine"


class Timeline:
    """Conditions of one machine, found by time: a campaign records thousands of spans, and each row asks for its own."""

    def __init__(self, conditions: Iterable[Conditions]) -> None:
        self._spans = sorted(conditions, key=lambda span: span.started_at)
        self._starts = [span.started_at for span in self._spans]
        self._latest_ends = list(itertools.accumulate((span.ended_at for span in self._spans), max))

    def around(self, samples: Sequence[Sample]) -> list[Conditions]:
        """Return the spans that overlap the time from the first of the samples to the end of the last."""
        if not samples:
            return []
        start = min(sample.started_at for sample in samples)
        end = max(sample.started_at + sample.wall_s for sample in samples)
        near = self._spans[bisect_left(self._latest_ends, start) : bisect_right(self._starts, end)]
        return [span for span in near if span.ended_at >= start]


def judge_noise(samples: Sequence[Sample], conditions: Sequence[Conditions], n_cpu: int | None) -> str | None:
    """Return why a case's times are not to be relied on, or None where nothing speaks against them.

    Parameters
    ----------
    samples : sequence of Sample
        Of one case; first touches and discarded ones do not count.
    conditions : sequence of Conditions
        Of the same machine; only those that overlap the time of the samples count.
    n_cpu : int or None
        Processors of the machine.

    Returns
    -------
    str or None
        One sentence: the figure, its limit, who kept the machine busy where that is known, and what to do.
    """
    counted = [sample for sample in samples if sample.counts]
    if not counted:
        return None
    start = min(sample.started_at for sample in counted)
    end = max(sample.started_at + sample.wall_s for sample in counted)
    seen = over_span(conditions, start, end)
    found = [*_figures_of_samples(counted, seen), *(_figures_of_machine(seen, n_cpu) if seen else ())]
    return _sentence(found, seen)


def judge_conditions(conditions: Conditions, n_cpu: int | None) -> str | None:
    """Return why times taken over that span are not to be relied on, or None: as `judge_noise`, from the machine alone."""
    return _sentence(_figures_of_machine(conditions, n_cpu), conditions)


def over_span(conditions: Sequence[Conditions], start: float, end: float) -> Conditions | None:
    """Return the conditions between two moments: means weighted by overlap, the busiest process where others used most.

    Parameters
    ----------
    conditions : sequence of Conditions
        In any order.
    start, end : float
        Seconds since 1970-01-01 UTC.

    Returns
    -------
    Conditions or None
        None where none overlaps.
    """
    overlapping = [one for one in conditions if one.started_at <= end and one.ended_at >= start]
    if not overlapping:
        return None
    # A span that only touches counts a little, so that a single instant has conditions too.
    weights = [max(min(one.ended_at, end) - max(one.started_at, start), 1e-6) for one in overlapping]

    def mean(name: str) -> float | None:
        known = [
            (value, weight)
            for one, weight in zip(overlapping, weights, strict=True)
            if (value := getattr(one, name)) is not None
        ]
        return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else None

    return Conditions(
        started_at=min(one.started_at for one in overlapping),
        ended_at=max(one.ended_at for one in overlapping),
        cpu_pressure=mean("cpu_pressure"),
        io_pressure=mean("io_pressure"),
        memory_pressure=mean("memory_pressure"),
        steal_share=mean("steal_share"),
        load_1m=mean("load_1m"),
        other_cpus=mean("other_cpus"),
        busiest_other=max(overlapping, key=lambda one: one.other_cpus or 0.0).busiest_other,
    )


def _figures_of_samples(samples: Sequence[Sample], seen: Conditions | None) -> list[str]:
    """Return what the samples themselves show. Threads of one case also push each other off: then others have to be seen."""
    alone = all(sample.threads_ran == 1 for sample in samples)
    if not alone and (seen is None or (seen.other_cpus or 0.0) <= MIN_OTHER_CPUS):
        return []
    figures = []
    short = [s.involuntary_switches > 0 for s in samples if s.wall_s < SHORT_S and s.involuntary_switches is not None]
    if len(short) >= MIN_SAMPLES and (share := statistics.fmean(short)) > MAX_PREEMPTED_SHARE:
        figures.append(
            f"{share:.0%} of its samples shorter than {SHORT_S * 1e3:.0f} ms were preempted "
            f"(limit {MAX_PREEMPTED_SHARE:.0%})"
        )
    delays = [s.run_delay_s / s.wall_s for s in samples if s.run_delay_s is not None and s.wall_s > 0]
    # The median only: the system updates the counter late, and single values are wrong.
    if len(delays) >= MIN_SAMPLES and (delay := statistics.median(delays)) > MAX_RUN_DELAY_SHARE:
        figures.append(f"it waited for a processor {delay:.0%} of the time (limit {MAX_RUN_DELAY_SHARE:.0%})")
    return figures


def _figures_of_machine(seen: Conditions, n_cpu: int | None) -> list[str]:
    figures = []
    others, pressure, steal = seen.other_cpus, seen.cpu_pressure, seen.steal_share
    if others is not None and n_cpu and others > MAX_OTHER_SHARE * n_cpu:
        figures.append(f"others kept {others:.2g} of {n_cpu} processors busy (limit {MAX_OTHER_SHARE * n_cpu:.2g})")
    if others is not None and pressure is not None and others > MIN_OTHER_CPUS and pressure > MAX_CPU_PRESSURE:
        said = "" if figures else f" while others kept {others:.2g} processors busy"
        figures.append(
            f"something waited for a processor {pressure:.0%} of the time (limit {MAX_CPU_PRESSURE:.0%}){said}"
        )
    if steal is not None and steal > MAX_STEAL_SHARE:
        figures.append(
            f"the hypervisor gave {steal:.1%} of the processor time to other machines (limit {MAX_STEAL_SHARE:.0%})"
        )
    return figures


def _sentence(figures: list[str], seen: Conditions | None) -> str | None:
    """Return the figures, the process to end and the advice as one sentence; None without figures."""
    if not figures:
        return None
    who = seen.busiest_other if seen is not None and (seen.other_cpus or 0.0) > MIN_OTHER_CPUS else None
    culprit = f"{who} was the busiest other process: end it, or " if who else ""
    return f"{'; '.join(figures)}; {culprit}{ADVICE}"
