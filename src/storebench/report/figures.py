"""The figures, drawn with matplotlib from what charts.py picked. Each returns a Figure; nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from storebench.report.charts import (
    ChunkChart,
    FormatChart,
    FormatPanel,
    TradeChart,
    TradePanel,
    codec_family,
    pattern_text,
)
from storebench.report.style import INK, MARKERS, MUTED, PAPER, SERIES, SIZES, log_axis
from storebench.report.tables import HEAT_LIMITS, heat_level
from storebench.report.views import Record
from storebench.report.voxels import ReadCost, Role, voxel_pieces
from storebench.units import ratio_axis_text, seconds_axis_text, seconds_text, times_text

WIDTH = 10.4  # inches: 749 points, close to the page's own pixels, so that text keeps its size
MOST_POINTS = 2000
HEAT = ("#f1f6fc", "#dce9f6", "#c3daee", "#a3c6e3", "#2f76b4", "#1f639f", "#144c82", "#0b3361")
_VOXELS: dict[Role, dict[str, Any]] = {
    "image": {"facecolor": "#f4f6f8", "edgecolor": "#57606a", "linewidth": 0.6},
    "grid": {"color": "#57606a", "linewidth": 0.25, "alpha": 0.65},
    "decoded": {"facecolor": "#d9860f61", "edgecolor": "#8a5200", "linewidth": 0.7},
    "decoded-grid": {"color": "#8a5200", "linewidth": 0.45},
    "asked": {"facecolor": "#b3261e", "edgecolor": "#4d0f0b", "linewidth": 0.5, "color": "#4d0f0b"},
}


def _thinned(values: Sequence[Any], most: int) -> Sequence[Any]:
    """Return every n-th of too many points: drawing all of 5,000 costs half a megabyte and shows no more."""
    return values[:: -(-len(values) // most)] if len(values) > most else values


def _handle(index: int) -> Line2D:
    """Return a legend's entry of one series."""
    return Line2D([], [], marker=MARKERS[index], color=SERIES[index], linestyle="", markersize=SIZES[index])


def _bounds(row: Record) -> tuple[float, float]:
    """Return the interval of a median; the median itself where there is none."""
    return row["ci95_low_s"] or row["median_s"], row["ci95_high_s"] or row["median_s"]


def draw_formats(chart: FormatChart) -> Figure:
    """Draw the time of each access pattern by backend: small multiples, log scale."""
    columns = min(4, len(chart.panels))
    rows = -(-len(chart.panels) // columns)
    height = rows * (0.72 + 0.2 * len(chart.backends)) + 0.45
    figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.06))
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    most = MOST_POINTS // len(chart.panels)
    for index, axes in enumerate(grid.flat):
        if index >= len(chart.panels):
            axes.remove()
            continue
        _draw_format_panel(axes, chart.panels[index], chart.backends, most)
    handles = [
        Line2D([], [], marker="D", color=SERIES[1], linestyle="", markersize=5.5),
        Line2D([], [], marker="o", color=SERIES[0], linestyle="", markersize=4.5),
        Line2D([], [], marker="o", color=SERIES[0], markerfacecolor=PAPER, linestyle="", markersize=4.5),
        Line2D([], [], marker="|", color=MUTED, linestyle="", markersize=6, alpha=0.6),
    ]
    texts = [
        "lowest median",
        "each format's fastest setting, 95 % interval",
        "not ranked: raw npy, lossy",
        "other settings",
    ]
    figure.legend(handles, texts, loc="outside upper left", ncols=4, handletextpad=0.2, columnspacing=1.6)
    return figure


