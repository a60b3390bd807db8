"""Counting one call in this process.

Here a backend's word is tested: what it asks of its store is held against the prediction, against a second call, and
against what the system counted. What does not fit is an error that names the backend and the fact.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final

from storebench.access import Request
from storebench.grid import Region
from storebench.measurement import _counting_checks as checks
from storebench.measurement._codec_speed import codec_bytes_per_s
from storebench.measurement._file_events import FileEvents
from storebench.measurement._thread_watch import ThreadUse, ThreadWatch
from storebench.measurement.counters import Counted, Probe
from storebench.measurement.memory import call, peak_memory
from storebench.measurement.prediction import Prediction, predict_read, predict_write
from storebench.measurement.workload import Workload
from storebench.stores import Location, RequestLog

_WATCHED_CALLS: Final = 5
_SLOW_S: Final = 0.2
_MOST_TRIES: Final = 5
_AGREEING: Final = ("read_calls", "write_calls", "read_chars", "write_chars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one call does. The fields are those of `records.Row`; None: cannot be counted here.

    `requests` and `fetched_bytes` are of reads and opens; `sets` and `set_bytes` of writes. `peak_memory_bytes`, `threads_ran`
    and `codec_bytes_per_s` are measured and vary; all others are the same in every call.
    """

    fetched_bytes: int | None = None
    requests: int | None = None
    gets: int | None = None
    ranged_gets: int | None = None
    misses: int | None = None
    sets: int | None = None
    lists: int | None = None
    set_bytes: int | None = None
    predicted_requests: int | None = None
    predicted_bytes: int | None = None
    files_opened: int | None = None
    renames: int | None = None
    read_calls: int | None = None
    write_calls: int | None = None
    peak_memory_bytes: int | None = None
    threads_ran: int | None = None
    codec_bytes_per_s: float | None = None


def count(workload: Workload) -> Counts:
    """Count in this process; the growth of memory is left out, as it needs a fresh one.

    Parameters
    ----------
    workload : Workload
        Ready to run.

    Raises
    ------
    VerificationError
        If the backend keeps its last result, asks for more than predicted, reads or writes by other means than its store,
        goes on writing after it returned, or uses more processors than its thread budget.
    """
    counting = {"read": _count_reading, "open": _count_reading, "write": _count_writing}
    counted = counting.get(workload.case.operation, _count_nothing)(workload)
    threads_ran = _count_threads(workload)
    return replace(counted, threads_ran=threads_ran, codec_bytes_per_s=codec_bytes_per_s(workload))


def _count_nothing(workload: Workload) -> Counts:
    """Count what asks for no store: the codec alone. One call, so that the next ones are like all others."""
    call(workload)
    return Counts()


def _count_reading(workload: Workload) -> Counts:
    name, location = workload.backend.name, workload.store.location
    reads: tuple[Request, ...] = getattr(workload, "requests", ())
    _touch_elsewhere(workload, reads)
    first, first_system = _logged(workload, location)
    log, second_system = _logged(workload, location)
    predicted = predict_read(name, location, reads)
    checks.check_repetition(name, (first, first_system), (log, second_system), compare_chars=bool(reads))
    checks.check_prediction(workload, log.n_requests, log.fetched_bytes, predicted)
    system = _agreed(workload, lambda: contextlib.nullcontext(location), first=second_system)
    checks.check_other_means(workload, log, system.read_chars, predicted)
    checks.check_memory_map(workload, log, system.read_chars, n_reads=len(reads))
    events = _file_events(workload, lambda: contextlib.nullcontext(location))
    return replace(
        _of_log(log, predicted),
        requests=log.n_requests or None,
        fetched_bytes=log.fetched_bytes if log.n_requests else None,
        files_opened=events.files_opened,
        renames=events.renames,
        read_calls=system.read_calls,
        write_calls=system.write_calls,
    )


def _touch_elsewhere(workload: Workload, reads: tuple[Request, ...]) -> None:
    """Let the library load what it loads once, by reading one voxel that is not what will be counted."""
    if not reads:
        return
    with workload.backend.open(workload.store.location) as reader:
        shape = reader.levels[reads[0].level]
        corner = Region((0,) * len(shape), (1,) * len(shape))
        if reads[0].region == corner:
            corner = Region(tuple(n - 1 for n in shape), shape)
        reader.read(corner, reads[0].level)


def _logged(workload: Workload, location: Location) -> tuple[RequestLog, Counted]:
    """Make one call on a counted place; what was read is thrown away."""
    log, probe = RequestLog(), Probe()
    if workload.case.operation != "write":
        workload.prepare()
    probe.start()
    workload.perform(location.counted(log))
    return log, probe.stop()


