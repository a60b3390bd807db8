"""What the sections on growth write alike: how to read them, the CSV, an exponent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from storebench.report.sections._growth_lines import Course, Ladder, Line
from storebench.report.tables import Cell
from storebench.units import MISSING, exponent_text, shape_text, times_text

MOST_ROWS: Final = 20
"""Of a table: a page has four of them."""
LAWS: Final = (
    "Along a dotted line a cost grows in proportion. Numbers at the ends are exponents, from three sizes on: 1 is in proportion, 0 "
    "does not grow. A ring marks the first size where a cost is more than 1.5 times what the smaller sizes foretell, beyond their "
    "intervals."
)
_UNITS: Final = {"time": "_s", "memory": "_bytes"}


def data_of(lines: Sequence[Line], ladder: Ladder) -> list[dict[str, Any]]:
    """Return a line of the CSV per cost and size."""
    return [
        {
            "dataset": row["dataset"],
            "setting": line.setting,
            "task": line.task,
            "shape": shape_text(row["shape"]),
            f"{ladder.unit}s": row["size"],
            "n_files": row["n_files"],
            "stored_bytes": row["stored_bytes"],
            "cost": name + _UNITS.get(name, ""),
            "value": point.cost,
            "low": point.low,
            "high": point.high,
            "exponent": course.exponent.median if course.exponent else None,
            "exponent_low": course.exponent.low if course.exponent else None,
            "exponent_high": course.exponent.high if course.exponent else None,
            "leaves_its_line": course.departure is not None and course.departure.index == place,
        }
        for line in lines
        for name, course in line.courses.items()
        for place, (row, point) in enumerate(zip(course.rows, course.points, strict=True))
    ]


def exponent_cell(course: Course | None, ladder: Ladder) -> Cell:
    """Write an exponent, its interval, and where the cost leaves its line."""
    if course is None:
        return Cell(text=MISSING)
    details = []
    if course.exponent is None:
        details.append("two sizes")
    elif course.exponent.low is None:
        details.append("no interval")
    elif course.exponent.low != course.exponent.high:
        details.append(f"{exponent_text(course.exponent.low)} to {exponent_text(course.exponent.high)}")
    if course.departure is not None:
        at = ladder.step(course.rows[course.departure.index])
        details.append(f"from {at} on {times_text(course.departure.times)} what smaller sizes foretell")
    text = MISSING if course.exponent is None else exponent_text(course.exponent.median)
    return Cell(text=text, detail=", ".join(details))
