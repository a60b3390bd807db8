"""What the first setting is held against: no compression, what the library does when asked nothing, the file as it is."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from storebench.advise.candidates import Candidate, costs_of
from storebench.advise.priorities import Priorities
from storebench.advise.scoring import Numbers, read_mix
from storebench.advise.sureness import drawn_costs, needed_rows
from storebench.analysis import BASELINE
from storebench.codecs import DEFAULT_CODECS
from storebench.grid import Shape
from storebench.records import FileForm
from storebench.results.intervals import MIN_FOR_INTERVAL, Interval, percentiles

_OPTIONS: Final = (
    ("--levels", "n_levels", 1),
    ("--level-axes", "level_axes", None),
    ("--level-method", "level_method", "mean"),
    ("--stack-axis", "stack_axis", 0),
    ("--threads", "threads", None),
    ("--concurrency", "concurrency", None),
)
"""What a command that measures a setting has to say where it is not the usual: option, column, the usual value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One setting that the first one is held against.

    Attributes
    ----------
    kind : str
        "uncompressed", "default" or "file".
    name : str
        In words.
    candidate : Candidate or None
        The setting; None where it was not measured.
    is_first : bool
        Whether it is the first setting itself.
    read_s : float or None
        Mean read of the mix, seconds; None where a read of it was not measured.
    size_ratio : float or None
        Its stored bytes ÷ the first setting's; over 1: the first is smaller.
    write_ratio, read_ratio : Interval or None
        Its time ÷ the first setting's, of a whole write and of the mean read; over 1: the first is faster.
    command : str or None
        What measures it, where it was not measured.
    why : str
        Why nothing measures it, where that is so.
    """

    kind: str
    name: str
    candidate: Candidate | None = None
    is_first: bool = False
    read_s: float | None = None
    size_ratio: float | None = None
    write_ratio: Interval | None = None
    read_ratio: Interval | None = None
    command: str | None = None
    why: str = ""


def baselines(
    first: Candidate, candidates: Sequence[Candidate], priorities: Priorities, as_file: FileForm | None = None
) -> tuple[Baseline, ...]:
    """Find the baselines among all settings that were measured, ranked or not.

    Parameters
    ----------
    first : Candidate
        The first setting.
    candidates : sequence of Candidate
        All of the image.
    priorities : Priorities
        Their mix of reads.
    as_file : FileForm, optional
        How the user's file stores the image; None: it is no file, or nothing stores it so.
    """
    made = [_uncompressed(first, candidates, priorities), _default(first, candidates, priorities)]
    if as_file is not None or (first.backend is not None and first.asked["seed"] is None):
        made.append(_file(first, candidates, priorities, as_file))
    return tuple(made)


def _uncompressed(first: Candidate, candidates: Sequence[Candidate], priorities: Priorities) -> Baseline:
    same = (first.name, first.chunk_shape, first.shard_shape, first.extras)
    alike = [c for c in candidates if c.is_uncompressed and (c.name, c.chunk_shape, c.shard_shape, c.extras) == same]
    raw = [c for c in candidates if c.backend == BASELINE]
    plain = Baseline(kind="uncompressed", name="Uncompressed")
    if alike:
        return _held(plain, alike[0], first, priorities)
    if raw:
        return _held(plain, raw[0], first, priorities)
    return replace(plain, command=_measure(first, codec="none", keeps_layout=True))


def _default(first: Candidate, candidates: Sequence[Candidate], priorities: Priorities) -> Baseline:
    name = f"{(first.library or first.name).replace('zarrpython', 'zarr-python')}'s default"
    codec = DEFAULT_CODECS.get(first.backend or "")
    found = [c for c in candidates if c.name == first.name and c.codec == codec and c.is_left_to_library]
    found.sort(key=lambda c: c.extras != first.extras)
    if found:
        return _held(Baseline(kind="default", name=name), found[0], first, priorities)
    command = None if codec is None else _measure(first, codec=codec, keeps_layout=False)
    return Baseline(kind="default", name=name, command=command)


def _file(
    first: Candidate, candidates: Sequence[Candidate], priorities: Priorities, as_file: FileForm | None
) -> Baseline:
    baseline = Baseline(kind="file", name="The file as it is")
    if as_file is None:
        return replace(
            baseline, why="no backend stores exactly what the file holds, or the results do not say what that is"
        )
    alike = [
        c for c in candidates if (c.backend, c.codec) == (as_file.backend, as_file.codec) and _is_cut_so(c, as_file)
    ]
    if alike:
        return _held(baseline, alike[0], first, priorities)
    return replace(baseline, command=shlex.join(["storebench", "quick", first.asked["dataset"] or "FILE"]))


def _is_cut_so(candidate: Candidate, as_file: FileForm) -> bool:
    if as_file.chunk_shape is None:
        return candidate.is_left_to_library
    return (candidate.chunk_shape, candidate.shard_shape) == (as_file.chunk_shape, as_file.shard_shape)


def _held(words: Baseline, candidate: Candidate, first: Candidate, priorities: Priorities) -> Baseline:
    """Return the baseline with its numbers beside the first setting's."""
    pair = (candidate, first)
    patterns = list(priorities.reads)
    point, drawn = costs_of(pair, patterns), drawn_costs(pair, patterns)
    mix, drawn_mix = read_mix(point, priorities.reads), read_mix(drawn, priorities.reads)
    clear = min((len(row["samples_s"]) for c in pair for row in c.rows), default=0) >= MIN_FOR_INTERVAL
    sizes = point.stored_bytes
    return replace(
        words,
        candidate=candidate,
        is_first=candidate.label == first.label,
        read_s=float(mix[0]) if np.isfinite(mix[0]) else None,
        size_ratio=float(sizes[0] / sizes[1]) if np.isfinite(sizes).all() else None,
        write_ratio=_ratio(point.write_s, drawn.write_s, clear=clear),
        read_ratio=_ratio(mix, drawn_mix, clear=clear),
    )


