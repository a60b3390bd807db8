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
    require_one_place,
    summarise_settings,
    throughput,
    verdict,
)
from storebench.errors import ResultsError
from storebench.records import Case, Row, Sample
from storebench.results.frame import tidy_frame, tidy_row
from storebench.results.intervals import median_ratio_interval, ratio_interval

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


def test_a_surer_interval_is_wider() -> None:
    values = list(np.random.default_rng(1).normal(10, 1, 20))
    usual, sure = median_interval(values), median_interval(values, confidence=0.99)
    assert sure.median == usual.median
    assert sure.low < usual.low < usual.high < sure.high  # type: ignore[operator]


def test_the_ratio_of_pairs_is_that_of_their_median_logarithm() -> None:
    logs = list(np.log(1.1) + 0.02 * np.random.default_rng(0).normal(size=40))
    processes = [i // 8 for i in range(40)]
    interval = ratio_interval(logs, processes)
    assert interval.median == pytest.approx(np.exp(np.median(logs)))
    assert interval.low < 1.1 < interval.high  # type: ignore[operator]
    assert interval.high - interval.low < 0.05  # type: ignore[operator]
    turned = ratio_interval([-x for x in logs], processes)
    assert turned.median == pytest.approx(1 / interval.median)  # type: ignore[operator]
    assert ratio_interval(logs, processes, confidence=0.99).low < interval.low  # type: ignore[operator]
    assert ratio_interval([0.1, 0.1], [0, 0]) == (pytest.approx(np.exp(0.1)), None, None)
    assert ratio_interval([], []) == (None, None, None)


def test_the_ratio_of_pairs_covers_the_truth_as_often_as_it_says() -> None:
    rng, process_of, hits = np.random.default_rng(0), [i // 20 for i in range(100)], 0
    for _ in range(100):
        logs = rng.normal(0, 0.02, 5).repeat(20) + rng.normal(0, 0.1, 100)
        interval = ratio_interval(list(logs), process_of)
        hits += interval.low <= 1 <= interval.high  # type: ignore[operator]
    assert hits >= 85


def test_the_ratio_of_two_sets_is_drawn_on_each_side_apart() -> None:
    rng = np.random.default_rng(0)
    a, b = list(rng.lognormal(0, 0.1, 20)), list(2 * rng.lognormal(0, 0.1, 20))
    processes = [i % 5 for i in range(20)]
    interval = median_ratio_interval(a, processes, b, processes)
    assert interval.median == pytest.approx(np.median(b) / np.median(a))
    assert interval.low < 2 < interval.high  # type: ignore[operator]
    itself = median_ratio_interval(a, processes, a, processes)
    assert itself.median == 1
    assert itself.low < 1 < itself.high  # type: ignore[operator]
    assert median_ratio_interval(a, None, b[:4], None) == (np.median(b[:4]) / np.median(a), None, None)
    assert median_ratio_interval([], None, b, None) == (None, None, None)
    assert median_ratio_interval([0.0] * 6, None, b, None) == (None, None, None)


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


@pytest.mark.parametrize("name", ["machine", "environment", "environment_id", "commit"])
def test_times_of_two_places_are_never_pooled(name: str) -> None:
    frame = tidy_frame([made(0.1) | {name: "one"}, made(0.2, codec="gzip-5") | {name: "other"}, made(None)])
    with pytest.raises(ResultsError, match=r"never pooled.*one.*other.*keep the rows of one"):
        not_shown_slower(frame)
    require_one_place(frame[frame[name] == "one"])
    require_one_place(frame.assign(status="failed"))  # no time, nothing to pool
    assert len(summarise_settings(frame)) == 3  # side by side, which pools nothing


@pytest.mark.parametrize(
    ("slow", "fast", "about"),
    [
        ({"cache": "cold"}, {}, {"read plane_xz (cold)", "read plane_xz (warm)"}),
        ({"cache": "cold"}, {"cache": "cold-dropped"}, {"read plane_xz (cold)", "read plane_xz (cold-dropped)"}),
        ({"threads": 1}, {"threads": 2}, {"read plane_xz (warm, 1 thread)", "read plane_xz (warm, 2 threads)"}),
        ({"threads": 1}, {}, {"read plane_xz (warm, 1 thread)", "read plane_xz (warm)"}),
        (
            {"operation": "write", "pattern": "whole", "durability": "durable"},
            {"operation": "write", "pattern": "whole"},
            {"write (durable)", "write"},
        ),
        ({"operation": "open", "pattern": "whole", "cache": "cold"}, {}, {"open (cold)", "read plane_xz (warm)"}),
    ],
)
def test_other_terms_are_other_questions(slow: dict[str, Any], fast: dict[str, Any], about: set[str]) -> None:
    rows = [made(t, codec=codec, **terms) for t, terms in ((0.5, slow), (0.1, fast)) for codec in ("zstd-3", "gzip-5")]
    findings = {f.about: f for f in verdict(tidy_frame(rows)).findings if f.about not in ("size", "chunk shapes")}
    assert findings.keys() == about
    assert all(f.best is None and len(f.equals) == 2 for f in findings.values())


def test_cold_dropped_has_a_column_of_its_own_and_is_no_warm_read() -> None:
    frame = tidy_frame([made(0.1), made(1.0, cache="cold"), made(2.0, cache="cold-dropped")])
    line = summarise_settings(frame).iloc[0]
    names = ["read_plane_xz_s", "read_plane_xz_cold_s", "read_plane_xz_cold_dropped_s", "relative_read"]
    assert line[names].tolist() == pytest.approx([0.1, 1.0, 2.0, 1.0])


def test_two_seeds_are_two_images() -> None:
    frame = tidy_frame([made(0.1), made(0.2, codec="gzip-5", seed=1), made(0.3, codec="zstd-1", seed=1)])
    read = [f for f in verdict(frame).findings if f.about.startswith("read")]
    assert [(f.place, len(f.equals)) for f in read] == [("ct 8x8x8 uint16 seed 1 on lab-1", 0)]


def test_a_noisy_row_weakens_the_sentence() -> None:
    rows = [made(0.1), made(0.2, codec="gzip-5")]
    assert "noisy" not in " ".join(verdict(tidy_frame(rows)).sentences)
    found = verdict(tidy_frame([rows[0] | {"noisy": True}, rows[1] | {"noisy": False}]))
    assert found.findings[-1].sentence.endswith(" (noisy).")
    assert found.n_noisy == 1
    tied = verdict(tidy_frame([made(0.1), made(0.1, codec="gzip-5") | {"noisy": True}])).findings[-1]
    assert tied.best is None
    assert tied.sentence.endswith(" (noisy).")
