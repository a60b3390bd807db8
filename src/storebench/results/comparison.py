"""Two result sets beside each other: which cases became slower or faster as far as the samples show, and which counts changed.

Each side was measured on its own, so machine and time of day are in every ratio; measured side by side, as `storebench
compare` does with two settings, the same effect shows with a tenth of the samples (measurement notes, section 5).

A table of many cases has false alarms in it. In a simulation of 5 processes × 2 samples with 20 % noise, half of it
between processes, and 200 cases, a 99 % interval and a margin of 5 % alone called something slower or faster in 73 % of
the comparisons of a thing with itself. So the verdicts "slower" and "faster" also take the rule of Benjamini and Hochberg
over all cases: of those called so, at most one in 20 on average is a false alarm. The p-values are those of Student's t
with the bootstrap's spread and as many degrees of freedom as there are processes, less two; with the normal distribution
30 % of those comparisons still had a false alarm, so 2 %. docs/results.md says what power that leaves; a small seeded
version of the simulation is in tests/results/test_comparison.py. No statistic takes out a drift between the two runs.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from storebench.errors import ResultsError
from storebench.results.comparison_summary import summarise
from storebench.results.export import plain_records
from storebench.results.intervals import Numbers, drawn_ratios, percentiles
from storebench.results.settings import places_text

FALSE_SHARE: Final = 0.05
"""Of the cases called slower or faster: false alarms at most, on average."""

INSTRUCTIONS_TOLERANCE: Final = 0.02
"""Share by which instructions differ from run to run of the same code (measurement notes, section 4)."""

METRICS: Final = (
    "stored_bytes", "n_files", "chunk_bytes", "fetched_bytes", "requests", "gets", "ranged_gets", "misses", "sets",
    "lists", "set_bytes", "files_opened", "renames", "chunks_touched", "voxels_decoded", "max_abs_error", "instructions",
)  # fmt: skip
"""What is the same in every run of the same code, and is compared exactly; instructions within 2 %."""

_MATCH: Final = ("case_id", "dataset", "shape", "dtype", "seed")
_Row = Mapping[str, Any]
_Key = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """B beside A.

    Attributes
    ----------
    rows : tuple of mapping
        Of each case with a time on both sides: `case_id`, `operation`, `format`, `a_s`, `b_s` (medians), `ratio` (B ÷ A)
        with `ratio_low` and `ratio_high`, `verdict`, `a_n`, `b_n` (samples), `noisy` (either side; None: not known).
    changes : tuple of mapping
        Counts that are known on both sides and differ: `case_id`, `metric`, `a`, `b`.
    counted : mapping
        All counts known on both sides: metric → case → (a, b).
    lost : tuple of (str, str)
        Cases with a number in A that are not ok in B, and why.
    summary : mapping
        `n_matched` (cases with a time on both sides), `n_slower`, `n_faster`, `n_same`, `n_undecided`, `n_only_a`,
        `n_only_b` (cases that the other side has no time of), `n_lost`, `n_changes`, `margin`, `confidence`, `false_share`,
        `caution` (what the samples cannot show, in a sentence; None: there are enough) and `by_operation_and_format`:
        `operation`, `format`, `n`, `median_ratio`, in how many `a_faster` and `b_faster` by their medians, and in how many of
        these that is shown, `a_shown` and `b_shown`.
    """

    rows: tuple[Mapping[str, Any], ...]
    changes: tuple[Mapping[str, Any], ...]
    counted: Mapping[str, Mapping[str, tuple[float, float]]]
    lost: tuple[tuple[str, str], ...]
    summary: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values; `counted` is left out, `changes` has what differs."""
        plain = asdict(self)
        del plain["counted"]
        lost = [{"case_id": case_id, "reason": reason} for case_id, reason in self.lost]
        return plain | {"rows": list(self.rows), "changes": list(self.changes), "lost": lost}


