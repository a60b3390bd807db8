"""What is held against a backend's word while it is counted. Each check names the backend and the fact."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Sequence
from typing import Final

from storebench.errors import VerificationError
from storebench.measurement import cache
from storebench.measurement._thread_watch import ThreadUse
from storebench.measurement.counters import Counted, Probe
from storebench.measurement.explained import allowed, buffer_bytes
from storebench.measurement.pages import residency
from storebench.measurement.prediction import Prediction
from storebench.measurement.workload import Workload
from storebench.records import WRITING
from storebench.stores import Location, RequestLog
from storebench.units import bytes_text

_REST_S: Final = 0.1
_BUDGET_SLACK: Final = 1.15
_WANTED_SLACK: Final = 1.4
_LEAST_CPU_S: Final = 0.02
_TRIES: Final = 3
_WHOLE: Final = 0.9


def check_repetition(
    name: str, first: tuple[RequestLog, Counted], second: tuple[RequestLog, Counted], *, compare_chars: bool
) -> None:
    """Compare two identical calls.

    Parameters
    ----------
    name : str
        Of the backend.
    first, second : tuple of RequestLog and Counted
        What each asked of its store, and what the system counted.
    compare_chars : bool
        Whether the first call came after the library was loaded, so that the system's counts can be compared.

    Raises
    ------
    VerificationError
        If the second asked for less.
    """
    (log, system), (next_log, next_system) = first, second
    if next_log.n_requests < log.n_requests or next_log.fetched_bytes < log.fetched_bytes:
        raise VerificationError(
            f"{name} keeps the last result: the same call asked its store for {_asked(log)}, and then for {_asked(next_log)}"
        )
    unlogged = compare_chars and not log.n_requests and system.read_chars and next_system.read_chars is not None
    if unlogged and 2 * next_system.read_chars < system.read_chars:  # type: ignore[operator]
        raise VerificationError(
            f"{name} keeps the last result: the same call read {system.read_chars} bytes, and then {next_system.read_chars}"
        )


def _asked(log: RequestLog) -> str:
    return f"{log.fetched_bytes} bytes in {log.n_requests} requests"


def check_prediction(workload: Workload, n_requests: int, n_bytes: int, predicted: Prediction | None) -> None:
    """Compare what was asked of the store with what geometry and the table of explanations allow.

    Raises
    ------
    VerificationError
        If it is less or more.
    """
    name, operation = workload.backend.name, workload.case.operation
    sides = {"write": ("counts_writes",), "overwrite": ("counts_reads", "counts_writes")}.get(
        operation, ("counts_reads",)
    )
    if predicted is None or not all(getattr(workload.backend, side) for side in sides):
        return
    for what, found in (("requests", n_requests), ("bytes", n_bytes)):
        least, most = allowed(name, operation, what, predicted)
        said = f"{found} {what}, where geometry says {least if least == most else f'{least} to {most}'}"
        if found < least:
            means = "it keeps the last result, or has other means than the counted store"
            raise VerificationError(f"{name} asked its store for {said}: {means}")
        if found > most:
            whole = what == "bytes" and found >= _WHOLE * workload.store.stored_bytes and operation not in WRITING
            does = "reads the whole file" if whole else "does more than it is asked for"
            raise VerificationError(f"{name} asked its store for {said}: it {does}; if it must, say why in EXPLAINED")


def check_other_means(
    workload: Workload, log: RequestLog, read_chars: int | None, predicted: Prediction | None
) -> None:
    """Compare what the system counted in a plain call with the log of a counted one.

    Raises
    ------
    VerificationError
        If the plain call read more.
    """
    if read_chars is None or (predicted is None and not log.n_requests):
        return
    if predicted is None:
        most = log.fetched_bytes + buffer_bytes() * (log.n_requests + 2)
    else:
        most = max(
            allowed(workload.backend.name, workload.case.operation, "read_chars", predicted)[1],
            log.fetched_bytes + buffer_bytes() * (log.n_requests + 2),
        )
    if read_chars > most:
        whole = "reads the whole file" if read_chars >= _WHOLE * workload.store.stored_bytes else "reads more"
        raise VerificationError(
            f"{workload.backend.name} {whole}, by other means than the counted store: a call read {read_chars} bytes, "
            f"the store was asked for {log.fetched_bytes}, and {most} are allowed"
        )


def check_memory_map(workload: Workload, log: RequestLog, read_chars: int | None, *, n_reads: int) -> None:
    """Where read calls do not show the bytes, put the files out of the page cache and look what a call brings back.

    Raises
    ------
    VerificationError
        If it is less than a read needs.
    """
    paths = workload.paths
    needed = log.fetched_bytes // max(n_reads, 1)  # reads may overlap, but each alone needs its bytes
    if read_chars is None or 2 * read_chars >= log.fetched_bytes or not n_reads or not paths:
        return
    if cache.why_not_cold(paths[0]) is not None:
        return
    found = 0
    for _ in range(_TRIES):  # another process may put them out again meanwhile
        workload.prepare()
        gc.collect()  # what is mapped stays in the cache, and a map that is in a cycle is only forgotten now
        cache.evict(paths)
        workload.perform(workload.store.location)
        workload.prepare()
        pages = residency(paths)
        if pages is None or pages.resident_bytes >= needed:
            return
        found = max(found, pages.resident_bytes)
    raise VerificationError(
        f"{workload.backend.name} keeps the last result: a read of {needed} bytes brought {found} into the empty page cache"
    )


def check_at_rest(name: str, location: Location) -> None:
    """Look for a while whether what was written stays as it is.

    Parameters
    ----------
    name : str
        Of the backend.
    location : Location
        What a write that has just returned has made.

    Raises
    ------
    VerificationError
        If a file changes, or this process writes.
    """
    probe = Probe()
    before = _state(location)
    probe.start()
    time.sleep(_REST_S)
    written = probe.stop().write_chars
    changed = [os.path.relpath(path, location.path.parent) for path in _differing(before, _state(location))]
    if changed:
        raise VerificationError(
            f"{name} went on writing after it returned: {len(changed)} files changed in {_REST_S} s, as {changed[0]}"
        )
    if written:
        raise VerificationError(
            f"{name} went on writing after it returned: {bytes_text(written)} were written in {_REST_S} s"
        )


def _state(location: Location) -> dict[str, tuple[int, int]]:
    """Return size and time of change by file: as text, of which a million fit into memory."""
    found = {}
    for file in location.files():
        status = file.stat()
        found[os.fspath(file)] = (status.st_size, status.st_mtime_ns)
    return found


def _differing(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> list[str]:
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def check_budget(name: str, threads: int | None, uses: Sequence[ThreadUse]) -> None:
    """Compare the processors that calls used with the thread budget.

    On a quiet machine one call that used more is enough. On a busy one calls cannot get more, so what they wanted is looked at
    too: the median of the calls, since threads that hand work over may wait side by side for a moment. Beside four busy
    loops on 2 processors, medians of 1.01 to 1.07 were seen for zarr held to one thread, and 1.87 for two busy threads.

    Raises
    ------
    VerificationError
        If more were used, or wanted all the time.
    """
    long = [use for use in uses if use.cpu_s > _LEAST_CPU_S]
    if threads is None or not long:
        return
    used = max(use.cpu_s / use.wall_s for use in long)
    wanted = statistics.median(use.wanted_s / use.wall_s for use in long)
    if used > threads * _BUDGET_SLACK or wanted > threads * _WANTED_SLACK:
        budget = "1 thread" if threads == 1 else f"{threads} threads"
        raise VerificationError(
            f"{name} ignores the thread limit: asked for {budget}, used {used:.2f} processors and wanted {wanted:.2f}"
        )
