"""The tidy table seen setting by setting: which rows belong together, and one line per setting. Nothing is averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from storebench.errors import ResultsError
from storebench.records import PATTERNED, SYNCED

MEASURED_IN: Final = ("machine", "environment", "environment_id", "commit")
PLACE: Final = [*MEASURED_IN, "dataset", "shape", "dtype", "seed"]
SETTING: Final = [
    "backend", "format", "library", "chunk_shape", "shard_shape", "codec", "n_levels", "level_axes", "level_method",
    "stack_axis", "store", "threads", "concurrency",
]  # fmt: skip
"""A backend is one format and one library; of another tool's rows these alone may be known."""
TASK: Final = ["operation", "pattern", "cache", "durability"]
_AT_WORK: Final = ("threads", "concurrency")
COMPARABLE: Final = [*TASK, *_AT_WORK]
"""What two settings must have in common for their times to say which is faster."""


def concurrency_text(concurrency: str) -> str:
    """Say who worked on separate blocks at once, as in "2 workers at once"."""
    who, _, number = concurrency.rpartition("-")
    return f"{number} {who} at once"


_EXTRAS: Final[tuple[tuple[str, Callable[[Any], str], Any], ...]] = (
    ("n_levels", "levels {}".format, 1),
    ("level_axes", "along {}".format, None),
    ("level_method", "by {}".format, "mean"),
    ("stack_axis", "axis {}".format, 0),
    ("store", "store {}".format, "local"),
    ("threads", "threads {}".format, None),
    ("concurrency", concurrency_text, None),
)
"""Column, how a reader calls it, and the usual value."""
_SIZES: Final = {"ratio": "compression_ratio", "stored_bytes": "stored_bytes", "n_files": "n_files"}


def timed_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that a statistic may rest on: ok, and with a median."""
    return frame[(frame["status"] == "ok") & frame["median_s"].notna()]


def says_task(row: Mapping[Any, Any] | pd.Series[Any]) -> bool:
    """Tell whether a row says what was done with which image: times of what is not known to be the same are not ranked.

    Rows of storebench all do; another tool's may lack the dataset, the operation, or what a read asked for.
    """
    needed = ("dataset", "operation", *(("pattern",) if row["operation"] in PATTERNED else ()))
    return not any(pd.isna(row[name]) for name in needed)


def group_keys(frame: pd.DataFrame, names: list[str]) -> pd.Series[Any]:
    """Return one text per row that is equal where all named columns are; missing values are equal to each other."""
    texts = ["\0".join(map(str, values)) for values in zip(*(frame[name] for name in names), strict=True)]
    return pd.Series(texts, index=frame.index, dtype="str")


def backend_text(row: Mapping[Any, Any] | pd.Series[Any]) -> str:
    """Name who did the work: the backend; of another tool's rows format and library, as far as they are known."""
    if not pd.isna(row["backend"]):
        return str(row["backend"])
    return "-".join(str(row[name]) for name in ("format", "library") if not pd.isna(row[name])) or "?"


