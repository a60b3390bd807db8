"""Compression ratio against time: what is worth its price."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.advise.candidates import costs_of
from storebench.advise.scoring import read_mix
from storebench.advise.words import listed
from storebench.analysis import pareto_front
from storebench.report.charts import CodecFamilies, codec_families, pattern_text, terms_text
from storebench.report.figures import MOST_POINTS, WIDTH, Points, bounds, legend_above, segments, series_handle, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.style import INK, MUTED, PAPER, SERIES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record, Setting
from storebench.units import bytes_text, percent_text, ratio_axis_text, ratio_text, seconds_axis_text, seconds_text

_MOST_BARS: Final = 120
"""Of a panel: intervals of more points hide the points."""
_MOST_ROWS: Final = 60
_HOLLOW: Final[dict[str, Any]] = {"markerfacecolor": PAPER, "markeredgewidth": 1.1}
_RING: Final[dict[str, Any]] = {
    "linestyle": "", "marker": "o", "markersize": 13, "markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 1.4,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """One setting.

    Attributes
    ----------
    setting : Setting
        Which one.
    ratio : float
        Compression ratio.
    time_s : float
        Median, or the mean of several reads' medians.
    row : Record
        That holds the time; of a mean the row of the read that counts most.
    is_mean : bool
        Whether the time is a mean: then the row's interval is not its own.
    """

    setting: Setting
    ratio: float
    time_s: float
    row: Record
    is_mean: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """Interval of the time, seconds; the time itself where there is none."""
        return (self.time_s, self.time_s) if self.is_mean else bounds(self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """Compression ratio against one time.

    Attributes
    ----------
    label : str
        Which time.
    points : sequence of _Point
        The fastest first.
    front : set of str
        Labels of the ranked settings that no other ranked one beats on both: neither lossy nor the baseline.
    """

    label: str
    points: Sequence[_Point]
    front: set[str]

    @property
    def shown(self) -> Sequence[_Point]:
        """The points drawn: the front, and of the others as many as fit."""
        front = [point for point in self.points if point.setting.label in self.front]
        behind = [point for point in self.points if point.setting.label not in self.front]
        return [*front, *thinned(behind, MOST_POINTS // 2 - len(front))]

    @property
    def bars(self) -> Sequence[_Point]:
        """The points drawn with their interval."""
        return [p for p in self.shown if p.ends[0] < p.ends[1]] if len(self.shown) <= _MOST_BARS else []


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no setting has both a time and a ratio."""
    view, weights = story.view, _weights(story)
    panels = [
        panel
        for panel in (
            _panel("Write, whole image", [_written(setting) for setting in view.settings]),
            _panel(f"Read, {_mix_text(weights)}", _read_points(story, weights)),
        )
        if panel is not None
    ]
    if not panels:
        return
    data = [
        {
            "panel": panel.label,
            "setting": point.setting.label,
            "compression_ratio": point.ratio,
            "median_s": point.time_s,
            "ci95_low_s": None if point.is_mean else point.row["ci95_low_s"],
            "ci95_high_s": None if point.is_mean else point.row["ci95_high_s"],
            "on_front": point.setting.label in panel.front,
            "is_answer": point.setting.label == _winner(story),
        }
        for panel in panels
        for point in panel.points
    ]
    fronts, points = _fronts(panels), Points()
    bare = f"Lossless settings that no other beats on both size and time: {fronts}"
    finding = bare if story.answer is None else story.answer.finding
    svg, files = studio.save(_draw(panels, story, points), "tradeoff", finding, data, groups=list(points.rows))
    about = (
        "One point is one setting. Up is smaller, left is faster; the line joins what no other lossless setting beats on both "
        f"({fronts}).{_aside_text(panels)}{_mean_text(weights)}{_bars_text(panels)}"
    )
    yield Section(
        name="tradeoff",
        short="Size against time",
        finding=finding,
        about=f"{about} {terms_text(view)}",
        svg=svg,
        files=files,
        tables=[_table(panel) for panel in panels],
        points=points.rows,
    )


def _winner(story: Story) -> str | None:
    """Return the label of the answer's first setting: what stands at the top of the page is ringed here."""
    return None if story.answer is None else story.answer.first.label


def _weights(story: Story) -> dict[str, float]:
    """Return the mix of reads that the answer weighs; without one the first access pattern alone."""
    if story.answer is not None and any(story.answer.priorities.reads.values()):
        return {name: weight for name, weight in story.answer.priorities.reads.items() if weight > 0}
    return dict.fromkeys(story.view.patterns[:1], 1.0)


def _mix_text(weights: Mapping[str, float]) -> str:
    return f"mean of {len(weights)} patterns" if len(weights) > 1 else pattern_text(next(iter(weights), ""))


def _mean_text(weights: Mapping[str, float]) -> str:
    return (
        f" A read is the mean of the mix: {_shares_text(weights)}; a mean has no interval." if len(weights) > 1 else ""
    )


def _bars_text(panels: Sequence[_Panel]) -> str:
    return " A bar is the 95 % interval." if any(panel.bars for panel in panels) else ""


def _aside(panels: Sequence[_Panel]) -> list[str]:
    """Return in words what is drawn and not ranked."""
    found = {point.setting.standing for panel in panels for point in panel.points}
    return [text for standing, text in (("lossy", "lossy"), ("baseline", "raw npy")) if standing in found]


def _aside_text(panels: Sequence[_Panel]) -> str:
    return " Raw npy, for comparison, is not ranked." if "raw npy" in _aside(panels) else ""


def _shares_text(weights: Mapping[str, float]) -> str:
    """Name the patterns of a mix; their shares too where they differ."""
    total = sum(weights.values())
    if len(set(weights.values())) == 1:
        return f"{listed(map(pattern_text, weights))} alike"
    return listed(f"{percent_text(weight / total)} {pattern_text(name)}" for name, weight in weights.items())


