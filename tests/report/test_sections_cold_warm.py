"""Cold and warm: the same read in both states, and what the disk delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.report.sections import cold_warm

from ._picked import csv_of, points_of, row, sections, table


def _pairs(cold_s: float, shown: str | None = "guest-cold") -> list[dict[str, Any]]:
    rows = []
    for pattern, times in (("whole", 1.0), ("plane_xz", 0.5)):
        rows.append(row(0.01 * times, pattern=pattern, cache="warm", cache_shown="warm", fetched_bytes=1000))
        rows.append(
            row(cold_s * times, pattern=pattern, cache="cold", cache_shown=shown, fetched_bytes=1000, device_bytes=4000)
        )
    return rows


def test_the_same_read_in_both_states(tmp_path: Path) -> None:
    (section,) = sections(cold_warm.make, table(_pairs(0.08)), tmp_path)
    data = csv_of(section, tmp_path)
    assert sorted(data["warm_s"]) == pytest.approx([0.005, 0.01])
    assert sorted(data["cold_s"]) == pytest.approx([0.04, 0.08])
    assert set(data["device_bytes"]) == {4000}
    assert "is shown to take longer in 2 of 2 cases, up to 8.00x as long" in section.finding
    assert "the bytes asked of the store and those that the disk delivered" in section.about
    assert len(points_of(section)) == 8
    (numbers,) = section.tables
    assert {cells[7].text for cells in numbers.rows} == {"4.00x"}


def test_guest_cold_is_said_and_what_is_not_shown_too(tmp_path: Path) -> None:
    (guest,) = sections(cold_warm.make, table(_pairs(0.08)), tmp_path)
    assert "2 of 2 cold reads are shown to be guest-cold" in guest.about
    (bare,) = sections(cold_warm.make, table(_pairs(0.08, "cold")), tmp_path)
    assert "guest" not in bare.about
    (unknown,) = sections(cold_warm.make, table(_pairs(0.08, None)), tmp_path)
    assert "Of 2 of 2 nothing shows that they were cold" in unknown.about


def test_no_difference_is_said_to_be_none(tmp_path: Path) -> None:
    (section,) = sections(cold_warm.make, table(_pairs(0.01)), tmp_path)
    assert section.finding == "No first read from the disk is shown to take longer than a warm one (2 compared)"


def test_without_bytes_of_the_device_there_is_no_panel_for_them(tmp_path: Path) -> None:
    rows = [{**r, "device_bytes": None} for r in _pairs(0.08)]
    (section,) = sections(cold_warm.make, table(rows), tmp_path)
    assert len(points_of(section)) == 4
    assert "delivered" not in section.about


def test_a_cold_read_of_another_machine_is_no_partner(tmp_path: Path) -> None:
    rows = [{**r, "machine": "lab-2"} if r["cache"] == "cold" else r for r in _pairs(0.08)]
    assert sections(cold_warm.make, table(rows), tmp_path) == []
