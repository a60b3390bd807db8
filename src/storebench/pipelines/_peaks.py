"""Peaks of memory, of this process and of every worker."""

from __future__ import annotations

from storebench.pipelines._arrays import Done, peak_bytes, process_name


class Peaks:
    """Collects the largest resident memory (VmHWM) that each process tells with its blocks."""

    def __init__(self) -> None:
        self._by_process: dict[str, int] = {}

    def add(self, done: Done) -> None:
        """Take down what a block says of its process."""
        if done.peak_bytes is not None:
            self._by_process[done.process] = max(done.peak_bytes, self._by_process.get(done.process, 0))

    @property
    def client_bytes(self) -> int | None:
        """Of this process, all threads."""
        return peak_bytes()

    @property
    def worker_bytes(self) -> tuple[int, ...]:
        """Of every other process that did blocks, those that died too; the largest first."""
        mine = process_name()
        return tuple(sorted((n for name, n in self._by_process.items() if name != mine), reverse=True))

    def total_bytes(self, n_workers: int) -> int | None:
        """Return the sum over this process and the largest workers that can have been there at the same time."""
        mine = self.client_bytes
        return None if mine is None else mine + sum(self.worker_bytes[:n_workers])
