"""Levels and change points of a case over the runs of one machine, by asv's step detection.

"5 % worse than the run before" raises a false alarm in every series of 100 runs with 2 % noise (docs/results.md). Fitting a
piecewise constant function (Potts model, as `asv.step_detect` does) does not, with two exceptions that a simulation of that
noise, 2 % of it outliers, shows: of 2 runs it makes two levels in 83 % of the series, of 5 in 29 %; and an outlier of one run
is a level of its own in 2 %. So a level needs three runs here, what is shorter is left out and the rest fitted again. Then
0 of 400 series had a false alarm at each length from 8 to 100 runs, and 0.5 % at 6 and 7. Found is a step of 5 % in the middle
of 100 runs in 96 %, of 10 % in 50 runs in 93 %, of 20 % in 15 runs in 96 %. tests/test_trends.py has a small seeded version.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import pandas as pd

from storebench.errors import MissingDependencyError
from storebench.results.settings import timed_rows
from storebench.trends.runs import CASE, Run

MIN_LEVEL: Final = 3
"""Runs that a level needs; a change point stands between two of them."""

_COLUMNS: Final = (*CASE, "median_s", "ci95_low_s", "ci95_high_s", "noisy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One case in one run.

    Attributes
    ----------
    position : int
        Of the run, in order.
    median_s : float
        Seconds.
    low_s, high_s : float or None
        95 % interval of the median.
    noisy : bool or None
        Whether the machine was too busy; None: not known.
    """

    position: int
    median_s: float
    low_s: float | None
    high_s: float | None
    noisy: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Runs that show no change: positions of the first and the last, and the median of their medians in seconds."""

    first: int
    last: int
    value_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """The first run of a new level on a machine, and the levels around it in seconds."""

    machine: str | None
    position: int
    before_s: float
    after_s: float

    @property
    def ratio(self) -> float:
        """After ÷ before."""
        return self.after_s / self.before_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A case on one machine.

    Attributes
    ----------
    machine : str or None
        Times of two machines are never joined.
    environment : str or None
        Set where environments of the machine were measured side by side, at the same commits: each then has its own line.
    points : tuple of Point
        In order.
    levels : tuple of Level
        In order; empty where there are too few runs, or asv is not installed.
    """

    machine: str | None
    environment: str | None
    points: tuple[Point, ...]
    levels: tuple[Level, ...]

    @property
    def change_points(self) -> list[ChangePoint]:
        """Where one level follows another."""
        return [
            ChangePoint(machine=self.machine, position=new.first, before_s=old.value_s, after_s=new.value_s)
            for old, new in itertools.pairwise(self.levels)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One case over all runs: a line per machine."""

    case_id: str
    lines: tuple[Line, ...]

    @property
    def change_points(self) -> list[ChangePoint]:
        """Of all lines."""
        return [point for line in self.lines for point in line.change_points]

    @property
    def n_runs(self) -> int:
        """How many runs have a time of it on the machine with the most."""
        return max(len(line.points) for line in self.lines)


def can_find_levels() -> bool:
    """Tell whether asv, whose step detection finds the levels, is installed."""
    return find_spec("asv") is not None


def make_trends(runs: Sequence[Run]) -> list[Trend]:
    """Follow each case over runs.

    Parameters
    ----------
    runs : sequence of Run
        The oldest first; a point's position is a run's place here.

    Returns
    -------
    list of Trend
        By case id; without levels where asv is not installed.
    """
    lines = _line_names(runs)
    by_case: dict[tuple[Hashable, ...], dict[tuple[str | None, str | None], list[Point]]] = {}
    for position, run in enumerate(runs):
        for key, point in _points(run, position):
            by_case.setdefault(key, {}).setdefault(lines[position], []).append(point)
    detects = can_find_levels()
    return [
        Trend(case_id=str(key[0]), lines=tuple(_line(name, points, detects=detects) for name, points in found.items()))
        for key, found in sorted(by_case.items(), key=lambda item: str(item[0]))
    ]


def _line_names(runs: Sequence[Run]) -> list[tuple[str | None, str | None]]:
    """Return which line each run belongs to: its machine, and its environment where several were measured at one commit."""
    environments: dict[tuple[str | None, str | None], set[str | None]] = {}
    for run in runs:
        environments.setdefault((run.machine, run.commit), set()).add(_environment(run))
    side_by_side = {machine for (machine, commit), names in environments.items() if commit and len(names) > 1}
    changes = [
        one.machine
        for machine in side_by_side
        for one, other in itertools.pairwise(run for run in runs if run.machine == machine)
        if _environment(one) != _environment(other)
    ]
    # an upgrade is one change of environment; where it goes to and fro the environments were measured side by side
    several = {machine for machine in side_by_side if changes.count(machine) > _n_environments(runs, machine) - 1}
    return [(run.machine, _environment(run) if run.machine in several else None) for run in runs]


def _n_environments(runs: Sequence[Run], machine: str | None) -> int:
    return len({_environment(run) for run in runs if run.machine == machine})


def _environment(run: Run) -> str | None:
    return run.environment.removesuffix("-dirty") if run.environment else None


def _points(run: Run, position: int) -> list[tuple[tuple[Hashable, ...], Point]]:
    timed = timed_rows(run.rows)
    found = []
    for values in zip(*(timed[name].tolist() for name in _COLUMNS), strict=True):
        row: Mapping[str, Any] = dict(zip(_COLUMNS, values, strict=True))
        known = {name: None if name != "shape" and pd.isna(value) else value for name, value in row.items()}
        point = Point(
            position=position,
            median_s=float(row["median_s"]),
            low_s=known["ci95_low_s"],
            high_s=known["ci95_high_s"],
            noisy=known["noisy"],
        )
        found.append((tuple(known[name] for name in CASE), point))
    return found


def _line(name: tuple[str | None, str | None], points: Sequence[Point], *, detects: bool) -> Line:
    levels = find_levels([point.median_s for point in points]) if detects else ()
    placed = tuple(
        Level(first=points[level.first].position, last=points[level.last].position, value_s=level.value_s)
        for level in levels
    )
    return Line(machine=name[0], environment=name[1], points=tuple(points), levels=placed)


def find_levels(values: Sequence[float]) -> tuple[Level, ...]:
    """Return the levels of a series; empty where it is too short to have any.

    Parameters
    ----------
    values : sequence of float
        Seconds, in order, of one machine.

    Raises
    ------
    MissingDependencyError
        If asv is not installed.
    """
    if not can_find_levels():
        raise MissingDependencyError("change points need asv's step detection; install it with: pip install asv")
    from asv.step_detect import detect_steps

    kept: list[float | None] = list(values)
    while sum(value is not None for value in kept) >= MIN_LEVEL:
        steps = [(first, stop, value) for first, stop, value, *_ in detect_steps(kept)]
        short = [(first, stop) for first, stop, _ in steps if _n_known(kept[first:stop]) < MIN_LEVEL]
        if not short:
            return tuple(Level(first=first, last=stop - 1, value_s=float(value)) for first, stop, value in steps)
        for first, stop in short:
            kept[first:stop] = [None] * (stop - first)
    return ()


def _n_known(values: Sequence[float | None]) -> int:
    return sum(value is not None for value in values)
