"""What the figures share: width, thinning, legends, points that know their row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from storebench.report.style import MARKERS, PAPER, SERIES, SIZES
from storebench.report.tables import HEAT_LIMITS
from storebench.report.views import Record
from storebench.units import times_text

WIDTH = 10.4  # inches: 749 points, close to the page's own pixels, so that text keeps its size
MOST_POINTS = 600
"""Of one figure: at about 70 bytes a point more would not fit into 60 kB."""
T = TypeVar("T")


def thinned(values: Sequence[T], most: int) -> Sequence[T]:
    """Return every n-th of too many points: drawing all of 5,000 costs half a megabyte and shows no more."""
    return values[:: -(-len(values) // max(most, 1))] if len(values) > most else values


def bounds(row: Record) -> tuple[float, float]:
    """Return the interval of a median, in seconds; the median itself where there is none."""
    return row["ci95_low_s"] or row["median_s"], row["ci95_high_s"] or row["median_s"]


def series_handle(index: int, **style: Any) -> Line2D:
    """Return a legend's entry of one series: its colour with its marker."""
    look: dict[str, Any] = {
        "marker": MARKERS[index],
        "color": SERIES[index],
        "markersize": SIZES[index],
        "linestyle": "",
    }
    return Line2D([], [], **(look | style))


def segments(axes: Axes, ends: Iterable[tuple[float, float, float, float]], **style: Any) -> None:
    """Draw lines from (x, y) to (x, y) as one path, which takes a third of the bytes of one element each."""
    xy = [point for x0, y0, x1, y1 in ends for point in ((x0, y0), (x1, y1), (math.nan, math.nan))]
    if xy:
        axes.plot([x for x, _ in xy], [y for _, y in xy], **({"marker": "", "solid_capstyle": "butt"} | style))


def panel_grid(n_panels: int, *, columns: int, row_height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many small panels, row by row, and room for a legend above.

    Parameters
    ----------
    n_panels, columns : int
        How many, and how many side by side at most.
    row_height : float
        Inches.
    options
        As `Figure.subplots` takes them.
    """
    columns = min(columns, n_panels)
    rows = -(-n_panels // columns)
    figure = Figure(figsize=(WIDTH, rows * row_height + 0.45), layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.06))
    grid = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for axes in grid[n_panels:]:
        axes.remove()
    return figure, grid[:n_panels]


def legend_above(figure: Figure, handles: Sequence[Line2D], texts: Sequence[str], *, columns: int = 8) -> None:
    """Put the legend above the panels, at the left edge, in so many columns or in as many as have room."""
    look: dict[str, Any] = {"loc": "outside upper left", "handletextpad": 0.2, "columnspacing": 1.5}
    for n in range(min(columns, len(texts)), 0, -1):
        legend = figure.legend(list(handles), list(texts), ncols=n, **look)
        if n == 1 or legend.get_window_extent().width < figure.bbox.width:
            break
        legend.remove()


class Points:
    """The groups of points of one figure, each with the rows that its points show, as `Section.points` wants them."""

    def __init__(self) -> None:
        self.rows: dict[str, list[int | None]] = {}

    def draw(self, axes: Axes, points: Sequence[tuple[float, float, int | None]], **style: Any) -> None:
        """Draw points (x, y, position of the row in the table of all results) that look alike; none make no group."""
        if not points:
            return
        gid = f"points-{len(self.rows)}"
        look: dict[str, Any] = {"linestyle": "", "markeredgecolor": PAPER, "markeredgewidth": 0.4} | style
        axes.plot([x for x, _, _ in points], [y for _, y, _ in points], gid=gid, **look)
        self.rows[gid] = [position for _, _, position in points]

    def series(self, axes: Axes, index: int, points: Sequence[tuple[float, float, int | None]], **style: Any) -> None:
        """Draw points in the colour and with the marker of a series."""
        self.draw(
            axes, points, **({"marker": MARKERS[index], "color": SERIES[index], "markersize": SIZES[index]} | style)
        )


def heat_scale() -> list[str]:
    """Return the words of the heat map's colour scale, fastest first."""
    texts = [f"up to {times_text(limit)}" for limit in HEAT_LIMITS if math.isfinite(limit)]
    return [*texts, "more"]
