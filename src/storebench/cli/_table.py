"""Tables of text: the same columns on a terminal and in a pipe; nothing is ever cut."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

import click

GAP: Final = 2
INDENT: Final = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    title : str
        Its heading.
    cells : sequence of str
        One per row.
    align : str
        "<" or ">".
    wraps : bool
        Whether its cells are broken between words where the table is wider than the terminal; one column at most.
    best : set of int
        Rows to highlight: bold and green, or with a star where there is no colour.
    """

    title: str
    cells: Sequence[str]
    align: str = "<"
    wraps: bool = False
    best: Set[int] = frozenset()


def table_text(columns: Sequence[Column], *, width: int, color: bool) -> str:
    """Lay a table out.

    Parameters
    ----------
    columns : sequence of Column
        All with the same number of cells.
    width : int
        Characters that a line should keep to; a table whose numbers and longest words are wider is wider.
    color : bool
        Whether the best cells are coloured; without colour they get a star.

    Returns
    -------
    str
        Lines without a newline at the end.
    """
    widths = [max(len(text) for text in (column.title, *column.cells)) for column in columns]
    for i, column in enumerate(columns):
        if column.wraps:
            words = [word for text in (column.title, *column.cells) for word in text.split()]
            last_star = 1 if columns[-1].best and not color else 0
            left = width - sum(widths) - GAP * (len(columns) - 1) + widths[i] - last_star
            widths[i] = min(widths[i], max(left, *(len(INDENT) + len(word) for word in words)))
    titles = _row_lines(columns, widths, None, color=color)
    lines = [click.style(line, bold=True) if color else line for line in titles]
    lines.append("-" * (sum(widths) + GAP * (len(columns) - 1)))
    for row in range(len(columns[0].cells)):
        lines += _row_lines(columns, widths, row, color=color)
    return "\n".join(lines)


def _row_lines(columns: Sequence[Column], widths: Sequence[int], row: int | None, *, color: bool) -> list[str]:
    """Return the lines of one row (None: of the titles): more than one where the wrapping column needs them."""
    broken = [_cell_lines(column, width, row) for column, width in zip(columns, widths, strict=True)]
    lines = []
    for i in range(max(len(parts) for parts in broken)):
        line = ""
        for column, width, parts in zip(columns, widths, broken, strict=True):
            text = f"{parts[i] if i < len(parts) else '':{column.align}{width}}"
            is_best = i == 0 and row is not None and row in column.best
            # The star stands in the gap behind the number, so that it costs no width.
            line += click.style(text, fg="green", bold=True) if is_best and color else text
            line += ("*" if is_best and not color else " ").ljust(GAP)
        lines.append(line.rstrip())
    return lines


def _cell_lines(column: Column, width: int, row: int | None) -> list[str]:
    text = column.title if row is None else column.cells[row]
    if not column.wraps:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False, subsequent_indent=INDENT) or [""]
