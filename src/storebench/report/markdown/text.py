"""Text that Markdown shows as it is: escaped, as code, in tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

LONGEST_NAME: Final = 200
LONGEST_SENTENCE: Final = 1500
"""Characters; a comment on GitHub ends at 65,536."""


def escaped(text: str, most: int = LONGEST_SENTENCE) -> str:
    """Return a text as Markdown that shows just it: every mark of punctuation that could mean something is escaped."""
    return re.sub(r"([\\`*_\[\]<>#|~&$@])", r"\\\1", _one_line(text, most))


def code(name: str) -> str:
    """Return a name as code; as escaped text in an element where code cannot hold it."""
    line = _one_line(name, LONGEST_NAME)
    return f"<code>{escaped(line)}</code>" if re.search(r"[`|\\]", line) or not line else f"`{line}`"


def _one_line(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table's lines; the first column is text, the others are numbers. Cells are Markdown."""
    rule = [":---", *(["---:"] * (len(columns) - 1))]
    return [f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows)]
