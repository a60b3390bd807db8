"""The report's tables: which cells stand in them, as text, with what marks them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.report.charts import pattern_text, view_text
from storebench.report.views import Record, Setting, View
from storebench.units import (
    MISSING,
    bytes_text,
    count_text,
    ratio_text,
    seconds_interval_text,
    seconds_text,
    times_text,
)

HEAT_LIMITS: Final = (1.25, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, math.inf)
"""Times the best of the column, up to which a cell has each of the eight colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell.

    Attributes
    ----------
    text : str
        What stands there.
    detail : str
        The smaller line below: interval and number of samples.
    mark : str
        "best", "tied" (not shown to be slower than the best), "front", "baseline", "lossy" or nothing.
    doubt : bool
        Few samples: low confidence.
    heat : int or None
        Colour of a heat map's cell.
    """

    text: str
    detail: str = ""
    mark: str = ""
    doubt: bool = False
    heat: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with a caption; the first cell of each row is its heading."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numeric_from: int = 1


def heat_level(times_best: float | None) -> int | None:
    """Return the colour (0 to 7) of a cell that takes so many times the best; None where nothing is known."""
    if times_best is None:
        return None
    return next(index for index, limit in enumerate(HEAT_LIMITS) if times_best <= limit)


def time_cell(row: Record | None, mark: str = "") -> Cell:
    """Write a timed row: median, and below it the 95 % interval with the number of samples."""
    if row is None or row["median_s"] is None:
        return Cell(text=MISSING)
    interval = seconds_interval_text(row["ci95_low_s"], row["ci95_high_s"])
    parts = ["no interval" if interval == MISSING else interval, f"n {count_text(row['n_samples'])}"]
    return Cell(
        text=seconds_text(row["median_s"]), detail=", ".join(parts), mark=mark, doubt=bool(row["low_confidence"])
    )


def marks(view: View, column: Sequence[tuple[Setting, Record | None]]) -> list[str]:
    """Mark a column of times: the lowest median "best", those not shown to be slower "tied"; the baseline and lossy apart."""
    ranked = [row for setting, row in column if row is not None and not setting.standing]
    best = min(ranked, key=lambda row: row["median_s"])["position"] if len(ranked) > 1 else None
    equals = view.equals(ranked) if len(ranked) > 1 else set()
    marks = []
    for setting, row in column:
        position = None if row is None or setting.standing else row["position"]
        named = "best" if position == best else "tied" if position in equals else ""
        marks.append("" if position is None else named)
    return marks


def _fact_column(
    settings: Sequence[Setting], name: str, write: Callable[[Any], str], *, largest: bool = False
) -> list[Cell]:
    values = [setting.fact(name) for setting in settings]
    ranked = [value for value, s in zip(values, settings, strict=True) if value is not None and not s.standing]
    best = (max if largest else min)(ranked) if len(set(ranked)) > 1 else None
    return [
        Cell(text=write(value), mark="best" if best is not None and value == best and not s.standing else "")
        for value, s in zip(values, settings, strict=True)
    ]


def settings_table(view: View, *, several: bool = False) -> Table:
    """Write the settings of a dataset: size, ratio, files, write and one column per access pattern.

    Parameters
    ----------
    view : View
        The dataset.
    several : bool
        Name the machine and the environment too, since there is more than one view.
    """
    settings = view.settings
    columns = [
        _fact_column(settings, "stored_bytes", bytes_text),
        _fact_column(settings, "compression_ratio", ratio_text, largest=True),
        _fact_column(settings, "n_files", count_text),
    ]
    times = [[(s, s.write) for s in settings], *([(s, s.reads.get(name)) for s in settings] for name in view.patterns)]
    columns += [
        [time_cell(row, mark) for (_, row), mark in zip(column, marks(view, column), strict=True)] for column in times
    ]
    heads = [Cell(text=setting.backend, detail=" ".join(_rest(setting)), mark=setting.standing) for setting in settings]
    columns.append([Cell(text=times_text(setting.relative_read)) for setting in settings])
    patterns = [f"Read {pattern_text(name)}" for name in view.patterns]
    return Table(
        caption=f"All {len(settings)} settings of {view.place if several else view_text(view)}",
        columns=["Setting", "Size", "Ratio", "Files", "Write", *patterns, "All reads"],
        rows=[[head, *cells] for head, *cells in zip(heads, *columns, strict=True)],
    )


def first_rows(table: Table, most: int) -> Table:
    """Return the first rows and the baseline, and say how many there are: a page with hundreds of settings is not read."""
    if len(table.rows) <= most:
        return table
    rows = [row for index, row in enumerate(table.rows) if index < most or row[0].mark == "baseline"]
    caption = f"{table.caption}: the first {most} and the baseline; the others are among all results"
    return Table(caption=caption, columns=table.columns, rows=rows)


def leading_rows(table: Table, most: int = 14) -> Table | None:
    """Return the first rows, those that are best in some column, and the baseline; None where the table is short anyway."""
    if len(table.rows) <= most:
        return None
    rows = [
        row
        for index, row in enumerate(table.rows)
        if index < most // 2 or row[0].mark == "baseline" or any(cell.mark == "best" for cell in row)
    ]
    caption = f"{len(rows)} settings that lead overall or in some column, and the baseline; more are below"
    return Table(caption=caption, columns=table.columns, rows=rows)


def _rest(setting: Setting) -> list[str]:
    layout = [] if setting.chunk_shape is None else [setting.layout_text]
    return [*layout, setting.codec, *setting.extras]
