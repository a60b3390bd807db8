"""One row of the tidy table as plain values. docs/results.md documents the columns; a test holds the two together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from storebench.records import Case, Conditions, Environment, Limits, Row
from storebench.results.columns import COLUMNS
from storebench.results.limits import limit_terms
from storebench.results.noise import judge_noise
from storebench.results.sampled import counter_columns, frame_columns, judged, time_columns
from storebench.units import MIB

__all__ = ["COLUMNS", "rates", "throughput", "tidy_row"]

_OF_A_CASE, _OF_A_ROW = (tuple(f.name for f in fields(kind) if f.name in COLUMNS) for kind in (Case, Row))


def tidy_row(
    row: Row,
    environment: Environment | None = None,
    *,
    environment_id: str | None = None,
    conditions: Sequence[Conditions] = (),
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Return a row under the columns' names, as plain JSON values; what was not measured is None.

    Parameters
    ----------
    row : Row
        What is known of one case. One that is ok and has timed samples of which none counts becomes "failed".
    environment : Environment, optional
        Where it was measured.
    environment_id : str, optional
        Its id where the environment itself is not known.
    conditions : sequence of Conditions, optional
        How busy the machine was; the spans in which a sample of the row was taken are looked at.
    limits : Limits, optional
        What the machine can do at best.

    Returns
    -------
    dict
        Every entry of `COLUMNS`, in order. `machine` and `benchmark` are the result file's to add.
    """
    row = judged(row)
    values: dict[str, Any] = dict.fromkeys(COLUMNS)
    for record, names in ((row.case, _OF_A_CASE), (row, _OF_A_ROW)):
        for name in names:
            value = getattr(record, name)
            values[name] = list(value) if isinstance(value, tuple) else value
    if row.status != "ok":  # nothing was found in a store: what was asked tells the rows apart
        values["chunk_shape"] = _list_or_none(row.chunk_shape or row.case.chunk_shape)
        values["shard_shape"] = _list_or_none(row.shard_shape or row.case.shard_shape)
    values["case_id"] = row.case.id
    counting = [sample for sample in row.samples if sample.counts]
    values |= time_columns([s.wall_s for s in counting], [s.process_id for s in counting])
    values |= frame_columns(counting)
    values |= counter_columns(row, environment)
    values |= _noise_columns(row, conditions, _n_cpu(environment))
    values |= _limit_columns(row, limits, _n_cpu(environment))
    values |= _size_columns(row)
    values |= rates(values)
    values["environment_id"] = environment_id
    if environment is not None:
        values |= {"environment": environment.name, "environment_id": environment_id or environment.id}
        values |= {"commit": environment.commit, "dirty": environment.dirty}
    return values


def rates(values: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that follow from the median and others of the same row."""
    median_s, limit_s = values["median_s"], values["limit_s"]
    return {
        "throughput_mib_s": throughput(values["asked_bytes"], median_s),
        "limit_fraction": limit_s / median_s if limit_s is not None and median_s else None,
    }


def throughput(n_bytes: int | None, seconds: float | None) -> float | None:
    """Return MiB/s (MiB = 2**20 bytes); None where a part is missing or no time passed."""
    return n_bytes / MIB / seconds if n_bytes is not None and seconds else None


def _n_cpu(environment: Environment | None) -> int | None:
    count = None if environment is None else environment.machine.get("n_cpu")
    return count if isinstance(count, int) else None


def _noise_columns(row: Row, conditions: Sequence[Conditions], n_cpu: int | None) -> dict[str, Any]:
    """Return whether the machine was too busy, and what shows it; missing where nothing was recorded that could."""
    counting = [sample for sample in row.samples if sample.counts]
    spans = [
        span
        for span in conditions
        if any(span.started_at <= s.started_at + s.wall_s and s.started_at <= span.ended_at for s in counting)
    ]
    recorded = any(s.involuntary_switches is not None or s.run_delay_s is not None for s in counting)
    if not spans and not recorded:
        return {"noisy": None, "noise": None}
    sentence = judge_noise(counting, spans, n_cpu)
    return {"noisy": sentence is not None, "noise": sentence}


def _limit_columns(row: Row, limits: Limits | None, n_cpu: int | None) -> dict[str, Any]:
    terms = limit_terms(row, limits, n_cpu)
    if terms is None:
        return {}
    parts = {f"limit_{name}": getattr(terms, name) for name in ("requests_s", "bytes_s", "decode_s")}
    return parts | {"limit_s": terms.total_s}


def _size_columns(row: Row) -> dict[str, Any]:
    return {
        "asked_bytes": _asked_bytes(row),
        "compression_ratio": row.logical_bytes / row.stored_bytes if row.logical_bytes and row.stored_bytes else None,
        "read_amplification": row.voxels_decoded / row.voxels_asked
        if row.voxels_decoded and row.voxels_asked
        else None,
        "write_amplification": _write_amplification(row),
    }


def _write_amplification(row: Row) -> float | None:
    """Return the bytes that an overwrite or an append reads and writes ÷ the uncompressed bytes that it is given."""
    asked_bytes = _asked_bytes(row)
    if row.case.operation not in ("append", "overwrite") or not asked_bytes:
        return None
    if row.fetched_bytes is None or row.set_bytes is None:
        return None
    return (row.fetched_bytes + row.set_bytes) / asked_bytes


def _asked_bytes(row: Row) -> int | None:
    """Return the uncompressed bytes that the operation moves: an open, a list, a delete move none, so there is no number."""
    if row.case.operation in ("open", "list", "delete"):
        return None
    if row.case.operation in ("read", "overwrite") and row.voxels_asked is not None:
        return row.voxels_asked * np.dtype(row.case.dtype).itemsize
    return row.logical_bytes if row.case.operation not in ("read", "overwrite") or row.case.pattern == "whole" else None


def _list_or_none(shape: Sequence[int] | None) -> list[int] | None:
    return None if shape is None else list(shape)
