"""Writing asv's own files from rows that another engine measured, so that `asv compare` and `asv publish` take them as theirs.

asv's classes do the writing (asv 0.6.6: `asv.results.Results`), from what asv said of the benchmarks when it discovered them:
names, parameters, versions, statistics and file format are asv's, whatever took the samples.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storebench.records import Environment, Row
from storebench.suites import Grid, counted_values


def write_asv_results(
    folder: Path,
    *,
    grids: Iterable[Grid],
    rows: Mapping[str, Row],
    benchmarks: Mapping[str, Any],
    environment: Environment,
    commit: str,
) -> None:
    """Write the result file of one commit in one environment on the one machine whose facts are in `folder`.

    Parameters
    ----------
    folder : Path
        The machine's, with asv's machine.json in it.
    grids : iterable of Grid
        The benchmarks.
    rows : mapping of str to Row
        What was measured, by the case's id; a case that is missing counts as not selected.
    benchmarks : mapping
        What asv said of them when it discovered them: `results.asv.read_benchmarks`.
    environment : Environment
        Where it was measured.
    commit : str
        Commit, or version of the installed wheel.
    """
    from asv.results import Results

    machine = json.loads((folder / "machine.json").read_text())
    machine.pop("version")
    params = machine | {"python": environment.python}
    date_ms = int(time.time() * 1000)
    results = Results(params, {}, commit, date_ms, environment.python, environment.name, {})
    for grid in grids:
        entries = [rows.get(grid.case(*values).id) for values in grid.combinations()]
        if all(row is None for row in entries):
            continue
        for name in grid.benchmarks:
            started_at, duration_s = _span(entries)
            results.add_result(
                benchmarks[name],
                _result(name, entries, timed=grid.is_timed),
                started_at=started_at,
                duration=duration_s,
                record_samples=True,
            )
    results.save(str(folder.parent))  # into the folder of the machine's name


def _result(name: str, rows: list[Row | None], *, timed: bool) -> Any:
    """Return what asv's runner gives of a benchmark: value, samples and calls per sample of each combination."""
    from asv.runner import BenchmarkResult

    if timed:
        samples = [_samples(row) for row in rows]
        # asv puts the median of the samples in place of the first
        values = [taken[0] if taken else _no_value(row) for row, taken in zip(rows, samples, strict=True)]
    else:
        metric = name.rpartition(".track_")[2]
        samples = [None] * len(rows)
        values = [_counted(row, metric) for row in rows]
    return BenchmarkResult(
        result=values,
        samples=samples,
        number=[1 if taken else None for taken in samples],
        errcode=0,
        stderr="",
        profile=None,
    )


def _samples(row: Row | None) -> list[float] | None:
    return ([sample.wall_s for sample in row.samples if sample.counts] or None) if row is not None else None


def _counted(row: Row | None, metric: str) -> float | None:
    if row is None or row.status != "ok":
        return _no_value(row)
    value = counted_values(row)[metric]
    return math.nan if value is None else value  # as benchmarks/common.py: null would say that it failed


def _no_value(row: Row | None) -> float | None:
    """Return asv's mark: NaN for what was skipped or not measured, null for what failed."""
    return math.nan if row is None or row.status == "skipped" else None


def _span(rows: list[Row | None]) -> tuple[datetime, float]:
    """Return when the first sample was taken, and the seconds inside the clock."""
    samples = [sample for row in rows if row is not None for sample in row.samples]
    started_s = min((sample.started_at for sample in samples), default=time.time())
    return datetime.fromtimestamp(started_s, UTC), math.fsum(sample.wall_s for sample in samples)
