"""The shortest time a case could take on this machine, from its counts and the machine's measured limits. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from storebench.codecs import parse_codec
from storebench.grid import grid_shape
from storebench.records import Limits, Row

_SPEEDS: Final = (
    "memcpy_bytes_per_s",
    "warm_read_bytes_per_s",
    "cold_read_bytes_per_s",
    "write_bytes_per_s",
    "durable_write_bytes_per_s",
)
_LATENCIES: Final = ("open_s", "create_s", "sync_s")
_SHARED_BLOCKS: Final = ("blosc", "jp2")
"""Kinds of codec that can put several threads to work on one chunk."""


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """The parts of the shortest time that a case could take.

    Attributes
    ----------
    requests_s : float
        Seconds to open or create the files, and until the disk begins to answer or has promised to keep what was written.
    bytes_s : float
        Seconds to move the stored bytes.
    decode_s : float
        Seconds of the codec; without one, what copying the voxels once takes beyond `bytes_s`.
    """

    requests_s: float
    bytes_s: float
    decode_s: float

    @property
    def total_s(self) -> float:
        """Seconds of all of it, one after another."""
        return self.requests_s + self.bytes_s + self.decode_s


class _Work(NamedTuple):
    """What the codec has to do: voxels and chunks (None: not known), voxels handed over, seconds that moving bytes takes."""

    n_voxels: int | None
    n_voxels_out: int
    n_chunks: int | None
    bytes_s: float


def merge_best(limits: Iterable[Limits]) -> Limits | None:
    """Return the best of several measurements of one machine: the largest speeds, the smallest latencies.

    What kept the machine busy during one of them makes that one worse and never better, so the best is nearest to what
    it can do. The time is that of the last one; None of nothing.
    """
    found = list(limits)
    if not found:
        return None
    best: dict[str, Any] = {name: _merged([getattr(one, name) for one in found], max) for name in _SPEEDS}
    best["random_read_s"] = _merged([one.random_read_s for one in found], min)
    for name in _LATENCIES:
        known = [value for one in found if (value := getattr(one, name)) is not None]
        best[name] = min(known, default=None)
    return Limits(taken_at=max(one.taken_at for one in found), **best)


def limit_terms(row: Row, limits: Limits | None, n_cpu: int | None) -> LimitTerms | None:
    """Return the shortest time that a row's operation could take on this machine, in its three terms.

    A lower bound on purpose: the best speeds, the fewest accesses, and as many threads as the case allows, whether the
    library uses them or not. What the page cache gives is copied once, and that copy is in the bandwidth already; so
    without a codec only what copying the voxels takes longer than reading them is added.

    - read: files opened × open ÷ threads, when cold also one random read each; fetched bytes ÷ bandwidth in that state
      of the cache at requests of that size; decoded bytes ÷ the codec's speed ÷ threads (no more than chunks are touched)
    - write: files × create ÷ threads, durable: + one sync; stored bytes ÷ bandwidth until return or until synced;
      voxels of the full resolution ÷ the codec's speed ÷ threads. What a library's own syncs of many files take at least
      is not known
    - open: the first term of a read
    - encode, decode: the voxels copied once, in blocks of a chunk; codec blocks come one after another, so one thread

    Parameters
    ----------
    row : Row
        With its counts.
    limits : Limits or None
        Of the machine that measured it.
    n_cpu : int or None
        Processors of that machine.

    Returns
    -------
    LimitTerms or None
        None where a fact is missing: limits at all, or of that cache state; the processors of a case without a thread
        budget; both `requests` and `files_opened`; of a read `fetched_bytes` and, with a codec, `voxels_decoded` and
        `codec_bytes_per_s`; of a write `stored_bytes`, `n_files` and, with a codec, `codec_bytes_per_s`. A row that is
        not ok has none either, nor has one that is not on local files, a write with its library's own fsync, nor any other
        operation but encode and decode.
    """
    threads = row.case.threads or n_cpu
    if row.status != "ok" or limits is None or threads is None or row.case.store != "local":
        return None
    match row.case.operation:
        case "read":
            return _read_terms(row, limits, threads)
        case "write":
            return _write_terms(row, limits, threads)
        case "open":
            requests_s = _opening_s(row, limits, threads)
            return None if requests_s is None else LimitTerms(requests_s, 0.0, 0.0)
        case "encode" | "decode":
            return _block_terms(row, limits)
        case _:
            return None


def _read_terms(row: Row, limits: Limits, threads: int) -> LimitTerms | None:
    requests_s = _opening_s(row, limits, threads)
    opened = _opened(row)
    cold = row.case.cache != "warm"
    speeds = limits.cold_read_bytes_per_s if cold else limits.warm_read_bytes_per_s
    if requests_s is None or opened is None or row.fetched_bytes is None:
        return None
    answered = max(1, (row.requests or opened) - (row.misses or 0))
    speed = best_near(speeds, row.fetched_bytes / answered)
    if speed is None:
        return None
    # Threads can copy out of the page cache side by side; the device's limit was measured with several readers.
    bytes_s = row.fetched_bytes / speed / (1 if cold else _lanes(threads, opened))
    work = _Work(row.voxels_decoded, row.voxels_asked or 0, row.chunks_touched, bytes_s)
    decode_s = _codec_s(row, limits, work, threads)
    return None if decode_s is None else LimitTerms(requests_s, bytes_s, decode_s)


def _write_terms(row: Row, limits: Limits, threads: int) -> LimitTerms | None:
    durable = row.case.durability == "durable"
    if row.case.durability == "own-fsync":
        return None
    n_files, n_bytes = row.n_files, row.stored_bytes
    if n_files is None or n_bytes is None or limits.create_s is None or (durable and limits.sync_s is None):
        return None
    speeds = limits.durable_write_bytes_per_s if durable else limits.write_bytes_per_s
    speed = best_near(speeds, n_bytes / max(1, n_files))
    if speed is None:
        return None
    requests_s = n_files * limits.create_s / _lanes(threads, n_files)
    requests_s += (limits.sync_s or 0.0) if durable else 0.0
    bytes_s = n_bytes / speed / (1 if durable else _lanes(threads, n_files))
    shape = row.case.shape
    n_chunks = math.prod(grid_shape(shape, row.chunk_shape)) if row.chunk_shape else None
    decode_s = _codec_s(row, limits, _Work(math.prod(shape), math.prod(shape), n_chunks, bytes_s), threads)
    return None if decode_s is None else LimitTerms(requests_s, bytes_s, decode_s)


def _block_terms(row: Row, limits: Limits) -> LimitTerms | None:
    itemsize = np.dtype(row.case.dtype).itemsize
    block = math.prod(row.chunk_shape or row.case.shape) * itemsize
    speed = best_near(limits.memcpy_bytes_per_s, block)
    return None if speed is None else LimitTerms(0.0, 0.0, math.prod(row.case.shape) * itemsize / speed)


def _opened(row: Row) -> int | None:
    """Return how many files one call opens at least: as counted, else no more than there are, nor than were asked for."""
    if row.files_opened is not None:
        return row.files_opened
    if row.requests is None:
        return None
    asked = max(1, row.requests - (row.misses or 0))
    return asked if row.n_files is None else min(asked, row.n_files)


def _opening_s(row: Row, limits: Limits, threads: int) -> float | None:
    """Return the seconds until all files are open, and in a cold cache until the disk has begun with each.

    Requests within one file are not counted one by one: read-ahead may serve them.
    """
    opened = _opened(row)
    if opened is None or limits.open_s is None:
        return None
    opening_s = opened * limits.open_s / _lanes(threads, opened)
    if row.case.cache == "warm":
        return opening_s
    if not limits.random_read_s:
        return None
    # More threads than processors can wait for a disk, so those that ran count where they were counted.
    waiting = _lanes(max(threads, row.threads_ran or 1), opened)
    return opening_s + opened * min(limits.random_read_s.values()) / waiting


def _codec_s(row: Row, limits: Limits, work: _Work, threads: int) -> float | None:
    """Return the seconds to decode or encode so many voxels; None where the codec's speed or the voxels are not known."""
    codec = parse_codec(row.case.codec)
    itemsize = np.dtype(row.case.dtype).itemsize
    if codec.kind == "none":  # a checksum may be there; the least that has to be done is one copy
        copied = work.n_voxels_out * itemsize
        speed = best_near(limits.memcpy_bytes_per_s, copied)
        return None if speed is None else max(0.0, copied / speed / _lanes(threads, work.n_chunks) - work.bytes_s)
    if work.n_voxels is None or not row.codec_bytes_per_s:
        return None
    side_by_side = threads if codec.kind in _SHARED_BLOCKS else _lanes(threads, work.n_chunks)
    return work.n_voxels * itemsize / row.codec_bytes_per_s / side_by_side


def best_near(by_size: Mapping[str, float], n_bytes: float) -> float | None:
    """Return the better of the speeds at the measured sizes just below and just above; None where none was measured.

    Parameters
    ----------
    by_size : mapping of str to float
        Bytes per second, by size in bytes as text.
    n_bytes : float
        The size asked about.
    """
    sizes = sorted(map(int, by_size))
    below = [size for size in sizes if size <= n_bytes][-1:]
    above = [size for size in sizes if size >= n_bytes][:1]
    return max((by_size[str(size)] for size in below + above), default=None)


def _lanes(threads: int, pieces: int | None) -> int:
    """Return how many threads can have a piece of their own; pieces that are not known count as one."""
    return max(1, min(threads, pieces or 1))


def _merged(maps: list[Mapping[str, float]], best: Callable[[list[float]], float]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for one in maps:
        for size, value in one.items():
            values.setdefault(size, []).append(value)
    return {size: best(found) for size, found in sorted(values.items(), key=lambda item: int(item[0]))}
