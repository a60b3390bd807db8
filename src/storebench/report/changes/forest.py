"""The forest plot: one line per case, its ratio with the interval, and the band within which a change is no change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from storebench.report.changes.model import Changes, effect
from storebench.report.changes.names import CaseName, cases_text
from storebench.report.figures import WIDTH, segments
from storebench.report.section import Section, Studio
from storebench.report.style import FAINT, GRID, INK, MUTED, PAPER, SERIES
from storebench.units import MISSING, change_interval_text, change_text, count_text, percent_axis_text

MOST_ROWS: Final = 40
"""Cases that are drawn at most."""
FEW_ROWS: Final = 24
"""Beside those that changed, the most extreme others up to so many altogether."""

_LOOKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "slower": {"marker": "D", "color": SERIES[1], "markersize": 5.5},
    "faster": {"marker": "^", "color": SERIES[2], "markersize": 6.5},
    "same": {"marker": "o", "color": MUTED, "markersize": 4.5},
    "undecided": {"marker": "o", "color": MUTED, "markersize": 5, "markerfacecolor": PAPER},
}
_TICKS: Final = (0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 2.0, 5.0, 10.0)
_MOST_CHARACTERS: Final = (46, 66)
"""Of a name's two lines in the figure; the tables have them whole."""
_LINE_INCHES: Final = 0.33
_EDGES_INCHES: Final = (0.5, 0.45)
"""Above and below the lines."""
_SPREAD_LIMIT: Final = math.log(20)
"""The scale ends at 20 times and a 20th; an interval that goes on is cut there."""


