"""The table of all results: every row of any status, coded so that 5,000 of them stay small and sort without parsing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.report.views import Record
from storebench.units import (
    MISSING,
    bytes_text,
    count_text,
    ratio_text,
    seconds_interval_text,
    seconds_text,
    shape_text,
    throughput_text,
    times_text,
)

_RESULT_COLUMNS: Final[Mapping[str, Callable[[Record], tuple[Any, str]]]] = {
    "Dataset": lambda row: _plain(row["dataset"]),
    "Backend": lambda row: _plain(row["backend"]),
    "Chunks": lambda row: _shape(row["chunk_shape"]),
    "Shards": lambda row: _shape(row["shard_shape"]),
    "Codec": lambda row: _plain(row["codec"]),
    "Operation": lambda row: _plain(row["operation"]),
    "Pattern": lambda row: _plain(row["pattern"]),
    "Cache": lambda row: _plain(row["cache"]),
    "Shown": lambda row: _plain(row["cache_shown"]),
    "Status": lambda row: _plain(row["status"]),
    "Median": lambda row: (row["median_s"], seconds_text(row["median_s"])),
    "95 % interval": lambda row: (row["ci95_low_s"], seconds_interval_text(row["ci95_low_s"], row["ci95_high_s"])),
    "Samples": lambda row: (row["n_samples"], count_text(row["n_samples"]) + _doubts(row)),
    "Of the limit": lambda row: (row["limit_fraction"], _percent(row["limit_fraction"])),
    "Throughput": lambda row: (row["throughput_mib_s"], throughput_text(row["throughput_mib_s"])),
    "Size": lambda row: (row["stored_bytes"], bytes_text(row["stored_bytes"])),
    "Ratio": lambda row: (row["compression_ratio"], ratio_text(row["compression_ratio"])),
    "Files": lambda row: (row["n_files"], count_text(row["n_files"])),
    "Amplification": lambda row: (row["read_amplification"], times_text(row["read_amplification"])),
    "Reason": lambda row: _plain(row["reason"]),
}
FILTERED_COLUMNS: Final = ("Dataset", "Backend", "Codec", "Operation", "Pattern", "Status")
TEXT_COLUMNS: Final = (*FILTERED_COLUMNS, "Chunks", "Shards", "Cache", "Shown", "Reason")


def _doubts(row: Record) -> str:
    """Return why a median is not to be relied on, in a word each."""
    words = [
        word for name, word in (("low_confidence", "low"), ("noisy", "noisy")) if row[name] and row["status"] == "ok"
    ]
    return f" ({', '.join(words)})" if words else ""


def _percent(fraction: float | None) -> str:
    return MISSING if fraction is None else f"{ratio_text(100 * fraction)} %"


def _plain(text: str | None) -> tuple[Any, str]:
    return text, MISSING if text is None else text


def _shape(shape: tuple[int, ...] | None) -> tuple[Any, str]:
    return (None, MISSING) if shape is None else ((math.prod(shape), shape), shape_text(shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All results, column by column, each as a sorted list of its distinct values and one index per row.

    An index is the value's rank, so the page sorts by it without parsing any text; a missing value is null.
    """

    columns: Mapping[str, tuple[Sequence[str], Sequence[int | None]]]
    n_rows: int

    def row(self, index: int) -> list[str]:
        """Return the texts of one row."""
        return [
            values[rank] if (rank := ranks[index]) is not None else MISSING for values, ranks in self.columns.values()
        ]


def all_results(records: Sequence[Record]) -> Results:
    """Return every row of any status; columns that no row has a value for are left out."""
    columns = {}
    for name, read in _RESULT_COLUMNS.items():
        pairs = [read(row) for row in records]
        values = sorted({(key, text) for key, text in pairs if key is not None})
        ranks = {value: rank for rank, value in enumerate(values)}
        if values:
            columns[name] = ([text for _, text in values], [ranks[p] if p[0] is not None else None for p in pairs])
    return Results(columns=columns, n_rows=len(records))
