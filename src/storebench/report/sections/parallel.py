"""What more threads of one process, and more processes, buy a reader and a writer of one image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from storebench.report.figures import Points, legend_above, panel_grid, segments, series_handle
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
    by_image,
    by_value,
    image_text,
    is_shown_slower,
    rows_at_home,
    setting_text,
    shortened,
    task_text,
    terms,
)
from storebench.report.style import MARKERS, MUTED, SERIES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.results.intervals import CONFIDENCE, Interval, median_ratio_interval
from storebench.units import count_text, ratio_axis_text, throughput_text, times_text

_KINDS: Final = {"threads": "threads", "workers": "processes"}
"""What a case calls who works at once, and what the page calls them."""
_OPERATIONS: Final = {"read": "Read", "write": "Write"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One setting and operation by one kind of workers: its rows by their number, the fewest first.

    `speedups` are median of the fewest ÷ median of so many, with their intervals.
    """

    kind: str
    rows: dict[int, Record]
    speedups: dict[int, Interval]

    @property
    def first(self) -> Record:
        return self.rows[min(self.rows)]

    @property
    def label(self) -> str:
        return setting_text(self.first, concurrency=None)

    def times(self, number: int) -> float:
        """Median of the fewest ÷ median of so many."""
        return float(self.first["median_s"] / self.rows[number]["median_s"])


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no case was measured by one and by more of one kind."""
    found = rows_at_home(story, lambda row: row["concurrency"] is not None and row["throughput_mib_s"] is not None)
    images = by_image(found)
    lines = _lines(images[0]) if images else []
    if not lines:
        return
    finding = _finding(lines)
    points = Points()
    data = [
        {
            "image": image_text(row),
            "setting": line.label,
            "operation": row["operation"],
            "workers": _KINDS[line.kind],
            "number": number,
            "throughput_mib_s": row["throughput_mib_s"],
            "median_s": row["median_s"],
            "speedup": line.times(number),
            "ci95_low": line.speedups[number].low,
            "ci95_high": line.speedups[number].high,
        }
        for line in lines
        for number, row in line.rows.items()
    ]
    svg, files = studio.save(_draw(lines, points), "parallel", finding, data, groups=list(points.rows))
    about = (
        f"Throughput of {image_text(lines[0].first)} when separate blocks of whole chunks or shards are handed to threads of one "
        "process, or to processes; dotted: nothing lost. Starting workers is outside the clock, handing out the blocks inside."
    )
    yield Section(
        name="parallel",
        short="Parallel",
        finding=finding,
        about=about + terms(images[0], story),
        svg=svg,
        files=files,
        tables=[_table(lines)],
        points=points.rows,
    )


def _lines(rows: Sequence[Record]) -> list[_Line]:
    """Return the lines that have one worker and more, in the order of their settings."""
    lines = []
    for group in alike_but(rows, "concurrency"):
        by_who = by_value(group, "concurrency")
        for kind in _KINDS:
            numbers = {_number(who): row for who, row in by_who.items() if who.startswith(kind)}
            if 1 in numbers and len(numbers) > 1:
                speedups = {number: _speedup(numbers[1], row) for number, row in numbers.items()}
                lines.append(_Line(kind=kind, rows=dict(sorted(numbers.items())), speedups=speedups))
    return sorted(lines, key=lambda line: (line.label, line.first["operation"], line.kind))


def _speedup(one: Record, many: Record) -> Interval:
    return median_ratio_interval(
        many["samples_s"], many["samples_process"], one["samples_s"], one["samples_process"], confidence=CONFIDENCE
    )


def _number(concurrency: str) -> int:
    return int(concurrency.rpartition("-")[2])


def _finding(lines: Sequence[_Line]) -> str:
    """Say for each kind of workers in how many cases the most of them are shown to help, and how much at best."""
    parts = []
    for kind, name in _KINDS.items():
        of_kind = [line for line in lines if line.kind == kind]
        if not of_kind:
            continue
        most = max(max(line.rows) for line in of_kind)
        able = [line for line in of_kind if most in line.rows]
        faster = [line for line in able if is_shown_slower(line.first, line.rows[most])]
        n = f"{count_text(len(able))} {'case' if len(able) == 1 else 'cases'}"
        if not faster:
            parts.append(f"{most} {name} are not shown to be faster than one in any of {n}")
            continue
        best = max(faster, key=lambda line: (line.times(most), line.label))
        what = f"{best.label}, {task_text(best.first)}"
        shown = f"{most} {name} are shown to be faster than one in {count_text(len(faster))} of {n}"
        parts.append(f"{shown}, up to {times_text(best.times(most))} ({what})")
    return "; ".join(parts)


def _draw(lines: Sequence[_Line], points: Points) -> Figure:
    """Draw a panel per operation and kind of workers, a line per setting, and where each would be if nothing were lost."""
    settings = list(dict.fromkeys(line.label for line in lines))[: len(MARKERS)]
    panels = [
        (operation, kind)
        for operation in _OPERATIONS
        for kind in _KINDS
        if any(line.first["operation"] == operation and line.kind == kind for line in lines)
    ]
    figure, grid = panel_grid(len(panels), columns=2, row_height=2.7, sharey=True)
    rates = [rate for line in lines for rate in (*_rates(line).values(), _ideal_rate(line))]
    for axes, (operation, kind) in zip(grid, panels, strict=True):
        members = [line for line in lines if (line.first["operation"], line.kind) == (operation, kind)]
        for line in members:
            if line.label in settings:
                _draw_line(axes, line, settings.index(line.label), points)
        _dress(axes, f"{_OPERATIONS[operation]}, {_KINDS[kind]}", members, rates)
    legend_above(figure, [series_handle(index) for index in range(len(settings))], settings, columns=3)
    return figure


def _rates(line: _Line) -> dict[int, float]:
    return {number: float(row["throughput_mib_s"]) for number, row in line.rows.items()}


def _ideal_rate(line: _Line) -> float:
    """Return the throughput of the most workers if nothing were lost."""
    return float(line.first["throughput_mib_s"] * max(line.rows))


def _draw_line(axes: Axes, line: _Line, index: int, points: Points) -> None:
    rates = _rates(line)
    segments(
        axes,
        [(1, rates[1], max(rates), _ideal_rate(line))],
        color=SERIES[index],
        linewidth=0.8,
        linestyle=":",
        alpha=0.7,
    )
    axes.plot(list(rates), list(rates.values()), color=SERIES[index], linewidth=1.4, marker="")
    points.series(axes, index, [(number, rates[number], row["position"]) for number, row in line.rows.items()])


def _dress(axes: Axes, title: str, lines: Sequence[_Line], rates: Sequence[float]) -> None:
    numbers = sorted({number for line in lines for number in line.rows})
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.9, max(numbers) * 1.1)
    axes.xaxis.set_major_locator(FixedLocator(numbers))
    axes.xaxis.set_major_formatter(FixedFormatter([str(number) for number in numbers]))
    axes.xaxis.set_minor_locator(NullLocator())
    log_axis(axes, rates, ratio_axis_text, which="y")
    axes.set_title(title, pad=5)
    if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel("MiB/s, log scale", color=MUTED)


def _table(lines: Sequence[_Line]) -> Table:
    cells = []
    for line in lines:
        for number, row in line.rows.items():
            interval = line.speedups[number]
            detail = "" if interval.low is None else f"{times_text(interval.low)} to {times_text(interval.high)}"
            speedup = Cell(text=times_text(line.times(number)), detail=detail if number > 1 else "")
            cells.append(
                [
                    Cell(text=f"{line.label}, {task_text(row)}, {number} {_KINDS[line.kind]}"),
                    Cell(text=throughput_text(row["throughput_mib_s"])),
                    time_cell(row),
                    speedup,
                ]
            )
    return Table(
        caption=shortened("The same blocks by one and by more", min(len(cells), MOST_TABLE_ROWS), len(cells)),
        columns=["Case", "Throughput", "Time", "Times as fast as one"],
        rows=cells[:MOST_TABLE_ROWS],
    )
