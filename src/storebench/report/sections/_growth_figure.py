"""Growth drawn: a panel per cost and task, on log scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator

from storebench.report.byte_axis import byte_axis
from storebench.report.figures import MOST_POINTS, Points, legend_above, panel_grid, segments, series_handle, thinned
from storebench.report.sections._growth_lines import COSTS, Course, Ladder, Line
from storebench.report.style import INK, MUTED, SERIES, log_axis
from storebench.units import exponent_text, ratio_axis_text, seconds_axis_text

_MOST_TASKS: Final = 5
_MOST_SETTINGS: Final = 7
"""Five panels with more lines of five sizes would not fit into 60 kB."""
_MOST_TICKS: Final = 6
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
    panels = _panels(lines)
    settings = list(dict.fromkeys(name for panel in panels for name, _ in panel.courses))[:_MOST_SETTINGS]
    figure, grid = panel_grid(len(panels), columns=3, row_height=2.9)
    steps = {row["size"]: ladder.tick(row) for line in lines if line.setting in settings for row in line.rows}
    for axes, panel in zip(grid, panels, strict=True):
        shown = [(name, course) for name, course in panel.courses if name in settings][: MOST_POINTS // 50]
        _draw_panel(axes, panel, shown, settings, points)
        _dress_sizes(axes, steps)
        _write_exponents(axes, shown, settings)
        _draw_guides(axes)
        axes.set_title(panel.title, pad=5)
        axes.set_xlabel(f"{ladder.unit.capitalize()}s")
    _draw_legend(figure, lines, settings)
    return figure


def _dress_sizes(axes: Axes, steps: Mapping[float, str]) -> None:
    """Give the panel a log axis of sizes, with ticks at the steps of the ladder."""
    log_axis(axes, list(steps), ratio_axis_text, which="x")
    ticks = thinned(sorted(steps), _MOST_TICKS)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([steps[size] for size in ticks]))


def _panels(lines: Sequence[Line]) -> list[_Panel]:
    """Return a panel per cost and task, of each cost the tasks with the most results."""
    names = [name for name in COSTS if any(name in line.courses for line in lines)]
    panels = []
    for name in names:
        by_task: dict[str, list[Line]] = {}
        for line in lines:
            if name in line.courses:
                by_task.setdefault(line.task, []).append(line)
        tasks = sorted(by_task, key=lambda task: (-sum(len(line.rows) for line in by_task[task]), *_place(task)))
        for task in tasks[: _MOST_TASKS if len(names) == 1 else 1]:
            title = task[0].upper() + task[1:] if len(names) == 1 else f"{name.capitalize()}: {task}"
            members = [(line.setting, line.courses[name]) for line in by_task[task]]
            panels.append(_Panel(title, members, _DRESSES[name]))
    return panels


def _place(task: str) -> tuple[bool, bool, str]:
    """Return where a task stands among those of as many results: whole images first."""
    return task != "write", task != "read whole", task


def _dress_seconds(axes: Axes, values: Sequence[float]) -> None:
    log_axis(axes, values, seconds_axis_text, which="y")


def _dress_bytes(axes: Axes, values: Sequence[float]) -> None:
    byte_axis(axes, values, which="y")


def _dress_counts(axes: Axes, values: Sequence[float]) -> None:
    log_axis(axes, values, ratio_axis_text, which="y")


_DRESSES: Final = {"time": _dress_seconds, "memory": _dress_bytes, "bytes": _dress_bytes, "requests": _dress_counts}


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
    """Write each exponent at its line's end, moved apart where two would meet; one text where neighbours have the same."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    left, right = axes.get_xlim()
    axes.set_xlim(left, right * (right / left) ** 0.16)  # room for the numbers
    ends = sorted(
        (
            (math.log(course.points[-1].cost) - low) / (high - low),
            math.log(course.points[-1].size / left) / (1.16 * math.log(right / left)),
            exponent_text(course.exponent.median),
            SERIES[settings.index(name)],
        )
        for name, course in shown
        if course.exponent is not None
    )
    groups: list[list[tuple[float, float, str, str]]] = []
    for end in ends:
        if groups and groups[-1][-1][1:3] == end[1:3] and end[0] - groups[-1][-1][0] < _GAP:
            groups[-1].append(end)
        else:
            groups.append([end])
    heights = _apart([sum(height for height, *_ in group) / len(group) for group in groups])
    for height, group in zip(heights, groups, strict=True):
        _, x, text, colour = group[0]
        axes.annotate(
            text, (x, height), xycoords="axes fraction", xytext=(7, 0), textcoords="offset points", va="center",
            fontsize=7, color=colour if len(group) == 1 else MUTED,
        )  # fmt: skip


def _apart(heights: Sequence[float]) -> list[float]:
    """Return rising heights, as shares of a panel's, moved so far apart that texts fit, and none above the panel."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + _GAP) if moved else height)
    limit = 1 - _GAP / 2
    for place in range(len(moved) - 1, -1, -1):
        moved[place] = min(moved[place], limit)
        limit = moved[place] - _GAP
    return moved


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
