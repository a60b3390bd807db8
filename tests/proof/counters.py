"""Whether counts are the same each time: 20 repeats in as many processes."""

from __future__ import annotations

import shutil
from dataclasses import asdict

from sections import Section, image_for, read_case, table

from storebench.measurement.counting import Counts, counts_of
from storebench.measurement.images import Image
from storebench.records import Case
from storebench.storage import Storage

_N = 20
_NOISY = ("peak_memory_bytes", "threads_ran", "codec_bytes_per_s")
_CASES: tuple[Case, ...] = tuple(
    read_case(backend, **settings)
    for backend, settings in (
        ("npy-numpy", {"pattern": "plane_xz"}),
        ("tiff-tifffile", {"codec": "deflate-6", "pattern": "plane_xz"}),
        (
            "zarr2-zarrpython",
            {"chunk_shape": (32, 32, 32), "codec": "blosc-zstd-3-shuffle", "pattern": "roi32-aligned32"},
        ),
        ("zarr3-zarrpython", {"chunk_shape": (32, 32, 32), "codec": "zstd-3", "pattern": "plane_xz"}),
        (
            "zarr3-zarrpython",
            {"chunk_shape": (16, 16, 16), "shard_shape": (64, 64, 64), "codec": "zstd-3", "pattern": "plane_xz"},
        ),
        ("hdf5-h5py", {"chunk_shape": (32, 32, 32), "codec": "deflate-5", "pattern": "plane_xz"}),
        ("zarr3-zarrpython", {"chunk_shape": (32, 32, 32), "codec": "zstd-3", "operation": "write"}),
        ("tiff-tifffile", {"codec": "deflate-6", "operation": "write"}),
    )
)


def counters() -> Section:
    """Count 20 times; all the same is asked for."""
    rows, holds = [], True
    for case in _CASES:
        storage, image = image_for(case)
        found = [asdict(_anew(case, image, storage)) for _ in range(_N)]
        exact = [tuple((k, v) for k, v in one.items() if k not in _NOISY) for one in found]
        same = len(set(exact)) == 1
        holds &= same
        first = dict(exact[0])
        shown = [
            _text(first[name])
            for name in (
                "requests",
                "fetched_bytes",
                "sets",
                "set_bytes",
                "files_opened",
                "read_calls",
                "write_calls",
                "renames",
            )
        ]
        rows.append((case.id.rsplit("/", 1)[0], *shown, "yes" if same else "NO"))
    header = (
        "case",
        "requests",
        "fetched bytes",
        "sets",
        "set bytes",
        "files opened",
        "read calls",
        "write calls",
        "renames",
        f"{_N} times the same",
    )
    return Section(table(header, rows), holds)


def _anew(case: Case, image: Image, storage: Storage) -> Counts:
    """Count in a fresh process: what was counted before is forgotten."""
    shutil.rmtree(storage.root / "counts", ignore_errors=True)
    return counts_of(case, image, storage)


def _text(value: object) -> str:
    return "" if value is None else f"{value:,}"
