"""Format × access pattern: who is fastest at what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.advise.words import listed
from storebench.report.charts import MOST_PATTERNS, pattern_text, read_text, terms_text
from storebench.report.figures import MOST_POINTS, Points, bounds, legend_above, panel_grid, segments, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.style import MUTED, PAPER, SERIES, log_axis
from storebench.report.tables import Cell, Table, marks, time_cell
from storebench.report.views import Setting, View
from storebench.units import seconds_axis_text, seconds_text

_OTHERS: Final[dict[str, Any]] = {"marker": "|", "color": MUTED, "markersize": 5, "markeredgewidth": 0.8, "alpha": 0.6}
_FIRST: Final[dict[str, Any]] = {"marker": "D", "color": SERIES[1], "markersize": 5.5}
_RANKED: Final[dict[str, Any]] = {"marker": "o", "color": SERIES[0], "markersize": 4.5}
_STANDING: Final[dict[str, Any]] = {
    "marker": "o",
    "markersize": 4.5,
    "markerfacecolor": PAPER,
    "markeredgecolor": SERIES[0],
}
"""Hollow: baseline or lossy, not ranked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """Reads of one access pattern.

    Attributes
    ----------
    pattern : str
        Its name.
    by_backend : mapping of str to sequence of Setting
        For each backend all its settings, the fastest first; lossy ones behind the lossless.
    equals : set of int
        Positions of the ranked rows that are not shown to be slower than the fastest.
    """

    pattern: str
    by_backend: Mapping[str, Sequence[Setting]]
    equals: set[int]

    @property
    def ranked(self) -> list[tuple[str, Setting]]:
        """Backends with their fastest setting, the fastest first."""
        firsts = [(name, settings[0]) for name, settings in self.by_backend.items()]
        return sorted(firsts, key=lambda item: (item[1].reads[self.pattern]["median_s"], item[0]))

    @property
    def leaders(self) -> list[str]:
        """The ranked backends that are not shown to be slower than the fastest, the fastest first."""
        return [name for name, s in self.ranked if not s.standing and s.reads[self.pattern]["position"] in self.equals]


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where nothing was read."""
    view = story.view
    panels = _panels(view)
    if not panels:
        return
    # best first in the first panel; those it lacks behind
    backends = list(dict.fromkeys(name for panel in panels for name, _ in panel.ranked))
    data = [
        {
            "pattern": panel.pattern,
            "backend": name,
            "setting": setting.label,
            "median_s": setting.reads[panel.pattern]["median_s"],
            "ci95_low_s": setting.reads[panel.pattern]["ci95_low_s"],
            "ci95_high_s": setting.reads[panel.pattern]["ci95_high_s"],
        }
        for panel in panels
        for name, group in panel.by_backend.items()
        for setting in group
    ]
    finding, points = _finding(panels), Points()
    svg, files = studio.save(_draw(panels, backends, points), "formats", finding, data, groups=list(points.rows))
    yield Section(
        name="formats",
        short="Formats",
        finding=finding,
        about=f"Time of one read by access pattern, log scale; left is faster. {terms_text(view)}",
        svg=svg,
        files=files,
        tables=[_table(view, panels, backends)],
        points=points.rows,
    )


def _panels(view: View) -> list[_Panel]:
    panels = []
    for pattern in view.patterns[:MOST_PATTERNS]:
        groups: dict[str, list[Setting]] = {}
        read = [setting for setting in view.settings if pattern in setting.reads]
        for setting in sorted(read, key=lambda s: (s.standing == "lossy", s.reads[pattern]["median_s"], s.label)):
            groups.setdefault(setting.backend, []).append(setting)
        equals = view.equals(group[0].reads[pattern] for group in groups.values() if not group[0].standing)
        panels.append(_Panel(pattern=pattern, by_backend=groups, equals=equals))
    # what few formats were read by compares little, and is empty for all others
    most = max((len(panel.by_backend) for panel in panels), default=0)
    return [panel for panel in panels if panel.by_backend and len(panel.by_backend) * 3 >= most]


def _finding(panels: Sequence[_Panel]) -> str:
    """Say who is fastest how often; the baseline and lossy settings do not compete, as in the verdicts."""
    contests = [panel for panel in panels if sum(not setting.standing for _, setting in panel.ranked) > 1]
    if not contests:
        name, setting = panels[0].ranked[0]
        time = seconds_text(setting.reads[panels[0].pattern]["median_s"])
        return f"{name}: {read_text(panels[0].pattern)} takes {time} at best"
    n_contests = len(contests)
    leading = Counter(name for panel in contests for name in panel.leaders)
    (first, wins), *_ = sorted(leading.items(), key=lambda item: (-item[1], item[0]))
    alone = sum(panel.leaders == [first] for panel in contests)
    if alone == n_contests:
        return f"{first} is fastest for " + (
            f"all {alone} access patterns" if alone > 1 else read_text(contests[0].pattern)
        )
    if alone == wins:
        return f"No format wins every access pattern: {first} is fastest for {wins} of {n_contests}"
    level = sorted(name for name, count in leading.items() if count == wins)
    names = listed(level, most=4)
    if n_contests == 1:
        return f"No format is shown to be fastest for {read_text(contests[0].pattern)}: {names} lead"
    be = "is" if len(level) == 1 else "are"
    if wins == n_contests:
        front = f"and alone in front in {alone}" if alone else "nor alone in front"
        ahead = f", {front}" if len(level) == 1 else ""
        return f"{names} {be} nowhere shown to be slower than another format ({n_contests} access patterns){ahead}"
    each = "" if len(level) == 1 else " each"
    return f"No format wins every access pattern: {names} {be} not shown to be slower than another in {wins} of {n_contests}{each}"


def _draw(panels: Sequence[_Panel], backends: Sequence[str], points: Points) -> Figure:
    """Draw the time of each access pattern by backend: small multiples, log scale."""
    height = 0.72 + 0.2 * len(backends)
    columns = 3 if len(panels) in (3, 5, 6) else 4
    figure, grid = panel_grid(len(panels), columns=columns, row_height=height, sharey=True)
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel, backends, points, MOST_POINTS * 3 // 4 // len(panels))
    styles = (_FIRST, _RANKED, _STANDING, _OTHERS)
    texts = (
        "lowest median",
        "each format's fastest setting, 95 % interval",
        "not ranked: raw npy, lossy",
        "other settings",
    )
    legend_above(figure, [Line2D([], [], **({"linestyle": ""} | style)) for style in styles], texts)
    return figure


def _draw_panel(axes: Axes, panel: _Panel, backends: Sequence[str], points: Points, most: int) -> None:
    places = {name: len(backends) - 1 - index for index, name in enumerate(backends)}
    every = [
        (row["median_s"], places[name], row["position"])
        for name, group in panel.by_backend.items()
        for row in (setting.reads[panel.pattern] for setting in group[1:])
    ]
    points.draw(axes, thinned(every, max(most - len(panel.by_backend), 8)), **{"markeredgecolor": MUTED} | _OTHERS)
    winner = next((name for name, setting in panel.ranked if not setting.standing), None)
    firsts = [(name, s.reads[panel.pattern], s.standing) for name, s in panel.ranked]
    for style, members in (
        (_STANDING, [(name, row) for name, row, standing in firsts if standing]),
        (_RANKED, [(name, row) for name, row, standing in firsts if not standing and name != winner]),
        (_FIRST, [(name, row) for name, row, _ in firsts if name == winner]),
    ):
        colour = style.get("color", SERIES[0])
        bars = [(low, places[name], high, places[name]) for name, row in members for low, high in [bounds(row)]]
        segments(axes, bars, color=colour, linewidth=1.4)
        points.draw(axes, [(row["median_s"], places[name], row["position"]) for name, row in members], **style)
    times = [x for x, _, _ in every] + [x for _, row, _ in firsts for x in (*bounds(row), row["median_s"])]
    log_axis(axes, times, seconds_axis_text, most=3)
    axes.set_title(pattern_text(panel.pattern), pad=5)
    axes.set_yticks(range(len(backends)), list(reversed(backends)))
    axes.set_ylim(-0.6, len(backends) - 0.4)
    axes.spines["left"].set_visible(False)


def _table(view: View, panels: Sequence[_Panel], backends: Sequence[str]) -> Table:
    """Write each backend's fastest setting by access pattern."""
    rows = [[Cell(text=name)] for name in backends]
    for panel in panels:
        firsts = [(name, panel.by_backend[name][0]) for name in backends if name in panel.by_backend]
        column = [(setting, setting.reads[panel.pattern]) for _, setting in firsts]
        cells = {
            name: (row, mark) for (name, _), (_, row), mark in zip(firsts, column, marks(view, column), strict=True)
        }
        for cell_row, name in zip(rows, backends, strict=True):
            cell_row.append(time_cell(*cells.get(name, (None, ""))))
    return Table(
        caption="Each format's fastest setting by access pattern",
        columns=["Format", *(pattern_text(panel.pattern) for panel in panels)],
        rows=rows,
    )
