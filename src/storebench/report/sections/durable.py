"""A write until the library's call returns, until the device has everything, and with the library's own fsync."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.analysis import span
from storebench.report.figures import WIDTH, Points, legend_above
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._dumbbells import FIRST, SECOND, THIRD, Dumbbell, draw_dumbbells
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
    by_image,
    by_value,
    image_text,
    most_frequent,
    rows_at_home,
    setting_text,
    shortened,
    terms,
)
from storebench.report.style import log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.units import MISSING, count_text, seconds_axis_text, seconds_text, times_text

_MOST_SETTINGS: Final = 20


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no write was timed until it was on the device."""
    # a setting may have been written by two suites: the one that asked for the device knows its interval
    written = most_frequent(rows_at_home(story, _is_both), "threads")
    writes = [made for group in alike_but(written, "durability") if (made := _Write.of(group)) is not None]
    if not writes:
        return
    writes.sort(key=lambda write: (image_text(write.row), write.row["durable_s"], setting_text(write.row)))
    rows = [write.row for write in writes]
    finding = _finding(writes)
    points = Points()
    image = by_image(rows)[0]
    shown = [write for write in writes if image_text(write.row) == image_text(image[0])][:_MOST_SETTINGS]
    data = [write.data for write in writes]
    svg, files = studio.save(_draw(shown, points), "durable", finding, data, groups=list(points.rows))
    yield Section(
        name="durable",
        short="Durable writes",
        finding=finding,
        about=f"Writing {image_text(image[0])}: two times of the same calls, log scale. What lies between is the file system's "
        "work after the library has returned; a power cut in that time loses data."
        f"{_own_text(writes)}{_samples_text(rows, story)}{terms(rows, story)}",
        svg=svg,
        files=files,
        tables=[_table(writes)],
        points=points.rows,
    )


@dataclass(frozen=True, slots=True)
class _Write:
    """One setting: the row that knows both ends of the same calls, and that of its library's own fsync where it has one."""

    row: Record
    own: Record | None

    @classmethod
    def of(cls, group: Sequence[Record]) -> _Write | None:
        """Choose among rows that differ in durability alone; None where nothing else than the own fsync was timed."""
        found = by_value(group, "durability")
        own = found.pop("own-fsync", None)
        return cls(found.get("durable") or next(iter(found.values())), own) if found else None

    @property
    def own_s(self) -> float | None:
        """Seconds with the library's own fsync; None: not measured."""
        return float(self.own["median_s"]) if self.own is not None else None

    @property
    def own_times(self) -> float | None:
        """What that is to the time until the call returns without it, where it is shown to be longer."""
        if self.own is None or not span(self.own)[0] > self.row["returned_s"]:
            return None
        return float(self.own["median_s"] / self.row["returned_s"])

    @property
    def data(self) -> Record:
        """The line of the figure's file."""
        return {
            "image": image_text(self.row),
            "setting": setting_text(self.row),
            "n_files": self.row["n_files"],
            "returned_s": self.row["returned_s"],
            "durable_s": self.row["durable_s"],
            "own_fsync_s": self.own_s,
        }


def _own_text(writes: Sequence[_Write]) -> str:
    """Say what the third point of some lines is."""
    if all(write.own is None for write in writes):
        return ""
    return " A library that can sync its files by itself has a third time, of other samples, with that switched on."


def _samples_text(rows: Sequence[Record], story: Story) -> str:
    """Say where the page's other figures take the time of a write from other samples than these."""
    elsewhere = {setting.write["position"] for view in story.views for setting in view.settings if setting.write}
    if all(row["position"] in elsewhere for row in rows):
        return ""
    return " These are samples of their own: other parts of the page may take a setting's write from another case."


def _is_both(row: Record) -> bool:
    return row["operation"] == "write" and bool(row["returned_s"]) and bool(row["durable_s"])


def _times(row: Record) -> float:
    return float(row["durable_s"] / row["returned_s"])


def _is_shown(row: Record) -> bool:
    """Tell whether the interval of the one time leaves out the other; both are of the same calls."""
    low, high = span(row)
    return bool(low > row["returned_s"] if row["durability"] == "durable" else high < row["durable_s"])


def _finding(writes: Sequence[_Write]) -> str:
    own = [write for write in writes if write.own_times is not None]
    if not own:
        return _finding_of_ends([write.row for write in writes])
    worst = max(own, key=lambda write: (write.own_times or 0, setting_text(write.row)))
    return (
        f"{_finding_of_ends([write.row for write in writes])}; by the library's own fsync a write takes up to "
        f"{times_text(worst.own_times or 0)} as long as until it returns without ({setting_text(worst.row)})"
    )


def _finding_of_ends(rows: Sequence[Record]) -> str:
    shown = [row for row in rows if _is_shown(row)]
    if not shown:
        return (
            f"No write is shown to take longer until it is on the device than until it returns ({len(rows)} measured)"
        )
    worst = max(shown, key=lambda row: (_times(row), setting_text(row)))
    what = f"{setting_text(worst)}: {seconds_text(worst['returned_s'])}, then {seconds_text(worst['durable_s'])}"
    if len(rows) == 1:
        return (
            f"Until it is on the device a write takes {times_text(_times(worst))} as long as until it returns ({what})"
        )
    return (
        f"Until they are on the device, {len(shown)} of {len(rows)} writes are shown to take longer than until they return, "
        f"up to {times_text(_times(worst))} as long ({what})"
    )


def _draw(writes: Sequence[_Write], points: Points) -> Figure:
    """Draw a line per setting from return to device."""
    figure = Figure(figsize=(WIDTH, 0.24 * len(writes) + 1.15), layout="constrained")
    axes = figure.subplots()
    bells = [
        Dumbbell(
            y=y,
            first=write.row["returned_s"],
            second=write.row["durable_s"],
            first_row=write.row["position"],
            second_row=write.row["position"],
            third=write.own_s,
            third_row=write.own["position"] if write.own is not None else None,
        )
        for y, write in enumerate(writes)
    ]
    draw_dumbbells(axes, bells, points, lambda a, values: log_axis(a, values, seconds_axis_text, most=6))
    axes.set_yticks(range(len(writes)), [setting_text(write.row) for write in writes])
    axes.set_ylim(len(writes) - 0.5, -0.5)
    known = [(FIRST, "the call has returned"), (SECOND, "everything is on the device")]
    known += [(THIRD, "returned, with the library's own fsync")] if any(write.own for write in writes) else []
    handles = [Line2D([], [], linestyle="", **style) for style, _ in known]
    legend_above(figure, handles, [text for _, text in known])
    return figure


def _table(writes: Sequence[_Write]) -> Table:
    with_own = any(write.own is not None for write in writes)
    cells = [
        [
            Cell(text=setting_text(row), detail=image_text(row)),
            Cell(text=count_text(row["n_files"])),
            Cell(text=seconds_text(row["returned_s"])),
            time_cell(row) if row["durability"] == "durable" else Cell(text=seconds_text(row["durable_s"])),
            Cell(text=times_text(_times(row)), detail="" if _is_shown(row) else "not shown to be slower"),
            *([Cell(text=MISSING) if write.own is None else time_cell(write.own)] if with_own else []),
        ]
        for write in writes[:MOST_TABLE_ROWS]
        for row in (write.row,)
    ]
    caption = shortened("The same writes until they return and until they are on the device", len(cells), len(writes))
    columns = ["Write", "Files", "Returned", "On the device", "Ratio", *(["Own fsync"] if with_own else [])]
    return Table(caption=caption, columns=columns, rows=cells)
