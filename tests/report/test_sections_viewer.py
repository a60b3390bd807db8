"""Traces of a viewer: the time, bytes and requests of each view, with levels and without; and what the levels cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.access import Target, parse_pattern
from storebench.report.sections import level_costs, viewer, viewer_requests

from ._picked import csv_of, points_of, row, sections, table

_PLANE: dict[str, Any] = {"shape": (7614, 7614), "axes": "yx"}
_OMEZARR: dict[str, Any] = {
    "backend": "omezarr-0.5-zarrpython",
    "format": "ome-zarr-0.5",
    "library": "zarr",
    "chunk_shape": (256, 256),
}
_ZARR: dict[str, Any] = {"backend": "zarr3-zarrpython", "format": "zarr3", "library": "zarr", "chunk_shape": (256, 256)}
_N_VIEWS = 17


def _trace(view_s: float, overview_s: float | None = None, **columns: Any) -> dict[str, Any]:
    """Return a row of a trace whose views all take as long, but for the overviews at both ends."""
    first = view_s if overview_s is None else overview_s
    seconds = [first, *[view_s] * (_N_VIEWS - 2), first]
    counted = {
        "frame_requests": [4, *[77] * (_N_VIEWS - 2), 4],
        "frame_bytes": [1 << 20, *[8 << 20] * (_N_VIEWS - 2), 1 << 20],
    }
    counted |= {f"predicted_{name}": values for name, values in counted.items()}
    columns = (
        _PLANE | {"pattern": "viewer", "n_levels": 4, "fetched_bytes": 9 << 20, "requests": 90} | counted | columns
    )
    return row(
        sum(seconds),
        n_frames=_N_VIEWS,
        frames_s=seconds,
        first_view_s=first + 0.001,
        frame_median_s=view_s,
        frame_p95_s=max(first, view_s),
        frame_max_s=max(first, view_s),
        **columns,
    )


def _rows() -> list[dict[str, Any]]:
    return [
        _trace(0.05, 0.01, **_OMEZARR),
        _trace(0.06, 0.02, **{**_OMEZARR, "chunk_shape": (512, 512)}),
        _trace(0.05, 1.2, **_ZARR, n_levels=1) | {"pattern": "viewer-from0"},
    ]


def test_every_view_is_drawn_and_named(tmp_path: Path) -> None:
    (section,) = sections(viewer.make, table(_rows()), tmp_path)
    data = csv_of(section, tmp_path)
    assert len(data) == 3 * _N_VIEWS
    first = data[data["setting"] == data["setting"][0]]
    assert first["view"].tolist() == list(range(1, _N_VIEWS + 1))
    assert first["view_s"].tolist() == pytest.approx([0.01, *[0.05] * 15, 0.01])
    assert first["phase"].tolist() == ["overview", *["zoom in"] * 3, *["pan"] * 10, *["zoom out"] * 3]
    assert sorted(set(points_of(section))) == [0, 2]  # the best of each format; the other setting is a grey line
    assert len(points_of(section)) == 2 * _N_VIEWS
    assert section.finding == (
        "A viewer waits 11.0 ms for the first view, 50.0 ms for half of all views and at most 50.0 ms for 95 of 100 "
        "(omezarr-0.5-zarrpython), 770 ms for the whole trace; 3.15 s where there are no levels (zarr3-zarrpython)"
    )


def test_the_finding_follows_the_data(tmp_path: Path) -> None:
    slow_levels = [_trace(0.5, 0.5, **_OMEZARR), *_rows()[2:]]
    (section,) = sections(viewer.make, table(slow_levels), tmp_path)
    assert section.finding.endswith("storage without levels is not shown to be slower over the whole trace")
    (alone,) = sections(viewer.make, table(_rows()[:1]), tmp_path)
    assert "levels," not in alone.finding


def test_another_image_has_a_section_of_its_own(tmp_path: Path) -> None:
    other = _trace(0.05, **_OMEZARR) | {"shape": (7000, 7000)}
    first, second = sections(viewer.make, table([*_rows(), other]), tmp_path)
    assert (first.name, second.name) == ("viewer", "viewer-2")
    assert "7000x7000" in second.about


def test_a_trace_whose_views_are_not_known_is_left_out(tmp_path: Path) -> None:
    bare = {**_rows()[0], "frames_s": None}
    odd = {**_rows()[1], "frames_s": [0.1] * 3}  # no trace of this plane has three views
    assert sections(viewer.make, table([bare, odd]), tmp_path) == []
    assert sections(viewer.make, table([row(0.1)]), tmp_path) == []


def test_bytes_and_requests_of_each_view(tmp_path: Path) -> None:
    glymur = _trace(0.4, backend="jp2-glymur", format="jp2", library="glymur", frame_requests=None, frame_bytes=None)
    merged = _rows()[2] | {"frame_requests": [900, *[70] * (_N_VIEWS - 2), 900], "frame_bytes": [64 << 20] * _N_VIEWS}
    (section,) = sections(viewer_requests.make, table([*_rows()[:2], merged, glymur]), tmp_path)
    assert section.finding == (
        "The overview asks for 1.00 MiB in 4 requests, half of all views for at most 8.00 MiB (omezarr-0.5-zarrpython); "
        "without levels the overview asks for 64.0 MiB in 900 requests (zarr3-zarrpython)"
    )
    data = csv_of(section, tmp_path)
    assert len(data) == 2 * _N_VIEWS  # the best of each format that is counted
    assert data["requests"].tolist()[:2] == [4, 77]
    (shown,) = section.tables
    assert [cells[-1].text for cells in shown.rows] == ["every view", "0 of 17 views"]
    assert len(points_of(section)) == 2 * 2 * _N_VIEWS


def _costs() -> list[dict[str, Any]]:
    with_levels = {**_PLANE, **_OMEZARR, "n_levels": 4, "level_method": "mean", "stored_bytes": 1330}
    without = {**_PLANE, **_OMEZARR, "n_levels": 1, "level_method": "mean", "stored_bytes": 1000}
    return [
        row(0.7, operation="build_levels", **with_levels),
        row(2.0, operation="write", **with_levels),
        row(1.5, operation="write", **without),
        row(0.9, operation="build_levels", **{**with_levels, "level_method": "mode", "stored_bytes": 1200}),
    ]


def test_what_levels_cost(tmp_path: Path) -> None:
    (section,) = sections(level_costs.make, table(_costs()), tmp_path)
    data = csv_of(section, tmp_path)
    assert data["build_s"].tolist() == pytest.approx([0.7, 0.9])
    assert data["write_s_with_levels"].tolist()[0] == pytest.approx(2.0)
    assert data["write_s_without"].tolist() == pytest.approx([1.5, 1.5])
    assert data["added_fraction"].tolist() == pytest.approx([0.33, 0.2])
    assert section.finding == (
        "The smaller levels of ct 7614x7614 uint16 take 700 ms to 900 ms to build and add 20.0 % to 33.0 % of the bytes "
        "(2 settings; 700 ms: omezarr-0.5-zarrpython, 4 levels by mean)"
    )


def test_levels_that_were_only_written_have_a_cost_too(tmp_path: Path) -> None:
    (section,) = sections(level_costs.make, table(_costs()[1:3]), tmp_path)
    assert section.finding == (
        "The smaller levels of ct 7614x7614 uint16 make a write 2.00 s long instead of 1.50 s and add 33.0 % of the bytes "
        "(omezarr-0.5-zarrpython, 4 levels by mean)"
    )
    assert sections(level_costs.make, table(_costs()[2:3]), tmp_path) == []


def _written(with_s: float, without_s: float, n_samples: int = 8, **columns: Any) -> list[dict[str, Any]]:
    setting = {**_PLANE, **_OMEZARR, "operation": "write", "n_samples": n_samples} | columns
    return [row(with_s, n_levels=4, **setting), row(without_s, n_levels=1, **setting)]


def test_levels_cost_a_write_nothing_that_is_not_shown(tmp_path: Path) -> None:
    for rows in (_written(1.01, 1.0, n_samples=1), _written(1.01, 1.0), _written(1.0, 2.0)):
        (section,) = sections(level_costs.make, table(rows), tmp_path)
        assert "ct 7614x7614 uint16 are not shown to make a write longer (omezarr" in section.finding


def test_of_several_settings_it_is_said_in_how_many_a_write_is_longer(tmp_path: Path) -> None:
    rows = [*_written(2.0, 1.0), *_written(1.3, 1.0, **_ZARR), *_written(1.0, 1.0, codec="none")]
    (section,) = sections(level_costs.make, table(rows), tmp_path)
    assert section.finding == (
        "The smaller levels of ct 7614x7614 uint16 make a write 2.00 s long instead of 1.00 s "
        "(omezarr-0.5-zarrpython, 4 levels; longer in 2 of 3 settings)"
    )


def test_the_views_of_the_tests_are_those_of_the_trace() -> None:
    levels = tuple((7614 >> k, 7614 >> k) for k in range(4))
    assert len(parse_pattern("viewer").requests(Target(levels, "yx"))) == _N_VIEWS
