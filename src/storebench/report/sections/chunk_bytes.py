"""Bytes of one chunk against time: how large a chunk should be, whatever its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.advise.words import listed
from storebench.report.charts import terms_text
from storebench.report.figures import (
    Points,
    bounds,
    legend_above,
    panel_grid,
    segments,
    series_handle,
    thinned,
)
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._chunk_sizes import Scale, SizePanel, item_bytes_of, rows_by_task, size_panels
from storebench.report.sections._families import ChunkFamily, chunk_facts, volume
from storebench.report.style import INK, SERIES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record, View
from storebench.units import count_text, ratio_text, seconds_axis_text, shape_text

_MOST_POINTS: Final = 300
"""With interval, line and ring a point here costs twice the usual."""
_MOST_ROWS: Final = 60
_RING: Final[dict[str, Any]] = {
    "marker": "o",
    "markersize": 9,
    "markerfacecolor": "none",
    "markeredgecolor": INK,
    "markeredgewidth": 0.9,
}


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no backend and codec was measured with two chunk sizes."""
    view = story.view
    scale = Scale(item_bytes=item_bytes_of(view.dtype))
    panels, families = size_panels(view, scale)
    if not panels:
        return
    finding, points = _finding(panels, families[0], scale), Points()
    figure, data = _draw(panels, families, points, scale), _data(view, panels, families, scale)
    svg, files = studio.save(figure, "chunk_bytes", finding, data, groups=list(points.rows))
    about = (
        f"{scale.title} against time, log scales; lower is faster. A line joins the chunk shapes of one backend and codec, which "
        f"may differ in shape at one size. Circled: those of {families[0].label} that are not shown to be slower than its fastest; "
        "where all are circled, none is shown to be slower."
    )
    yield Section(
        name="chunk_bytes",
        short="Chunk size",
        finding=finding,
        about=f"{about} {terms_text(view)}",
        svg=svg,
        files=files,
        tables=[_table(view, panels, families, scale)],
        points=points.rows,
    )


def _finding(panels: Sequence[SizePanel], family: ChunkFamily, scale: Scale) -> str:
    """Say where the best chunk sizes lie, in the family with the most shapes, or that nothing is shown."""
    contests = [panel for panel in panels if panel.is_contest]
    if not any(panel.shows for panel in contests):
        return f"No chunk size is shown to be faster than another with {family.label}"
    tried = scale.range_text([size for panel in contests for size, _ in panel.lines[0]])
    # by layout: what is shown of one shape is not shown of another of the same size
    common = set.intersection(*(set(panel.best) for panel in contests))
    if common:
        best = scale.range_text([contests[0].best[layout] for layout in common])
        tasks = listed((panel.words for panel in contests), most=3)
        return (
            f"Chunks of {best} are not shown to be slower than others for {tasks} ({tried} tried with {family.label})"
        )
    parts = [f"{scale.range_text([*panel.best.values()])} for {panel.words}" for panel in contests if panel.shows]
    return f"The best chunk size depends on the task: {listed(parts, most=3)}"


def _draw(panels: Sequence[SizePanel], families: Sequence[ChunkFamily], points: Points, scale: Scale) -> Figure:
    """Draw time over chunk size: a small panel per task, a line per backend and codec."""
    columns = 2 if len(panels) in (2, 4) else 3
    figure, grid = panel_grid(len(panels), columns=columns, row_height=2.35, sharex=True)
    most = _MOST_POINTS // (len(panels) * len(families))
    sizes = [size for panel in panels for line in panel.lines for size, _ in line]
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel, points, max(most, 6))
        scale.axis(axes, sizes)
    for axes in grid[len(panels) - min(columns, len(panels)) :]:
        axes.set_xlabel(scale.title)
        axes.tick_params(labelbottom=True)
    ring = Line2D([], [], linestyle="", **_RING)
    ringed = "of the first: not shown to be slower than its fastest"
    handles = [series_handle(index, linestyle="-", linewidth=0.9) for index in range(len(families))]
    texts = [family.label for family in families]
    legend_above(figure, [*handles, ring], [*texts, ringed], columns=3)
    return figure


