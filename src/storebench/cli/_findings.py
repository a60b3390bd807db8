"""What a comparison found, from two result sets or live: as a table, as sentences, as JSON."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from storebench.cli._output import Output, text_width
from storebench.cli._table import Column, table_text
from storebench.units import MISSING, change_interval_text, change_text, count_text, exact_text, seconds_column

VERDICTS: Final = ("slower", "faster", "same", "undecided")
KIND: Final = "storebench-comparison"
_ALL_SHOWN: Final = 10
"""So few cases are all shown, and not only those that changed."""

_MOST_ROWS: Final = 20
"""Rows of a table at most; the JSON has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What two sides look like beside each other.

    Attributes
    ----------
    rows : sequence of mapping
        One per matched case, as the JSON has it: `case_id`, `operation`, `format`, `a_s`, `b_s`, `ratio` (B ÷ A), `ratio_low`,
        `ratio_high`, `verdict`; what is not known is None.
    counted : mapping
        Counts of both sides, by metric and case.
    changes : sequence of mapping
        The counts that differ: `case_id`, `metric`, `a`, `b`.
    margin, confidence : float
        Changes up to this share are the same; of the intervals.
    advice : str
        What to do where the samples do not decide.
    titles : sequence of str
        What A and B are.
    labels : mapping of str to str
        Shorter names of cases, for tables; their words where there is none.
    noise : sequence of str
        What shows that the machine was busy.
    lost : sequence of (str, str)
        Cases that have a number in A and none in B, or that could not be measured, and why.
    n_only_a, n_only_b : int
        Cases without a partner.
    facts, summary_facts : mapping
        What else the JSON has, and its summary.
    """

    rows: Sequence[Mapping[str, Any]]
    counted: Mapping[str, Mapping[str, tuple[float, float]]]
    changes: Sequence[Mapping[str, Any]]
    margin: float
    confidence: float
    advice: str
    titles: tuple[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    noise: Sequence[str] = ()
    lost: Sequence[tuple[str, str]] = ()
    n_only_a: int = 0
    n_only_b: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    summary_facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdicts(self) -> Counter[str]:
        """How many cases have each verdict."""
        return Counter(str(row["verdict"]) for row in self.rows)

    @property
    def summary(self) -> dict[str, Any]:
        """The numbers of the conclusion, and its sentence."""
        return {
            "n_matched": len(self.rows),
            **{f"n_{name}": self.verdicts[name] for name in VERDICTS},
            "n_changes": len(self.changes),
            "n_only_a": self.n_only_a,
            "n_only_b": self.n_only_b,
            "n_lost": len(self.lost),
            "margin": self.margin,
            "confidence": self.confidence,
            "noisy": bool(self.noise),
            "sentence": self.sentence,
            "advice": self.advice if self.verdicts["undecided"] else None,
            **self.summary_facts,
        }

    @property
    def sentence(self) -> str:
        """The conclusion in words."""
        total, found = len(self.rows), self.verdicts
        open_text = "undecided: more samples would decide"
        same_text = f"same within {100 * self.margin:g} %"
        if total == 1:
            told = {"same": f"is the {same_text}", "undecided": f"is {open_text}"}
            verdict = str(self.rows[0]["verdict"])
            return f"The one case {told.get(verdict, f'is shown to be {verdict}')}."
        slower, faster = found["slower"], found["faster"]
        which = f"{_none(slower)} of {_cases(total)} {'is' if slower <= 1 else 'are'} shown to be slower"
        parts = [f"{which}, {_none(faster).lower()} faster"]
        parts += [f"{count_text(found['same'])} {same_text}"] if found["same"] else []
        parts += [f"{count_text(found['undecided'])} {open_text}"] if found["undecided"] else []
        return "; ".join(parts) + "."


def findings_json(findings: Findings) -> dict[str, Any]:
    """Return what was found as one document."""
    lost = [{"case_id": case, "reason": reason} for case, reason in findings.lost]
    return {
        "kind": KIND,
        **findings.facts,
        "rows": findings.rows,
        "changes": findings.changes,
        "summary": findings.summary,
        "lost": lost,
        "noise": findings.noise,
    }


def say_findings(output: Output, findings: Findings) -> None:
    """Write what was found for a person: what changed, then how much did not, and the conclusion last."""
    for side, title in zip("AB", findings.titles, strict=True):
        output.say(f"{side}: {title}")
    output.say()
    shown = list(findings.rows)
    if len(shown) > _ALL_SHOWN:
        shown = [row for row in shown if row["verdict"] in ("slower", "faster")]
    shown.sort(key=_place)
    if shown:
        _say_table(output, _time_columns(shown[:_MOST_ROWS], findings.labels), len(shown))
    groups = findings.summary_facts.get("by_operation_and_format")
    if len(findings.rows) > _ALL_SHOWN and groups:
        output.paragraph("How many cases take less time in A and in B, and in brackets how many are shown to:")
        _say_table(output, _group_columns(groups), len(groups))
    changes = list(findings.changes)
    if changes:
        _say_table(output, _count_columns(changes[:_MOST_ROWS], findings.labels), len(changes))
    elif findings.counted:
        output.paragraph(f"Counts: all equal ({', '.join(findings.counted)}).")
    output.paragraph(findings.sentence)
    if findings.summary_facts.get("caution"):
        output.paragraph(findings.summary_facts["caution"])
    if findings.verdicts["undecided"]:
        output.paragraph(f"To decide: {findings.advice}")


def _say_table(output: Output, columns: Sequence[Column], n_rows: int) -> None:
    """Write a table, and how many of its rows are left out."""
    output.say(table_text(columns, width=text_width(), color=output.wants_color(sys.stdout)))
    if n_rows > _MOST_ROWS:
        output.paragraph(f"and {count_text(n_rows - _MOST_ROWS)} more; all of them: --json")
    output.say()


def note_findings(output: Output, findings: Findings) -> None:
    """Say what limits the comparison: cases without a partner, failures, noise."""
    for side, n in (("A", findings.n_only_a), ("B", findings.n_only_b)):
        if n:
            output.note(f"Not compared: {_cases(n)} only in {side}.")
    for case, reason in findings.lost:
        output.note(f"Not compared: {case}: {reason}")
    for text in findings.noise:
        output.note(f"Warning: {text}")


def _place(row: Mapping[str, Any]) -> tuple[int, float]:
    """Order rows: slower ones first, the largest change first among equals."""
    verdict = str(row["verdict"])
    order = VERDICTS.index(verdict) if verdict in VERDICTS else len(VERDICTS)
    return order, -abs((row["ratio"] or 1.0) - 1.0)


def _time_columns(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> list[Column]:
    return [
        Column(title="Case", cells=_case_cells(rows, labels), wraps=True),
        Column(title="A", cells=seconds_column([row["a_s"] for row in rows]), align=">"),
        Column(title="B", cells=seconds_column([row["b_s"] for row in rows]), align=">"),
        Column(title="Change", cells=[change_text(row["ratio"]) for row in rows], align=">"),
        Column(
            title="Range", cells=[change_interval_text(row["ratio_low"], row["ratio_high"]) for row in rows], align=">"
        ),
        Column(title="Verdict", cells=[str(row["verdict"]) for row in rows]),
    ]


def _group_columns(groups: Sequence[Mapping[str, Any]]) -> list[Column]:
    def faster(side: str) -> list[str]:
        return [f"{count_text(g[f'{side}_faster'])} ({count_text(g[f'{side}_shown'])})" for g in groups]

    return [
        Column(title="Operation", cells=[group["operation"] or MISSING for group in groups]),
        Column(title="Format", cells=[group["format"] or MISSING for group in groups]),
        Column(title="Cases", cells=[count_text(group["n"]) for group in groups], align=">"),
        Column(title="A faster", cells=faster("a"), align=">"),
        Column(title="B faster", cells=faster("b"), align=">"),
        Column(title="Median change", cells=[change_text(group["median_ratio"]) for group in groups], align=">"),
    ]


def _count_columns(changes: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> list[Column]:
    return [
        Column(title="Case", cells=_case_cells(changes, labels), wraps=True),
        Column(title="Count", cells=[str(change["metric"]) for change in changes]),
        Column(title="A", cells=[exact_text(change["a"], str(change["metric"])) for change in changes], align=">"),
        Column(title="B", cells=[exact_text(change["b"], str(change["metric"])) for change in changes], align=">"),
    ]


def _case_cells(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> list[str]:
    """Return the cases' names in words, so that they can be broken between them."""
    return [labels.get(case := str(row["case_id"]), " ".join(case.split("/"))) for row in rows]


def _none(n: int) -> str:
    return count_text(n) if n else "None"


def _cases(n: int) -> str:
    return "1 case" if n == 1 else f"{count_text(n)} cases"
