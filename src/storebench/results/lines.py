"""The lines of a journal: one JSON object each, of any schema version so far."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Final

from storebench.errors import ResultsError
from storebench.records import SCHEMA_VERSION, to_json


def _say_engine(line: dict[str, Any]) -> dict[str, Any]:
    """Upgrade from version 1: fields were only gained since, and what has a benchmark was measured by asv, the only engine."""
    if line["kind"] != "row" or line.get("benchmark") is None:
        return line
    return line | {"row": line["row"] | {"engine": "asv"}}


def _say_fidelity(line: dict[str, Any]) -> dict[str, Any]:
    """Upgrade from version 2: of what was checked to be lossless, two of the new figures follow; crops it had none."""
    if line["kind"] != "row" or line["row"].get("max_abs_error") != 0:
        return line
    return line | {"row": line["row"] | {"rmse": 0.0, "ssim": 1.0}}


def _same(line: dict[str, Any]) -> dict[str, Any]:
    """Upgrade from version 3: fields were only gained since, and what they say was not measured then."""
    return line


_UPGRADES: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    1: _say_engine,
    2: _say_fidelity,
    3: _same,
}
"""Schema version → the step that turns its lines into those of the next."""


@dataclass(frozen=True, slots=True)
class JournalWarning:
    """Something that was left out on reading, and why."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.text}"


def encode(line: Mapping[str, Any]) -> bytes:
    """Return a line of this schema version, with its end."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **line}, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def brief(record: Any) -> dict[str, Any]:
    """Return a sample, conditions or limits as JSON values, without the fields that say no more than their default."""
    values = to_json(record)
    return {f.name: values[f.name] for f in fields(record) if getattr(record, f.name) != _default(f)}


def _default(field: Any) -> Any:
    """Return a field's default; `MISSING`, which equals no value, where it has none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def read_lines(path: Path, warnings: list[JournalWarning]) -> list[tuple[int, dict[str, Any]]]:
    """Return the objects of a file with their line numbers, upgraded to this schema.

    Parameters
    ----------
    path : Path
        The journal.
    warnings : list of JournalWarning
        Gets one for a last line that is cut off.

    Raises
    ------
    ResultsError
        If the file cannot be read, a line before the last is damaged, or a newer storebench wrote it.
    """
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