def _draw_format_panel(axes: Axes, panel: FormatPanel, backends: Sequence[str], most: int) -> None:
    places = {name: len(backends) - 1 - index for index, name in enumerate(backends)}
    every = [
        (s.reads[panel.pattern]["median_s"], places[name])
        for name, group in panel.by_backend.items()
        for s in group[1:]
    ]
    shown = _thinned(every, most)
    axes.plot(
        [x for x, _ in shown], [y for _, y in shown], "|", color=MUTED, alpha=0.6, markersize=5, markeredgewidth=0.8
    )
    bounds: list[float] = [x for x, _ in every]
    for name, setting in panel.ranked:
        row, first = setting.reads[panel.pattern], name == panel.winner
        low, high = _bounds(row)
        bounds += [low, high, row["median_s"]]
        colour = SERIES[1] if first else SERIES[0]
        axes.plot([low, high], [places[name]] * 2, color=colour, linewidth=1.4, solid_capstyle="butt")
        face = PAPER if setting.standing else colour  # hollow: baseline or lossy, not ranked
        marker, size = ("D", 5.5) if first else ("o", 4.5)
        axes.plot([row["median_s"]], [places[name]], marker, color=colour, markersize=size, markerfacecolor=face)
    log_axis(axes, bounds, seconds_axis_text, most=3)
    axes.set_title(pattern_text(panel.pattern), pad=5)
    axes.set_yticks(range(len(backends)), list(reversed(backends)))
    axes.set_ylim(-0.6, len(backends) - 0.4)
    axes.spines["left"].set_visible(False)


