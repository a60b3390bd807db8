"""The numbers of a comparison over all its cases, and what its samples cannot show, as a sentence."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from storebench.results.intervals import MIN_PROCESSES, MIN_SAMPLES
from storebench.units import count_text, ratio_text

_Row = Mapping[str, Any]


def summarise(rows: Sequence[_Row], sides: Sequence[tuple[_Row, _Row]]) -> dict[str, Any]:
    """Return how many cases have each verdict, the same by operation and format, and what the samples cannot show.

    Parameters
    ----------
    rows : sequence of mapping
        The compared cases, with `operation`, `format`, `ratio` (B ÷ A), its interval and `verdict`.
    sides : sequence of (mapping, mapping)
        Their rows in A and in B.
    """
    verdicts = Counter(row["verdict"] for row in rows)
    return {
        "n_matched": len(rows),
        **{f"n_{name}": verdicts[name] for name in ("slower", "faster", "same", "undecided")},
        "by_operation_and_format": _by_operation_and_format(rows),
        "caution": _caution(rows, sides),
    }


def _by_operation_and_format(rows: Sequence[_Row]) -> list[dict[str, Any]]:
    groups: dict[tuple[str | None, str | None], list[_Row]] = {}
    for row in rows:
        if row["ratio"] is not None:
            groups.setdefault((row["operation"], row["format"]), []).append(row)
    return [
        {
            "operation": operation,
            "format": format_name,
            "n": len(members),
            "median_ratio": statistics.median(row["ratio"] for row in members),
            "a_faster": sum(row["ratio"] > 1 for row in members),
            "b_faster": sum(row["ratio"] < 1 for row in members),
            "a_shown": sum(row["verdict"] == "slower" for row in members),
            "b_shown": sum(row["verdict"] == "faster" for row in members),
        }
        for (operation, format_name), members in sorted(groups.items(), key=lambda item: str(item[0]))
    ]


def _caution(rows: Sequence[_Row], sides: Sequence[tuple[_Row, _Row]]) -> str | None:
    """Say what so few samples, of so few processes, cannot show; None where there are enough of every case."""
    few = [pair for pair in sides if any((side["n_samples"] or 0) < MIN_SAMPLES for side in pair)]
    unknown = [pair for pair in sides if any(side["n_processes"] is None for side in pair)]
    pooled = [pair for pair in sides if any((side["n_processes"] or MIN_PROCESSES) < MIN_PROCESSES for side in pair)]
    total = len(sides)
    parts = []
    if few:
        fewest = min(side["n_samples"] or 0 for pair in few for side in pair)
        parts.append(
            f"{_of(few, total)} a side has fewer than {MIN_SAMPLES} samples (the fewest: {fewest}){_width_text(rows)}"
        )
    if pooled:
        parts.append(f"{_of(pooled, total)} a side has samples of fewer than {MIN_PROCESSES} processes")
    if unknown:
        parts.append(
            f"{_of(unknown, total)} it is not known how many processes the samples come from: what differs from process to "
            "process, or from the one run to the other, is not in the intervals"
        )
    return f"These samples cannot show everything: {'; '.join(parts)}." if parts else None


def _of(pairs: Sequence[Any], total: int) -> str:
    return "in every case" if len(pairs) == total else f"in {count_text(len(pairs))} of {count_text(total)} cases"


def _width_text(rows: Sequence[_Row]) -> str:
    """Say how wide the intervals of the undecided cases are: smaller differences cannot be seen in them."""
    undecided = [row for row in rows if row["verdict"] == "undecided"]
    known = [row for row in undecided if row["ratio_low"] and row["ratio_high"]]
    if not known:
        return ": no interval, so nothing can be shown" if undecided else ""
    width = statistics.median(math.sqrt(row["ratio_high"] / row["ratio_low"]) - 1 for row in known)
    return f", so the intervals of the undecided are ±{ratio_text(100 * width)} % wide in the median"
