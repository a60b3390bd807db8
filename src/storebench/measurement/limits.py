"""What this machine can do at best: memory, page cache, disk and directory, measured beside the cases.

Everything is repeated for as long as its share of the budget lasts, and the best is kept: whatever else runs makes a
repeat slower and never faster.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.measurement.cache import evict, sync_file_system, why_not_cold
from storebench.measurement.pages import residency
from storebench.records import Limits
from storebench.storage import Storage
from storebench.units import GIB, KIB, MIB

BLOCKS: Final = (256 * KIB, 4 * MIB, 32 * MIB, 256 * MIB)
"""Bytes copied at once: in a core's own cache, in the shared one, and beyond."""

REQUESTS: Final = (64 * KIB, MIB, 4 * MIB)
"""Bytes of a sequential request. Below the smallest, Python's own part of a call would be measured and not the machine."""

RANDOM_REQUESTS: Final = (4 * KIB, 64 * KIB)
_HOT_WINDOW: Final = 4 * MIB
"""A part of a file that a processor's cache holds after the first pass, as it holds a small image."""

_SMALL: Final = 4 * KIB
_FILE_BYTES: Final = (8 * MIB, 64 * MIB)
"""Of the scratch file, least and most; in between so that writing it takes a twentieth of the budget."""

_QUANTILE: Final = 0.1
"""Latencies are the 10th percentile: a minimum of more repeats would be lower, and say less."""


