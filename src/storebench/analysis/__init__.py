"""What the tidy table says: fronts, ratios to a baseline, settings side by side, verdicts.

No plotting, no format library.
Only rows with status "ok" enter a statistic; nothing is averaged over machines or environments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from storebench.analysis._words import is_missing, place_texts, setting_text, task_text
from storebench.codecs import parse_codec
from storebench.errors import UnknownNameError
from storebench.results.intervals import Interval, low_confidence, median_interval
from storebench.results.settings import (
    COMPARABLE,
    MEASURED_IN,
    PLACE,
    SETTING,
    backend_text,
    group_keys,
    of_one_place,
    own_twins,
    require_one_place,
    says_task,
    summarise_settings,
    timed_rows,
)
from storebench.results.tidy import throughput
from storebench.units import bytes_text, ratio_text, seconds_text, shape_text

__all__ = [
    "Interval",
    "low_confidence",
    "median_interval",
    "not_shown_slower",
    "pareto_front",
    "place_texts",
    "require_one_place",
    "span",
    "summarise_settings",
    "throughput",
    "verdict",
]

BASELINE: Final = "npy-numpy"
_Row = Mapping[Any, Any]
_OF_TIMES: Final = ["status", "median_s", "case_id", "ci95_low_s", "ci95_high_s", "samples_s", *MEASURED_IN]
_OF_VERDICTS: Final = list(
    dict.fromkeys([*PLACE, *SETTING, *COMPARABLE, *_OF_TIMES])
    | dict.fromkeys(["compression_ratio", "stored_bytes", "low_confidence", "noisy", "n_samples"])
)
"""What is looked at: cutting a table of all columns into hundreds of groups is most of the time otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One finding.

    Attributes
    ----------
    about : str
        What was compared: "read plane_xz", "size", "chunk shapes".
    place : str
        Dataset and machine.
    best : str or None
        The best setting; None where nothing is shown to be better.
    equals : tuple of str
        Other settings that are not shown to be worse.
    sentence : str
        The finding in words.
    """

    about: str
    place: str
    best: str | None
    equals: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """All findings of one table, and how many rows they rest on."""

    findings: tuple[Verdict, ...]
    n_ok: int
    n_not_ok: int
    n_low_confidence: int
    n_noisy: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """The findings in words."""
        return tuple(finding.sentence for finding in self.findings)


def pareto_front(x: Sequence[float | None], y: Sequence[float | None]) -> list[int]:
    """Return the positions of the points that no other point beats, by rising `x`.

    Parameters
    ----------
    x : sequence of float
        A cost, smaller is better (seconds).
    y : sequence of float
        A gain, larger is better (compression ratio). Points with a missing coordinate are never on the front.
    """
    costs, gains = (np.asarray(pd.Series(list(values), dtype="float64")) for values in (x, y))
    order = [int(i) for i in np.lexsort((-gains, costs)) if not np.isnan(costs[i] + gains[i])]
    front: list[int] = []
    for i in order:
        if not front or gains[i] > gains[front[-1]] or (gains[i], costs[i]) == (gains[front[-1]], costs[front[-1]]):
            front.append(i)
    return front


def not_shown_slower(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, fastest first, whose interval overlaps that of the fastest: the equivalence class of the best.

    Overlapping 95 % intervals are a careful test: a difference must be clear before it counts. A row with 3 or 4
    samples has no interval; the span of its samples stands in. One with fewer is never shown to be slower.

    Raises
    ------
    ResultsError
        If they were measured on different machines or in different environments.
    """
    return rows.iloc[leading_places(rows[_OF_TIMES].to_dict("records"))]


