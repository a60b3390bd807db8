"""How a cost grows: the exponent of a power law, and the first size at which a cost leaves the line of the smaller ones.

The fit is numpy's own least squares of logarithms: the report is made where there is no scipy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.analysis import span
from storebench.grid import Shape, grid_shape
from storebench.results.intervals import MIN_FOR_INTERVAL, Interval, drawn_medians, percentiles

FEWEST_SIZES: Final = 3
"""Below, a straight line fits whatever was measured."""
CLEAR_TIMES: Final = 1.5
"""A cost below so many times what the smaller sizes foretell has not left their line."""
_FEWEST_BEFORE: Final = 2
"""Smaller sizes that make a line."""
COARSE_BYTES: Final = 64 * 2**20
"""Peaks of memory below are coarse: see `measurement.memory`."""
_COARSE_TIMES: Final = 1.4
_FEWEST_BOUNDED: Final = 3
_UNSURE_TIMES: Final = 1.5
"""Within so many times, up or down, a time of one or two samples is taken to be right: calls of many minutes have no more."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A cost at one size.

    Attributes
    ----------
    size : float
        Voxels, or chunks.
    cost : float
        Seconds, bytes, requests: positive.
    low, high : float
        Between which the cost is sure enough to lie; the cost itself where it was counted.
    samples_s, samples_process : sequence or None
        What the cost is the median of, where an interval can be drawn from it.
    """

    size: float
    cost: float
    low: float
    high: float
    samples_s: Sequence[float] | None = None
    samples_process: Sequence[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where a cost leaves the line of the smaller sizes.

    Attributes
    ----------
    index : int
        Place of the first point that is off the line.
    foretold : float
        What the smaller sizes foretell there, in the unit of the cost.
    times : float
        Cost ÷ foretold.
    """

    index: int
    foretold: float
    times: float


def n_chunks(shape: Shape | None, chunk_shape: Shape | None) -> int | None:
    """Return into how many chunks an image is cut: the objects of a store, or the blocks inside one; None: not cut at all."""
    return math.prod(grid_shape(tuple(shape), tuple(chunk_shape))) if shape and chunk_shape else None


def timed_point(row: Mapping[str, Any], size: float) -> Point:
    """Return the median time of a row of the tidy table as the cost at a size.

    Its 95 % interval bounds it, of 3 or 4 samples their span, of one or two a factor of 1.5 either way.
    """
    samples, median_s = row["samples_s"] or (), row["median_s"]
    few = 0 < len(samples) < _FEWEST_BOUNDED
    low, high = (median_s / _UNSURE_TIMES, median_s * _UNSURE_TIMES) if few else span(row)
    drawn = len(samples) >= MIN_FOR_INTERVAL and min(samples) > 0
    return Point(
        size=size,
        cost=median_s,
        low=low,
        high=high,
        samples_s=samples if drawn else None,
        samples_process=row["samples_process"] if drawn else None,
    )


def counted_point(size: float, count: float) -> Point:
    """Return a count, which is the same every time, as the cost at a size."""
    return Point(size=size, cost=count, low=count, high=count)


def memory_point(size: float, n_bytes: float) -> Point:
    """Return a peak of memory as the cost at a size; below 64 MiB it is coarse."""
    times = _COARSE_TIMES if n_bytes < COARSE_BYTES else 1.0
    return Point(size=size, cost=n_bytes, low=n_bytes / times, high=n_bytes * times)


def exponent(points: Sequence[Point]) -> Interval | None:
    """Return b of cost = a · size^b by least squares of the logarithms, and its 95 % interval.

    Parameters
    ----------
    points : sequence of Point
        By rising size.

    Returns
    -------
    Interval or None
        None below three sizes. The interval is that of fits to medians drawn at each size (processes, then samples: sizes
        were measured apart from each other, so each has draws of its own); where a size has fewer than 5 samples, from
        all bounds at the worst end, which is wider. None for a bound where a cost is not bounded.
    """
    if len(points) < FEWEST_SIZES:
        return None
    weights = _slope_weights(points)
    slope = float(weights @ np.log([point.cost for point in points]))
    if all(point.samples_s for point in points):
        drawn = [drawn_medians(point.samples_s or (), point.samples_process, seed=n) for n, point in enumerate(points)]
        return Interval(slope, *percentiles(weights @ np.log(np.array(drawn))))
    low, high = _worst(weights, points)
    return Interval(slope, low, high) if math.isfinite(low) and math.isfinite(high) else Interval(slope, None, None)


def departure(points: Sequence[Point]) -> Departure | None:
    """Return the first size at which a cost per unit is clearly more than the smaller sizes foretell; None where there is none.

    They foretell the larger of two: their power law, and the cost of the size before in proportion, since a cost that was
    fixed gives way to one per unit without anything going wrong. Clearly: the cost's low end is above what their bounds,
    each at its worst end, allow, and the cost is more than 1.5 times what they foretell. Of random straight lines with 5 %
    of scatter from size to size, 10 samples each, fewer than 1 % are said to depart (tests/test_growth.py).

    Parameters
    ----------
    points : sequence of Point
        By rising size.
    """
    for index in range(_FEWEST_BEFORE, len(points)):
        before, point = points[:index], points[index]
        weights = _line_weights(before, point.size)
        ratio = point.size / before[-1].size
        line = math.exp(float(weights @ np.log([p.cost for p in before])))
        foretold = max(line, before[-1].cost * ratio)
        most = max(math.exp(min(_worst(weights, before)[1], 700.0)), before[-1].high * ratio)
        if point.low > most and point.cost > CLEAR_TIMES * foretold:
            return Departure(index=index, foretold=foretold, times=point.cost / foretold)
    return None


def _slope_weights(points: Iterable[Point]) -> Numbers:
    """Return what each log cost weighs in the slope of the line."""
    weights: Numbers = _fit(points)[0]
    return weights


def _line_weights(points: Iterable[Point], size: float) -> Numbers:
    """Return what each log cost weighs in the line's log cost at a size."""
    slope, start = _fit(points)
    weights: Numbers = slope * math.log(size) + start
    return weights


def _fit(points: Iterable[Point]) -> Numbers:
    """Return the weights of slope and start (2 × sizes): a least-squares line is linear in what it is fitted to."""
    x = np.log([point.size for point in points])
    weights: Numbers = np.polyfit(x, np.eye(len(x)), 1)
    return weights


def _worst(weights: Numbers, points: Sequence[Point]) -> tuple[float, float]:
    """Return the least and the most that a weighted sum of log costs can be, each cost anywhere between its bounds."""
    rising = weights > 0
    with np.errstate(divide="ignore", invalid="ignore"):  # a cost may be bounded by nothing
        low, high = np.log([point.low for point in points]), np.log([point.high for point in points])
        least, most = weights @ np.where(rising, low, high), weights @ np.where(rising, high, low)
    return float(least), float(most)
