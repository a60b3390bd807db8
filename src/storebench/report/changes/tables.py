"""The tables of the page: cases by verdict, counts that changed, what was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.report.changes.model import VERDICTS, Changes
from storebench.report.changes.names import CaseName, cases_text, metric_text
from storebench.report.tables import Cell, Table
from storebench.units import (
    MISSING,
    change_interval_text,
    change_text,
    count_text,
    exact_text,
    percent_axis_text,
    seconds_text,
)

MOST_STATIC: Final = 1500
"""Rows in the page at most, what changed first; beyond that groups are cut, the whole is in the CSV beside the figure."""

FEWEST: Final = 10
"""Rows that each group may have however many changed."""

MOST_OPEN: Final = 25
"""Rows of a verdict that is shown at once."""

_WORDS: Final = {"slower": "Slower", "faster": "Faster", "undecided": "Undecided", "same": "The same"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The cases of one verdict.

    Attributes
    ----------
    title : str
        Verdict and number.
    table : Table
        The largest change first.
    is_open : bool
        Whether the page shows it at once.
    n_left_out : int
        Rows that are in the CSV alone.
    """

    title: str
    table: Table
    is_open: bool
    n_left_out: int


def verdict_groups(changes: Changes) -> list[Group]:
    """Return a table per verdict that any case has; slower and faster are open where they are short."""
    total = changes.summary.get("n_matched", 0)
    room = MOST_STATIC
    counts = _count_changes(changes)
    groups = []
    for verdict in VERDICTS:
        rows = changes.rows(verdict)
        if not rows:
            continue
        alone = verdict in ("slower", "faster")
        shown = rows[: max(room, FEWEST)]
        room -= len(shown)
        title = f"{_WORDS[verdict]}: {cases_text(len(rows))}"
        table = _table(title, verdict, shown, changes, counts)
        is_open = (alone or total <= 12) and len(shown) <= MOST_OPEN
        groups.append(Group(title=title, table=table, is_open=is_open, n_left_out=len(rows) - len(shown)))
    return groups


def _table(
    title: str,
    verdict: str,
    rows: Sequence[Mapping[str, Any]],
    changes: Changes,
    counts: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Table:
    some_changed = any(row["case_id"] in counts for row in rows)
    columns = [
        "Case",
        "Older",
        "Newer",
        "Change",
        f"{percent_axis_text(changes.summary['confidence'])} interval",
        *(["Counts"] if some_changed else []),
    ]
    lines = []
    for row in rows:
        line = [
            name_cell(changes.name(row["case_id"]), "noisy" if row["noisy"] else ""),
            Cell(text=seconds_text(row["a_s"]), detail=_samples(row["a_n"])),
            Cell(text=seconds_text(row["b_s"]), detail=_samples(row["b_n"])),
            Cell(text=change_text(row["ratio"]), mark=verdict),
            Cell(text=_interval(row)),
        ]
        lines.append(line + ([_counts_cell(counts.get(row["case_id"], ()))] if some_changed else []))
    return Table(caption=title, columns=columns, rows=lines)


def name_cell(name: CaseName, mark: str = "") -> Cell:
    """Write a case's name: what is done, below it the setting."""
    return Cell(text=name.title, detail=name.detail, mark=mark)


def _samples(n: int | None) -> str:
    return f"n {count_text(n)}"


def _interval(row: Mapping[str, Any]) -> str:
    text = change_interval_text(row["ratio_low"], row["ratio_high"])
    return "too few samples" if text == MISSING else text


def _count_changes(changes: Changes) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for change in () if changes.comparison is None else changes.comparison.changes:
        found.setdefault(change["case_id"], []).append(change)
    return found


def _counts_cell(changed: Sequence[Mapping[str, Any]]) -> Cell:
    texts = [f"{metric_text(change['metric'])} {_from_to(change)}" for change in changed]
    return Cell(text=texts[0] if texts else "equal", detail="; ".join(texts[1:]))


def _from_to(change: Mapping[str, Any]) -> str:
    return " → ".join(exact_text(change[side], change["metric"]) for side in "ab")


def counts_table(changes: Changes) -> Table | None:
    """Write the counts that changed, exactly, the largest change first; None where none did."""
    if changes.comparison is None or not changes.comparison.changes:
        return None
    every = sorted(changes.comparison.changes, key=lambda c: (-_growth(c), c["case_id"], c["metric"]))
    rows = [
        [
            name_cell(changes.name(change["case_id"])),
            Cell(text=metric_text(change["metric"])),
            *(Cell(text=exact_text(change[side], change["metric"])) for side in "ab"),
            Cell(text=change_text(change["b"] / change["a"] if change["a"] else None)),
        ]
        for change in every[:MOST_STATIC]
    ]
    cut = f"; the largest {count_text(MOST_STATIC)} of {count_text(len(every))}" if len(every) > MOST_STATIC else ""
    return Table(caption=f"Counts that changed{cut}", columns=["Case", "Count", "Older", "Newer", "Change"], rows=rows)


def _growth(change: Mapping[str, Any]) -> float:
    """Return how far a count changed, as a share of the older; from nothing counts as most."""
    return abs(change["b"] - change["a"]) / change["a"] if change["a"] else float("inf")


def lost_table(changes: Changes) -> Table | None:
    """Write the cases that had a time and have none now, and why; None where there is none."""
    if changes.comparison is None or not changes.comparison.lost:
        return None
    rows = [[name_cell(changes.name(case_id)), Cell(text=reason)] for case_id, reason in changes.comparison.lost]
    return Table(caption=f"Lost: {cases_text(len(rows))}", columns=["Case", "Now"], rows=rows)
