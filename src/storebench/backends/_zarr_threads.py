"""zarr-python's threads: holding them to a number, and waiting for them. Its pools are process-wide and made once."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent import futures
from typing import Final

_FUSED_POOL: Final = "codec_pipeline.max_workers"
"""Size of the pool of zarr 3.4's fused pipeline, of which zarr 3.1 knows nothing."""

_WAITING: Final = "storebench waits for other chunks"
_one_waits: Final = threading.Lock()


def limit_zarr_threads(threads: int) -> str | None:
    """Let zarr work with at most this many threads at once, from now on.

    zarr has one more thread with its event loop, which hands out work and waits; with one chunk in flight per worker it
    has nothing to do while they work. `numcodecs.blosc.use_threads` is False once zarr is imported, whatever the number
    that is set here: Blosc then works in its caller's thread. So does OpenJPEG, which takes more where its variable says so,
    and is told 0 here; no other codec has threads of its own.

    Parameters
    ----------
    threads : int
        At least 1.

    Returns
    -------
    str or None
        None, or the sentence for a pool that is there already and has another size.
    """
    import numcodecs.blosc
    import zarr

    os.environ["OPJ_NUM_THREADS"] = "0"
    numcodecs.blosc.set_nthreads(threads)
    settings = {"threading.max_workers": threads, "async.concurrency": threads}
    if zarr.config.get(_FUSED_POOL, "unknown") != "unknown":
        settings[_FUSED_POOL] = threads
    zarr.config.set(settings)
    found, fused = _pool_sizes()
    if fused > threads:  # it grows where more is asked for, and never shrinks
        found = fused
    if found == threads:
        return None
    plural = "s" if found > 1 else ""
    return f"this process already runs zarr with {found} thread{plural}, not {threads}; start a fresh process"


def _pool_sizes() -> tuple[int, int]:
    """Return how many threads zarr's pool has, and the fused pipeline's pool; 0: it is not there.

    The first is made here where it is not there yet. zarr tells neither, so its private names are asked. A pool that
    was made before any limit was set is the event loop's own, which zarr replaces by the one that is made here.
    """
    from zarr.core import codec_pipeline, sync

    fused = getattr(codec_pipeline, "_pool", None)
    return sync._get_executor()._max_workers, 0 if fused is None else fused._max_workers


def wait_for_other_chunks() -> None:
    """Wait until zarr writes nothing more: when one chunk fails it raises at once, while the others are still being written.

    Whoever removes what is there would otherwise see files come back (seen on a full disk, zarr 3.1.6). Two threads that fail at
    once must not wait for each other.
    """
    from zarr.core.sync import sync

    async def settled() -> None:
        waiting = asyncio.current_task()
        if waiting is not None:
            waiting.set_name(_WAITING)
        others = [task for task in asyncio.all_tasks() if task.get_name() != _WAITING]
        await asyncio.gather(*others, return_exceptions=True)

    sync(settled())
    _wait_for_pool()


def _wait_for_pool() -> None:
    """Wait until no thread of the fused pipeline's pool works: each is given something that ends when all have it."""
    from zarr.core import codec_pipeline

    pool = getattr(codec_pipeline, "_pool", None)
    if pool is None:
        return
    with _one_waits:  # of two that wait, each could hold half of the threads
        barrier = threading.Barrier(pool._max_workers)
        futures.wait([pool.submit(barrier.wait) for _ in range(pool._max_workers)])
