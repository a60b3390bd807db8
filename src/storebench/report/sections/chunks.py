"""Chunk shape × access pattern, as a heat map that is a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from storebench.report.charts import pattern_text, read_text, terms_text
from storebench.report.figures import WIDTH, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._families import ChunkChart, chunk_chart
from storebench.report.style import INK
from storebench.report.tables import Cell, Table, heat_level, time_cell
from storebench.report.views import Setting
from storebench.units import seconds_text, shape_text, times_text

_HEAT: Final = ("#f1f6fc", "#dce9f6", "#c3daee", "#a3c6e3", "#2f76b4", "#1f639f", "#144c82", "#0b3361")
MOST_LAYOUTS: Final = 36
"""Lines of the map at most."""
MOST_OF_ONE_PATTERN: Final = 12
"""Lines of a map of one column; more of them are a list, and "Chunk size" shows the same as a curve."""


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no setting was measured with two chunk shapes, or many with one pattern alone."""
    chart = chunk_chart(story.view)
    if chart is None or (len(chart.patterns) == 1 and len(chart.settings) > MOST_OF_ONE_PATTERN):
        return
    data = [
        {
            "chunks": setting.layout_text,
            "pattern": pattern,
            "median_s": setting.reads[pattern]["median_s"],
            "times_best": chart.times_best(setting, pattern),
        }
        for setting in chart.settings
        for pattern in chart.patterns
        if pattern in setting.reads
    ]
    shown, finding = _shown(chart), _finding(chart)
    _, files = studio.save(_draw(chart, shown), "chunks", finding, data)
    about = f"{chart.subject} throughout; the stronger the colour, the further from the best of its column."
    yield Section(
        name="chunks",
        short="Chunk shapes",
        finding=finding,
        about=f"{about} {terms_text(story.view)}",
        heat=_table(chart, shown),
        files=files,
    )


def _shown(chart: ChunkChart) -> Sequence[Setting]:
    """Return the lines of the map: of too many every n-th, and always the best of each column."""
    if len(chart.settings) <= MOST_LAYOUTS:
        return chart.settings
    kept = {id(setting) for setting in chart.best.values() if setting is not None}
    kept |= {id(setting) for setting in thinned(chart.settings, MOST_LAYOUTS - len(kept))}
    return [setting for setting in chart.settings if id(setting) in kept]


def _finding(chart: ChunkChart) -> str:
    winners = [
        setting.layout_text
        for setting in chart.settings
        if all(p in setting.reads and setting.reads[p]["position"] in chart.equals[p] for p in chart.patterns)
    ]
    if len(winners) == len(chart.settings):
        return "No chunk shape is shown to be slower than another in any access pattern"
    if winners:
        which = (
            f"Chunks of {' or '.join(winners)}"
            if len(winners) < 4
            else f"{len(winners)} of {len(chart.settings)} chunk shapes, {winners[0]} to {winners[-1]},"
        )
        return f"{which} are not shown to be slower than others in any access pattern"
    worst = max((chart.times_best(s, p) or 1.0, s.layout_text, p) for s in chart.settings for p in chart.patterns)
    return (
        "No chunk shape wins every access pattern: the wrong one costs up to "
        f"{times_text(worst[0])} ({worst[1]} for {read_text(worst[2])})"
    )


def _draw(chart: ChunkChart, settings: Sequence[Setting]) -> Figure:
    """Draw chunk shape × access pattern as coloured cells, for papers (the page has a real table)."""
    n_rows, n_columns = len(settings), len(chart.patterns)
    figure = Figure(figsize=(WIDTH, 0.34 * n_rows + 1.0), layout="constrained")
    axes = figure.subplots()
    for y, setting in enumerate(settings):
        for x, pattern in enumerate(chart.patterns):
            row = setting.reads.get(pattern)
            times = chart.times_best(setting, pattern)
            level = heat_level(times)
            best = chart.best[pattern] is setting
            fill, line = "none" if level is None else _HEAT[level], 1.8 if best else 0
            axes.add_patch(Rectangle((x + 0.02, y + 0.04), 0.96, 0.92, linewidth=line, facecolor=fill, edgecolor=INK))
            text = seconds_text(row["median_s"] if row else None) + (
                f"  {times_text(times)}" if times and not best else ""
            )
            ink = "#ffffff" if level is not None and level > 3 else INK
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, weight="bold" if best else "normal")
    axes.set(xlim=(0, n_columns), ylim=(n_rows, 0))
    axes.set_xticks([x + 0.5 for x in range(n_columns)], [pattern_text(name) for name in chart.patterns])
    axes.set_yticks([y + 0.5 for y in range(n_rows)], [setting.layout_text for setting in settings])
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(f"Median and times the best of the column (boxed). {chart.subject}", pad=22)
    return figure


def _table(chart: ChunkChart, settings: Sequence[Setting]) -> Table:
    """Write chunk shape × access pattern: time, and how many times the best of the column."""
    rows = []
    for setting in settings:
        shards = f"in shards of {shape_text(setting.shard_shape)}" if setting.shard_shape else ""
        cells = [Cell(text=shape_text(setting.chunk_shape), detail=shards)]
        for pattern in chart.patterns:
            cell = time_cell(setting.reads.get(pattern))
            times = chart.times_best(setting, pattern)
            first = chart.best[pattern] is setting
            detail = "" if first or times is None else times_text(times)
            mark = "best" if first else ""
            cells.append(Cell(text=cell.text, detail=detail, mark=mark, doubt=cell.doubt, heat=heat_level(times)))
        rows.append(cells)
    left_out = len(chart.settings) - len(settings)
    caption = f"Median time of one read, {chart.subject}; below it, times the best of the column"
    return Table(
        caption=caption + (f"; {left_out} of {len(chart.settings)} chunk shapes are left out" if left_out else ""),
        columns=["Chunks", *(pattern_text(name) for name in chart.patterns)],
        rows=rows,
    )