def measure_limits(storage: Storage, *, budget_s: float = 3.0) -> Limits:
    """Measure what this machine can do at best, on the file system of the storage root.

    Scratch files are removed when it ends, however it ends.

    Parameters
    ----------
    storage : Storage
        Whose file system is looked at.
    budget_s : float
        Seconds to spend, roughly; from 0.5 on. On a slow disk it takes longer, since each thing is done at least once.

    Returns
    -------
    Limits
        Cold figures are missing where this system cannot evict files, or somebody else's reading kept them cached.

    Raises
    ------
    StorageError
        If the disk is too full for the scratch file.
    """
    taken_at = time.time()
    memcpy = _memcpy_speeds(0.15 * budget_s, large=budget_s >= 2)
    storage.require_free(2 * _FILE_BYTES[0])
    with storage.scratch() as folder:
        path = folder / "sequential"
        n_bytes = _scratch_bytes(path, budget_s, most=storage.file_system().free_bytes // 2)
        written, durable = _write_speeds(path, n_bytes, 0.25 * budget_s)
        warm = _warm_speeds(path, n_bytes, 0.15 * budget_s)
        cold, random_read_s = {}, {}
        if why_not_cold(path) is None:
            cold = _cold_speeds(path, n_bytes, 0.2 * budget_s)
            random_read_s = _random_latencies(path, n_bytes, 0.15 * budget_s)
        open_s, create_s, sync_s = _small_file_latencies(folder, 0.1 * budget_s)
    return Limits(
        taken_at=taken_at,
        memcpy_bytes_per_s=memcpy,
        warm_read_bytes_per_s=warm,
        cold_read_bytes_per_s=cold,
        random_read_s=random_read_s,
        write_bytes_per_s=written,
        durable_write_bytes_per_s=durable,
        open_s=open_s,
        create_s=create_s,
        sync_s=sync_s,
    )


def _repeats(budget_s: float, at_least: int = 2) -> Iterator[int]:
    """Count up until the seconds are spent, and never less far than asked."""
    end = time.perf_counter() + budget_s
    for turn in itertools.count():
        if turn >= at_least and time.perf_counter() >= end:
            return
        yield turn


def _seconds(call: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def _memcpy_speeds(budget_s: float, *, large: bool) -> dict[str, float]:
    """Return bytes per second by block; the largest block only where memory is plenty and `large`: its pages cost time."""
    import psutil

    plenty = large and psutil.virtual_memory().available > 4 * GIB
    speeds = {}
    blocks = BLOCKS if plenty else BLOCKS[:-1]
    for n_bytes in blocks:
        source, target = np.full(n_bytes, 1, np.uint8), np.full(n_bytes, 2, np.uint8)  # written, so the pages are there
        number = max(1, 32 * MIB // n_bytes)  # long enough for the clock
        best_s = min(_seconds(_copy, target, source, number) for _ in _repeats(budget_s / len(blocks)))
        speeds[str(n_bytes)] = number * n_bytes / best_s
    return speeds


def _copy(target: NDArray, source: NDArray, number: int) -> None:
    for _ in range(number):
        np.copyto(target, source)


def _noise(n_bytes: int) -> memoryview:
    """Return bytes that no file system can compress or leave out."""
    return np.random.default_rng(0).integers(0, 256, n_bytes, dtype=np.uint8).data


def _scratch_bytes(path: Path, budget_s: float, *, most: int) -> int:
    """Return a size whose durable writing takes about a twentieth of the budget, by writing the least size once."""
    size = least = _FILE_BYTES[0]
    took_s = _seconds(_written, path, _noise(least), least, least) + sync_file_system(path)
    while 2 * size <= min(most, _FILE_BYTES[1]) and 2 * size / least * took_s < budget_s / 20:
        size *= 2
    return size


def _written(path: Path, content: memoryview, n_bytes: int, request: int) -> None:
    with path.open("wb", buffering=0) as file:
        for start in range(0, n_bytes, request):
            file.write(content[start % len(content) :][:request])


def _write_speeds(path: Path, n_bytes: int, budget_s: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return bytes per second until return and until synced, by request: the file is new each time."""
    content = _noise(max(REQUESTS))
    returned, durable = {}, {}
    for request in REQUESTS:
        best, best_durable = float("inf"), float("inf")
        for _ in _repeats(budget_s / len(REQUESTS)):
            path.unlink(missing_ok=True)
            sync_file_system(path.parent)  # nobody's dirty pages are in this write's sync
            wrote_s = _seconds(_written, path, content, n_bytes, request)
            synced_s = sync_file_system(path)
            best, best_durable = min(best, wrote_s), min(best_durable, wrote_s + synced_s)
        returned[str(request)], durable[str(request)] = n_bytes / best, n_bytes / best_durable
    return returned, durable


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(path: Path, buffer: memoryview, offsets: Iterable[int]) -> None:
    """Read one buffer full at each offset, one after another. Seeking works everywhere, and costs nothing beside 64 KiB."""
    with path.open("rb", buffering=0) as file:
        for offset in offsets:
            file.seek(offset)
            file.readinto(buffer)


def _read_side_by_side(
    pool: ThreadPoolExecutor, path: Path, buffers: Sequence[memoryview], parts: Sequence[range]
) -> None:
    list(pool.map(_read, [path] * len(parts), buffers, parts))


def _warm_speeds(path: Path, n_bytes: int, budget_s: float) -> dict[str, float]:
    """Return bytes per second out of the page cache by request: the better of a small part over and over, and the whole."""
    speeds = {}
    for request in REQUESTS:
        buffer = np.full(request, 1, np.uint8).data
        whole = range(0, n_bytes, request)
        hot = [offset % _HOT_WINDOW for offset in whole]
        _read(path, buffer, whole)  # nothing is left to fetch
        best_s = min(
            _seconds(_read, path, buffer, hot if turn % 2 else whole) for turn in _repeats(budget_s / len(REQUESTS))
        )
        speeds[str(request)] = n_bytes / best_s
    return speeds


def _is_cold(path: Path) -> bool:
    """Evict a file, and tell whether it is shown to be gone."""
    evict([path])
    found = residency([path])
    return found is not None and found.resident_bytes == 0


def _cold_speeds(path: Path, n_bytes: int, budget_s: float) -> dict[str, float]:
    """Return bytes per second from the disk by request: the better of one reader and of several side by side."""
    speeds = {}
    many = min(4, max(2, os.cpu_count() or 2))
    with ThreadPoolExecutor(many) as pool:
        for request in REQUESTS:
            buffers = [np.full(request, 1, np.uint8).data for _ in range(many)]
            best_s = float("inf")
            for turn in _repeats(budget_s / len(REQUESTS)):
                readers = many if turn % 2 else 1
                share = n_bytes // readers
                parts = [range(i * share, (i + 1) * share, request) for i in range(readers)]
                if not _is_cold(path):
                    continue
                took_s = _seconds(_read_side_by_side, pool, path, buffers, parts)
                best_s = min(best_s, took_s)
            if best_s < float("inf"):
                speeds[str(request)] = n_bytes / best_s
    return speeds


def _random_latencies(path: Path, n_bytes: int, budget_s: float) -> dict[str, float]:
    """Return the seconds of one read at a place that nothing was read near of, by request."""
    latencies = {}
    # Places are far apart and the system is told that the order is random, so that no read brings in the next one's pages.
    places = list(range(0, n_bytes, max(RANDOM_REQUESTS)))
    random.Random(0).shuffle(places)  # noqa: S311 - no secret
    for request in RANDOM_REQUESTS:
        parts = [np.full(request, 1, np.uint8).data]
        if not _is_cold(path):
            continue
        times: list[float] = []
        with _opened(path) as descriptor:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
            for offset, _ in zip(places, _repeats(budget_s / len(RANDOM_REQUESTS), at_least=10), strict=False):
                times.append(_seconds(os.preadv, descriptor, parts, offset))
        latencies[str(request)] = _low(times)
    return latencies


def _small_file_latencies(folder: Path, budget_s: float) -> tuple[float, float, float]:
    """Return the seconds to open and close a file, to create one of 4 KiB, and to sync the file system after that."""
    content = _noise(_SMALL)
    existing = folder / "existing"
    _written(existing, content, _SMALL, _SMALL)

    def open_and_close() -> None:
        with _opened(existing):
            pass

    opened = [_seconds(open_and_close) for _ in _repeats(budget_s / 3, at_least=50)]
    new = folder / "new"
    created, synced = [], []
    for _ in _repeats(budget_s / 3, at_least=10):  # not synced in between: the first file after a sync takes longer
        created.append(_seconds(_created, new, content))
        new.unlink()
    for _ in _repeats(budget_s / 3, at_least=10):
        _created(new, content)
        synced.append(sync_file_system(new))
        new.unlink()
    return _low(opened), _low(created), _low(synced)


def _created(path: Path, content: memoryview) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0))
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def _low(times: Sequence[float]) -> float:
    return float(np.quantile(times, _QUANTILE))
