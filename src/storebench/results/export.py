"""The tidy table as a file for other tools: CSV, Parquet, JSON, or a Markdown table for a README."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pandas as pd

from storebench.errors import MissingDependencyError, StorageError, UsageError, unknown_name
from storebench.records import SCHEMA_VERSION
from storebench.results.columns import TUPLES
from storebench.results.files import write_atomically
from storebench.results.spreadsheet import as_text_cell
from storebench.units import bytes_text, ratio_text, seconds_text, shape_text, throughput_text

FORMATS: Final = ("csv", "parquet", "json", "markdown")


def _as_it_is(value: Any) -> str:
    return str(value)


MARKDOWN_COLUMNS: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = MappingProxyType(
    {
        "dataset": ("dataset", _as_it_is),
        "backend": ("backend", _as_it_is),
        "chunk_shape": ("chunks", shape_text),
        "shard_shape": ("shards", shape_text),
        "codec": ("codec", _as_it_is),
        "n_levels": ("levels", _as_it_is),
        "level_axes": ("levels along", _as_it_is),
        "level_method": ("levels by", _as_it_is),
        "threads": ("threads", _as_it_is),
        "concurrency": ("at once", _as_it_is),
        "operation": ("operation", _as_it_is),
        "pattern": ("pattern", _as_it_is),
        "status": ("status", _as_it_is),
        "median_s": ("median", seconds_text),
        "ci95_low_s": ("95 % from", seconds_text),
        "ci95_high_s": ("to", seconds_text),
        "n_samples": ("samples", _as_it_is),
        "throughput_mib_s": ("throughput", throughput_text),
        "compression_ratio": ("ratio", ratio_text),
        "stored_bytes": ("stored", bytes_text),
        "n_files": ("files", _as_it_is),
        "read_amplification": ("amplification", ratio_text),
        "reason": ("why not", _as_it_is),
    }
)
"""What the Markdown table shows: column → heading and how a number is written."""
_USUAL: Final[Mapping[str, Any]] = MappingProxyType({"n_levels": 1, "level_method": "mean"})
"""What needs no column where all rows have it."""


def export(frame: pd.DataFrame, kind: str, target: Path | None = None) -> str | None:
    """Write the tidy table in another format.

    Parameters
    ----------
    frame : pandas.DataFrame
        As `load_results` gives it.
    kind : str
        "csv": shapes as 64x64x64, samples separated by blanks, missing values empty, an apostrophe before text that a
        spreadsheet would take for a formula. "parquet": shapes and samples as
        lists. "json": an object with `schema_version` and `rows`, missing values null. "markdown": the columns of
        `MARKDOWN_COLUMNS`, with units.
    target : Path, optional
        File to write, whole or not at all; None: return the text.

    Returns
    -------
    str or None
        The text, where no file was asked for.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    UsageError
        If Parquet, which is no text, was asked for without a file.
    MissingDependencyError
        If Parquet needs pyarrow and it is not installed.
    """
    if kind not in FORMATS:
        raise unknown_name("export kind", kind, FORMATS)
    if kind == "parquet":
        if target is None:
            raise UsageError("parquet is no text: give a file to write, as in --output results.parquet")
        _write(target, _parquet(frame))
        return None
    text = {"csv": _csv, "json": _json, "markdown": _markdown}[kind](frame)
    if target is None:
        return text
    _write(target, text)
    return None


def _write(target: Path, content: str | bytes) -> None:
    try:
        write_atomically(target, content)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}") from error


def plain_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain JSON values: shapes as arrays, missing values None."""
    columns = {name: [_plain(value) for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return list(value)
    return None if pd.isna(value) else value


def _csv(frame: pd.DataFrame) -> str:
    flat = frame.copy()
    for name in (name for name in TUPLES if name in flat):
        write = shape_text if not name.startswith("samples_") else lambda samples: " ".join(map(repr, samples))
        flat[name] = pd.Series([None if v is None else write(v) for v in flat[name]], dtype="str", index=flat.index)
    for column in flat.select_dtypes(["object", "str"]):
        flat[column] = flat[column].map(as_text_cell)
    return flat.to_csv(index=False, lineterminator="\n")


def _json(frame: pd.DataFrame) -> str:
    return (
        json.dumps({"schema_version": SCHEMA_VERSION, "rows": plain_records(frame)}, allow_nan=False, indent=1) + "\n"
    )


def _markdown(frame: pd.DataFrame) -> str:
    """Return a GitHub table of the columns in which anything is known that is not the usual."""
    shown = [
        name
        for name in MARKDOWN_COLUMNS
        if name in frame and not {None, _USUAL.get(name)}.issuperset(_known(frame, name))
    ]
    lines = [[MARKDOWN_COLUMNS[name][0] for name in shown], ["---"] * len(shown)]
    lines += [
        ["" if record[name] is None else MARKDOWN_COLUMNS[name][1](record[name]) for name in shown]
        for record in plain_records(frame[shown])
    ]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _known(frame: pd.DataFrame, name: str) -> set[Any]:
    return set(frame[name].dropna())


def _cell(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def _parquet(frame: pd.DataFrame) -> bytes:
    if find_spec("pyarrow") is None:
        raise MissingDependencyError('Parquet needs pyarrow; install it with: pip install "storebench[parquet]"')
    import pyarrow as pa

    # without stated types a column of shapes that are all missing would have none
    kinds = {name: pa.list_(pa.float64() if name == "samples_s" else pa.int64()) for name in TUPLES}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name in (name for name in TUPLES if name in frame):
        column = pa.array([None if v is None else list(v) for v in frame[name]], type=kinds[name])
        table = table.set_column(table.column_names.index(name), name, column)
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), buffer)
    return buffer.getvalue()
