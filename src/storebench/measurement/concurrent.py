"""Several threads, or several processes, on separate blocks of one image at the same time: reading all of it, or writing it.

Blocks are whole chunks or shards, the same ones for any number of workers. Who works is started outside the clock; what the
clock holds is handing out the blocks, and the blocks: each is opened, read or written, and closed by one of the workers.
Voxels stay where they were read, and are where they are written from.
"""

from __future__ import annotations

import atexit
import functools
import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends import Backend, get_backend
from storebench.errors import UnsupportedError, UsageError, VerificationError
from storebench.grid import Region, Shape, iter_blocks
from storebench.measurement.images import Image
from storebench.measurement.workload import Workload
from storebench.measurement.writes import TargetWorkload
from storebench.pipelines import (
    Cluster,
    Engine,
    StoredLevel,
    Target,
    block_work,
    difference_of,
    engine_for,
    grown,
    region_array,
    store_block,
    why_not_by,
    write_unit,
)
from storebench.records import Case, Row
from storebench.storage import Storage
from storebench.stores import Location

_BLOCKS: Final = 16
"""Blocks that an image is cut into, where its chunks or shards allow it."""


def parse_concurrency(text: str) -> tuple[str, int]:
    """Read who works at once, as in "threads-2" or "workers-4"; returns "threads" or "workers", and the number.

    Raises
    ------
    UsageError
        If it is neither.
    """
    found = re.fullmatch(r"(threads|workers)-([1-9]\d*)", text)
    if found is None:
        raise UsageError(
            f"concurrency {text!r} is neither threads-N (of one process) nor workers-N (processes), as threads-2"
        )
    return found[1], int(found[2])


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is to work, before anybody is started: what cannot be is refused first."""

    name: str
    n_workers: int
    one_process: bool

    @classmethod
    def of(cls, concurrency: str) -> _Asked:
        kind, number = parse_concurrency(concurrency)
        return cls(f"{number} {kind if number > 1 else kind[:-1]}", number, kind == "threads")


@functools.cache
def _engine(concurrency: str, held: tuple[str, int] | None, storage: Storage) -> Engine:
    """Start who works, once in a process.

    Parameters
    ----------
    concurrency : str
        As of a case.
    held : tuple of str and int or None
        A backend and the threads that its library is held to in worker processes: pools belong to a process.
    storage : Storage
        Where workers keep files of their own: what a process that is cut off leaves there goes with the next clean.
    """
    kind, number = parse_concurrency(concurrency)
    with ExitStack() as stack:
        if kind == "threads":
            engine = stack.enter_context(engine_for(threads=number))
        else:
            engine = stack.enter_context(engine_for(workers=number, folder=stack.enter_context(storage.scratch())))
        why_not = engine.limit_threads(*held) if isinstance(engine, Cluster) and held is not None else None
        if why_not is not None:
            raise UnsupportedError(why_not)
        atexit.register(stack.pop_all().close)  # its processes end with this one
    return engine


def _engine_of(case: Case, storage: Storage) -> Engine:
    if case.concurrency is None:
        raise UsageError("a case without concurrency has one worker, this process")
    return _engine(case.concurrency, None if case.threads is None else (case.backend, case.threads), storage)


def _read_unit(backend: Backend, workload: Workload) -> Shape:
    """Return what a reader should not cut: what is one object, or is decoded at once."""
    stored, request = workload.store.stored, workload.store.request
    if stored.layout is None and stored.decode_shape == request.shape:
        return request.shape
    return write_unit(backend, request, stored.layout)


def _blocks(shape: Shape, unit: Shape) -> tuple[Region, ...]:
    block = grown(unit, shape, max(1, int(np.prod(shape)) // _BLOCKS))
    return tuple(iter_blocks(shape, block))


class ConcurrentReadWorkload(Workload):
    """Read every block of an image, several at the same time."""

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        super().__init__(case, image, storage)
        if case.cache != "warm" and case.concurrency and case.concurrency.startswith("workers"):
            raise UnsupportedError(
                "what worker processes read from the disk is not counted here; take cache warm, or threads-N"
            )
        self._engine = _engine_of(case, storage)
        self._regions = _blocks(image.shape, _read_unit(self.backend, self))
        self._held: tuple[Any, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the store; none for worker processes, as what they read of the disk is not counted in this one."""
        return tuple(Path(file) for file in self.store.location.files()) if self._engine.one_process else ()

    def prepare(self) -> None:
        """Let go of the last result."""
        self._held = ()

    def perform(self, location: Location) -> None:
        """Have every block read."""
        shape, dtype = self.image.shape, self.image.dtype
        level = StoredLevel(backend=self.backend.name, path=location.path.absolute(), level=0, shape=shape, dtype=dtype)
        self._held = self._engine.hold([region_array(level, region) for region in self._regions])

    def check(self) -> None:
        """Have every block compared with the source where it was read (lossy codecs: within the error found before)."""
        pairs = zip(self._regions, self._held, strict=True)
        works = [block_work(i, functools.partial(_error, self.image, r), held) for i, (r, held) in enumerate(pairs)]
        errors: dict[int, float] = {}
        self._engine.run(works, lambda done: errors.update({done.index: done.value}))
        allowed = 0.0 if self.store.request.codec.lossless else self.store.fidelity.max_abs_error
        wrong = [self._regions[i] for i in sorted(errors) if not errors[i] <= allowed]
        if wrong or len(errors) != len(self._regions):
            raise VerificationError(
                f"{self.backend.name}, {self.case.concurrency}: {len(wrong)} of {len(self._regions)} blocks are not what was "
                f"written, the first {wrong[0] if wrong else 'is missing'}"
            )

    def row(self) -> Row:
        """Return the facts; geometry is the whole image's, as blocks cut no chunk."""
        return replace(super().row(), voxels_asked=int(np.prod(self.image.shape)))