def _ratio(point: Numbers, drawn: Numbers, *, clear: bool) -> Interval | None:
    if not np.isfinite(point).all():
        return None
    ratio = float(point[0] / point[1])
    return Interval(ratio, *percentiles(drawn[0] / drawn[1])) if clear else Interval(ratio, None, None)


def mean_read(candidate: Candidate, priorities: Priorities) -> Interval | None:
    """Return the seconds of a mean read of the mix and its interval; None where a read was not measured."""
    patterns = list(priorities.reads)
    mix = read_mix(costs_of([candidate], patterns), priorities.reads)
    if not np.isfinite(mix[0]):
        return None
    rows = [row for row in needed_rows(candidate, priorities) if row["operation"] == "read"]
    if min((len(row["samples_s"]) for row in rows), default=0) < MIN_FOR_INTERVAL:
        return Interval(float(mix[0]), None, None)
    return Interval(float(mix[0]), *percentiles(read_mix(drawn_costs([candidate], patterns), priorities.reads)[0]))


def _measure(first: Candidate, *, codec: str, keeps_layout: bool) -> str | None:
    """Return the command that measures a setting beside the first; None where the image or the backend is not known."""
    asked = first.asked
    if first.backend is None or asked["dataset"] is None:
        return None
    words = ["storebench", "measure", asked["dataset"]]
    if asked["seed"] is not None and asked["shape"] and asked["dtype"]:
        words += ["--shape", _extents(asked["shape"]), "--dtype", asked["dtype"]]
        words += ["--seed", str(asked["seed"])] if asked["seed"] else []
    words += ["--backend", first.backend]
    if keeps_layout and first.chunk_shape:
        words += ["--chunks", _extents(first.chunk_shape)]
        words += ["--shards", _extents(first.shard_shape)] if first.shard_shape else []
    for option, name, usual in _OPTIONS:
        words += [option, str(asked[name])] if asked[name] not in (None, usual) else []
    return shlex.join([*words, "--codec", codec, "--operation", "write"])


def _extents(shape: Shape) -> str:
    return ",".join(map(str, shape))
