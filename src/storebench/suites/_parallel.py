"""Threads and processes on one image: the same blocks, shared among more and more of them.

Processes write to what has many objects only: a .npy or HDF5 file is one process's (see `Backend.parallel_writes`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from storebench.records import Operation
from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._images import CT, CT_SMALL
from storebench.suites._reads import class_name

_QUESTION: Final = "What do more threads of one process, and more processes, buy a reader and a writer of one image?"
_THREADS: Final = ("threads-1", "threads-2", "threads-4")
_PROCESSES: Final = ("workers-1", "workers-2")


class _Setting(NamedTuple):
    """A way to store the image, and whether processes may share the writing."""

    backend: str
    layout: str
    codec: str
    name: str = ""
    shared_writes: bool = True


_SMOKE: Final = (_Setting("zarr3-zarrpython", "32x32x32", "zstd-3"),)
_CORE: Final = (
    _Setting("zarr3-zarrpython", "64x64x64", "zstd-3"),
    _Setting("zarr3-zarrpython", "32x32x32-in-64x64x64", "zstd-3", name="_shards"),
    _Setting("zarr3-tensorstore", "64x64x64", "zstd-3"),
    _Setting("hdf5-h5py", "64x64x64", "deflate-1", shared_writes=False),
    _Setting("npy-numpy", "default", "none", shared_writes=False),
    _Setting("tiffstack-tifffile", "default", "deflate-6"),
)


def parallel() -> Iterator[Grid]:
    """Yield the grids: per setting and operation one for threads, and one for processes where they may."""
    rows: tuple[tuple[Tier, Subject, tuple[_Setting, ...], tuple[str, ...]], ...] = (
        ("smoke", CT_SMALL, _SMOKE, _THREADS[:2]),
        ("core", CT, _CORE, _THREADS),
    )
    for tier, subject, settings, threads in rows:
        for setting in settings:
            yield _grid(tier, subject, setting, "read", threads)
            yield _grid(tier, subject, setting, "write", threads)
            yield _grid(tier, subject, setting, "read", _PROCESSES)
            if setting.shared_writes:
                yield _grid(tier, subject, setting, "write", _PROCESSES)


def _grid(tier: Tier, subject: Subject, setting: _Setting, operation: Operation, who: tuple[str, ...]) -> Grid:
    kind = who[0].partition("-")[0]
    return Grid(
        name=f"{tier.capitalize()}{class_name(setting.backend)}{setting.name}_{operation}_{kind}",
        suite="parallel",
        tier=tier,
        question=_QUESTION,
        operation=operation,
        backend=setting.backend,
        subject=subject,
        params={"layout": (setting.layout,), "codec": (setting.codec,), "concurrency": who},
    )
