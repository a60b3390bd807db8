"""Who works on the blocks: dask's threads in this process, or the workers of a distributed cluster.

Both are given blocks one after the other and hold only a few at a time: memory is bounded by workers times blocks,
whatever the size of the volume.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from storebench.backends import get_backend
from storebench.backends._refusals import missing_distributions
from storebench.errors import MeasurementError, MissingDependencyError, StorageError, UsageError
from storebench.pipelines._arrays import Done
from storebench.units import MIB, bytes_text

if TYPE_CHECKING:
    import dask.array as da
    from distributed import Client, Future

_BLOCKS_AT_ONCE: Final = 16
"""Blocks per thread that are handed over together: threads wait for each other at their end only."""

_BLOCKS_PER_WORKER: Final = 2
"""Blocks that a worker has or waits with: the next is there when one is done."""

_CONNECT_S: Final = 30

_LEAST_MEMORY: Final = 384 * MIB
"""A worker holds 73 MiB before its first block (Python 3.11, zarr) and held 283 MiB at most with blocks (docs/large.md);
distributed pauses it at 80 % of its limit."""

_ALLOCATOR: Final = {"MALLOC_TRIM_THRESHOLD_": str(64 * MIB), "MALLOC_MMAP_THRESHOLD_": str(16 * MIB)}
"""glibc's settings in worker processes: they keep so much of freed memory. distributed's own give every array of 64 KiB back at
once, after which the system clears its pages again: half of the processor time of making a volume went there."""


class Workers(Protocol):
    """Who is to work, whether they were started or not."""

    @property
    def name(self) -> str:
        """In words, as in "2 threads"."""

    @property
    def n_workers(self) -> int:
        """Blocks that are worked on at the same time."""

    @property
    def one_process(self) -> bool:
        """Whether all work is done in this process."""


class Engine(Workers, Protocol):
    """Who works on blocks."""

    @property
    def one_machine(self) -> bool:
        """Whether all workers share this machine's memory."""

    def run(self, works: Iterable[da.Array], finished: Callable[[Done], None]) -> None:
        """Do all works (see `block_work`), and tell of each when it is done, in any order.

        Also where this raises, nobody works any more afterwards: else files would come back that were cleaned away.
        """

    def hold(self, arrays: Sequence[da.Array]) -> tuple[da.Array, ...]:
        """Compute arrays and leave the voxels with who computed them, until the result is let go of."""


class Threads:
    """dask's threaded scheduler.

    Parameters
    ----------
    n_threads : int
        At most so many blocks at once.
    """

    one_process = True
    one_machine = True

    def __init__(self, n_threads: int) -> None:
        self.n_workers = n_threads
        self.name = "1 thread" if n_threads == 1 else f"{n_threads} threads"

    def run(self, works: Iterable[da.Array], finished: Callable[[Done], None]) -> None:
        """Compute some blocks, then the next."""
        import dask
        from dask.callbacks import Callback

        told: set[int] = set()

        def look(_key: object, result: object, *_state: object) -> None:
            done = result.flat[0] if isinstance(result, np.ndarray) and result.dtype == object else None
            if isinstance(done, Done) and done.index not in told:  # dask hands the same array on to its last step
                told.add(done.index)
                finished(done)

        left = iter(works)
        with ThreadPoolExecutor(
            self.n_workers
        ) as pool:  # its end waits for its threads; dask itself leaves them running
            while some := list(itertools.islice(left, _BLOCKS_AT_ONCE * self.n_workers)):
                with Callback(posttask=look):
                    dask.compute(*some, scheduler="threads", pool=pool)
                told.clear()

    def hold(self, arrays: Sequence[da.Array]) -> tuple[da.Array, ...]:
        """Compute arrays into this process's memory."""
        import dask

        held: tuple[da.Array, ...] = dask.persist(*arrays, scheduler="threads", num_workers=self.n_workers)
        return held


class Cluster:
    """The workers of a distributed cluster, on this machine or on others.

    A worker that dies loses nothing: its blocks are done again by another (the scheduler gives up on a block that has
    taken several workers with it).

    Parameters
    ----------
    client : distributed.Client
        Connected.
    name : str
        In words.
    one_machine : bool
        Whether all workers are on this machine.
    """

    one_process = False

    def __init__(self, client: Client, name: str, *, one_machine: bool) -> None:
        self._client = client
        self.name = name
        self.one_machine = one_machine

    @property
    def n_workers(self) -> int:
        """Threads of all workers that are there now, at least 1."""
        return max(1, sum(int(n) for n in self._client.nthreads().values()))

    def run(self, works: Iterable[da.Array], finished: Callable[[Done], None]) -> None:
        """Keep each worker busy, and hand out the next block as one is done."""
        left = iter(works)
        given = set(self._client.compute(list(itertools.islice(left, _BLOCKS_PER_WORKER * self.n_workers))))
        try:
            self._hand_out(left, given, finished)
        except BaseException:
            self._stop(given)
            raise

    def _hand_out(self, left: Iterator[da.Array], given: set[Future], finished: Callable[[Done], None]) -> None:
        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        completed = as_completed(given, loop=self._client.loop, with_results=False)
        for future in completed:
            try:
                result = future.result()
            except KilledWorker as error:
                raise MeasurementError(
                    f"a block was given up, as the workers that it was given to died one after the other ({error}); often "
                    "memory that ran out: use fewer workers, a larger --memory-limit or smaller shards, then go on with --resume"
                ) from error
            finished(result.flat[0])
            given.discard(future)
            future.release()
            for work in itertools.islice(left, 1):
                given.add(another := self._client.compute(work))
                completed.add(another)

    def _stop(self, given: set[Future]) -> None:
        """Cancel blocks, and wait for those that workers are at."""
        with suppress(OSError):  # the cluster is gone, and its workers with it
            self._client.cancel(list(given))
            # dask names what it has fused by its future, and other tasks as `_arrays` does.
            marks = (f"-storebench-{os.getpid()}-", *(str(future.key) for future in given))
            self._client.run(_none_left, marks, on_error="return")

    def hold(self, arrays: Sequence[da.Array]) -> tuple[da.Array, ...]:
        """Compute arrays into the workers' memory."""
        from distributed import futures_of, wait

        held = tuple(self._client.persist(list(arrays)))
        with self._client.as_current():
            done = wait(futures_of(held)).done
        for future in done:
            if future.status != "finished":
                future.result()  # raises what went wrong
        return held

    def limit_threads(self, backend: str, threads: int) -> str | None:
        """Hold a backend's library to so many threads in every worker; return why that cannot be done, or None."""
        answers = self._client.run(_limit_threads, backend, threads)
        return next((why for why in answers.values() if why is not None), None)


