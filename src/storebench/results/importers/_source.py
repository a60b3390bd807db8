"""What an importer hands back: where a file comes from, and its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the rows of one file come from; fields as in `storebench.results.imported.Imported`."""

    environment: str
    tool_version: str | None = None
    taken_at: str | None = None
    project: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    python: str | None = None
    machine: Mapping[str, str | int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The source, the rows under the names of the tidy columns, and how many results are no times and were left out."""

    source: Source
    rows: tuple[Mapping[str, Any], ...]
    n_left_out: int = 0
