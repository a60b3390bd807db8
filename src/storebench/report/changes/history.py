"""Trends: how the time of a case went from run to run, with levels, change points, and what the environment changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.report.changes.model import Changes
from storebench.report.changes.names import cases_text
from storebench.report.changes.sides import differences, differences_text, hardware, software
from storebench.report.changes.tables import name_cell
from storebench.report.changes.trend_figure import Mark, Panel, draw_trends, panels_that_fit
from storebench.report.section import Section, Studio
from storebench.report.tables import Cell, Table
from storebench.trends import MIN_LEVEL, ChangePoint, Run, Trend, can_find_levels, make_trends
from storebench.units import MISSING, change_text, count_text, moment_text, seconds_text

MIN_RUNS: Final = 3
"""Below that the comparison says all there is."""
MOST_CHANGE_POINTS: Final = 200
_HOW_TO_READ: Final = (
    "Median and 95 % interval of each run, in the order measured; what changed comes first. Each machine has a line of its "
    "own: times of two are never joined. A dashed line with a letter marks a run with other libraries than the one before."
)
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A change point with its case."""

    case_id: str
    point: ChangePoint

    @property
    def size(self) -> float:
        """How far apart the levels are, on a log scale."""
        return abs(math.log(self.point.ratio))


def make(changes: Changes, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no case has a time in three runs of a machine."""
    runs = changes.history
    trends = [trend for trend in make_trends(runs) if trend.n_runs >= MIN_RUNS]
    if not trends:
        return
    found = [_Change(case_id=trend.case_id, point=point) for trend in trends for point in trend.change_points]
    found.sort(key=lambda change: (-change.size, change.case_id, change.point.position))
    marks = environment_marks(changes)
    chosen = _chosen(changes, trends, found)
    panels = [Panel(trend=trend, name=changes.name(trend.case_id)) for trend in chosen]
    finding = _finding(changes, trends, found)
    svg, files = studio.save(draw_trends(panels, runs, marks), "trends", finding, _data(chosen, runs))
    tables = [*([_change_table(changes, found, marks)] if found else []), _runs_table(runs, marks)]
    yield Section(
        name="trends",
        short="Trends",
        finding=finding,
        about=_about(changes, trends, chosen),
        svg=svg,
        files=files,
        tables=tables,
    )


def environment_marks(changes: Changes) -> list[Mark]:
    """Return where a run was measured with other libraries, or other facts of the machine, than the run before on that machine."""
    last: dict[str | None, dict[str, str]] = {}
    marks: list[Mark] = []
    several = len({run.machine for run in changes.history}) > 1
    for position, run in enumerate(changes.history):
        facts = {**software(run, changes.environments), **hardware(run, changes.environments)}
        before = last.get(run.machine)
        text = "" if before is None else differences_text(differences(before, facts))
        if text:
            number = len(marks)
            letter = _LETTERS[number] if number < len(_LETTERS) else f"{number + 1}"
            where = f"{run.machine or 'unnamed machine'}: " if several else ""
            marks.append(Mark(letter=letter, position=position, text=where + text))
        last[run.machine] = facts
    return marks


def _chosen(changes: Changes, trends: Sequence[Trend], found: Sequence[_Change]) -> list[Trend]:
    """Return the trends that are drawn: of what the comparison calls changed, of what has change points, of what has most runs."""
    by_case = {trend.case_id: trend for trend in trends}
    longest = sorted(trends, key=lambda trend: (-trend.n_runs, trend.case_id))
    order = [
        *(row["case_id"] for row in changes.rows("slower", "faster")),
        *(change.case_id for change in found),
        *(trend.case_id for trend in longest),
    ]
    return [by_case[case_id] for case_id in dict.fromkeys(order) if case_id in by_case][
        : panels_that_fit(len(changes.history))
    ]


def _finding(changes: Changes, trends: Sequence[Trend], found: Sequence[_Change]) -> str:
    runs = changes.history
    if not can_find_levels():
        return f"{cases_text(len(trends))} over {count_text(len(runs))} runs; change points were not looked for"
    long_enough = sum(any(len(line.points) >= 2 * MIN_LEVEL for line in trend.lines) for trend in trends)
    if not long_enough:
        most = max(trend.n_runs for trend in trends)
        return (
            f"Too few runs for change points: they need {count_text(2 * MIN_LEVEL)} of one machine, a case has "
            f"{count_text(most)} at most"
        )
    if not found:
        return f"No change point in {cases_text(long_enough)} over {count_text(len(runs))} runs"
    first, n_changed = found[0], len({change.case_id for change in found})
    where = runs[first.point.position]
    machine = f" on {where.machine}" if where.machine else ""
    return (
        f"{count_text(n_changed)} of {cases_text(long_enough)} changed level on the way, the furthest by "
        f"{change_text(first.point.ratio)} at {where.name}{machine} ({changes.name(first.case_id).title})"
    )


def _about(changes: Changes, trends: Sequence[Trend], chosen: Sequence[Trend]) -> str:
    said = [_HOW_TO_READ]
    if len(chosen) < len(trends):
        said.append(f"Drawn are {count_text(len(chosen))} of {cases_text(len(trends))}.")
    if changes.n_unplaced:
        left_out = "1 run" if changes.n_unplaced == 1 else f"{count_text(changes.n_unplaced)} runs"
        said.append(f"Left out: {left_out} of which no sample says when it was taken.")
    said.append(
        f"The thick line is the level that asv's step detection finds; one needs {count_text(MIN_LEVEL)} runs, so the newest "
        "changes show in the comparison above first."
        if can_find_levels()
        else "Change points need asv's step detection, and asv is not installed; install it with: pip install asv"
    )
    return " ".join(said)


def _data(chosen: Sequence[Trend], runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the drawn points with their levels."""
    rows = []
    for trend in chosen:
        for line in trend.lines:
            for point in line.points:
                run = runs[point.position]
                level = next((one for one in line.levels if one.first <= point.position <= one.last), None)
                facts: dict[str, Any] = {
                    "case_id": trend.case_id,
                    "machine": run.machine,
                    "environment": run.environment,
                    "commit": run.commit,
                }
                facts |= {"started_at": run.started_at, "position": point.position}
                facts |= {"median_s": point.median_s, "ci95_low_s": point.low_s, "ci95_high_s": point.high_s}
                rows.append(facts | {"level_s": None if level is None else level.value_s})
    return rows


def _change_table(changes: Changes, found: Sequence[_Change], marks: Sequence[Mark]) -> Table:
    texts: Mapping[int, str] = {mark.position: mark.text for mark in marks}
    rows = []
    for change in found[:MOST_CHANGE_POINTS]:
        point, run = change.point, changes.history[change.point.position]
        cells = [Cell(text=run.name, detail=run.machine or ""), Cell(text=seconds_text(point.before_s))]
        cells += [Cell(text=seconds_text(point.after_s)), Cell(text=change_text(point.ratio), mark=_verdict(point))]
        rows.append([name_cell(changes.name(change.case_id)), *cells, Cell(text=texts.get(point.position, MISSING))])
    cut = f"; the largest {count_text(len(rows))} of {count_text(len(found))}" if len(rows) < len(found) else ""
    columns = ["Case", "From run", "Before", "After", "Change", "Libraries changed there"]
    return Table(caption=f"Change points, the largest first{cut}", columns=columns, rows=rows)


def _verdict(point: ChangePoint) -> str:
    return "slower" if point.ratio > 1 else "faster"


def _runs_table(runs: Sequence[Run], marks: Sequence[Mark]) -> Table:
    named = {mark.position: f"{mark.letter}: {mark.text}" for mark in marks}
    rows = [
        [
            Cell(text=count_text(position + 1)),
            Cell(text=run.name),
            Cell(text=run.machine or MISSING),
            Cell(text=moment_text(run.started_at)),
            Cell(text=named.get(position, "")),
        ]
        for position, run in enumerate(runs)
    ]
    columns = ["Run", "Commit", "Machine", "First sample", "Other than the run before"]
    return Table(caption=f"The {count_text(len(runs))} runs in order", columns=columns, rows=rows)
