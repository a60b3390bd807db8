"""What changed, in a few lines of Markdown, for a comment on a pull request."""

from __future__ import annotations

from typing import Final

from storebench.report.changes.model import Changes
from storebench.report.changes.names import metric_text
from storebench.report.changes.sides import (
    BUILD,
    differences_text,
    has_versions,
    headline,
    noise_sentences,
    software_differences,
)
from storebench.report.markdown.text import LONGEST_NAME, code, escaped, table_lines
from storebench.units import MISSING, change_interval_text, change_text, count_text, exact_text, seconds_text

MOST_CHANGED: Final = 20
MOST_COUNTS: Final = 8
MOST_LOST: Final = 5


def changes_markdown(changes: Changes, *, title: str | None = None) -> str:
    """Return what changed: the conclusion first, then what changed and nothing else.

    Parameters
    ----------
    changes : Changes
        From `find_changes`.
    title : str, optional
        Heading; without it what differs between the two sides.

    Returns
    -------
    str
        60 lines at most, ended by a line break.
    """
    lines = [f"## {escaped(title or headline(changes), LONGEST_NAME)}", "", f"**{escaped(changes.sentence)}**", ""]
    if changes.comparison is None:
        return "\n".join(lines[:-1]) + "\n"
    lines += [f"**{escaped(changes.doubt)}**", ""] if changes.doubt else []
    lines += [*_counts(changes), "", *_changed(changes), *_lost(changes)]
    lines += [escaped(sentence) for sentence in _footer(changes)]
    return "\n".join(lines) + "\n"


def _counts(changes: Changes) -> list[str]:
    """Return the counts that changed: they are exact, so they come first."""
    if changes.comparison is None or not changes.comparison.changes:
        return [escaped(changes.counts_sentence)]
    every = changes.comparison.changes
    rows = [
        [
            code(changes.name(change["case_id"]).line),
            escaped(metric_text(change["metric"])),
            *(exact_text(change[side], change["metric"]) for side in "ab"),
        ]
        for change in every[:MOST_COUNTS]
    ]
    more = [f"and {count_text(len(every) - len(rows))} more"] if len(every) > len(rows) else []
    return [
        escaped(changes.counts_sentence),
        "",
        *table_lines(["Case", "Count", "Older", "Newer"], rows),
        *(["", *more] if more else []),
    ]


def _changed(changes: Changes) -> list[str]:
    """Return the table of slower and faster cases; nothing where there is none."""
    every = changes.rows("slower", "faster")
    if not every:
        return []
    # all that is slower before what is faster, however long either list is
    shown = [*changes.rows("slower"), *changes.rows("faster")][:MOST_CHANGED]
    rows = [
        [
            code(changes.name(row["case_id"]).line) + (" (noisy)" if row["noisy"] else ""),
            seconds_text(row["a_s"]),
            seconds_text(row["b_s"]),
            f"**{escaped(change_text(row['ratio']))}**",
            escaped(change_interval_text(row["ratio_low"], row["ratio_high"])),
            row["verdict"],
        ]
        for row in shown
    ]
    more = [f"and {count_text(len(every) - len(rows))} more", ""] if len(every) > len(rows) else []
    return [*table_lines(["Case", "Older", "Newer", "Change", "Interval", "Verdict"], rows), "", *more]


def _lost(changes: Changes) -> list[str]:
    lost = () if changes.comparison is None else changes.comparison.lost
    if not lost:
        return []
    lines = [
        f"- lost: {code(changes.name(case_id).line)}: {escaped(reason, LONGEST_NAME)}"
        for case_id, reason in lost[:MOST_LOST]
    ]
    return [*lines, *([f"- and {count_text(len(lost) - MOST_LOST)} more lost"] if len(lost) > MOST_LOST else []), ""]


def _footer(changes: Changes) -> list[str]:
    """Return what is needed to judge it: versions, machine, noise, the rule."""
    machine = changes.newer.machine if changes.newer is not None else None
    found = software_differences(changes)
    libraries = [one for one in found if not one[0].endswith(BUILD)]
    builds = len(found) - len(libraries)
    versions = [differences_text(libraries, most=12)] if libraries else []
    versions += [f"{count_text(builds)} codec builds differ"] if builds else []
    same = "the same versions on both sides" if has_versions(changes) else "versions of libraries are not recorded"
    told = ", ".join(versions) or same
    return [
        f"Machine {machine or MISSING}; {told}.",
        " ".join([changes.choice, *noise_sentences(changes), changes.rule]),
    ]
