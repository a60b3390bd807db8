"""Compression ratio against time: what is worth its price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.analysis import pareto_front
from storebench.report.charts import CodecFamilies, codec_families, terms_text
from storebench.report.figures import MOST_POINTS, WIDTH, Points, bounds, legend_above, segments, series_handle, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.style import INK, SERIES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record, Setting, View
from storebench.units import bytes_text, ratio_axis_text, ratio_text, seconds_axis_text

_MOST_BARS = 120
"""Of a panel: intervals of more points hide the points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """Compression ratio against one time.

    Attributes
    ----------
    label : str
        Which time.
    points : sequence of (Setting, Record)
        Settings with the row that holds the time, the fastest first.
    front : set of int
        Positions of the rows of the lossless settings that no other lossless one beats on both.
    """

    label: str
    points: Sequence[tuple[Setting, Record]]
    front: set[int]


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no setting has both a time and a ratio."""
    view = story.view
    panels = _panels(view)
    if not panels:
        return
    data = [
        {
            "panel": panel.label,
            "setting": setting.label,
            "compression_ratio": setting.fact("compression_ratio"),
            "median_s": row["median_s"],
            "ci95_low_s": row["ci95_low_s"],
            "ci95_high_s": row["ci95_high_s"],
            "on_front": row["position"] in panel.front,
        }
        for panel in panels
        for setting, row in panel.points
    ]
    finding, points = _finding(panels), Points()
    svg, files = studio.save(_draw(panels, points), "tradeoff", finding, data, groups=list(points.rows))
    about = "One point is one setting. Up is smaller, left is faster; the line joins what no other setting beats."
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


def _panels(view: View) -> list[_Panel]:
    reads = next(iter(view.patterns), None)
    panels = [
        _panel("Write, whole image", [(s, s.write) for s in view.settings]),
        _panel(f"Read, {reads}", [(s, s.reads.get(reads or "")) for s in view.settings]),
    ]
    return [panel for panel in panels if panel is not None]


def _panel(label: str, rows: Sequence[tuple[Setting, Record | None]]) -> _Panel | None:
    points = [(s, row) for s, row in rows if row is not None and (s.fact("compression_ratio") or 0) > 0]
    points.sort(key=lambda point: (point[1]["median_s"], point[0].label))
    if not points:
        return None
    lossless = [(s, row) for s, row in points if s.standing != "lossy"]
    front = pareto_front([row["median_s"] for _, row in lossless], [s.fact("compression_ratio") for s, _ in lossless])
    return _Panel(label=label, points=points, front={lossless[index][1]["position"] for index in front})


def _finding(panels: Sequence[_Panel]) -> str:
    counted = [(panel, sum(setting.standing != "lossy" for setting, _ in panel.points)) for panel in panels]
    words = [f"{len(panel.front)} of {count} for the {panel.label.split(',')[0].lower()}" for panel, count in counted]
    return "Lossless settings that no other beats on both size and time: " + ", ".join(words)


def _draw(panels: Sequence[_Panel], points: Points) -> Figure:
    """Draw compression ratio against time: a colour and a marker per codec family, the Pareto front as a line."""
    families = codec_families(setting.codec for panel in panels for setting, _ in panel.points)
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    grid = figure.subplots(1, max(2, len(panels)), sharey=True, squeeze=False)[0]
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, panel in zip(grid, panels, strict=False):
        _draw_panel(axes, panel, families, points)
    grid[0].set_ylabel("Compression ratio (higher is smaller)")
    handles = [series_handle(index) for index in range(len(families.names))]
    front = Line2D([], [], color=INK, linewidth=1)
    legend_above(figure, [*handles, front], [*families.texts, "Pareto front, lossless"], columns=9)
    return figure


def _draw_panel(axes: Axes, panel: _Panel, families: CodecFamilies, points: Points) -> None:
    front = [
        (row["median_s"], s.fact("compression_ratio")) for s, row in panel.points if row["position"] in panel.front
    ]
    axes.plot([x for x, _ in front], [y for _, y in front], drawstyle="steps-post", color=INK, linewidth=1, zorder=1.5)
    behind = [point for point in panel.points if point[1]["position"] not in panel.front]
    shown = [p for p in panel.points if p[1]["position"] in panel.front] + list(
        thinned(behind, MOST_POINTS // 2 - len(front))
    )
    for index in range(len(families.names)):
        group = [(row, s.fact("compression_ratio")) for s, row in shown if families.place(s.codec) == index]
        if len(shown) <= _MOST_BARS:
            bars = [(low, ratio, high, ratio) for row, ratio in group for low, high in [bounds(row)]]
            segments(axes, bars, color=SERIES[index], linewidth=0.9, alpha=0.55)
        points.series(axes, index, [(row["median_s"], ratio, row["position"]) for row, ratio in group])
    times = [time for _, row in panel.points for time in (*bounds(row), row["median_s"])]
    log_axis(axes, times, seconds_axis_text)
    ratios = [setting.fact("compression_ratio") for setting, _ in panel.points]
    if max(ratios) / min(ratios) > 4:
        log_axis(axes, ratios, ratio_axis_text, which="y")
    axes.set_title(panel.label, pad=5)
    axes.set_xlabel("Time, log scale (left is faster)")


def _table(panel: _Panel) -> Table:
    """Write the settings that are on the front, or else near it: all of them where there are few."""
    rows = [
        [
            Cell(text=setting.label, mark="front" if row["position"] in panel.front else setting.standing),
            Cell(text=ratio_text(setting.fact("compression_ratio"))),
            Cell(text=bytes_text(setting.fact("stored_bytes"))),
            time_cell(row),
        ]
        for setting, row in panel.points
        if row["position"] in panel.front or len(panel.points) <= 60
    ]
    left_out = len(panel.points) - len(rows)
    caption = f"{panel.label}: fastest first" + (
        f"; {left_out} settings behind the front are left out" if left_out else ""
    )
    return Table(caption=caption, columns=["Setting", "Ratio", "Size", "Time"], rows=rows)
