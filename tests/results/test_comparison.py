"""Two result sets beside each other: verdicts, exact counts, false alarms under control, and what must not be compared."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from storebench.errors import ResultsError
from storebench.records import Case, Environment, Row, Sample
from storebench.results.comparison import METRICS, compare_frames, student_p, verdict_of
from storebench.results.frame import tidy_frame
from storebench.results.tidy import tidy_row

CASE = Case(dataset="ct", shape=(8, 8, 8), dtype="uint16", axes="zyx", operation="read", backend="npy-numpy")
ENVIRONMENT = Environment(python="3.11.7", libraries={}, builds={}, machine={}, storebench="0.1.0", commit="a" * 40)


def made(
    case: Case, times: list[float] | None, *, machine: str = "lab-1", n_processes: int = 5, **facts: Any
) -> dict[str, Any]:
    """Return a tidy row; times None: failed."""
    samples = tuple(
        Sample(wall_s=t, open_s=None, cpu_s=t, started_at=float(i), process_id=str(i % n_processes))
        for i, t in enumerate(times or ())
    )
    status = {"status": "ok"} if times else {"status": "failed", "reason": "it broke"}
    row = Row(**({"case": case, "format": "npy", "library": "numpy", "samples": samples} | status | facts))  # type: ignore[arg-type]
    return tidy_row(row, ENVIRONMENT) | {"machine": machine}


def steady(median_s: float, n: int = 20, spread: float = 0.01) -> list[float]:
    return [median_s * (1 + spread * math.sin(7.0 * i)) for i in range(n)]


@pytest.mark.parametrize(
    ("ratio", "low", "high", "verdict"),
    [
        (1.20, 1.10, 1.30, "slower"),
        (1.20, 0.99, 1.40, "undecided"),
        (1.04, 1.03, 1.05, "same"),
        (1.04, 1.01, 1.06, "undecided"),  # beyond 1, and not beyond the margin
        (1.06, 1.01, 1.10, "slower"),
        (0.80, 0.70, 0.90, "faster"),
        (0.80, 0.70, 1.01, "undecided"),
        (0.96, 0.953, 1.0, "same"),
        (0.951, 0.94, 0.96, "faster"),
        (1.00, 0.90, 1.10, "undecided"),
        (1.0, None, None, "undecided"),
        (None, None, None, "undecided"),
    ],
)
def test_verdicts(ratio: float | None, low: float | None, high: float | None, verdict: str) -> None:
    assert verdict_of(ratio, low, high, 0.05) == verdict


def test_the_p_value_is_students() -> None:
    for t, freedom, p in ((2.306, 8, 0.05), (3.355, 8, 0.01), (12.706, 1, 0.05), (2.571, 5, 0.05), (2.750, 30, 0.01)):
        assert student_p(t, freedom) == pytest.approx(p, rel=2e-3)  # printed tables
    assert student_p(0.0, 3) == 1.0


def test_slower_faster_same_and_what_only_one_side_has() -> None:
    codecs = [replace(CASE, codec=name) for name in ("none", "zstd-3", "gzip-5", "lz4", "lzw", "png-6")]
    none, zstd, gzip, lz4, lzw, png = codecs
    a = [
        made(none, steady(1.0)),
        made(zstd, steady(1.0)),
        made(gzip, steady(1.0)),
        made(lz4, steady(1.0)),
        made(png, steady(1.0)),
    ]
    b = [
        made(none, steady(1.3)),
        made(zstd, steady(0.5)),
        made(gzip, steady(1.001)),
        made(lzw, steady(1.0)),
        made(png, None),
    ]
    found = compare_frames(tidy_frame(a), tidy_frame(b))
    rows = {row["case_id"]: row for row in found.rows}
    assert {case.codec: rows[case.id]["verdict"] for case in (none, zstd, gzip)} == {
        "none": "slower",
        "zstd-3": "faster",
        "gzip-5": "same",
    }
    row = rows[none.id]
    assert tuple(row)[:3] == ("case_id", "operation", "format")
    assert (row["operation"], row["format"], row["a_n"], row["b_n"], row["noisy"]) == ("read", "npy", 20, 20, None)
    assert row["ratio"] == pytest.approx(row["b_s"] / row["a_s"])
    assert row["ratio_low"] < 1.3 < row["ratio_high"]
    summary = dict(found.summary)
    (group,) = summary.pop("by_operation_and_format")
    counts = {name: group[name] for name in ("n", "a_faster", "b_faster", "a_shown", "b_shown")}
    assert (group["operation"], group["format"]) == ("read", "npy")
    assert counts == {"n": 3, "a_faster": 2, "b_faster": 1, "a_shown": 1, "b_shown": 1}
    assert group["median_ratio"] == pytest.approx(1.001, rel=0.01)
    assert summary == {
        "n_matched": 3, "n_slower": 1, "n_faster": 1, "n_same": 1, "n_undecided": 0, "n_only_a": 2, "n_only_b": 1,
        "n_lost": 1, "n_changes": 0, "margin": 0.05, "confidence": 0.99, "false_share": 0.05,
        "caution": None,
    }  # fmt: skip
    assert found.lost == ((png.id, "failed: it broke"),)


def test_counts_are_compared_exactly_and_instructions_within_2_percent() -> None:
    times = steady(1.0)
    a = made(CASE, times, stored_bytes=1000, gets=3, instructions=1000, max_abs_error=0.0, n_files=1)
    b = made(CASE, times, stored_bytes=1001, gets=3, instructions=1019, max_abs_error=0.5, misses=2)
    found = compare_frames(tidy_frame([a]), tidy_frame([b]))
    assert {(c["metric"], c["a"], c["b"]) for c in found.changes} == {
        ("stored_bytes", 1000, 1001),
        ("max_abs_error", 0.0, 0.5),
    }
    assert found.summary["n_changes"] == 2
    assert found.counted["gets"] == {CASE.id: (3, 3)}
    assert "n_files" not in found.counted  # only one side knows it
    b = made(CASE, times, instructions=1021)
    assert [c["metric"] for c in compare_frames(tidy_frame([a]), tidy_frame([b])).changes] == ["instructions"]
    assert set(METRICS) <= set(a)


def test_counts_are_compared_without_times_too() -> None:
    a, b = (tidy_frame([made(CASE, [1.0], samples=(), n_files=n)]) for n in (1, 2))
    found = compare_frames(a, b)
    assert (found.rows, found.summary["n_matched"], len(found.changes)) == ((), 0, 1)


def test_the_json_is_json() -> None:
    a, b = tidy_frame([made(CASE, steady(1.0), gets=1)]), tidy_frame([made(CASE, [1.0], gets=2)])
    data = json.loads(json.dumps(compare_frames(a, b).to_json(), allow_nan=False))
    assert data["rows"][0]["verdict"] == "undecided"
    assert data["rows"][0]["ratio_low"] is None
    assert data["changes"] == [{"case_id": CASE.id, "metric": "gets", "a": 1, "b": 2}]
    assert data["summary"]["n_undecided"] == 1


def test_images_of_one_case_name_are_not_mixed_up() -> None:
    a = tidy_frame([made(CASE, steady(1.0))])
    assert compare_frames(a, a.assign(dtype="uint8")).summary["n_matched"] == 0


def test_several_rows_of_a_case_are_an_error_that_names_them() -> None:
    one = made(CASE, steady(1.0))
    two = tidy_frame([one, one | {"commit": "b" * 40}])
    other = tidy_frame([made(replace(CASE, codec="gzip-5"), steady(1.0))])
    with pytest.raises(ResultsError, match=r"B has 2 rows.*aaaaaaaa.*bbbbbbbb.*instead of a folder"):
        compare_frames(tidy_frame([one]), two)
    assert compare_frames(other, two).summary["n_matched"] == 0  # nobody asked about that case


def test_times_of_two_machines_are_an_error() -> None:
    a, b = (tidy_frame([made(CASE, steady(1.0), machine=name)]) for name in ("lab-1", "lab-2"))
    with pytest.raises(ResultsError, match=r"lab-1 and lab-2.*one machine"):
        compare_frames(a, b)


def test_noise_of_either_side_is_told() -> None:
    a, b = tidy_frame([made(CASE, steady(1.0))]), tidy_frame([made(CASE, steady(1.0)) | {"noisy": True}])
    assert compare_frames(a, b).rows[0]["noisy"] is True
    assert compare_frames(a, a.assign(noisy=False)).rows[0]["noisy"] is False


def _frame(rng: np.random.Generator, scales: list[float]) -> pd.DataFrame:
    """Return cases with 5 processes × 2 samples and 20 % noise, half of it between processes."""
    rows = []
    for number, scale in enumerate(scales):
        noise = rng.normal(0, 0.2 * 0.5**0.5, (1, 5)) + rng.normal(0, 0.2 * 0.5**0.5, (2, 5))
        rows.append(made(replace(CASE, n_levels=number + 1), list(scale * np.exp(noise).ravel())))
    return tidy_frame(rows)


def test_false_alarms_are_rare_and_a_doubling_is_found() -> None:
    """The simulation of docs/results.md in small: 8 comparisons of 40 cases, A against A, then with a quarter doubled."""
    rng = np.random.default_rng(0)
    alarms, found, bare_alarms = 0, 0, 0
    for _ in range(8):
        same = compare_frames(_frame(rng, [1.0] * 40), _frame(rng, [1.0] * 40))
        alarms += same.summary["n_slower"] + same.summary["n_faster"]
        bare_alarms += sum(
            verdict_of(row["ratio"], row["ratio_low"], row["ratio_high"], 0.05) in ("slower", "faster")
            for row in same.rows
        )
        changed = compare_frames(_frame(rng, [1.0] * 40), _frame(rng, [2.0] * 10 + [1.0] * 30))
        found += sum(row["verdict"] == "slower" for row in changed.rows if row["ratio"] > 1.5)
    assert alarms == 0
    assert bare_alarms > 0  # so the rule over all cases does something
    assert found >= 60  # of 80


def test_one_process_a_side_decides_nothing() -> None:
    a, b = (tidy_frame([made(CASE, steady(t), n_processes=1)]) for t in (1.0, 2.0))
    assert compare_frames(a, b).rows[0]["verdict"] == "undecided"
    assert statistics.median(steady(1.0)) == pytest.approx(compare_frames(a, b).rows[0]["a_s"])
