"""What geometry predicts, what the store was asked for, what the clock says."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.report import charts, figures, tables
from storebench.report.section import Section, Story, Studio

_FACTS = ("chunks_touched", "voxels_asked", "voxels_decoded", "read_amplification", "asked_bytes", "fetched_bytes")


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no setting was measured with two chunk shapes."""
    chart = charts.chunk_chart(story.view)
    if chart is None:
        return
    data = [
        {
            "chunks": setting.layout_text,
            "pattern": pattern,
            **{name: setting.reads[pattern][name] for name in (*_FACTS, "requests", "median_s")},
        }
        for setting in chart.settings
        for pattern in chart.patterns
        if pattern in setting.reads
    ]
    finding = chart.amplification_finding
    svg, files = studio.save(figures.draw_amplification(chart), "amplification", finding, data)
    about = (
        "What the chunk grid predicts, what the store was asked for, what the clock says; log scales. "
        f"{chart.backend} with {chart.codec} throughout."
    )
    yield Section(
        name="amplification",
        short="Read amplification",
        finding=finding,
        about=f"{about} {charts.terms_text(story.view)}",
        svg=svg,
        files=files,
        tables=[tables.amplification_table(chart)],
    )
