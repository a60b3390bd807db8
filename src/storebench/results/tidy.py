"""One row of the tidy table as plain values. docs/results.md documents the columns; a test holds the two together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np

from storebench.records import Environment, Row
from storebench.results.intervals import low_confidence, median_interval
from storebench.units import MIB

# fmt: off
TEXT: Final = (
    "case_id", "dataset", "dtype", "axes", "backend", "format", "library", "library_version", "codec", "operation",
    "pattern", "store", "cache", "durability", "status", "reason", "machine", "environment", "environment_id",
    "commit", "benchmark",
)
INTS: Final = (
    "seed", "n_levels", "stack_axis", "threads", "n_samples", "n_processes", "logical_bytes", "asked_bytes",
    "chunk_bytes", "stored_bytes", "n_files", "fetched_bytes", "requests", "chunks_touched", "voxels_asked",
    "voxels_decoded", "peak_memory_bytes",
)
FLOATS: Final = (
    "median_s", "ci95_low_s", "ci95_high_s", "open_s", "cpu_s", "throughput_mib_s", "compression_ratio",
    "read_amplification", "max_abs_error",
)
FLAGS: Final = ("low_confidence", "dirty")
TUPLES: Final = ("shape", "chunk_shape", "shard_shape", "samples_s")

COLUMNS: Final = (
    "case_id", "dataset", "shape", "dtype", "axes", "seed", "backend", "format", "library", "library_version",
    "chunk_shape", "shard_shape", "codec", "operation", "pattern", "n_levels", "stack_axis", "store", "cache",
    "durability", "threads", "status", "reason", "samples_s", "n_samples", "n_processes", "low_confidence",
    "median_s", "ci95_low_s", "ci95_high_s", "open_s", "cpu_s", "throughput_mib_s", "logical_bytes", "asked_bytes",
    "chunk_bytes", "stored_bytes", "n_files", "compression_ratio", "fetched_bytes", "requests", "chunks_touched",
    "voxels_asked", "voxels_decoded", "read_amplification", "max_abs_error", "peak_memory_bytes", "machine",
    "environment", "environment_id", "commit", "dirty", "benchmark",
)
# fmt: on
"""The columns of the tidy table, in order."""


def tidy_row(row: Row, environment: Environment | None = None, *, environment_id: str | None = None) -> dict[str, Any]:
    """Return a row under the columns' names, as plain JSON values; what was not measured is None.

    Parameters
    ----------
    row : Row
        What is known of one case.
    environment : Environment, optional
        Where it was measured.
    environment_id : str, optional
        Its id where the environment itself is not known.

    Returns
    -------
    dict
        Every entry of `COLUMNS`, in order. `machine` and `benchmark` are the result file's to add.
    """
    values: dict[str, Any] = dict.fromkeys(COLUMNS)
    for record in (row.case, row):
        for field in fields(record):
            if field.name in values:
                value = getattr(record, field.name)
                values[field.name] = list(value) if isinstance(value, tuple) else value
    if row.status != "ok":  # nothing was found in a store: what was asked tells the rows apart
        values["chunk_shape"] = _list_or_none(row.chunk_shape or row.case.chunk_shape)
        values["shard_shape"] = _list_or_none(row.shard_shape or row.case.shard_shape)
    values["case_id"] = row.case.id
    values |= sample_columns([s.wall_s for s in row.samples], [s.process_id for s in row.samples])
    values["open_s"] = median_or_none([s.open_s for s in row.samples if s.open_s is not None])
    values["cpu_s"] = median_or_none([s.cpu_s for s in row.samples])
    values |= _derived(row, values["median_s"])
    values["environment_id"] = environment_id
    if environment is not None:
        values |= {"environment": environment.name, "environment_id": environment_id or environment.id}
        values |= {"commit": environment.commit, "dirty": environment.dirty}
    return values


def sample_columns(samples: Sequence[float], processes: Sequence[str] | None) -> dict[str, Any]:
    """Return the columns that follow from raw samples in seconds; `processes` None: not known."""
    interval = median_interval(samples, processes)
    n_processes = len(set(processes)) if processes else None
    return {
        "samples_s": list(samples) or None,
        "n_samples": len(samples) or None,
        "n_processes": n_processes,
        "low_confidence": low_confidence(len(samples), n_processes) if samples else None,
        "median_s": interval.median,
        "ci95_low_s": interval.low,
        "ci95_high_s": interval.high,
    }


def median_or_none(values: Sequence[float]) -> float | None:
    """Return the median; None of nothing."""
    return statistics.median(values) if values else None


def throughput(n_bytes: int | None, seconds: float | None) -> float | None:
    """Return MiB/s (MiB = 2**20 bytes); None where a part is missing or no time passed."""
    return n_bytes / MIB / seconds if n_bytes is not None and seconds else None


def _derived(row: Row, median_s: float | None) -> dict[str, Any]:
    asked = _asked_bytes(row)
    return {
        "asked_bytes": asked,
        "throughput_mib_s": throughput(asked, median_s),
        "compression_ratio": row.logical_bytes / row.stored_bytes if row.logical_bytes and row.stored_bytes else None,
        "read_amplification": row.voxels_decoded / row.voxels_asked
        if row.voxels_decoded and row.voxels_asked
        else None,
    }


def _asked_bytes(row: Row) -> int | None:
    """Return the uncompressed bytes that the operation moves: an open moves none, so there is no number."""
    if row.case.operation == "open":
        return None
    if row.case.operation == "read" and row.voxels_asked is not None:
        return row.voxels_asked * np.dtype(row.case.dtype).itemsize
    return row.logical_bytes if row.case.operation != "read" or row.case.pattern == "whole" else None


def _list_or_none(shape: Sequence[int] | None) -> list[int] | None:
    return None if shape is None else list(shape)
