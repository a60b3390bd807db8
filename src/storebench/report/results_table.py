"""The table of all results: every row of any status, coded so that 50,000 of them stay small and sort without parsing."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.report.views import Record
from storebench.results.settings import concurrency_text
from storebench.units import (
    MISSING,
    bytes_text,
    count_text,
    percent_text,
    ratio_text,
    seconds_text,
    shape_text,
    throughput_text,
    times_text,
)

ALPHABET: Final = "".join(chr(code) for code in range(35, 127) if chr(code) not in "<\\")
"""Digits of the coded ranks: characters that neither JSON nor HTML writes in another way. The page's script knows them."""
MOST_CHOICES: Final = 400
"""Of a column that is filtered by choosing; of more the search finds the right one sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How one column is made.

    Attributes
    ----------
    value : callable
        From a record what the column sorts by; None where it was not measured.
    text : callable
        From such a value the words.
    is_number : bool
        Whether it stands at the right.
    is_filtered : bool
        Whether the page offers its values to choose from.
    if_several : bool
        Left out where all rows have the same.
    """

    value: Callable[[Record], Hashable]
    text: Callable[[Any], str] = str
    is_number: bool = False
    is_filtered: bool = False
    if_several: bool = False


def _named(name: str, *, filtered: bool = False, if_several: bool = False) -> _Kind:
    return _Kind(value=lambda row: row[name], is_filtered=filtered, if_several=if_several)


def _number(name: str, text: Callable[[Any], str], *, if_several: bool = False) -> _Kind:
    return _Kind(value=lambda row: row[name], text=text, is_number=True, if_several=if_several)


def _shape(name: str, *, if_several: bool = False) -> _Kind:
    def value(row: Record) -> Hashable:
        shape = row[name]
        return None if shape is None else (math.prod(shape), shape)

    return _Kind(value=value, text=lambda pair: shape_text(pair[1]), if_several=if_several)


def _doubt(row: Record) -> str | None:
    """Return why a median is not to be relied on, in a word or two each."""
    if row["status"] != "ok":
        return None
    words = (("noisy", "noisy"), ("low_confidence", "few samples"))
    return ", ".join(word for name, word in words if row[name]) or None


