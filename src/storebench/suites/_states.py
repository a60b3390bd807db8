"""Cold reads, durable writes, and what threads buy: the settings that matter, each in a state of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Final

from storebench.records import Operation
from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._hdf5 import DEFLATE, HDF5
from storebench.suites._images import CT, CT_LARGE, CT_SMALL, PLANE, PLANE_SMALL
from storebench.suites._reads import BLOSC, FEW_READS, PLANE_READS, class_name

_Setting = tuple[str, str, tuple[str, ...], tuple[str, ...]]
"""Backend, what sets it apart, layouts, codecs."""

_VOLUME: Final[tuple[_Setting, ...]] = (
    ("npy-numpy", "", ("default",), ("none",)),
    ("tiff-tifffile", "Strips", ("default",), ("none",)),
    ("tiff-tifffile", "Tiles", ("1x64x64",), ("none",)),
    ("zarr2-zarrpython", "", ("64x64x64",), ("none", BLOSC)),
    ("zarr3-zarrpython", "", ("64x64x64",), ("none", BLOSC)),
    ("zarr3-zarrpython", "Sharded", ("32x32x32-in-128x128x128",), ("none", BLOSC)),
    (HDF5, "Contiguous", ("default",), ("none",)),
    (HDF5, "Chunked", ("64x64x64",), ("none", DEFLATE)),
    ("pngstack-imageio", "", ("default",), ("png-1",)),
)
_PLANE: Final[tuple[_Setting, ...]] = (
    ("npy-numpy", "Plane", ("default",), ("none",)),
    ("tiff-tifffile", "Plane", ("256x256", "default"), ("none",)),
    ("zarr3-zarrpython", "Plane", ("256x256",), (BLOSC,)),
)
_OWN_FSYNC: Final[tuple[_Setting, ...]] = (
    ("zarr3-tensorstore", "", ("64x64x64",), ("none", BLOSC)),
    ("zarr3-tensorstore", "Sharded", ("32x32x32-in-128x128x128",), ("none",)),
    ("precomputed-tensorstore", "", ("64x64x64",), ("none",)),
    ("n5-tensorstore", "", ("64x64x64",), ("none",)),
)
"""Of backends whose library can sync by itself: each until it is on the device, and with the library's own fsync."""
_LARGE: Final[tuple[_Setting, ...]] = (
    ("npy-numpy", "", ("default",), ("none",)),
    ("zarr3-zarrpython", "", ("64x64x64",), ("none",)),
    (HDF5, "Contiguous", ("default",), ("none",)),
)
_TILES: Final = {"layout": ("64x64x64",), "codec": ("zstd-3-predictor",)}
_JP2: Final = {"layout": ("default",), "codec": ("jp2-lossless",)}
_FIRST_READ: Final = "What does a first read from the disk cost, and how much does read-ahead drag in?"
_ON_THE_DEVICE: Final = "What does a write cost until it is on the device, beside until it returns?"
_OWN: Final = "What does a library's own fsync of each file cost, beside one sync of the file system?"
_BUDGET: Final = "One thread or two: how much sooner is the same work done?"


def cold_reads() -> Iterator[Grid]:
    """Reads of files of which no page is in memory."""
    rows: tuple[tuple[Tier, Subject, tuple[_Setting, ...], tuple[str, ...]], ...] = (
        ("smoke", CT_SMALL, _VOLUME, ("whole", "plane_xz")),
        ("smoke", PLANE_SMALL, _PLANE, ("whole",)),
        ("core", CT, _VOLUME, FEW_READS),
        ("core", PLANE, _PLANE, PLANE_READS),
        ("full", CT_LARGE, _LARGE, FEW_READS),
    )
    for tier, subject, settings, patterns in rows:
        for backend, name, layouts, codecs in settings:
            yield _grid(
                tier,
                backend,
                name,
                subject,
                suite="cold",
                question=_FIRST_READ,
                operation="read",
                params={
                    "layout": layouts,
                    "codec": codecs[:1] if tier == "smoke" else codecs,
                    "pattern": patterns,
                },
                cache="cold",
            )


def durable_writes() -> Iterator[Grid]:
    """Writes that end when the device has everything, or when a library has synced its own files."""
    rows: tuple[tuple[Tier, Subject, tuple[_Setting, ...], tuple[str, ...]], ...] = (
        ("smoke", CT_SMALL, _VOLUME, ("durable",)),
        ("smoke", PLANE_SMALL, _PLANE, ("durable",)),
        ("smoke", CT_SMALL, _OWN_FSYNC[:1], ("durable", "own-fsync")),
        ("core", CT, _VOLUME, ("durable",)),
        ("core", PLANE, _PLANE, ("durable",)),
        ("core", CT, _OWN_FSYNC, ("durable", "own-fsync")),
    )
    for tier, subject, settings, durabilities in rows:
        for (backend, name, layouts, codecs), durability in itertools.product(settings, durabilities):
            own = durability == "own-fsync"
            yield _grid(
                tier,
                backend,
                f"{name}OwnFsync" if own else name,
                subject,
                suite="durable",
                question=_OWN if own else _ON_THE_DEVICE,
                operation="write",
                params={"layout": layouts, "codec": codecs[:1] if tier == "smoke" else codecs},
                durability=durability,
            )


def thread_budgets() -> Iterator[Grid]:
    """The same work by one thread and by two."""
    volume = {"layout": ("64x64x64",), "codec": ("zstd-3", BLOSC)}
    rows: tuple[tuple[Tier, str, Operation, Subject, Mapping[str, tuple[str, ...]]], ...] = (
        ("smoke", "zarr3-zarrpython", "read", CT_SMALL, volume),
        ("smoke", "zarr3-zarrpython", "write", CT_SMALL, volume),
        ("smoke", "tiff-tifffile", "read", CT_SMALL, _TILES),
        ("smoke", "jp2-imagecodecs", "decode", PLANE_SMALL, _JP2),
        ("core", "zarr3-zarrpython", "read", CT, volume),
        ("core", "zarr3-zarrpython", "write", CT, volume),
        ("core", "tiff-tifffile", "read", CT, _TILES),
        ("core", "zarr2-zarrpython", "read", CT, {"layout": ("64x64x64",), "codec": (BLOSC,)}),
        ("core", "jp2-imagecodecs", "decode", PLANE, _JP2),
    )
    for tier, backend, operation, subject, params in rows:
        for threads in (1, 2):
            yield _grid(
                tier,
                backend,
                f"_{operation}_{threads}",
                subject,
                suite="threads",
                question=_BUDGET,
                operation=operation,
                params=params,
                threads=threads,
            )


def _grid(
    tier: Tier,
    backend: str,
    name: str,
    subject: Subject,
    *,
    suite: str,
    question: str,
    operation: Operation,
    params: Mapping[str, tuple[str, ...]],
    cache: str = "warm",
    durability: str = "returned",
    threads: int | None = None,
) -> Grid:
    return Grid(
        name=f"{tier.capitalize()}{class_name(backend)}{name}",
        suite=suite,
        tier=tier,
        question=question,
        operation=operation,
        backend=backend,
        subject=subject,
        params=params,
        cache=cache,
        durability=durability,
        threads=threads,
    )
