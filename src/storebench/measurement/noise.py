"""How noisy this machine is now, and how small a change can be seen on it: identical calls compared with each other."""

from __future__ import annotations

import math
import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.measurement.conditions import ConditionsRecorder
from storebench.records import Conditions
from storebench.results.intervals import ratio_interval

CALL_S: Final = (0.002, 0.020)
"""Seconds of the two calls: one that mostly fits into a slice of processor time, one that is often preempted."""

PROCESSES, PAIRS, SEPARATE_SAMPLES = 5, 40, 10
"""What a paired comparison takes, and the samples of each of two separate runs."""

_MIN_PAIRS: Final = 40
_SEEN_S: Final = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.95)
"""Standard errors that a true difference has to have, so that a 95 % interval leaves 0 out in 95 of 100 comparisons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNoise:
    """What was seen of one call against itself.

    Attributes
    ----------
    wall_s : float
        Its median, seconds.
    n_pairs : int
        Pairs of calls.
    difference : float
        Between the two calls of a pair, relative: half of the pairs differ by more.
    paired_detectable : float
        Smallest relative change that a paired comparison of 5 × 40 pairs sees in 95 of 100 cases.
    separate_detectable : float
        The same of the medians of two separate runs of 10 samples.
    """

    wall_s: float
    n_pairs: int
    difference: float
    paired_detectable: float
    separate_detectable: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReport:
    """The noise of this machine over some seconds.

    Attributes
    ----------
    calls : tuple of CallNoise
        A short call and a longer one.
    conditions : Conditions
        Who else kept the machine busy meanwhile.
    """

    calls: tuple[CallNoise, ...]
    conditions: Conditions

    @property
    def difference(self) -> float:
        """Of the noisier call."""
        return max(call.difference for call in self.calls)

    @property
    def paired_detectable(self) -> float:
        """Of the noisier call."""
        return max(call.paired_detectable for call in self.calls)

    @property
    def separate_detectable(self) -> float:
        """Of the noisier call."""
        return max(call.separate_detectable for call in self.calls)


def measure_noise(budget_s: float = 8.0) -> NoiseReport:
    """Measure what identical calls differ by on this machine, now.

    The calls decompress and copy small blocks, as reads of chunks do. The two of a pair run in random order, and pairs
    of the short and of the longer call take turns. All of it is in this process and within seconds: what differs between
    processes, and slow drift between two runs minutes apart, comes on top.

    Parameters
    ----------
    budget_s : float
        Seconds to spend, roughly; below 2 the least number of pairs takes longer.

    Returns
    -------
    NoiseReport
        Of both calls, and the conditions of the span.
    """
    recorder = ConditionsRecorder()
    calls = [_call_of(seconds) for seconds in CALL_S]
    times: list[list[tuple[float, float]]] = [[] for _ in calls]
    rng = random.Random(0)  # noqa: S311 - no secret
    end = time.perf_counter() + budget_s
    for n_pairs in range(PROCESSES * PAIRS):
        if n_pairs >= _MIN_PAIRS and time.perf_counter() >= end:
            break
        for call, pairs in zip(calls, times, strict=True):
            # They are the same, so what would be called A and B is decided by lot.
            pair = (_seconds(call), _seconds(call))
            pairs.append(pair if rng.random() < 0.5 else pair[::-1])
    return NoiseReport(
        calls=tuple(call_noise(np.array(pairs)) for pairs in times),
        conditions=recorder.take(),
    )


def call_noise(pairs_s: NDArray) -> CallNoise:
    """Return what pairs of identical calls say.

    Parameters
    ----------
    pairs_s : array of float, pairs × 2
        Wall times, seconds, in the order taken; at least 20 pairs.
    """
    ratios = np.log(pairs_s[:, 1] / pairs_s[:, 0])
    return CallNoise(
        wall_s=float(np.median(pairs_s)),
        n_pairs=len(pairs_s),
        difference=math.expm1(float(np.median(np.abs(ratios)))),
        paired_detectable=math.expm1(_SEEN_S * _paired_error(ratios)),
        separate_detectable=math.expm1(_SEEN_S * _separate_error(pairs_s.ravel())),
    )


def _paired_error(ratios: NDArray) -> float:
    """Return the standard error of the median log ratio of 5 × 40 pairs, from the interval that a comparison would state.

    Spans of time stand for its processes. Fewer pairs than a comparison takes are taken to be as far apart as those.
    """
    processes = np.arange(len(ratios)) * PROCESSES // len(ratios)
    interval = ratio_interval(ratios.tolist(), processes.tolist())
    if interval.low is None or interval.high is None:
        raise AssertionError(f"{len(ratios)} pairs are always enough for an interval")
    half_width = math.log(interval.high / interval.low) / 2
    return half_width / NormalDist().inv_cdf(0.975) * math.sqrt(len(ratios) / (PROCESSES * PAIRS))


def _separate_error(times_s: NDArray) -> float:
    """Return the standard error of the log ratio of two medians, each of samples taken one after another.

    From the middle 90 % of the medians, as wide as a normal distribution's: a single burst of something else in eight
    seconds says nothing of how often there is one.
    """
    runs = np.array_split(times_s, len(times_s) // SEPARATE_SAMPLES)
    low, high = np.quantile([math.log(np.median(run)) for run in runs], (0.05, 0.95))
    return math.sqrt(2) * float(high - low) / (2 * NormalDist().inv_cdf(0.95))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _call_of(seconds: float) -> Callable[[], None]:
    """Return a call that decompresses and copies a block so often that it takes about so long here."""
    rng = np.random.default_rng(0)
    block = (1000 + 40 * rng.standard_normal(32 * 1024)).astype(np.uint16)  # 64 KiB, as noisy as a detector
    encoded = zlib.compress(block.tobytes(), 1)

    def decode(times: int) -> None:
        for _ in range(times):
            np.frombuffer(zlib.decompress(encoded), np.uint16).copy()

    once_s = min(_seconds(lambda: decode(1)) for _ in range(20))
    number = max(1, round(seconds / once_s))
    return lambda: decode(number)
