"""Counting a read or an open."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, replace

from storebench.access import Request
from storebench.measurement import _counting_calls as calls
from storebench.measurement import _counting_checks as checks
from storebench.measurement._counting_calls import CountedCall, Counts
from storebench.measurement._counting_frames import count_frames
from storebench.measurement.prediction import Prediction, predict_read
from storebench.measurement.workload import Workload


def count_reading(workload: Workload) -> Counts:
    """Count a read or an open; a fast one in eight calls or more, a slow one in two or three, a very slow one in one.

    The views of a trace take one call more; of a very slow one they are not counted.
    """
    reads: tuple[Request, ...] = getattr(workload, "requests", ())
    calls.touch_elsewhere(workload, reads)
    first = calls.first_call(workload, workload.store.location)
    predicted = predict_read(workload.backend.name, workload.store.location, reads)
    count = _count_fast if first.wall_s <= calls.SLOW_S else _count_slow
    counts = count(workload, reads, first, predicted)
    if first.wall_s > calls.VERY_SLOW_S:
        return counts
    return replace(counts, **asdict(count_frames(workload, reads)))


def _count_fast(
    workload: Workload, reads: tuple[Request, ...], first: CountedCall, predicted: Prediction | None
) -> Counts:
    name, location = workload.backend.name, workload.store.location
    log, second_system = calls.logged(workload, location)
    checks.check_repetition(name, (first.log, first.system), (log, second_system), compare_chars=bool(reads))
    checks.check_prediction(workload, log.n_requests, log.fetched_bytes, predicted)
    system = calls.agreed(workload, lambda: contextlib.nullcontext(location), first=second_system)
    checks.check_other_means(workload, log, system.read_chars, predicted)
    checks.check_memory_map(workload, log, system.read_chars, n_reads=len(reads))
    events = calls.file_events(workload, lambda: contextlib.nullcontext(location))
    return replace(
        calls.counts_of_log(log, predicted),
        requests=log.n_requests or None,
        fetched_bytes=log.fetched_bytes if log.n_requests else None,
        files_opened=events.files_opened,
        renames=events.renames,
        read_calls=system.read_calls,
        write_calls=system.write_calls,
        threads_ran=calls.count_threads(workload),
    )


def _count_slow(
    workload: Workload, reads: tuple[Request, ...], first: CountedCall, predicted: Prediction | None
) -> Counts:
    """Count from the first call and, unless that was very slow, a plain one whose threads are watched.

    Requests and their bytes are held against geometry, so one call shows them; where geometry predicts nothing there is a third
    call, whose requests have to be the same. Bytes that came by other means are looked for in the plain call. Calls to the system
    and files opened are left out: nothing shows that one call is like the next.
    """
    log, use, read_chars = first.log, first.use, first.system.read_chars
    checks.check_prediction(workload, log.n_requests, log.fetched_bytes, predicted)
    if first.wall_s <= calls.VERY_SLOW_S:
        use, read_chars = calls.watched(workload)
        shown = predicted is not None or not log.n_requests
        next_log = log if shown else calls.logged(workload, workload.store.location)[0]
        again = (next_log, replace(first.system, read_chars=read_chars))
        checks.check_repetition(workload.backend.name, (log, first.system), again, compare_chars=bool(reads))
        checks.check_memory_map(workload, log, read_chars, n_reads=len(reads))
    checks.check_other_means(workload, log, read_chars, predicted)
    checks.check_budget(workload.backend.name, workload.case.threads, [use])
    return replace(
        calls.counts_of_log(log, predicted),
        requests=log.n_requests or None,
        fetched_bytes=log.fetched_bytes if log.n_requests else None,
        threads_ran=use.threads_ran,
        peak_memory_bytes=first.peak_memory_bytes,
    )
