"""The journal: JSON Lines with what asv's files cannot hold. Appended while measuring, compacted when published.

docs/results.md describes the lines. Several processes may write one journal: each line is one `write` in append mode.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from storebench.errors import ResultsError, StorageError
from storebench.records import Conditions, Crop, DatasetRecord, Environment, Limits, Row, Sample, to_json
from storebench.results._journal_content import JournalContent, JournalRow, Merger
from storebench.results.files import mend_end, write_atomically
from storebench.results.imported import imported_line
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
    merger = Merger()
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
    merger = Merger()
    for content in contents:
        merger.add(content)
    return merger.content()


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
