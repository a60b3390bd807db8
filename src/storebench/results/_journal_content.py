"""What journals hold, and how their lines become that: facts merged, samples in order, everything else once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from storebench.errors import ResultsError
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
)
from storebench.results.imported import Imported, imported_from_line
from storebench.results.lines import JournalWarning

_T = TypeVar("_T")
_Key = tuple[str, str]
_FACTS: Final = tuple(f.name for f in fields(Row) if f.name not in ("case", "status", "reason", "samples"))


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


class Merger:
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
        """Take a line that stands in a file, at a number.

        Raises
        ------
        KeyError, TypeError, ResultsError
            If it is none of those that storebench writes.
        """
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
            if key in self._rows or key in self._samples:
                self._take_row(key, entry)
            else:  # most: no sample of it is looked at
                self._rows[key] = entry
        for environment_id, spans in content.conditions.items():
            for span in spans:
                _add_once(self._conditions, environment_id, span)
        for environment_id, found in content.limits.items():
            for limits in found:
                _add_once(self._limits, environment_id, limits)

    def _take_row(self, key: _Key, new: JournalRow) -> None:
        old = self._rows.get(key)
        known = self._samples.setdefault(key, dict.fromkeys(old.row.samples if old else ()))
        known.update(dict.fromkeys(new.row.samples))
        self._rows[key] = _merge(old, new) if old else new

    def content(self) -> JournalContent:
        """Return everything that was taken."""
        orphans = [key for key in self._samples if key not in self._rows]
        lost = [
            JournalWarning(*self._first_sample[key], f"samples of {key[1]} have no row and are left out")
            for key in orphans
        ]
        return JournalContent(
            environments=self._environments,
            datasets=self._datasets,
            rows={
                key: self._with_samples(entry, tuple(self._samples.get(key, entry.row.samples)))
                for key, entry in self._rows.items()
            },
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
