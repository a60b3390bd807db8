"""What changed between two runs: one object that the sentence, the tables, the figure and the Markdown are made from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pandas as pd

from storebench.errors import NothingSelectedError, ResultsError, StorebenchError
from storebench.records import Environment
from storebench.report.changes.names import CaseName, case_names, cases_text, metric_text
from storebench.results.comparison import Comparison, compare_frames
from storebench.results.imported import Imported
from storebench.results.journal import JournalContent
from storebench.trends import Run, find_runs, in_order, newest_pair, without_repeats
from storebench.units import MISSING, count_text, moment_text, percent_axis_text

VERDICTS: Final = ("slower", "faster", "undecided", "same")
"""In the order of the page: what asks for attention first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSet:
    """A results folder: its tidy table, as `load_results` gives it, and what its journals know."""

    frame: pd.DataFrame
    journal: JournalContent


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Two runs beside each other, and all runs in order.

    Attributes
    ----------
    older, newer : Run or None
        What is compared; None where nothing can be.
    comparison : Comparison or None
        A is the older, B the newer.
    error : StorebenchError or None
        Why nothing is compared: that no case is in both, or that the two cannot be compared; None where something is.
    choice : str
        Which two runs are compared, and how their order was found.
    history : sequence of Run
        All runs whose start is known, the oldest first.
    n_unplaced : int
        Runs that have no place in it.
    environments : mapping of str to Environment
        By environment id, of all result sets.
    imported : mapping of str to Imported
        Files of other tools by environment id, of all result sets.
    names : mapping of str to CaseName
        By case id.
    image : str
        The image, where all cases are of one.
    """

    older: Run | None
    newer: Run | None
    comparison: Comparison | None
    error: StorebenchError | None = None
    choice: str = ""
    history: Sequence[Run] = ()
    n_unplaced: int = 0
    environments: Mapping[str, Environment] = field(default_factory=dict)
    imported: Mapping[str, Imported] = field(default_factory=dict)
    names: Mapping[str, CaseName] = field(default_factory=dict)
    image: str = ""

    @property
    def why_not(self) -> str:
        """Why nothing is compared, as a sentence; empty where something is."""
        text = str(self.error or "")
        return f"{text[:1].upper()}{text[1:]}." if text else ""

    @property
    def summary(self) -> Mapping[str, Any]:
        """The comparison's numbers; empty where nothing is compared."""
        return {} if self.comparison is None else self.comparison.summary

    @property
    def sentence(self) -> str:
        """The conclusion in words."""
        if self.comparison is None:
            return self.why_not
        found = {name: self.summary[f"n_{name}"] for name in VERDICTS}
        total = self.summary["n_matched"]
        calm = (
            f"{count_text(found['same'])} the same, {count_text(found['undecided'])} undecided of {cases_text(total)}"
        )
        if not found["slower"] and not found["faster"]:
            return f"Nothing is shown to be slower or faster: {calm}"
        noisy = f" ({count_text(self.n_noisy)} of the changed noisy)" if self.n_noisy else ""
        return f"{count_text(found['slower'])} slower, {count_text(found['faster'])} faster, {calm}{noisy}"

    @property
    def side_names(self) -> tuple[str, str]:
        """What tells the older run from the newer: their commits, else their environments; of other tools' files both."""
        if self.older is None or self.newer is None:
            return MISSING, MISSING
        old, new = self.older, self.newer
        places = (old.environment or MISSING, new.environment or MISSING)
        if places[0] == places[1]:
            return old.name, new.name
        if old.name == new.name:
            return places
        is_imported = any(run.environment_id in self.imported for run in (old, new))
        return (f"{places[0]} {old.name}", f"{places[1]} {new.name}") if is_imported else (old.name, new.name)

    def measured(self, run: Run) -> str:
        """Say when a run was measured: its first sample, else the date that another tool's file has."""
        source = self.imported.get(run.environment_id or "")
        date = source.taken_at[:10] if source is not None and source.taken_at else MISSING
        return moment_text(run.started_at) if run.started_at is not None else date

    @property
    def n_noisy(self) -> int:
        """How many of the cases called slower or faster were measured on a busy machine."""
        return sum(bool(row["noisy"]) for row in self.rows("slower", "faster"))

    @property
    def doubt(self) -> str:
        """Why not to believe what is called slower or faster, as a sentence; empty where nothing speaks against it."""
        n_changed = len(self.rows("slower", "faster"))
        if not self.n_noisy:
            return ""
        which = f"{'All' if self.n_noisy == n_changed else count_text(self.n_noisy)} of the {cases_text(n_changed)}"
        which = "The one case" if n_changed == 1 else which
        return (
            f"{which} called slower or faster {'was' if self.n_noisy == 1 else 'were'} measured while the machine was busy with "
            "other things. A busy machine makes the same code slower, and no statistic takes that out: measure again."
        )

    @property
    def rule(self) -> str:
        """How the verdicts were given."""
        if self.comparison is None:
            return ""
        margin = percent_axis_text(self.summary["margin"])
        confidence = percent_axis_text(self.summary["confidence"])
        share = percent_axis_text(self.summary["false_share"])
        return (
            f"Slower or faster: the median differs by more than {margin}, the {confidence} interval of the ratio excludes no "
            f"change, and of all cases called so at most {share} are false alarms on average (Benjamini and Hochberg). The "
            f"same: the whole interval lies within {margin}. Undecided: the samples do not tell; more of them would."
        )

    @property
    def counts_sentence(self) -> str:
        """Which exact counts changed; they do not depend on the machine."""
        if self.comparison is None:
            return ""
        known = ", ".join(map(metric_text, self.comparison.counted))
        if not known:
            return "No counts of requests, bytes or files are known on both sides."
        changed: dict[str, int] = {}
        for change in self.comparison.changes:
            changed[change["metric"]] = changed.get(change["metric"], 0) + 1
        if not changed:
            return f"Counts, compared exactly, are all equal: {known}."
        listed = ", ".join(
            f"{metric_text(name)} in {cases_text(count)}" for name, count in sorted(changed.items(), key=_most_first)
        )
        return f"Counts, compared exactly, changed: {listed}."

    def rows(self, *verdicts: str) -> list[Mapping[str, Any]]:
        """Return the rows of some verdicts, the largest change first."""
        rows = [] if self.comparison is None else self.comparison.rows
        return sorted((row for row in rows if row["verdict"] in verdicts), key=effect, reverse=True)

    def name(self, case_id: str) -> CaseName:
        """Name a case."""
        return self.names.get(case_id) or CaseName(title=case_id, detail="")