_KINDS: Final[Mapping[str, _Kind]] = {
    "Backend": _named("backend", filtered=True),
    "Chunks": _shape("chunk_shape"),
    "Shards": _shape("shard_shape"),
    "Codec": _named("codec", filtered=True),
    "Operation": _named("operation", filtered=True),
    "Pattern": _named("pattern", filtered=True),
    "Status": _named("status", filtered=True),
    "Median": _number("median_s", seconds_text),
    "95 % interval": _number("half_width", lambda share: f"±{percent_text(share)}"),
    "Samples": _number("n_samples", count_text),
    "Doubt": _Kind(value=_doubt, is_filtered=True),
    "Size": _number("stored_bytes", bytes_text),
    "Ratio": _number("compression_ratio", ratio_text),
    "Files": _number("n_files", count_text),
    "Amplification": _number("read_amplification", times_text),
    "Throughput": _number("throughput_mib_s", throughput_text),
    "Of the limit": _number("limit_fraction", percent_text),
    "Cache": _named("cache", filtered=True),
    "Shown": _named("cache_shown"),
    "Durability": _named("durability", if_several=True),
    "Threads": _number("threads", count_text, if_several=True),
    "At once": _Kind(value=lambda row: row["concurrency"], text=concurrency_text, is_filtered=True, if_several=True),
    "Levels": _number("n_levels", count_text, if_several=True),
    "Levels along": _named("level_axes", if_several=True),
    "Levels by": _named("level_method", if_several=True),
    "Store": _named("store", if_several=True),
    "Dataset": _named("dataset", filtered=True),
    "Shape": _shape("shape", if_several=True),
    "Seed": _number("seed", str, if_several=True),
    "Machine": _named("machine", filtered=True, if_several=True),
    "Environment": _named("environment_id", if_several=True),
    "Commit": _Kind(value=lambda row: row["commit"], text=lambda commit: commit[:8], if_several=True),
    "Reason": _named("reason"),
}
_AT_A_POINT: Final = (
    *("Dataset", "Operation", "Pattern", "Cache", "Threads", "At once", "Median", "95 % interval", "Samples", "Doubt"),
    *("Size", "Ratio", "Files", "Amplification", "Of the limit", "Machine"),
)
"""What the page says of a row at its point in a figure, below the setting's name."""
_SETTING: Final = ("Backend", "Chunks", "Shards", "Codec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of all rows: its distinct texts in sorting order, and for each row the rank of its own.

    Attributes
    ----------
    texts : sequence of str
        Distinct.
    ranks : sequence of int or None
        Positions in `texts`; None where nothing was measured.
    is_number, is_filtered : bool
        Whether it stands at the right; whether its values are offered to choose from.
    """

    texts: Sequence[str]
    ranks: Sequence[int | None]
    is_number: bool
    is_filtered: bool

    def text(self, row: int) -> str:
        """Return what a row says."""
        rank = self.ranks[row]
        return MISSING if rank is None else self.texts[rank]

    @property
    def choices(self) -> list[tuple[int, str]]:
        """Ranks and texts to choose from, -1 for none; nothing where there is no choice, or too much of it."""
        if not self.is_filtered or len(self.texts) > MOST_CHOICES:
            return []
        choices = list(enumerate(self.texts)) + ([(-1, "none")] if None in self.ranks else [])
        return choices if len(choices) > 1 else []

    @property
    def digits(self) -> int:
        """How many characters a coded rank takes; 0 where all rows have the only text."""
        n_codes = len(self.texts) + 1
        if n_codes == 2 and None not in self.ranks:
            return 0
        return next(n for n in itertools.count(1) if n_codes <= len(ALPHABET) ** n)

    @property
    def coded(self) -> str:
        """The ranks, each plus 1 and 0 for none, in so many digits of `ALPHABET`, the highest first."""
        digits = self.digits
        words = ["".join(letters) for letters in itertools.islice(_words(digits), len(self.texts) + 1)]
        return "".join([words[0 if rank is None else rank + 1] for rank in self.ranks]) if digits else ""


def _words(digits: int) -> itertools.product[tuple[str, ...]]:
    return itertools.product(ALPHABET, repeat=digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All results, column by column; the page sorts by ranks, so no text is ever parsed."""

    columns: Mapping[str, Column]
    n_rows: int

    def row(self, index: int) -> list[str]:
        """Return the texts of one row."""
        return [column.text(index) for column in self.columns.values()]

    def marks(self, index: int) -> str:
        """Return the classes of one row: "bad" where there is no number, "doubtful" where it is not to be relied on."""
        status, doubt = self.columns.get("Status"), self.columns.get("Doubt")
        if status is not None and status.text(index) != "ok":
            return "bad"
        return "doubtful" if doubt is not None and doubt.text(index) != MISSING else ""

    @property
    def json(self) -> str:
        """All of it for the page's script."""
        data = {
            "n_rows": self.n_rows,
            "missing": MISSING,
            "setting": [name for name in _SETTING if name in self.columns],
            "point": [name for name in _AT_A_POINT if name in self.columns],
            "numbers": [name for name, column in self.columns.items() if column.is_number],
            "columns": {name: (c.texts, c.digits, c.coded) for name, c in self.columns.items()},
        }
        return json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def all_results(records: Sequence[Record]) -> Results:
    """Return every row of any status; columns that no row has a value for are left out."""
    made = {name: _column(kind, records) for name, kind in _KINDS.items()}
    return Results(columns={name: column for name, column in made.items() if column is not None}, n_rows=len(records))


def _column(kind: _Kind, records: Sequence[Record]) -> Column | None:
    values = [kind.value(row) for row in records]
    distinct: Any = set(values)
    if distinct <= {None} or (kind.if_several and len(distinct) == 1):
        return None
    texts: list[str] = []
    ranks: dict[Hashable, int | None] = {None: None}
    for value in sorted(distinct - {None}):
        text = kind.text(value)
        # what is written alike is alike: neighbours that round to the same share a rank, and the page stays small
        if not texts or text != texts[-1]:
            texts.append(text)
        ranks[value] = len(texts) - 1
    return Column(
        texts=texts,
        ranks=[ranks[value] for value in values],
        is_number=kind.is_number,
        is_filtered=kind.is_filtered,
    )
