"""The answer in a few lines of Markdown, for a README: which setting, what it costs, how sure, code to paste."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from storebench.advise.ranking import Answer, Ranked
from storebench.advise.words import pattern_text
from storebench.analysis import verdict
from storebench.records import DatasetRecord, Environment
from storebench.report.answer import answers
from storebench.report.markdown.text import LONGEST_NAME, code, escaped, table_lines
from storebench.report.provenance import headline_facts, noise_fact
from storebench.report.verdicts import verdict_groups
from storebench.report.views import View, clean_frame, clean_records, make_views
from storebench.results.intervals import Interval
from storebench.units import (
    MISSING,
    bytes_text,
    count_text,
    seconds_interval_text,
    seconds_text,
    times_interval_text,
    times_text,
)

if TYPE_CHECKING:
    import pandas as pd

MOST_SENTENCES: Final = 10
MOST_SETTINGS: Final = 5
MOST_CODE_LINES: Final = 20
_KEY_LIBRARIES: Final = ("numpy", "zarr", "numcodecs", "tensorstore", "tifffile", "h5py", "imagecodecs", "glymur")


def summary_markdown(
    frame: pd.DataFrame,
    environments: Mapping[str, Environment],
    *,
    datasets: Iterable[DatasetRecord] = (),
    title: str | None = None,
    weights: Mapping[str, float] | None = None,
    reads: Mapping[str, float] | None = None,
) -> str:
    """Return the answer, the leading settings and where they were measured.

    Parameters
    ----------
    frame : pandas.DataFrame
        The tidy table.
    environments : mapping of str to Environment
        By environment id.
    datasets : iterable of DatasetRecord
        Of images that are files they know how these store them.
    title : str, optional
        Heading; without it the dataset's name makes one.
    weights, reads : mapping of str to float, optional
        As `advise.choosing.answer` takes them.

    Returns
    -------
    str
        60 lines at most, ended by a line break.
    """
    frame = clean_frame(frame)
    records = clean_records(frame)
    views = make_views(frame, records)
    view = views[0] if views else None
    heading = title or f"{(view.dataset if view else None) or 'Results'}: how to store it"
    facts = [fact for fact in (*headline_facts(views, records), noise_fact(records)) if fact]
    lines = [f"## {escaped(heading, LONGEST_NAME)}", "", escaped(" · ".join(facts)), ""]
    found = next(iter(answers(views, weights=weights, reads=reads, datasets=datasets)), None)
    if isinstance(found, Answer):
        lines += [*_answer(found), *_snippet(found), *_leading(found)]
    else:
        lines += [escaped(found.sentence) if found else "Nothing was measured that an answer could rest on.", ""]
        lines += _verdicts(frame, views)
    lines.append(_measured_with(view, environments))
    return "\n".join(lines) + "\n"


def _answer(found: Answer) -> list[str]:
    """Return the answer with its costs, what it is held against, how sure it is, and what would change it."""
    first = found.first
    costs = [f"size {bytes_text(first.stored_bytes)}", f"write {_time(found.write)}"]
    costs += [f"mean read {_time(found.read)}"] if found.read is not None else []
    mix = ", ".join(pattern_text(name) for name, share in found.priorities.read_shares.items() if share)
    lines = [f"**{escaped(found.headline)}.** {escaped(found.standing)}", ""]
    lines.append(f"- {escaped('; '.join(costs))}" + (f" (reads weighed: {escaped(mix)})" if mix else ""))
    lines += [f"- beside {escaped(text)}" for text in _beside(found)]
    sure = ", ".join(f"{d.name} {d.confidence}" for d in found.decisions if d.share is not None)
    lines += [f"- confidence: {escaped(sure)}"] if sure else []
    lines += [f"- changes if {escaped(flip.condition)}: then {code(then.label)}" for flip, then in found.flips[:2]]
    return [*lines, ""]


def _beside(found: Answer) -> list[str]:
    """Return what each measured baseline takes, times the answer's."""
    texts = []
    for baseline in found.baselines:
        if baseline.candidate is None or baseline.is_first:
            continue
        facts = [f"{times_text(baseline.size_ratio)} the size"] if baseline.size_ratio else []
        pairs = (("write", baseline.write_ratio), ("mean read", baseline.read_ratio))
        facts += [f"{name} {times_interval_text(*ratio)}" for name, ratio in pairs if ratio is not None]
        if facts:
            texts.append(f"{baseline.name} ({baseline.candidate.label}): {', '.join(facts)}")
    return texts


def _time(interval: Interval | None) -> str:
    if interval is None:
        return MISSING
    span = seconds_interval_text(interval.low, interval.high)
    return seconds_text(interval.median) + ("" if span == MISSING else f" ({span})")


def _snippet(found: Answer) -> list[str]:
    text = found.snippet.code
    if text is None or len(text.splitlines()) > MOST_CODE_LINES:
        return []
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return [f"{fence}python", *text.splitlines(), fence, ""]


def _leading(found: Answer) -> list[str]:
    """Return the first settings of the ranking."""
    rows = [_setting_line(ranked) for ranked in found.ranked[:MOST_SETTINGS]]
    columns = ["Setting", "Cost", "Size", "Write", "Mean read"]
    left_out = len(found.ranked) - len(rows)
    more = f" {count_text(left_out)} more settings are ranked in the report." if left_out else ""
    note = f"Cost is times the best over all that was weighed; ≈ is not shown to be worse than the first.{more}"
    return [*table_lines(columns, rows), "", note, ""]


def _setting_line(ranked: Ranked) -> list[str]:
    candidate = ranked.candidate
    mark = "≈ " if ranked.is_equal else ""
    texts = (times_text(ranked.score), bytes_text(candidate.stored_bytes))
    times = (seconds_text(candidate.write_s), seconds_text(ranked.read_s))
    return [mark + code(candidate.label), *(escaped(text) for text in (*texts, *times))]


def _verdicts(frame: pd.DataFrame, views: Sequence[View]) -> list[str]:
    """Return what the first view's times and sizes show by themselves, as a list."""
    shown = frame.iloc[[row["position"] for view in views for row in view.records]]
    groups = verdict_groups(verdict(shown), views, most=1)
    lines = groups[0].lines if groups else []
    said = [f"- {escaped(f'{line.question}: {line.before}{line.best}{line.after}')}" for line in lines[:MOST_SENTENCES]]
    left_out = len(lines) - len(said)
    said += [f"- and {count_text(left_out)} more findings in the report"] if left_out > 0 else []
    return [*said, ""] if said else []


def _measured_with(view: View | None, environments: Mapping[str, Environment]) -> str:
    """Name machine and software in one line."""
    first = view.records[0] if view is not None else None
    environment = environments.get(first["environment_id"] or "") if first is not None else None
    parts = [f"Measured on {view.machine}" if view is not None and view.machine else "Measured"]
    if environment is not None:
        machine = environment.machine
        parts += [str(machine[fact]) for fact in ("cpu", "os", "file_system") if machine.get(fact) is not None]
        parts += [f"Python {environment.python}"]
        parts += [f"{n} {environment.libraries[n]}" for n in _KEY_LIBRARIES if n in environment.libraries]
        commit = f" at {environment.commit[:8]}" if environment.commit else ""
        parts.append(
            f"storebench {environment.storebench}{commit}{' with uncommitted changes' if environment.dirty else ''}"
        )
    else:
        parts.append("environment not recorded")
    return escaped(", ".join(parts) + ".")