def effect(row: Mapping[str, Any]) -> float:
    """Return how far a row's ratio is from 1, on a log scale; -1 where it is not known."""
    return abs(math.log(row["ratio"])) if row["ratio"] else -1.0


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def find_changes(results: ResultSet, older: ResultSet | None = None, *, margin: float = 0.05) -> Changes | None:
    """Compare results with older ones, or the newest two runs of one machine in them.

    Parameters
    ----------
    results, older : ResultSet
        Of several runs the newest is compared. Without `older` both runs are looked for in `results`.
    margin : float
        As in `compare_frames`.

    Returns
    -------
    Changes or None
        None where there is no `older`, and `results` hold no two runs that share a case.
    """
    news = _runs(results)
    olds = news if older is None else _runs(older)
    # against older results a run without a start is older than one with; among themselves their order is not known
    pair = newest_pair(in_order(news), in_order(news)) if older is None else newest_pair(_all(olds), _all(news))
    if pair is None and older is None:
        return None
    every = without_repeats([*([] if older is None else olds), *news])
    history = in_order(every)
    names, image = case_names(pd.concat([run.rows for run in every], ignore_index=True)) if every else ({}, "")
    shared: dict[str, Any] = {
        "history": history,
        "n_unplaced": len(every) - len(history),
        "environments": ({} if older is None else dict(older.journal.environments))
        | dict(results.journal.environments),
        "imported": ({} if older is None else dict(older.journal.imported)) | dict(results.journal.imported),
        "names": names,
        "image": image,
    }
    if pair is None:
        return Changes(older=None, newer=None, comparison=None, error=_nothing_shared(olds, news), **shared)
    try:
        comparison = compare_frames(pair[0].rows, pair[1].rows, margin=margin)
    except ResultsError as error:
        refused = ResultsError(f"nothing is compared: {error}")
        return Changes(older=None, newer=None, comparison=None, error=refused, **shared)
    found = Changes(older=pair[0], newer=pair[1], comparison=comparison, **shared)
    return replace(found, choice=_choice(found, pair, olds, news, inside=older is None))


def _when(changes: Changes, run: Run) -> str:
    measured = changes.measured(run)
    return "when is not recorded" if measured == MISSING else f"measured {measured}"


def _runs(results: ResultSet) -> list[Run]:
    return find_runs(results.frame, results.journal)


def _all(runs: Sequence[Run]) -> list[Run]:
    """Return the runs whose start is not known before the others."""
    return [*(run for run in runs if run.started_at is None), *in_order(runs)]


def _nothing_shared(olds: Sequence[Run], news: Sequence[Run]) -> StorebenchError:
    """Say why no run of one side can be held against one of the other, with the error that `compare` ends with there."""
    cases = [set().union(*(run.timed_cases for run in runs)) for runs in (olds, news)]
    if cases[0] & cases[1]:
        machines = [sorted({run.machine or "an unnamed machine" for run in runs}) for runs in (olds, news)]
        before, after = map(" and ".join, machines)
        return ResultsError(
            f"nothing is compared: the older results are of {before}, these are of {after}, and another machine is faster or "
            "slower at everything"
        )
    n_before, n_after = map(len, cases)
    return NothingSelectedError(
        f"nothing is compared: no case has a time on both sides. The older results have {cases_text(n_before)} with a time, these "
        f"have {cases_text(n_after)}. Cases match by image, setting, operation and pattern"
    )


def _choice(changes: Changes, pair: tuple[Run, Run], olds: Sequence[Run], news: Sequence[Run], *, inside: bool) -> str:
    old, new = pair
    moments = [f"{name} ({_when(changes, run)})" for name, run in zip(changes.side_names, pair, strict=True)]
    if inside:
        return (
            f"Compared are the newest two of {count_text(len(news))} runs that share cases on one machine: {moments[0]} and "
            f"{moments[1]}. The order is that of measuring, by the first sample of each."
        )
    several = [
        f"the newest of {count_text(len(runs))} runs in the {side} results"
        for side, runs in (("older", olds), ("newer", news))
        if len(runs) > 1
    ]
    chosen = (
        f" Taken is {' and '.join(several)} that shares a case with the other side, by its first sample."
        if several
        else ""
    )
    backwards = (
        " The older results were measured after the newer ones."
        if old.started_at is not None and new.started_at is not None and old.started_at > new.started_at
        else ""
    )
    return f"Compared are {moments[0]} and {moments[1]}.{chosen}{backwards}"
