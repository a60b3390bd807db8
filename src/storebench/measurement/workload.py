"""One case as something that can be timed: prepare │ run │ conclude, and the facts that no clock is needed for.

`run` is the only part inside a clock. It performs exactly what a user would call: create or open, read or write, close.
"""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storebench.access import Request, Target, parse_pattern
from storebench.backends import Backend, get_backend
from storebench.backends._owned import owned
from storebench.errors import MissingDependencyError, UnsupportedError, VerificationError
from storebench.grid import Region, Shape, chunks_touched, voxels_decoded
from storebench.levels import build_levels
from storebench.measurement.environment import record_environment
from storebench.measurement.fidelity import largest_error
from storebench.measurement.images import Image
from storebench.measurement.stored import StoredImage, stored_image_of, write_request
from storebench.records import Case, Row, Sample
from storebench.storage import Storage
from storebench.stores import Location


@functools.cache
def _named(pid: int) -> str:
    return f"{pid:x}-{time.time_ns() // 1_000_000:x}"


def process_id() -> str:
    """Return a name for this process that no other of the same campaign has, forked ones included."""
    return _named(os.getpid())


class Workload:
    """One case, ready to be timed. Use `operations.workload_for`.

    Parameters
    ----------
    case : Case
        What to do.
    image : Image
        The voxels.
    storage : Storage
        Where stores are kept and scratch targets are made.

    Raises
    ------
    MissingDependencyError
        If the backend's library is not there.
    UnsupportedError, UsageError
        If the backend cannot do exactly that.
    VerificationError
        If what is stored is not what was written.
    """

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        self.case, self.image, self.storage = case, image, storage
        self.backend: Backend = get_backend(case.backend)
        why_not = self.backend.why_unavailable()
        if why_not is not None:
            raise MissingDependencyError(why_not)
        if case.threads is not None:
            why_not = self.backend.limit_threads(case.threads)  # before the library's first call makes its pools
            if why_not is not None:
                raise UnsupportedError(why_not)
        environment = record_environment(storage.root)
        versions = {name: environment.libraries[name] for name in self.backend.distributions} | dict(
            self.backend.facts()
        )
        request = write_request(case, image)
        self.store: StoredImage = stored_image_of(storage, self.backend, request, image, versions)
        self._opened_at: float | None = None
        self._open_s: float | None = None
        self._sync_s: float | None = None
        self._frame_s: list[float] = []
        self._started_at = self._wall_s = self._cpu_s = math.nan

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files whose state in the page cache is part of the case; none where the operation reads no store."""
        return ()

    def prepare(self) -> None:
        """Make everything ready for one call, outside the clock."""

    def run(self) -> None:
        """Do it once: the timed part."""
        self._opened_at = self._sync_s = None
        self._frame_s = []
        started_at, cpu, start = time.time(), time.process_time(), time.perf_counter()
        self._call()
        stop = time.perf_counter()
        self._wall_s, self._cpu_s, self._started_at = stop - start, time.process_time() - cpu, started_at
        self._open_s = None if self._opened_at is None else self._opened_at - start

    def conclude(self) -> Sample:
        """Tidy up outside the clock, and return the sample; its digits end where the clocks' do, at 1 ns."""
        return Sample(
            wall_s=round(self._wall_s, 9),
            open_s=None if self._open_s is None else round(self._open_s, 9),
            cpu_s=round(self._cpu_s, 9),
            started_at=round(self._started_at, 3),
            process_id=process_id(),
            sync_s=None if self._sync_s is None else round(self._sync_s, 9),
            frame_s=tuple(round(seconds, 9) for seconds in self._frame_s) or None,
        )

    def check(self) -> None:
        """Compare what the last call gave with the source.

        Raises
        ------
        VerificationError
            If they differ.
        """

    def _call(self) -> None:
        self.perform(self.store.location)

    def perform(self, location: Location) -> None:
        """Do what the clock holds, on this place: for a count, a counted one."""
        raise NotImplementedError(f"{type(self).__name__} has no operation on a store")

    def row(self) -> Row:
        """Return everything about the case that no clock is needed for."""
        stored, layout = self.store.stored, self.store.stored.layout
        return Row(
            case=self.case,
            status="ok",
            format=self.backend.format,
            library=self.backend.library,
            library_version=importlib.metadata.version(self.backend.library),
            chunk_shape=layout.chunk_shape if layout else None,
            shard_shape=layout.shard_shape if layout else None,
            logical_bytes=math.prod(self.image.shape) * self.image.dtype.itemsize,
            chunk_bytes=stored.chunk_bytes,
            stored_bytes=self.store.stored_bytes,
            n_files=self.store.n_files,
            **asdict(self.store.fidelity),
        )


