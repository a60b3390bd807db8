"""A first read from the disk beside one from memory, and what read-ahead brings along."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from storebench.report.byte_axis import byte_axis
from storebench.report.charts import pattern_text
from storebench.report.figures import WIDTH, Points, legend_above
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._dumbbells import FIRST, SECOND, Dumbbell, draw_dumbbells
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
    by_image,
    by_value,
    image_text,
    is_shown_slower,
    rows_at_home,
    setting_text,
    shortened,
    terms,
)
from storebench.report.style import log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.units import MISSING, bytes_text, count_text, seconds_axis_text, times_text

_MOST_SETTINGS: Final = 16
_MOST_PATTERNS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """The same read, cold and warm."""

    cold: Record
    warm: Record

    @property
    def setting(self) -> str:
        return setting_text(self.cold)

    @property
    def pattern(self) -> str:
        return self.cold["pattern"] or "whole"

    @property
    def times(self) -> float:
        return float(self.cold["median_s"] / self.warm["median_s"])

    @property
    def is_shown(self) -> bool:
        return is_shown_slower(self.cold, self.warm)

    @property
    def read_ahead(self) -> float | None:
        """Bytes that the disk delivered ÷ bytes asked of the store."""
        asked, came = self.cold["fetched_bytes"], self.cold["device_bytes"]
        return came / asked if asked and came is not None else None


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no read was measured both cold and warm."""
    rows = rows_at_home(story, lambda row: row["operation"] == "read")
    pairs = _pairs(rows)
    if not pairs:
        return
    finding = _finding(pairs)
    points = Points()
    image = by_image([pair.cold for pair in pairs])[0]
    positions = {row["position"] for row in image}
    drawn = [pair for pair in pairs if pair.cold["position"] in positions]
    data = [
        {
            "image": image_text(pair.cold),
            "setting": pair.setting,
            "pattern": pair.pattern,
            "warm_s": pair.warm["median_s"],
            "cold_s": pair.cold["median_s"],
            "cold_shown": pair.cold["cache_shown"],
            "fetched_bytes": pair.cold["fetched_bytes"],
            "device_bytes": pair.cold["device_bytes"],
        }
        for pair in pairs
    ]
    svg, files = studio.save(_draw(drawn, points), "cold_warm", finding, data, groups=list(points.rows))
    yield Section(
        name="cold_warm",
        short="Cold and warm",
        finding=finding,
        about=_about(pairs, image[0]) + terms(rows, story),
        svg=svg,
        files=files,
        tables=[_table(pairs)],
        points=points.rows,
    )


def _pairs(rows: Sequence[Record]) -> list[_Pair]:
    """Return each read measured in both states; a dropped cache stands in where there is no colder."""
    pairs = []
    for group in alike_but(rows, "cache"):
        found = by_value(group, "cache")
        cold = found.get("cold") or found.get("cold-dropped")
        if cold is not None and "warm" in found:
            pairs.append(_Pair(cold=cold, warm=found["warm"]))
    return sorted(pairs, key=lambda pair: (image_text(pair.cold), pair.cold["median_s"], pair.setting))


def _finding(pairs: Sequence[_Pair]) -> str:
    shown = [pair for pair in pairs if pair.is_shown]
    if not shown:
        return f"No first read from the disk is shown to take longer than a warm one ({len(pairs)} compared)"
    worst = max(shown, key=lambda pair: (pair.times, pair.setting))
    what = f"{worst.setting}, {pattern_text(worst.pattern)}"
    if len(pairs) == 1:
        return f"A first read from the disk takes {times_text(worst.times)} as long as a warm one ({what})"
    return (
        f"A first read from the disk is shown to take longer in {len(shown)} of {len(pairs)} cases, "
        f"up to {times_text(worst.times)} as long ({what})"
    )


def _about(pairs: Sequence[_Pair], row: Record) -> str:
    states = Counter(pair.cold["cache_shown"] or "" for pair in pairs)
    guest = sum(n for state, n in states.items() if state.startswith("guest-"))
    text = f"One read of {image_text(row)} from memory and from the disk, log scales."
    if any(pair.read_ahead is not None for pair in pairs):
        text += " Beside it, the bytes asked of the store and those that the disk delivered: more is read-ahead."
    if guest:
        text += (
            f" {guest} of {len(pairs)} cold reads are shown to be guest-cold: nothing was in this machine's memory, but below "
            "its hypervisor the host may have held the files, so a disk alone can be slower."
        )
    if states[""]:
        text += f" Of {states['']} of {len(pairs)} nothing shows that they were cold."
    return text


