"""Result folders as large as one likes: well-formed, of two machines, with everything in them that a table can hold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from storebench.access import Target, parse_pattern
from storebench.grid import Shape, chunks_touched, grid_shape, voxels_decoded
from storebench.records import Case, Conditions, Environment, Limits, Row, Sample
from storebench.results.journal import JournalContent, JournalRow, write_compact

from ._tables import ENVIRONMENT

HOSTILE_DATASET = "</script><b>x"
HOSTILE_BACKEND = "a[b]"
HOSTILE_REASON = '<img src=x onerror="document.title=1"> & "no" \'such\' file'
LAB_1 = replace(ENVIRONMENT, dirty=False)
LAB_2 = replace(ENVIRONMENT, dirty=False, machine=dict(ENVIRONMENT.machine) | {"cpu": "other processor", "n_cpu": 8})
_CUBE: Shape = (256, 256, 256)
_CHUNKS: tuple[tuple[Shape, Shape | None], ...] = (
    ((64, 64, 64), None),
    ((16, 16, 16), None),
    ((32, 32, 32), None),
    ((128, 128, 128), None),
    ((1, 256, 256), None),
    ((8, 128, 128), None),
    ((32, 32, 32), (128, 128, 128)),
    ((64, 64, 64), (256, 256, 256)),
)
_BACKENDS = {
    "zarr3-zarrpython": 1.0,
    "zarr3-tensorstore": 0.6,
    "zarr2-zarrpython": 1.3,
    "tiff-tifffile": 0.9,
    "hdf5-h5py": 1.1,
    "n5-zarrpython": 1.5,
    HOSTILE_BACKEND: 1.2,
}
"""By name: how many times the time that the bytes and chunks would take."""
_CODECS = {
    "blosc-zstd-3-shuffle": (1.9, 1.4),
    "none": (1.0, 1.0),
    "zstd-3": (1.6, 1.5),
    "blosc-lz4-5-shuffle": (1.5, 1.1),
    "zstd-9": (1.7, 1.6),
    "gzip-6": (1.65, 3.0),
    "zstd-1": (1.5, 1.3),
    "blosc-zstd-9-bitshuffle": (2.0, 1.6),
    "blosc-lz4-1-bitshuffle": (1.4, 1.05),
    "gzip-1": (1.6, 2.6),
    "zstd-19": (1.75, 1.6),
    "blosc-blosclz-5-shuffle": (1.4, 1.1),
}
"""By name: compression ratio, and how many times the time of no codec."""
_LOSSY = {"jp2-ratio-10": 10.0, "jp2-ratio-20": 20.0, "jp2-ratio-50": 50.0}
_PATTERNS = ("whole", "plane_xy", "plane_xz", "plane_yz", "roi32", "tile256", "voxel")
_COLD = ("whole", "plane_xy", "plane_xz", "roi32")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """One way to store one image."""

    backend: str
    codec: str
    chunk_shape: Shape | None
    shard_shape: Shape | None = None
    ratio: float = 1.0
    slowness: float = 1.0
    shape: Shape = _CUBE
    n_levels: int = 1
    threads: int | None = None


def write_results(folder: Path, n_rows: int) -> Path:
    """Write a results folder with so many rows, the same for the same number; return it."""
    n_second, n_hostile = n_rows // 4, n_rows // 8
    first = [
        *itertools.islice(_rows("ct", 1), n_rows - n_second - n_hostile),
        *itertools.islice(_rows(HOSTILE_DATASET, 2), n_hostile),
    ]
    _write(folder / "lab-1" / "first.jsonl", LAB_1, first)
    _write(folder / "lab-2" / "second.jsonl", LAB_2, list(itertools.islice(_rows("ct", 3), n_second)))
    return folder


def _write(path: Path, environment: Environment, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = {
        (environment.id, row.case.id): JournalRow(environment_id=environment.id, row=row, commit=environment.commit)
        for row in rows
    }
    limits = Limits(
        taken_at=0.0,
        memcpy_bytes_per_s={"1": 9e9},
        warm_read_bytes_per_s={"1": 4e9},
        cold_read_bytes_per_s={"1": 5e8},
        random_read_s={"4096": 8e-5},
        write_bytes_per_s={"1": 1.5e9},
        open_s=2e-5,
        create_s=4e-5,
    )
    content = JournalContent(
        environments={environment.id: environment},
        datasets={},
        rows=entries,
        limits={environment.id: (limits,)},
        conditions={environment.id: _conditions(len(rows))},
    )
    write_compact(content, path)


def _conditions(n_rows: int) -> tuple[Conditions, ...]:
    """Return a span for every eighth row, as campaigns record them; one in fifty was busy."""
    spans = ((number * 800.0, number % 50 == 49) for number in range(n_rows // 8))
    return tuple(
        Conditions(
            started_at=start,
            ended_at=start + 790.0,
            cpu_pressure=0.3 if is_busy else 0.01,
            other_cpus=1.9 if is_busy else 0.02,
            busiest_other="<b>updatedb" if is_busy else None,
        )
        for start, is_busy in spans
    )


def _rows(dataset: str, seed: int) -> Iterator[Row]:
    """Yield rows without an end that matters: 20,000 and more."""
    rng = np.random.default_rng(seed)
    for number, case_store in enumerate((case, store) for store in _stores() for case in _cases(dataset, store)):
        case, store = case_store
        yield _row(case, store, number, rng)


def _stores() -> Iterator[_Store]:
    yield _Store(backend="npy-numpy", codec="none", chunk_shape=None, slowness=0.5)
    for codec, ratio in _LOSSY.items():
        yield _Store(backend="jp2-glymur", codec=codec, chunk_shape=(1, 256, 256), ratio=ratio, slowness=6.0)
    for threads in (1, 2, 4):
        yield replace(_store("zarr3-zarrpython", "blosc-zstd-3-shuffle", 0), threads=threads)
    for edge in (64, 128):
        yield replace(_store("zarr3-zarrpython", "blosc-zstd-3-shuffle", 0), shape=(edge, edge, edge))
    yield replace(_store("zarr3-zarrpython", "blosc-zstd-3-shuffle", 0), n_levels=4)
    # neither backends nor codecs in one lump: a small folder has some of each
    pairs = sorted(itertools.product(range(len(_BACKENDS)), range(len(_CODECS))), key=lambda p: (p[0] * 5 + p[1]) % 12)
    for threads, (backend, codec) in itertools.product((None, 1, 2, 4), pairs):
        for layout in range(len(_CHUNKS)):
            yield replace(_store([*_BACKENDS][backend], [*_CODECS][codec], layout), threads=threads)


def _store(backend: str, codec: str, layout: int) -> _Store:
    (chunk_shape, shard_shape), (ratio, slowness) = _CHUNKS[layout], _CODECS[codec]
    return _Store(
        backend=backend,
        codec=codec,
        chunk_shape=chunk_shape,
        shard_shape=shard_shape,
        ratio=ratio,
        slowness=slowness * _BACKENDS[backend],
    )


def _cases(dataset: str, store: _Store) -> Iterator[Case]:
    names = ("backend", "codec", "chunk_shape", "shard_shape", "shape", "n_levels", "threads")
    facts: dict[str, Any] = {name: getattr(store, name) for name in names}
    facts |= {"dataset": dataset, "dtype": "uint16", "axes": "zyx"}
    yield Case(operation="write", **facts)
    yield Case(operation="write", durability="durable", **facts)
    yield Case(operation="open", **facts)
    for operation in ("encode", "decode"):
        yield Case(operation=operation, **facts)
    for pattern in (*_PATTERNS, *(f"viewport@{level}" for level in range(store.n_levels) if store.n_levels > 1)):
        yield Case(operation="read", pattern=pattern, **facts)
    for pattern in _COLD:
        yield Case(operation="read", pattern=pattern, cache="cold", **facts)


def _row(case: Case, store: _Store, number: int, rng: np.random.Generator) -> Row:
    facts: dict[str, Any] = {"case": case, "format": case.backend.split("-")[0], "library": case.backend.split("-")[-1]}
    if number % 31 == 30:
        return Row(status="skipped", reason=f"{case.backend} does not do that: {HOSTILE_REASON}", **facts)
    if number % 97 == 96:
        status: Any = "failed" if number % 2 else "timeout"
        return Row(status=status, reason="OSError: [Errno 28] no space left on device", **facts)
    logical = math.prod(case.shape) * 2
    counted = _counted(case, store)
    time_s = _time_s(case, store, counted, logical)
    n_files = math.prod(grid_shape(case.shape, store.shard_shape or store.chunk_shape)) if store.chunk_shape else 1
    return Row(
        status="ok",
        library_version="1.0",
        chunk_shape=store.chunk_shape,
        shard_shape=store.shard_shape,
        samples=_samples(case, time_s, number, rng),
        logical_bytes=logical,
        chunk_bytes=round(logical / store.ratio),
        stored_bytes=round(logical / store.ratio) + 700 + 16 * n_files,
        n_files=n_files,
        max_abs_error=store.ratio if case.codec in _LOSSY else 0.0,
        peak_memory_bytes=logical // 2,
        codec_bytes_per_s=1e9 / store.slowness,
        engine="paired",
        **facts,
        **counted,
    )


def _counted(case: Case, store: _Store) -> dict[str, Any]:
    """Return what geometry says of a read; nothing of the other operations."""
    if case.operation != "read":
        return {}
    levels = tuple(tuple(max(1, extent >> level) for extent in case.shape) for level in range(case.n_levels))
    request = parse_pattern(case.pattern).requests(Target(levels, case.axes))[0]
    region, chunk_shape = request.region, store.chunk_shape
    chunks = chunks_touched(region, chunk_shape) if chunk_shape else 1
    decoded = voxels_decoded(region, chunk_shape) if chunk_shape else region.n_voxels
    n_bytes = round(decoded * 2 / store.ratio)
    return {
        "fetched_bytes": n_bytes,
        "requests": chunks,
        "gets": chunks,
        "predicted_requests": chunks,
        "predicted_bytes": n_bytes,
        "chunks_touched": chunks,
        "voxels_asked": region.n_voxels,
        "voxels_decoded": decoded,
    }


def _time_s(case: Case, store: _Store, counted: dict[str, Any], logical: int) -> float:
    if case.operation == "open":
        return 4e-4 * store.slowness
    voxels = counted.get("voxels_decoded", logical // 2)
    chunks = counted.get("chunks_touched") or (
        math.prod(grid_shape(case.shape, store.chunk_shape)) if store.chunk_shape else 1
    )
    slower = {"write": 2.0, "encode": 1.7}.get(case.operation, 1.0) * (3.0 if case.cache == "cold" else 1.0)
    return (5e-4 + voxels * 2e-9 * store.slowness + chunks * 3e-5) * slower / (case.threads or 1) ** 0.6


def _samples(case: Case, time_s: float, number: int, rng: np.random.Generator) -> tuple[Sample, ...]:
    n_samples = 3 if number % 53 == 52 else 10
    walls = time_s * rng.lognormal(0.0, 0.03, n_samples)
    is_noisy = number % 41 == 40
    return tuple(
        Sample(
            wall_s=round(float(wall), 9),
            open_s=None if case.operation in ("encode", "decode") else round(float(wall) * 0.05, 9),
            cpu_s=round(float(wall) * 0.9, 9),
            started_at=number * 100.0 + index,
            process_id=str(index % 5),
            verified=True if case.operation in ("read", "open") else None,
            sync_s=round(float(wall) * 0.3, 9) if case.durability == "durable" else None,
            device_read_bytes=4096 * 50 if case.cache == "cold" else 0,
            involuntary_switches=0,
            run_delay_s=float(wall) * 0.2 if is_noisy else 0.0,
            threads_ran=1,
        )
        for index, wall in enumerate(walls)
    )
