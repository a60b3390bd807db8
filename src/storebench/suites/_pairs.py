"""Cases that are laid beside each other: a view with levels and without, and one setting at several sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._images import CT, CT_MIDDLE, CT_TINY, PLANE, PLANE_LARGE, PLANE_SMALL
from storebench.suites._reads import BLOSC, class_name, read_grid

_OMEZARR: Final = "omezarr-0.5-zarrpython"
_WITH: Final = "What does a view of the plane cost from the level that fits the screen?"
_WITHOUT: Final = "What does the same view cost where there is full resolution alone?"
_STORED: Final = "What does storing an image cost with levels, and without?"
_SIZES: Final = "Does the time of a setting grow as its voxels do?"


def level_pairs() -> Iterator[Grid]:
    """The same views from stores with levels and without, and the two writes."""
    rows: tuple[tuple[Tier, Subject, str, str, int], ...] = (
        ("smoke", PLANE_SMALL, "Plane", "128x128", 3),
        ("core", PLANE, "Plane", "256x256", 3),
        ("full", PLANE_LARGE, "PlaneLarge", "512x512", 4),
    )
    for tier, subject, name, layout, n_levels in rows:
        every = tuple(f"viewport@{level}" for level in range(n_levels))
        with_levels = read_grid(
            tier, _OMEZARR, _WITH, subject, name=f"{name}Levels", n_levels=n_levels, layout=(layout,), codec=(BLOSC,),
            pattern=every,
        )  # fmt: skip
        without = replace(
            with_levels,
            name=with_levels.name.removesuffix("Levels") + "NoLevels",
            question=_WITHOUT,
            n_levels=1,
            params=dict(with_levels.params) | {"pattern": _from_full(n_levels)},
        )
        yield from (with_levels, without, _write(with_levels), _write(without))
    # of the volume, the reads of the other two levels and the write with levels are there already
    volume = read_grid(
        "core", _OMEZARR, _WITH, CT, name="LastLevel", n_levels=3, layout=("64x64x64",), codec=(BLOSC,),
        pattern=("viewport@2",),
    )  # fmt: skip
    without = read_grid(
        "core", _OMEZARR, _WITHOUT, CT, name="NoLevels", layout=("64x64x64",), codec=(BLOSC,), pattern=_from_full(3)
    )
    yield from (volume, without, _write(without))
    wavelet = _from_full(4)[1:]
    yield read_grid(
        "core", "jp2-glymur", _WITHOUT, PLANE, name="PlaneNoLevels", codec=("jp2-lossless",), pattern=wavelet
    )


def _from_full(n_levels: int) -> tuple[str, ...]:
    return ("viewport@0", *(f"viewport@{level}-from0" for level in range(1, n_levels)))


def _write(reads: Grid) -> Grid:
    """Return the write of a grid's settings."""
    settings = {name: values for name, values in reads.params.items() if name != "pattern"}
    return replace(reads, suite="write", operation="write", question=_STORED, params=settings)


def sizes() -> Iterator[Grid]:
    """One setting on the same image, smaller and larger than in the other grids: with those, at least three sizes."""
    for subject in (CT_TINY, CT_MIDDLE):
        name = f"Edge{subject.shape[0]}"
        patterns = ("whole", "plane_xz")
        yield read_grid("smoke", "npy-numpy", _SIZES, subject, name=name, codec=("none",), pattern=patterns)
        zarr = read_grid(
            "smoke", "zarr3-zarrpython", _SIZES, subject, name=name, layout=("64x64x64",), codec=(BLOSC,),
            pattern=patterns,
        )  # fmt: skip
        yield zarr
        yield replace(_write(zarr), name=f"Core{class_name(zarr.backend)}{name}", tier="core", question=_SIZES)
