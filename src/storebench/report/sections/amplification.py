"""What geometry predicts, what the store was asked for, what the clock says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from storebench.analysis import span
from storebench.report.charts import pattern_text, terms_text
from storebench.report.figures import WIDTH, Points, legend_above, series_handle, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._families import ChunkChart, chunk_chart
from storebench.report.style import MARKERS, SIZES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record, Setting
from storebench.units import (
    bytes_text,
    count_text,
    ratio_axis_text,
    seconds_axis_text,
    seconds_text,
    times_text,
)

_FACTS: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = {
    "chunks_touched": ("Chunks", count_text),
    "voxels_asked": ("Voxels asked", count_text),
    "voxels_decoded": ("Voxels decoded", count_text),
    "read_amplification": ("Amplification", times_text),
    "asked_bytes": ("Bytes asked", bytes_text),
    "fetched_bytes": ("Bytes fetched", bytes_text),
    "requests": ("Requests", count_text),
}
_MOST_LAYOUTS: Final = 24


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no part of the image was read with two chunk shapes, or nothing was counted."""
    chart = chunk_chart(story.view)
    if chart is None or not any(_amplification(s.reads[p]) for s in chart.settings for p in s.reads if p != "whole"):
        return
    data = [
        {
            "chunks": setting.layout_text,
            "pattern": pattern,
            **{name: setting.reads[pattern][name] for name in (*_FACTS, "median_s")},
        }
        for setting in chart.settings
        for pattern in chart.patterns
        if pattern in setting.reads
    ]
    shown, finding, points = thinned(chart.settings, _MOST_LAYOUTS), _finding(chart), Points()
    figure = _draw(chart, shown, points)
    svg, files = studio.save(figure, "amplification", finding, data, groups=list(points.rows))
    about = (
        "What the chunk grid predicts, what the store was asked for, what the clock says; log scales. "
        f"{chart.subject} throughout."
    )
    yield Section(
        name="amplification",
        short="Read amplification",
        finding=finding,
        about=f"{about} {terms_text(story.view)}",
        svg=svg,
        files=files,
        tables=[_table(chart, shown)],
        points=points.rows,
    )


def _finding(chart: ChunkChart) -> str:
    """Say on which pattern decoding too much is shown to cost the most time."""
    spreads = []
    for pattern in (name for name in chart.patterns if name != "whole"):
        rows = [(s.reads[pattern], s.layout_text) for s in chart.settings if pattern in s.reads]
        known = sorted(
            ((row["median_s"], row["read_amplification"], name, row) for row, name in rows if _amplification(row)),
            key=lambda item: item[:3],
        )
        if len(known) > 1 and known[-1][1] > known[0][1] and span(known[0][3])[1] < span(known[-1][3])[0]:
            spreads.append((known[-1][0] / known[0][0], pattern, known[-1], known[0]))
    if not spreads:
        return "No access pattern is shown to be slower because more voxels were decoded"
    _, pattern, *ends = max(spreads, key=lambda item: item[:2])
    parts = [
        f"chunks of {layout} decode {times_text(amplification)} the voxels asked for and take {seconds_text(median_s)}"
        for median_s, amplification, layout, _ in ends
    ]
    name = pattern_text(pattern)
    return f"{name[0].upper()}{name[1:]}: {parts[0]}; {parts[1].replace(' the voxels asked for', '')}"


def _draw(chart: ChunkChart, settings: Sequence[Setting], points: Points) -> Figure:
    """Draw voxels decoded, bytes fetched and measured time side by side, by chunk shape and pattern."""
    patterns = [name for name in chart.patterns if name != "whole"][: len(MARKERS)]
    panels = [
        panel
        for panel in (
            ("Predicted: voxels decoded ÷ asked", ratio_axis_text, _amplification),
            ("Counted: bytes fetched ÷ asked", ratio_axis_text, _fetched),
            ("Measured: time", seconds_axis_text, _time),
        )
        if any(panel[2](s.reads[name]) for s in settings for name in patterns if name in s.reads)
    ]
    figure = Figure(figsize=(WIDTH, 0.42 * len(settings) + 1.25), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, text, value) in zip(grid, panels, strict=True):
        drawn: list[float] = []
        for index, pattern in enumerate(patterns):
            # a little apart, so that equal values stay visible
            shift = (index - (len(patterns) - 1) / 2) * 0.62 / len(patterns)
            rows = [(s.reads[pattern], y + shift) for y, s in enumerate(settings) if pattern in s.reads]
            placed = [(x, y, row["position"]) for row, y in rows if (x := value(row)) is not None and x > 0]
            drawn += [x for x, _, _ in placed]
            points.series(axes, index, placed, markersize=SIZES[index] - 0.5)
        log_axis(axes, drawn, text, most=4)
        axes.set_title(title, pad=5)
        axes.spines["left"].set_visible(False)
    grid[0].set_yticks(range(len(settings)), [setting.layout_text for setting in settings])
    grid[0].set_ylim(len(settings) - 0.5, -0.5)
    legend_above(
        figure, [series_handle(index) for index in range(len(patterns))], [pattern_text(name) for name in patterns]
    )
    return figure


def _amplification(row: Record) -> float | None:
    value: float | None = row["read_amplification"]
    return value


def _fetched(row: Record) -> float | None:
    return row["fetched_bytes"] / row["asked_bytes"] if row["fetched_bytes"] and row["asked_bytes"] else None


def _time(row: Record) -> float | None:
    value: float | None = row["median_s"]
    return value


def _table(chart: ChunkChart, settings: Sequence[Setting]) -> Table:
    """Write what geometry predicts beside what was fetched and how long it took."""
    rows = [
        [
            Cell(text=f"{pattern_text(pattern)}, {setting.layout_text}"),
            *(Cell(text=write(row[name])) for name, (_, write) in _FACTS.items()),
            time_cell(row),
        ]
        for pattern in chart.patterns
        for setting, row in ((s, s.reads.get(pattern)) for s in settings)
        if row is not None
    ]
    columns = ["Read", *(title for title, _ in _FACTS.values()), "Time"]
    return Table(caption=f"One read each, {chart.subject}", columns=columns, rows=rows)
