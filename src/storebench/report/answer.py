"""The first screen: the answer as texts for the template, and as numbers for the page's script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from storebench.advise.baselines import Baseline
from storebench.advise.choosing import answer
from storebench.advise.ranking import Answer, Unranked
from storebench.advise.sureness import N_DRAWS, RULE, Decision
from storebench.advise.words import listed, pattern_text
from storebench.errors import unknown_name
from storebench.records import DatasetRecord, FileForm
from storebench.report.answer_data import script_data
from storebench.report.sliders import Slider, goal_sliders, pattern_sliders
from storebench.report.views import View
from storebench.results.intervals import Interval
from storebench.units import (
    MISSING,
    bytes_text,
    count_text,
    ratio_text,
    seconds_interval_text,
    seconds_text,
    times_interval_text,
    times_text,
)

N_TOP: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of a setting, with the smaller line below it."""

    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """The numbers of one setting in the answer's table.

    Attributes
    ----------
    name, detail : str
        Which setting.
    figures : sequence of Figure
        Size, write, read of the mix, files; empty where it was not measured.
    place : int
        Position among all candidates; -1 for the first setting, whichever that is.
    command, why : str
        What measures it, where it was not measured; or why nothing does.
    """

    name: str
    detail: str = ""
    figures: Sequence[Figure] = ()
    place: int = -1
    command: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopRow:
    """One of the leading settings.

    Attributes
    ----------
    label : str
        The setting.
    texts : sequence of str
        Size, write, read of the mix, files, score.
    is_equal : bool
        Whether it is not shown to be worse than the first.
    """

    label: str
    texts: Sequence[str]
    is_equal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The answer as the template shows it.

    Attributes
    ----------
    answer : Answer
        The one result object.
    rows : sequence of FigureRow
        The first setting, then what it is held against.
    goals, patterns : sequence of Slider
        Weights.
    weighed : str
        The weights in words.
    top : sequence of TopRow
        The leading settings.
    decisions : sequence of (Decision, str)
        With the share of the draws in words.
    doubt : str
        Why confidence is not more.
    refused : sequence of (str, str)
        Why settings are not ranked, and which.
    changes, more_changes : sequence of (str, str)
        When the answer changes, and to what.
    rule : str
        How sureness was found out.
    data : Markup
        For the script.
    """

    answer: Answer
    rows: Sequence[FigureRow]
    goals: Sequence[Slider]
    patterns: Sequence[Slider]
    weighed: str
    top: Sequence[TopRow]
    decisions: Sequence[tuple[Decision, str]]
    doubt: str
    refused: Sequence[tuple[str, str]]
    changes: Sequence[tuple[str, str]]
    more_changes: Sequence[tuple[str, str]]
    rule: str
    data: Markup


def answers(
    views: Sequence[View],
    *,
    weights: Mapping[str, float] | None = None,
    reads: Mapping[str, float] | None = None,
    datasets: Iterable[DatasetRecord] = (),
) -> list[Answer | Unranked]:
    """Return the answer of each view.

    Parameters
    ----------
    views : sequence of View
        One image on one machine each.
    weights, reads : mapping of str to float, optional
        Priorities, as `advise.choosing.answer` takes them.
    datasets : iterable of DatasetRecord
        Of images that are files they know how these store them.

    Raises
    ------
    UnknownNameError
        If an access pattern has a weight that no view was read with.
    """
    known = {pattern for view in views for pattern in view.patterns}
    for name in reads or {}:
        if name not in known:
            raise unknown_name("access pattern in these results", name, sorted(known))
    forms: dict[tuple[Any, ...], FileForm | None] = {record.key: record.file_form for record in datasets}
    return [
        answer(
            [row for setting in view.settings for row in (setting.write, *setting.reads.values()) if row is not None],
            weights=weights,
            reads=reads,
            as_file=forms.get((view.dataset, view.shape, view.dtype, None)),
            surroundings=view.records,
        )
        for view in views
    ]


def panel(found: Answer) -> Panel:
    """Put an answer into words and numbers for the page."""
    changes = [(flip.condition, then.label) for flip, then in found.flips]
    first_of = {label: condition for condition, label in reversed(changes)}
    leading = [change for change in changes if first_of[change[1]] == change[0]][:3]
    return Panel(
        answer=found,
        rows=[_first_row(found), *(_baseline_row(baseline, found) for baseline in found.baselines)],
        goals=goal_sliders(found),
        patterns=pattern_sliders(found),
        weighed=_weighed(found),
        top=[_top_row(found, index) for index in range(min(N_TOP, len(found.ranked)))],
        decisions=[(decision, _share_text(decision.share)) for decision in found.decisions],
        doubt=next((d.reason for d in found.decisions if d.share is not None and d.reason), ""),
        refused=_refused(found),
        changes=leading,
        more_changes=[change for change in changes if change not in leading],
        rule=RULE,
        data=script_data(found),
    )


def _first_row(found: Answer) -> FigureRow:
    first = found.first
    logical = first.asked["logical_bytes"]
    ratio = f"ratio {ratio_text(logical / first.stored_bytes)}" if logical and first.stored_bytes else ""
    figures = (
        Figure(text=bytes_text(first.stored_bytes), detail=ratio),
        _time(found.write),
        _time(found.read),
        Figure(text=count_text(first.n_files)),
    )
    return FigureRow(name="This setting", detail="95 % interval", figures=figures)


def _time(interval: Interval | None) -> Figure:
    if interval is None:
        return Figure(text=MISSING)
    text = seconds_interval_text(interval.low, interval.high)
    return Figure(text=seconds_text(interval.median), detail="no interval" if text == MISSING else text)


def _baseline_row(baseline: Baseline, found: Answer) -> FigureRow:
    held, first = baseline.candidate, found.first
    if held is None:
        return FigureRow(name=baseline.name, command=baseline.command or "", why=baseline.why)
    n_files = held.n_files / first.n_files if held.n_files and first.n_files else None
    figures = (
        Figure(text=bytes_text(held.stored_bytes), detail=times_text(baseline.size_ratio)),
        Figure(text=seconds_text(held.write_s), detail=_times(baseline.write_ratio, baseline)),
        Figure(text=seconds_text(baseline.read_s), detail=_times(baseline.read_ratio, baseline)),
        Figure(text=count_text(held.n_files), detail=times_text(n_files)),
    )
    place = next(index for index, candidate in enumerate(found.candidates) if candidate.label == held.label)
    return FigureRow(name=baseline.name, detail=held.label, figures=figures, place=place)


def _times(interval: Interval | None, baseline: Baseline) -> str:
    if interval is None or baseline.is_first:  # of one against itself there is nothing to be unsure of
        return times_text(interval and interval.median)
    return times_interval_text(*interval)


def _weighed(found: Answer) -> str:
    goals = [f"{name} {share * 100:.0f} %" for name, share in found.priorities.shares.items() if share]
    reads = {pattern_text(name): share for name, share in found.priorities.read_shares.items() if share}
    if not reads or not found.priorities.goals["read"]:
        return listed(goals)
    if len(set(reads.values())) == 1:
        return f"{listed(goals)}; reads: {listed(reads)}{' alike' if len(reads) > 1 else ''}"
    return f"{listed(goals)}; reads: {listed(f'{name} {share * 100:.0f} %' for name, share in reads.items())}"


def _top_row(found: Answer, index: int) -> TopRow:
    ranked = found.ranked[index]
    candidate = ranked.candidate
    texts = (
        bytes_text(candidate.stored_bytes),
        seconds_text(candidate.write_s),
        seconds_text(ranked.read_s),
        count_text(candidate.n_files),
        times_text(ranked.score),
    )
    return TopRow(label=candidate.label, texts=texts, is_equal=index > 0 and ranked.is_equal)


def _refused(found: Answer) -> list[tuple[str, str]]:
    groups: dict[str, list[str]] = {}
    for label, reason in found.not_ranked.items():
        groups.setdefault(reason, []).append(label)
    return [(reason, listed(labels, most=8)) for reason, labels in groups.items()]


def _share_text(share: float | None) -> str:
    """Write in how many of the draws the first setting chose the same."""
    return "" if share is None else f"{share * N_DRAWS:.0f} of {N_DRAWS} draws"


def ranked_of(views: Sequence[View]) -> str:
    """Name whose results are ranked, where the same image was measured on the same machine in other environments too.

    That is the environment's name; where others have the same, with its id and commit.
    """
    ranked = views[0].records[0] if views else None
    if ranked is None:
        return ""
    same = ("dataset", "shape", "dtype", "seed", "machine")
    others = [row for row in (view.records[0] for view in views[1:]) if all(row[n] == ranked[n] for n in same)]
    name = ranked["environment"] or "an environment that is not recorded"
    if not others or all(row["environment"] != ranked["environment"] for row in others):
        return name if others else ""
    known = [ranked["environment_id"], f"commit {ranked['commit'][:8]}" if ranked["commit"] else None]
    return f"{name} ({', '.join(text for text in known if text)})"


def other_answers(views: Sequence[View], found: Sequence[Answer | Unranked]) -> list[tuple[str, str, str]]:
    """Return place, answer and standing of every view but the first."""
    return [
        (view.place, one.headline, one.standing)
        if isinstance(one, Answer)
        else (view.place, "No answer.", one.sentence)
        for view, one in zip(views[1:], found[1:], strict=True)
    ]
