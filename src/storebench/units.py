"""Numbers and their units: the only place where a number becomes text, or text a number of bytes."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from storebench.errors import UsageError

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3
MISSING: Final = "–"

_BINARY_SUFFIX: Final = {"": 1, "b": 1, "kib": KIB, "mib": MIB, "gib": GIB, "tib": 1024**4}
_DECIMAL_SUFFIX: Final = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def _significant(value: float, digits: int = 3) -> str:
    """Write `value` with so many significant digits and no exponent."""
    rounded = float(f"{value:.{digits - 1}e}")  # 0.99996 is 1.00, not 1.000
    if rounded == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:.{decimals}f}"


def is_missing(value: float | None) -> bool:
    """Tell whether a number was not measured (None or NaN)."""
    return value is None or (isinstance(value, float) and math.isnan(value))


_SECONDS_UNITS: Final = ((1e-6, "us"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"))
_SECONDS_LIMITS: Final = ((0.9995e-3, 0), (0.9995, 1), (119.5, 2), (5400.0, 3))
_BYTES_UNITS: Final = ((1, "B"), (KIB, "KiB"), (MIB, "MiB"), (GIB, "GiB"), (1024**4, "TiB"))


def _in_unit(value: float, unit: tuple[float, str]) -> str:
    factor, name = unit
    return f"{value:.0f} B" if name == "B" else f"{_significant(value / factor)} {name}"


def _seconds_unit(seconds: float) -> tuple[float, str]:
    return _SECONDS_UNITS[next((index for limit, index in _SECONDS_LIMITS if abs(seconds) < limit), 4)]


def _bytes_unit(n_bytes: float) -> tuple[float, str]:
    return next((unit for unit in _BYTES_UNITS if abs(n_bytes) < 999.5 * unit[0]), _BYTES_UNITS[-1])


def seconds_text(seconds: float | None) -> str:
    """Write a duration: 3 significant digits, in us, ms, s, min or h.

    Parameters
    ----------
    seconds : float or None
        Duration in seconds; None and NaN mean "not measured".
    """
    return MISSING if seconds is None or is_missing(seconds) else _in_unit(seconds, _seconds_unit(seconds))


def bytes_text(n_bytes: float | None) -> str:
    """Write a number of bytes: 3 significant digits, in B, KiB, MiB, GiB or TiB (powers of 1024).

    Parameters
    ----------
    n_bytes : float or None
        Bytes; None and NaN mean "not measured".
    """
    return MISSING if n_bytes is None or is_missing(n_bytes) else _in_unit(n_bytes, _bytes_unit(n_bytes))


def seconds_column(values: Sequence[float | None]) -> list[str]:
    """Write durations for one column of a table: all in the unit that suits their median."""
    return _column(values, _seconds_unit)


def bytes_column(values: Sequence[float | None]) -> list[str]:
    """Write numbers of bytes for one column of a table: all in the unit that suits their median."""
    return _column(values, _bytes_unit)


def _column(values: Sequence[float | None], unit_of: Callable[[float], tuple[float, str]]) -> list[str]:
    known = [value for value in values if value is not None and not is_missing(value)]
    unit = unit_of(statistics.median(known)) if known else None
    return [
        MISSING if unit is None or value is None or is_missing(value) else _in_unit(value, unit) for value in values
    ]


def ratio_text(ratio: float | None) -> str:
    """Write a ratio with three significant digits; None and NaN mean "not measured"."""
    return MISSING if ratio is None or is_missing(ratio) else _significant(ratio)


def exponent_text(exponent: float | None) -> str:
    """Write the exponent of a law of growth with two decimals, as in "0.97"; None and NaN mean "not measured"."""
    return MISSING if exponent is None or is_missing(exponent) else f"{round(exponent, 2) + 0.0:.2f}"  # -0.00 is 0.00


def decibels_text(db: float | None) -> str:
    """Write a signal-to-noise ratio, as in "65.8 dB"; None and NaN mean "not measured"."""
    return MISSING if db is None or is_missing(db) else f"{_significant(db)} dB"


def percent_text(fraction: float | None) -> str:
    """Write a fraction as a percentage, as in "12.3 %"; None and NaN mean "not measured"."""
    return MISSING if fraction is None or is_missing(fraction) else f"{_significant(100 * fraction)} %"


def throughput_text(mib_per_s: float | None) -> str:
    """Write a throughput, given in MiB/s; None and NaN mean "not measured"."""
    return MISSING if mib_per_s is None or is_missing(mib_per_s) else f"{_significant(mib_per_s)} MiB/s"


def seconds_interval_text(low_s: float | None, high_s: float | None) -> str:
    """Write an interval of durations, the unit once where both have the same, as in "22.1–25.0 ms"."""
    if low_s is None or high_s is None or is_missing(low_s) or is_missing(high_s):
        return MISSING
    low, high = seconds_text(low_s), seconds_text(high_s)
    number, _, unit = low.partition(" ")
    return f"{number}–{high}" if unit == high.partition(" ")[2] else f"{low} – {high}"


def seconds_axis_text(seconds: float) -> str:
    """Write a round duration for the axis of a figure, as in "10 ms"."""
    for limit, factor, unit in ((0.9995e-3, 1e6, "us"), (0.9995, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.3g} s"


def bytes_axis_text(n_bytes: float) -> str:
    """Write a round number of bytes for the axis of a figure, as in "64 KiB"."""
    factor, unit = _bytes_unit(n_bytes)
    return f"{n_bytes / factor:.3g} {unit}"


def percent_axis_text(fraction: float) -> str:
    """Write a round fraction as a percentage for the axis of a figure, as in "0.1 %"."""
    return f"{100 * fraction:.3g} %"


def ratio_axis_text(ratio: float) -> str:
    """Write a round ratio for the axis of a figure, as in "0.5", "200" or "10k"."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if ratio >= limit:
            return f"{ratio / limit:.3g}{suffix}"
    return f"{ratio:.3g}"


