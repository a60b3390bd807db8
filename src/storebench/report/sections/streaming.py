"""Planes a second that a writer takes slab after slab, and how long a slab waits at worst."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.report.figures import WIDTH, Points, legend_above
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._dumbbells import FIRST, SECOND, Dumbbell, draw_dumbbells
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
    by_image,
    image_text,
    is_shown_slower,
    most_frequent,
    rows_at_home,
    setting_text,
    shortened,
    terms,
)
from storebench.report.style import log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.units import (
    MISSING,
    count_text,
    ratio_axis_text,
    ratio_text,
    seconds_axis_text,
    seconds_text,
    times_text,
)

_MOST_LINES: Final = 28
_SLABS_OF_A_PERCENTILE: Final = 100
"""Of fewer, none stands for one in a hundred: the slowest is shown instead."""
_ENDS: Final = {"durable": ", on the device", "own-fsync": ", synced by the library"}
"""By durability: what a slab waits for."""
_COLUMNS: Final = ("frame_median_s", "frame_p99_s", "frame_max_s", "write_amplification", "median_s")


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no image was written slab after slab."""
    rows = most_frequent(found, "threads") if (found := rows_at_home(story, _is_stream)) else []
    if not rows:
        return
    rows = [
        row for group in by_image(rows) for row in sorted(group, key=lambda row: (-_planes_per_s(row), _label(row)))
    ]
    image = by_image(rows)[0]
    finding, points = _finding(image), Points()
    data = [
        {
            "image": image_text(row),
            "setting": setting_text(row),
            "slabs": row["pattern"],
            "durability": row["durability"],
            "planes_per_s": _planes_per_s(row),
            **{name: row[name] for name in _COLUMNS},
        }
        for row in rows
    ]
    figure = _draw(image[:_MOST_LINES], points)
    svg, files = studio.save(figure, "streaming", finding, data, groups=list(points.rows))
    yield Section(
        name="streaming",
        short="Plane by plane",
        finding=finding,
        about=f"{image_text(image[0])}, written slab after slab by one call each and handed over before the next: sustained "
        f"planes a second, and the seconds of a slab at the median and {_stall_text(image[:_MOST_LINES])}, which is what a "
        f"camera has to wait for; log scales. On the device: each slab is, before the next one begins.{terms(rows, story)}",
        svg=svg,
        files=files,
        tables=[_table(rows)],
        points=points.rows,
    )


def _is_stream(row: Record) -> bool:
    return row["operation"] == "append" and bool(row["frames_per_s"]) and bool(row["n_frames"])


def _planes_per_s(row: Record) -> float:
    """Return planes a second: a slab may hold several."""
    return float(row["frames_per_s"] * math.prod(row["shape"][:-2]) / row["n_frames"])


def _n_slabs(row: Record) -> int:
    """Return how many slabs were timed, of all samples together."""
    return int(row["n_frames"] * row["n_samples"])


def _has_percentile(row: Record) -> bool:
    return _n_slabs(row) >= _SLABS_OF_A_PERCENTILE


def _stall_s(row: Record) -> float:
    """Return the seconds of a slab at the 99th percentile, of few slabs those of the slowest."""
    return float(row["frame_p99_s"] if _has_percentile(row) else row["frame_max_s"])


def _stall_text(rows: Sequence[Record]) -> str:
    """Name what `_stall_s` returns of these rows."""
    with_percentile = {_has_percentile(row) for row in rows}
    if with_percentile == {False}:
        return "at the slowest"
    few = f" (of fewer than {_SLABS_OF_A_PERCENTILE} slabs: the slowest)" if False in with_percentile else ""
    return f"at the 99th percentile{few}"


def _slabs_text(row: Record) -> str:
    match = re.fullmatch(r"stream(\d+)", row["pattern"] or "")
    words = "in one piece" if match is None else "plane by plane" if match[1] == "1" else f"{match[1]} planes at a time"
    return words + _ENDS.get(row["durability"], "")


