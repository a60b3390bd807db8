"""The sections about formats, chunks, codecs and libraries: any table builds, large ones stay small, points name their rows."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from storebench.report.section import Story, Studio
from storebench.report.sections import (
    amplification,
    chunk_bytes,
    chunks,
    codec_speed,
    formats,
    libraries,
    padding,
    stacks,
    tradeoff,
)
from storebench.report.style import house_style
from storebench.results.frame import tidy_frame

from . import _tables
from ._picked import Make, points_of, row, sections, story_of, table

_MAKERS = {
    made.__name__.rpartition(".")[2]: made.make
    for made in (formats, tradeoff, chunks, amplification, chunk_bytes, padding, codec_speed, stacks, libraries)
}
on_each_section = pytest.mark.parametrize("make", _MAKERS.values(), ids=_MAKERS)
_BACKENDS = ("zarr3-zarrpython", "zarr3-tensorstore", "tiffstack-tifffile", "jp2stack-glymur", "hdf5-h5py")
_PATTERNS = ("whole", "plane_xy", "plane_xz", "plane_yz", "roi32", "tile256", "voxel", "viewport@0")
_FAMILIES = ("gzip-{}", "zstd-{}", "blosc-zstd-{}-shuffle", "blosc-lz4-{}-shuffle")
_CODECS = ("none", *(name.format(level) for name in _FAMILIES for level in range(1, 10)), "jp2-ratio-10", "unknown-7")


def _everything(n_stores: int, codecs: Sequence[str] = _CODECS) -> list[dict[str, Any]]:
    """Return rows of every task of many stores; times rise and fall from store to store, the same each time."""
    rows = []
    names = [(backend, codec) for codec in codecs for backend in _BACKENDS]
    for n, (edge, (backend, codec)) in enumerate(itertools.islice(itertools.product(range(9, 200), names), n_stores)):
        store = {"backend": backend, "codec": codec, "chunk_shape": (edge, edge, edge)}
        store |= {"stored_bytes": 10**6 + n, "compression_ratio": 1 + n % 17 / 10, "n_files": 1 + n}
        seconds = 1e-3 * (1 + n * 37 % 101)
        read = {"fetched_bytes": 4000, "read_amplification": 1.5 + n % 5, "voxels_asked": 10, "voxels_decoded": 15}
        rows += [row(seconds * k, pattern=p, **read, **store) for k, p in enumerate(_PATTERNS, 1)]
        rows += [row(seconds * 2, operation=name, **store) for name in ("write", "encode", "decode")]
    return rows


def _some() -> list[dict[str, Any]]:
    rows = _everything(60, ("none", "zstd-1", "zstd-9", "blosc-lz4-5-shuffle", "jp2-ratio-10"))
    return [r for r in rows if r["pattern"] in (None, "whole", "plane_xz", "roi32")]


@functools.cache
def _large() -> pd.DataFrame:
    return table(_everything(460)[:5000])


@functools.cache
def _odd() -> dict[str, pd.DataFrame]:
    full = table(_some())
    bare = full.copy()
    for name in full.columns:
        if name not in ("status", "operation", "pattern", "median_s", "cache", "durability"):
            bare[name] = None
    unnamed = full.assign(backend=None, n_levels=None, stack_axis=None, store=None, seed=None, axes=None)
    parts = full["backend"].str.rsplit("-", n=1)
    imported = unnamed.assign(format=parts.str[0], library=parts.str[1])
    return {
        "empty": tidy_frame([]),
        "one row": full.iloc[:1],
        "one read each": full[full["pattern"] == "roi32"],
        "median alone": bare,
        "nothing known": full.assign(**dict.fromkeys(full.columns, None)),
        "imported": imported.assign(samples_process=None, n_processes=None),
        "imported, nobody named": unnamed,
        "no intervals": full.assign(samples_s=None, ci95_low_s=np.nan, ci95_high_s=np.nan, n_samples=None),
        "all failed": full.assign(status="failed", reason="no", median_s=np.nan),
        "no shape": full.assign(shape=None),
        "other shape": full.assign(shape=[(128, 128)] * len(full)),
        "no type": full.assign(dtype=None),
        "another tool's type": full.assign(dtype="RGB of 8 bits"),
        "no chunks": full.assign(chunk_shape=None),
        "zeros": full.assign(compression_ratio=0.0, fetched_bytes=0, stored_bytes=0, asked_bytes=0, n_files=0),
        "infinite": full.assign(compression_ratio=np.inf, read_amplification=np.inf),
        "zero seconds": full.assign(median_s=0.0),
        "no codec": full.assign(codec=None),
        "no machine": full.assign(machine=None),
        "usual": _tables.table(),
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
        assert section.tables or section.heat


@on_each_section
def test_every_section_shows_a_full_table_in_short(make: Make, tmp_path: Path) -> None:
    (section,) = sections(make, _large_story(), tmp_path)
    assert 0 < sum(map(len, section.points.values())) <= 600 or section.heat
    tables = [*section.tables, *([section.heat] if section.heat else [])]
    assert sum(len(shown.rows) for shown in tables) <= 130
    assert len({*points_of(section)}) <= len(points_of(section))


@on_each_section
def test_names_stay_names(make: Make, tmp_path: Path) -> None:
    nasty = {name: f"</script><b>{name}" for name in _BACKENDS if not name.partition("-")[0].endswith("stack")}
    rows = [{**r, "backend": nasty.get(r["backend"], r["backend"]), "dataset": "<b>$x_1$"} for r in _some()]
    for section in sections(make, table(rows), tmp_path):
        assert "<b>" not in (section.svg or "")


def test_no_section_comes_from_nothing() -> None:
    assert len(_large()) == 5000


def test_picking_and_drawing_five_thousand_rows_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All sections together take a few seconds of a busy machine's processor, saving apart; quadratic work takes minutes."""
    monkeypatch.setattr(Studio, "save", lambda *_, **__: ("", ()))
    story = _large_story()
    began = time.process_time()
    with house_style():
        made = [section for make in _MAKERS.values() for section in make(story, Studio(tmp_path))]
    assert len(made) == len(_MAKERS)
    assert time.process_time() - began < 8