class ReadWorkload(Workload):
    """Open, read the pattern's regions, close."""

    def __init__(self, case: Case, image: Image, storage: Storage) -> None:
        super().__init__(case, image, storage)
        with self.backend.open(self.store.location) as reader:
            target = Target(reader.levels, image.axes)
        self.requests: tuple[Request, ...] = parse_pattern(case.pattern).requests(target, image.seed or 0)
        self._results: list[NDArray] = []
        self._levels: dict[int, NDArray] = {}  # what requests must give, of levels that are asked for

    def prepare(self) -> None:
        """Let go of the last result, so that memory is there again."""
        self._results = []

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the store."""
        return _paths(self.store.location)

    def perform(self, location: Location) -> None:
        """Open, read every region, close."""
        results = self._results
        with self.backend.open(location) as reader:
            self._opened_at = time.perf_counter()
            if len(self.requests) == 1:
                results.append(reader.read(self.requests[0].region, self.requests[0].level))
                return
            before = self._opened_at
            for request in self.requests:
                results.append(reader.read(request.region, request.level))
                now = time.perf_counter()
                self._frame_s.append(now - before)
                before = now

    def check(self) -> None:
        """Compare the regions with the source (lossy codecs: within the error found when the store was verified)."""
        for request, found in zip(self.requests, self._results, strict=True):
            source = self._source(request)
            if found.shape != source.shape or found.dtype != source.dtype:
                raise VerificationError(
                    f"read {found.dtype}{found.shape} where {source.dtype}{source.shape} was asked for"
                )
            if owned(found) is not found:
                raise VerificationError(
                    f"{self.backend.name} gave a view into something of the library's or a read-only array, so decoding may "
                    "not be in the time; its reader has to return owned, C-contiguous voxels"
                )
            if self.store.request.codec.lossless or self._made_by_format(request.level):
                equal = np.array_equal(found, source, equal_nan=source.dtype.kind == "f")
            else:
                equal = largest_error(found, source) <= self.store.level_errors[request.level]
            if not equal:
                raise VerificationError(
                    f"{self.backend.name}: region {request.region} of level {request.level} is not what was written; if the "
                    "stored file was damaged, storebench clean removes it and the next run writes it anew"
                )

    def _made_by_format(self, level: int) -> bool:
        """Tell whether a level is the format's own, as JPEG 2000's wavelet makes them, and not one that was written."""
        return level >= len(self.store.request.level_shapes)

    def _source(self, request: Request) -> NDArray:
        """Return what a request must give; for a level of the format's own, the part of its whole level."""
        if request.level == 0:
            return self.image.read(request.region)
        return self._level(request.level)[request.region.slices]

    def _level(self, level: int) -> NDArray:
        """Return a whole level above 0; it is kept, as a trace asks for parts of it many times."""
        if level not in self._levels:
            if self._made_by_format(level):
                with self.backend.open(self.store.location) as reader:
                    self._levels[level] = reader.read(Region.whole(reader.levels[level]), level)
            else:
                request = self.store.request
                made = build_levels(self.image.voxels(), request.level_factors, request.level_method)
                self._levels |= dict(enumerate(made[1:], start=1))
        return self._levels[level]

    def row(self) -> Row:
        """Return the facts, with the voxels that geometry says are asked for and decoded."""
        stored = self.store.stored
        blocks = [(request.region, stored.decode_shape_of(request.level)) for request in self.requests]
        one_voxel = any(block is not None and math.prod(block) == 1 for _, block in blocks)  # a run of bytes, no chunks
        return replace(
            super().row(),
            voxels_asked=sum(request.region.n_voxels for request in self.requests),
            chunks_touched=None if one_voxel else _total(blocks, chunks_touched),
            voxels_decoded=_total(blocks, voxels_decoded),
        )


def _total(blocks: Sequence[tuple[Region, Shape | None]], count: Callable[[Region, Shape], int]) -> int | None:
    """Return the sum over regions, each of a level with blocks of its own; None where those of one are not known."""
    known = [(region, block) for region, block in blocks if block is not None]
    return sum(itertools.starmap(count, known)) if len(known) == len(blocks) else None


def _paths(location: Location) -> tuple[Path, ...]:
    return tuple(Path(file) for file in location.files())


class OpenWorkload(Workload):
    """Open and close."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the store."""
        return _paths(self.store.location)

    def perform(self, location: Location) -> None:
        """Open and close."""
        with self.backend.open(location):
            self._opened_at = time.perf_counter()
