"""A view of the plane from the level that fits the screen, and from full resolution; and what the levels cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.access import Target, parse_pattern
from storebench.analysis import span
from storebench.errors import UsageError
from storebench.records import SYNCED
from storebench.report.figures import Points, bounds, legend_above, panel_grid, segments
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._dumbbells import FIRST, SECOND
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
    by_value,
    image_text,
    is_shown_slower,
    rows_at_home,
    setting_text,
    shortened,
    terms,
)
from storebench.report.style import MUTED, SERIES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.units import MISSING, bytes_text, seconds_axis_text, seconds_text, shape_text, times_text

_VIEW: Final = re.compile(r"viewport@(\d)")
_FROM_FULL: Final = re.compile(r"viewport@(\d)-from0")
_MOST_PANELS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pyramid:
    """One setting with levels, and what stands beside it without.

    Attributes
    ----------
    views : mapping of int to Record
        By level, the read of the view from that level.
    full : mapping of int to Record
        By level, a read of the same view at full resolution.
    write, plain_write : Record or None
        The whole write with levels and without.
    plain : Record or None
        Any row of the setting without levels.
    """

    views: Mapping[int, Record]
    full: Mapping[int, Record]
    write: Record | None
    plain_write: Record | None
    plain: Record | None

    @property
    def first(self) -> Record:
        """The view from the finest level measured."""
        return self.views[min(self.views)]

    @property
    def label(self) -> str:
        return setting_text(self.first, n_levels=None)

    @property
    def paired(self) -> list[int]:
        """Levels above 0 of which both reads are there."""
        return sorted(level for level in self.views.keys() & self.full.keys() if level > 0)

    def times(self, level: int) -> float:
        """How many times as long the view takes from full resolution."""
        return float(self.full[level]["median_s"] / self.views[level]["median_s"])

    def ideal_s(self, level: int) -> float | None:
        """Seconds if time went with the voxels that are shown."""
        shown, read = self.views[level]["voxels_asked"], self.full[level]["voxels_asked"]
        return float(self.full[level]["median_s"] * shown / read) if shown and read else None

    @property
    def more_bytes(self) -> float | None:
        """Stored bytes with levels ÷ without."""
        with_levels = self.first["stored_bytes"]
        without = self.plain["stored_bytes"] if self.plain is not None else None
        return with_levels / without if with_levels and without else None

    @property
    def more_write(self) -> float | None:
        """Write time with levels ÷ without."""
        if self.write is None or self.plain_write is None:
            return None
        return float(self.write["median_s"] / self.plain_write["median_s"])


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no view of a smaller level stands beside the same at full resolution."""
    rows = rows_at_home(story, lambda row: row["operation"] in ("read", "write") and row["durability"] not in SYNCED)
    pyramids = _pyramids(rows)
    if not pyramids:
        return
    finding = _finding(pyramids)
    points = Points()
    data = [
        {
            "image": image_text(pyramid.first),
            "setting": pyramid.label,
            "level": level,
            "view_s": pyramid.views[level]["median_s"],
            "full_resolution_s": pyramid.full[level]["median_s"] if level in pyramid.full else None,
            "ideal_s": pyramid.ideal_s(level) if level in pyramid.full else None,
            "stored_bytes_with_levels": pyramid.first["stored_bytes"],
            "stored_bytes_without": pyramid.plain["stored_bytes"] if pyramid.plain else None,
            "write_s_with_levels": pyramid.write["median_s"] if pyramid.write else None,
            "write_s_without": pyramid.plain_write["median_s"] if pyramid.plain_write else None,
        }
        for pyramid in pyramids
        for level in sorted(pyramid.views)
    ]
    svg, files = studio.save(_draw(pyramids[:_MOST_PANELS], points), "levels", finding, data, groups=list(points.rows))
    about = (
        "What a screen shows of one plane, read from a resolution level, and the same part of the image read at full resolution, "
        "as where there are no levels; log scale. The dotted line is what it would take if time went with the voxels shown: "
        "a quarter from level to level."
    )
    yield Section(
        name="levels",
        short="Levels",
        finding=finding,
        about=about + terms(rows, story),
        svg=svg,
        files=files,
        tables=[_table(pyramids)],
        points=points.rows,
    )


