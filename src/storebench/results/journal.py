"""The journal: JSON Lines with what asv's files cannot hold. Appended while measuring, compacted when published.

docs/results.md describes the lines. Several processes may write one journal: each line is one `write` in append mode.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Protocol

from storebench.errors import ResultsError, StorageError
from storebench.grid import Shape
from storebench.records import (
    SCHEMA_VERSION,
    DatasetRecord,
    Environment,
    Row,
    Sample,
    dataset_from_json,
    environment_from_json,
    row_from_json,
    sample_from_json,
    to_json,
)
from storebench.results.files import mend_end, write_atomically

_UPGRADES: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""Schema version → the step that turns its lines into those of the next. Empty: there is only version 1."""

_Key = tuple[str, str]
_FACTS: Final = tuple(f.name for f in fields(Row) if f.name not in ("case", "status", "reason", "samples"))


class Origin(Protocol):
    """Who asked for a case."""

    @property
    def run(self) -> str | None:
        """Name of the run."""

    @property
    def benchmark(self) -> str | None:
        """Name in asv; None where asv did not ask."""

    @property
    def params(self) -> Sequence[str] | None:
        """Reprs in asv."""


class Journal:
    """Appends lines to a journal file; makes it and its folders when the first line comes.

    Parameters
    ----------
    path : Path
        The `.jsonl` file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mended = False

    def append_environment(self, environment: Environment) -> None:
        """Append an environment; rows and samples refer to its id."""
        self._append({"kind": "environment", "id": environment.id, "environment": to_json(environment)})

    def append_dataset(self, dataset: DatasetRecord) -> None:
        """Append what is known of an image; cases refer to it by name, shape, dtype and seed."""
        self._append({"kind": "dataset", "dataset": to_json(dataset)})

    def append_row(self, environment: Environment, row: Row, origin: Origin | None = None) -> None:
        """Append what is known of a case; its samples may follow on lines of their own."""
        self._append(_row_line(environment.id, row, _told_by(origin, environment.commit)))

    def append_sample(self, environment_id: str, run: str | None, case_id: str, sample: Sample) -> None:
        """Append one sample of a case."""
        line = {
            "kind": "sample",
            "environment_id": environment_id,
            "run": run,
            "case_id": case_id,
            "sample": to_json(sample),
        }
        self._append(line)

    def _append(self, line: dict[str, Any]) -> None:
        raw = _encode(line)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                if not self._mended:
                    mend_end(descriptor)
                    self._mended = True
                written = os.write(descriptor, raw)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(f"the journal {self.path} cannot be written: {error.strerror}") from error
        if written < len(raw):
            self._mended = False
            raise StorageError(f"the journal {self.path} cannot be written: the disk is full")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRow:
    """All lines of one case in one environment, merged.

    Attributes
    ----------
    environment_id : str
        Key of `JournalContent.environments`.
    row : Row
        Facts, status, and all samples in the order taken.
    run, commit : str or None
        As the last line says that says it.
    measured_as : tuple of (str, tuple of str)
        asv's benchmark and parameter reprs, the last one last; empty where asv had no part. A case may be in two
        suites.
    """

    environment_id: str
    row: Row
    run: str | None = None
    commit: str | None = None
    measured_as: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def benchmark(self) -> str | None:
        """Name in asv; None where asv had no part."""
        return self.measured_as[-1][0] if self.measured_as else None

    @property
    def params(self) -> tuple[str, ...] | None:
        """Reprs of its parameters in asv."""
        return self.measured_as[-1][1] if self.measured_as else None


@dataclass(frozen=True, slots=True)
class JournalWarning:
    """Something that was left out on reading, and why."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContent:
    """What one or several journals hold: environments by id, datasets, rows by (environment id, case id), what was left out.

    Datasets are known by name, shape, dtype and seed; of two with the same the last one counts.
    """

    environments: Mapping[str, Environment]
    datasets: Mapping[tuple[str, Shape, str, int | None], DatasetRecord]
    rows: Mapping[tuple[str, str], JournalRow]
    warnings: tuple[JournalWarning, ...] = ()


def read_journal(*paths: Path) -> JournalContent:
    """Read journals and merge their lines in the order given.

    Of the facts of a case the last that is not null counts, a later status replaces an earlier one, samples follow in
    order. A sample that is there twice, to the last digit of its start and process, is one sample: so a kept journal
    and the raw one it was made from may be read together. A damaged last line and samples without a row become
    warnings.

    Raises
    ------
    ResultsError
        If a file cannot be read, a line before the last is damaged, or a newer storebench wrote it.
    """
    merger = _Merger()
    for path in paths:
        for number, line in _lines(path, merger.warnings):
            try:
                merger.take(line, (path, number))
            except KeyError as error:
                raise ResultsError(f"{path}, line {number}: the field {error} is missing") from error
            except (TypeError, ResultsError) as error:
                raise ResultsError(f"{path}, line {number}: {error}") from error
    return merger.content()


