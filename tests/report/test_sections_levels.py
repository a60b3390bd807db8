"""Levels: views paired with the same view at full resolution, and what the levels cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.report.sections import levels

from ._picked import csv_of, points_of, row, sections, table

_PLANE: dict[str, Any] = {
    "shape": (4096, 4096),
    "axes": "yx",
    "backend": "omezarr-0.5-zarrpython",
    "chunk_shape": (512, 512),
}


def _pyramid(view_s: float = 0.01, full_s: float = 0.16, write_s: float = 0.5) -> list[dict[str, Any]]:
    with_levels = {**_PLANE, "n_levels": 3, "stored_bytes": 1330}
    without = {**_PLANE, "n_levels": 1, "stored_bytes": 1000}
    return [
        row(0.04, pattern="viewport@0", voxels_asked=1600, **with_levels),
        row(view_s, pattern="viewport@2", voxels_asked=100, **with_levels),
        row(0.04, pattern="viewport@0", voxels_asked=1600, **without),
        row(full_s, pattern="viewport@2-from0", voxels_asked=1600, **without),
        row(write_s, operation="write", **with_levels),
        row(0.4, operation="write", **without),
    ]


def test_a_view_stands_beside_the_same_view_at_full_resolution(tmp_path: Path) -> None:
    (section,) = sections(levels.make, table(_pyramid()), tmp_path)
    data = csv_of(section, tmp_path)
    assert data["level"].tolist() == [0, 2]
    assert data["view_s"].tolist() == pytest.approx([0.04, 0.01])
    assert data["full_resolution_s"].tolist() == pytest.approx([0.04, 0.16])
    assert data["ideal_s"].tolist() == pytest.approx([0.04, 0.16 / 16])
    assert set(data["stored_bytes_with_levels"]) == {1330}
    assert section.finding == (
        "The view that takes 160 ms at full resolution takes 10.0 ms from level 2 (omezarr-0.5-zarrpython, 4096x4096); "
        "the levels cost 1.33x the bytes and 1.25x the time to write"
    )
    assert len(points_of(section)) == 4


def test_the_finding_follows_the_data(tmp_path: Path) -> None:
    (slow,) = sections(levels.make, table(_pyramid(view_s=0.2)), tmp_path)
    assert slow.finding == "No view is shown to be faster from a smaller level than from full resolution (1 compared)"
    (cheap,) = sections(levels.make, table(_pyramid(write_s=0.4)), tmp_path)
    assert cheap.finding.endswith("the levels cost 1.33x the bytes and no time to write that is shown")


def test_a_plane_that_fits_the_screen_is_the_same_view_under_another_name(tmp_path: Path) -> None:
    small = {**_PLANE, "shape": (512, 512), "n_levels": 3}
    rows = [row(0.04, pattern="viewport@0", **small), row(0.01, pattern="viewport@1", **small)]
    (section,) = sections(levels.make, table(rows), tmp_path)
    assert csv_of(section, tmp_path)["full_resolution_s"].tolist() == pytest.approx([0.04, 0.04])
    assert "the levels cost" not in section.finding
    large = [{**r, "shape": (9000, 9000)} for r in rows]
    assert sections(levels.make, table(large), tmp_path) == []


def test_two_machines_never_make_a_pair(tmp_path: Path) -> None:
    rows = _pyramid()
    elsewhere = [{**r, "machine": "lab-2"} if r["n_levels"] == 1 else r for r in rows]
    assert sections(levels.make, table(elsewhere), tmp_path) == []
