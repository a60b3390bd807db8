"""Growth of resident memory in one call of a fresh process, without root: writing 5 to clear_refs resets the high-water mark."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storebench.measurement.workload import Workload

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_KEEPS_LITTLE, _KEEPS_MOST = 128 * 2**10, 32 * 2**20
"""glibc's threshold at the start, and the largest that it comes to by itself; see mallopt(3)."""
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

    Memory that is free already goes back to the system first, so that using it again is seen; of what a thread other than the
    first has freed, only where `give_back_what_is_freed` was called before. Coarse below 64 MiB: pages of the heap are used
    again without being seen (notes: ±40 % for peaks of 2 MiB).
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


def give_back_what_is_freed() -> None:
    """Have glibc return each large block to the system when it is freed.

    Otherwise a thread keeps what it freed, malloc_trim leaves that alone, and a peak that uses it again is not seen: of four
    chunks of 8 MiB and their copies between 0 and 40 MiB were, of 64. Other allocators go on as they do.
    """
    _set_thresholds(_KEEPS_LITTLE)


def keep_what_is_freed() -> None:
    """Let glibc keep large blocks that are freed, as it does in a process that runs on: what takes time is as fast as there."""
    _set_thresholds(_KEEPS_MOST)


def _set_thresholds(n_bytes: int) -> None:
    set_option = _of_glibc("mallopt")
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, n_bytes)
        set_option(_M_TRIM_THRESHOLD, 2 * n_bytes)


def _give_back_memory() -> None:
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function that other allocators lack."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
