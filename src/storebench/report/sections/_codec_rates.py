"""How fast codecs are and what they save: what the figure about codec speed is drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.advise.words import listed
from storebench.codecs import Codec, parse_codec
from storebench.errors import UnknownNameError
from storebench.report.views import Record, Setting, View
from storebench.results.tidy import throughput
from storebench.units import MIB, shape_text

_BESIDE: Final = {"write": "encode", "read": "decode"}
_LEAST_CODECS: Final = 3
"""Of one layout: whole writes and reads of fewer codecs say little about codecs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One codec of one backend.

    Attributes
    ----------
    codec : Codec
        Lossless.
    backend : str or None
        Whose.
    mib_s, low, high : float
        Uncompressed MiB/s, and its 95 % interval; the value itself where there is none.
    ratio : float
        Compression ratio.
    row : Record
        That holds it.
    """

    codec: Codec
    backend: str | None
    mib_s: float
    low: float
    high: float
    ratio: float
    row: Record

    @property
    def series(self) -> tuple[Any, ...]:
        """What is equal for the levels of one codec."""
        c = self.codec
        return self.backend or "", c.kind, c.compressor or "", c.shuffle or "", c.predictor, c.crc32c


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Speeds of one dataset.

    Attributes
    ----------
    view : View
        The dataset.
    how : str
        What was measured, as a sentence.
    by_operation : mapping of str to sequence of Speed
        "encode" and "decode", or "write" and "read".
    has_intervals : bool
        Whether differences can be shown.
    """

    view: View
    how: str
    by_operation: Mapping[str, Sequence[Speed]]
    has_intervals: bool = True

    @property
    def n_codecs(self) -> int:
        """Codecs in all."""
        return len({speed.codec.name for speeds in self.by_operation.values() for speed in speeds})


def find_speeds(views: Sequence[View]) -> Speeds | None:
    """Return the speeds of the first dataset that has two codecs: codecs timed alone before all else."""
    for find in (_timed_alone, _beside_timings, _whole_images):
        for view in views:
            found = find(view)
            if found.n_codecs > 1:
                return found
    return None


def _timed_alone(view: View) -> Speeds:
    """Return the speeds from rows that time the codec alone."""
    found = {}
    for operation in _BESIDE.values():
        rows = [row for row in view.records if row["operation"] == operation and row["status"] == "ok"]
        found[operation] = _speeds((row, row["asked_bytes"], row["compression_ratio"]) for row in rows)
    how = f"{_blocks_text(found)} in memory, timed alone."
    return Speeds(view=view, how=how, by_operation={name: speeds for name, speeds in found.items() if speeds})


def _blocks_text(found: Mapping[str, Sequence[Speed]]) -> str:
    """Name the blocks that codecs worked on: as large as one chunk."""
    rows = [speed.row for speeds in found.values() for speed in speeds]
    shapes = sorted({row["chunk_shape"] for row in rows if row["chunk_shape"] is not None})
    if not shapes:
        return "Blocks of the image"
    return f"Blocks of the image of {listed(map(shape_text, shapes), most=3)}"


def _beside_timings(view: View) -> Speeds:
    """Return the speeds that were measured beside reads and writes, for what the machine's limit is."""
    found = {}
    for task, operation in _BESIDE.items():
        rows = [row for row in view.records if row["operation"] == task and row["codec_bytes_per_s"]]
        rates = [row["codec_bytes_per_s"] / MIB for row in rows]
        speeds = [
            _speed(row, (rate,) * 3, row["compression_ratio"])
            for row, rate in zip(rows, rates, strict=True)
            if row["status"] == "ok"
        ]
        if kept := _one_each(speed for speed in speeds if speed is not None):
            found[operation] = kept
    how = f"{_blocks_text(found)}, one thread, measured beside the cases: no intervals."
    return Speeds(view=view, how=how, by_operation=found, has_intervals=False)


def _whole_images(view: View) -> Speeds:
    """Return the speeds of whole writes and reads of the layout that was stored with the most codecs."""
    groups: dict[tuple[Any, ...], list[Setting]] = {}
    for setting in view.settings:
        key = (setting.backend, setting.chunk_shape or (), setting.shard_shape or (), setting.extras)
        groups.setdefault(key, []).append(setting)
    members = min(groups.items(), key=lambda item: (-len(item[1]), item[0]), default=((), []))[1]
    if len({setting.codec for setting in members}) < _LEAST_CODECS:
        return Speeds(view=view, how="", by_operation={})
    tasks = {"write": [(s, s.write) for s in members], "read": [(s, s.reads.get("whole")) for s in members]}
    found = {
        task: _speeds((row, row["logical_bytes"], s.fact("compression_ratio")) for s, row in pairs if row is not None)
        for task, pairs in tasks.items()
    }
    how = f"Whole image with storage: {members[0].backend}, chunks {members[0].layout_text}."
    return Speeds(view=view, how=how, by_operation={name: speeds for name, speeds in found.items() if speeds})


def _speeds(timed: Iterable[tuple[Record, int | None, float | None]]) -> list[Speed]:
    """Return the speeds of rows that took some time over so many bytes, stored at a ratio."""
    found = [_speed(row, _rates(row, n_bytes), ratio) for row, n_bytes, ratio in timed if row["median_s"] and n_bytes]
    return _one_each(speed for speed in found if speed is not None)


def _rates(row: Record, n_bytes: int) -> tuple[float, float, float]:
    """Return MiB/s of the median, and of its interval's slow and fast end."""
    median_s = row["median_s"]
    times = (median_s, row["ci95_high_s"] or median_s, row["ci95_low_s"] or median_s)
    middle, slow, fast = (throughput(n_bytes, time) or 0.0 for time in times)
    return middle, slow, fast


def _speed(row: Record, rates: tuple[float, float, float], ratio: float | None) -> Speed | None:
    """Return a row's speed; None for lossy codecs, unknown ones, and where no ratio is known."""
    try:
        codec = parse_codec(row["codec"] or "")
    except UnknownNameError:
        return None
    mib_s, low, high = rates
    if not codec.lossless or not ratio or ratio <= 0 or mib_s <= 0:
        return None
    return Speed(codec=codec, backend=row["backend"], mib_s=mib_s, low=low, high=high, ratio=ratio, row=row)


def _one_each(speeds: Iterable[Speed]) -> list[Speed]:
    """Return one speed per backend and codec, those of a codec by level."""
    first: dict[tuple[Any, ...], Speed] = {}
    for speed in speeds:
        first.setdefault((speed.series, speed.codec.name), speed)
    return sorted(first.values(), key=lambda s: (s.series, s.codec.level or 0))