def _patterns(pairs: Sequence[_Pair]) -> list[str]:
    """Return the patterns that are drawn: the whole image and the part read most often."""
    counts = Counter(pair.pattern for pair in pairs)
    return sorted(counts, key=lambda name: (name != "whole", -counts[name], name))[:_MOST_PATTERNS]


def _draw(pairs: Sequence[_Pair], points: Points) -> Figure:
    """Draw a line per setting and, for each pattern, its times and its bytes."""
    patterns = _patterns(pairs)
    settings = list(dict.fromkeys(pair.setting for pair in pairs if pair.pattern == patterns[0]))
    settings += [
        s for s in dict.fromkeys(pair.setting for pair in pairs if pair.pattern in patterns) if s not in settings
    ]
    settings = settings[:_MOST_SETTINGS]
    has_bytes = [name for name in patterns if any(p.pattern == name and p.read_ahead for p in pairs)]
    figure = Figure(figsize=(WIDTH, 0.24 * len(settings) + 1.15), layout=ConstrainedLayoutEngine(w_pad=0.13))
    grid = list(figure.subplots(1, len(patterns) + len(has_bytes), sharey=True, squeeze=False)[0])
    panels = iter(grid)
    for name in patterns:
        members = {pair.setting: pair for pair in pairs if pair.pattern == name}
        placed = [(y, members[setting]) for y, setting in enumerate(settings) if setting in members]
        title = pattern_text(name)[0].upper() + pattern_text(name)[1:]
        _draw_times(next(panels), placed, title, points)
        if name in has_bytes:
            _draw_bytes(next(panels), placed, f"{title}, bytes", points)
    grid[0].set_yticks(range(len(settings)), settings)
    grid[0].set_ylim(len(settings) - 0.5, -0.5)
    handles = [Line2D([], [], linestyle="", **style) for style in (FIRST, SECOND)]
    texts = ["warm; bytes: asked of the store", "cold; bytes: delivered by the disk"]
    legend_above(figure, handles, texts if has_bytes else ["warm", "cold"])
    return figure


def _draw_times(axes: Axes, placed: Sequence[tuple[int, _Pair]], title: str, points: Points) -> None:
    bells = [
        Dumbbell(
            y=y,
            first=pair.warm["median_s"],
            second=pair.cold["median_s"],
            first_row=pair.warm["position"],
            second_row=pair.cold["position"],
        )
        for y, pair in placed
    ]
    draw_dumbbells(axes, bells, points, lambda a, values: log_axis(a, values, seconds_axis_text, most=3))
    axes.set_title(title, pad=5)


def _draw_bytes(axes: Axes, placed: Sequence[tuple[int, _Pair]], title: str, points: Points) -> None:
    bells = [
        Dumbbell(
            y=y,
            first=pair.cold["fetched_bytes"],
            second=pair.cold["device_bytes"],
            first_row=pair.cold["position"],
            second_row=pair.cold["position"],
        )
        for y, pair in placed
    ]
    draw_dumbbells(axes, bells, points, lambda a, values: byte_axis(a, values, most=3))
    axes.set_title(title, pad=5)


def _table(pairs: Sequence[_Pair]) -> Table:
    rows = [
        [
            Cell(text=pair.setting, detail=f"{image_text(pair.cold)}, {pattern_text(pair.pattern)}"),
            time_cell(pair.warm),
            time_cell(pair.cold),
            Cell(text=times_text(pair.times), detail="" if pair.is_shown else "not shown to be slower"),
            Cell(text=pair.cold["cache_shown"] or MISSING),
            Cell(text=bytes_text(pair.cold["fetched_bytes"])),
            Cell(text=bytes_text(pair.cold["device_bytes"])),
            Cell(text=times_text(pair.read_ahead)),
            Cell(text=count_text(pair.cold["requests"])),
        ]
        for pair in pairs[:MOST_TABLE_ROWS]
    ]
    columns = ["Read", "Warm", "Cold", "Cold ÷ warm", "Shown", "Asked", "Delivered", "Delivered ÷ asked", "Requests"]
    return Table(caption=shortened("The same reads, warm and cold", len(rows), len(pairs)), columns=columns, rows=rows)