def make(changes: Changes, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no case has a ratio."""
    rows, n_left_out = _chosen(changes)
    if not rows:
        return
    data = [
        {
            name: row[name]
            for name in ("case_id", "a_s", "b_s", "ratio", "ratio_low", "ratio_high", "a_n", "b_n", "verdict", "noisy")
        }
        for row in changes.rows("slower", "faster", "undecided", "same")
    ]
    figure = draw_forest(rows, [changes.name(row["case_id"]) for row in rows], changes.summary["margin"])
    finding = _finding(changes)
    svg, files = studio.save(figure, "changes", finding, data)
    summary = changes.summary
    drawn = "All that changed and the most extreme others are drawn"
    if summary["n_slower"] + summary["n_faster"] > MOST_ROWS:
        found = [(sum(row["verdict"] == verdict for row in rows), verdict) for verdict in ("slower", "faster")]
        drawn = f"The most extreme {' and '.join(f'{count_text(n)} {verdict}' for n, verdict in found if n)} are drawn"
    left_out = f" {drawn}; the tables have the other {cases_text(n_left_out)}." if n_left_out else ""
    about = (
        "Newer ÷ older, log scale; right of the middle is slower. The bar is the "
        f"{percent_axis_text(summary['confidence'])} interval of the ratio, the shaded band is "
        f"± {percent_axis_text(summary['margin'])}.{left_out}"
    )
    yield Section(name="forest", short="How much", finding=finding, about=about, svg=svg, files=files)


def _chosen(changes: Changes) -> tuple[list[Mapping[str, Any]], int]:
    """Return the rows that are drawn, the slowest first, and how many are not; of either verdict the most extreme are."""
    slower, faster = ([row for row in changes.rows(verdict) if row["ratio"]] for verdict in ("slower", "faster"))
    half = MOST_ROWS // 2
    changed = [*slower[: max(half, MOST_ROWS - len(faster))], *faster[: max(half, MOST_ROWS - len(slower))]]
    others = [row for row in changes.rows("undecided", "same") if row["ratio"]]
    room = max(FEW_ROWS - len(changed), 0)
    shown = [*changed, *others[:room]]
    return sorted(shown, key=lambda row: (-row["ratio"], row["case_id"])), changes.summary.get("n_matched", 0) - len(
        shown
    )


def _finding(changes: Changes) -> str:
    """Say what the largest shown change is, each way."""
    parts = [
        f"up to {_time_text(rows[0]['ratio'])} ({changes.name(rows[0]['case_id']).title})"
        for verdict in ("slower", "faster")
        if (rows := [row for row in changes.rows(verdict) if row["ratio"]])
    ]
    if parts:
        return f"The newer takes {' and '.join(parts)}"
    decided = changes.summary["n_same"]
    if not decided:
        return "No case is decided: every interval reaches beyond the margin"
    widest = max((row for row in changes.rows("same")), key=effect)
    stay = "stays" if decided == 1 else "stay"
    return f"No change is shown; {cases_text(decided)} {stay} within the margin, the furthest off by {change_text(widest['ratio'])}"


def _time_text(ratio: float) -> str:
    """Write a ratio of times without a sign, as in "79.5 % less time"; from twice as much on as a multiple."""
    text = change_text(ratio)
    if text.startswith("x"):
        return f"{text.removeprefix('x')} times as long"
    return f"{text.lstrip('+-')} {'more' if ratio > 1 else 'less'} time"


def draw_forest(rows: Sequence[Mapping[str, Any]], names: Sequence[CaseName], margin: float) -> Figure:
    """Draw rows of a comparison, the first on top, with their names on the left and their numbers on the right."""
    above, below = _EDGES_INCHES
    height = len(rows) * _LINE_INCHES + above + below
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.36, below / height, 0.37, 1 - (above + below) / height))
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.axvspan(1 / (1 + margin), 1 + margin, color=GRID, linewidth=0, zorder=0)
    axes.axvline(1, color=FAINT, linewidth=1, zorder=1)
    _ratio_axis(axes, rows)
    for verdict, look in _LOOKS.items():
        _draw_verdict(axes, [(y, row) for y, row in enumerate(rows) if row["verdict"] == verdict], look)
    for y, (row, name) in enumerate(zip(rows, names, strict=True)):
        _write_line(axes, y, row, name)
    handles: list[Any] = [Line2D([], [], linestyle="", **look) for look in _LOOKS.values()]
    handles.append(Patch(color=GRID, linewidth=0))
    texts = [*_LOOKS, f"within {percent_axis_text(margin)}"]
    figure.legend(
        handles, texts, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=5, handletextpad=0.3, columnspacing=1.6
    )
    return figure


def _draw_verdict(axes: Axes, placed: Sequence[tuple[int, Mapping[str, Any]]], look: Mapping[str, Any]) -> None:
    low, high = axes.get_xlim()
    ends = [
        (max(row["ratio_low"], low), y, min(row["ratio_high"], high), y)
        for y, row in placed
        if row["ratio_low"] is not None and row["ratio_high"] is not None
    ]
    segments(axes, ends, color=look["color"], linewidth=1.5, zorder=2)
    xs = [min(max(row["ratio"], low), high) for _, row in placed]
    axes.plot(xs, [y for y, _ in placed], linestyle="", zorder=3, clip_on=False, **look)


def _write_line(axes: Axes, y: int, row: Mapping[str, Any], name: CaseName) -> None:
    """Write a case's name in two lines on the left, its change and its verdict on the right."""
    place = axes.get_yaxis_transform()
    title, detail = (_cut(text, most) for text, most in zip((name.title, name.detail), _MOST_CHARACTERS, strict=True))
    shown = row["verdict"] in ("slower", "faster")
    axes.text(-0.97, y - 0.17, title, transform=place, va="center", weight="bold" if shown else "normal")
    axes.text(-0.97, y + 0.22, detail, transform=place, va="center", color=MUTED, fontsize=7.3)
    interval = change_interval_text(row["ratio_low"], row["ratio_high"])
    numbers = change_text(row["ratio"]) + ("  no interval" if interval == MISSING else f"  ({interval})")
    colour = _LOOKS[row["verdict"]]["color"] if shown else MUTED
    axes.text(1.03, y - 0.17, numbers, transform=place, va="center", color=INK if shown else MUTED)
    noisy = ", noisy" if row["noisy"] else ""
    axes.text(1.03, y + 0.22, row["verdict"] + noisy, transform=place, va="center", color=colour, fontsize=7.3)


def _cut(text: str, most: int) -> str:
    """Shorten a name in its middle."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def _ratio_axis(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give the axis a log scale around 1 that fits the intervals, with changes as ticks."""
    values = [row[name] for row in rows for name in ("ratio", "ratio_low", "ratio_high") if row[name]]
    reach = min(max((abs(math.log(value)) for value in values), default=0.0) * 1.06, _SPREAD_LIMIT)
    reach = max(reach, math.log(1.12))  # a narrower scale would make noise look like news
    axes.set_xscale("log")
    axes.set_xlim(math.exp(-reach), math.exp(reach))
    step = 0.2 * reach
    ticks: list[float] = [1.0]
    for side in (_TICKS[_TICKS.index(1.0) + 1 :], _TICKS[: _TICKS.index(1.0)][::-1]):
        last = 0.0
        for tick in side:
            distance = abs(math.log(tick))
            if distance <= reach * 0.99 and distance - last >= step:
                ticks.append(tick)
                last = distance
    axes.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
    axes.xaxis.set_major_formatter(FixedFormatter([_tick_text(tick) for tick in sorted(ticks)]))
    axes.xaxis.set_minor_locator(NullLocator())


def _tick_text(ratio: float) -> str:
    if ratio == 1:
        return "0 %"
    return (
        f"x{count_text(ratio)}"
        if ratio >= 2
        else f"{'+' if ratio > 1 else '-'}{percent_axis_text(round(abs(ratio - 1), 2))}"
    )
