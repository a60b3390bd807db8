"""The same setting on smaller and larger images, and how time grows with the bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.report.byte_axis import byte_axis
from storebench.report.figures import MOST_POINTS, Points, bounds, legend_above, panel_grid, segments, series_handle
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
    by_value,
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
from storebench.results.intervals import MIN_FOR_INTERVAL, Interval, drawn_medians, percentiles
from storebench.units import MISSING, bytes_text, ratio_text, seconds_axis_text, shape_text, times_text

_MOST_PANELS: Final = 4
_MOST_FITS: Final = 60
"""Exponents whose interval is drawn by lot: enough for the table and the figure."""
_FEWEST_SIZES: Final = 3
"""Below, a straight line fits whatever was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One setting doing the same at several sizes.

    Attributes
    ----------
    rows : sequence of Record
        The smallest first, each with more bytes than the one before.
    exponent : Interval or None
        Slope of log time over log bytes with its 95 % interval; None below three sizes.
    """

    rows: Sequence[Record]
    exponent: Interval | None = None

    @property
    def setting(self) -> str:
        return setting_text(self.rows[0])

    @property
    def task(self) -> str:
        row = self.rows[0]
        state = [row["cache"]] if row["operation"] in ("read", "open") and row["cache"] not in (None, "warm") else []
        state += ["durable"] if row["operation"] == "write" and row["durability"] == "durable" else []
        return ", ".join([task_text(row), *state])

    @property
    def bytes_times(self) -> float:
        """Largest ÷ smallest number of bytes."""
        return float(self.rows[-1]["asked_bytes"] / self.rows[0]["asked_bytes"])

    @property
    def time_times(self) -> float:
        """Time at the largest ÷ time at the smallest."""
        return float(self.rows[-1]["median_s"] / self.rows[0]["median_s"])

    @property
    def growth(self) -> str:
        """How time grows beside the bytes: "less" or "more" than they do, or "either"; empty where the exponent has no interval."""
        if self.exponent is None or self.exponent.low is None or self.exponent.high is None:
            return ""
        return "less" if self.exponent.high < 1 else "more" if self.exponent.low > 1 else "either"


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no setting was measured at two sizes."""
    rows = rows_at_home(story, lambda row: bool(row["asked_bytes"]) and bool(row["shape"]) and bool(row["dataset"]))
    lines = _lines(rows)
    if not lines:
        return
    finding = _finding(lines)
    points = Points()
    data = [
        {
            "dataset": row["dataset"],
            "setting": line.setting,
            "task": line.task,
            "shape": shape_text(row["shape"]),
            "asked_bytes": row["asked_bytes"],
            "median_s": row["median_s"],
            "ci95_low_s": row["ci95_low_s"],
            "ci95_high_s": row["ci95_high_s"],
            "exponent": line.exponent.median if line.exponent else None,
        }
        for line in lines
        for row in line.rows
    ]
    svg, files = studio.save(_draw(lines, points), "scaling_size", finding, data, groups=list(points.rows))
    about = (
        f"The same settings on {lines[0].rows[0]['dataset']} at several sizes; log scales. Along a dotted line time grows as "
        "the bytes asked for do. From three sizes on an exponent is fitted: 1 is in proportion, less is cheaper per byte."
    )
    yield Section(
        name="scaling_size",
        short="Image size",
        finding=finding,
        about=about + terms(rows, story),
        svg=svg,
        files=files,
        tables=[_table(lines)],
        points=points.rows,
    )


def _lines(rows: Sequence[Record]) -> list[_Line]:
    """Return the settings measured at several sizes, those at the most sizes first; of one dataset's name, the most measured."""
    lines = []
    for same in alike_but(rows, "shape"):
        by_axes: dict[int, list[Record]] = {}
        for row in same:
            by_axes.setdefault(len(row["shape"]), []).append(row)
        for group in by_axes.values():
            sized = sorted(by_value(group, "asked_bytes").values(), key=lambda row: row["asked_bytes"])
            if len(sized) > 1:
                lines.append(_Line(rows=sized))
    if not lines:
        return []
    counts: dict[Any, int] = {}
    for line in lines:
        counts[line.rows[0]["dataset"]] = counts.get(line.rows[0]["dataset"], 0) + len(line.rows)
    dataset = max(sorted(counts), key=lambda name: counts[name])
    kept = [line for line in lines if line.rows[0]["dataset"] == dataset]
    kept.sort(key=lambda line: (-len(line.rows), line.task, line.setting))
    return [
        _Line(rows=line.rows, exponent=_exponent(line.rows)) if n < _MOST_FITS else line for n, line in enumerate(kept)
    ]


def _exponent(rows: Sequence[Record]) -> Interval | None:
    """Return the slope of log time over log bytes, its interval from the medians drawn at each size."""
    if len(rows) < _FEWEST_SIZES:
        return None
    x = np.log([row["asked_bytes"] for row in rows])
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    slope = float(weights @ np.log([row["median_s"] for row in rows]))
    if any(len(row["samples_s"] or ()) < MIN_FOR_INTERVAL or min(row["samples_s"]) <= 0 for row in rows):
        return Interval(slope, None, None)
    # sizes were measured apart from each other, so each gets draws of its own
    drawn = [drawn_medians(row["samples_s"], row["samples_process"], seed=n) for n, row in enumerate(rows)]
    return Interval(slope, *percentiles(weights @ np.log(np.array(drawn))))


