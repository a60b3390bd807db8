"""A write until the library's call returns, and until the device has everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.analysis import span
from storebench.report.figures import WIDTH, Points, legend_above
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._dumbbells import FIRST, SECOND, Dumbbell, draw_dumbbells
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
    by_image,
    by_value,
    image_text,
    most_frequent,
    rows_at_home,
    setting_text,
    shortened,
    terms,
)
from storebench.report.style import log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.units import count_text, seconds_axis_text, seconds_text, times_text

_MOST_SETTINGS: Final = 20


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no write was timed until it was on the device."""
    # a setting may have been written by two suites: the one that asked for the device knows its interval
    written = most_frequent(rows_at_home(story, _is_both), "threads")
    groups = [by_value(group, "durability") for group in alike_but(written, "durability")]
    rows = [group.get("durable") or next(iter(group.values())) for group in groups]
    if not rows:
        return
    rows.sort(key=lambda row: (image_text(row), row["durable_s"], setting_text(row)))
    finding = _finding(rows)
    points = Points()
    image = by_image(rows)[0]
    data = [
        {
            "image": image_text(row),
            "setting": setting_text(row),
            "n_files": row["n_files"],
            "returned_s": row["returned_s"],
            "durable_s": row["durable_s"],
        }
        for row in rows
    ]
    svg, files = studio.save(_draw(image[:_MOST_SETTINGS], points), "durable", finding, data, groups=list(points.rows))
    yield Section(
        name="durable",
        short="Durable writes",
        finding=finding,
        about=f"Writing {image_text(image[0])}: two times of the same calls, log scale. What lies between is the file system's "
        "work after the library has returned; a power cut in that time loses data."
        f"{_samples_text(rows, story)}{terms(rows, story)}",
        svg=svg,
        files=files,
        tables=[_table(rows)],
        points=points.rows,
    )


def _samples_text(rows: Sequence[Record], story: Story) -> str:
    """Say where the page's other figures take the time of a write from other samples than these."""
    elsewhere = {setting.write["position"] for view in story.views for setting in view.settings if setting.write}
    if all(row["position"] in elsewhere for row in rows):
        return ""
    return " These are samples of their own: other parts of the page may take a setting's write from another case."


def _is_both(row: Record) -> bool:
    return row["operation"] == "write" and bool(row["returned_s"]) and bool(row["durable_s"])


def _times(row: Record) -> float:
    return float(row["durable_s"] / row["returned_s"])


def _is_shown(row: Record) -> bool:
    """Tell whether the interval of the one time leaves out the other; both are of the same calls."""
    low, high = span(row)
    return bool(low > row["returned_s"] if row["durability"] == "durable" else high < row["durable_s"])


def _finding(rows: Sequence[Record]) -> str:
    shown = [row for row in rows if _is_shown(row)]
    if not shown:
        return (
            f"No write is shown to take longer until it is on the device than until it returns ({len(rows)} measured)"
        )
    worst = max(shown, key=lambda row: (_times(row), setting_text(row)))
    what = f"{setting_text(worst)}: {seconds_text(worst['returned_s'])}, then {seconds_text(worst['durable_s'])}"
    if len(rows) == 1:
        return (
            f"Until it is on the device a write takes {times_text(_times(worst))} as long as until it returns ({what})"
        )
    return (
        f"Until they are on the device, {len(shown)} of {len(rows)} writes are shown to take longer than until they return, "
        f"up to {times_text(_times(worst))} as long ({what})"
    )


def _draw(rows: Sequence[Record], points: Points) -> Figure:
    """Draw a line per setting from return to device."""
    figure = Figure(figsize=(WIDTH, 0.24 * len(rows) + 1.15), layout="constrained")
    axes = figure.subplots()
    bells = [
        Dumbbell(
            y=y,
            first=row["returned_s"],
            second=row["durable_s"],
            first_row=row["position"],
            second_row=row["position"],
        )
        for y, row in enumerate(rows)
    ]
    draw_dumbbells(axes, bells, points, lambda a, values: log_axis(a, values, seconds_axis_text, most=6))
    axes.set_yticks(range(len(rows)), [setting_text(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    handles = [Line2D([], [], linestyle="", **style) for style in (FIRST, SECOND)]
    legend_above(figure, handles, ["the call has returned", "everything is on the device"])
    return figure


def _table(rows: Sequence[Record]) -> Table:
    cells = [
        [
            Cell(text=setting_text(row), detail=image_text(row)),
            Cell(text=count_text(row["n_files"])),
            Cell(text=seconds_text(row["returned_s"])),
            time_cell(row) if row["durability"] == "durable" else Cell(text=seconds_text(row["durable_s"])),
            Cell(text=times_text(_times(row)), detail="" if _is_shown(row) else "not shown to be slower"),
        ]
        for row in rows[:MOST_TABLE_ROWS]
    ]
    caption = shortened("The same writes until they return and until they are on the device", len(cells), len(rows))
    return Table(caption=caption, columns=["Write", "Files", "Returned", "On the device", "Ratio"], rows=cells)
