"""What the report shows of a tidy table: clean records, and the settings of one dataset on one machine.

Nothing is computed here that the table does not hold: rows are picked and put beside each other.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storebench.analysis import BASELINE, is_lossless, leading_places, place_texts, summarise_settings
from storebench.grid import Shape
from storebench.results.columns import COLUMNS, FLAGS, FLOATS, FRAMES, INTS, TEXT
from storebench.results.frame import tidy_frame
from storebench.results.settings import SETTING, backend_text, extras_of, own_twins, says_task
from storebench.units import shape_text

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]
"""One row of the tidy table: every column of docs/results.md is there, what was not measured is None."""

_PLACE = ("dataset", "shape", "dtype", "seed", "machine", "environment", "environment_id", "commit")


def _number(value: Any) -> float | int | None:
    """Return a finite number, or None for everything else: NaN and infinity are no measurements."""
    if type(value) is float:  # nearly all are, and there are half a million
        return value if math.isfinite(value) else None
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
        return None
    return plain


def _whole(value: Any) -> int | None:
    if type(value) is int:
        return value
    number = _number(value)
    return None if number is None else round(number)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _flag(value: Any) -> bool | None:
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, bool) else None


def _shape(value: Any) -> Shape | None:
    if isinstance(value, str):
        value = re.findall(r"\d+", value)
    if not hasattr(value, "__iter__"):
        return None
    return tuple(map(int, value)) or None


def _samples(value: Any) -> tuple[float, ...]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return ()
    return tuple(float(n) for item in value if (n := _number(item)) is not None)


_READERS: dict[str, Callable[[Any], Any]] = (
    dict.fromkeys(("shape", "chunk_shape", "shard_shape"), _shape)
    | dict.fromkeys(TEXT, _text)
    | dict.fromkeys(FLOATS, _number)
    | dict.fromkeys(INTS, _whole)
    | dict.fromkeys(FLAGS, _flag)
    | {"samples_s": _samples, "samples_process": _shape, "frames_s": _samples}
    | dict.fromkeys(FRAMES, _shape)
)


def clean_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a tidy table with every documented column, in its type; what is no measurement is missing.

    Parameters
    ----------
    frame : pandas.DataFrame
        A tidy table; missing columns count as not measured.
    """
    return tidy_frame(_records(frame))


