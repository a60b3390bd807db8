"""Threads and processes on one image."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from storebench.report.sections import parallel
from storebench.results.intervals import median_ratio_interval

from ._picked import csv_of, points_of, row, sections, table

_SETTING = "zarr3-zarrpython 64x64x64 zstd-3"


def _by(kind: str, *medians: tuple[int, float], **columns: Any) -> list[dict[str, Any]]:
    return [row(seconds, concurrency=f"{kind}-{n}", throughput_mib_s=4 / seconds, **columns) for n, seconds in medians]


def test_speed_up_with_its_interval_and_the_finding_of_each_kind(tmp_path: Path) -> None:
    threads, workers = _by("threads", (1, 0.02), (2, 0.02), (4, 0.02)), _by("workers", (1, 0.02), (2, 0.0125))
    (section,) = sections(parallel.make, table(threads + workers), tmp_path)
    assert section.finding == (
        "4 threads are not shown to be faster than one in any of 1 case; 2 processes are shown to be faster than one in 1 of 1 "
        f"case, up to 1.60x ({_SETTING}, read whole)"
    )
    data = csv_of(section, tmp_path)
    assert data["number"].tolist() == [1, 2, 4, 1, 2]
    assert data["workers"].tolist() == ["threads"] * 3 + ["processes"] * 2
    last = data.iloc[-1]
    one, many = workers
    ratio = median_ratio_interval(
        many["samples_s"], many["samples_process"], one["samples_s"], one["samples_process"], confidence=0.95
    )
    assert (last["speedup"], last["ci95_low"], last["ci95_high"]) == pytest.approx(ratio)
    assert last["throughput_mib_s"] == 320
    assert len(points_of(section)) == 5


def test_each_interval_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Mock(wraps=median_ratio_interval)
    monkeypatch.setattr(parallel, "median_ratio_interval", counted)
    sections(parallel.make, table(_by("threads", (1, 0.02), (2, 0.02), (4, 0.02))), tmp_path)
    assert counted.call_count == 3


def test_the_finding_flips_with_the_data(tmp_path: Path) -> None:
    rows = _by("threads", (1, 0.02), (2, 0.011)) + _by("workers", (1, 0.02), (2, 0.02))
    (section,) = sections(parallel.make, table(rows), tmp_path)
    assert section.finding == (
        f"2 threads are shown to be faster than one in 1 of 1 case, up to 1.82x ({_SETTING}, read whole); "
        "2 processes are not shown to be faster than one in any of 1 case"
    )


def test_a_writer_is_a_case_of_its_own_and_a_format_without_processes_has_none(tmp_path: Path) -> None:
    rows = _by("threads", (1, 0.02), (2, 0.01), operation="write")
    rows += _by("threads", (1, 0.02), (2, 0.01)) + _by("threads", (1, 0.02), (2, 0.015), backend="hdf5-h5py")
    (section,) = sections(parallel.make, table(rows), tmp_path)
    assert section.finding.startswith("2 threads are shown to be faster than one in 3 of 3 cases, up to 2.00x")
    assert "processes" not in section.finding
    assert sorted(csv_of(section, tmp_path)["operation"]) == ["read"] * 4 + ["write"] * 2


def test_without_one_worker_or_without_more_nothing_is_drawn(tmp_path: Path) -> None:
    assert sections(parallel.make, table(_by("threads", (2, 0.01), (4, 0.01))), tmp_path) == []
    assert sections(parallel.make, table(_by("workers", (1, 0.01)) + _by("threads", (2, 0.01))), tmp_path) == []
    assert sections(parallel.make, table([row(0.01)]), tmp_path) == []
