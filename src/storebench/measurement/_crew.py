"""Worker processes for many cases: one for each backend and thread budget, all fresh in each generation."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np

from storebench.measurement.worker import Worker
from storebench.records import Case, Environment, Row, Sample
from storebench.storage import Storage

_T = TypeVar("_T")
_HELD_SHARE: Final = 0.5


class Crew:
    """The `Source` that measures.

    Parameters
    ----------
    cases : sequence of (Case, str)
        Cases with the keys of their images in the storage root.
    launch : callable
        Starts a worker.
    rng : random.Random
        Makes the order in which workers start.
    """

    def __init__(self, cases: Sequence[tuple[Case, str]], launch: Callable[[], Worker], rng: random.Random) -> None:
        self.environment: Environment | None = None
        self._cases = {case.id: (case, key) for case, key in cases}
        self._launch, self._rng = launch, rng
        self._workers: dict[tuple[str, int | None], Worker] = {}

    def _pool(self, case_id: str) -> tuple[str, int | None]:
        case, _ = self._cases[case_id]
        return case.backend, case.threads

    def begin(self, case_ids: Sequence[str]) -> None:
        """Start the workers that these cases need, all at the same time, and wait until each is ready."""
        pools = sorted({self._pool(case_id) for case_id in case_ids}, key=str)
        for pool in self._rng.sample(pools, len(pools)):
            self._workers[pool] = self._launch()
        for worker in self._workers.values():
            self.environment = worker.environment

    def holds(self, case_id: str) -> bool:
        """Tell whether a case is open in a worker that lives."""
        worker = self._workers.get(self._pool(case_id))
        return worker is not None and case_id in worker.held and worker.alive

    def open(self, case_id: str) -> Row:
        """Open a case in its worker; in a new one where another case was the death of that."""
        pool = self._pool(case_id)
        if not self._workers[pool].alive:
            self._workers[pool].close()
            self._workers[pool] = self._launch()
        return self._workers[pool].open(*self._cases[case_id])

    def call(self, case_id: str) -> Sample | None:
        """Make one call."""
        return self._workers[self._pool(case_id)].call(case_id)

    def end(self) -> None:
        """End all workers, at the same time."""
        close_all(list(self._workers.values()))
        self._workers.clear()


def close_all(workers: Sequence[Worker]) -> None:
    """End workers at the same time; each of them, whatever interrupts."""
    with contextlib.ExitStack() as closing:
        for worker in workers:
            closing.callback(worker.close)
            worker.dismiss()


def held_bytes(case: Case) -> int:
    """Return what an open session holds at most, bytes: the voxels it writes, or the result of its last read."""
    levels = 1 if case.n_levels == 1 else 4 / 3  # each level has an eighth to a quarter of the voxels of the one before
    return int(math.prod(case.shape) * np.dtype(case.dtype).itemsize * levels)


def memory_for_cases() -> int:
    """Return how many bytes open sessions may hold: half of what is free, since calls need memory of their own."""
    import psutil

    return int(psutil.virtual_memory().available * _HELD_SHARE)


def blocks_that_fit(items: Sequence[_T], sizes: Sequence[int], bound: int) -> list[list[_T]]:
    """Split items, in their order, into as few even blocks as hold no more than `bound` bytes each (one item always fits).

    Cases are interleaved within a block only, so there is one block wherever that is possible.
    """
    n_blocks = max(1, math.ceil(sum(sizes) / max(1, bound)))
    while n_blocks < len(items):
        blocks = [list(range(i, len(items), n_blocks)) for i in range(n_blocks)]
        if all(sum(sizes[i] for i in block) <= bound for block in blocks):
            break
        n_blocks += 1
    n_blocks = min(n_blocks, len(items))
    return [list(items[i::n_blocks]) for i in range(n_blocks)]


def without_paths(sentence: str, storage: Storage) -> str:
    """Return a sentence as results may hold it: every file named in it lies in the storage root."""
    for root in (storage.root, storage.root.absolute(), storage.root.resolve()):
        sentence = sentence.replace(str(root), "<storage root>")
    return sentence
