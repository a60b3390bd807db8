"""Reading asv's result files (version 2), and making kept files of them, with the standard library.

What the format does not say aloud (asv notes, section 3): values are flat in the order of `itertools.product` of the
parameters; columns that are null to the end of a row are cut off, and a column that is null for every combination is
one null; a null value failed, timed out or crashed; a bare NaN was skipped or not selected.
asv names an existing environment after its interpreter's path (`existing-py_home_jane_venv_bin_python3.11`) and writes
that into names and JSON. Here is what makes a kept file of it, which asv still understands. Seen working with asv 0.6.6
on two such files in a scratch clone, with `results/benchmarks.json` and `results/<machine>/machine.json` as asv wrote
them (the machine's name must be the folder's name and `params.machine`):

    asv show HEAD                       lists the neutral environment
    asv compare HEAD~1 HEAD             pairs the two files by machine and environment name
    asv publish                         draws one graph over both commits; `python` is the version
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from storebench.errors import ResultsError
from storebench.results.files import write_atomically
from storebench.results.merging import combinations, expand, is_nan, merge_results

ASV_VERSION: Final = 2
_WHY_NOT: Final = {
    "failed": "asv has no value: failed, timed out or crashed",
    "skipped": "asv: skipped or not selected",
}
NOT_RESULTS: Final = ("benchmarks.json", "machine.json")

_PATH: Final = re.compile(r"""(?<![\w.<>)])(?:~|[A-Za-z]:)?[/\\](?:[^\s'"/\\]+[/\\])*(?=[^\s'"/\\])""")
_HOME: Final = re.compile(r"""(?:/home|/Users|[A-Za-z]:\\Users)[/\\][^\s'"/\\]+""")
_ONLY_A_PATH: Final = re.compile(r"""(['"]?)(?:~|[A-Za-z]:)?[/\\].*[/\\](.+)""")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsvRow:
    """One combination of one benchmark.

    Attributes
    ----------
    benchmark : str
        asv's name, as in "read.Zarr.time_read".
    params : tuple of str
        asv's reprs, one per axis.
    value : float or other JSON value or None
        The median in seconds for time benchmarks, whatever a track benchmark returned for those.
    samples : tuple of float
        Raw; empty where asv was not told to keep them.
    status : str
        "ok"; "failed" (also: timed out, crashed); "skipped" (also: not selected).
    version : str or None
        Of the benchmark, when it was measured.
    stale : bool
        Whether benchmarks.json now names another version, so that the value must not be compared.
    started_at : float or None
        Seconds since 1970-01-01 UTC, of the whole benchmark.
    in_seconds : bool
        Whether the value is a time.
    """

    benchmark: str
    params: tuple[str, ...]
    value: Any
    samples: tuple[float, ...]
    status: Literal["ok", "failed", "skipped"]
    version: str | None
    stale: bool
    started_at: float | None
    in_seconds: bool

    @property
    def why_not(self) -> str | None:
        """Why there is no number to show; None where there is one."""
        if self.status == "ok" and self.stale:
            return (
                f"measured with version {self.version} of the benchmark, which benchmarks.json has another version of"
            )
        return _WHY_NOT.get(self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsvFile:
    """One result file: one commit in one environment on one machine."""

    commit_hash: str
    env_name: str
    machine: str
    requirements: Mapping[str, str]
    rows: tuple[AsvRow, ...]


def read_asv_file(path: Path, benchmarks: Mapping[str, Any] | None = None) -> AsvFile:
    """Read one of asv's result files.

    Parameters
    ----------
    path : Path
        `results/<machine>/<commit>-<environment>.json`.
    benchmarks : mapping, optional
        What `read_benchmarks` returned; without it no row is stale, and time is known by names alone.

    Raises
    ------
    ResultsError
        If it is no result file of version 2, or damaged.
    """
    data = load_json(path)
    known = benchmarks or {}
    try:
        rows = [
            row
            for name, values in data["results"].items()
            for row in _rows(name, dict(zip(data["result_columns"], values, strict=False)), known.get(name))
        ]
        return AsvFile(
            commit_hash=data["commit_hash"],
            env_name=data["env_name"],
            machine=data["params"]["machine"],
            requirements=data["requirements"],
            rows=tuple(rows),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{path} is no complete asv result file: {type(error).__name__} {error}") from error
    except ResultsError as error:
        raise ResultsError(f"{path}: {error}") from error


def read_benchmarks(path: Path) -> dict[str, Any]:
    """Read asv's benchmarks.json: benchmark name → its type, unit, version, param_names.

    Raises
    ------
    ResultsError
        If it is not of version 2, or damaged.
    """
    return {name: entry for name, entry in load_json(path).items() if isinstance(entry, dict)}


def find_benchmarks(path: Path) -> dict[str, Any] | None:
    """Read the benchmarks.json one folder above a result file, or beside it; None where there is none."""
    for folder in (path.parent.parent, path.parent):
        if (folder / "benchmarks.json").is_file():
            return read_benchmarks(folder / "benchmarks.json")
    return None


def load_json(path: Path) -> dict[str, Any]:
    """Load a JSON file of asv, with its bare NaN and Infinity.

    Raises
    ------
    ResultsError
        If it cannot be read, is not an object, or not of version 2.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ResultsError(f"{path} is damaged or no JSON: {error}") from error
    if not isinstance(data, dict) or data.get("version") != ASV_VERSION:
        version = data.get("version") if isinstance(data, dict) else None
        raise ResultsError(
            f"{path}: asv's result files of version {ASV_VERSION} are understood, this one says {version}; what other tools "
            "wrote is brought in with: storebench import FILE"
        )
    return data


def _rows(name: str, columns: Mapping[str, Any], known: Mapping[str, Any] | None) -> Iterator[AsvRow]:
    params = columns.get("params") or []
    combos = combinations(params)
    values = expand(columns.get("result"), len(combos), name)
    samples = expand(columns.get("samples"), len(combos), name)
    version, started_ms = columns.get("version"), columns.get("started_at")
    method = name.rsplit(".", 1)[-1]
    for combo, value, raw in zip(combos, values, samples, strict=True):
        yield AsvRow(
            benchmark=name,
            params=combo,
            value=value,
            samples=tuple(raw or ()),
            status="failed" if value is None else "skipped" if is_nan(value) else "ok",
            version=version,
            stale=known is not None and known.get("version") != version,
            started_at=None if started_ms is None else started_ms / 1000,
            # a counted value has no samples: asv keeps those of times, and of our own loops that give times
            in_seconds=known.get("unit") == "seconds"
            if known
            else method.startswith(("time_", "timeraw_")) or bool(columns.get("samples")),
        )


def result_stem(commit: str, env_name: str) -> str:
    """Return the file name, without suffix, that asv's file and the journal of one commit and environment share.

    Parameters
    ----------
    commit : str
        A commit's hash, of which 8 digits are kept as asv does, or a version, kept whole.
    env_name : str
        The neutral name: `Environment.name`.
    """
    return f"{commit[:8] if re.fullmatch('[0-9a-f]{9,40}', commit) else commit}-{env_name}"


def neutralise(data: Mapping[str, Any], *, env_name: str, commit: str, machine: str | None = None) -> dict[str, Any]:
    """Return asv's raw result without the machine's paths.

    Parameters
    ----------
    data : mapping
        asv's JSON, version 2.
    env_name : str
        The neutral name, `py<version>-…`: the interpreter's version is taken from it.
    commit : str
        Commit hash, or a version where there is no clone.
    machine : str, optional
        A new name for the machine; its folder and machine.json must then say the same.

    Returns
    -------
    dict
        A new object. An absolute path inside any text is cut down to its last part; an infinite result becomes
        null.
    """
    match = re.match(r"py(\d+(?:\.\d+)*)", env_name)
    if match is None:
        raise ResultsError(f"the environment's name {env_name!r} must begin with py and the version, as in py3.13.2-…")
    clean: dict[str, Any] = without_paths(dict(data))
    clean |= {"env_name": env_name, "commit_hash": commit, "python": match[1]}
    clean["params"] = clean["params"] | {"python": match[1]} | ({"machine": machine} if machine else {})
    column = clean["result_columns"].index("result")
    for values in clean["results"].values():
        values[column] = _finite(values[column])
    return clean


def _finite(value: Any) -> Any:
    """Return null for an infinite result: `asv publish` 0.6.6 never ends on one (its step detection)."""
    if isinstance(value, list):
        items = [_finite(item) for item in value]
        return None if all(item is None for item in items) else items
    return None if isinstance(value, float) and math.isinf(value) else value


def without_paths(value: Any) -> Any:
    """Return a JSON value with every absolute path in its texts cut down to its last part."""
    if isinstance(value, dict):
        return {without_paths(key): without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    if isinstance(value, str):
        whole = _ONLY_A_PATH.fullmatch(value)
        return whole[1] + whole[2] if whole else _PATH.sub("", _HOME.sub("~", value))
    return value


def publish_asv_result(
    source: Path, target_dir: Path, *, env_name: str, commit: str | None = None, machine: str | None = None
) -> Path:
    """Write a neutral copy of asv's raw result file beside the kept ones, in one atomic step.

    A file that is already kept under the same name is merged, combination by combination (see `merge_results`).

    Parameters
    ----------
    source : Path
        asv's own file.
    target_dir : Path
        The machine's folder: `results/<machine>`; made if missing.
    env_name, commit, machine : str
        As for `neutralise`; `commit` None keeps asv's.

    Returns
    -------
    Path
        The kept file.

    Raises
    ------
    ResultsError
        If either file cannot be understood; the kept file is then left as it was.
    """
    data = load_json(source)
    data = neutralise(data, env_name=env_name, commit=commit or data["commit_hash"], machine=machine)
    target = target_dir / f"{result_stem(data['commit_hash'], env_name)}.json"
    if target.exists():
        data = merge_results(load_json(target), data)
    write_atomically(target, json.dumps(data))
    return target
