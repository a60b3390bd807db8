"""The 28 cases of the HEFTIE project's zarr-benchmarks for developers, to be laid beside theirs.

Its `tests/benchmarks/benchmark_configs/dev.json` has chunks of 128 voxels, Blosc's zstd (shuffle), gzip and zstd at the
levels 1 and 3, and no compressor; its image is random float64 of 128 x 128 x 128 voxels, so one chunk holds all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from storebench.suites._grid import Grid
from storebench.suites._images import HEFTIE_DEV
from storebench.suites._reads import class_name

_CODECS: Final = (
    "blosc-zstd-1-shuffle",
    "blosc-zstd-3-shuffle",
    "gzip-1",
    "gzip-3",
    "zstd-1",
    "zstd-3",
    "none",
)
_QUESTION: Final = "The peer's developer set: do two runs agree, and does the answer agree with theirs?"


def heftie_dev() -> Iterator[Grid]:
    """Zarr 2 and 3, read and written whole."""
    for backend in ("zarr2-zarrpython", "zarr3-zarrpython"):
        params = {"layout": ("128x128x128",), "codec": _CODECS}
        name = f"HeftieDev{class_name(backend)}"
        yield Grid(
            name=name,
            suite="read",
            tier="core",
            question=_QUESTION,
            operation="read",
            backend=backend,
            subject=HEFTIE_DEV,
            params=params | {"pattern": ("whole",)},
        )
        yield Grid(
            name=name,
            suite="write",
            tier="core",
            question=_QUESTION,
            operation="write",
            backend=backend,
            subject=HEFTIE_DEV,
            params=params,
        )
