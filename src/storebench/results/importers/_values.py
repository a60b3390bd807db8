"""Values of columns from text: what `--set` gives, and what a parameter of another tool says."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from storebench.access import parse_pattern
from storebench.codecs import parse_codec
from storebench.errors import UsageError, unknown_name
from storebench.grid import Shape, parse_shape
from storebench.records import CACHE_STATES, DURABILITIES, OPERATIONS
from storebench.results.columns import FLOATS, INTS
from storebench.results.imported import OWN, SAID

_SHAPES: Final = ("shape", "chunk_shape", "shard_shape")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"operation": OPERATIONS, "cache": CACHE_STATES, "durability": DURABILITIES}
)
WITH_AXES: Final = (*_SHAPES, "axes")
"""Columns whose length is the number of axes."""

_AXES: Final = "tczyx"


def parse_value(column: str, text: str) -> Any:
    """Read the value of a column that a file or a person may fill.

    Parameters
    ----------
    column : str
        One of `SAID`.
    text : str
        As in 806x629x629, uint16, 4.

    Raises
    ------
    UsageError
        If it is none of the column's.
    """
    text = text.strip()
    if not text:
        raise UsageError(f"{column} has no value; leave it out where it is not known")
    if column in _SHAPES:
        return parse_shape(text)
    if column in _WORDS and text not in _WORDS[column]:
        raise unknown_name(column, text, _WORDS[column])
    if column in INTS or column in FLOATS:
        return _number(column, text)
    if column == "codec":
        parse_codec(text)
    elif column == "pattern":
        parse_pattern(text)
    elif column == "dtype":
        return _dtype(text)
    elif column == "axes" and (len(set(text)) != len(text) or not set(text) <= set(_AXES)):
        raise UsageError(f"{text!r} names no axes; they are letters of {_AXES}, each once, slowest first, as in zyx")
    return text


def _number(column: str, text: str) -> int | float:
    is_whole = column in INTS
    try:
        number = int(text) if is_whole else float(text)
    except ValueError:
        kind = "whole number" if is_whole else "number"
        raise UsageError(f"{column} is a {kind}, and {text!r} is none") from None
    if not math.isfinite(number) or number < 0:
        raise UsageError(f"{column} is a number from 0 on, and {text!r} is none")
    return number


def _dtype(text: str) -> str:
    try:
        dtype = np.dtype(text)
    except TypeError:
        raise UsageError(f"{text!r} is no dtype; write it as in uint16") from None
    if dtype.kind not in "biufc":
        raise UsageError(f"{text!r} is no dtype of voxels; write it as in uint16")
    return dtype.name


def parse_given(texts: Iterable[str]) -> dict[str, Any]:
    """Read what was set by hand.

    Parameters
    ----------
    texts : iterable of str
        As in "dataset=heart", "shape=806x629x629".

    Raises
    ------
    UsageError
        If one is no column=value, its column cannot be set, its value is none of the column's, or two do not fit each other.
    """
    given: dict[str, Any] = {}
    for text in texts:
        column, equals, value = text.partition("=")
        column = column.strip()
        if not equals:
            raise UsageError(f"{text!r} is no column=value; write it as in shape=806x629x629")
        if column in OWN:
            raise UsageError(f"{column} cannot be set: it follows from the samples or from the file")
        if column not in SAID:
            raise unknown_name("column to set", column, SAID)
        if column in given:
            raise UsageError(f"{column} is set twice; give it one value")
        given[column] = parse_value(column, value)
    _require_one_number_of_axes(given)
    return given


def _require_one_number_of_axes(given: Mapping[str, Any]) -> None:
    lengths = {column: len(given[column]) for column in WITH_AXES if column in given}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{column} {n}" for column, n in lengths.items())
        raise UsageError(f"these do not have the same number of axes: {listed}")


def plain_value(value: Any) -> Any:
    """Return a parameter as it was before asv took its repr, where it is one."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def extents(value: Any) -> int | Shape | None:
    """Return a shape, or the one number that stands for every axis; None where a value is neither.

    A list, "64x64x64" and "(64, 64, 64)" are shapes; 64 is a number.
    """
    if isinstance(value, str) and re.fullmatch(r"[\d\s,x()\[\]]+", value):
        numbers = [int(digits) for digits in re.findall(r"\d+", value)]
        value = numbers if len(numbers) > 1 or "," in value else next(iter(numbers), None)
    if isinstance(value, list | tuple):
        whole = [n for n in value if isinstance(n, int) and not isinstance(n, bool) and n > 0]
        return tuple(whole) if whole and len(whole) == len(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
