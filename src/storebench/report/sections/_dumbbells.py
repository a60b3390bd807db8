"""Two times of the same thing on one line: a hollow point, a full one, and what lies between; sometimes a third beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes

from storebench.report.figures import Points, segments
from storebench.report.style import FAINT, PAPER, SERIES

FIRST: Final[dict[str, Any]] = {
    "marker": "o",
    "markersize": 6.6,
    "color": PAPER,
    "markeredgecolor": SERIES[0],
    "markeredgewidth": 1.3,
}
SECOND: Final[dict[str, Any]] = {"marker": "D", "markersize": 4.2, "color": SERIES[1]}
THIRD: Final[dict[str, Any]] = {"marker": "^", "markersize": 5.4, "color": SERIES[2]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dumbbell:
    """Two or three values of one line.

    Attributes
    ----------
    y : float
        Place of the line.
    first, second : float or None
        Values above 0, hollow and full; None: not measured.
    first_row, second_row : int or None
        Positions of their rows in the table of all results.
    third, third_row
        The same of a value beside the two; None: there is none.
    """

    y: float
    first: float | None
    second: float | None
    first_row: int | None
    second_row: int | None
    third: float | None = None
    third_row: int | None = None


def draw_dumbbells(
    axes: Axes, bells: Sequence[Dumbbell], points: Points, scale: Callable[[Axes, Sequence[float]], None]
) -> None:
    """Draw dumbbells.

    Parameters
    ----------
    axes : Axes
        Its y axis is left alone.
    bells : sequence of Dumbbell
        What is drawn.
    points : Points
        Gets a group of the hollow and one of the full points, and one of the third where there are any.
    scale : callable
        Gives the x axis a scale that fits the values.
    """
    both = [(b.first, b.y, b.second, b.y) for b in bells if b.first and b.second]
    segments(axes, both, color=FAINT, linewidth=2.6, zorder=1.5)
    firsts = [(b.first, b.y, b.first_row) for b in bells if b.first]
    seconds = [(b.second, b.y, b.second_row) for b in bells if b.second]
    points.draw(axes, firsts, **FIRST)
    points.draw(axes, seconds, **SECOND)
    thirds = [(b.third, b.y, b.third_row) for b in bells if b.third]
    points.draw(axes, thirds, **THIRD)
    values = [x for x, _, _ in firsts + seconds + thirds]
    if values:
        scale(axes, values)
    axes.spines["left"].set_visible(False)
