"""Growth drawn: a panel per task for time, then one each for memory, bytes and requests, all on log scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.report.byte_axis import byte_axis
from storebench.report.figures import MOST_POINTS, Points, legend_above, panel_grid, segments, series_handle
from storebench.report.sections._growth_lines import QUANTITIES, Course, Ladder, Line
from storebench.report.style import INK, MARKERS, MUTED, SERIES, log_axis
from storebench.units import exponent_text, ratio_axis_text, seconds_axis_text

_MOST_TASKS: Final = 6
_GAP: Final = 0.055
"""Of a panel's height, between two exponents that stand beside each other's lines."""


class _Panel(NamedTuple):
    title: str
    courses: Sequence[tuple[str, Course]]
    dress: Callable[[Axes, Sequence[float]], None]


def draw(lines: Sequence[Line], ladder: Ladder, points: Points) -> Figure:
    """Draw the lines.

    Parameters
    ----------
    lines : sequence of Line
        At least one.
    ladder : Ladder
        What they grow along.
    points : Points
        Takes the points drawn.
    """
    panels = [*_time_panels(lines), *_other_panels(lines)]
    settings = list(dict.fromkeys(name for panel in panels for name, _ in panel.courses))[: len(MARKERS)]
    figure, grid = panel_grid(len(panels), columns=3, row_height=2.9)
    sizes = [point.size for panel in panels for _, course in panel.courses for point in course.points]
    each = MOST_POINTS // len(panels)
    for axes, panel in zip(grid, panels, strict=True):
        shown = [(name, course) for name, course in panel.courses if name in settings][: each // 8]
        _draw_panel(axes, panel, shown, settings, points)
        log_axis(axes, sizes, ratio_axis_text, which="x")
        _write_exponents(axes, shown, settings)
        _draw_guides(axes)
        axes.set_title(panel.title, pad=5)
        axes.set_xlabel(f"{ladder.unit.capitalize()}s")
    _draw_legend(figure, lines, settings)
    return figure


def _time_panels(lines: Sequence[Line]) -> list[_Panel]:
    by_task: dict[str, list[Line]] = {}
    for line in lines:
        by_task.setdefault(line.task, []).append(line)
    tasks = sorted(by_task.items(), key=lambda item: (-sum(len(line.rows) for line in item[1]), item[0]))
    return [
        _Panel(task[0].upper() + task[1:], [(line.setting, line.time) for line in members], _dress_seconds)
        for task, members in tasks[:_MOST_TASKS]
    ]


def _other_panels(lines: Sequence[Line]) -> list[_Panel]:
    """Return for each of the other costs a panel of the task in which most settings have it."""
    panels = []
    for quantity in QUANTITIES:
        by_task: dict[str, list[tuple[str, Course]]] = {}
        for line in lines:
            if quantity in line.courses:
                by_task.setdefault(line.task, []).append((line.setting, line.courses[quantity]))
        if by_task:
            task = max(sorted(by_task, reverse=True), key=lambda name: len(by_task[name]))
            dress = _dress_counts if quantity == "requests" else _dress_bytes
            panels.append(_Panel(f"{quantity.capitalize()}: {task}", by_task[task], dress))
    return panels


def _dress_seconds(axes: Axes, values: Sequence[float]) -> None:
    log_axis(axes, values, seconds_axis_text, which="y")


def _dress_bytes(axes: Axes, values: Sequence[float]) -> None:
    byte_axis(axes, values, which="y")


def _dress_counts(axes: Axes, values: Sequence[float]) -> None:
    log_axis(axes, values, ratio_axis_text, which="y")


def _draw_panel(
    axes: Axes, panel: _Panel, shown: Sequence[tuple[str, Course]], settings: Sequence[str], points: Points
) -> None:
    for name, course in shown:
        index = settings.index(name)
        xy = [(p.size, p.cost, row["position"]) for p, row in zip(course.points, course.rows, strict=True)]
        axes.plot([x for x, _, _ in xy], [y for _, y, _ in xy], color=SERIES[index], linewidth=1.2)
        bars = [(p.size, p.low, p.size, p.high) for p in course.points if p.low > 0 and math.isfinite(p.high)]
        segments(axes, bars, color=SERIES[index], linewidth=2.2, alpha=0.4)
        points.series(axes, index, xy)
        if course.departure is not None:
            point = course.points[course.departure.index]
            axes.plot([point.size], [point.cost], **_RING)
    panel.dress(
        axes, [cost for _, course in shown for p in course.points for cost in (p.cost, *_bounds(p.low, p.high))]
    )


_RING: Final[dict[str, Any]] = {
    "marker": "o", "markersize": 11, "fillstyle": "none", "color": INK, "linestyle": "", "markeredgewidth": 1.1,
}  # fmt: skip


def _bounds(low: float, high: float) -> tuple[float, ...]:
    return (low, high) if low > 0 and math.isfinite(high) else ()


def _write_exponents(axes: Axes, shown: Sequence[tuple[str, Course]], settings: Sequence[str]) -> None:
    """Write each exponent at its line's end, moved apart where two would meet."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    ends = sorted(
        ((math.log(course.points[-1].cost) - low) / (high - low), name, course.points[-1].size, course.exponent.median)
        for name, course in shown
        if course.exponent is not None
    )
    left, right = axes.get_xlim()
    axes.set_xlim(left, right * (right / left) ** 0.16)  # room for the numbers
    y = -math.inf
    for height, name, size, slope in ends:
        y = max(height, y + _GAP)
        x = math.log(size / left) / (1.16 * math.log(right / left))
        axes.annotate(
            exponent_text(slope), (x, y), xycoords="axes fraction", xytext=(7, 0),
            textcoords="offset points", va="center", fontsize=7, color=SERIES[settings.index(name)],
        )  # fmt: skip


def _draw_guides(axes: Axes) -> None:
    """Draw lines of slope 1 across the panel, a factor of ten apart, a hundred where there would be many."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    first, last = math.floor(math.log10(low / right)), math.ceil(math.log10(high / left))
    step = 1 if last - first <= 8 else 2
    guides = [(left, 10.0**n * left, right, 10.0**n * right) for n in range(first, last + 1, step)]
    segments(axes, guides, color=MUTED, linestyle=":", linewidth=0.9, alpha=0.6, zorder=1.2)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)


def _draw_legend(figure: Figure, lines: Sequence[Line], settings: Sequence[str]) -> None:
    handles: list[Line2D] = [series_handle(index, linestyle="-", linewidth=1.2) for index in range(len(settings))]
    texts = [*settings, "in proportion"]
    handles.append(Line2D([], [], color=MUTED, linestyle=":", linewidth=1.2))
    if any(course.departure for line in lines for course in line.courses.values()):
        handles.append(Line2D([], [], **_RING))
        texts.append("leaves its line")
    legend_above(figure, handles, texts, columns=3)
