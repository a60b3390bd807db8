"""A large plane: JPEG 2000 beside the others, whole, in part and smaller; bytes where a library cannot be logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.report.sections import large_plane

from ._picked import csv_of, points_of, row, sections, table

_PLANE: dict[str, Any] = {"shape": (7614, 7614), "axes": "yx"}
_JP2: dict[str, Any] = {
    **_PLANE,
    "backend": "jp2-glymur",
    "codec": "jp2-lossless",
    "chunk_shape": (7614, 7614),
    "stored_bytes": 60_000_000,
}


def _rows(jp2_s: float = 7.4) -> list[dict[str, Any]]:
    tiff = {**_PLANE, "backend": "tiff-tifffile", "codec": "none", "chunk_shape": None, "stored_bytes": 120_000_000}
    return [
        row(jp2_s, pattern="whole", n_samples=3, read_call_bytes=60_000_000, **_JP2),
        row(0.7, pattern="viewport@0", read_call_bytes=60_000_000, **_JP2),
        row(0.08, pattern="tile256", read_call_bytes=60_000_000, **_JP2),
        row(0.14, pattern="level@3", read_call_bytes=60_000_000, **_JP2),
        row(4.1, pattern="whole", threads=2, n_samples=3, **_JP2),
        row(1.9, pattern="whole", **{**_JP2, "codec": "jp2-ratio-10"}),
        row(
            0.26,
            pattern="whole",
            **{**_PLANE, "backend": "htj2k-imagecodecs", "codec": "htj2k-lossless", "chunk_shape": None},
        ),
        row(0.0175, pattern="whole", fetched_bytes=120_000_000, **tiff),
        row(0.001, pattern="tile256", fetched_bytes=12_000_000, read_call_bytes=99, **tiff),
    ]


def test_jpeg_2000_stands_beside_the_others(tmp_path: Path) -> None:
    (section,) = sections(large_plane.make, table(_rows()), tmp_path)
    assert section.finding == (
        "Reading a plane of 7614x7614 from lossless JPEG 2000 takes 7.40 s, 28.5x as long as from HTJ2K and "
        "423x as long as from TIFF; a square of 256x256 of it takes 80.0 ms"
    )
    assert len(points_of(section)) == 9 + 3  # each read, and three shares of bytes
    (shown,) = section.tables
    assert [cells[0].text for cells in shown.rows] == [
        "tiff-tifffile none",
        "htj2k-imagecodecs htj2k-lossless",
        "jp2-glymur jp2-ratio-10",
        "jp2-glymur jp2-lossless",
    ]
    columns = ["whole", "screen area", "256x256", "level 3", "whole, every processor"]
    assert list(shown.columns)[2:-2] == columns


def test_bytes_are_the_store_s_or_those_of_read_calls(tmp_path: Path) -> None:
    (section,) = sections(large_plane.make, table(_rows()), tmp_path)
    data = csv_of(section, tmp_path).set_index(["setting", "pattern"]).sort_index()
    assert data.loc[("jp2-glymur jp2-lossless", "tile256"), "bytes_read"] == 60_000_000
    assert data.loc[("tiff-tifffile none", "tile256"), "bytes_read"] == 12_000_000
    by_setting = {cells[0].text: [cell.text for cell in cells[-2:]] for cells in section.tables[0].rows}
    assert by_setting["tiff-tifffile none"] == ["–", "10.0 %"]
    assert by_setting["jp2-glymur jp2-lossless"] == ["100 %", "100 %"]


def test_a_budget_stands_beside_the_library_s_own_way(tmp_path: Path) -> None:
    (section,) = sections(large_plane.make, table(_rows()), tmp_path)
    data = csv_of(section, tmp_path)
    whole = data[(data["setting"] == "jp2-glymur jp2-lossless") & (data["pattern"] == "whole")]
    assert dict(zip(whole["threads"].fillna(0), whole["median_s"], strict=True)) == pytest.approx({0: 7.4, 2: 4.1})


def test_what_is_not_shown_is_not_said(tmp_path: Path) -> None:
    (section,) = sections(large_plane.make, table(_rows(jp2_s=0.017)), tmp_path)
    assert "takes 17.0 ms; no other lossless format is shown to be faster" in section.finding


def test_every_other_format_is_looked_at(tmp_path: Path) -> None:
    rows = [
        row(7.0, pattern="whole", **_JP2),
        row(0.5, pattern="whole", **_PLANE, backend="png-imageio", codec="png-6", chunk_shape=None),
        row(0.35, pattern="whole", **_PLANE, backend="tiff-tifffile", codec="zstd-3", chunk_shape=None),
        row(0.7, pattern="whole", **_PLANE, backend="hdf5-h5py", codec="none", chunk_shape=None),
        row(0.1, pattern="whole", n_samples=2, **_PLANE, backend="npy-numpy", codec="none", chunk_shape=None),
    ]
    (section,) = sections(large_plane.make, table(rows), tmp_path)
    assert section.finding.endswith(
        "takes 7.00 s, 20.0x as long as from TIFF, 14.0x as long as from PNG and 10.0x as long as from hdf5-h5py"
    )


def test_the_table_holds_every_read_by_every_processor_that_is_drawn(tmp_path: Path) -> None:
    rows = [*_rows(), row(0.05, pattern="tile256", threads=2, **_JP2)]
    (section,) = sections(large_plane.make, table(rows), tmp_path)
    (shown,) = section.tables
    cells = dict(zip(shown.columns, shown.rows[-1], strict=True))
    assert cells["whole, every processor"].text == "4.10 s"
    assert cells["256x256, every processor"].text == "50.0 ms"


@pytest.mark.parametrize(
    "rows",
    [
        [r for r in _rows() if not r["backend"].startswith("jp2")],
        [r for r in _rows() if r["backend"] == "jp2-glymur"],
        [{**r, "shape": (1024, 1024)} for r in _rows()],
        [{**r, "cache": "cold"} for r in _rows()],
    ],
    ids=["no JPEG 2000", "nothing else", "small", "cold"],
)
def test_without_a_large_plane_in_two_formats_there_is_nothing(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    assert sections(large_plane.make, table(rows), tmp_path) == []
