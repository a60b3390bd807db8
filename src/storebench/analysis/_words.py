"""How findings name an image, a machine, a task, a setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from storebench.grid import Shape
from storebench.records import PATTERNED, SYNCED, WRITING
from storebench.results.settings import PLACE, backend_text, concurrency_text, group_keys
from storebench.units import shape_text

Record = Mapping[Any, Any]


def is_missing(value: Any) -> bool:
    """Tell whether a plain value is missing."""
    return bool(pd.isna(value))


def place_texts(frame: pd.DataFrame) -> pd.Series[str]:
    """Name for each row the image and the machine it was measured on.

    Two environments of one machine, or two commits, are told apart; where there is one, it is not said.
    """
    rows = frame[PLACE].to_dict("records")
    texts = [_place_text(row) for row in rows]
    keys: dict[str, set[str]] = {}
    for text, key in zip(texts, group_keys(frame, PLACE), strict=True):
        keys.setdefault(text, set()).add(key)
    told_apart = [
        text + _environment_text(row) if len(keys[text]) > 1 else text for text, row in zip(texts, rows, strict=True)
    ]
    return pd.Series(told_apart, index=frame.index, dtype="str")


def _place_text(row: Record) -> str:
    seed = "" if is_missing(row["seed"]) or row["seed"] == 0 else f" seed {row['seed']}"
    shape, name = (
        _shape_or_none(row["shape"]),
        "dataset not recorded" if is_missing(row["dataset"]) else row["dataset"],
    )
    known = [name, *([shape_text(shape)] if shape else []), *([] if is_missing(row["dtype"]) else [row["dtype"]])]
    text = " ".join(map(str, known)) + seed
    return text if is_missing(row["machine"]) else f"{text} on {row['machine']}"


def _shape_or_none(value: Any) -> Shape | None:
    """Return a shape, or None where pandas holds NaN for what is not known."""
    return value if isinstance(value, tuple) else None


def _environment_text(row: Record) -> str:
    commit = "" if is_missing(row["commit"]) else f" at {row['commit'][:8]}"
    return f"{commit} in {row['environment']} ({row['environment_id']})"


def task_text(row: Record) -> str:
    """Name what was timed, and on which terms."""
    pattern = f" {row['pattern']}" if row["operation"] in PATTERNED else ""
    is_synced = row["operation"] in WRITING and row["durability"] in SYNCED
    cache = "cache not recorded" if is_missing(row["cache"]) else row["cache"]
    terms = [cache] if row["operation"] in ("read", "open") else [row["durability"]] if is_synced else []
    if not is_missing(row["threads"]):
        terms.append("1 thread" if row["threads"] == 1 else f"{row['threads']} threads")
    if not is_missing(row["concurrency"]):
        terms.append(concurrency_text(row["concurrency"]))
    listed = f" ({', '.join(map(str, terms))})" if terms else ""
    return f"{str(row['operation']).replace('_', ' ')}{pattern}{listed}"


def setting_text(row: Record) -> str:
    """Name a setting as short as can be."""
    parts = [backend_text(row)]
    parts += [f"chunks {shape_text(row['chunk_shape'])}"] if row["chunk_shape"] is not None else []
    parts += [f"shards {shape_text(row['shard_shape'])}"] if row["shard_shape"] is not None else []
    parts += [row["codec"]]
    parts += [f"{row['n_levels']} levels"] if not is_missing(row["n_levels"]) and row["n_levels"] != 1 else []
    parts += [f"along {row['level_axes']}"] if not is_missing(row["level_axes"]) else []
    parts += (
        [f"by {row['level_method']}"] if not is_missing(row["level_method"]) and row["level_method"] != "mean" else []
    )
    parts += (
        [f"cut along axis {row['stack_axis']}"] if not is_missing(row["stack_axis"]) and row["stack_axis"] != 0 else []
    )
    return " ".join(map(str, parts))
