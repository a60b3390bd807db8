"""Text that a spreadsheet would run: names come from files and other tools, and a CSV file is opened with a double click."""

from __future__ import annotations

from typing import Any, Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@")


def as_text_cell(value: Any) -> Any:
    """Return a value for a CSV cell: text that a spreadsheet would take for a formula gets an apostrophe before it.

    Parameters
    ----------
    value : any
        Numbers, and text that is one, stay as they are.
    """
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