def verdict_of(ratio: float | None, low: float | None, high: float | None, margin: float) -> str:
    """Return what a ratio and its interval show.

    Parameters
    ----------
    ratio, low, high : float or None
        B ÷ A; None: not known.
    margin : float
        Changes up to this share are no change: 0.05 is up to ×1.05, and down to ÷1.05.

    Returns
    -------
    str
        "slower": beyond the margin, and the interval excludes 1; "faster" likewise; "same": the whole interval lies within
        the margin; else "undecided".
    """
    if ratio is None or low is None or high is None:
        return "undecided"
    top = 1 + margin
    if ratio > top and low > 1:
        return "slower"
    if ratio < 1 / top and high < 1:
        return "faster"
    return "same" if low >= 1 / top and high <= top else "undecided"


def compare_frames(a: pd.DataFrame, b: pd.DataFrame, *, margin: float = 0.05, confidence: float = 0.99) -> Comparison:
    """Compare two tidy tables case by case.

    Parameters
    ----------
    a, b : pandas.DataFrame
        Of one machine and, for each case, one environment and commit each: what differs between the two is compared.
    margin : float
        As in `verdict_of`.
    confidence : float
        Of the intervals.

    Raises
    ------
    ResultsError
        If a side has several rows of a case that both have, or the sides were measured on different machines.
    """
    rows_a, rows_b = _by_case(a), _by_case(b)
    shared = [key for key in rows_a if key in rows_b]
    pairs = [(_only(rows_a[key], "A"), _only(rows_b[key], "B")) for key in sorted(shared, key=lambda key: str(key[0]))]
    timed = [(one, other) for one, other in pairs if _is_timed(one) and _is_timed(other)]
    _require_one_machine(timed)
    rows = compare_pairs(timed, margin=margin, confidence=confidence)
    counted = _counted(pairs)
    lost = [(one["case_id"], _why(other)) for one, other in pairs if _is_timed(one) and other["status"] != "ok"]
    changes = _changes(counted)
    n_only = [sum(any(map(_is_timed, side)) for side in sides.values()) - len(timed) for sides in (rows_a, rows_b)]
    summary = summarise(rows, timed) | {"n_only_a": n_only[0], "n_only_b": n_only[1], "n_lost": len(lost)}
    summary |= {"n_changes": len(changes), "margin": margin, "confidence": confidence, "false_share": FALSE_SHARE}
    return Comparison(rows=tuple(rows), changes=tuple(changes), counted=counted, lost=tuple(lost), summary=summary)


def compare_pairs(
    pairs: Sequence[tuple[_Row, _Row]], *, margin: float = 0.05, confidence: float = 0.99
) -> list[dict[str, Any]]:
    """Compare rows that belong together; the rule against false alarms holds over all pairs given.

    Parameters
    ----------
    pairs : sequence of (mapping, mapping)
        A and B as plain records, both with a time, of one machine.
    margin, confidence : float
        As for `compare_frames`.

    Returns
    -------
    list of dict
        In the order given; as `Comparison.rows`.
    """
    return _with_verdicts([_compared(one, other, confidence) for one, other in pairs], margin)


def _by_case(frame: pd.DataFrame) -> dict[_Key, list[_Row]]:
    found: dict[_Key, list[_Row]] = {}
    for row in plain_records(frame):
        found.setdefault(tuple(tuple(v) if isinstance(v := row[name], list) else v for name in _MATCH), []).append(row)
    return found


def _only(rows: Sequence[_Row], side: str) -> _Row:
    if len(rows) > 1:
        raise ResultsError(
            f"{side} has {len(rows)} rows of {rows[0]['case_id']}: {places_text(rows)}. They are not averaged; give one "
            "result file (results/<machine>/<commit>-<environment>.jsonl) instead of a folder"
        )
    return rows[0]


def _is_timed(row: _Row) -> bool:
    return row["status"] == "ok" and row["median_s"] is not None


def _require_one_machine(pairs: Sequence[tuple[_Row, _Row]]) -> None:
    machines = [{row["machine"] for row in side if row["machine"] is not None} for side in zip(*pairs, strict=True)]
    names = sorted(set().union(*machines))
    if len(names) > 1:
        raise ResultsError(
            f"times of different machines are not compared, and these are of {' and '.join(names)}: another machine is "
            "faster or slower at everything. Measure both on one machine (storebench run), or give two files of one folder "
            "in results"
        )