def _error(image: Image, region: Region, found: NDArray) -> float:
    """Return the largest error of a block; infinite where a NaN is lost, or the block has another shape or type."""
    source = image.read(region)
    if found.shape != source.shape or found.dtype != source.dtype:
        return float("inf")
    error = difference_of(region.start, found, source).max_abs_error
    return float("inf") if np.isnan(error) else error


class ConcurrentWriteWorkload(TargetWorkload):
    """Begin an image, then write every block of it, several at the same time."""

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        backend = get_backend(case.backend)
        why_not = why_not_by(backend, _Asked.of(case.concurrency or ""))
        if case.n_levels > 1:
            why_not = "a concurrent write is of one level; leave the levels out"
        if why_not is not None:
            raise UnsupportedError(why_not)
        super().__init__(case, image, storage)
        request = self.store.request
        if backend.write_order(request) == "whole" or backend.parallel_writes == "none":
            raise UnsupportedError(
                f"{backend.name} writes an image in one piece, so nobody can share the work; write without concurrency"
            )
        self._engine = engine = _engine_of(case, storage)
        regions = _blocks(image.shape, write_unit(backend, request, self.store.stored.layout))
        self._parts = tuple(zip(regions, engine.hold([region_array(image, region) for region in regions]), strict=True))

    def perform(self, location: Location) -> None:
        """Begin the image, and have every block written."""
        target = Target(
            backend=self.backend.name,
            path=location.path.absolute(),
            request=self.store.request,
            own_fsync=location.own_fsync,
        )
        target.create()
        works = (
            block_work(index, functools.partial(store_block, target, region, 0), values)
            for index, (region, values) in enumerate(self._parts)
        )
        self._engine.run(works, lambda done: None)

    def check(self) -> None:
        """Compare the number of files with the verified store's, and every voxel with the source (lossy codecs: its error)."""
        self._check_files()
        allowed = 0.0 if self.store.request.codec.lossless else self.store.fidelity.max_abs_error
        with self.backend.open(self._target) as reader:
            wrong = [r for r, _ in self._parts if not _error(self.image, r, reader.read(r)) <= allowed]
        if wrong:
            raise VerificationError(
                f"{self.backend.name}, {self.case.concurrency}: {len(wrong)} of {len(self._parts)} blocks are not what was "
                f"written, the first {wrong[0]}"
            )
