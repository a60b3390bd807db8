"""What another tool's file says, as a journal keeps it, and the tidy rows that follow from it.

What the file says and what was set by hand stand apart in the journal; what follows from both (chunk shape of a single
edge, bytes of a known shape) is worked out here, when the table is made. Intervals are ours, from the raw samples.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from storebench.errors import ResultsError
from storebench.grid import Shape, grid_shape
from storebench.results.columns import COLUMNS
from storebench.results.files import write_atomically
from storebench.results.lines import encode, read_lines
from storebench.results.sampled import time_columns
from storebench.results.tidy import rates

# fmt: off
OWN: Final = (
    "case_id", "status", "reason", "engine", "benchmark", "machine", "environment", "environment_id", "commit", "dirty",
    "samples_s", "samples_process", "n_samples", "n_processes", "low_confidence", "converged", "samples_verified",
    "samples_discarded", "cache_shown", "noisy", "noise", "median_s", "ci95_low_s", "ci95_high_s", "half_width", "p10_s",
    "first_touch_s", "parallelism", "preempted_share", "autocorrelation_time", "throughput_mib_s", "limit_s",
    "limit_fraction", "limit_requests_s", "limit_bytes_s", "limit_decode_s", "read_amplification",
)
# fmt: on
"""Columns that storebench fills: from the samples, from other columns, from where the file comes from."""

SAID: Final = tuple(name for name in COLUMNS if name not in OWN)
"""Columns that a file or a person may fill."""

EDGES: Final = {"chunk_edge": "chunk_shape", "shard_edge": "shard_shape"}
"""A single number of voxels, the same on every axis, and the column it becomes once the number of axes is known."""


_PADDED: Final = ("zarr2", "zarr3")
"""Formats that are known to store edge chunks whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One file of another tool. Holds no path and no host's name.

    Attributes
    ----------
    tool, tool_version : str, str or None
        What wrote the file.
    file, sha256 : str
        Its name without folders, and what it held.
    environment : str
        Name of what was measured, as the tool tells its files apart.
    taken_at : str or None
        When, ISO 8601.
    project, commit, dirty : str or None, str or None, bool or None
        Of the project that was measured.
    python : str or None
        Version.
    machine_name : str or None
        Neutral name, after the processor; None where the file does not name it.
    machine : mapping of str to (str or int or None)
        cpu, n_cpu, os, arch, ram_bytes: what the file has of them.
    given : mapping of str to Any
        Columns set by hand: they fill what the file does not say.
    rows : tuple of mapping
        Of each case `case_id`, `status`, and what else the file says, under the names of the tidy columns (`SAID`,
        `EDGES`, `reason`, `benchmark`): `samples_s`, or `median_s` where it keeps no samples.
    """

    tool: str
    tool_version: str | None = None
    file: str
    sha256: str
    environment: str
    taken_at: str | None = None
    project: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    python: str | None = None
    machine_name: str | None = None
    machine: Mapping[str, str | int | None] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...]

    @property
    def id(self) -> str:
        """Ten hex digits, of the file's content: what else was installed is not known, so no two files are of one environment."""
        return hashlib.sha256(f"{self.tool} {self.sha256}".encode()).hexdigest()[:10]


def imported_line(imported: Imported) -> dict[str, Any]:
    """Return the journal's line."""
    source = {
        name: dict(value) if isinstance(value := getattr(imported, name), Mapping) else value
        for name in Imported.__dataclass_fields__
        if name not in ("rows", "given")
    }
    known = {name: value for name, value in source.items() if value is not None}
    return {
        "kind": "imported",
        "id": imported.id,
        "source": known,
        "set": _plain(imported.given),
        "rows": [_plain(row) for row in imported.rows],
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def imported_from_line(line: Mapping[str, Any]) -> Imported:
    """Return what a journal's line says.

    Raises
    ------
    ResultsError
        If it has unknown fields or columns.
    """
    rows = tuple(line["rows"])
    unknown = {name for row in (line["set"], *rows) for name in row} - {*COLUMNS, *EDGES}
    if unknown:
        raise ResultsError(f"there are no columns called {', '.join(sorted(unknown))}")
    try:
        return Imported(**line["source"], given=line["set"], rows=rows)
    except TypeError as error:
        raise ResultsError(f"this is no imported file: {error}") from error


def write_imported(path: Path, imported: Imported) -> None:
    """Write a journal of one imported file, whole or not at all."""
    write_atomically(path, encode(imported_line(imported)))


def read_imported(path: Path) -> list[Imported]:
    """Return the imported files that a journal holds; other kinds of lines are left out."""
    return [imported_from_line(line) for _, line in read_lines(path, []) if line["kind"] == "imported"]


def imported_rows(imported: Imported) -> Iterator[dict[str, Any]]:
    """Yield the rows of the tidy table; what neither the file nor a person says is None."""
    place = {
        "machine": imported.machine_name,
        "environment": imported.environment,
        "environment_id": imported.id,
        "commit": imported.commit,
        "dirty": imported.dirty,
        "engine": imported.tool,
    }
    for row in imported.rows:
        values: dict[str, Any] = dict.fromkeys(COLUMNS) | place
        values |= {name: value for name, value in row.items() if name not in EDGES}
        values |= {name: value for name, value in imported.given.items() if values[name] is None}
        values |= _shapes(values, row)
        values |= _sizes(values)
        values |= _times(row)
        yield values | rates(values)


def _times(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that follow from the samples; the tool's own median only where it kept none."""
    samples = row.get("samples_s")
    if samples:
        return time_columns(samples, None)
    return {} if row.get("median_s") is None else {"low_confidence": True}


def _shapes(values: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return chunk and shard shapes from single edges, where the number of axes is known and an image could have them."""
    shape, axes = values["shape"], values["axes"]
    known = shape or axes
    found = {}
    for edge_name, column in EDGES.items():
        edge = row.get(edge_name)
        if edge is not None and known and values[column] is None and (shape is None or edge <= max(shape)):
            found[column] = [edge] * len(known)
    return found


def _sizes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return bytes and voxels that follow from shape and dtype; an empty mapping where one is missing."""
    if values["shape"] is None or values["dtype"] is None:
        return {}
    shape: Shape = tuple(values["shape"])
    logical = math.prod(shape) * np.dtype(values["dtype"]).itemsize
    found: dict[str, Any] = {"logical_bytes": logical}
    ratio, stored = values["compression_ratio"], values["stored_bytes"]
    if ratio and stored is None:
        found["stored_bytes"] = round(logical / ratio)
    elif stored and ratio is None:
        found["compression_ratio"] = logical / stored
    if values["pattern"] == "whole" and values["operation"] not in (None, "open"):
        found["asked_bytes"] = logical
        found |= _touched(shape, values) if values["operation"] == "read" else {}
    return {name: value for name, value in found.items() if values[name] is None}


def _touched(shape: Shape, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what geometry says of a read of everything; a Zarr array stores its edge chunks whole."""
    chunks = tuple(values["chunk_shape"] or ())
    if len(chunks) != len(shape) or values["format"] not in _PADDED:
        return {}
    n_chunks = math.prod(grid_shape(shape, chunks))
    asked, decoded = math.prod(shape), n_chunks * math.prod(chunks)
    counts = {"chunks_touched": n_chunks, "voxels_asked": asked, "voxels_decoded": decoded}
    return counts | {"read_amplification": decoded / asked}
