"""The settings of one image on one machine, as the ranking sees them: who they are and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from storebench.advise.scoring import Costs, Numbers
from storebench.advise.words import format_text, layout_text
from storebench.analysis import BASELINE
from storebench.codecs import Codec, parse_codec
from storebench.errors import UnknownNameError
from storebench.grid import Shape
from storebench.results.settings import SETTING, backend_text, extras_of
from storebench.units import shape_text

Record = Mapping[str, Any]
"""One row of the tidy table as plain values; what was not measured is None."""

_DIGITS: Final = 6
"""Significant digits of a cost that is ranked: a millionth of a time says nothing, and the page carries the very same numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to store the image.

    Attributes
    ----------
    name : str
        Format and library, by the most telling name that is known.
    backend, library : str or None
        Who writes and reads; results of other tools may not name the backend.
    codec : str or None
        Neutral name.
    chunk_shape, shard_shape : tuple of int or None
        Voxels, as stored.
    extras : tuple of str
        What else sets it apart, as in "levels 3".
    asked : Record
        Any of its rows: image, axes, levels and the like.
    write : Record or None
        The row of the whole write.
    reads : mapping of str to Record
        Rows by access pattern.
    is_left_to_library : bool
        Whether a case of it left the chunks to the library.
    """

    name: str
    backend: str | None
    library: str | None
    codec: str | None
    chunk_shape: Shape | None
    shard_shape: Shape | None
    extras: tuple[str, ...]
    asked: Record
    write: Record | None = None
    reads: Mapping[str, Record] = field(default_factory=dict)
    is_left_to_library: bool = False

    @property
    def label(self) -> str:
        """The setting in one line, as the page's tables name it."""
        layout = [shape_text(self.chunk_shape)] if self.chunk_shape else []
        layout += [f"in {shape_text(self.shard_shape)}"] if self.shard_shape else []
        return " ".join((self.name, *layout, self.codec or "?", *self.extras))

    @property
    def title(self) -> str:
        """The setting in words."""
        codec = "no codec" if self.codec == "none" else self.codec or "?"
        parts = (format_text(self.name), layout_text(self.chunk_shape, self.shard_shape), codec, *self.extras)
        return ", ".join(part for part in parts if part)

    @property
    def parsed(self) -> Codec | None:
        """The codec; None where its name is not known here."""
        try:
            return parse_codec(self.codec) if self.codec else None
        except UnknownNameError:
            return None

    @property
    def why_not_ranked(self) -> str | None:
        """Return None, or why it stands beside the ranking whatever it costs."""
        if self.backend == BASELINE:
            return "the raw baseline"
        if self.codec is None:
            return "its codec is not known"
        codec = self.parsed
        if codec is None:
            return f"storebench does not know the codec {self.codec}, so nothing says that it is lossless"
        return None if codec.lossless else "lossy"

    @property
    def is_uncompressed(self) -> bool:
        """Whether it stores the bytes as they are in memory."""
        return self.codec == "none"

    @property
    def write_s(self) -> float | None:
        """Seconds of a whole write, as ranked."""
        return None if self.write is None else _cost(self.write["median_s"])

    def read_s(self, pattern: str) -> float | None:
        """Seconds of one read, as ranked."""
        return _cost(self.reads[pattern]["median_s"]) if pattern in self.reads else None

    @property
    def stored_bytes(self) -> int | None:
        """Bytes of the store with all metadata."""
        return _first_known(self.rows, "stored_bytes")

    @property
    def n_files(self) -> int | None:
        """Files of the store."""
        return _first_known(self.rows, "n_files")

    @property
    def rows(self) -> list[Record]:
        """Every row of it, the write first."""
        return [*([self.write] if self.write is not None else []), *self.reads.values()]


def _first_known(rows: Iterable[Record], name: str) -> int | None:
    found: int | None = next((row[name] for row in rows if row[name]), None)
    return found


def _cost(value: float | None) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if value else None


def candidates_of(rows: Iterable[Record], surroundings: Sequence[Record] = ()) -> list[Candidate]:
    """Put rows together by setting, in the order of the labels.

    Parameters
    ----------
    rows : iterable of Record
        Of one image in one environment, of one thread budget; reads in one state of the cache, writes of one durability.
        Only reads and writes that are ok and took some time are looked at.
    surroundings : sequence of Record
        All rows of the image: where several cases turned out to be one setting, those that are not in `rows` too.
    """
    rows = list(rows)
    defaults = {_setting_of(row) for row in (*surroundings, *rows) if _is_left_to_library(row)}
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for row in rows:
        if row["status"] == "ok" and (row["median_s"] or 0) > 0 and row["operation"] in ("read", "write"):
            groups.setdefault(_setting_of(row), []).append(row)
    made = [replace(_candidate(members), is_left_to_library=key in defaults) for key, members in groups.items()]
    return sorted(made, key=lambda candidate: candidate.label)


def _setting_of(row: Record) -> tuple[Any, ...]:
    return tuple(row[name] for name in SETTING)


def _is_left_to_library(row: Record) -> bool:
    """Tell whether chunks were left to the library: then the case's id names none. Of another tool's names nothing is known."""
    parts = (row["case_id"] or "").split("/")
    own = len(parts) > 2 and parts[1] == row["backend"]  # <operation>/<backend>/…
    return row["status"] == "ok" and own and not any(part.startswith("chunks-") for part in parts)


def _candidate(rows: Sequence[Record]) -> Candidate:
    first = rows[0]
    return Candidate(
        name=backend_text(first),
        backend=first["backend"],
        library=first["library"],
        codec=first["codec"],
        chunk_shape=first["chunk_shape"],
        shard_shape=first["shard_shape"],
        extras=extras_of(first),
        asked=first,
        write=next((row for row in rows if row["operation"] == "write"), None),
        reads={row["pattern"] or "whole": row for row in rows if row["operation"] == "read"},
    )


def costs_of(candidates: Sequence[Candidate], patterns: Iterable[str]) -> Costs:
    """Return the point costs of candidates as columns."""
    return Costs(
        write_s=_column(candidate.write_s for candidate in candidates),
        stored_bytes=_column(candidate.stored_bytes for candidate in candidates),
        n_files=_column(candidate.n_files for candidate in candidates),
        reads_s={name: _column(candidate.read_s(name) for candidate in candidates) for name in patterns},
    )


def _column(values: Iterator[float | None]) -> Numbers:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def fewest_samples(rows: Iterable[Record]) -> int:
    """Return the number of samples of the row that has the fewest; 0 where there is no row."""
    return min((row["n_samples"] or len(row["samples_s"]) for row in rows), default=0)