def _label(row: Record) -> str:
    return f"{setting_text(row)}, {_slabs_text(row)}"


def _finding(rows: Sequence[Record]) -> str:
    """Say what slabs that fit the chunks buy, where that is shown; else which setting takes the most planes."""
    pairs = [
        (_planes_per_s(fast) / _planes_per_s(slow), slow, fast)
        for group in alike_but(rows, "pattern")
        for slow in group
        for fast in group
        if is_shown_slower(slow, fast)
    ]
    if pairs:
        times, slow, fast = max(pairs, key=lambda pair: pair[0])
        moved = slow["write_amplification"]
        why = f" and moves {times_text(moved)} the bytes that it is given" if moved and moved > 1 else ""
        return (
            f"{setting_text(slow)} takes {_rate_text(slow)} {_slabs_text(slow)}{why}; {_slabs_text(fast)} it takes "
            f"{times_text(times)} as many"
        )
    best = max(rows, key=_planes_per_s)
    what = f"{_label(best)} takes {_rate_text(best)}"
    stall = f"one slab in a hundred takes {seconds_text(best['frame_p99_s'])} or more"
    if not _has_percentile(best):
        stall = f"the slowest of {count_text(_n_slabs(best))} slabs took {seconds_text(best['frame_max_s'])}"
    others = "" if len(rows) == 1 else f", the most of {len(rows)} that were measured"
    return f"{what}{others}; {stall}"


def _rate_text(row: Record) -> str:
    return f"{ratio_text(_planes_per_s(row))} planes a second"


def _draw(rows: Sequence[Record], points: Points) -> Figure:
    """Draw planes a second, and beside them a slab at the median and one that stalls."""
    figure = Figure(figsize=(WIDTH, 0.24 * len(rows) + 1.3), layout="constrained")
    rates, stalls = figure.subplots(1, 2, sharey=True)
    placed = [(_planes_per_s(row), y, row["position"]) for y, row in enumerate(rows)]
    points.series(rates, 2, placed)
    log_axis(rates, [x for x, _, _ in placed], ratio_axis_text)
    rates.set_title("Planes a second", pad=5)
    rates.spines["left"].set_visible(False)
    bells = [
        Dumbbell(
            y=y,
            first=row["frame_median_s"],
            second=_stall_s(row),
            first_row=row["position"],
            second_row=row["position"],
        )
        for y, row in enumerate(rows)
    ]
    draw_dumbbells(stalls, bells, points, lambda axes, values: log_axis(axes, values, seconds_axis_text))
    stalls.set_title("Seconds of a slab", pad=5)
    rates.set_yticks(range(len(rows)), [_label(row) for row in rows])
    rates.set_ylim(len(rows) - 0.5, -0.5)
    handles = [Line2D([], [], linestyle="", **style) for style in (FIRST, SECOND)]
    legend_above(figure, handles, ["a slab at the median", _stall_text(rows)])
    return figure


def _table(rows: Sequence[Record]) -> Table:
    cells = [
        [
            Cell(text=_label(row), detail=image_text(row)),
            Cell(text=ratio_text(_planes_per_s(row))),
            Cell(text=count_text(row["n_frames"]), detail=f"{count_text(row['n_samples'])} times"),
            Cell(text=seconds_text(row["frame_median_s"])),
            Cell(text=seconds_text(row["frame_p99_s"]) if _has_percentile(row) else MISSING),
            Cell(text=seconds_text(row["frame_max_s"])),
            Cell(text=times_text(row["write_amplification"])),
            time_cell(row),
        ]
        for row in rows[:MOST_TABLE_ROWS]
    ]
    columns = [
        "Stream",
        "Planes/s",
        "Slabs",
        "Slab, median",
        "99th percentile",
        "Slowest",
        "Bytes moved ÷ given",
        "All",
    ]
    return Table(
        caption=shortened("Images written slab after slab", len(cells), len(rows)), columns=columns, rows=cells
    )
