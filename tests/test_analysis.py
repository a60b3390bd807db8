"""Intervals, fronts, settings, verdicts: what may be said, and what may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from storebench.analysis import (
    low_confidence,
    median_interval,
    not_shown_slower,
    pareto_front,
    summarise_settings,
    throughput,
    verdict,
)
from storebench.records import Case, Row, Sample
from storebench.results.frame import tidy_frame, tidy_row

CASE = Case(
    dataset="ct",
    shape=(8, 8, 8),
    dtype="uint16",
    axes="zyx",
    operation="read",
    backend="zarr3-zarrpython",
    chunk_shape=(4, 4, 4),
    codec="zstd-3",
    pattern="plane_xz",
)


def made(
    median_s: float | Sequence[float] | None, *, stored: int | None = 512, spread: float = 0.01, **case: Any
) -> dict[str, Any]:
    """Return a tidy row with 10 samples of 5 processes round a median; None: skipped."""
    this = replace(CASE, **case)
    if median_s is None:
        return tidy_row(Row(case=this, status="skipped", reason="cannot", format="f", library="l"))
    times = (
        median_s if isinstance(median_s, Sequence) else [median_s * (1 + spread * (i - 4.5) / 4.5) for i in range(10)]
    )
    samples = tuple(
        Sample(wall_s=t, open_s=None, cpu_s=t, started_at=float(i), process_id=str(i % 5)) for i, t in enumerate(times)
    )
    return tidy_row(
        Row(
            case=this,
            status="ok",
            format="f",
            library="l",
            chunk_shape=this.chunk_shape,
            logical_bytes=1024,
            stored_bytes=stored,
            n_files=1,
            samples=samples,
        )
    ) | {"machine": "lab-1"}


def test_interval_holds_the_median_is_repeatable_and_knows_its_limits() -> None:
    values = list(np.random.default_rng(1).normal(10, 1, 20))
    interval = median_interval(values)
    assert interval.low is not None and interval.median is not None and interval.high is not None  # noqa: PT018
    assert interval.low < interval.median < interval.high
    assert median_interval(values) == interval
    assert median_interval([1.0, 2.0, 3.0, 4.0]) == (2.5, None, None)
    assert median_interval([]) == (None, None, None)
    assert median_interval([3.0] * 6) == (3.0, 3.0, 3.0)


def test_interval_is_wider_where_processes_differ_and_ignores_their_order() -> None:
    values = [1.0, 1.01, 2.0, 2.01, 3.0, 3.01, 4.0, 4.01]
    processes = ["a", "a", "b", "b", "c", "c", "d", "d"]
    free, grouped = median_interval(values), median_interval(values, processes)
    assert grouped.high - grouped.low > free.high - free.low  # type: ignore[operator]
    assert median_interval(values[::-1], processes[::-1]).median == grouped.median
    uneven = median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], ["a", "a", "a", "a", "b", "c"])
    assert 1.0 <= uneven.low <= uneven.median <= uneven.high <= 6.0  # type: ignore[operator]


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    process_of = [i // 4 for i in range(40)]
    hits = 0
    for _ in range(200):
        interval = median_interval(list(rng.normal(0, 1, 10).repeat(4) + rng.normal(0, 0.5, 40)), process_of)
        hits += interval.low <= 0 <= interval.high  # type: ignore[operator]
    assert hits / 200 >= 0.90


def test_low_confidence_and_throughput() -> None:
    assert not low_confidence(8, 4)
    assert low_confidence(7, 4)
    assert low_confidence(8, 3)
    assert low_confidence(80, None)
    assert throughput(2**20, 0.5) == 2.0
    assert throughput(None, 1.0) is None
    assert throughput(1, None) is None


def test_pareto_front() -> None:
    assert pareto_front([3, 1, 2, 2, None, 1], [9, 1, 5, 4, 99, 1]) == [1, 5, 2, 0]
    assert pareto_front([], []) == []


def test_the_class_of_the_best_is_what_is_not_shown_to_be_slower() -> None:
    frame = tidy_frame(
        [
            made(0.1),
            made(0.1005, codec="zstd-1"),
            made(0.2, codec="gzip-5"),
            made([0.5], codec="lzw"),
            made([0.5, 0.5, 0.6], codec="zstd-9"),
            made(None, codec="png-6"),
        ]
    )
    assert list(not_shown_slower(frame)["codec"]) == ["zstd-3", "zstd-1", "lzw"]


def test_settings_side_by_side() -> None:
    frame = tidy_frame(
        [
            made(0.1),
            made(0.4, pattern="plane_xy"),
            made(1.0, operation="write", pattern="whole"),
            made(5.0, cache="cold"),
            made(0.2, codec="gzip-5", stored=256),
            made(0.1, pattern="plane_xy", codec="gzip-5", stored=256),
            made(0.1, codec="zstd-1", stored=300),
            made(None, codec="png-6") | {"machine": "lab-1"},
        ]
    )
    table = summarise_settings(frame).set_index("codec")
    assert len(table) == 4
    zstd = table.loc["zstd-3"]
    assert zstd[
        ["ratio", "stored_bytes", "n_files", "write_s", "read_plane_xz_s", "read_plane_xz_cold_s"]
    ].tolist() == pytest.approx([2.0, 512, 1, 1.0, 0.1, 5.0])
    assert zstd["relative_read"] == pytest.approx(2.0)  # geometric mean of 1 and 4
    assert table.loc["gzip-5", "relative_read"] == pytest.approx(2**0.5)
    assert pd.isna(table.loc["zstd-1", "relative_read"])  # one pattern is missing
    assert (table.loc["png-6", "n_ok"], table.loc["png-6", "n_not_ok"], table.loc["png-6", "reason"]) == (
        0,
        1,
        "cannot",
    )
    assert len(summarise_settings(tidy_frame([]))) == 0


def test_verdict_names_the_best_and_those_not_shown_to_be_slower() -> None:
    frame = tidy_frame(
        [
            made(0.1),
            made(0.1005, codec="zstd-1"),
            made(0.2, codec="gzip-5", stored=256),
            made(0.01, backend="npy-numpy", codec="none", chunk_shape=None, stored=1100) | {"machine": "lab-1"},
            made(0.001, backend="jp2-glymur", codec="jp2-ratio-10", stored=10),
            made(None, codec="png-6"),
        ]
    )
    verdicts = verdict(frame)
    by_about = {finding.about: finding for finding in verdicts.findings}
    read = by_about["read plane_xz (warm)"]
    assert read.best == "zarr3-zarrpython chunks 4x4x4 zstd-3"
    assert read.equals == ("zarr3-zarrpython chunks 4x4x4 zstd-1",)
    assert read.sentence == (
        "ct 8x8x8 uint16 on lab-1, read plane_xz (warm): zarr3-zarrpython chunks 4x4x4 zstd-3 takes 100 ms, "
        "not shown to be slower: "
        "zarr3-zarrpython chunks 4x4x4 zstd-1; raw npy: 10.0 ms."
    )
    assert "gzip-5 (256 B, compression ratio 4.00)" in by_about["size"].sentence  # the lossy one is not ranked
    assert (verdicts.n_ok, verdicts.n_not_ok, verdicts.n_low_confidence) == (5, 1, 0)


def test_verdict_flips_with_the_data() -> None:
    first = verdict(tidy_frame([made(0.1), made(0.2, codec="gzip-5")])).findings[-1]
    second = verdict(tidy_frame([made(0.3), made(0.2, codec="gzip-5")])).findings[-1]
    assert (first.best, second.best) == ("zarr3-zarrpython chunks 4x4x4 zstd-3", "zarr3-zarrpython chunks 4x4x4 gzip-5")
    assert "shown to be faster than the other setting" in first.sentence


def test_verdict_says_when_nothing_is_shown() -> None:
    finding = verdict(tidy_frame([made(0.1, spread=0.5), made(0.12, codec="gzip-5", spread=0.5)])).findings[-1]
    assert finding.best is None
    assert "nothing is shown to be faster" in finding.sentence


@pytest.mark.parametrize(("swap", "best"), [(True, None), (False, "1x8x8")])
def test_verdict_on_chunk_shapes(swap: bool, best: str | None) -> None:
    fast, slow = (1, 8, 8), (8, 8, 1)
    other = (slow, fast) if swap else (fast, slow)
    frame = tidy_frame(
        [
            made(0.1, chunk_shape=fast, pattern="plane_xy"),
            made(0.2, chunk_shape=slow, pattern="plane_xy"),
            made(0.1, chunk_shape=other[0], pattern="plane_yz"),
            made(0.2, chunk_shape=other[1], pattern="plane_yz"),
        ]
    )
    finding = next(f for f in verdict(frame).findings if f.about == "chunk shapes")
    assert finding.best == best
    if swap:
        assert "no chunk shape wins every access pattern: plane_xy: 1x8x8; plane_yz: 8x8x1" in finding.sentence


def test_machines_are_never_mixed_and_an_empty_table_says_nothing() -> None:
    frame = tidy_frame([made(0.1), made(0.2, codec="gzip-5") | {"machine": "lab-2"}])
    assert not [f for f in verdict(frame).findings if f.about.startswith("read")]
    assert verdict(tidy_frame([])).sentences == ()
    assert verdict(tidy_frame([made(None)])).n_not_ok == 1
