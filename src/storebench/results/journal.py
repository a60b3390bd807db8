"""The journal: JSON Lines with what asv's files cannot hold. Appended while measuring, compacted when published.

docs/results.md describes the lines. Several processes may write one journal: each line is one `write` in append mode.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from storebench.errors import ResultsError, StorageError
from storebench.grid import Shape
from storebench.records import (
    Conditions,
    Crop,
    CropKey,
    DatasetRecord,
    Environment,
    Limits,
    Row,
    Sample,
    conditions_from_json,
    crop_from_json,
    dataset_from_json,
    environment_from_json,
    limits_from_json,
    row_from_json,
    sample_from_json,
    to_json,
)
from storebench.results.files import mend_end, write_atomically
from storebench.results.imported import Imported, imported_from_line, imported_line
from storebench.results.lines import JournalWarning, brief, encode, read_lines

__all__ = [
    "Journal",
    "JournalContent",
    "JournalRow",
    "JournalWarning",
    "Origin",
    "join_journals",
    "read_journal",
    "write_compact",
]

_T = TypeVar("_T")
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

    def append_crop(self, crop: Crop) -> None:
        """Append a crop, unless the file has this very line: every process that measures a setting has the same."""
        line = _crop_line(crop)
        if not (self.path.exists() and encode(line) in self.path.read_bytes()):
            self._append(line)

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
            "sample": brief(sample),
        }
        self._append(line)

    def append_conditions(self, environment_id: str, run: str | None, conditions: Conditions) -> None:
        """Append how busy the machine was over a span; it concerns the samples that were taken in it."""
        self._append(_conditions_line(environment_id, conditions) | {"run": run})

    def append_limits(self, environment_id: str, run: str | None, limits: Limits) -> None:
        """Append what the machine can do at best, measured beside the cases."""
        self._append(_limits_line(environment_id, limits) | {"run": run})

    def _append(self, line: dict[str, Any]) -> None:
        raw = encode(line)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContent:
    """What one or several journals hold: environments by id, datasets, rows by (environment id, case id), what was left out.

    Datasets are known by name, shape, dtype and seed; of two with the same the last one counts, as of two crops with the same
    key, or two imports of one file. Conditions and limits are known by the environment's id, in the order read, each once.
    """

    environments: Mapping[str, Environment]
    datasets: Mapping[tuple[str, Shape, str, int | None], DatasetRecord]
    rows: Mapping[tuple[str, str], JournalRow]
    conditions: Mapping[str, tuple[Conditions, ...]] = field(default_factory=dict)
    limits: Mapping[str, tuple[Limits, ...]] = field(default_factory=dict)
    crops: Mapping[CropKey, Crop] = field(default_factory=dict)
    imported: Mapping[str, Imported] = field(default_factory=dict)
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
        for number, line in read_lines(path, merger.warnings):
            try:
                merger.take(line, (path, number))
            except KeyError as error:
                raise ResultsError(f"{path}, line {number}: the field {error} is missing") from error
            except (TypeError, ResultsError) as error:
                raise ResultsError(f"{path}, line {number}: {error}") from error
    return merger.content()


def join_journals(contents: Sequence[JournalContent]) -> JournalContent:
    """Merge what several journals hold, in the order given, by the rules of `read_journal`."""
    if len(contents) == 1:
        return contents[0]
    merger = _Merger()
    for content in contents:
        merger.add(content)
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
        self._conditions: dict[str, list[Conditions]] = {}
        self._limits: dict[str, list[Limits]] = {}
        self._imported: dict[str, Imported] = {}
        self._crops: dict[CropKey, Crop] = {}

    def take(self, line: Mapping[str, Any], where: tuple[Path, int]) -> None:
        if line["kind"] == "environment":
            self._environments[line["id"]] = environment_from_json(line["environment"])
        elif line["kind"] == "dataset":
            dataset = dataset_from_json(line["dataset"])
            self._datasets[dataset.key] = dataset
        elif line["kind"] == "crop":
            crop = crop_from_json(line["crop"])
            self._crops[crop.key] = crop
        elif line["kind"] == "row":
            new = _journal_row(line)
            self._take_row((new.environment_id, new.row.case.id), new)
        elif line["kind"] == "sample":
            key = (line["environment_id"], line["case_id"])
            self._samples.setdefault(key, {})[sample_from_json(line["sample"])] = None
            self._first_sample.setdefault(key, where)
        elif line["kind"] == "conditions":
            _add_once(self._conditions, line["environment_id"], conditions_from_json(line["conditions"]))
        elif line["kind"] == "limits":
            _add_once(self._limits, line["environment_id"], limits_from_json(line["limits"]))
        elif line["kind"] == "imported":
            imported = imported_from_line(line)
            self._imported[imported.id] = imported
        else:
            raise ResultsError(f"there is no kind of line called {line['kind']!r}")

    def add(self, content: JournalContent) -> None:
        """Take what another journal holds."""
        self._environments.update(content.environments)
        self._datasets.update(content.datasets)
        self._crops.update(content.crops)
        self._imported.update(content.imported)
        self.warnings += content.warnings
        for key, entry in content.rows.items():
            self._take_row(key, entry)
        for environment_id, spans in content.conditions.items():
            for span in spans:
                _add_once(self._conditions, environment_id, span)
        for environment_id, found in content.limits.items():
            for limits in found:
                _add_once(self._limits, environment_id, limits)

    def _take_row(self, key: _Key, new: JournalRow) -> None:
        self._samples.setdefault(key, {}).update(dict.fromkeys(new.row.samples))
        self._rows[key] = _merge(self._rows[key], new) if key in self._rows else new

    def content(self) -> JournalContent:
        orphans = [key for key in self._samples if key not in self._rows]
        lost = [
            JournalWarning(*self._first_sample[key], f"samples of {key[1]} have no row and are left out")
            for key in orphans
        ]
        return JournalContent(
            environments=self._environments,
            datasets=self._datasets,
            rows={key: self._with_samples(entry, tuple(self._samples[key])) for key, entry in self._rows.items()},
            conditions={key: tuple(items) for key, items in self._conditions.items()},
            limits={key: tuple(items) for key, items in self._limits.items()},
            crops=self._crops,
            imported=self._imported,
            warnings=(*self.warnings, *lost),
        )

    @staticmethod
    def _with_samples(entry: JournalRow, samples: tuple[Sample, ...]) -> JournalRow:
        # a compact journal's rows already hold all of theirs
        return entry if entry.row.samples == samples else replace(entry, row=replace(entry.row, samples=samples))


def _add_once(kept: dict[str, list[_T]], key: str, item: _T) -> None:
    items = kept.setdefault(key, [])
    if item not in items:
        items.append(item)


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

    Conditions, limits and crops keep a line each. A case that several benchmarks measured gets a line for each of the others
    too, without facts of its own.
    """
    lines = []
    for environment_id, environment in sorted(content.environments.items()):
        lines.append({"kind": "environment", "id": environment_id, "environment": to_json(environment)})
    for environment_id, spans in sorted(content.conditions.items()):
        lines += [_conditions_line(environment_id, span) for span in spans]
    for environment_id, found in sorted(content.limits.items()):
        lines += [_limits_line(environment_id, limits) for limits in found]
    lines += [{"kind": "dataset", "dataset": to_json(d)} for _, d in sorted(content.datasets.items(), key=str)]
    lines += [_crop_line(crop) for _, crop in sorted(content.crops.items(), key=str)]
    for (environment_id, _), entry in sorted(content.rows.items()):
        *others, last = entry.measured_as or ((None, None),)
        for benchmark, params in others:
            told = {"run": entry.run, "commit": entry.commit, "benchmark": benchmark, "params": params}
            lines.append(_row_line(environment_id, replace(entry.row, samples=()), told))
        told = {"run": entry.run, "commit": entry.commit, "benchmark": last[0], "params": last[1]}
        lines.append(_row_line(environment_id, entry.row, told))
    lines += [imported_line(imported) for _, imported in sorted(content.imported.items())]
    write_atomically(path, b"".join(map(encode, lines)))


def _told_by(origin: Origin | None, commit: str | None) -> dict[str, Any]:
    if origin is None:
        return {"run": None, "commit": commit, "benchmark": None, "params": None}
    return {"run": origin.run, "commit": commit, "benchmark": origin.benchmark, "params": origin.params}


def _row_line(environment_id: str, row: Row, told: Mapping[str, Any]) -> dict[str, Any]:
    params = None if told["params"] is None else list(told["params"])
    known = {name: value for name, value in to_json(row).items() if value is not None}
    known["samples"] = [brief(sample) for sample in row.samples]
    known["case"] = {name: value for name, value in known["case"].items() if value is not None or name == "seed"}
    return {"kind": "row", "environment_id": environment_id, **told, "params": params, "row": known}


def _conditions_line(environment_id: str, conditions: Conditions) -> dict[str, Any]:
    return {"kind": "conditions", "environment_id": environment_id, "conditions": brief(conditions)}


def _limits_line(environment_id: str, limits: Limits) -> dict[str, Any]:
    return {"kind": "limits", "environment_id": environment_id, "limits": brief(limits)}


def _crop_line(crop: Crop) -> dict[str, Any]:
    return {"kind": "crop", "crop": brief(crop)}
