"""Rows that are alike but for one thing: what the figures that lay states, sizes and budgets side by side are picked from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from storebench.advise.words import operation_text
from storebench.analysis import span
from storebench.records import PATTERNED
from storebench.report.section import Story
from storebench.report.views import Record, Setting
from storebench.results.settings import PLACE, SETTING, TASK, backend_text, extras_of
from storebench.units import count_text, shape_text

MOST_TABLE_ROWS: Final = 60
"""Of one section's table: more belong into the table of all results."""
_HOME: Final = ("machine", "environment", "environment_id", "commit")
_IMAGE: Final = ("dataset", "shape", "dtype", "seed")


def rows_at_home(story: Story, wanted: Callable[[Record], bool]) -> list[Record]:
    """Return the rows that are ok, timed and wanted, all of one machine, environment and commit.

    Those of the main view where it has any, else those of where most were measured: two machines never meet in a figure.
    """
    homes: dict[tuple[Any, ...], list[Record]] = {}
    for row in story.records:
        if row["status"] == "ok" and row["median_s"] is not None and row["median_s"] > 0 and wanted(row):
            homes.setdefault(_key(row, _HOME), []).append(row)
    if not homes:
        return []
    main = _key(story.view.records[0], _HOME)
    return homes.get(main) or max(homes.values(), key=len)


def alike_but(rows: Iterable[Record], *names: str) -> list[list[Record]]:
    """Return the rows in groups that differ in the named columns alone, in order of appearance."""
    same = [name for name in (*PLACE, *SETTING, *TASK) if name not in names]
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for row in rows:
        groups.setdefault(_key(row, same), []).append(row)
    return list(groups.values())


def by_value(rows: Iterable[Record], name: str) -> dict[Any, Record]:
    """Return rows by the value of a column; of several with one value that with the most samples."""
    found: dict[Any, Record] = {}
    for row in rows:
        before = found.get(row[name])
        if before is None or (row["n_samples"] or 0) > (before["n_samples"] or 0):
            found[row[name]] = row
    return found


def most_frequent(rows: Sequence[Record], name: str) -> list[Record]:
    """Return the rows with the most frequent value of a column: budgets of threads, say, never meet in one figure."""
    counts = Counter(row[name] for row in rows)
    return [row for row in rows if row[name] == counts.most_common(1)[0][0]]


def by_image(rows: Iterable[Record]) -> list[list[Record]]:
    """Return the rows image by image, that with the most rows first."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for row in rows:
        groups.setdefault(_key(row, _IMAGE), []).append(row)
    return sorted(groups.values(), key=lambda members: -len(members))


def _key(row: Record, names: Iterable[str]) -> tuple[Any, ...]:
    return itemgetter(*names)(row)  # type: ignore[no-any-return]  # of several names: a tuple


def setting_text(row: Record, **other: Any) -> str:
    """Name the setting of a row in one line; `other` replaces columns, as in `threads=None` to leave the budget out."""
    row = {**row, **other}
    setting = Setting(
        backend=backend_text(row),
        codec=row["codec"] or "?",
        chunk_shape=row["chunk_shape"],
        shard_shape=row["shard_shape"],
        extras=extras_of(row),
    )
    return setting.label


def image_text(row: Record) -> str:
    """Name the image of a row."""
    return " ".join(text for text in (row["dataset"] or "?", shape_text(row["shape"]), row["dtype"] or "") if text)


def task_text(row: Record) -> str:
    """Name what was done: "read XZ plane", "append plane by plane", "decode"."""
    operation = row["operation"] or "?"
    return operation_text(operation, (row["pattern"] or "whole") if operation in PATTERNED else None)


def is_shown_slower(slow: Record, fast: Record) -> bool:
    """Tell whether a row is shown to take longer than another: its interval begins where the other's has ended."""
    return span(slow)[0] > span(fast)[1]


def shortened(caption: str, n_shown: int, n_all: int) -> str:
    """Say in a table's caption how many of all stand in it, where not all do."""
    return caption if n_shown == n_all else f"{caption}; {count_text(n_shown)} of {count_text(n_all)} are shown"


def terms(rows: Sequence[Record], story: Story) -> str:
    """Say where rows of one home were measured, where the results hold more than one place."""
    homes = {_key(row, _HOME) for row in story.records}
    if len(homes) < 2 or not rows:
        return ""
    row = rows[0]
    commit = f" at {row['commit'][:8]}" if row["commit"] else ""
    return f" Measured on {row['machine'] or 'an unnamed machine'} in {row['environment'] or 'an unknown environment'}{commit}."
