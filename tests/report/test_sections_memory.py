"""Memory: growth of the process beside the bytes it was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.report.sections import memory

from ._picked import csv_of, points_of, row, sections, table


def _rows(times: float = 1.9) -> list[dict[str, Any]]:
    return [
        row(0.01, asked_bytes=1000, peak_memory_bytes=round(1000 * times)),
        row(0.01, asked_bytes=10, peak_memory_bytes=500, pattern="voxel"),
        row(0.01, asked_bytes=1000, peak_memory_bytes=1200, backend="npy-numpy"),
        row(0.01, asked_bytes=1000, peak_memory_bytes=0, operation="write"),
    ]


def test_growth_beside_bytes(tmp_path: Path) -> None:
    (section,) = sections(memory.make, table(_rows()), tmp_path)
    data = csv_of(section, tmp_path)
    assert sorted(data["peak_per_asked"]) == pytest.approx([0, 1.2, 1.9, 50])
    assert section.finding == (
        "Reading a whole image takes at most 1.20x its bytes of memory with npy-numpy, and up to 1.90x with zarr3-zarrpython"
    )
    assert "1 of 4 calls did not grow it" in section.about
    assert len(points_of(section)) == 6  # three in each of two panels


def test_the_finding_flips_with_the_data(tmp_path: Path) -> None:
    (section,) = sections(memory.make, table(_rows(times=1.1)), tmp_path)
    assert "at most 1.10x its bytes of memory with zarr3-zarrpython, and up to 1.20x with npy-numpy" in section.finding


def test_one_backend_is_named_alone_and_parts_stand_in_for_the_whole(tmp_path: Path) -> None:
    (one,) = sections(memory.make, table(_rows()[:2]), tmp_path)
    assert one.finding == "Reading a whole image takes at most 1.90x its bytes of memory with zarr3-zarrpython"
    (part,) = sections(memory.make, table(_rows()[1:2]), tmp_path)
    assert part.finding == "Reading a part takes at most 50.0x its bytes of memory with zarr3-zarrpython"


def test_what_did_not_grow_at_all_still_has_a_table(tmp_path: Path) -> None:
    (section,) = sections(memory.make, table(_rows()[3:]), tmp_path)
    assert points_of(section) == []
    assert section.tables[0].rows[0][3].text == "0x"


def test_the_table_names_the_worst(tmp_path: Path) -> None:
    rows = [*_rows(), row(0.01, asked_bytes=1000, peak_memory_bytes=9000, codec="none")]
    (section,) = sections(memory.make, table(rows), tmp_path)
    worst = next(cells for cells in section.tables[0].rows if cells[0].text == "zarr3-zarrpython: read, whole image")
    assert (worst[3].text, worst[3].detail) == ("9.00x", "zarr3-zarrpython 64x64x64 none, read whole")
