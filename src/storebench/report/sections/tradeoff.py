"""Compression ratio against time: what is worth its price."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.report import charts, figures, tables
from storebench.report.section import Section, Story, Studio


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no setting has both a time and a ratio."""
    view = story.view
    chart = charts.trade_chart(view)
    if chart is None:
        return
    data = [
        {
            "panel": panel.label,
            "setting": setting.label,
            "compression_ratio": setting.fact("compression_ratio"),
            "median_s": row["median_s"],
            "ci95_low_s": row["ci95_low_s"],
            "ci95_high_s": row["ci95_high_s"],
            "on_front": setting in panel.front,
        }
        for panel in chart.panels
        for setting, row in panel.points
    ]
    svg, files = studio.save(figures.draw_trade(chart), "tradeoff", chart.finding, data)
    about = "One point is one setting. Up is smaller, left is faster; the line joins what no other setting beats."
    yield Section(
        name="tradeoff",
        short="Size against time",
        finding=chart.finding,
        about=f"{about} {charts.terms_text(view)}",
        svg=svg,
        files=files,
        tables=tables.trade_tables(chart),
    )