def _pyramids(rows: Sequence[Record]) -> list[_Pyramid]:
    """Return each setting with levels of which some view can be compared, those compared at the most levels first."""
    found = []
    for group in alike_but(rows, "n_levels", "pattern", "operation", "cache", "durability"):
        reads = [row for row in group if row["operation"] == "read" and row["cache"] in (None, "warm")]
        writes = by_value((row for row in group if row["operation"] == "write"), "n_levels")
        for n_levels in sorted({row["n_levels"] or 1 for row in reads}):
            own = [row for row in reads if (row["n_levels"] or 1) == n_levels]
            views = {int(m[1]): row for row in own if (m := _VIEW.fullmatch(row["pattern"] or ""))}
            if not any(level > 0 for level in views):
                continue
            plain = [row for row in reads if (row["n_levels"] or 1) == 1]
            full = {level: row for level in views if (row := _at_full(level, plain or own, own)) is not None}
            pyramid = _Pyramid(
                views=views,
                full=full,
                write=writes.get(n_levels) if n_levels > 1 else None,
                plain_write=writes.get(1) if n_levels > 1 else None,
                plain=plain[0] if plain and n_levels > 1 else writes.get(1) if n_levels > 1 else None,
            )
            if pyramid.paired:
                found.append(pyramid)
    return sorted(found, key=lambda p: (-len(p.paired), -(p.first["logical_bytes"] or 0), p.label))


def _at_full(level: int, plain: Sequence[Record], own: Sequence[Record]) -> Record | None:
    """Return a read at full resolution of what the view of a level shows, from a store without levels where there is one."""
    for rows in (plain, own):
        named = [row for row in rows if _of_level(row) == level]
        same = named or [row for row in rows if _shows_the_same(row, level)]
        if same:
            return min(same, key=lambda row: row["position"])
    return None


def _of_level(row: Record) -> int | None:
    match = _FROM_FULL.fullmatch(row["pattern"] or "")
    return int(match[1]) if match else 0 if row["pattern"] == "viewport@0" else None


def _shows_the_same(row: Record, level: int) -> bool:
    """Tell whether a read at full resolution has the extents of the view of a level: where a screen holds the whole plane."""
    shape, axes = row["shape"], row["axes"]
    if row["pattern"] not in ("viewport@0", "plane_xy", "whole") or not shape or not axes or len(shape) != len(axes):
        return False
    try:
        regions = [
            parse_pattern(name).requests(Target((shape,), axes))[0].region.shape
            for name in (row["pattern"], f"viewport@{level}-from0" if level else "viewport@0")
        ]
    except UsageError:
        return False
    return regions[0] == regions[1]


def _finding(pyramids: Sequence[_Pyramid]) -> str:
    """Say what the view gains the most that is shown to be faster, first of settings whose levels have a known cost."""
    pairs = [(pyramid, level) for pyramid in pyramids for level in pyramid.paired]
    shown = [(p, level) for p, level in pairs if is_shown_slower(p.full[level], p.views[level])]
    if not shown:
        return f"No view is shown to be faster from a smaller level than from full resolution ({len(pairs)} compared)"
    best, level = max(shown, key=lambda pair: (pair[0].more_bytes is not None, pair[0].times(pair[1]), pair[0].label))
    full, view = best.full[level]["median_s"], best.views[level]["median_s"]
    text = (
        f"The view that takes {seconds_text(full)} at full resolution takes {seconds_text(view)} from level {level} "
        f"({best.first['backend']}, {shape_text(best.first['shape'])})"
    )
    costs = []
    if best.more_bytes is not None:
        costs.append(f"{times_text(best.more_bytes)} the bytes")
    if best.write is not None and best.plain_write is not None and best.more_write is not None:
        if is_shown_slower(best.write, best.plain_write):
            costs.append(f"{times_text(best.more_write)} the time to write")
        else:
            costs.append("no time to write that is shown")
    return f"{text}; the levels cost {' and '.join(costs)}" if costs else text


