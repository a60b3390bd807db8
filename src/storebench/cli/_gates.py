"""Gates of `storebench compare`: what --fail-on may name, and which cases fail it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.cli._options import parse_percent
from storebench.errors import NothingSelectedError, UsageError, unknown_name

TIMED: Final = ("slower", "faster")
ALL_COUNTS: Final = "counts"


@dataclass(frozen=True, slots=True)
class Gate:
    """One --fail-on.

    Attributes
    ----------
    text : str
        As it was typed.
    name : str
        "slower", "faster", "counts", or one counted metric.
    share : float or None
        By how much more than this a case may not change, as in 0.05; None: of a time, the margin of the verdicts; of a count,
        nothing.
    """

    text: str
    name: str
    share: float | None

    @property
    def is_timed(self) -> bool:
        """Whether it looks at times, and not at counts."""
        return self.name in TIMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of a gate.

    Attributes
    ----------
    gate : Gate
        The gate.
    n_checked : int
        Matched cases that it could look at.
    failed, undecided : tuple of str
        The cases that fail it, and those that the samples do not decide.
    """

    gate: Gate
    n_checked: int
    failed: tuple[str, ...]
    undecided: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "gate": self.gate.text,
            "n_checked": self.n_checked,
            "failed": self.failed,
            "undecided": self.undecided,
        }


def parse_gates(texts: Sequence[str], margin: float, metrics: Sequence[str]) -> tuple[Gate, ...]:
    """Read every --fail-on.

    Parameters
    ----------
    texts : sequence of str
        As in "slower:5%", "stored_bytes" or "counts".
    margin : float
        Changes of times up to this share are called the same.
    metrics : sequence of str
        The counted metrics.

    Raises
    ------
    UsageError
        For a name that is none, and a percentage below the margin.
    """
    known = (*TIMED, ALL_COUNTS, *metrics)
    gates = []
    for text in texts:
        name, colon, percent = text.partition(":")
        if name not in known:
            raise unknown_name("gate", name, known)
        share = _share(text, percent) if colon else None
        if name in TIMED and share is not None and share < margin:
            raise UsageError(
                f"--fail-on {text} asks for less than the margin of {100 * margin:g}%, below which a change is called the "
                f"same; lower that too: --margin {percent}"
            )
        gates.append(Gate(text, name, share))
    return tuple(gates)


def _share(text: str, percent: str) -> float:
    try:
        return parse_percent(percent)
    except UsageError as error:
        hint = f"; write {text}%" if re.fullmatch(r"\d+(\.\d+)?", percent) else ""
        raise UsageError(f"--fail-on {text}: {error}{hint}") from error


def judge(
    gates: Sequence[Gate],
    rows: Sequence[Mapping[str, Any]],
    counted: Mapping[str, Mapping[str, tuple[float, float]]],
    changes: Sequence[Mapping[str, Any]],
    margin: float,
) -> tuple[Judged, ...]:
    """Return what becomes of each gate.

    Parameters
    ----------
    gates : sequence of Gate
        From `parse_gates`.
    rows : sequence of mapping
        The matched cases, as the JSON has them.
    counted : mapping
        Counts of both sides, by metric and case.
    changes : sequence of mapping
        Those that differ: `case_id`, `metric`, `a`, `b`.
    margin : float
        As in `parse_gates`.

    Raises
    ------
    NothingSelectedError
        If a gate has nothing to look at: it would pass whatever happened.
    """
    judged = [
        _judge_times(gate, rows, margin) if gate.is_timed else _judge_counts(gate, counted, changes) for gate in gates
    ]
    for one in judged:
        if one.n_checked == 0:
            what = (
                "no matched case was timed on both sides"
                if one.gate.is_timed
                else "no matched case has it on both sides"
            )
            raise NothingSelectedError(f"--fail-on {one.gate.text} has nothing to look at: {what}")
    return tuple(judged)


def _judge_times(gate: Gate, rows: Sequence[Mapping[str, Any]], margin: float) -> Judged:
    timed = [row for row in rows if row["ratio"] is not None]
    verdicts = {row["case_id"]: _verdict_at(gate, row, margin) for row in timed}
    return Judged(
        gate=gate,
        n_checked=len(timed),
        failed=tuple(case for case, verdict in verdicts.items() if verdict == gate.name),
        undecided=tuple(case for case, verdict in verdicts.items() if verdict == "undecided"),
    )


def _verdict_at(gate: Gate, row: Mapping[str, Any], margin: float) -> str:
    """Return the verdict with the gate's own margin; what is not shown with the smaller one is not with a larger either."""
    from storebench.results.comparison import verdict_of

    if gate.share is None or gate.share == margin:
        return str(row["verdict"])
    verdict = verdict_of(row["ratio"], row["ratio_low"], row["ratio_high"], gate.share)
    # A verdict rests on more than one interval: on all cases together, or on a second, fresh measurement.
    return verdict if verdict not in TIMED or verdict == row["verdict"] else "undecided"


def _judge_counts(
    gate: Gate, counted: Mapping[str, Mapping[str, tuple[float, float]]], changes: Sequence[Mapping[str, Any]]
) -> Judged:
    names = set(counted) if gate.name == ALL_COUNTS else {gate.name}
    more = [
        change["case_id"]
        for change in changes
        if change["metric"] in names and change["b"] > change["a"] * (1 + (gate.share or 0.0))
    ]
    return Judged(
        gate=gate,
        n_checked=len({case for name in names for case in counted.get(name, ())}),
        failed=tuple(dict.fromkeys(more)),
        undecided=(),
    )
