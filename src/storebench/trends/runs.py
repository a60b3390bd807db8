"""Runs: what one machine measured in one environment at one commit, and in which order that was.

Commits carry no date here, and the order of hashes says nothing. Samples say when they were taken, so runs are ordered by
their first sample. Where an old commit was measured late, that is the order of measuring and not the order of the history.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from storebench.results.settings import group_keys, timed_rows

if TYPE_CHECKING:
    from storebench.results.journal import JournalContent

CASE: Final = ("case_id", "dataset", "shape", "dtype", "seed")
"""What makes two rows of different runs the same case."""

_RUN: Final = ["machine", "environment", "environment_id", "commit"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """The rows of one machine, environment and commit, from one result set.

    Attributes
    ----------
    machine, environment, environment_id, commit : str or None
        As in the tidy table.
    dirty : bool or None
        Whether there were uncommitted changes.
    started_at : float or None
        When its first sample was taken, seconds since 1970-01-01 UTC; None where only asv knows of the run.
    rows : pandas.DataFrame
        Of the tidy table.
    """

    machine: str | None
    environment: str | None
    environment_id: str | None
    commit: str | None
    dirty: bool | None
    started_at: float | None
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """Commit as short as is usual, a star where there were uncommitted changes; the environment where there is no commit."""
        star = "*" if self.dirty else ""
        return f"{(self.commit or self.environment_id or self.environment or 'unknown')[:8]}{star}"

    @property
    def timed_cases(self) -> set[tuple[Hashable, ...]]:
        """The cases that have a time."""
        timed = timed_rows(self.rows)
        return set(zip(*(timed[name].astype(object).where(timed[name].notna(), None) for name in CASE), strict=True))


def find_runs(frame: pd.DataFrame, journal: JournalContent) -> list[Run]:
    """Split a tidy table into runs, in the table's order.

    Parameters
    ----------
    frame : pandas.DataFrame
        The tidy table.
    journal : JournalContent
        Of the same results: it knows when samples were taken.
    """
    starts = _first_starts(journal)
    return [_run(rows, starts) for _, rows in frame.groupby(group_keys(frame, _RUN), sort=False)]


def _first_starts(journal: JournalContent) -> dict[str, float]:
    """Return when the first sample was taken, by environment id."""
    starts: dict[str, float] = {}
    for (environment_id, _), entry in journal.rows.items():
        for sample in entry.row.samples:
            starts[environment_id] = min(starts.get(environment_id, sample.started_at), sample.started_at)
    return starts


def _run(rows: pd.DataFrame, starts: dict[str, float]) -> Run:
    first = rows.iloc[0]
    machine, environment, environment_id, commit = (None if pd.isna(first[n]) else str(first[n]) for n in _RUN)
    flags = rows["dirty"].dropna()
    return Run(
        machine=machine,
        environment=environment,
        environment_id=environment_id,
        commit=commit,
        dirty=None if flags.empty else bool(flags.any()),
        started_at=starts.get(environment_id or ""),
        rows=rows,
    )


def in_order(runs: Iterable[Run]) -> list[Run]:
    """Return the runs whose start is known, the oldest first."""
    known = [
        (run.started_at, run.environment_id or "", run.commit or "", run) for run in runs if run.started_at is not None
    ]
    return [run for *_, run in sorted(known, key=lambda item: item[:3])]


def without_repeats(runs: Iterable[Run]) -> list[Run]:
    """Return each run once: two result sets may hold the same files."""
    kept = {(run.machine, run.environment, run.environment_id, run.commit, run.started_at): run for run in runs}
    return list(kept.values())


def newest_pair(olds: Sequence[Run], news: Sequence[Run]) -> tuple[Run, Run] | None:
    """Return the newest run of `news` and the newest of `olds` on the same machine that share a timed case; None: there is none.

    Parameters
    ----------
    olds, news : sequence of Run
        The oldest first. Where both are the same runs, the first of the pair is older than the second.
    """
    cases = {id(run): run.timed_cases for run in (*olds, *news)}
    for new in reversed(news):
        before = olds[: olds.index(new)] if new in olds else olds
        for old in reversed(before):
            if old.machine == new.machine and cases[id(old)] & cases[id(new)]:
                return old, new
    return None
