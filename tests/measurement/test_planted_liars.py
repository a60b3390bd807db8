"""Backends that cheat the clock, each in its own way; each is caught before a clock runs, by name and with what it did."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import storebench.backends
from storebench.backends import BACKENDS, Backend, WriteRequest
from storebench.backends.npy import NpyNumpy
from storebench.errors import VerificationError
from storebench.grid import Region, Shape
from storebench.measurement import session as session_module
from storebench.measurement.counting import Counts, count
from storebench.measurement.images import Image
from storebench.measurement.operations import workload_for
from storebench.measurement.session import Session
from storebench.records import Case
from storebench.results.journal import read_journal
from storebench.storage import Storage
from storebench.stores import Location

SHAPE = (64, 128, 128)


class _Reader:
    """An honest reader, to be lied through."""

    def __init__(self, values: NDArray, location: Location) -> None:
        self.values, self.location = values, location

    @property
    def levels(self) -> tuple[Shape, ...]:
        return (self.values.shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        return np.array(self.values[region.slices])


class _Liar(NpyNumpy):
    """Looks like any backend of .npy files."""

    @contextlib.contextmanager
    def open(self, location: Location) -> Iterator[_Reader]:
        with super().open(location) as honest:
            reader = self.reader(honest, location)
            reader.stored_as = honest.stored_as
            yield reader

    def reader(self, honest: _Reader, location: Location) -> _Reader:
        return honest


class KeepsTheLastResult(_Liar):
    """Decodes once, and hands out copies ever after."""

    name = "npy-keeps-the-last-result"
    kept: ClassVar[dict[tuple[Path, Region], NDArray]] = {}

    def reader(self, honest: _Reader, location: Location) -> _Reader:
        reader, kept = _Reader(np.empty(SHAPE), location), self.kept

        def read(region: Region, level: int = 0) -> NDArray:
            key = (location.path, region)
            if key not in kept:
                kept[key] = honest.read(region, level)
            return kept[key].copy()

        reader.read = read
        return reader


class GivesALazyView(_Liar):
    """Hands out a window into the memory map: the disk is read when somebody looks."""

    name = "npy-gives-a-lazy-view"

    def reader(self, honest: _Reader, location: Location) -> _Reader:
        mapped = np.load(location.path, mmap_mode="c")
        reader = _Reader(mapped, location)
        reader.read = lambda region, level=0: mapped[region.slices]
        return reader


class ReadsTheWholeFile(_Liar):
    """Promises partial reads, and loads everything for one voxel."""

    name = "npy-reads-the-whole-file"

    def reader(self, honest: _Reader, location: Location) -> _Reader:
        reader = _Reader(np.empty(SHAPE), location)

        def read(region: Region, level: int = 0) -> NDArray:
            honest.read(region, level)  # so that the count of its requests looks as it should
            return np.array(np.load(location.path)[region.slices])

        reader.read = read
        return reader


class GoesOnWriting(NpyNumpy):
    """Returns at once and writes on behind the caller's back; its own reader waits for that."""

    name = "npy-goes-on-writing"
    threads: ClassVar[dict[Path, threading.Thread]] = {}

    @contextlib.contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[_LateWriter]:
        location.path.touch()
        yield _LateWriter(location.path)

    @contextlib.contextmanager
    def open(self, location: Location) -> Iterator[_Reader]:
        if location.path in self.threads:
            self.threads.pop(location.path).join()
        with super().open(location) as reader:
            yield reader


class _LateWriter:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        def later() -> None:
            time.sleep(0.02)
            with contextlib.suppress(FileNotFoundError), self.path.open("r+b") as file:  # it may be removed by then
                np.save(file, values)

        GoesOnWriting.threads[self.path] = thread = threading.Thread(target=later)
        thread.start()

    def flush(self) -> None:
        pass


class IgnoresTheThreadLimit(_Liar):
    """Agrees to one thread and uses two; zlib lets go of the interpreter while it works."""

    name = "npy-ignores-the-thread-limit"

    def limit_threads(self, threads: int) -> str | None:
        return None

    def reader(self, honest: _Reader, location: Location) -> _Reader:
        reader = _Reader(np.empty(SHAPE), location)

        def read(region: Region, level: int = 0) -> NDArray:
            noise = np.random.default_rng(0).bytes(2_000_000)
            helpers = [threading.Thread(target=zlib.compress, args=(noise, 6)) for _ in range(2)]
            for helper in helpers:
                helper.start()
            for helper in helpers:
                helper.join()
            return honest.read(region, level)

        reader.read = read
        return reader


class Lie(NamedTuple):
    """Who lies, in which case, and what is said of it."""

    liar: Backend
    settings: dict[str, object]
    words: str


LIES: tuple[Lie, ...] = (
    Lie(KeepsTheLastResult(), {"pattern": "plane_xz"}, "keeps the last result"),
    Lie(GivesALazyView(), {"pattern": "plane_xz"}, "view"),
    Lie(ReadsTheWholeFile(), {"pattern": "voxel"}, "whole file"),
    Lie(GoesOnWriting(), {"operation": "write"}, "went on writing"),
    Lie(IgnoresTheThreadLimit(), {"pattern": "plane_xz", "threads": 1}, "asked for 1 thread"),
)


@pytest.fixture
def enlist(monkeypatch: pytest.MonkeyPatch) -> Callable[[Backend], None]:
    """Put a liar into the table; what is counted apart is counted in this process, since no other one knows the liar."""

    def count_here(case: Case, image: Image, storage: Storage) -> Counts:
        return count(workload_for(case, image, storage))

    def put(liar: Backend) -> None:
        monkeypatch.setattr(storebench.backends, "BACKENDS", MappingProxyType({**BACKENDS, liar.name: liar}))
        monkeypatch.setattr(session_module, "counts_of", count_here)

    return put


def _case(backend: Backend, **settings: object) -> Case:
    fields = {"dataset": "random", "shape": SHAPE, "dtype": "uint16", "axes": "zyx", "operation": "read"}
    return Case(**fields | {"backend": backend.name} | settings)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.liar.name)
def test_a_liar_is_caught_by_name(
    lie: Lie, storage: Storage, image: Image, enlist: Callable[[Backend], None], tmp_path: Path
) -> None:
    enlist(lie.liar)
    session = Session(_case(lie.liar, **lie.settings), image, storage, journal=tmp_path / "journal.jsonl")
    with pytest.raises(VerificationError) as caught:
        session.start()
    assert lie.liar.name in str(caught.value)
    assert lie.words in str(caught.value)
    (entry,) = read_journal(tmp_path / "journal.jsonl").rows.values()
    assert (entry.row.status, entry.row.samples) == ("failed", ())
    assert lie.liar.name in (entry.row.reason or "")


@pytest.mark.parametrize(
    "settings", [{"pattern": "plane_xz"}, {"pattern": "voxel"}, {"operation": "write"}, {"threads": 1}]
)
def test_the_honest_backend_passes_the_same_checks(
    settings: dict[str, object], storage: Storage, image: Image, enlist: Callable[[Backend], None]
) -> None:
    honest = dataclasses.make_dataclass("Honest", [], bases=(_Liar,), namespace={"name": "npy-honest"})()
    enlist(honest)
    assert Session(_case(honest, **settings), image, storage).start().status == "ok"
