"""Format × access pattern: who is fastest at what."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.report import charts, figures, tables
from storebench.report.section import Section, Story, Studio


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where nothing was read."""
    view = story.view
    chart = charts.format_chart(view)
    if chart is None:
        return
    data = [
        {
            "pattern": panel.pattern,
            "backend": name,
            "setting": setting.label,
            "median_s": setting.reads[panel.pattern]["median_s"],
            "ci95_low_s": setting.reads[panel.pattern]["ci95_low_s"],
            "ci95_high_s": setting.reads[panel.pattern]["ci95_high_s"],
        }
        for panel in chart.panels
        for name, group in panel.by_backend.items()
        for setting in group
    ]
    svg, files = studio.save(figures.draw_formats(chart), "formats", chart.finding, data)
    yield Section(
        name="formats",
        short="Formats",
        finding=chart.finding,
        about=f"Time of one read by access pattern, log scale; left is faster. {charts.terms_text(view)}",
        svg=svg,
        files=files,
        tables=[tables.format_table(view, chart)],
    )