def _of_log(log: RequestLog, predicted: Prediction | None) -> Counts:
    """Return requests by kind; None for all where the library cannot be counted, as nothing was logged."""
    kinds = [request.kind for request in log.requests]
    asked = any(kind != "list" for kind in kinds)
    return Counts(
        gets=kinds.count("get") if asked else None,
        ranged_gets=kinds.count("ranged_get") if asked else None,
        misses=kinds.count("miss") if asked else None,
        sets=kinds.count("set") if asked else None,
        lists=kinds.count("list") if kinds else None,
        predicted_requests=None if predicted is None else predicted.requests,
        predicted_bytes=None if predicted is None else predicted.n_bytes,
    )


def _agreed(workload: Workload, place: Callable[[], AbstractContextManager[Location]], *, first: Counted) -> Counted:
    """Call until two calls in a row did the same to the system; None for what never agrees.

    `first` is a call on a counted place: where a log costs no system call, the next plain call agrees with it.
    """
    taken = [first]
    probe = Probe()
    while len(taken) < _MOST_TRIES:
        with place() as location:
            if workload.case.operation != "write":
                workload.prepare()
            probe.start()
            workload.perform(location)
            taken.append(probe.stop())
        if all(getattr(taken[-1], name) == getattr(taken[-2], name) for name in _AGREEING):
            return taken[-1]
    unsettled = {name: None for name in _AGREEING if getattr(taken[-1], name) != getattr(taken[-2], name)}
    return replace(taken[-1], **unsettled)


def _file_events(
    workload: Workload, place: Callable[[], AbstractContextManager[Location]], *taken: FileEvents
) -> FileEvents:
    """Call until two calls in a row opened as many files; the kernel may tell too few, where threads open one at once."""
    writes = workload.case.operation == "write"
    while len(taken) < _MOST_TRIES:
        if not writes:
            workload.prepare()
        with place() as location, FileEvents(location.path.parent if writes else location.path) as events:
            workload.perform(location)
        taken = (*taken, events)
        if len(taken) > 1 and taken[-1].files_opened == taken[-2].files_opened:
            break
    return max(taken, key=lambda events: -1 if events.files_opened is None else events.files_opened)


def _count_writing(workload: Workload) -> Counts:
    place = functools.partial(_fresh, workload)
    with place() as location:
        with FileEvents(location.path.parent) as first:  # the first call loads what is loaded once
            workload.perform(location)
            checks.check_at_rest(workload.backend.name, location)  # at once: what comes late may come soon
    with place() as location:
        log, logged = _logged(workload, location)
    predicted = predict_write(workload.backend.name, workload.store)
    sets = [request for request in log.requests if request.kind == "set"]
    checks.check_prediction(workload, len(sets), sum(request.n_bytes for request in sets), predicted)
    system = _agreed(workload, place, first=logged)
    events = _file_events(workload, place, first)
    return replace(
        _of_log(log, predicted),
        set_bytes=sum(request.n_bytes for request in sets) if sets else None,
        files_opened=events.files_opened,
        renames=events.renames,
        read_calls=system.read_calls,
        write_calls=system.write_calls,
    )


@contextlib.contextmanager
def _fresh(workload: Workload) -> Iterator[Location]:
    """Give an empty place for a write, which is removed afterwards."""
    with workload.storage.scratch() as folder:
        yield Location(folder / f"image{workload.backend.suffix}")


def _count_threads(workload: Workload) -> int | None:
    """Return the threads that ran in a call, the most of several calls.

    Raises
    ------
    VerificationError
        If more processors were used than the case's thread budget has.
    """
    uses: list[ThreadUse] = []
    while len(uses) < (1 if uses and uses[0].wall_s > _SLOW_S else _WATCHED_CALLS):
        uses.append(_watched(workload))
    checks.check_budget(workload.backend.name, workload.case.threads, uses)
    seen = [use.threads_ran for use in uses if use.threads_ran is not None]
    return max(seen, default=None)


def _watched(workload: Workload) -> ThreadUse:
    """Make one call and look at its threads; a write without the syncs that go before and after a timed one."""
    if workload.case.operation == "write":
        with _fresh(workload) as location, ThreadWatch() as watch:
            workload.perform(location)
        return watch.use
    workload.prepare()
    try:
        with ThreadWatch() as watch:
            workload.run()
    finally:
        workload.conclude()
    return watch.use


def answer(workload: Workload, question: str) -> Any:
    """Return what a process that counts was asked for, as JSON values.

    Parameters
    ----------
    workload : Workload
        In a fresh process.
    question : str
        "count" or "memory".
    """
    return dataclasses.asdict(count(workload)) if question == "count" else peak_memory(workload)
