"""How times went from run to run: which runs there are and in what order, and where a level changed."""

from __future__ import annotations

from storebench.trends.runs import Run, find_runs, in_order, newest_pair, without_repeats
from storebench.trends.steps import (
    MIN_LEVEL,
    ChangePoint,
    Level,
    Line,
    Point,
    Trend,
    can_find_levels,
    find_levels,
    make_trends,
)

__all__ = [
    "MIN_LEVEL",
    "ChangePoint",
    "Level",
    "Line",
    "Point",
    "Run",
    "Trend",
    "can_find_levels",
    "find_levels",
    "find_runs",
    "in_order",
    "make_trends",
    "newest_pair",
    "without_repeats",
]
