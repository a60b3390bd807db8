"""The sections that pick from all rows: any table builds, large ones stay small and quick."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from storebench.report.section import Story
from storebench.report.sections import (
    cold_warm,
    durable,
    growth,
    growth_costs,
    level_costs,
    levels,
    limits,
    memory,
    scaling_threads,
    viewer,
    viewer_requests,
)
from storebench.results.frame import tidy_frame

from . import _tables
from ._picked import Make, row, sections, story_of, table

_MAKERS = {
    made.__name__.rpartition(".")[2]: made.make
    for made in (levels, cold_warm, durable, limits, scaling_threads, memory, viewer, viewer_requests, level_costs)
} | {
    "growth_size": growth.by_size,
    "growth_objects": growth.by_objects,
    "growth_size_costs": growth_costs.by_size,
    "growth_objects_costs": growth_costs.by_objects,
}
on_each_section = pytest.mark.parametrize("make", _MAKERS.values(), ids=_MAKERS)
_CACHES = ("warm", "cold")
_TRACE = {"frames_s": [0.01] * 17, "frame_bytes": [9000] * 17, "frame_requests": [9] * 17, "first_view_s": 0.011}
_TRACE |= {"frame_median_s": 0.01, "frame_p95_s": 0.01, "frame_max_s": 0.01, "n_frames": 17}


def _everything(n_settings: int) -> list[dict[str, Any]]:
    """Return rows that every section shows something of: many settings in every state."""
    rows = []
    for n in range(n_settings):
        codec, size = f"gzip-{n}", 64 * (1 + n % 3)
        facts = {
            "stored_bytes": 1000 + n,
            "fetched_bytes": 900,
            "peak_memory_bytes": 10**6 + n,
            "limit_fraction": 0.1 + n % 7 / 10,
        }
        facts |= {"limit_s": 1e-3, "limit_requests_s": 1e-4, "limit_bytes_s": 1e-4, "limit_decode_s": 8e-4}
        store = {"codec": codec, **facts}
        rows += [row(0.01 + n * 1e-6, cache=c, device_bytes=2000, cache_shown=c, **store) for c in _CACHES]
        rows += [row(0.01 / k, threads=k, parallelism=k, **store) for k in (1, 2)]
        rows.append(row(0.02, operation="write", durability="durable", returned_s=0.01, durable_s=0.02, **store))
        rows.append(row(0.002 * size, shape=(size,) * 3, pattern="plane_xz", **store | {"codec": f"gzip-{n // 3}"}))
        rows.append(row(0.04, chunk_shape=(16, 16, 16), **store))
        plane = {"shape": (512, 512), "axes": "yx", "chunk_shape": (128, 128)}
        rows += [row(0.01 / 4**k, pattern=f"viewport@{k}", n_levels=3, **plane, **store) for k in range(3)]
        rows.append(row(0.17, pattern="viewer100x128", n_levels=4, format=f"f{n % 9}", **_TRACE, **plane, **store))
        rows.append(row(0.05, operation="build_levels", n_levels=4, **plane, **store))
    return rows


@functools.cache
def _large() -> pd.DataFrame:
    return table(_everything(550))


@functools.cache
def _odd() -> dict[str, pd.DataFrame]:
    full = table(_everything(3))
    names = [name for name in full.columns if name not in ("status", "operation", "pattern", "shape", "axes", "dtype")]
    bare = full.copy()
    for name in names:
        if name != "median_s":
            bare[name] = None
    nothing = full.copy()
    for name in full.columns:
        nothing[name] = None
    zeros = full.copy()
    for name in (
        "asked_bytes",
        "peak_memory_bytes",
        "fetched_bytes",
        "device_bytes",
        "limit_s",
        "limit_fraction",
        "returned_s",
    ):
        zeros[name] = 0
    return {
        "empty": tidy_frame([]),
        "nothing known": nothing,
        "one row": full.iloc[:1],
        "median alone": bare,
        "imported": full.assign(
            samples_s=None, samples_process=None, ci95_low_s=np.nan, ci95_high_s=np.nan, n_samples=5
        ),
        "all failed": full.assign(status="failed", reason="no", median_s=np.nan),
        "zeros": zeros,
        "zero seconds": full.assign(median_s=0.0),
        "no shape": full.assign(shape=None),
        "no pattern": full.assign(pattern=None),
        "one sample each": full.assign(
            samples_s=[(0.01,)] * len(full), samples_process=[(0,)] * len(full), ci95_low_s=np.nan
        ),
        "older tables": _tables.table(),
    }


@functools.cache
def _story(name: str) -> Story:
    return story_of(_odd()[name])


@functools.cache
def _large_story() -> Story:
    return story_of(_large())


@pytest.mark.parametrize("name", _odd())
@on_each_section
def test_odd_tables_build_and_invent_nothing(make: Make, name: str, tmp_path: Path) -> None:
    for section in sections(make, _story(name), tmp_path):
        assert section.tables


@on_each_section
def test_every_section_shows_something_of_a_full_table_and_has_its_files(make: Make, tmp_path: Path) -> None:
    (section,) = sections(make, table(_everything(3)), tmp_path, for_paper=True)
    assert section.points
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{section.name}.{kind}" for kind in ("svg", "png", "pdf", "csv")
    }
    assert [link.href for link in section.files] == [
        f"{tmp_path.name}/{section.name}.{k}" for k in ("svg", "png", "pdf", "csv")
    ]


@on_each_section
def test_many_rows_make_a_small_figure_and_a_short_table(make: Make, tmp_path: Path) -> None:
    (section,) = sections(make, _large_story(), tmp_path)
    assert sum(map(len, section.points.values())) <= 700
    assert sum(len(shown.rows) for shown in section.tables) <= 100


@on_each_section
def test_names_stay_names(make: Make, tmp_path: Path) -> None:
    nasty = "</script><b>$x_1$"
    (section,) = sections(make, table([{**r, "backend": nasty} for r in _everything(3)]), tmp_path)
    assert "<b>" not in (section.svg or "")


def test_picking_is_linear(tmp_path: Path) -> None:
    """Ten times the rows take about ten times as long to pick, not a hundred; drawing is bounded, so it does not count."""
    from storebench.report.sections._rows import alike_but, by_image

    def seconds(rows: list[dict[str, Any]]) -> float:
        began = time.process_time()
        alike_but(rows, "cache")
        by_image(rows)
        return time.process_time() - began

    small = [{**row(0.01), "codec": f"gzip-{n}"} for n in range(1000)]
    large = [{**small[0], "codec": f"gzip-{n}"} for n in range(20_000)]
    assert min(seconds(large) for _ in range(3)) < 100 * max(min(seconds(small) for _ in range(3)), 1e-3)
