"""Settings that the curated reads have already, by other libraries: does it matter who reads and writes a format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from storebench.suites._grid import Grid
from storebench.suites._images import CT
from storebench.suites._reads import BLOSC, READS, read_grid

_WHO: Final = "Does it matter which library reads and writes the format?"


def other_libraries() -> Iterator[Grid]:
    """Add tensorstore on Zarr's settings, and a stack of HTJ2K beside the stacks of JPEG 2000."""
    for backend in ("zarr2-tensorstore", "zarr3-tensorstore"):
        yield read_grid("core", backend, _WHO, CT, layout=("64x64x64",), codec=("none", "zstd-3", BLOSC), pattern=READS)
    yield read_grid(
        "core",
        "zarr3-tensorstore",
        "Fewer files by sharding: at what price for a reader?",
        CT,
        name="Sharded",
        layout=("32x32x32-in-128x128x128",),
        codec=(BLOSC,),
        pattern=READS,
    )
    for backend in ("omezarr-0.4-tensorstore", "omezarr-0.5-tensorstore"):
        yield read_grid(
            "core", backend, _WHO, CT, n_levels=3, layout=("64x64x64",), codec=(BLOSC,),
            pattern=("whole", "viewport@0", "viewport@1"),
        )  # fmt: skip
    yield read_grid(
        "core",
        "htj2kstack-imagecodecs",
        "A stack in JPEG 2000's quicker codec: what is left of its price?",
        CT,
        codec=("htj2k-lossless",),
        pattern=("whole", "plane_xy", "plane_xz"),
    )
