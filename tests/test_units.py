"""Numbers as text: three digits everywhere, at the boundaries of the units too."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storebench import units
from storebench.errors import UsageError

_POSITIVE = st.floats(1e-6, 1e9)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 us"),
        (1.5e-5, "15.0 us"),
        (999.4e-6, "999 us"),
        (999.6e-6, "1.00 ms"),
        (0.01234, "12.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (9.9999, "10.0 s"),
        (119.4, "119 s"),
        (119.6, "1.99 min"),
        (5399, "90.0 min"),
        (5400, "1.50 h"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert units.seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.5, "0.976 KiB"),
        (1024, "1.00 KiB"),
        (999.4 * 1024, "999 KiB"),
        (999.5 * 1024, "0.976 MiB"),
        (941_577, "920 KiB"),
        (2**30, "1.00 GiB"),
        (2**40, "1.00 TiB"),
        (5000 * 2**40, "5000 TiB"),
    ],
)
def test_bytes(n_bytes: float, text: str) -> None:
    assert units.bytes_text(n_bytes) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.88, "1.88"), (9.999, "10.0"), (99.96, "100"), (0.99951, "1.00"), (36.24, "36.2"), (1016, "1020")],
)
def test_ratio(ratio: float, text: str) -> None:
    assert units.ratio_text(ratio) == text


@pytest.mark.parametrize(("ratio", "text"), [(4.2, "4.20x"), (999.4, "999x"), (999.6, "1,000x"), (12345, "12,345x")])
def test_times(ratio: float, text: str) -> None:
    assert units.times_text(ratio) == text


@given(_POSITIVE)
def test_a_ratio_has_three_digits_and_is_near_the_number(ratio: float) -> None:
    text = units.ratio_text(ratio)
    assert float(text) == pytest.approx(ratio, rel=5.1e-3)
    digits = text.replace(".", "").lstrip("0")
    assert len(digits) == 3 or ratio >= 999.5


@pytest.mark.parametrize("missing", [None, math.nan])
@pytest.mark.parametrize(
    "write",
    [units.seconds_text, units.bytes_text, units.ratio_text, units.throughput_text, units.times_text, units.count_text],
)
def test_what_was_not_measured_is_a_dash(write: Callable[[float | None], str], missing: float | None) -> None:
    assert write(missing) == "–"


@pytest.mark.parametrize(
    ("low_s", "high_s", "text"),
    [
        (0.0221, 0.025, "22.1–25.0 ms"),
        (0.0009, 0.0011, "900 us – 1.10 ms"),
        (None, 1.0, "–"),
        (1.0, math.nan, "–"),
    ],
)
def test_interval(low_s: float | None, high_s: float | None, text: str) -> None:
    assert units.seconds_interval_text(low_s, high_s) == text


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("1024", 1024),
        ("1024 B", 1024),
        ("500MiB", 500 * 2**20),
        (" 3 mib ", 3 * 2**20),
        ("1.5 KiB", 1536),
        ("2GB", 2 * 10**9),
        ("2kB", 2000),
        ("1 TiB", 2**40),
        ("1TB", 10**12),
        ("0", 0),
    ],
)
def test_bytes_are_read(text: str, n_bytes: int) -> None:
    assert units.parse_bytes(text) == n_bytes


@pytest.mark.parametrize("text", ["", "MiB", "-1", "5e3", "1 PB", "1,5 GB", "1..5", "12 34", "nan"])
def test_what_is_no_number_of_bytes_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(text))):
        units.parse_bytes(text)


@given(st.integers(0, 2**50))
def test_bytes_as_text_are_read_back(n_bytes: int) -> None:
    assert units.parse_bytes(units.bytes_text(n_bytes)) == pytest.approx(n_bytes, rel=5.1e-3)
    assert units.parse_bytes(str(n_bytes)) == n_bytes


@pytest.mark.parametrize(("shape", "text"), [((64, 1, 7), "64x1x7"), (None, "–")])
def test_shape(shape: tuple[int, ...] | None, text: str) -> None:
    assert units.shape_text(shape) == text


def test_parts_and_the_texts_of_axes() -> None:
    assert [units.percent_text(value) for value in (0.1234, 1.0, 2.5, None, float("nan"))] == [
        "12.3 %",
        "100 %",
        "250 %",
        "–",
        "–",
    ]
    assert [units.percent_axis_text(value) for value in (0.001, 0.5, 2)] == ["0.1 %", "50 %", "200 %"]
    assert [units.bytes_axis_text(2**n) for n in (3, 9, 10, 16, 20, 33)] == [
        "8 B",
        "512 B",
        "1 KiB",
        "64 KiB",
        "1 MiB",
        "8 GiB",
    ]


def test_a_column_has_one_unit() -> None:
    assert units.bytes_column([979 * 1024, 1024**2, None, 3 * 1024**2]) == ["0.956 MiB", "1.00 MiB", "–", "3.00 MiB"]
    assert units.seconds_column([273e-6, 3.06e-3, 0.131, float("nan")]) == ["0.273 ms", "3.06 ms", "131 ms", "–"]
    assert units.seconds_column([None]) == ["–"]


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.2213, "+22.1 %"),
        (0.9, "-10.0 %"),
        (0.9999, "+0.0 %"),
        (1.0, "+0.0 %"),
        (2.0, "x2"),
        (3.104, "x3.1"),
        (None, "–"),
    ],
)
def test_changes(ratio: float | None, text: str) -> None:
    assert units.change_text(ratio) == text


def test_intervals_of_changes_say_the_unit_once() -> None:
    assert units.change_interval_text(1.15, 1.2913) == "+15.0 to +29.1 %"
    assert units.change_interval_text(1.15, 3.0) == "+15.0 % to x3"
    assert units.change_interval_text(None, 3.0) == "–"


def test_exact_counts_and_moments() -> None:
    assert units.exact_text(40961, "fetched_bytes") == "40,961 B"
    assert units.exact_text(0.25, "max_abs_error") == "0.25"
    assert units.moment_text(1_790_000_000.0) == "2026-09-21 14:13 UTC"
    assert units.moment_text(None) == "–"
