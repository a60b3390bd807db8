"""Slabs that come one after the other, and regions that change: what the two figures pick, say and write down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.report.sections import overwrite, streaming

from ._picked import csv_of, points_of, row, sections, table


def _stream(seconds: float, pattern: str = "stream1", **columns: Any) -> dict[str, Any]:
    """Return a row of 128 planes that took so many seconds."""
    n_frames = -(-128 // int(pattern.removeprefix("stream")))
    slab_s = seconds / n_frames
    frames = {"n_frames": n_frames, "frames_per_s": n_frames / seconds, "frame_median_s": slab_s}
    frames |= {"frame_p99_s": 4 * slab_s, "frame_max_s": 5 * slab_s, "write_amplification": 1.0}
    return row(seconds, operation="append", pattern=pattern, **frames | columns)


def test_slabs_that_fit_the_chunks_are_held_against_those_that_do_not(tmp_path: Path) -> None:
    rows = [
        _stream(6.4, write_amplification=39.4),
        _stream(0.64, "stream64"),
        _stream(0.128, backend="npy-numpy", chunk_shape=None, codec="none"),
    ]
    (section,) = sections(streaming.make, table(rows), tmp_path)
    data = csv_of(section, tmp_path)
    assert data["planes_per_s"].tolist() == pytest.approx([1000, 200, 20])
    assert data["frame_p99_s"].tolist() == pytest.approx([0.004, 1.28, 0.2])
    assert section.finding == (
        "zarr3-zarrpython 64x64x64 zstd-3 takes 20.0 planes a second plane by plane and moves 39.4x the bytes that it is "
        "given; 64 planes at a time it takes 10.0x as many"
    )
    assert len(points_of(section)) == 9  # a rate, a median and a stall each
    (shown,) = section.tables
    assert [cells[1].text for cells in shown.rows] == ["1000", "200", "20.0"]
    assert [cells[6].text for cells in shown.rows] == ["1.00x", "1.00x", "39.4x"]


def test_where_nothing_is_shown_the_most_planes_are_named(tmp_path: Path) -> None:
    rows = [_stream(1.28), _stream(1.281, "stream64"), _stream(0.64, backend="hdf5-h5py")]
    (section,) = sections(streaming.make, table(rows), tmp_path)
    assert section.finding.startswith("hdf5-h5py 64x64x64 zstd-3, plane by plane takes 200 planes a second")
    assert section.finding.endswith("the most of 3 that were measured; one slab in a hundred takes 20.0 ms or more")


def test_few_slabs_have_no_99th_percentile(tmp_path: Path) -> None:
    (section,) = sections(streaming.make, table([_stream(0.64, "stream16")]), tmp_path)  # 8 samples of 8 slabs
    assert section.finding.endswith("; the slowest of 64 slabs took 400 ms")
    assert "at the median and at the slowest, which" in section.about
    (both,) = sections(streaming.make, table([_stream(0.64, "stream16"), _stream(0.64)]), tmp_path)
    assert "at the 99th percentile (of fewer than 100 slabs: the slowest), which" in both.about
    shown = {cells[0].text.rpartition(", ")[2]: cells for cells in both.tables[0].rows}
    assert [cells[4].text for cells in (shown["16 planes at a time"], shown["plane by plane"])] == ["–", "20.0 ms"]


def test_durable_streams_are_lines_of_their_own(tmp_path: Path) -> None:
    rows = [_stream(0.128), _stream(1.28, durability="durable")]
    (section,) = sections(streaming.make, table(rows), tmp_path)
    labels = [cells[0].text for cells in section.tables[0].rows]
    assert labels == [
        "zarr3-zarrpython 64x64x64 zstd-3, plane by plane",
        "zarr3-zarrpython 64x64x64 zstd-3, plane by plane, on the device",
    ]


def _change(moved: float | None, pattern: str = "roi64-misaligned64", **columns: Any) -> dict[str, Any]:
    known = {"asked_bytes": 1000, "fetched_bytes": 400, "set_bytes": 600, "predicted_bytes": 1000}
    return row(0.01, operation="overwrite", pattern=pattern, **known | {"write_amplification": moved} | columns)


def test_the_change_that_moves_the_most_is_named_beside_the_one_that_fits(tmp_path: Path) -> None:
    sharded = {"chunk_shape": (32, 32, 32), "shard_shape": (128, 128, 128)}
    rows = [
        _change(5.56),
        _change(0.62, "roi64-aligned64"),
        _change(9.0, **sharded),
        _change(8.0, "roi64-aligned64", **sharded),
        _change(None, backend="tiff-tifffile"),
    ]
    (section,) = sections(overwrite.make, table(rows), tmp_path)
    assert section.finding == (
        "In zarr3-zarrpython 32x32x32 in 128x128x128 zstd-3 an overwrite of roi64-misaligned64 moves 9.00x the bytes that "
        "change, one of roi64-aligned64 8.00x"
    )
    data = csv_of(section, tmp_path)
    assert sorted(data["write_amplification"]) == pytest.approx([0.62, 5.56, 8.0, 9.0])
    assert len(points_of(section)) == 8  # bytes and time of each
    (shown,) = section.tables
    assert [cells[5].text for cells in shown.rows] == ["9.00x", "8.00x", "5.56x", "0.620x"]


def test_of_many_settings_those_that_move_the_most_are_drawn_and_stand_in_the_table(tmp_path: Path) -> None:
    rows = [_change(float(n), chunk_shape=(n, 8, 8)) for n in range(1, 71)]
    (section,) = sections(overwrite.make, table(rows), tmp_path)
    (shown,) = section.tables
    assert [cells[5].text for cells in shown.rows] == [f"{n}.0x" for n in range(70, 10, -1)]
    drawn = [n for n in range(2, 71) if f" {n}x8x8 " in (section.svg or "")]  # 1: in its title
    assert drawn == list(range(47, 71))


def test_budgets_and_images_do_not_meet(tmp_path: Path) -> None:
    rows = [_change(2.0), _change(3.0, "roi64-aligned64"), _change(9.0, threads=1), _change(8.0, shape=(64, 64, 64))]
    (section,) = sections(overwrite.make, table(rows), tmp_path)
    assert section.finding.startswith("In zarr3-zarrpython 64x64x64 zstd-3 an overwrite of roi64-aligned64 moves 3.00x")


def test_one_region_is_held_against_the_setting_that_moves_the_least(tmp_path: Path) -> None:
    (section,) = sections(overwrite.make, table([_change(9.0), _change(1.0, backend="npy-numpy")]), tmp_path)
    assert section.finding.endswith(
        "moves 9.00x the bytes that change, one of roi64-misaligned64 in npy-numpy 64x64x64 zstd-3 1.00x"
    )


@pytest.mark.parametrize("make", [streaming.make, overwrite.make])
def test_no_section_where_nothing_of_it_was_measured(tmp_path: Path, make: Any) -> None:
    assert sections(make, table([row(0.05), row(0.05, operation="write"), _change(None)]), tmp_path) == []