def leading_places(rows: Sequence[_Row]) -> list[int]:
    """Return the places of the rows that are not shown to be slower than the fastest of them, as `not_shown_slower`.

    Parameters
    ----------
    rows : sequence of mapping
        By the names of the tidy table's columns; those without a time are passed over.
    """
    timed = [place for place, row in enumerate(rows) if _has_time(row)]
    of_one_place(rows[place] for place in timed)
    if not timed:
        return []
    names = {place: rows[place]["case_id"] for place in timed}
    order = sorted(timed, key=lambda place: (rows[place]["median_s"], is_missing(names[place]), str(names[place])))
    best_high = span(rows[order[0]])[1]
    return [place for place in order if span(rows[place])[0] <= best_high]


def span(row: pd.Series[Any] | Mapping[str, Any]) -> tuple[float, float]:
    """Return between which times, in seconds, the median of a row is sure enough to lie for one to be called faster.

    Its 95 % interval; of 3 or 4 samples their span; of fewer anything. Of two rows that one is shown to be faster whose
    span ends before the other's begins.
    """
    if not is_missing(row["ci95_low_s"]):
        return float(row["ci95_low_s"]), float(row["ci95_high_s"])
    samples = row["samples_s"] or ()
    return (min(samples), max(samples)) if len(samples) >= 3 else (0.0, float("inf"))


def verdict(frame: pd.DataFrame) -> Verdicts:
    """Return what the table shows and what it does not, as sentences: fastest per task, smallest, chunk shapes.

    Lossy settings are left out: they buy size and speed with error. The baseline (raw npy) is named beside, not ranked.
    """
    frame = frame[_OF_VERDICTS]
    ok = frame[frame["status"] == "ok"]
    single = ok.iloc[np.setdiff1d(np.arange(len(ok)), own_twins(ok.to_dict("records")))]
    ranked = single[single["codec"].map(is_lossless, na_action="ignore").eq(True).astype(bool)] if len(ok) else ok
    findings: list[Verdict] = []
    places = place_texts(frame)
    for _, rows in ranked.groupby(group_keys(ranked, PLACE), sort=False):
        place = places[rows.index[0]]
        findings += _smallest(rows, place)
        for task_rows in _by_task(rows):
            findings += _fastest(task_rows, place)
        findings += _chunk_shapes(rows, place)
    return Verdicts(
        findings=tuple(findings),
        n_ok=len(ok),
        n_not_ok=len(frame) - len(ok),
        n_low_confidence=int(ok["low_confidence"].fillna(True).astype(bool).sum()),
        n_noisy=int(ok["noisy"].fillna(False).astype(bool).sum()),
    )


def _by_task(rows: pd.DataFrame) -> list[list[_Row]]:
    """Return the rows of each task together."""
    tasks: dict[str, list[_Row]] = {}
    for key, row in zip(group_keys(rows, COMPARABLE), rows.to_dict("records"), strict=True):
        tasks.setdefault(key, []).append(row)
    return [tasks[key] for key in sorted(tasks)]


def _has_time(row: _Row) -> bool:
    return bool(row["status"] == "ok" and not is_missing(row["median_s"]))


def _fastest(rows: Sequence[_Row], place: str) -> Iterator[Verdict]:
    timed = [row for row in rows if _has_time(row)]
    if not timed or not says_task(timed[0]):
        return
    ranked = [row for row in timed if row["backend"] != BASELINE]
    baseline = [row["median_s"] for row in timed if row["backend"] == BASELINE]
    if len(ranked) < 2:
        return
    task = task_text(ranked[0])
    best_class = [ranked[index] for index in leading_places(ranked)]
    best, *others = [setting_text(row) for row in best_class]
    beside = f"; raw npy: {seconds_text(min(baseline))}" if baseline else ""
    if len(best_class) == len(ranked):
        text = f"{place}, {task}: nothing is shown to be faster than the other{_settings(len(ranked) - 1)}{beside}{_noise(ranked)}."
        yield Verdict(about=task, place=place, best=None, equals=(best, *others), sentence=text)
        return
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        equal = f", not shown to be slower: {'; '.join(others[:3])}{more}"
    else:
        equal = f", shown to be faster than the other{_settings(len(ranked) - 1)}"
    doubt = _doubt(best_class)
    time = seconds_text(best_class[0]["median_s"])
    text = f"{place}, {task}: {best} takes {time}{equal}{beside}{doubt}."
    yield Verdict(about=task, place=place, best=best, equals=tuple(others), sentence=text)


