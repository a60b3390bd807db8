"""One tidy table from asv's files and the journals beside them. docs/results.md documents the columns.

`X.json` and `X.jsonl` of one folder belong together. A row of the journal carries the facts; its samples count where it
has any, else those that asv kept. A row that only asv knows stays in the table with what asv knows.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from storebench.errors import ResultsError
from storebench.records import Conditions, Limits
from storebench.results.asv import NOT_RESULTS, AsvFile, AsvRow, find_benchmarks, read_asv_file
from storebench.results.columns import COLUMNS, FLAGS, FLOATS, INTS, TEXT, TUPLES
from storebench.results.imported import imported_rows
from storebench.results.journal import JournalContent, JournalRow, join_journals, read_journal
from storebench.results.limits import merge_best
from storebench.results.noise import Timeline
from storebench.results.sampled import time_columns, timed_samples
from storebench.results.tidy import rates, tidy_row

__all__ = ["COLUMNS", "has_results", "load_results", "load_with_journals", "tidy_frame", "tidy_row"]

_Key = tuple[str, tuple[str, ...]]
_ORDER: Final = ("machine", "environment", "environment_id", "commit", "case_id", "benchmark")


def load_results(path: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return the tidy table of results: one row per case, environment and machine; nothing is averaged.

    Parameters
    ----------
    path : str or path, optional
        A results folder, a machine's folder in it, or one file (.json, .jsonl; the file of the same name with the other
        ending is read too). None: ./results where that holds results, else the baseline that comes with storebench.

    Returns
    -------
    pandas.DataFrame
        The columns of docs/results.md, sorted by machine, environment, commit, case.

    Raises
    ------
    ResultsError
        If there are no results, or a file cannot be understood.
    """
    return load_with_journals(path)[0]


def load_with_journals(path: str | os.PathLike[str] | None = None) -> tuple[pd.DataFrame, JournalContent]:
    """Return the tidy table as `load_results` does, and what its journals hold, each read once."""
    if path is None:
        from storebench.assets import bundled_results

        path = Path("results") if has_results(Path("results")) else bundled_results()
    stems = _stems(Path(path))
    if not stems:
        raise ResultsError(
            f"{Path(path)} holds no results (.json of asv, .jsonl of storebench); make some with: storebench quick"
        )
    journals: list[JournalContent] = []
    frame = tidy_frame(row for stem in stems for row in _rows_of(stem, journals))
    return frame, join_journals(journals)


def has_results(folder: Path) -> bool:
    """Tell whether a folder holds result files."""
    return folder.is_dir() and bool(_stems(folder))