async def _none_left(marks: Sequence[str], dask_worker: Any) -> None:
    """Wait until a worker is at none of the tasks that have one of these in their names."""
    over = ("memory", "error", "released", "forgotten")
    while any(
        task.state not in over and any(mark in str(key) for mark in marks)
        for key, task in dask_worker.state.tasks.items()
    ):
        await asyncio.sleep(0.02)


def _limit_threads(backend: str, threads: int) -> str | None:
    return get_backend(backend).limit_threads(threads)


@contextmanager
def engine_for(
    *,
    threads: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    memory_limit: int | None = None,
    folder: Path | None = None,
) -> Iterator[Engine]:
    """Start who works on blocks, and end it afterwards.

    Parameters
    ----------
    threads : int, optional
        Threads of this process; without any of these three: one per processor.
    workers : int, optional
        Processes on this machine, one thread each.
    scheduler : str, optional
        Address of a cluster that runs already, as in "tcp://10.0.0.1:8786"; it is left running.
    memory_limit : int, optional
        Bytes that one of `workers` may hold; it is restarted where it takes more. Left out: an equal part of the machine's.

    folder : pathlib.Path, optional
        Where `workers` keep files of their own; left out: dask's own choice, a folder for temporary files.

    Raises
    ------
    UsageError
        If several are asked for.
    MissingDependencyError
        If dask or distributed is not installed.
    StorageError
        If the scheduler does not answer, or no worker comes to it.
    """
    if sum(choice is not None for choice in (threads, workers, scheduler)) > 1:
        raise UsageError(
            "threads, workers and a scheduler exclude each other: give one of --threads, --workers, --scheduler"
        )
    if memory_limit is not None and workers is None:
        raise UsageError("--memory-limit is for the processes of --workers N; leave it out, or add --workers 2")
    if memory_limit is not None and memory_limit < _LEAST_MEMORY:
        raise UsageError(
            f"--memory-limit {bytes_text(memory_limit)} is less than a worker takes with its libraries and two blocks; "
            f"give {bytes_text(_LEAST_MEMORY)} or more"
        )
    why_not = missing_distributions(("dask", "distributed"), "dask")
    if why_not is not None:
        raise MissingDependencyError(why_not)
    if workers is None and scheduler is None:
        import psutil

        yield Threads(threads or psutil.cpu_count() or 1)
        return
    with _connected(scheduler) if scheduler is not None else _started(workers or 1, memory_limit, folder) as client:
        n_workers = len(client.nthreads())
        words = "1 worker" if n_workers == 1 else f"{n_workers} workers"
        if scheduler is None:
            yield Cluster(client, words, one_machine=True)
        else:
            yield Cluster(client, f"{words} of {scheduler}", one_machine=False)


@contextmanager
def _started(n_workers: int, memory_limit: int | None, folder: Path | None) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster

    environ = dask.config.get("distributed.nanny.pre-spawn-environ") | _ALLOCATOR
    with dask.config.set({"distributed.nanny.pre-spawn-environ": environ}):
        cluster = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            memory_limit="auto" if memory_limit is None else memory_limit,
            local_directory=None if folder is None else str(folder),
            dashboard_address="127.0.0.1:0",  # any port: its server is there also without a dashboard
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,  # a worker that dies costs time and nothing else
        )
    with cluster, Client(cluster, set_as_default=False) as client:
        client.register_plugin(_leave_interrupts_to_the_client())  # for workers that replace others too
        yield client


def _leave_interrupts_to_the_client() -> Any:
    """Return a plugin that lets workers ignore Ctrl-C, which a terminal sends to all processes: each would tell of it."""
    from distributed import WorkerPlugin

    class Deaf(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
        name = "storebench-deaf"

        def setup(self, worker: object) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise StorageError(
            f"no scheduler answers at {scheduler} ({error}); start one with: dask scheduler, and workers with: "
            f"dask worker {scheduler} --nworkers 2 --nthreads 1"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECT_S)
        except TimeoutError as error:
            raise StorageError(
                f"{scheduler} has no workers, and none came within {_CONNECT_S} s; "
                f"start some with: dask worker {scheduler} --nworkers 2"
            ) from error
        yield client
