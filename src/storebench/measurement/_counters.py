"""The table of what counts an operation, and what a process that counts answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any, Final

from storebench.measurement._codec_speed import codec_bytes_per_s
from storebench.measurement._counting_calls import Counts, count_threads
from storebench.measurement._counting_changes import count_change, count_objects
from storebench.measurement._counting_creations import count_creation
from storebench.measurement._counting_reads import count_reading
from storebench.measurement.memory import call, keep_what_is_freed, peak_memory
from storebench.measurement.workload import Workload
from storebench.records import Operation


def _count_threads(workload: Workload) -> Counts:
    """Count what asks for no store. One call first, so that the next ones are like all others."""
    call(workload)
    return Counts(threads_ran=count_threads(workload))


_COUNTERS: Final[Mapping[Operation, Callable[[Any], Counts]]] = MappingProxyType(
    {
        "read": count_reading,
        "open": count_reading,
        "write": count_creation,
        "encode": _count_threads,
        "decode": _count_threads,
        "build_levels": count_change,
        "append": count_change,
        "overwrite": count_change,
        "list": count_objects,
        "delete": count_objects,
    }
)
"""What counts the workload of an operation, in a fresh process. A slow call is counted with its memory."""


def count(workload: Workload) -> Counts:
    """Count in this process.

    Parameters
    ----------
    workload : Workload
        Ready to run.

    Returns
    -------
    Counts
        Without the growth of memory, which needs a fresh process; with it where a call is slow, right if this one is fresh.

    Raises
    ------
    VerificationError
        If the backend keeps its last result, asks for more than predicted, reads or writes by other means than its store,
        goes on writing after it returned, or uses more processors than its thread budget.
    """
    counted = _COUNTERS[workload.case.operation](workload)
    keep_what_is_freed()
    return replace(counted, codec_bytes_per_s=codec_bytes_per_s(workload))


def answer(workload: Workload, question: str) -> Any:
    """Return what a process that counts was asked for, as JSON values.

    Parameters
    ----------
    workload : Workload
        In a fresh process.
    question : str
        "count" or "memory".
    """
    return asdict(count(workload)) if question == "count" else peak_memory(workload)
