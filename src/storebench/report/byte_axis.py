"""An axis of bytes, with ticks at powers of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from storebench.report.style import log_axis
from storebench.units import bytes_axis_text

_STEPS: Final = (1, 2, 3, 5, 10, 20)
"""Powers of two from tick to tick: those that meet 1 KiB, 32 KiB, 1 MiB where there are many."""


def byte_axis(axes: Axes, values: Sequence[float], *, which: str = "x", most: int = 5) -> None:
    """Give an axis a log scale that fits numbers of bytes.

    Parameters
    ----------
    axes : Axes
        What is changed.
    values : sequence of float
        Positive numbers of bytes that must fit.
    which : str
        "x" or "y".
    most : int
        Ticks at most.
    """
    log_axis(axes, values, bytes_axis_text, which=which, most=most)
    low, high = getattr(axes, f"get_{which}lim")()
    edge = (high / low) ** 0.04  # as in log_axis
    first, last = math.ceil(math.log2(max(low * edge, 1))), math.floor(math.log2(high / edge))
    choices = [[power for power in range(first, last + 1) if power % step == 0] for step in _STEPS]
    powers = next((choice for choice in choices if 1 < len(choice) <= most), choices[0][:1])
    ticks = [2.0**power for power in powers]
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter([bytes_axis_text(tick) for tick in ticks]))