def extras_of(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return what sets a setting apart beside backend, layout and codec, where it is not the usual, as in "levels 3"."""
    return tuple(text(row[name]) for name, text, usual in _EXTRAS if row[name] not in (None, usual))


def require_one_place(frame: pd.DataFrame) -> None:
    """Stand before every statistic over several rows: times of different machines or environments are never pooled.

    Raises
    ------
    ResultsError
        If the rows that have a time were measured in more than one.
    """
    of_one_place(timed_rows(frame)[list(MEASURED_IN)].to_dict("records"))


def of_one_place(rows: Iterable[Mapping[Any, Any]]) -> None:
    """As `require_one_place`, for rows as mappings that all have a time."""
    places = {"\0".join(str(row[name]) for name in MEASURED_IN): row for row in rows}
    if len(places) > 1:
        raise ResultsError(
            "times of different machines or environments are never pooled, and these are of "
            f"{places_text(places.values())}; keep the rows of one, as in frame[frame['environment_id'] == ...], or load "
            "one result file"
        )


def places_text(rows: Iterable[Mapping[Any, Any]]) -> str:
    """Name the machines, environments and commits of rows, each once."""
    texts = []
    for row in rows:
        known = {name: str(row[name]) for name in MEASURED_IN if not pd.isna(row[name])}
        commit = f"commit {known['commit'][:8]}" if "commit" in known else "no commit"
        environment = known.get("environment", "an unknown environment")
        known_id = f" ({known['environment_id']})" if "environment_id" in known else ""
        texts.append(f"{known.get('machine', 'an unnamed machine')}, {environment}{known_id}, {commit}")
    return "; ".join(dict.fromkeys(texts))


def own_twins(rows: Iterable[Mapping[Any, Any]]) -> list[int]:
    """Return the places of storebench's own rows that give way to another one of the same setting and task.

    What a library chose by itself may be what another case asked for: two cases, one setting. A setting never competes
    with itself, so one row stands for both: the one with more samples, of equally many the first by case. Other tools'
    rows stay: what tells them apart may be what they do not say.
    """
    groups: dict[str, list[tuple[int, str, int]]] = {}
    for place, row in enumerate(rows):
        if row["status"] == "ok" and not pd.isna(row["median_s"]) and _is_own(row):
            key = "\0".join(str(_none_if_missing(row[name])) for name in (*PLACE, *SETTING, *TASK))
            n_samples = 0 if pd.isna(row["n_samples"]) else int(row["n_samples"])
            groups.setdefault(key, []).append((-n_samples, str(row["case_id"]), place))
    return sorted(place for twins in groups.values() for _, _, place in sorted(twins)[1:])


def _none_if_missing(value: Any) -> Any:
    """As `pandas.isna` finds it, which takes five times as long: a report asks half a million times."""
    if value is None or value is pd.NA:
        return None
    return None if value != value else value  # noqa: PLR0124 (NaN alone differs from itself)


def _is_own(row: Mapping[Any, Any]) -> bool:
    """Tell by its name whether a row is a case of storebench: `records.Case.id` begins so."""
    return str(row["case_id"]).startswith(f"{row['operation']}/{row['backend']}/")


def summarise_settings(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per setting, dataset and environment: size and times side by side.

    Returns
    -------
    pandas.DataFrame
        Place and setting columns; `ratio`, `stored_bytes`, `n_files`; `write_s`, `read_<pattern>_s` and so on: medians
        in seconds, with `_cold`, `_cold_dropped`, `_durable` or `_own_fsync` in the name where that was the case; `relative_read`:
        geometric mean over the warm access patterns of median ÷ best median, missing where the setting lacks a pattern
        that at least half of the settings have; `n_ok`, `n_not_ok`, `reason`: how many cases gave a number, and the
        first reason of those that did not. Settings that gave none stay in the table.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    needed = [*PLACE, *SETTING, *TASK, *_SIZES.values(), "status", "reason", "median_s", "case_id", "n_samples"]
    for key, row in zip(group_keys(frame, PLACE + SETTING), frame[needed].to_dict("records"), strict=True):
        groups.setdefault(key, []).append({str(name): value for name, value in row.items()})
    records = [_record(rows) for rows in groups.values()]
    times = sorted(
        {name for record in records for name in record if name.endswith("_s")}, key=lambda n: (n[0] != "w", n)
    )
    columns = [*PLACE, *SETTING, *_SIZES, *times, "relative_read", "n_ok", "n_not_ok", "reason"]
    table = pd.DataFrame(records, columns=columns)
    cold = ("_cold_s", "_cold_dropped_s")
    warm = [name for name in times if name.startswith("read_") and not name.endswith(cold)]
    table["relative_read"] = _relative_read(table, warm)
    return table


def _record(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one line of a setting."""
    ok = [row for row in rows if row["status"] == "ok"]
    stored = sorted(ok, key=lambda row: row["operation"] == "encode")  # a store before bare blocks
    record = {name: rows[0][name] for name in PLACE + SETTING}
    record |= {to: next((row[name] for row in stored if not pd.isna(row[name])), None) for to, name in _SIZES.items()}
    twins = set(own_twins(ok))
    timed = [row for place, row in enumerate(ok) if place not in twins and not pd.isna(row["median_s"])]
    record |= {_time_name(row): row["median_s"] for row in timed}
    refused = [row["reason"] for row in rows if row["status"] != "ok" and not pd.isna(row["reason"])]
    return record | {"n_ok": len(ok), "n_not_ok": len(rows) - len(ok), "reason": refused[0] if refused else None}


def _time_name(row: Mapping[str, Any]) -> str:
    parts = [row["operation"], *([row["pattern"]] if row["operation"] in PATTERNED else [])]
    parts += [] if pd.isna(row["cache"]) or row["cache"] == "warm" else [row["cache"].replace("-", "_")]
    parts += [row["durability"].replace("-", "_")] if row["durability"] in SYNCED else []
    return "_".join([*map(str, parts), "s"])


def _relative_read(table: pd.DataFrame, names: list[str]) -> pd.Series[float]:
    """Return the geometric mean over patterns of time ÷ best time, within each dataset, environment and share of the machine."""
    result = pd.Series(np.nan, index=table.index, dtype="float64")
    for _, rows in table.groupby(group_keys(table, [*PLACE, *_AT_WORK]), sort=False):
        times = rows[names].astype("float64").dropna(how="all")
        shared = [name for name in names if len(times) and times[name].notna().sum() * 2 >= len(times)]
        if shared:
            logs = (times[shared] / times[shared].min()).map(np.log)
            result[times.index] = np.exp(logs.to_numpy().mean(axis=1))  # missing where any is missing
    return result