class _Merger:
    """Collects lines; samples apart from facts, since either may come first."""

    def __init__(self) -> None:
        self.warnings: list[JournalWarning] = []
        self._environments: dict[str, Environment] = {}
        self._datasets: dict[tuple[str, Shape, str, int | None], DatasetRecord] = {}
        self._rows: dict[_Key, JournalRow] = {}
        self._samples: dict[_Key, dict[Sample, None]] = {}
        self._first_sample: dict[_Key, tuple[Path, int]] = {}

    def take(self, line: Mapping[str, Any], where: tuple[Path, int]) -> None:
        if line["kind"] == "environment":
            self._environments[line["id"]] = environment_from_json(line["environment"])
        elif line["kind"] == "dataset":
            dataset = dataset_from_json(line["dataset"])
            self._datasets[dataset.key] = dataset
        elif line["kind"] == "row":
            new = _journal_row(line)
            key = (new.environment_id, new.row.case.id)
            self._samples.setdefault(key, {}).update(dict.fromkeys(new.row.samples))
            self._rows[key] = _merge(self._rows[key], new) if key in self._rows else new
        elif line["kind"] == "sample":
            key = (line["environment_id"], line["case_id"])
            self._samples.setdefault(key, {})[sample_from_json(line["sample"])] = None
            self._first_sample.setdefault(key, where)
        else:
            raise ResultsError(f"there is no kind of line called {line['kind']!r}")

    def content(self) -> JournalContent:
        orphans = [key for key in self._samples if key not in self._rows]
        lost = [
            JournalWarning(*self._first_sample[key], f"samples of {key[1]} have no row and are left out")
            for key in orphans
        ]
        rows = {
            k: replace(entry, row=replace(entry.row, samples=tuple(self._samples[k])))
            for k, entry in self._rows.items()
        }
        return JournalContent(
            environments=self._environments, datasets=self._datasets, rows=rows, warnings=(*self.warnings, *lost)
        )


def _lines(path: Path, warnings: list[JournalWarning]) -> list[tuple[int, dict[str, Any]]]:
    """Return the objects of a file with their line numbers, upgraded to this schema."""
    try:
        raw = path.read_bytes().splitlines()
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    found = []
    for number, text in enumerate(raw, start=1):
        try:
            line = json.loads(text)
        except ValueError as error:  # also bytes that are no UTF-8
            if number < len(raw):
                raise ResultsError(
                    f"{path}, line {number} is damaged: {error}. Restore the file or delete that line"
                ) from error
            warnings.append(
                JournalWarning(path, number, "the last line is cut off (an interrupted write?) and left out")
            )
            break
        found.append((number, _upgrade(line, f"{path}, line {number}")))
    return found


def _upgrade(line: Any, where: str) -> dict[str, Any]:
    version = line.get("schema_version") if isinstance(line, dict) else None
    if not isinstance(version, int) or not isinstance(line.get("kind"), str):
        raise ResultsError(f"{where}: a journal's line is an object with kind and schema_version")
    if version > SCHEMA_VERSION:
        raise ResultsError(
            f"{where}: written by a newer storebench (schema version {version}, this one knows {SCHEMA_VERSION}); "
            "update with: pip install --upgrade storebench"
        )
    upgraded: dict[str, Any] = line
    for step in range(version, SCHEMA_VERSION):
        if step not in _UPGRADES:
            raise ResultsError(f"{where}: schema version {version} is not known")
        upgraded = _UPGRADES[step](upgraded)
    return upgraded


def _journal_row(line: Mapping[str, Any]) -> JournalRow:
    benchmark, params = line["benchmark"], line["params"]
    measured_as = () if benchmark is None else ((benchmark, tuple(params or ())),)
    row = row_from_json(line["row"])
    return JournalRow(
        environment_id=line["environment_id"], row=row, run=line["run"], commit=line["commit"], measured_as=measured_as
    )


def _merge(old: JournalRow, new: JournalRow) -> JournalRow:
    facts = {name: value for name in _FACTS if (value := getattr(new.row, name)) is not None}
    return JournalRow(
        environment_id=old.environment_id,
        row=replace(old.row, status=new.row.status, reason=new.row.reason, **facts),
        run=new.run or old.run,
        commit=new.commit or old.commit,
        measured_as=(*(pair for pair in old.measured_as if pair not in new.measured_as), *new.measured_as),
    )


def write_compact(content: JournalContent, path: Path) -> None:
    """Write a journal with one line per environment and per case, samples inside; in one atomic step, in a fixed order.

    A case that several benchmarks measured gets a line for each of the others too, without facts of its own.
    """
    lines = []
    for environment_id, environment in sorted(content.environments.items()):
        lines.append({"kind": "environment", "id": environment_id, "environment": to_json(environment)})
    lines += [{"kind": "dataset", "dataset": to_json(d)} for _, d in sorted(content.datasets.items(), key=str)]
    for (environment_id, _), entry in sorted(content.rows.items()):
        *others, last = entry.measured_as or ((None, None),)
        for benchmark, params in others:
            told = {"run": entry.run, "commit": entry.commit, "benchmark": benchmark, "params": params}
            lines.append(_row_line(environment_id, replace(entry.row, samples=()), told))
        told = {"run": entry.run, "commit": entry.commit, "benchmark": last[0], "params": last[1]}
        lines.append(_row_line(environment_id, entry.row, told))
    write_atomically(path, b"".join(map(_encode, lines)))


def _told_by(origin: Origin | None, commit: str | None) -> dict[str, Any]:
    if origin is None:
        return {"run": None, "commit": commit, "benchmark": None, "params": None}
    return {"run": origin.run, "commit": commit, "benchmark": origin.benchmark, "params": origin.params}


def _row_line(environment_id: str, row: Row, told: Mapping[str, Any]) -> dict[str, Any]:
    params = None if told["params"] is None else list(told["params"])
    known = {name: value for name, value in to_json(row).items() if value is not None}
    known["case"] = {name: value for name, value in known["case"].items() if value is not None or name == "seed"}
    return {"kind": "row", "environment_id": environment_id, **told, "params": params, "row": known}


def _encode(line: Mapping[str, Any]) -> bytes:
    text = json.dumps({"schema_version": SCHEMA_VERSION, **line}, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"