def _draw_panel(axes: Axes, panel: SizePanel, points: Points, most: int) -> None:
    times: list[float] = []
    for index, line in enumerate(panel.lines):
        shown = thinned(line, most)
        times += [row["median_s"] for _, row in shown]
        bars = [(size, low, size, high) for size, row in shown for low, high in [bounds(row)]]
        segments(axes, bars, color=SERIES[index], linewidth=0.9, alpha=0.55)
        medians = [(size, row["median_s"]) for size, row in shown]
        axes.plot([x for x, _ in medians], [y for _, y in medians], color=SERIES[index], linewidth=0.9, alpha=0.7)
        if index == 0 and panel.is_contest:
            best = [(size, row["median_s"]) for size, row in shown if row["position"] in panel.equals]
            axes.plot([x for x, _ in best], [y for _, y in best], linestyle="", **_RING)
        points.series(axes, index, [(size, row["median_s"], row["position"]) for size, row in shown], markersize=4.5)
    # one wild interval must not press all medians flat: it may run out of the panel
    ends = [end for line in panel.lines for _, row in line for end in bounds(row)]
    times += [end for end in ends if min(times) / 2 <= end <= max(times) * 2]
    log_axis(axes, times, seconds_axis_text, which="y", most=5)
    axes.set_title(panel.title, pad=5)


def _data(
    view: View, panels: Sequence[SizePanel], families: Sequence[ChunkFamily], scale: Scale
) -> list[Mapping[str, Any]]:
    data: list[Mapping[str, Any]] = []
    for family, setting, rows in rows_by_task(panels, families):
        facts, voxels = chunk_facts(view.shape, setting.chunk_shape), volume(setting.chunk_shape)
        for task, row in rows.items():
            data.append(
                {
                    "backend": family.backend,
                    "codec": family.codec,
                    "chunks": shape_text(setting.chunk_shape),
                    "shards": shape_text(setting.shard_shape) if setting.shard_shape else None,
                    "task": task,
                    "chunk_voxels": voxels,
                    "uncompressed_chunk_bytes": voxels * scale.item_bytes if scale.item_bytes else None,
                    "n_chunks": None if facts is None else facts.n_chunks,
                    "padding_factor": None if facts is None else facts.padding,
                    **{name: row[name] for name in ("median_s", "ci95_low_s", "ci95_high_s")},
                    "not_shown_slower": _is_equal(panels, task, row) if family is families[0] else None,
                }
            )
    return data


def _is_equal(panels: Sequence[SizePanel], task: str, row: Record) -> bool | None:
    """Tell whether a row of the first family is not shown to be slower than its fastest; None where it stands alone."""
    panel = next(panel for panel in panels if panel.task == task)
    return row["position"] in panel.equals if panel.is_contest else None


def _table(view: View, panels: Sequence[SizePanel], families: Sequence[ChunkFamily], scale: Scale) -> Table:
    every = list(rows_by_task(panels, families))
    rows = []
    for family, setting, by_task in thinned(every, _MOST_ROWS):
        facts = chunk_facts(view.shape, setting.chunk_shape)
        cells = [
            Cell(text=setting.layout_text, detail=family.label),
            Cell(text=scale.text(scale.size(setting))),
            Cell(text=count_text(None if facts is None else facts.n_chunks)),
            Cell(text=ratio_text(None if facts is None else facts.padding)),
        ]
        for panel in panels:
            row = by_task.get(panel.task)
            tied = row is not None and panel.is_contest and family is families[0] and row["position"] in panel.equals
            cells.append(time_cell(row, "tied" if tied else ""))
        rows.append(cells)
    left_out = f"; {len(rows)} of {len(every)} settings" if len(rows) < len(every) else ""
    return Table(
        caption=f"Chunk shapes by backend and codec; padding: voxels stored ÷ voxels of the image{left_out}",
        columns=["Chunks", "One chunk", "Number", "Padding", *(panel.title for panel in panels)],
        rows=rows,
    )
