"""pytest-benchmark's JSON: what `--benchmark-save-data`, `--benchmark-autosave` and `--benchmark-json` write.

`stats.data` is in seconds and of one iteration each: the tool divides a round's time by its iterations before it keeps it.
The tool's own statistics are used for one thing: the median must be that of the samples, else the file is damaged.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from storebench.errors import ResultsError
from storebench.results.asv import without_paths
from storebench.results.importers._parameters import columns_of_parameters, counted_values, operation_of
from storebench.results.importers._source import Read, Source

NAME: Final = "pytest-benchmark"
_COUNTED_NAME: Final = re.compile(r"\d{4,}_(.+)")
"""Name of a saved file: counter, underscore, and the tag that the person gave."""


def recognises(data: Mapping[str, Any]) -> bool:
    """Tell whether this is a file of the tool."""
    return isinstance(data.get("benchmarks"), list) and isinstance(data.get("machine_info"), dict)


def read(path: Path, data: Mapping[str, Any]) -> Read:
    """Return the rows of a file, and where they come from.

    Parameters
    ----------
    path : Path
        Of the file, for its name.
    data : mapping
        Its content.

    Raises
    ------
    ResultsError
        If a test has no name or no statistics, or they contradict each other.
    """
    tests = data["benchmarks"]
    names = _case_names(tests)
    rows = tuple(_row(test, name) for test, name in zip(tests, names, strict=True))
    return Read(source=_source(path, data), rows=rows)


def _source(path: Path, data: Mapping[str, Any]) -> Source:
    machine, commit = data["machine_info"], _object(data.get("commit_info"))
    cpu = _object(machine.get("cpu"))
    saved = _COUNTED_NAME.fullmatch(path.stem)
    system = [machine.get("system"), machine.get("release") if machine.get("system") == "Windows" else None]
    return Source(
        tool_version=_text(data.get("version")),
        environment=saved[1] if saved else path.stem,
        taken_at=_text(data.get("datetime")),
        project=_text(commit.get("project")),
        commit=_text(commit.get("id")),
        dirty=commit.get("dirty") if isinstance(commit.get("dirty"), bool) else None,
        python=_text(machine.get("python_version")),
        machine={
            "cpu": _text(cpu.get("brand_raw")) or _text(cpu.get("brand")),
            "n_cpu": cpu.get("count") if isinstance(cpu.get("count"), int) else None,
            "os": " ".join(str(part) for part in system if part) or None,
            "kernel": _text(machine.get("release")) if machine.get("system") == "Linux" else None,
            "arch": _text(machine.get("machine")),
        },
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _case_names(tests: Sequence[Any]) -> list[str]:
    """Return each test's name, with its file (seen from the project's root) where two files have tests of one name."""
    short = [_required(test, "name", str, number) for number, test in enumerate(tests, start=1)]
    counts = Counter(short)
    names = [
        str(test.get("fullname") or name) if counts[name] > 1 else name for test, name in zip(tests, short, strict=True)
    ]
    return [without_paths(name) for name in names]


def _required(test: Any, key: str, kind: type, number: int) -> Any:
    value = test.get(key) if isinstance(test, dict) else None
    if not isinstance(value, kind):
        raise ResultsError(f"test {number} has no {key}")
    return value


def _row(test: Mapping[str, Any], name: str) -> dict[str, Any]:
    params, extra = (_object(test.get(key)) for key in ("params", "extra_info"))
    function = name.partition("[")[0].rpartition("::")[2]
    operation = operation_of(_text(test.get("group")), function)
    said = {"operation": operation} if operation else {}
    return {
        "case_id": name,
        **said,
        **columns_of_parameters(without_paths(params)),
        **counted_values(extra),
        **_times(test, name),
    }


def _times(test: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return status and samples; the tool's median where it kept no samples."""
    stats = test.get("stats")
    if not isinstance(stats, dict):
        raise ResultsError(f"{name} has no stats")
    samples, median = stats.get("data") or [], stats.get("median")
    if not all(_is_time(value) for value in samples) or not (median is None or _is_time(median)):
        raise ResultsError(f"{name} has a time that is none")
    if samples:
        if median is not None and not math.isclose(statistics.median(samples), median, rel_tol=1e-6):
            raise ResultsError(f"{name}: its median, {median} s, is not that of its samples")
        return {"status": "ok", "samples_s": list(samples)}
    if median is not None:
        return {"status": "ok", "median_s": median}
    return {"status": "failed", "reason": "pytest-benchmark has no time of it"}


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
