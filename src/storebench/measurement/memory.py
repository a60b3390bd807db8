"""Growth of resident memory in one call of a fresh process, without root: writing 5 to clear_refs resets the high-water mark."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storebench.measurement.workload import Workload

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Growth:
    """Bytes by which resident memory grew at its peak; None where this system does not tell."""

    n_bytes: int | None = None


def _status_bytes(field: str) -> int | None:
    match = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else None


@contextmanager
def peak_growth() -> Iterator[Growth]:
    """Measure the block's peak of resident memory over what was there before.

    Memory that is free already goes back to the system first, so that using it again is seen. Coarse below 64 MiB: pages of
    the heap are used again without being seen (notes: ±40 % for peaks of 2 MiB).
    """
    growth = Growth()
    _give_back_memory()
    try:
        _CLEAR.write_text("5")
        before = _status_bytes("VmRSS")
    except OSError:  # not Linux, or a container that hides it
        before = None
    yield growth
    peak = None if before is None else _status_bytes("VmHWM")
    if before is not None and peak is not None:
        growth.n_bytes = max(0, peak - before)


def call(workload: Workload) -> None:
    """Make one call, with what goes before and after it."""
    workload.prepare()
    try:
        workload.run()
    finally:
        workload.conclude()


def peak_memory(workload: Workload) -> int | None:
    """Return the growth of resident memory at the peak of one call, bytes; None where this system does not tell.

    For a fresh process. The call before it loads what is loaded once.
    """
    if not _CLEAR.exists():
        return None
    call(workload)
    workload.prepare()
    gc.collect()
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
