"""Chunk shape × access pattern, as a heat map that is a table."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.report import charts, figures, tables
from storebench.report.section import Section, Story, Studio


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no setting was measured with two chunk shapes."""
    chart = charts.chunk_chart(story.view)
    if chart is None:
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
    _, files = studio.save(figures.draw_heat(chart), "chunks", chart.finding, data)
    about = f"{chart.backend} with {chart.codec} throughout; the stronger the colour, the further from the best of its column."
    yield Section(
        name="chunks",
        short="Chunk shapes",
        finding=chart.finding,
        about=f"{about} {charts.terms_text(story.view)}",
        heat=tables.heat_table(chart),
        files=files,
    )
