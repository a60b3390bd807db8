"""Growth of memory in one call, measured in a fresh process."""

from __future__ import annotations

import ctypes
import gc
import sys

from storebench.measurement.memory import peak_growth
from storebench.measurement.workload import Workload


def call(workload: Workload) -> None:
    """Make one call, with what goes before and after it."""
    workload.prepare()
    try:
        workload.run()
    finally:
        workload.conclude()


def peak_memory(workload: Workload) -> int | None:
    """Return the growth of resident memory at the peak of one call, bytes; None where this system does not tell.

    For a fresh process. The call before it loads what is loaded once; the memory that it frees goes back to the system, so
    that using it again is seen.
    """
    call(workload)
    workload.prepare()
    gc.collect()
    _give_back_memory()
    try:
        with peak_growth() as growth:
            workload.run()
    finally:
        workload.conclude()
    return growth.n_bytes


def _give_back_memory() -> None:
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; others keep what they have
        if trim is not None:
            trim(0)
