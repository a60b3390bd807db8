"""Bytes read and written for each byte of a region that changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.figure import Figure

from storebench.report.charts import pattern_text
from storebench.report.figures import WIDTH, Points, legend_above, segments, series_handle
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
    by_image,
    image_text,
    most_frequent,
    rows_at_home,
    setting_text,
    shortened,
    terms,
)
from storebench.report.style import FAINT, MARKERS, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.units import bytes_text, ratio_axis_text, seconds_axis_text, times_text

_MOST_LINES: Final = 24
_MUCH_LESS: Final = 0.95
"""Of the bytes moved: what is nearer is no difference worth a sentence."""
_COLUMNS: Final = ("asked_bytes", "fetched_bytes", "set_bytes", "predicted_bytes", "write_amplification", "median_s")


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no overwrite was counted."""
    rows = most_frequent(found, "threads") if (found := rows_at_home(story, _is_counted)) else []
    if not rows:
        return
    groups = [sorted(group, key=_moved, reverse=True) for group in alike_but(by_image(rows)[0], "pattern")]
    settings = sorted(groups, key=lambda group: (-_moved(group[0]), _name(group)))
    finding, points = _finding(settings), Points()
    data = [
        {
            "image": image_text(row),
            "setting": setting_text(row),
            "region": row["pattern"],
            "durability": row["durability"],
            **{name: row[name] for name in _COLUMNS},
        }
        for row in rows
    ]
    figure = _draw(settings[:_MOST_LINES], points)
    svg, files = studio.save(figure, "overwrite", finding, data, groups=list(points.rows))
    yield Section(
        name="overwrite",
        short="Overwrites",
        finding=finding,
        about=f"A region of {image_text(settings[0][0])} is written into the stored image: bytes read and written, both counted, "
        "for each uncompressed byte that changes, and the time; log scales. What is not covered whole, chunk or shard, is read, "
        f"changed and written again.{terms(rows, story)}",
        svg=svg,
        files=files,
        tables=[_table([row for group in settings for row in group])],
        points=points.rows,
    )


def _is_counted(row: Record) -> bool:
    return row["operation"] == "overwrite" and bool(row["write_amplification"]) and row["durability"] == "returned"


def _moved(row: Record) -> float:
    return float(row["write_amplification"])


def _name(group: Sequence[Record]) -> str:
    return setting_text(group[0])


def _finding(settings: Sequence[Sequence[Record]]) -> str:
    """Say which change moves the most bytes, and what the same setting moves for the region that suits it best."""
    worst, best = settings[0][0], settings[0][-1]
    moved = f"In {_name(settings[0])} an overwrite of {_region(worst)} moves {times_text(_moved(worst))} the bytes that change"
    if _moved(best) < _MUCH_LESS * _moved(worst):
        return f"{moved}, one of {_region(best)} {times_text(_moved(best))}"
    least = min((group[-1] for group in settings), key=_moved)
    return (
        moved
        if least is worst
        else f"{moved}, one of {_region(least)} in {setting_text(least)} {times_text(_moved(least))}"
    )


def _region(row: Record) -> str:
    return pattern_text(row["pattern"] or "whole")


def _draw(settings: Sequence[Sequence[Record]], points: Points) -> Figure:
    """Draw a line per setting from 1 to the most bytes moved, a point per region, and the time beside it."""
    patterns = sorted({row["pattern"] or "whole" for group in settings for row in group})[: len(MARKERS)]
    figure = Figure(figsize=(WIDTH, 0.3 * len(settings) + 1.3), layout="constrained")
    moved, times = figure.subplots(1, 2, sharey=True)
    segments(moved, [(1, y, _moved(group[0]), y) for y, group in enumerate(settings)], color=FAINT, linewidth=2.6)
    drawn: dict[str, list[float]] = {"moved": [1.0], "times": []}
    for index, pattern in enumerate(patterns):
        rows = [(row, y) for y, group in enumerate(settings) for row in group if (row["pattern"] or "whole") == pattern]
        points.series(moved, index, [(_moved(row), y, row["position"]) for row, y in rows])
        points.series(times, index, [(row["median_s"], y, row["position"]) for row, y in rows])
        drawn["moved"] += [_moved(row) for row, _ in rows]
        drawn["times"] += [row["median_s"] for row, _ in rows]
    log_axis(moved, drawn["moved"], ratio_axis_text)
    log_axis(times, drawn["times"], seconds_axis_text)
    moved.set_title("Counted: bytes moved ÷ bytes changed", pad=5)
    times.set_title("Measured: time", pad=5)
    for axes in (moved, times):
        axes.spines["left"].set_visible(False)
    moved.set_yticks(range(len(settings)), [_name(group) for group in settings])
    moved.set_ylim(len(settings) - 0.5, -0.5)
    legend_above(
        figure, [series_handle(index) for index in range(len(patterns))], [pattern_text(name) for name in patterns]
    )
    return figure


def _table(rows: Sequence[Record]) -> Table:
    cells = [
        [
            Cell(text=f"{_region(row)}, {setting_text(row)}"),
            Cell(text=bytes_text(row["asked_bytes"])),
            Cell(text=bytes_text(row["fetched_bytes"])),
            Cell(text=bytes_text(row["set_bytes"])),
            Cell(text=bytes_text(row["predicted_bytes"])),
            Cell(text=times_text(_moved(row))),
            time_cell(row),
        ]
        for row in rows[:MOST_TABLE_ROWS]
    ]
    columns = ["Change", "Bytes changed", "Read", "Written", "Both, predicted", "Moved ÷ changed", "Time"]
    return Table(
        caption=shortened("Regions written into a stored image", len(cells), len(rows)), columns=columns, rows=cells
    )