def _finding(lines: Sequence[_Line]) -> str:
    """Say how time grows with the bytes: from exponents where there are any, else from the two sizes."""
    fitted = [line for line in lines if line.growth]
    if not fitted:
        line = max(lines, key=lambda line: (line.bytes_times, line.setting))
        shown = is_shown_slower(line.rows[-1], line.rows[0])
        times = f"takes {times_text(line.time_times)} the time" if shown else "is not shown to take longer"
        return f"{times_text(line.bytes_times)} the bytes {times} ({line.setting}, {line.task}); a law of growth needs three sizes"
    exponents = [line.exponent.median for line in fitted if line.exponent and line.exponent.median is not None]
    low, high = ratio_text(min(exponents)), ratio_text(max(exponents))
    fits = f"exponents {low} to {high}" if len(fitted) > 1 else f"{fitted[0].setting}, {fitted[0].task}: exponent {low}"
    counts = {growth: sum(line.growth == growth for line in fitted) for growth in ("less", "more", "either")}
    told = [f"{growth} than in proportion in {counts[growth]}" for growth in ("less", "more") if counts[growth]]
    if not told:
        return f"Time is not shown to grow other than in proportion to the bytes ({fits})"
    if counts["either"] or len(told) > 1:
        open_text = f"; in {counts['either']} it may be in proportion" if counts["either"] else ""
        return f"Of {len(fitted)} cases, time grows {' and '.join(told)} to the bytes{open_text} ({fits})"
    word = told[0].partition(" ")[0]
    return f"Time grows {word} than in proportion to the bytes{f' in all {len(fitted)} cases' if len(fitted) > 1 else ''} ({fits})"


def _draw(lines: Sequence[_Line], points: Points) -> Figure:
    """Draw a panel per task and a line per setting."""
    by_task: dict[str, list[_Line]] = {}
    for line in lines:
        by_task.setdefault(line.task, []).append(line)
    panels = sorted(by_task.items(), key=lambda item: (-sum(len(line.rows) for line in item[1]), item[0]))[
        :_MOST_PANELS
    ]
    settings = list(dict.fromkeys(line.setting for _, members in panels for line in members))[: len(MARKERS)]
    figure, grid = panel_grid(len(panels), columns=3 if len(panels) == 3 else 2, row_height=3.1)
    for axes, (task, members) in zip(grid, panels, strict=True):
        shown = [line for line in members if line.setting in settings][: MOST_POINTS // 12]
        _draw_panel(axes, shown, settings, points)
        axes.set_title(task[0].upper() + task[1:], pad=5)
    handles: list[Line2D] = [series_handle(index, linestyle="-", linewidth=1.2) for index in range(len(settings))]
    handles.append(Line2D([], [], color=MUTED, linestyle=":", linewidth=1.2))
    legend_above(figure, handles, [*settings, "in proportion to the bytes"], columns=3)
    return figure


def _draw_panel(axes: Axes, lines: Sequence[_Line], settings: Sequence[str], points: Points) -> None:
    rows = [row for line in lines for row in line.rows]
    for line in lines:
        index = settings.index(line.setting)
        xy = [(row["asked_bytes"], row["median_s"], row["position"]) for row in line.rows]
        bars = [(row["asked_bytes"], bounds(row)[0], row["asked_bytes"], bounds(row)[1]) for row in line.rows]
        axes.plot([x for x, _, _ in xy], [y for _, y, _ in xy], color=SERIES[index], linewidth=1.2)
        segments(axes, bars, color=SERIES[index], linewidth=2.2, alpha=0.4)
        points.series(axes, index, xy)
    byte_axis(axes, [row["asked_bytes"] for row in rows])
    log_axis(axes, [value for row in rows for value in (*bounds(row), row["median_s"])], seconds_axis_text, which="y")
    _draw_guides(axes)
    axes.set_xlabel("Bytes asked for")


def _draw_guides(axes: Axes) -> None:
    """Draw lines of slope 1 across the panel, a factor of ten apart."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    first, last = math.floor(math.log10(low / right)), math.ceil(math.log10(high / left))
    guides = [(left, 10.0**n * left, right, 10.0**n * right) for n in range(first, last + 1)]
    segments(axes, guides, color=MUTED, linestyle=":", linewidth=0.9, alpha=0.7, zorder=1.2)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)


def _table(lines: Sequence[_Line]) -> Table:
    rows = []
    for line in lines[:MOST_TABLE_ROWS]:
        first, last = line.rows[0], line.rows[-1]
        exponent = line.exponent
        interval = (
            f"{ratio_text(exponent.low)} to {ratio_text(exponent.high)}"
            if exponent is not None and exponent.low is not None
            else "no interval"
        )
        rows.append(
            [
                Cell(text=f"{line.setting}, {line.task}"),
                Cell(text=", ".join(shape_text(row["shape"]) for row in line.rows)),
                Cell(text=bytes_text(first["asked_bytes"])),
                time_cell(first),
                Cell(text=bytes_text(last["asked_bytes"])),
                time_cell(last),
                Cell(text=times_text(line.bytes_times)),
                Cell(text=times_text(line.time_times)),
                Cell(text=ratio_text(exponent.median), detail=interval)
                if exponent is not None
                else Cell(text=MISSING, detail="two sizes"),
            ]
        )
    columns = ["Case", "Sizes", "Fewest bytes", "Time there", "Most bytes", "Time there", "Bytes ratio", "Time ratio"]
    caption = shortened("The same settings at several sizes", len(rows), len(lines))
    return Table(caption=caption, columns=[*columns, "Exponent"], rows=rows, numeric_from=2)
