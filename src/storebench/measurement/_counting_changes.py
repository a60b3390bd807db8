"""Counting what changes a store: an image that comes slab by slab, a region that is overwritten, levels that are built.

And what finds or removes it.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from storebench.measurement import _counting_calls as calls
from storebench.measurement import _counting_checks as checks
from storebench.measurement._counting_calls import Counts
from storebench.measurement._geometry_changes import predict_change
from storebench.measurement.streams import OverwriteWorkload
from storebench.measurement.workload import Workload
from storebench.measurement.writes import TargetWorkload
from storebench.stores import Location, RequestLog


def count_change(workload: TargetWorkload) -> Counts:
    """Count a change of what is stored; a fast one in eight calls or more, a slow one in two, a very slow one in one.

    What it reads and what it sets are both counted. An overwrite is held against geometry; an append is not, since how large
    an object is that was written and is read again for the next slab cannot be told afterwards.
    """
    with workload.fresh() as location:
        first = calls.first_call(workload, location)
        checks.check_at_rest(workload.backend.name, location)  # at once: what comes late may come soon
        counts = _counts(workload, first.log, location)
    if first.wall_s > calls.SLOW_S:
        use = first.use if first.wall_s > calls.VERY_SLOW_S else calls.watched(workload)[0]
        checks.check_budget(workload.backend.name, workload.case.threads, [use])
        return replace(counts, threads_ran=use.threads_ran, peak_memory_bytes=first.peak_memory_bytes)
    with workload.fresh() as location:
        log, system = calls.logged(workload, location)
        counts = calls.same(counts, _counts(workload, log, location))
    checks.check_repetition(workload.backend.name, (first.log, first.system), (log, system), compare_chars=False)
    system = calls.agreed(workload, workload.fresh, first=system)
    events = calls.file_events(workload, workload.fresh)
    return replace(
        counts,
        files_opened=events.files_opened,
        renames=events.renames,
        read_calls=system.read_calls,
        write_calls=system.write_calls,
        threads_ran=calls.count_threads(workload),
    )


def _counts(workload: TargetWorkload, log: RequestLog, after: Location) -> Counts:
    """Return what a log says of a change, once that of an overwrite was held against geometry."""
    backend, predicted = workload.backend, None
    if isinstance(workload, OverwriteWorkload):
        regions = [request.region for request in workload.requests]
        predicted = predict_change(backend.name, workload.store.location, after, regions)
    n_requests, n_bytes = log.n_requests + log.count("set"), log.fetched_bytes + log.n_bytes("set")
    checks.check_prediction(workload, n_requests, n_bytes, predicted)
    found = calls.counts_of_log(log, predicted)
    return replace(
        found,
        sets=found.sets if backend.counts_writes else None,
        requests=log.n_requests if backend.counts_reads else None,
        fetched_bytes=log.fetched_bytes if backend.counts_reads else None,
        set_bytes=log.n_bytes("set") if backend.counts_writes else None,
    )


def count_objects(workload: Workload) -> Counts:
    """Count a list or a delete by one call: no library of a format takes part, and a million objects take long."""
    stored = contextlib.nullcontext(workload.store.location)
    with workload.fresh() if isinstance(workload, TargetWorkload) else stored as location:
        first = calls.first_call(workload, location)
    return replace(calls.counts_of_log(first.log, None), peak_memory_bytes=first.peak_memory_bytes)