def tidy_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as `tidy_row` gives them as a table with the documented columns, types and order.

    Whole numbers are Int64 and flags boolean (both with missing values), times and ratios float64, shapes and samples
    tuples.
    """
    records = list(rows)
    columns: dict[str, Any] = {name: [record[name] for record in records] for name in COLUMNS}
    columns |= {name: pd.Series(columns[name], dtype="str") for name in TEXT}
    columns |= {name: pd.array(columns[name], dtype="Int64") for name in INTS}
    columns |= {name: pd.Series(columns[name], dtype="float64") for name in FLOATS}
    columns |= {name: pd.array(columns[name], dtype="boolean") for name in FLAGS}
    for name in TUPLES:
        columns[name] = pd.Series([None if v is None else tuple(v) for v in columns[name]], dtype="object")
    frame = pd.DataFrame(columns, columns=list(COLUMNS))
    return frame.sort_values(list(_ORDER), kind="stable", na_position="first", ignore_index=True)


def _stems(path: Path) -> list[Path]:
    """Return result files without their ending, each once."""
    if path.is_dir():
        files = sorted(f for pattern in ("*.json*", "*/*.json*") for f in path.glob(pattern))
    elif path.exists():
        files = [path]
    else:
        raise ResultsError(f"there is no {path}")
    kept = [
        f for f in files if f.suffix in (".json", ".jsonl") and f.name not in NOT_RESULTS and not f.name.startswith(".")
    ]
    return list(dict.fromkeys(f.with_name(f.name.removesuffix(f.suffix)) for f in kept))


def _rows_of(stem: Path, journals: list[JournalContent]) -> Iterator[dict[str, Any]]:
    """Yield the tidy rows of a journal and of asv's file of the same name; either may be missing. `journals` gets the first."""
    asv_path, journal_path = (stem.with_name(stem.name + suffix) for suffix in (".json", ".jsonl"))
    asv_file = read_asv_file(asv_path, find_benchmarks(asv_path)) if asv_path.exists() else None
    journal = read_journal(journal_path) if journal_path.exists() else None
    machine = asv_file.machine if asv_file else stem.parent.name
    by_key = {(row.benchmark, row.params): row for row in asv_file.rows} if asv_file else {}
    known: set[_Key] = set()
    if journal:
        journals.append(journal)
        limits = {key: merge_best(found) for key, found in journal.limits.items()}
        timelines = {key: Timeline(spans) for key, spans in journal.conditions.items()}
        claims = {pair: key for key, entry in journal.rows.items() for pair in entry.measured_as}
        known = set(claims)
        for key, entry in journal.rows.items():
            # of several environments in one journal the last one gets asv's samples: asv cannot tell them apart
            asv_rows = [by_key[pair] for pair in entry.measured_as if claims[pair] == key and pair in by_key]
            timeline = timelines.get(entry.environment_id)
            conditions = [] if timeline is None else timeline.around(entry.row.samples)
            values = _journal_columns(entry, asv_rows, journal, limits.get(entry.environment_id), conditions)
            yield values | {"machine": machine}
        for imported in journal.imported.values():
            yield from imported_rows(imported)
    for key_of_asv, row in by_key.items():
        # beside a journal, a combination that asv has no value of and the journal no word was never begun
        if asv_file and row.in_seconds and key_of_asv not in known and not (journal and row.status == "skipped"):
            yield _asv_columns(row, asv_file) | {"machine": machine}


def _journal_columns(
    entry: JournalRow,
    asv_rows: list[AsvRow],
    journal: JournalContent,
    limits: Limits | None,
    conditions: list[Conditions],
) -> dict[str, Any]:
    """Return the columns of a journal's row, with asv's samples where it has none of its own."""
    row, key = entry.row, entry.environment_id
    sampled = max(asv_rows, key=lambda asv_row: len(asv_row.samples), default=None)
    has_none = row.status == "ok" and not timed_samples(row) and sampled is not None
    if has_none and sampled is not None and sampled.status == "failed":
        row = replace(
            row, status="timeout", reason="no call came to its end: stopped after asv's time limit, or crashed"
        )
    values = tidy_row(row, journal.environments.get(key), environment_id=key, conditions=conditions, limits=limits)
    if has_none and sampled is not None and sampled.in_seconds and sampled.status == "ok":
        values |= _asv_samples(sampled)
        values |= rates(values)
    return values | {"commit": entry.commit or values["commit"], "benchmark": entry.benchmark}


def _asv_samples(row: AsvRow) -> dict[str, Any]:
    """Return the columns of asv's samples; from which process each came, asv does not keep."""
    columns = time_columns(row.samples, None) | {"engine": "asv"}
    return columns if row.samples else columns | {"median_s": row.value, "low_confidence": True}


def _asv_columns(row: AsvRow, asv_file: AsvFile) -> dict[str, Any]:
    """Return the columns of a row that only asv knows."""
    values: dict[str, Any] = dict.fromkeys(COLUMNS) | {
        "case_id": "/".join([row.benchmark, *map(_plain, row.params)]),
        "engine": "asv",
        "status": row.status,
        "reason": row.why_not,
        "environment": asv_file.env_name,
        "commit": asv_file.commit_hash,
        "dirty": True if asv_file.env_name.endswith("-dirty") else None,
        "benchmark": row.benchmark,
    }
    if row.status == "ok" and row.stale:
        return values | {"status": "skipped"}
    return values | _asv_samples(row) if row.status == "ok" else values


def _plain(text: str) -> str:
    """Return a parameter as it was before asv took its repr."""
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text
