"""asv's result files (version 2) of other projects, with the benchmarks.json beside them or one folder up.

Its machine's name is left out: asv takes it from the host. Parameters have names only where benchmarks.json is there.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from storebench.results.asv import ASV_VERSION, AsvRow, find_benchmarks, read_asv_file, without_paths
from storebench.results.importers._parameters import columns_of_parameters, operation_of
from storebench.results.importers._source import Read, Source
from storebench.results.importers._values import plain_value

NAME: Final = "asv"
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")


def recognises(data: Mapping[str, Any]) -> bool:
    """Tell whether this is a result file of asv, version 2."""
    return data.get("version") == ASV_VERSION and isinstance(data.get("result_columns"), list)


def read(path: Path, data: Mapping[str, Any]) -> Read:
    """Return the rows of a file, and where they come from.

    Parameters
    ----------
    path : Path
        Of the file; benchmarks.json is looked for beside it and one folder up.
    data : mapping
        Its content.

    Raises
    ------
    ResultsError
        If it is damaged.
    """
    benchmarks = find_benchmarks(path)
    found = read_asv_file(path, benchmarks)
    known = benchmarks or {}
    rows = tuple(
        _row(row, known.get(row.benchmark, {}).get("param_names") or ()) for row in found.rows if row.in_seconds
    )
    source = _source(data, found.commit_hash, found.env_name, found.requirements)
    return Read(source=source, rows=rows, n_left_out=len(found.rows) - len(rows))


def _source(data: Mapping[str, Any], commit: str, env_name: str, requirements: Mapping[str, str]) -> Source:
    params = data["params"]
    python = _VERSION.search(without_paths(str(data.get("python") or "")))  # a version, or the interpreter's path
    count, date = str(params.get("num_cpu") or ""), data.get("date")
    taken = dt.datetime.fromtimestamp(date / 1000, tz=dt.UTC) if isinstance(date, int | float) else None
    return Source(
        environment=_environment_name(env_name, python and python[0], requirements),
        taken_at=taken.isoformat() if taken else None,
        commit=commit,
        python=python[0] if python else None,
        machine={
            "cpu": params.get("cpu") or None,
            "n_cpu": int(count) if count.isdigit() else None,
            "os": params.get("os") or None,
            "arch": params.get("arch") or None,
        },
    )


def _environment_name(env_name: str, python: str | None, requirements: Mapping[str, str]) -> str:
    """Return asv's name of the environment; of an existing one, which is named after its interpreter's path, versions alone."""
    if not env_name.startswith("existing"):
        return str(without_paths(env_name))
    versions = [f"{name}{version}" for name, version in sorted(requirements.items())]
    return "-".join([f"py{python}" if python else "existing", *versions])


def _row(row: AsvRow, names: Sequence[str]) -> dict[str, Any]:
    values = [without_paths(plain_value(text)) for text in row.params]
    params = dict(zip(names, values, strict=False)) if len(names) == len(values) else {}
    module, _, method = row.benchmark.rpartition(".")
    operation = operation_of(method, module.rpartition(".")[2], module)
    said = {"operation": operation} if operation else {}
    return {
        "case_id": "/".join([row.benchmark, *map(str, values)]),
        "benchmark": row.benchmark,
        **said,
        **columns_of_parameters(params),
        **_times(row),
    }


def _times(row: AsvRow) -> dict[str, Any]:
    """Return status, reason and samples."""
    if row.status != "ok" or row.stale:
        return {"status": "skipped" if row.stale and row.status == "ok" else row.status, "reason": row.why_not}
    times = [row.value, *row.samples]
    if not all(isinstance(time, int | float) and math.isfinite(time) and time >= 0 for time in times):
        return {"status": "failed", "reason": "asv's value is no time"}
    return {"status": "ok", "samples_s": list(row.samples)} if row.samples else {"status": "ok", "median_s": row.value}