def _doubt(rows: Iterable[_Row]) -> str:
    """Say what weakens a finding that rests on these rows."""
    rows = list(rows)
    low = any(is_missing(row["low_confidence"]) or row["low_confidence"] for row in rows)
    return (" (low confidence)" if low else "") + _noise(rows)


def _noise(rows: Iterable[_Row]) -> str:
    return " (noisy)" if any(not is_missing(row["noisy"]) and row["noisy"] for row in rows) else ""


def _settings(n: int) -> str:
    return " setting" if n == 1 else f" {n} settings"


def _smallest(rows: pd.DataFrame, place: str) -> Iterator[Verdict]:
    sized = rows[(rows["operation"] != "encode") & rows["compression_ratio"].notna()]
    sized = sized.sort_values(["stored_bytes", "case_id"], kind="stable")
    if sized["stored_bytes"].nunique() < 2:
        return
    best = sized.iloc[0]
    same = sized[sized["stored_bytes"] == best["stored_bytes"]]
    name, *others = dict.fromkeys(setting_text(row) for row in same.to_dict("records"))
    size = f"{bytes_text(best['stored_bytes'])}, compression ratio {ratio_text(float(best['compression_ratio']))}"
    equal = f"; the same size: {'; '.join(others)}" if others else ""
    yield Verdict(
        about="size",
        place=place,
        best=name,
        equals=tuple(others),
        sentence=f"{place}: smallest is {name} ({size}){equal}.",
    )


def _chunk_shapes(rows: pd.DataFrame, place: str) -> Iterator[Verdict]:
    """Compare chunk shapes where all else is equal: in the setting that was measured with most shapes and patterns."""
    is_known = rows["pattern"].notna() & rows["chunk_shape"].notna()
    reads = timed_rows(rows[(rows["operation"] == "read") & (rows["cache"] == "warm") & is_known])
    same = [name for name in SETTING if name != "chunk_shape"]
    families = [family for _, family in reads.groupby(group_keys(reads, same), sort=False)]
    family = max(
        families, key=lambda f: (f["chunk_shape"].nunique() > 1, f["pattern"].nunique(), len(f)), default=reads
    )
    if family["chunk_shape"].nunique() < 2 or family["pattern"].nunique() < 2:
        return
    # a shape competes where it was read in every pattern
    counts = family.groupby("chunk_shape")["pattern"].nunique()
    family = family[family["chunk_shape"].isin(counts.index[counts == counts.max()])]
    classes = {pattern: _shapes(not_shown_slower(p)) for pattern, p in family.groupby("pattern")}
    winners = [shape for shape in _shapes(family) if all(shape in shapes for shapes in classes.values())]
    first = family.iloc[0]
    what = f"{place}, {backend_text(first)} {first['codec']}"
    if winners:
        shown = f"{' or '.join(winners)} are not shown to be slower than another in any access pattern"
        text = f"{what}: chunks {shown}{_noise(family.to_dict('records'))}."
        yield Verdict(about="chunk shapes", place=place, best=winners[0], equals=tuple(winners[1:]), sentence=text)
        return
    listed = "; ".join(f"{pattern!s}: {' or '.join(shapes)}" for pattern, shapes in classes.items())
    text = f"{what}: no chunk shape wins every access pattern: {listed}{_noise(family.to_dict('records'))}."
    yield Verdict(about="chunk shapes", place=place, best=None, equals=(), sentence=text)


def _shapes(rows: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(shape_text(shape) for shape in rows["chunk_shape"]))


def is_lossless(codec: str) -> bool:
    """Tell whether a codec is known to give back every voxel to the bit."""
    try:
        return parse_codec(codec).lossless
    except UnknownNameError:
        return False  # of another tool's codec nothing is known
