"""Merging two of asv's results of one commit and environment, so that no measurement is lost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, Final

from storebench.errors import ResultsError

_PER_BENCHMARK: Final = ("params", "version", "started_at", "duration")
"""Columns with one value per benchmark; all others have one per combination."""


def merge_results(kept: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two results of the same commit and environment, so that no measurement is lost.

    A benchmark that only one file has is taken from it. Of a benchmark in both, each combination of parameters is taken
    whole (value, statistics, samples) from the file that says more: a number with more samples, else any number, else a
    failure, else "skipped or not selected"; where both say as much, from the new one. So a chunk of a campaign that
    left a benchmark out, a fresh raw folder with fewer samples, or a failed repetition never removes a number, and
    appended samples always arrive. Samples are not pooled, as the new file usually holds the old ones; the journal has
    them all. Parameters that only one file knows stay as further values of their axis. A benchmark whose version
    changed is the new one's alone: asv would not compare the two either.
    """
    merged = dict(kept["results"])
    columns = list(new["result_columns"])
    columns += [name for name in kept["result_columns"] if name not in columns]
    for name, values in kept["results"].items():
        merged[name] = _trim([dict(zip(kept["result_columns"], values, strict=False)).get(key) for key in columns])
    for name, values in new["results"].items():
        row = dict(zip(new["result_columns"], values, strict=False))
        if name in kept["results"]:
            row = _merge_benchmark(name, dict(zip(kept["result_columns"], kept["results"][name], strict=False)), row)
        merged[name] = _trim([row.get(key) for key in columns])
    durations = {**kept.get("durations", {}), **new.get("durations", {})}
    return {**new, "result_columns": columns, "results": merged, "durations": durations}


def _merge_benchmark(name: str, kept: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return one benchmark's columns, each combination from the side that says more."""
    old_params, new_params = kept.get("params") or [], new.get("params") or []
    if kept.get("version") != new.get("version") or len(old_params) != len(new_params):
        return new
    params = [[*b, *(value for value in a if value not in b)] for a, b in zip(old_params, new_params, strict=True)]
    per_combination = [key for key in {**new, **kept} if key not in _PER_BENCHMARK]
    sides = [_by_combination(name, side, per_combination) for side in (kept, new)]
    absent = dict.fromkeys(per_combination) | {"result": float("nan")}
    chosen = [max((side.get(combo, absent) for side in reversed(sides)), key=_says) for combo in combinations(params)]
    merged = {key: [entry[key] for entry in chosen] for key in per_combination}
    collapsed = {key: None if all(item is None for item in column) else column for key, column in merged.items()}
    return {**kept, **new, **collapsed, "params": params}


def _by_combination(name: str, side: Mapping[str, Any], keys: list[str]) -> dict[tuple[str, ...], dict[str, Any]]:
    combos = combinations(side.get("params") or [])
    columns = {key: expand(side.get(key), len(combos), name) for key in keys}
    return {combo: {key: columns[key][i] for key in keys} for i, combo in enumerate(combos)}


def _says(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Rank how much an entry says; `max` keeps the first of equals, so the new side is asked first."""
    value = entry["result"]
    rank = 0 if is_nan(value) else 1 if value is None else 2
    return rank, len(entry.get("samples") or ())


def _trim(row: list[Any]) -> list[Any]:
    """Cut off nulls at the end, as asv does."""
    while row and row[-1] is None:
        row.pop()
    return row


def combinations(params: list[list[str]]) -> list[tuple[str, ...]]:
    """Return the combinations of parameters in asv's order; a benchmark without parameters has one, the empty one."""
    return list(itertools.product(*params))


def expand(column: Any, n_combinations: int, name: str) -> list[Any]:
    """Return a column with one entry per combination.

    Raises
    ------
    ResultsError
        If it has another length.
    """
    if column is None:
        return [None] * n_combinations
    if len(column) != n_combinations:
        raise ResultsError(f"{name} has {len(column)} values for {n_combinations} combinations of its parameters")
    return list(column)


def is_nan(value: Any) -> bool:
    """Tell whether a value is asv's mark for "skipped or not selected"."""
    return isinstance(value, float) and math.isnan(value)
