"""One large plane: JPEG 2000 of every kind beside TIFF, PNG and OME-Zarr.

The smoke tier asks a plane of 2048 x 2048, the core tier one as large as a plane of the Human Organ Atlas heart: whole, what a
screen shows of it, a small square, and each resolution level. Calls over 2 s are grids of their own, which take 3 samples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from storebench.records import Operation
from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._images import PLANE, PLANE_HEART
from storebench.suites._reads import BLOSC, class_name

_SCREEN: Final = "viewport@0"
_TILE: Final = "tile256"
_AREAS: Final = (_SCREEN, _TILE)
_ALL: Final = ("whole", *_AREAS)
_LOSSLESS: Final = "jp2-lossless"
_HTJ2K: Final = "htj2k-lossless"
_LEVELS: Final = 6
_READ: Final = "How long does one large plane take, whole, in part and smaller?"
_WRITE: Final = "How long does it take to write one large plane?"
_BUDGET: Final = "How much sooner is one large plane there, where a library may use every processor?"


class _Setting(NamedTuple):
    """How the plane is stored, and what is read of it: in calls that are fast, and in calls of over 2 s."""

    backend: str
    name: str
    layout: str
    codec: str
    reads: tuple[str, ...]
    slow_reads: tuple[str, ...] = ()
    n_levels: int = 1


_SMOKE: Final = (
    _Setting("npy-numpy", "", "default", "none", ("whole",)),
    _Setting("jp2-glymur", "", "default", _LOSSLESS, (), (*_ALL, "level@2")),
    _Setting("jp2-glymur", "Tiles512", "512x512", _LOSSLESS, (_TILE,)),
    _Setting("htj2k-imagecodecs", "", "default", _HTJ2K, ("whole",)),
    _Setting("tiff-tifffile", "Strips", "default", "none", ("whole", _TILE)),
    _Setting("png-imageio", "", "default", "png-1", ("whole",)),
    _Setting("omezarr-0.5-zarrpython", "Chunks512", "512x512", BLOSC, ("whole", "level@2"), n_levels=3),
)
_CORE: Final = (
    _Setting("npy-numpy", "", "default", "none", _ALL),
    _Setting(
        "jp2-glymur",
        "",
        "default",
        _LOSSLESS,
        (*_AREAS, "level@2", "level@3", "level@4", "level@5"),
        ("whole", "level@1"),
    ),
    _Setting("jp2-glymur", "Tiles512", "512x512", _LOSSLESS, (*_AREAS, "level@3"), ("whole",)),
    _Setting("jp2-glymur", "Tiles1024", "1024x1024", _LOSSLESS, _AREAS),
    _Setting("jp2-glymur", "Ratio10", "default", "jp2-ratio-10", _AREAS, ("whole",)),
    _Setting("jp2-glymur", "Layers", "default", "jp2-layers-20-10-1", (_TILE,), ("whole",)),
    _Setting("jp2-imageio", "", "default", _LOSSLESS, (), ("whole",)),
    _Setting("jp2-imagecodecs", "", "default", _LOSSLESS, (), ("whole",)),
    _Setting("htj2k-imagecodecs", "", "default", _HTJ2K, ("whole", _TILE)),
    _Setting("htj2k-glymur", "", "default", _HTJ2K, ("level@3",), ("whole",)),
    _Setting("htj2k-glymur", "Tiles512", "512x512", _HTJ2K, (*_AREAS, "level@3")),
    _Setting("tiff-tifffile", "Strips", "default", "none", _ALL),
    _Setting("tiff-tifffile", "Tiles256", "256x256", "none", _ALL),
    _Setting("tiff-tifffile", "Zstd", "256x256", "zstd-3-predictor", _ALL),
    _Setting("tiff-tifffile", "Deflate", "256x256", "deflate-6-predictor", _ALL),
    _Setting(
        "ometiff-tifffile",
        "Tiles512",
        "512x512",
        "zstd-3-predictor",
        (*_ALL, "level@1", "level@3"),
        n_levels=_LEVELS,
    ),
    _Setting("png-imageio", "", "default", "png-1", ("whole", _TILE)),
    _Setting("zarr3-zarrpython", "", "512x512", BLOSC, _ALL),
    _Setting("omezarr-0.5-zarrpython", "Chunks512", "512x512", BLOSC, (*_ALL, "level@1", "level@3"), n_levels=_LEVELS),
    _Setting("omezarr-0.5-zarrpython", "Chunks256", "256x256", "zstd-3", _ALL, n_levels=_LEVELS),
)
_FULL: Final = (
    _Setting("jp2-glymur", "Tiles256", "256x256", _LOSSLESS, _AREAS, ("whole",)),
    _Setting("jp2-glymur", "Tiles1024Whole", "1024x1024", _LOSSLESS, (), ("whole",)),
    _Setting("jp2-glymur", "Ratio2", "default", "jp2-ratio-2", _AREAS, ("whole",)),
    _Setting("jp2-glymur", "Ratio20", "default", "jp2-ratio-20", _AREAS, ("whole",)),
    _Setting("jp2-imageio", "Ratio10", "default", "jp2-ratio-10", (), ("whole", _TILE)),
    _Setting("jp2-imagecodecs", "Tile", "default", _LOSSLESS, (), (_TILE,)),
    _Setting("png-imageio", "Png6", "default", "png-6", ("whole",)),
)
_WRITES: Final = (
    ("jp2-glymur", "default", _LOSSLESS, 1),
    ("jp2-glymur", "default", "jp2-ratio-10", 1),
    ("htj2k-imagecodecs", "default", _HTJ2K, 1),
    ("tiff-tifffile", "default", "none", 1),
    ("tiff-tifffile", "256x256", "zstd-3-predictor", 1),
    ("png-imageio", "default", "png-1", 1),
    ("omezarr-0.5-zarrpython", "512x512", BLOSC, _LEVELS),
)
_ALL_PROCESSORS: Final = os.cpu_count() or 1


def large_plane() -> Iterator[Grid]:
    """Yield the grids."""
    tiers: tuple[tuple[Tier, Subject, tuple[_Setting, ...]], ...] = (
        ("smoke", PLANE, _SMOKE),
        ("core", PLANE_HEART, _CORE),
        ("full", PLANE_HEART, _FULL),
    )
    for tier, subject, settings in tiers:
        for setting in settings:
            yield from _reads(tier, subject, setting)
    for backend, reads in (("jp2-glymur", ("whole", _SCREEN)), ("jp2-imagecodecs", ("whole",))):
        setting = _Setting(backend, "", "default", _LOSSLESS, (), reads)
        yield from _reads("core", PLANE_HEART, setting, threads=_ALL_PROCESSORS, budget="_all")
        yield from _reads("full", PLANE_HEART, setting, threads=1, budget="_1")
    for number, (backend, layout, codec, n_levels) in enumerate(_WRITES):
        yield _grid(
            "full",
            backend,
            f"Write{number}",
            PLANE_HEART,
            operation="write",
            params={"layout": (layout,), "codec": (codec,)},
            n_levels=n_levels,
            slow=True,
        )


def _reads(
    tier: Tier, subject: Subject, setting: _Setting, *, threads: int | None = None, budget: str = ""
) -> Iterator[Grid]:
    """Yield the reads of a setting: the fast ones, and the slow ones."""
    for name, slow, patterns in (
        (setting.name, False, setting.reads),
        (f"{setting.name}Slow", True, setting.slow_reads),
    ):
        if patterns:
            yield _grid(
                tier,
                setting.backend,
                f"{name}{budget}",
                subject,
                operation="read",
                params={"layout": (setting.layout,), "codec": (setting.codec,), "pattern": patterns},
                n_levels=setting.n_levels,
                slow=slow,
                threads=threads,
            )


def _grid(
    tier: Tier,
    backend: str,
    name: str,
    subject: Subject,
    *,
    operation: Operation,
    params: dict[str, tuple[str, ...]],
    n_levels: int,
    slow: bool,
    threads: int | None = None,
) -> Grid:
    return Grid(
        name=f"{tier.capitalize()}{class_name(backend)}{name}",
        suite="large-plane",
        tier=tier,
        question=_WRITE if operation == "write" else _READ if threads is None else _BUDGET,
        operation=operation,
        backend=backend,
        subject=subject,
        params=params,
        n_levels=n_levels,
        slow=slow,
        threads=threads,
    )
