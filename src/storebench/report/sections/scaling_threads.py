"""What more threads buy: the same case by one thread and by more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.figure import Figure

from storebench.report.figures import WIDTH, Points, legend_above, segments, series_handle
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
    by_value,
    image_text,
    is_shown_slower,
    rows_at_home,
    setting_text,
    shortened,
    task_text,
    terms,
)
from storebench.report.style import INK, MARKERS, MUTED, SERIES
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.results.intervals import CONFIDENCE, Interval, median_ratio_interval
from storebench.units import count_text, ratio_axis_text, ratio_text, times_text

_MOST_LINES: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speedup:
    """The same case by one thread and by several.

    Attributes
    ----------
    one, many : Record
        Their rows.
    interval : Interval
        Time of one thread ÷ time of many, with its 95 % interval.
    """

    one: Record
    many: Record
    interval: Interval

    @property
    def threads(self) -> int:
        return int(self.many["threads"])

    @property
    def times(self) -> float:
        """Median of one thread ÷ median of many."""
        return float(self.one["median_s"] / self.many["median_s"])

    @property
    def label(self) -> str:
        return f"{setting_text(self.one, threads=None)}, {task_text(self.one)}"

    @property
    def is_shown(self) -> bool:
        return is_shown_slower(self.one, self.many)


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no case was measured with one thread and with more."""
    rows = rows_at_home(story, lambda row: row["threads"] is not None)
    cases = _cases(rows)
    if not cases:
        return
    compared = [(by_threads[1], row) for by_threads in cases for n, row in by_threads.items() if n > 1]
    finding = _finding(compared)
    speedups = [_speedup(one, many) for one, many in compared[:MOST_TABLE_ROWS]]
    points = Points()
    data = [
        {
            "image": image_text(s.one),
            "case": s.label,
            "threads": s.threads,
            "one_thread_s": s.one["median_s"],
            "median_s": s.many["median_s"],
            "speedup": s.times,
            "ci95_low": s.interval.low,
            "ci95_high": s.interval.high,
            "parallelism": s.many["parallelism"],
            "threads_ran": s.many["threads_ran"],
        }
        for s in speedups
    ]
    svg, files = studio.save(_draw(speedups, points), "scaling_threads", finding, data, groups=list(points.rows))
    about = (
        "Time of one thread ÷ time of more, with the 95 % interval of the ratio: left of 1 more threads are slower, at the tick of "
        "its number of threads a case loses nothing. A budget is a limit; how many threads worked is in the table."
    )
    yield Section(
        name="scaling_threads",
        short="Threads",
        finding=finding,
        about=about + terms(rows, story),
        svg=svg,
        files=files,
        tables=[_table(speedups, len(compared))],
        points=points.rows,
    )


def _cases(rows: Sequence[Record]) -> list[dict[int, Record]]:
    """Return for each case its rows by budget, one thread among them, those that gain the most first."""
    groups = [by_value(sorted(group, key=_threads), "threads") for group in alike_but(rows, "threads")]
    cases = [group for group in groups if 1 in group and len(group) > 1]
    return sorted(cases, key=lambda g: (-g[1]["median_s"] / g[max(g)]["median_s"], setting_text(g[1]), task_text(g[1])))


def _threads(row: Record) -> int:
    return int(row["threads"])


def _speedup(one: Record, many: Record) -> _Speedup:
    interval = median_ratio_interval(
        many["samples_s"], many["samples_process"], one["samples_s"], one["samples_process"], confidence=CONFIDENCE
    )
    return _Speedup(one=one, many=many, interval=interval)


def _finding(compared: Sequence[tuple[Record, Record]]) -> str:
    """Say of the largest budget in how many cases it is shown to help, and how much at most."""
    most = max(_threads(many) for _, many in compared)
    pairs = [(one, many) for one, many in compared if _threads(many) == most]
    faster = [(one["median_s"] / many["median_s"], one) for one, many in pairs if is_shown_slower(one, many)]
    slower = sum(is_shown_slower(many, one) for one, many in pairs)
    n, cases = len(pairs), "case" if len(pairs) == 1 else "cases"
    against = f"; in {slower} they are shown to be slower" if slower else ""
    if not faster:
        return f"{most} threads are not shown to be faster than one in any of {n} {cases}{against}"
    times, best = max(faster, key=lambda item: (item[0], item[1]["position"]))
    what = f"{setting_text(best, threads=None)}, {task_text(best)}"
    shown = f"{most} threads are shown to be faster than one in {len(faster)} of {n} {cases}"
    return f"{shown}, up to {times_text(times)} ({what}){against}"


def _draw(speedups: Sequence[_Speedup], points: Points) -> Figure:
    """Draw a line per case, a point with its interval per budget, and a tick where nothing is lost."""
    lines = list(dict.fromkeys((image_text(s.one), s.label) for s in speedups))[:_MOST_LINES]
    budgets = sorted({s.threads for s in speedups})[: len(MARKERS)]
    several = len({image for image, _ in lines}) > 1
    figure = Figure(figsize=(WIDTH, 0.26 * max(len(lines), 2) + 1.2), layout="constrained")
    axes = figure.subplots()
    for index, threads in enumerate(budgets):
        members = [s for s in speedups if s.threads == threads and (image_text(s.one), s.label) in lines]
        shift = (index - (len(budgets) - 1) / 2) * 0.5 / len(budgets)
        places = [lines.index((image_text(s.one), s.label)) + shift for s in members]
        bars = [
            (s.interval.low, y, s.interval.high, y)
            for s, y in zip(members, places, strict=True)
            if s.interval.low is not None and s.interval.high is not None
        ]
        segments(axes, bars, color=SERIES[index], linewidth=2.2, alpha=0.45)
        points.series(axes, index, [(s.times, y, s.many["position"]) for s, y in zip(members, places, strict=True)])
        segments(axes, [(threads, -0.5, threads, len(lines) - 0.5)], color=SERIES[index], linewidth=1.2, linestyle="--")
    axes.axvline(1.0, color=INK, linewidth=1)
    highest = max([*(s.interval.high or s.times for s in speedups), *budgets])
    step = 0.5 if highest < 4 else highest // 8 + 1
    ticks = [step * n for n in range(int(highest / step) + 1)]
    axes.set_xlim(0, highest * 1.06)
    axes.set_xticks(ticks, [f"{ratio_axis_text(tick)}x" for tick in ticks])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), [f"{label}, {image}" if several else label for image, label in lines])
    axes.set_xlabel("Times as fast as one thread (dashed: nothing lost)", color=MUTED)
    axes.spines["left"].set_visible(False)
    legend_above(figure, [series_handle(index) for index in range(len(budgets))], [f"{n} threads" for n in budgets])
    return figure


def _table(speedups: Sequence[_Speedup], n_all: int) -> Table:
    rows = [
        [
            Cell(text=f"{s.label}, {s.threads} threads", detail=image_text(s.one)),
            time_cell(s.one),
            time_cell(s.many),
            Cell(
                text=times_text(s.times),
                detail="no interval"
                if s.interval.low is None
                else f"{times_text(s.interval.low)} to {times_text(s.interval.high)}",
            ),
            Cell(text=ratio_text(s.many["parallelism"])),
            Cell(text=count_text(s.many["threads_ran"])),
        ]
        for s in speedups
    ]
    columns = ["Case", "1 thread", "More threads", "Speed-up", "Processors kept busy", "Threads that ran"]
    return Table(
        caption=shortened("The same case by one thread and by more", len(rows), n_all), columns=columns, rows=rows
    )
