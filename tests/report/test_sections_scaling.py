"""Scaling with threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.report.sections import scaling_threads
from storebench.results.intervals import median_ratio_interval

from ._picked import csv_of, points_of, row, sections, table


def _budgets(many_s: float, threads: int = 2, **columns: Any) -> list[dict[str, Any]]:
    return [row(0.02, threads=1, parallelism=1.0, **columns), row(many_s, threads=threads, parallelism=1.9, **columns)]


def test_speed_up_with_its_interval(tmp_path: Path) -> None:
    rows = _budgets(0.011)
    (section,) = sections(scaling_threads.make, table(rows), tmp_path)
    (line,) = csv_of(section, tmp_path).to_dict("records")
    one, many = rows
    ratio = median_ratio_interval(
        many["samples_s"], many["samples_process"], one["samples_s"], one["samples_process"], confidence=0.95
    )
    assert (line["speedup"], line["ci95_low"], line["ci95_high"]) == pytest.approx(ratio)
    assert line["speedup"] == pytest.approx(20 / 11)
    assert section.finding == (
        "2 threads are shown to be faster than one in 1 of 1 case, up to 1.82x (zarr3-zarrpython 64x64x64 zstd-3, read whole)"
    )
    assert section.tables[0].rows[0][4].text == "1.90"
    assert len(points_of(section)) == 1


def test_the_finding_flips_with_the_data(tmp_path: Path) -> None:
    (same,) = sections(scaling_threads.make, table(_budgets(0.02)), tmp_path)
    assert same.finding == "2 threads are not shown to be faster than one in any of 1 case"
    (slower,) = sections(scaling_threads.make, table(_budgets(0.03)), tmp_path)
    assert slower.finding.endswith("; in 1 they are shown to be slower")


def test_each_budget_is_compared_with_one_thread(tmp_path: Path) -> None:
    rows = [*_budgets(0.011), row(0.006, threads=4), *_budgets(0.02, codec="none")]
    (section,) = sections(scaling_threads.make, table(rows), tmp_path)
    assert sorted(csv_of(section, tmp_path)["threads"]) == [2, 2, 4]
    assert section.finding.startswith("4 threads are shown to be faster than one in 1 of 1 case, up to 3.33x")


def test_without_one_thread_nothing_is_compared(tmp_path: Path) -> None:
    assert sections(scaling_threads.make, table(_budgets(0.01)[1:]), tmp_path) == []
    assert sections(scaling_threads.make, table([row(0.02), row(0.01, threads=2)]), tmp_path) == []
