"""Holding libraries on Rust's pool of threads and on Dask's to a number. Both pools are the process's, not a library's."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

_RAYON: Final = "RAYON_NUM_THREADS"


def limit_rayon_threads(threads: int, modules: Collection[str]) -> str | None:
    """Let Rayon's pool, which is made when it is first used and never again, have so many threads.

    Parameters
    ----------
    threads : int
        At least 1.
    modules : collection of str
        What makes the pool: modules that must not be there yet.

    Returns
    -------
    str or None
        None, or the sentence for a process whose pool may be there already.
    """
    if os.environ.get(_RAYON) == str(threads):
        return None
    if any(module in sys.modules for module in modules):
        return (
            f"this process has loaded {' or '.join(sorted(modules))}, whose pool of threads cannot be made smaller any more; "
            "start a fresh process"
        )
    os.environ[_RAYON] = str(threads)
    return None


def limit_dask_threads(threads: int) -> None:
    """Let Dask work with so many threads of its own, one of them the caller's where it is the only one."""
    import dask

    dask.config.set(scheduler="synchronous" if threads == 1 else "threads", num_workers=threads)


@contextmanager
def dask_of_this_process() -> Iterator[None]:
    """Let what is computed within be computed here, where Dask would else give it to a cluster that this process works with."""
    import dask

    held_to_one = dask.config.get("scheduler", None) == "synchronous"
    with dask.config.set(scheduler="synchronous" if held_to_one else "threads"):
        yield