def draw_trade(chart: TradeChart) -> Figure:
    """Draw compression ratio against time: a colour and a marker per codec family, the Pareto front as a line."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    grid = figure.subplots(1, max(2, len(chart.panels)), sharey=True, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index >= len(chart.panels):
            axes.remove()
            continue
        _draw_trade_panel(axes, chart.panels[index], chart.families)
    grid.flat[0].set_ylabel("Compression ratio (higher is smaller)")
    handles = [_handle(index) for index in range(len(chart.families))]
    handles.append(Line2D([], [], color=INK, linewidth=1))
    more = chart.n_families - len(chart.families)  # families beyond the palette share its last entry
    texts = [*chart.families, "Pareto front, lossless"]
    texts[len(chart.families) - 1] += f" and {more} more" if more else ""
    figure.legend(handles, texts, loc="outside upper left", ncols=9, handletextpad=0.2, columnspacing=1.3)
    return figure


def _draw_trade_panel(axes: Axes, panel: TradePanel, families: Sequence[str]) -> None:
    ratios = [setting.fact("compression_ratio") for setting, _ in panel.points]
    times = [bound for _, row in panel.points for bound in (*_bounds(row), row["median_s"])]
    shown = _thinned(panel.points, MOST_POINTS // 2)
    for index in range(len(families)):
        group = [p for p in shown if _family_place(p[0].codec, families) == index]
        bars = [[(x, s.fact("compression_ratio")) for x in _bounds(row)] for s, row in group]
        axes.add_collection(LineCollection(bars, colors=SERIES[index], linewidths=0.9, alpha=0.55))
        xy = [(row["median_s"], s.fact("compression_ratio")) for s, row in group]
        axes.plot(
            [x for x, _ in xy], [y for _, y in xy], MARKERS[index], color=SERIES[index], markersize=SIZES[index],
            markeredgecolor=PAPER, markeredgewidth=0.4,
        )  # fmt: skip
    front = [(row["median_s"], s.fact("compression_ratio")) for s, row in panel.points if s in panel.front]
    axes.plot([x for x, _ in front], [y for _, y in front], drawstyle="steps-post", color=INK, linewidth=1, zorder=1.5)
    log_axis(axes, times, seconds_axis_text)
    if max(ratios) / min(ratios) > 4:
        log_axis(axes, ratios, ratio_axis_text, which="y")
    axes.set_title(panel.label, pad=5)
    axes.set_xlabel("Time, log scale (left is faster)")


def _family_place(codec: str, families: Sequence[str]) -> int:
    family = codec_family(codec)
    return list(families).index(family) if family in families else len(families) - 1


def draw_heat(chart: ChunkChart) -> Figure:
    """Draw chunk shape × access pattern as coloured cells, for papers (the page has a real table)."""
    n_rows, n_columns = len(chart.settings), len(chart.patterns)
    figure = Figure(figsize=(WIDTH, 0.34 * n_rows + 1.0), layout="constrained")
    axes = figure.subplots()
    for y, setting in enumerate(chart.settings):
        for x, pattern in enumerate(chart.patterns):
            row = setting.reads.get(pattern)
            times = chart.times_best(setting, pattern)
            level = heat_level(times)
            best = chart.best(pattern) is setting
            fill, line = "none" if level is None else HEAT[level], 1.8 if best else 0
            axes.add_patch(Rectangle((x + 0.02, y + 0.04), 0.96, 0.92, linewidth=line, facecolor=fill, edgecolor=INK))
            text = seconds_text(row["median_s"] if row else None) + (
                f"  {times_text(times)}" if times and not best else ""
            )
            ink = "#ffffff" if level is not None and level > 3 else INK
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, weight="bold" if best else "normal")
    axes.set(xlim=(0, n_columns), ylim=(n_rows, 0))
    axes.set_xticks([x + 0.5 for x in range(n_columns)], [pattern_text(name) for name in chart.patterns])
    axes.set_yticks([y + 0.5 for y in range(n_rows)], [setting.layout_text for setting in chart.settings])
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(f"Median and times the best of the column (boxed). {chart.backend}, {chart.codec}", pad=22)
    return figure


def draw_amplification(chart: ChunkChart) -> Figure:
    """Draw voxels decoded, bytes fetched and measured time side by side, by chunk shape and pattern."""
    figure = Figure(figsize=(WIDTH, 0.42 * len(chart.settings) + 1.25), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    patterns = [name for name in chart.patterns if name != "whole"][: len(MARKERS)] or list(chart.patterns)
    titles = ("Predicted: voxels decoded ÷ asked", "Counted: bytes fetched ÷ asked", "Measured: time")
    texts = (ratio_axis_text, ratio_axis_text, seconds_axis_text)
    for axes, title, text, value in zip(panels, titles, texts, (_amplification, _fetched, _time), strict=True):
        drawn: list[float] = []
        for index, pattern in enumerate(patterns):
            # a little apart, so that equal values stay visible
            shift = (index - (len(patterns) - 1) / 2) * 0.62 / len(patterns)
            rows = [(s.reads[pattern], y) for y, s in enumerate(chart.settings) if pattern in s.reads]
            xy = [(x, y + shift) for row, y in rows if (x := value(row)) is not None and x > 0]
            drawn += [x for x, _ in xy]
            style = {"color": SERIES[index], "markersize": SIZES[index] - 0.5, "linestyle": ""}
            axes.plot([x for x, _ in xy], [y for _, y in xy], marker=MARKERS[index], **style)
        if drawn:
            log_axis(axes, drawn, text, most=5)
        axes.set_title(title, pad=5)
        axes.spines["left"].set_visible(False)
    panels[0].set_yticks(range(len(chart.settings)), [setting.layout_text for setting in chart.settings])
    panels[0].set_ylim(len(chart.settings) - 0.5, -0.5)
    handles = [_handle(index) for index in range(len(patterns))]
    names = [pattern_text(name) for name in patterns]
    figure.legend(handles, names, loc="outside upper left", ncols=8, handletextpad=0.2, columnspacing=1.5)
    return figure


def _amplification(row: Record) -> float | None:
    value: float | None = row["read_amplification"]
    return value


def _fetched(row: Record) -> float | None:
    return row["fetched_bytes"] / row["asked_bytes"] if row["fetched_bytes"] and row["asked_bytes"] else None


def _time(row: Record) -> float | None:
    value: float | None = row["median_s"]
    return value


def draw_voxels(costs: Sequence[ReadCost]) -> Figure:
    """Draw the isometric chunk pictures beside each other, for papers (the page has its own SVG)."""
    figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
    for axes, cost in zip(figure.subplots(1, len(costs), squeeze=False).flat, costs, strict=True):
        for order, piece in enumerate(voxel_pieces(cost.shape, cost.chunk_shape, cost.region)):
            style = dict(_VOXELS[piece.role])
            if piece.closed:
                style.pop("color", None)
                axes.add_collection(PolyCollection([piece.points], zorder=2 + order / 1000, **style))
            else:
                line = {"colors": style["color"], "linewidths": style["linewidth"], "alpha": style.get("alpha")}
                axes.add_collection(LineCollection([piece.points], zorder=2 + order / 1000, **line))
        axes.autoscale_view()
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set_title(f"{cost.asked} voxels asked, {cost.decoded} decoded ({cost.chunks} chunks)")
    return figure


def heat_scale() -> list[str]:
    """Return the words of the heat map's colour scale, fastest first."""
    texts = [f"up to {times_text(limit)}" for limit in HEAT_LIMITS if math.isfinite(limit)]
    return [*texts, "more"]