def _draw(pyramids: Sequence[_Pyramid], points: Points) -> Figure:
    """Draw a panel per setting: time of the view by level, with and without."""
    figure, grid = panel_grid(len(pyramids), columns=4, row_height=2.9)
    for axes, pyramid in zip(grid, pyramids, strict=True):
        _draw_panel(axes, pyramid, points)
    grid[0].set_ylabel("Time of the view, log scale")
    handles = [Line2D([], [], linestyle="-", linewidth=1.2, **{**look, "color": colour}) for look, colour in _LOOKS]
    handles[0].set_markerfacecolor("#fefefe")
    handles.append(Line2D([], [], linestyle=":", color=MUTED, linewidth=1.4))
    legend_above(figure, handles, ["from full resolution", "from the level", "if time went with the voxels shown"])
    return figure


_LOOKS: Final = ((FIRST, SERIES[0]), (SECOND, SERIES[1]))


def _draw_panel(axes: Axes, pyramid: _Pyramid, points: Points) -> None:
    levels = sorted(pyramid.views)
    values: list[float] = []
    for rows, (look, colour) in zip((pyramid.full, pyramid.views), _LOOKS, strict=True):
        placed = [(level, rows[level]) for level in levels if level in rows]
        axes.plot([x for x, _ in placed], [row["median_s"] for _, row in placed], color=colour, linewidth=1.2)
        segments(
            axes, [(x, bounds(row)[0], x, bounds(row)[1]) for x, row in placed], color=colour, linewidth=2.2, alpha=0.45
        )
        points.draw(axes, [(x, row["median_s"], row["position"]) for x, row in placed], **look)
        values += [value for _, row in placed for value in (*bounds(row), row["median_s"])]
    ideal = [(level, s) for level in levels if level in pyramid.full and (s := pyramid.ideal_s(level)) is not None]
    axes.plot([x for x, _ in ideal], [y for _, y in ideal], color=MUTED, linestyle=":", linewidth=1.4)
    log_axis(axes, [*values, *(y for _, y in ideal)], seconds_axis_text, which="y")
    axes.set_xticks(levels, [f"level {level}" for level in levels])
    axes.set_xlim(levels[0] - 0.3, levels[-1] + 0.3)
    first = pyramid.first
    axes.set_title(f"{first['backend']}\n{image_text(first)}", pad=5)


def _table(pyramids: Sequence[_Pyramid]) -> Table:
    every = [(pyramid, level) for pyramid in pyramids for level in sorted(pyramid.views)]
    rows = []
    for pyramid, level in every[:MOST_TABLE_ROWS]:
        view, full = pyramid.views[level], pyramid.full.get(level)
        known = full is not None and (is_shown_slower(full, view) or span(full)[1] < span(view)[0])
        rows.append(
            [
                Cell(text=f"{pyramid.label}, level {level}", detail=image_text(view)),
                time_cell(full),
                time_cell(view),
                Cell(
                    text=times_text(pyramid.times(level)) if full is not None else MISSING,
                    detail="" if known or full is None else "no difference is shown",
                ),
                Cell(text=seconds_text(pyramid.ideal_s(level) if full is not None else None)),
                Cell(text=bytes_text(pyramid.first["stored_bytes"])),
                Cell(text=times_text(pyramid.more_bytes)),
                time_cell(pyramid.write),
                Cell(text=times_text(pyramid.more_write)),
            ]
        )
    columns = ["View", "From full resolution", "From the level", "Full ÷ level", "If by voxels", "Size with levels"]
    columns += ["Size ÷ without", "Write with levels", "Write ÷ without"]
    caption = shortened("The same views with levels and without, and what the levels cost", len(rows), len(every))
    return Table(caption=caption, columns=columns, rows=rows)
