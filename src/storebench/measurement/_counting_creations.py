"""Counting the creation of a whole image: create, write everything, close."""

from __future__ import annotations

from dataclasses import replace

from storebench.measurement import _counting_calls as calls
from storebench.measurement import _counting_checks as checks
from storebench.measurement._counting_calls import Counts
from storebench.measurement._file_events import FileEvents
from storebench.measurement.prediction import predict_write
from storebench.measurement.workload import Workload
from storebench.measurement.writes import TargetWorkload
from storebench.stores import RequestLog


def count_creation(workload: TargetWorkload) -> Counts:
    """Count a whole write; how long it takes is known from the verified store."""
    return _count_fast(workload) if workload.store.write_s <= calls.SLOW_S else _count_slow(workload)


def _count_fast(workload: TargetWorkload) -> Counts:
    place = workload.fresh
    with place() as location:
        with FileEvents(location.path.parent) as first:  # the first call loads what is loaded once
            workload.perform(location)
            checks.check_at_rest(workload.backend.name, location)  # at once: what comes late may come soon
    with place() as location:
        log, logged = calls.logged(workload, location)
    counts = _counts_of_sets(workload, log)
    system = calls.agreed(workload, place, first=logged)
    events = calls.file_events(workload, place, first)
    return replace(
        counts,
        files_opened=events.files_opened,
        renames=events.renames,
        read_calls=system.read_calls,
        write_calls=system.write_calls,
        threads_ran=calls.count_threads(workload),
    )


def _count_slow(workload: TargetWorkload) -> Counts:
    """Count from one call and, unless that was very slow, a plain one whose threads are watched.

    What is set is held against the verified store of the same setting, so one call shows it. Calls to the system and files
    opened are left out: nothing shows that one call is like the next.
    """
    with workload.fresh() as location:
        first = calls.first_call(workload, location)
        checks.check_at_rest(workload.backend.name, location)
    counts = _counts_of_sets(workload, first.log)
    use = first.use if first.wall_s > calls.VERY_SLOW_S else calls.watched(workload)[0]
    checks.check_budget(workload.backend.name, workload.case.threads, [use])
    return replace(counts, threads_ran=use.threads_ran, peak_memory_bytes=first.peak_memory_bytes)


def _counts_of_sets(workload: Workload, log: RequestLog) -> Counts:
    """Return what a log says of a write, once it was held against the verified store."""
    predicted = predict_write(workload.backend.name, workload.store)
    checks.check_prediction(workload, log.count("set"), log.n_bytes("set"), predicted)
    return replace(calls.counts_of_log(log, predicted), set_bytes=log.n_bytes("set") if log.count("set") else None)
