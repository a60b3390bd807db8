"""Small tidy tables for the report's tests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from storebench.access import Target, parse_pattern
from storebench.grid import Shape, chunks_touched, grid_shape, voxels_decoded
from storebench.records import Case, Environment, Row, Sample
from storebench.results.frame import tidy_frame
from storebench.results.tidy import tidy_row

SHAPE: Shape = (64, 64, 64)
PATTERNS = ("whole", "plane_xy", "plane_xz", "roi16")
ENVIRONMENT = Environment(
    python="3.13.1",
    libraries={"numpy": "2.4.6", "zarr": "3.1.6"},
    builds={"c-blosc": "1.21.6"},
    machine={"cpu": "test processor", "n_cpu": 2, "ram_bytes": 2**34, "os": "Linux", "file_system": "ext4"},
    storebench="0.1.0",
    commit="3f2a91c0",
    dirty=True,
)
SETTINGS: Any = (
    ("zarr3-zarrpython", "zstd-3", (16, 16, 16), 1.6),
    ("zarr3-zarrpython", "zstd-3", (1, 64, 64), 1.6),
    ("zarr3-zarrpython", "zstd-3", (32, 32, 32), 1.6),
    ("zarr3-zarrpython", "none", (32, 32, 32), 1.0),
    ("tiff-tifffile", "deflate-6", (1, 64, 64), 1.5),
    ("jp2stack-glymur", "jp2-ratio-10", (1, 64, 64), 10.0),
    ("npy-numpy", "none", None, 1.0),
)


def rows(dataset: str = "ct", n_samples: int = 8) -> Iterator[Row]:
    """Yield rows whose times follow from the geometry, so that they never change."""
    for backend, codec, chunk_shape, ratio in SETTINGS:
        store: dict[str, Any] = {"dataset": dataset, "shape": SHAPE, "dtype": "uint16", "axes": "zyx"}
        store |= {"backend": backend, "codec": codec}
        write = Case(**store, chunk_shape=chunk_shape, operation="write")
        reads = [Case(**store, chunk_shape=chunk_shape, operation="read", pattern=pattern) for pattern in PATTERNS]
        for case in (write, *reads):
            yield _row(case, ratio, n_samples)
    skipped = Case(**{**store, "backend": "png-imageio", "codec": "png-6"}, operation="write")
    yield Row(case=skipped, status="skipped", reason="PNG holds 2-D images", format="png", library="imageio")


def _row(case: Case, ratio: float, n_samples: int) -> Row:
    chunk_shape, logical = case.chunk_shape, math.prod(SHAPE) * 2
    region = parse_pattern(case.pattern).requests(Target((SHAPE,), "zyx"))[0].region
    decoded = voxels_decoded(region, chunk_shape) if chunk_shape else region.n_voxels
    chunks = chunks_touched(region, chunk_shape) if chunk_shape else 1
    time_s = 1e-3 + decoded * 5e-9 * ratio + chunks * 2e-5
    samples = tuple(
        Sample(
            wall_s=time_s * (1 + 0.001 * (i % 5)), open_s=1e-4, cpu_s=time_s, started_at=float(i), process_id=str(i % 4)
        )
        for i in range(n_samples)
    )
    counted: dict[str, Any] = {
        "fetched_bytes": round(decoded * 2 / ratio),
        "requests": chunks,
        "chunks_touched": chunks,
    }
    counted |= {"voxels_asked": region.n_voxels, "voxels_decoded": decoded}
    return Row(
        case=case,
        status="ok",
        format=case.backend.split("-")[0],
        library=case.backend.split("-")[1],
        library_version="1.0",
        chunk_shape=chunk_shape,
        samples=samples,
        logical_bytes=logical,
        chunk_bytes=round(logical / ratio),
        stored_bytes=round(logical / ratio),
        n_files=math.prod(grid_shape(SHAPE, chunk_shape)) if chunk_shape else 1,
        max_abs_error=0.0,
        **(counted if case.operation == "read" else {}),
    )


def table(some: Sequence[Row] | None = None) -> pd.DataFrame:
    """Return a tidy table of rows, all of one machine."""
    records = [tidy_row(row, ENVIRONMENT) | {"machine": "lab-1"} for row in (list(rows()) if some is None else some)]
    return tidy_frame(records)