def times_text(ratio: float | None) -> str:
    """Write how many times larger something is, as in "4.20x"; None and NaN mean "not measured"."""
    if ratio is None or is_missing(ratio):
        return MISSING
    return f"{ratio:,.0f}x" if ratio >= 999.5 else f"{_significant(ratio)}x"


def times_interval_text(ratio: float | None, low: float | None, high: float | None) -> str:
    """Write how many times larger something is, and the interval where it is known, as in "4.20x (4.05–4.41x)"."""
    if low is None or high is None:
        return times_text(ratio)
    return f"{times_text(ratio)} ({times_text(low).removesuffix('x')}–{times_text(high)})"


def change_text(ratio: float | None) -> str:
    """Write a ratio as a change, as in "+22.1 %"; from twice as much on as a multiple, as in "x3.10"."""
    if ratio is None or is_missing(ratio):
        return MISSING
    return f"{100 * (ratio - 1):+.1f} %".replace("-0.0 %", "+0.0 %") if ratio < 2 else f"x{ratio:.3g}"


def change_interval_text(low: float | None, high: float | None) -> str:
    """Write an interval of ratios as changes, the unit once where both have it, as in "+15.0 to +29.1 %"."""
    first, last = change_text(low), change_text(high)
    if MISSING in (first, last):
        return MISSING
    return f"{first.removesuffix(' %') if last.endswith(' %') else first} to {last}"


def count_text(n: float | None) -> str:
    """Write a whole number with its thousands apart; None and NaN mean "not measured"."""
    return MISSING if n is None or is_missing(n) else f"{n:,.0f}"


def exact_text(value: float, name: str) -> str:
    """Write a count exactly, since a change of one byte must be seen; `name` is its column's and tells bytes apart."""
    text = count_text(value) if float(value).is_integer() else f"{value:g}"
    return text + (" B" if name.endswith("_bytes") else "")


def moment_text(seconds_since_1970: float | None) -> str:
    """Write a moment to the minute, as in "2026-11-22 14:03 UTC"; None and NaN mean "not known"."""
    if seconds_since_1970 is None or is_missing(seconds_since_1970):
        return MISSING
    return datetime.fromtimestamp(seconds_since_1970, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def value_text(value: float | None) -> str:
    """Write a voxel's value, or a difference of such: in full from 1,000 on and where whole, else with 3 significant digits."""
    if value is None or is_missing(value):
        return MISSING
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 999.5 else _significant(value)


def shape_text(shape: tuple[int, ...] | list[int] | None) -> str:
    """Write a shape in voxels, slowest axis first, as in "64x64x64"."""
    return MISSING if shape is None else "x".join(str(n) for n in shape)


def parse_bytes(text: str) -> int:
    """Read a number of bytes as in "500 MiB", "2GB" or "1024".

    Parameters
    ----------
    text : str
        A number and, where wanted, one of B, KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of 1000).

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    UsageError
        If it is no number of bytes.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    factor = (_BINARY_SUFFIX | _DECIMAL_SUFFIX).get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise UsageError(f"{text!r} is no number of bytes; write it as in 500MiB, 2GB or 1024")
    return round(float(match[1]) * factor)
