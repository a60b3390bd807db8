"""The noise of this machine: what pairs of identical calls say, and what can be seen through it."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.measurement.noise import PAIRS, PROCESSES, call_noise, measure_noise
from storebench.results.intervals import ratio_interval

_SPREAD = 0.05


def _pairs(spread: float, n_pairs: int = PROCESSES * PAIRS, seed: int = 0) -> NDArray:
    """Pairs of identical calls, seconds: independent, log-normal."""
    rng = np.random.default_rng(seed)
    return 0.01 * np.exp(spread * rng.standard_normal((n_pairs, 2)))


def test_identical_times_show_no_noise() -> None:
    found = call_noise(np.full((200, 2), 0.01))
    assert found.wall_s == 0.01
    assert found.n_pairs == 200
    assert (found.difference, found.paired_detectable, found.separate_detectable) == (0, 0, 0)


def test_what_can_be_seen_follows_from_the_spread() -> None:
    found = call_noise(_pairs(_SPREAD))
    z = 1.959964 + 1.644854
    # Of the median of n normal values the standard error is sqrt(pi / 2 n) times their spread; drawing processes and
    # then pairs counts the same spread twice, which is the price of not trusting processes to be alike.
    paired = math.expm1(z * math.sqrt(2) * math.sqrt(math.pi / 2 / 200) * math.sqrt(2) * _SPREAD)
    separate = math.expm1(z * math.sqrt(math.pi / 2 / 10) * math.sqrt(2) * _SPREAD)
    assert found.difference == pytest.approx(math.expm1(0.6745 * math.sqrt(2) * _SPREAD), rel=0.2)
    assert found.paired_detectable == pytest.approx(paired, rel=0.35)
    assert found.separate_detectable == pytest.approx(separate, rel=0.35)


def test_a_change_of_that_size_is_seen_in_95_of_100_comparisons_and_half_of_it_is_not() -> None:
    change = math.log1p(np.mean([call_noise(_pairs(_SPREAD, seed=seed)).paired_detectable for seed in range(20)]))
    processes = np.repeat(np.arange(PROCESSES), PAIRS).tolist()

    def seen_share(change: float) -> float:
        seen = 0
        for seed in range(1000, 1200):
            ratios = np.diff(np.log(_pairs(_SPREAD, seed=seed)), axis=1).ravel() + change
            low = ratio_interval(ratios.tolist(), processes, n_boot=500).low
            seen += low is not None and low > 1
        return seen / 200

    assert seen_share(change) >= 0.95
    assert seen_share(change / 2) < 0.90


def test_drift_hurts_separate_runs_and_not_pairs() -> None:
    steady = _pairs(_SPREAD)
    drifting = steady * np.linspace(1, 2, len(steady))[:, None]
    before, after = call_noise(steady), call_noise(drifting)
    assert after.paired_detectable == pytest.approx(before.paired_detectable, rel=1e-6)
    assert after.separate_detectable > 2 * before.separate_detectable


def test_this_machine() -> None:
    before = time.time()
    report = measure_noise(budget_s=0.1)
    short, long = report.calls
    assert short.n_pairs == long.n_pairs == 40  # the least there is, whatever the budget
    assert short.wall_s < long.wall_s
    for call in report.calls:
        assert call.difference > 0
        assert call.paired_detectable > 0
        assert call.separate_detectable > 0
    assert report.paired_detectable == max(call.paired_detectable for call in report.calls)
    assert before - 1 <= report.conditions.started_at < report.conditions.ended_at <= time.time() + 1