def _compared(a: _Row, b: _Row, confidence: float) -> dict[str, Any]:
    """Return the row of a case, with its `p_value` until the verdicts are given."""
    draws = drawn_ratios(a["samples_s"] or (), a["samples_process"], b["samples_s"] or (), b["samples_process"])
    low, high = (None, None) if draws is None else percentiles(draws, confidence)
    ratio = b["median_s"] / a["median_s"] if a["median_s"] else None
    noisy = None if a["noisy"] is None and b["noisy"] is None else bool(a["noisy"] or b["noisy"])
    return {
        "case_id": a["case_id"],
        "operation": a["operation"],
        "format": a["format"],
        "a_s": a["median_s"],
        "b_s": b["median_s"],
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
        "a_n": a["n_samples"],
        "b_n": b["n_samples"],
        "noisy": noisy,
        "p_value": _p_value(ratio, draws, _n_independent(a) + _n_independent(b) - 2),
    }


def _n_independent(row: _Row) -> int:
    """Return how many values of a side are independent: its processes, or its samples where they are not known."""
    return len(set(row["samples_process"])) if row["samples_process"] else len(row["samples_s"] or ())


def _p_value(ratio: float | None, draws: Numbers | None, freedom: int) -> float | None:
    """Return how often a ratio this far from 1 comes about where nothing differs; None with too few samples."""
    if ratio is None or draws is None or ratio <= 0 or freedom < 1:
        return None
    spread = float(np.log(draws).std())
    distance = abs(math.log(ratio))
    return student_p(distance / spread, freedom) if spread else float(distance == 0)


def student_p(t: float, freedom: int) -> float:
    """Return the chance that |Student's t| is at least `t`, which is not negative (finite series: Abramowitz, Stegun 26.7.3–4)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, term, total = math.cos(angle), 1.0, 0.0
    odd = freedom % 2
    if odd:
        term = math.cos(angle)
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * k / (k + 1)
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return max(0.0, 1 - inside)


def _with_verdicts(rows: Sequence[dict[str, Any]], margin: float) -> list[dict[str, Any]]:
    """Return the rows with verdicts; "slower" and "faster" only where all rows together allow it."""
    limit = _largest_allowed([row["p_value"] for row in rows if row["p_value"] is not None])
    done = []
    for row in rows:
        verdict = verdict_of(row["ratio"], row["ratio_low"], row["ratio_high"], margin)
        if verdict in ("slower", "faster") and (row["p_value"] is None or row["p_value"] > limit):
            verdict = "undecided"
        done.append({name: value for name, value in row.items() if name != "p_value"} | {"verdict": verdict})
    return done


def _largest_allowed(p_values: Sequence[float]) -> float:
    """Return up to which p-value a difference is shown (Benjamini and Hochberg 1995); negative: none is."""
    ordered = sorted(p_values)
    return max((p for rank, p in enumerate(ordered, 1) if p <= FALSE_SHARE * rank / len(ordered)), default=-1.0)


def _counted(pairs: Sequence[tuple[_Row, _Row]]) -> dict[str, dict[str, tuple[float, float]]]:
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for metric in METRICS:
        for a, b in pairs:
            if a["status"] == b["status"] == "ok" and a[metric] is not None and b[metric] is not None:
                found.setdefault(metric, {})[a["case_id"]] = (a[metric], b[metric])
    return found


def _changes(counted: Mapping[str, Mapping[str, tuple[float, float]]]) -> list[dict[str, Any]]:
    tolerance = {"instructions": INSTRUCTIONS_TOLERANCE}
    return [
        {"case_id": case_id, "metric": metric, "a": a, "b": b}
        for metric, by_case in counted.items()
        for case_id, (a, b) in by_case.items()
        if abs(b - a) > tolerance.get(metric, 0) * a
    ]


def _why(row: _Row) -> str:
    return f"{row['status']}: {row['reason']}" if row["reason"] else str(row["status"])
