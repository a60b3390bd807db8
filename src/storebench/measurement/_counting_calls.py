"""What counting is made of: one call of a workload in this process, with what it asked of its store and of the system.

How many calls an operation takes to be counted is its own module's business (`_counting_reads`, `_counting_creations`; the
table is in `_counters`). A call that takes long is made less often, see `SLOW_S`: what then was not shown to be the same in
two calls is None, and what a liar would be caught by is still looked at.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from typing import Final

from storebench.access import Request
from storebench.grid import Region
from storebench.measurement import _counting_checks as checks
from storebench.measurement._file_events import FileEvents
from storebench.measurement._thread_watch import ThreadUse, ThreadWatch
from storebench.measurement.counters import Counted, Probe
from storebench.measurement.memory import peak_growth
from storebench.measurement.prediction import Prediction
from storebench.measurement.workload import Workload
from storebench.measurement.writes import TargetWorkload
from storebench.stores import READ_KINDS, Location, RequestLog, RequestTally

SLOW_S: Final = 1.0
"""A call longer than this is counted in two calls instead of eight or more, and its memory in the first of them."""
VERY_SLOW_S: Final = 20.0
"""A call longer than this is made once, and all that is known of it comes from that call."""
_WATCHED_CALLS: Final = 5
_WATCHED_ONCE_S: Final = 0.2
_MOST_TRIES: Final = 5
_AGREEING: Final = ("read_calls", "write_calls", "read_chars", "write_chars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one call does. The fields are those of `records.Row`; None: cannot be counted here, or was not in so long a call.

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
    frame_requests: tuple[int, ...] | None = None
    frame_bytes: tuple[int, ...] | None = None
    predicted_frame_requests: tuple[int, ...] | None = None
    predicted_frame_bytes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCall:
    """One call on a counted place.

    Attributes
    ----------
    log : RequestLog
        What it asked of its store, summed up.
    system : Counted
        What the system counted.
    wall_s, cpu_s : float
        Seconds, and processor seconds of all threads.
    peak_memory_bytes : int or None
        Growth of resident memory at its peak; of use only for the first call of a fresh process.
    """

    log: RequestLog
    system: Counted
    wall_s: float
    cpu_s: float
    peak_memory_bytes: int | None

    @property
    def use(self) -> ThreadUse:
        """What it used of the processors; how many threads it were cannot be told afterwards."""
        return ThreadUse(None, self.cpu_s, self.wall_s, self.cpu_s)


def touch_elsewhere(workload: Workload, reads: Sequence[Request]) -> None:
    """Let the library load what it loads once, by reading one voxel of a level that is not what will be asked for first.

    Nothing is done where there is no read, and for a large image that can only be decoded whole: that would be a slow call too.
    """
    if not reads or not (workload.backend.partial_read or workload.store.write_s <= SLOW_S):
        return
    level, but_not = reads[0].level, reads[0].region
    with workload.backend.open(workload.store.location) as reader:
        shape = reader.levels[level]
        corner = Region((0,) * len(shape), (1,) * len(shape))
        if but_not == corner:
            corner = Region(tuple(n - 1 for n in shape), shape)
        reader.read(corner, level)


def first_call(workload: Workload, location: Location) -> CountedCall:
    """Make one call on a counted place, with everything measured that does not disturb what is counted."""
    log, probe = RequestTally(), Probe()
    if not isinstance(workload, TargetWorkload):
        workload.prepare()
    with peak_growth() as growth:
        probe.start()
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        workload.perform(location.counted(log))
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        system = probe.stop()
    return CountedCall(log=log, system=system, wall_s=wall_s, cpu_s=cpu_s, peak_memory_bytes=growth.n_bytes)


def logged(workload: Workload, location: Location) -> tuple[RequestLog, Counted]:
    """Make one call on a counted place; what was read is thrown away."""
    log, probe = RequestLog(), Probe()
    if not isinstance(workload, TargetWorkload):
        workload.prepare()
    probe.start()
    workload.perform(location.counted(log))
    return log, probe.stop()


def counts_of_log(log: RequestLog, predicted: Prediction | None) -> Counts:
    """Return requests by kind; None where nothing was logged or, of reads, where a library tells their sum alone."""
    asked = log.count(*READ_KINDS, "set") > 0
    told = asked and not log.count("read")
    return Counts(
        gets=log.count("get") if told else None,
        ranged_gets=log.count("ranged_get") if told else None,
        misses=log.count("miss") if told else None,
        sets=log.count("set") if asked else None,
        lists=log.count("list") if asked or log.count("list") else None,
        predicted_requests=None if predicted is None else predicted.requests,
        predicted_bytes=None if predicted is None else predicted.n_bytes,
    )


def same(counts: Counts, again: Counts) -> Counts:
    """Return what two calls agree in; None for the rest."""
    differing = [field.name for field in fields(counts) if getattr(counts, field.name) != getattr(again, field.name)]
    return replace(counts, **dict.fromkeys(differing))


def agreed(workload: Workload, place: Callable[[], AbstractContextManager[Location]], *, first: Counted) -> Counted:
    """Call until two calls in a row did the same to the system; None for what never agrees.

    `first` is a call on a counted place: where a log costs no system call, the next plain call agrees with it.
    """
    taken = [first]
    probe = Probe()
    while len(taken) < _MOST_TRIES:
        with place() as location:
            if not isinstance(workload, TargetWorkload):
                workload.prepare()
            probe.start()
            workload.perform(location)
            taken.append(probe.stop())
        if all(getattr(taken[-1], name) == getattr(taken[-2], name) for name in _AGREEING):
            return taken[-1]
    unsettled = {name: None for name in _AGREEING if getattr(taken[-1], name) != getattr(taken[-2], name)}
    return replace(taken[-1], **unsettled)


def file_events(
    workload: Workload, place: Callable[[], AbstractContextManager[Location]], *taken: FileEvents
) -> FileEvents:
    """Call until two calls in a row opened as many files; the kernel may tell too few, where threads open one at once."""
    writes = isinstance(workload, TargetWorkload)
    while len(taken) < _MOST_TRIES:
        if not writes:
            workload.prepare()
        with place() as location, FileEvents(location.path.parent if writes else location.path) as events:
            workload.perform(location)
        taken = (*taken, events)
        if len(taken) > 1 and taken[-1].files_opened == taken[-2].files_opened:
            break
    return max(taken, key=lambda events: -1 if events.files_opened is None else events.files_opened)


def count_threads(workload: Workload) -> int | None:
    """Return the threads that ran in a call, the most of several calls.

    Raises
    ------
    VerificationError
        If more processors were used than the case's thread budget has.
    """
    uses: list[ThreadUse] = []
    while len(uses) < (1 if uses and uses[0].wall_s > _WATCHED_ONCE_S else _WATCHED_CALLS):
        uses.append(watched(workload)[0])
    checks.check_budget(workload.backend.name, workload.case.threads, uses)
    seen = [use.threads_ran for use in uses if use.threads_ran is not None]
    return max(seen, default=None)


def watched(workload: Workload) -> tuple[ThreadUse, int | None]:
    """Make one plain call and look at its threads; a write without the syncs that go before and after a timed one.

    Returns
    -------
    tuple of ThreadUse and (int or None)
        What it used of the processors, and the bytes of its read calls, those of looking on left out.
    """
    probe = Probe()
    with contextlib.ExitStack() as stack:
        if isinstance(workload, TargetWorkload):
            once: Callable[[], None] = functools.partial(workload.perform, stack.enter_context(workload.fresh()))
        else:
            once = workload.run
            workload.prepare()
            stack.callback(workload.conclude)
        with ThreadWatch() as watch:
            probe.start()
            once()
            system = probe.stop()
    read_chars = None if system.read_chars is None else max(0, system.read_chars - watch.read_chars)
    return watch.use, read_chars
