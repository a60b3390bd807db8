"""Two libraries on the same cases: which rows belong together, and what their ratio shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.report.views import Record
from storebench.results.comparison import compare_pairs

_SAME: Final = (
    "machine", "dataset", "shape", "dtype", "seed", "chunk_shape", "shard_shape", "codec", "operation", "pattern",
    "n_levels", "level_axes", "level_method", "stack_axis", "store", "cache", "durability", "threads", "concurrency",
)  # fmt: skip
"""What two rows of different libraries must have in common."""

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, order=True)
class Side:
    """Who did the work: a library in an environment.

    Attributes
    ----------
    library : str
        Its name; of another tool's results, where no library is named, the environment's.
    environment_id, commit : str
        Where it was measured; empty: not known.
    """

    library: str
    environment_id: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One case done by two libraries.

    Attributes
    ----------
    first, second : Record
        The rows.
    shown : bool
        Whether one is shown to be faster, by the rule of `storebench compare` over all cases of the pair.
    """

    first: Record
    second: Record
    shown: bool

    @property
    def ratio(self) -> float:
        """Time of the second ÷ time of the first: above 1 the first is faster."""
        return float(self.second["median_s"] / self.first["median_s"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """In how many matched cases each of two is faster, and in how many of these it is shown."""

    n: int
    first: int
    first_shown: int
    second: int
    second_shown: int
    median_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two libraries, and every case that both did on one machine.

    Attributes
    ----------
    first, second : Side
        The first is faster in more cases.
    matches : sequence of Match
        One or more.
    """

    first: Side
    second: Side
    matches: Sequence[Match]

    @property
    def names(self) -> tuple[str, str]:
        """The two in words."""
        return self.first.library, self.second.library


def tally(matches: Sequence[Match]) -> Tally:
    """Count matches."""
    ratios = sorted(match.ratio for match in matches)
    middle = len(ratios) // 2
    return Tally(
        n=len(matches),
        first=sum(ratio > 1 for ratio in ratios),
        first_shown=sum(match.ratio > 1 and match.shown for match in matches),
        second=sum(ratio < 1 for ratio in ratios),
        second_shown=sum(match.ratio < 1 and match.shown for match in matches),
        # of logarithms, so that it turns over with the two sides
        median_ratio=ratios[middle] if len(ratios) % 2 else (ratios[middle - 1] * ratios[middle]) ** 0.5,
    )


def matched_pairs(records: Iterable[Record], *, most: int, least: int) -> list[Pair]:
    """Return the pairs of libraries with the most cases in common, never across machines.

    Parameters
    ----------
    records : iterable of Record
        All rows.
    most : int
        Pairs at most.
    least : int
        Cases that a pair must have in common.
    """
    cases: dict[Key, dict[Side, Record]] = {}
    for row in records:
        side = _side(row)
        if side is not None and row["status"] == "ok" and row["median_s"] is not None and row["median_s"] > 0:
            cases.setdefault(_key(row), {}).setdefault(side, row)
    found: dict[tuple[Side, Side], list[tuple[Record, Record]]] = {}
    for rows in cases.values():
        for first, second in itertools.combinations(sorted(rows), 2):
            if _comparable(first, second, rows):
                found.setdefault((first, second), []).append((rows[first], rows[second]))
    enough = [(sides, rows) for sides, rows in found.items() if len(rows) >= least]
    enough.sort(key=lambda item: (-len(item[1]), item[0]))
    return [_pair(first, second, rows) for (first, second), rows in enough[:most]]


def _side(row: Record) -> Side | None:
    """Return who did a row; None where nothing says so, or the machine is not known."""
    backend = row["backend"] or ""
    library = row["library"] or backend.rpartition("-")[2] or (None if backend else row["environment"])
    if library is None or row["machine"] is None:
        return None
    return Side(library, row["environment_id"] or "", row["commit"] or "")


def _key(row: Record) -> Key:
    """Return what is equal for rows of one case. Another tool's cases may differ in what no column holds: their name tells."""
    backend = row["backend"] or ""
    return (
        *(row[name] for name in _SAME),
        row["format"] or backend.rpartition("-")[0],
        "" if backend else row["case_id"],
    )


def _comparable(first: Side, second: Side, rows: dict[Side, Record]) -> bool:
    """Tell whether two sides are two libraries: of one environment, or of two that another tool measured.

    Versions of one library are compared over commits, on the page of changes.
    """
    if first.library == second.library:
        return False
    return first.environment_id == second.environment_id or not (rows[first]["backend"] or rows[second]["backend"])


def _pair(first: Side, second: Side, rows: Sequence[tuple[Record, Record]]) -> Pair:
    """Return a pair with the one before that is faster in more cases."""
    n_first, n_second = (sum(sign * b["median_s"] > sign * a["median_s"] for a, b in rows) for sign in (1, -1))
    if n_second > n_first:
        return _pair(second, first, [(b, a) for a, b in rows])
    verdicts = [compared["verdict"] for compared in compare_pairs(rows)]
    matches = [
        Match(first=a, second=b, shown=verdict in ("slower", "faster"))
        for (a, b), verdict in zip(rows, verdicts, strict=True)
    ]
    return Pair(first=first, second=second, matches=matches)
