"""Draw trends: small panels, one per case, with a line per machine, levels, change points and marks of the environment."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator

from storebench.report.changes.names import CaseName
from storebench.report.figures import WIDTH, legend_above, panel_grid, segments, thinned
from storebench.report.style import INK, MARKERS, MUTED, PAPER, SERIES, SIZES
from storebench.trends import Line, Run, Trend
from storebench.units import change_text, count_text, seconds_axis_text

MOST_NAMED: Final = 8
"""Marks that are named in the figure; the table names all."""

MOST_PANELS: Final = 12
MOST_POINTS: Final = 320
"""At about 90 bytes a point and its interval more would not fit into 60 kB."""

_COLUMNS: Final = 3
_FEWEST_PANELS: Final = 6
_ROW_INCHES: Final = 1.75
_LEAST_SPAN: Final = 0.25
"""Of the median: a narrower scale would make noise look like news."""
_MOST_CHARACTERS: Final = (34, 46)
_KEY_CHARACTERS: Final = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A run with other libraries than the one before on its machine: a letter for the figure, and the words."""

    letter: str
    position: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One case."""

    trend: Trend
    name: CaseName


def draw_trends(panels: Sequence[Panel], runs: Sequence[Run], marks: Sequence[Mark]) -> Figure:
    """Draw panels row by row, the legend above, the marks' key below."""
    figure, grid = panel_grid(len(panels), columns=_COLUMNS, row_height=_ROW_INCHES)
    machines = list(dict.fromkeys((line.machine, line.environment) for panel in panels for line in panel.trend.lines))
    for index, (axes, panel) in enumerate(zip(grid, panels, strict=True)):
        _draw_panel(axes, panel, machines, len(runs), MOST_POINTS // len(panels))
        _run_axis(axes, runs)
        _draw_marks(axes, marks[:MOST_NAMED], named=index < _COLUMNS)
    handles = [_machine_handle(index) for index in range(len(machines))]
    handles += [
        Line2D([], [], color=INK, linewidth=1.8),
        Line2D([], [], color=INK, marker="|", linestyle="", markersize=9),
    ]
    names = [
        " ".join(part for part in (machine or "unnamed machine", environment) if part)
        for machine, environment in machines
    ]
    legend_above(figure, handles, [*(_cut(name, 40) for name in names), "level", "change point"])
    _write_key(figure, marks)
    return figure


def _draw_marks(axes: Axes, marks: Sequence[Mark], *, named: bool) -> None:
    """Draw a dashed line at each mark; its letter stands above the first row alone."""
    low, high = axes.get_ylim()
    ends = [(mark.position - 0.5, low, mark.position - 0.5, high) for mark in marks]
    segments(axes, ends, color=MUTED, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0.5)
    for mark in marks if named else ():
        top = axes.get_xaxis_transform()
        axes.text(
            mark.position - 0.5, 1.0, mark.letter, transform=top, ha="center", va="bottom", color=MUTED, fontsize=7
        )


def panels_that_fit(n_runs: int) -> int:
    """Return how many cases are drawn: fewer of long histories, so that every run keeps its point where that can be."""
    return min(MOST_PANELS, max(MOST_POINTS // max(n_runs, 1), _FEWEST_PANELS))


def _machine_handle(index: int) -> Line2D:
    place = index % len(MARKERS)
    return Line2D([], [], marker=MARKERS[place], color=SERIES[place], markersize=SIZES[place] - 1, linestyle="")


def _draw_panel(
    axes: Axes, panel: Panel, machines: Sequence[tuple[str | None, str | None]], n_runs: int, most: int
) -> None:
    for line in panel.trend.lines:
        place = machines.index((line.machine, line.environment)) % len(MARKERS)
        share = max(most * len(line.points) // sum(len(one.points) for one in panel.trend.lines), 2)
        _draw_line(axes, line, place, share)
    _value_axis(axes, panel.trend)
    for point in panel.trend.change_points:
        low, high = sorted((point.before_s, point.after_s))
        axes.plot([point.position - 0.5] * 2, [low, high], color=INK, linewidth=1.8, solid_capstyle="butt", zorder=3)
        slower = point.ratio > 1
        axes.annotate(
            change_text(point.ratio),
            (point.position - 0.5, point.after_s),
            xytext=(-4, 5 if slower else -5),
            textcoords="offset points",
            ha="right",
            va="bottom" if slower else "top",
            weight="bold",
            fontsize=7.5,
        )
    axes.set_xlim(-0.8, n_runs - 0.2)
    # two lines, the name of the setting small: pad makes room for it
    axes.set_title(_cut(panel.name.title, _MOST_CHARACTERS[0]), pad=19)
    detail = _cut(panel.name.detail, _MOST_CHARACTERS[1])
    place_above: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, 9), "textcoords": "offset points"}
    axes.annotate(detail, (0, 1), **place_above, color=MUTED, fontsize=7, va="bottom")


def _draw_line(axes: Axes, line: Line, place: int, most: int) -> None:
    """Draw the points of one machine with their intervals, and its levels; lines end where the machine does."""
    shown = thinned(line.points, most)
    colour = SERIES[place]
    ends = [(p.position, p.low_s, p.position, p.high_s) for p in shown if p.low_s is not None and p.high_s is not None]
    segments(axes, ends, color=colour, linewidth=0.8, alpha=0.55, zorder=1.5)
    look: dict[str, Any] = {"marker": MARKERS[place], "markersize": SIZES[place] - 2, "linestyle": "", "color": colour}
    for noisy in (False, True):  # hollow: the machine was busy
        points = [point for point in shown if bool(point.noisy) is noisy]
        face = {"markerfacecolor": PAPER} if noisy else {}
        if points:
            axes.plot([p.position for p in points], [p.median_s for p in points], zorder=2, **(look | face))
    levels = [(level.first - 0.4, level.value_s, level.last + 0.4, level.value_s) for level in line.levels]
    segments(axes, levels, color=INK, linewidth=1.8, zorder=3)


def _value_axis(axes: Axes, trend: Trend) -> None:
    """Give the axis a linear scale that shows a change of some percent, and never makes less of one than it is."""
    every = [point for line in trend.lines for point in line.points]
    values = [v for point in every for v in (point.median_s, point.low_s, point.high_s) if v is not None]
    middle = statistics.median(point.median_s for point in every)
    low, high = min(values), max(values)
    missing = max(_LEAST_SPAN * middle - (high - low), 0) / 2 + 0.06 * (high - low)
    headroom = 0.14 * (high - low + 2 * missing) if trend.change_points else 0  # for what is written there
    axes.set_ylim(max(low - missing - headroom, 0), high + missing + headroom)
    ticks = [
        tick
        for tick in MaxNLocator(3).tick_values(*axes.get_ylim())
        if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]
    ]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FixedFormatter([seconds_axis_text(tick) if tick else "0" for tick in ticks]))


def _run_axis(axes: Axes, runs: Sequence[Run]) -> None:
    """Name the first and the last run; between them a name would run into the next."""
    ticks = [0, len(runs) - 1]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([runs[tick].name for tick in ticks]))
    axes.grid(visible=False, axis="x")
    first, last = axes.xaxis.get_ticklabels()[:2]
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")


def _write_key(figure: Figure, marks: Sequence[Mark]) -> None:
    """Say below the panels what each letter is."""
    if not marks:
        return
    named = [f"{mark.letter}: {_cut(mark.text, _KEY_CHARACTERS)}" for mark in marks[:MOST_NAMED]]
    if len(marks) > MOST_NAMED:
        n_more = len(marks) - MOST_NAMED
        changes = "change" if n_more == 1 else "changes"
        named.append(f"and {count_text(n_more)} more {changes} of the environment")
    lines = [part for text in named for part in textwrap.wrap(text, int(WIDTH * 13), subsequent_indent="    ")]
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.16 * len(lines) + 0.1)
    figure.supxlabel("\n".join(lines), x=0.012, ha="left", fontsize=7.5, color=MUTED)


def _cut(text: str, most: int) -> str:
    """Shorten a text at its end."""
    return text if len(text) <= most else text[: most - 1] + "…"