def clean_records(frame: pd.DataFrame) -> list[Record]:
    """Return the rows of a clean table as plain values, with their position in it."""
    return [{**row, "position": position} for position, row in enumerate(_records(frame))]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {name: _column(frame, name) for name in COLUMNS}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _column(frame: pd.DataFrame, name: str) -> list[Any]:
    """Return a column's plain values; of ninety columns many are empty, and those are not looked at value by value."""
    read = _READERS[name]
    if name not in frame.columns:
        return [None] * len(frame)
    if frame[name].isna().all():
        return [read(None)] * len(frame)
    return [read(value) for value in frame[name].tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to store the image, with everything measured of it.

    Attributes
    ----------
    backend, codec : str
        Names.
    chunk_shape, shard_shape : tuple of int or None
        Voxels.
    extras : tuple of str
        What else sets it apart: levels, stack axis, store, threads.
    relative_read : float or None
        Geometric mean over the access patterns of median ÷ best median.
    write : Record or None
        The row of the whole write.
    reads : mapping of str to Record
        Rows by access pattern.
    """

    backend: str
    codec: str
    chunk_shape: Shape | None
    shard_shape: Shape | None
    extras: tuple[str, ...] = ()
    relative_read: float | None = None
    write: Record | None = None
    reads: Mapping[str, Record] = field(default_factory=dict)

    @property
    def layout_text(self) -> str:
        """Chunks and shards in words."""
        text = shape_text(self.chunk_shape)
        return f"{text} in {shape_text(self.shard_shape)}" if self.shard_shape else text

    @property
    def label(self) -> str:
        """The setting in one line."""
        layout = () if self.chunk_shape is None else (self.layout_text,)
        return " ".join((self.backend, *layout, self.codec, *self.extras))

    @property
    def standing(self) -> str:
        """What stands beside the ranking, as in the verdicts: "baseline" or "lossy"; empty for all others."""
        if self.backend == BASELINE:
            return "baseline"
        return "" if is_lossless(self.codec) else "lossy"

    def fact(self, name: str) -> Any:
        """Return a fact of the store (size, files, ratio) from the write, else from any read."""
        rows = [self.write, *self.reads.values()]
        return next((row[name] for row in rows if row is not None and row[name] is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything measured of one dataset, in one environment.

    Attributes
    ----------
    place : str
        Dataset, machine and, where there are several, environment: as analysis names it.
    dataset, dtype, machine, cache : str or None
        As in the table; `cache` is the state of most reads, the only ones in `settings`.
    shape : tuple of int or None
        Voxels.
    records : sequence of Record
        All rows, of any status.
    settings : sequence of Setting
        From the rows that are ok; where two cases of storebench turned out to be one setting, from one (`own_twins`).
    patterns : sequence of str
        Access patterns read, the most measured first, "whole" before all.
    frame : pandas.DataFrame
        The whole clean table.
    """

    place: str
    dataset: str | None
    shape: Shape | None
    dtype: str | None
    machine: str | None
    cache: str | None
    records: Sequence[Record]
    settings: Sequence[Setting]
    patterns: Sequence[str]
    frame: pd.DataFrame

    def equals(self, rows: Iterable[Record | None]) -> set[int]:
        """Return the positions of the rows that analysis does not show to be slower than the fastest of them."""
        known = [row for row in rows if row is not None]
        return {known[place]["position"] for place in leading_places(known)}

    @property
    def logical_bytes(self) -> int | None:
        """Uncompressed size of the image."""
        return next((row["logical_bytes"] for row in self.records if row["logical_bytes"] is not None), None)


def make_views(frame: pd.DataFrame, records: Sequence[Record] | None = None, *, most: int = 6) -> list[View]:
    """Split a clean table into views, the one with the most results first. Two machines never meet in one.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `clean_frame`.
    records : sequence of Record, optional
        The same as `clean_records` gives it, where that is at hand.
    most : int
        Views at most: nobody reads twenty tables of settings, and all rows are in the table of all results.
    """
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for row in clean_records(frame) if records is None else records:
        groups.setdefault(tuple(row[name] for name in _PLACE), []).append(row)
    shown = sorted(groups.values(), key=lambda rows: -sum(_is_timed(row) for row in rows))[:most]
    means = _relative_reads(frame.iloc[[row["position"] for rows in shown for row in rows]])
    places = place_texts(frame)
    return [_make_view(members, frame, means, places.iloc[members[0]["position"]]) for members in shown]


def _relative_reads(frame: pd.DataFrame) -> dict[tuple[Any, ...], float | None]:
    """Return analysis' mean over the reads, by place and setting."""
    if frame.empty:
        return {}
    summary = summarise_settings(frame)
    keys = [[_READERS[name](value) for value in summary[name].tolist()] for name in (*_PLACE, *SETTING)]
    means = [_number(value) for value in summary["relative_read"].tolist()]
    return dict(zip(zip(*keys, strict=True), means, strict=True))


def _is_timed(row: Record) -> bool:
    return row["status"] == "ok" and row["median_s"] is not None and row["median_s"] > 0


def _most(rows: list[Record], name: str) -> tuple[str | None, list[Record]]:
    """Keep the rows with the most frequent value of a column: caches, threads and workers never meet in one figure."""
    value = next((value for value, _ in Counter(row[name] for row in rows).most_common(1)), None)
    return value, [row for row in rows if row[name] == value]


def _make_view(
    records: list[Record], frame: pd.DataFrame, means: Mapping[tuple[Any, ...], float | None], place: str
) -> View:
    twins = set(own_twins(records))
    single = [row for place, row in enumerate(records) if place not in twins]
    _, timed = _most([row for row in single if _is_timed(row) and says_task(row)], "threads")
    _, timed = _most(timed, "concurrency")
    cache, reads = _most([row for row in timed if row["operation"] == "read"], "cache")
    _, writes = _most([row for row in timed if row["operation"] == "write"], "durability")
    counts = Counter(row["pattern"] or "whole" for row in reads)
    first = records[0]
    settings = _settings([*writes, *reads], means)
    return View(
        place=place,
        dataset=first["dataset"],
        shape=first["shape"],
        dtype=first["dtype"],
        machine=first["machine"],
        cache=cache,
        records=records,
        settings=sorted(settings, key=lambda s: (s.relative_read is None, s.relative_read or 0.0, s.label)),
        patterns=sorted(counts, key=lambda name: (name != "whole", -counts[name], name)),
        frame=frame,
    )


def _settings(rows: Iterable[Record], means: Mapping[tuple[Any, ...], float | None]) -> list[Setting]:
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in SETTING), []).append(row)
    settings = []
    for key, members in groups.items():
        first = members[0]
        if len({(row["operation"], row["pattern"]) for row in members}) < len(members):
            continue  # several rows that only their names tell apart: another tool's, with layouts that it does not say
        settings.append(
            Setting(
                backend=backend_text(first),
                codec=first["codec"] or "?",
                chunk_shape=first["chunk_shape"],
                shard_shape=first["shard_shape"],
                extras=extras_of(first),
                relative_read=means.get((*(first[name] for name in _PLACE), *key)),
                write=next((row for row in members if row["operation"] == "write"), None),
                reads={row["pattern"] or "whole": row for row in members if row["operation"] == "read"},
            )
        )
    return settings