def _written(setting: Setting) -> _Point | None:
    return _point(setting, setting.write)


def _point(setting: Setting, row: Record | None, mean_s: float | None = None) -> _Point | None:
    ratio = setting.fact("compression_ratio") or 0
    if row is None or ratio <= 0:
        return None
    time_s = row["median_s"] if mean_s is None else mean_s
    return _Point(setting=setting, ratio=ratio, time_s=time_s, row=row, is_mean=mean_s is not None)


def _read_points(story: Story, weights: Mapping[str, float]) -> list[_Point | None]:
    """Return the settings by the time of one pattern, or by the mean that the answer ranks by."""
    settings = story.view.settings
    if story.answer is None or len(weights) <= 1:
        return [_point(s, s.reads.get(name)) for name in weights for s in settings]
    most = max(weights, key=lambda name: weights[name])
    candidates = story.answer.candidates
    means = read_mix(costs_of(candidates, weights), weights)
    known = {c.label: float(mean) for c, mean in zip(candidates, means, strict=True) if math.isfinite(mean)}
    return [_point(s, s.reads.get(most), known[s.label]) for s in settings if s.label in known]


def _panel(label: str, found: Iterable[_Point | None]) -> _Panel | None:
    points = sorted((point for point in found if point is not None), key=lambda p: (p.time_s, p.setting.label))
    if not points:
        return None
    ranked = [point for point in points if not point.setting.standing]
    front = pareto_front([point.time_s for point in ranked], [point.ratio for point in ranked])
    return _Panel(label=label, points=points, front={ranked[index].setting.label for index in front})


def _fronts(panels: Sequence[_Panel]) -> str:
    counted = [(panel, sum(not point.setting.standing for point in panel.points)) for panel in panels]
    return ", ".join(
        f"{len(panel.front)} of {count} for the {panel.label.split(',')[0].lower()}" for panel, count in counted
    )


def _draw(panels: Sequence[_Panel], story: Story, points: Points) -> Figure:
    """Draw compression ratio against time: a colour and a marker per codec family, the Pareto front as a line."""
    families, winner = codec_families(story.views), _winner(story)
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    grid = figure.subplots(1, max(2, len(panels)), sharey=True, squeeze=False)[0]
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, panel in zip(grid, panels, strict=False):
        _draw_panel(axes, panel, families, points)
        ringed = [(point.time_s, point.ratio) for point in panel.points if point.setting.label == winner]
        axes.plot([x for x, _ in ringed], [y for _, y in ringed], **_RING)
    ratios = [point.ratio for panel in panels for point in panel.points]
    if max(ratios) / min(ratios) > 4:
        log_axis(grid[0], ratios, ratio_axis_text, which="y")
    grid[0].set_ylabel("Compression ratio (higher is smaller)")
    legend = families.legend(point.setting.codec for panel in panels for point in panel.points)
    hollow = ", ".join(_aside(panels))
    handles = [series_handle(index) for index in legend]
    handles += [series_handle(0, **_HOLLOW, color=MUTED)] if hollow else []
    handles += [Line2D([], [], color=INK, linewidth=1), *([Line2D([], [], **_RING)] if winner else [])]
    texts = [*legend.values(), *([f"hollow, not ranked: {hollow}"] if hollow else []), "Pareto front, lossless"]
    legend_above(figure, handles, [*texts, *([f"the answer: {winner}"] if winner else [])], columns=6)
    return figure


def _draw_panel(axes: Axes, panel: _Panel, families: CodecFamilies, points: Points) -> None:
    front = [point for point in panel.points if point.setting.label in panel.front]
    steps = [(point.time_s, point.ratio) for point in front]
    axes.plot([x for x, _ in steps], [y for _, y in steps], drawstyle="steps-post", color=INK, linewidth=1, zorder=1.5)
    places = {point.setting.codec: families.place(point.setting.codec) for point in panel.points}
    for index in sorted(set(places.values())):
        group = [point for point in panel.shown if places[point.setting.codec] == index]
        bars = [(p.ends[0], p.ratio, p.ends[1], p.ratio) for p in panel.bars if places[p.setting.codec] == index]
        segments(axes, bars, color=SERIES[index], linewidth=0.9, alpha=0.55)
        for aside, style in ((False, {}), (True, _HOLLOW | {"markeredgecolor": SERIES[index]})):
            some = [p for p in group if bool(p.setting.standing) == aside]
            points.series(axes, index, [(p.time_s, p.ratio, p.row["position"]) for p in some], **style)
    log_axis(axes, [time for point in panel.points for time in (*point.ends, point.time_s)], seconds_axis_text)
    axes.set_title(panel.label, pad=5)
    axes.set_xlabel("Time, log scale (left is faster)")


def _table(panel: _Panel) -> Table:
    """Write the settings that are on the front, or else near it: all of them where there are few."""
    rows = [
        [
            Cell(text=p.setting.label, mark="front" if p.setting.label in panel.front else p.setting.standing),
            Cell(text=ratio_text(p.ratio)),
            Cell(text=bytes_text(p.setting.fact("stored_bytes"))),
            Cell(text=seconds_text(p.time_s), detail="mean") if p.is_mean else time_cell(p.row),
        ]
        for p in panel.points
        if p.setting.label in panel.front or len(panel.points) <= _MOST_ROWS
    ]
    left_out = len(panel.points) - len(rows)
    caption = f"{panel.label}: fastest first" + (
        f"; {left_out} settings behind the front are left out" if left_out else ""
    )
    return Table(caption=caption, columns=["Setting", "Ratio", "Size", "Time"], rows=rows)
