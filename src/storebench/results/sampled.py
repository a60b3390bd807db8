"""What the raw samples of one row say: medians and how sure they are, the state of the cache that was shown, noise."""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from storebench.records import WRITING, Environment, Row, Sample
from storebench.results.intervals import low_confidence, median_interval, quantile

MIN_FOR_AUTOCORRELATION: Final = 10
_MOST_CORRELATED: Final = 2000
"""Samples whose autocorrelation is summed up lag by lag."""


def judged(row: Row) -> Row:
    """Return the row, "failed" where it has timed samples and not one was taken in the state of the cache it names."""
    timed = timed_samples(row)
    if row.status != "ok" or not timed or any(sample.counts for sample in timed):
        return row
    reasons = Counter(sample.unverified_reason for sample in timed if sample.unverified_reason)
    why = f": {reasons.most_common(1)[0][0]}" if reasons else ""
    text = f"0 of {len(timed)} samples were shown to be {row.case.cache}{why}"
    return replace(row, status="failed", reason=text)


def timed_samples(row: Row) -> list[Sample]:
    """Return the samples that are no first touch, whether they count or not."""
    return [sample for sample in row.samples if sample.kind == "timed"]


def time_columns(samples: Sequence[float], processes: Sequence[Hashable] | None) -> dict[str, Any]:
    """Return the columns that follow from times alone.

    Parameters
    ----------
    samples : sequence of float
        Seconds, in the order taken; those that count.
    processes : sequence of hashable or None
        The process each came from; None: not known.
    """
    median, low, high = median_interval(samples, processes)
    numbers = {process: number for number, process in enumerate(dict.fromkeys(processes or ()))}
    known = median and low is not None and high is not None
    return {
        "samples_s": list(samples) or None,
        "samples_process": [numbers[process] for process in processes] if processes else None,
        "n_samples": len(samples) or None,
        "n_processes": len(numbers) or None,
        "low_confidence": low_confidence(len(samples), len(numbers) or None) if samples else None,
        "median_s": median,
        "ci95_low_s": low,
        "ci95_high_s": high,
        "half_width": (high - low) / 2 / median if known else None,  # type: ignore[operator]
        "p10_s": quantile(sorted(samples), 0.1) if samples else None,
        "autocorrelation_time": autocorrelation_time(samples),
    }


def counter_columns(row: Row, environment: Environment | None) -> dict[str, Any]:
    """Return the columns that follow from what was recorded with each sample."""
    counting = [sample for sample in row.samples if sample.counts]
    own = [] if _has_workers(row) else counting  # what the system counted was counted of this process
    switches = [s.involuntary_switches for s in own if s.involuntary_switches is not None]
    verdicts = [sample.verified for sample in timed_samples(row)]
    is_judged = any(verdict is not None for verdict in verdicts)
    returned, durable = _write_ends(row, counting)
    reads = row.case.operation in ("read", "open")
    device = [s.device_read_bytes for s in own if s.device_read_bytes is not None and reads]
    called = [s.read_chars for s in own if s.read_chars is not None and reads]
    return {
        "samples_verified": verdicts.count(True) if is_judged else None,
        "samples_discarded": verdicts.count(False) if is_judged else None,
        "cache_shown": _cache_shown(row, counting, environment),
        "first_touch_s": _first_touch(row.samples),
        "open_s": _median(s.open_s for s in counting),
        "returned_s": _median(returned),
        "durable_s": _median(durable),
        "cpu_s": _median(s.cpu_s for s in own),
        "parallelism": _median(s.cpu_s / s.wall_s for s in own if s.wall_s > 0),
        # the lower of two middle values: a number of bytes that was seen
        "device_bytes": statistics.median_low(device) if device else None,
        "read_call_bytes": statistics.median_low(called) if called else None,
        "preempted_share": sum(count > 0 for count in switches) / len(switches) if switches else None,
    }


