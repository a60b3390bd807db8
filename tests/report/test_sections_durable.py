"""Durable writes: until the call returns, and until the device has everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.report.sections import durable

from ._picked import csv_of, points_of, row, sections, table


def _write(durable_s: float, **columns: Any) -> dict[str, Any]:
    given = {"operation": "write", "durability": "durable", "returned_s": 0.01, "durable_s": durable_s, "n_files": 8}
    return row(durable_s, **given | columns)


def test_both_times_of_the_same_calls(tmp_path: Path) -> None:
    rows = [_write(0.05), _write(0.01005, backend="npy-numpy", codec="none", chunk_shape=None)]
    (section,) = sections(durable.make, table(rows), tmp_path)
    data = csv_of(section, tmp_path)
    assert data["returned_s"].tolist() == pytest.approx([0.01, 0.01])
    assert data["durable_s"].tolist() == pytest.approx([0.01005, 0.05])
    assert section.finding.startswith("Until they are on the device, 1 of 2 writes are shown to take longer")
    assert "up to 5.00x as long (zarr3-zarrpython 64x64x64 zstd-3: 10.0 ms, then 50.0 ms)" in section.finding
    assert len(points_of(section)) == 4


def test_nothing_shown_is_said(tmp_path: Path) -> None:
    (section,) = sections(durable.make, table([_write(0.01)]), tmp_path)
    assert section.finding.startswith("No write is shown to take longer until it is on the device")


def test_a_setting_of_two_suites_is_drawn_once_with_the_interval_of_the_device(tmp_path: Path) -> None:
    twice = [_write(0.05), row(0.01, operation="write", returned_s=0.01, durable_s=0.03)]
    (section,) = sections(durable.make, table(twice), tmp_path)
    assert csv_of(section, tmp_path)["durable_s"].tolist() == pytest.approx([0.05])
    others = [row(0.01, operation="write", codec=f"zstd-{level}") for level in (1, 3)]  # most: what the page shows
    (beside,) = sections(durable.make, table([_write(0.05), *others]), tmp_path)
    assert "These are samples of their own" in beside.about
    (alone,) = sections(durable.make, table(twice[1:]), tmp_path)
    assert "3.00x as long" in alone.finding
    assert "samples of their own" not in alone.about


def test_an_own_fsync_stands_beside_both_ends_of_the_same_setting(tmp_path: Path) -> None:
    own = {"durability": "own-fsync", "returned_s": 0.07, "ci95_low_s": 0.069, "ci95_high_s": 0.071}
    other = {"backend": "npy-numpy", "codec": "none", "chunk_shape": None}
    rows = [_write(0.05), row(0.07, operation="write", durable_s=0.071, **own), _write(0.02, **other)]
    (section,) = sections(durable.make, table(rows), tmp_path)
    data = csv_of(section, tmp_path)
    assert data["own_fsync_s"].tolist() == pytest.approx([float("nan"), 0.07], nan_ok=True)
    assert data["returned_s"].tolist() == pytest.approx([0.01, 0.01])
    assert section.finding.endswith(
        "; by the library's own fsync a write takes up to 7.00x as long as until it returns without "
        "(zarr3-zarrpython 64x64x64 zstd-3)"
    )
    assert len(points_of(section)) == 5
    assert section.tables[0].columns[-1] == "Own fsync"
    assert [line[-1].text for line in section.tables[0].rows] == ["–", "70.0 ms"]


def test_an_own_fsync_alone_is_no_comparison(tmp_path: Path) -> None:
    alone = row(0.07, operation="write", durability="own-fsync", returned_s=0.07, durable_s=0.071)
    assert sections(durable.make, table([alone]), tmp_path) == []


def test_budgets_of_threads_do_not_meet(tmp_path: Path) -> None:
    rows = [_write(0.05), _write(0.05, codec="none"), _write(0.02, threads=2)]
    (section,) = sections(durable.make, table(rows), tmp_path)
    assert len(csv_of(section, tmp_path)) == 2


def test_no_section_where_only_the_return_was_timed(tmp_path: Path) -> None:
    assert sections(durable.make, table([row(0.05, operation="write", returned_s=0.05)]), tmp_path) == []
