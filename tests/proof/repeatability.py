"""Whether a second run says the same: 28 Zarr cases, two runs back to back, beside the same calls made as the peer makes them."""

from __future__ import annotations

import statistics
import time

import numpy as np
from sections import Section, image_for, table

from storebench.measurement.images import Image
from storebench.measurement.sampler import SamplingRule, sample_cases
from storebench.measurement.session import Session
from storebench.records import Case, Sample
from storebench.results.intervals import median_interval
from storebench.storage import Storage
from storebench.suites import heftie_grids

_BUDGET_S = 32.0
_PEERS_SAMPLES = 5
_LONG_S = 150.0


def repeatability() -> Section:
    """Compare the two runs' ratios to a reference case; median ≤ 1.10 and 90th percentile ≤ 1.25 are asked for."""
    cases = tuple(grid.case(*values) for grid in heftie_grids() for values in grid.combinations())
    storage, image = image_for(cases[0])
    for case in cases:
        Session(
            case, image, storage
        ).start()  # stores are written and verified, and counts made, before any budget runs
    ours = [_interleaved(cases, image.key, storage, _BUDGET_S) for _ in range(2)]
    blocked = [_blocked(cases, image, storage) for _ in range(2)]
    long_run, _ = _interleaved(cases, image.key, storage, _LONG_S)
    spread, peers = _spread([run for run, _ in ours]), _spread([run for run, _ in blocked])
    width = _half_width(blocked[0][0])
    rows = [
        (
            "storebench, interleaved rounds over fresh processes",
            *_times(ours),
            *_figures(spread),
            _half_width(ours[0][0]),
        ),
        ("one case after the other, 5 calls each, as the peer", *_times(blocked), *_figures(peers), width),
    ]
    header = (
        "way",
        "run 1, s",
        "run 2, s",
        "median max/min",
        "90th percentile",
        "95 % half width ÷ median, median of cases",
    )
    reached = _time_to_width(long_run, width)
    text = table(header, [(*row[:-1], f"{100 * row[-1]:.1f} %") for row in rows])
    said = f"after {reached:.0f} s" if reached is not None else f"not within {_LONG_S:.0f} s"
    text += f"\n\nIn one longer interleaved run the intervals are as narrow as the blocked run's {said}."
    return Section(text, float(np.median(spread)) <= 1.10 and float(np.quantile(spread, 0.9)) <= 1.25)


_Run = dict[str, list[Sample]]


def _interleaved(cases: tuple[Case, ...], key: str, storage: Storage, budget_s: float) -> tuple[_Run, float]:
    began = time.monotonic()
    rows = sample_cases([(case, key) for case in cases], storage, SamplingRule(budget_s=budget_s, half_width=0.01))
    return {name: [s for s in row.samples if s.counts] for name, row in rows.items()}, time.monotonic() - began


def _blocked(cases: tuple[Case, ...], image: Image, storage: Storage) -> tuple[_Run, float]:
    began, found = time.monotonic(), {}
    for case in cases:
        session = Session(case, image, storage)
        session.start()
        samples = [session.sample() for _ in range(_PEERS_SAMPLES)]
        found[case.id] = [s for s in samples if s is not None]
    return found, time.monotonic() - began


def _spread(runs: list[_Run]) -> list[float]:
    """Return for each case how far the two runs' ratios to the reference case are apart: max ÷ min."""
    reference = next(iter(runs[0]))
    ratios = [{name: _median(run[name]) / _median(run[reference]) for name in run} for run in runs]
    pairs = [[run[name] for run in ratios] for name in ratios[0] if name != reference]
    return [max(pair) / min(pair) for pair in pairs]


def _median(samples: list[Sample]) -> float:
    return statistics.median(s.wall_s for s in samples)


def _figures(spread: list[float]) -> tuple[str, str]:
    return f"{np.median(spread):.3f}", f"{np.quantile(spread, 0.9):.3f}"


def _times(runs: list[tuple[_Run, float]]) -> tuple[str, str]:
    first, second = (f"{seconds:.0f}" for _, seconds in runs)
    return first, second


def _half_width(run: _Run) -> float:
    widths = []
    for samples in run.values():
        interval = median_interval([s.wall_s for s in samples], [s.process_id for s in samples])
        if interval.low is not None and interval.high is not None and interval.median:
            widths.append((interval.high - interval.low) / 2 / interval.median)
    return float(np.median(widths)) if widths else float("nan")


def _time_to_width(run: _Run, width: float) -> float | None:
    """Return the seconds after the first sample at which the run's intervals had become as narrow as `width`."""
    first = min(s.started_at for samples in run.values() for s in samples)
    last = max(s.started_at for samples in run.values() for s in samples)
    for seconds in np.arange(5.0, last - first + 5, 2.5):
        part = {name: [s for s in samples if s.started_at - first <= seconds] for name, samples in run.items()}
        if min(map(len, part.values())) >= _PEERS_SAMPLES and _half_width(part) <= width:
            return float(seconds)
    return None