def frame_columns(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the columns of samples that have parts (views of a trace, slabs of a stream); missing where they have none.

    Parameters
    ----------
    samples : sequence of Sample
        Those that count. `frames_s` is each part's median over them; the quantiles are over every part of every sample.
    """
    in_parts = [sample for sample in samples if sample.frame_s]
    every = sorted(seconds for sample in in_parts for seconds in sample.frame_s or ())
    if not every:
        return {}
    by_part = list(zip(*(sample.frame_s or () for sample in in_parts), strict=True))
    total = statistics.median(sum(sample.frame_s or ()) for sample in in_parts)
    return {
        "n_frames": len(by_part),
        "frames_s": [statistics.median(seconds) for seconds in by_part],
        "first_view_s": _median((s.open_s or 0) + s.frame_s[0] for s in in_parts if s.frame_s),
        "frame_median_s": statistics.median(every),
        "frame_p95_s": quantile(every, 0.95),
        "frame_p99_s": quantile(every, 0.99),
        "frame_max_s": every[-1],
        "frames_per_s": len(by_part) / total if total else None,
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _first_touch(samples: Sequence[Sample]) -> float | None:
    """Return the median over processes of the first call's seconds."""
    first: dict[str, float] = {}
    for sample in samples:
        if sample.kind == "first_touch" and sample.verified is not False:
            first.setdefault(sample.process_id, sample.wall_s)
    return _median(first.values())


def _cache_shown(row: Row, counting: Sequence[Sample], environment: Environment | None) -> str | None:
    """Return the state of the cache in which every sample that counts was shown to be taken.

    Below a hypervisor that is the guest's cache: the host may hold the pages, and nothing in the guest can tell.
    """
    if not counting or not all(sample.verified for sample in counting):
        return None
    is_guest = environment is not None and environment.machine.get("virtual") == "true"
    return f"guest-{row.case.cache}" if is_guest and row.case.cache != "warm" else row.case.cache


def _has_workers(row: Row) -> bool:
    """Tell whether other processes did the work: the processor seconds of a sample, its bytes and switches are of one process."""
    return (row.case.concurrency or "").startswith("workers")


def _write_ends(row: Row, counting: Sequence[Sample]) -> tuple[list[float], list[float]]:
    """Return each write's seconds until it returned, and until it was durable; `wall_s` holds the sync of a durable case."""
    if row.case.operation not in WRITING:
        return [], []
    synced = [(s.wall_s, s.sync_s) for s in counting if s.sync_s is not None]
    walls = [s.wall_s for s in counting]
    if row.case.durability == "durable":
        return [wall - sync for wall, sync in synced], walls
    return walls, [wall + sync for wall, sync in synced]


def autocorrelation_time(samples: Sequence[float]) -> float | None:
    """Return over how many samples, in the order taken, one resembles the next: the integrated autocorrelation time.

    Of ranks, so that a few slow samples do not decide it; by Geyer's initial positive sequence: sums of two neighbouring
    autocorrelations are added up until the first that is not positive. At least 1, which is what independent samples
    have; None below 10 samples.
    """
    n = len(samples)
    if n < MIN_FOR_AUTOCORRELATION:
        return None
    rising = sorted(samples)
    # equal samples share the mean of their ranks
    ranks = np.array([(bisect_left(rising, sample) + bisect_right(rising, sample) + 1) / 2 for sample in samples])
    centred = ranks - ranks.mean()
    if not centred.any():
        return 1.0
    if n > _MOST_CORRELATED:  # the same to rounding, and 20,000 samples take milliseconds and not seconds
        covariance = np.fft.irfft(np.abs(np.fft.rfft(centred, 2 * n)) ** 2)[:n]
    else:
        covariance = np.correlate(centred, centred, mode="full")[n - 1 :]
    correlation = covariance / covariance[0]
    pairs = correlation[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    return max(1.0, float(2 * pairs[: ends[0] if len(ends) else None].sum() - 1))
