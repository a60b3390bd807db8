"""What levels cost: the time to build them, the time to write them at once, and the bytes that they add."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.records import SYNCED
from storebench.report.figures import WIDTH, Points, legend_above, panel_grid
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._dumbbells import FIRST, SECOND
from storebench.report.sections._rows import (
    MOST_TABLE_ROWS,
    alike_but,
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
from storebench.units import MISSING, bytes_text, count_text, percent_text, seconds_axis_text, seconds_text

_LEVELS: Final = ("n_levels", "level_axes", "level_method")
_TASK: Final = ("operation", "pattern", "cache", "durability")
_MOST_LINES: Final = 14
_BUILD: Final[dict[str, Any]] = {"marker": "s", "markersize": 4.8, "color": SERIES[2]}
_ADDED: Final = ((1 / 3, "1/3"), (1 / 7, "1/7"))
"""What levels add before compression where two axes are halved, and where three are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """One setting with levels.

    Attributes
    ----------
    build, write, plain_write : Record or None
        Building the levels of what is stored; writing everything with levels; writing level 0 alone.
    stored, plain : Record or None
        Any row of the setting with levels, and without.
    """

    build: Record | None
    write: Record | None
    plain_write: Record | None
    stored: Record
    plain: Record | None

    @property
    def label(self) -> str:
        row = self.stored
        method = f"by {row['level_method']}" if row["level_method"] else ""
        along = f"along {row['level_axes']}" if row["level_axes"] else ""
        return " ".join(part for part in (f"{row['n_levels']} levels", method, along) if part)

    @property
    def added(self) -> float | None:
        """Stored bytes that the levels add ÷ those of level 0."""
        with_levels = self.stored["stored_bytes"]
        without = self.plain["stored_bytes"] if self.plain is not None else None
        return with_levels / without - 1 if with_levels and without else None


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where levels were neither built nor written."""
    rows = rows_at_home(story, lambda row: row["durability"] not in SYNCED)
    costs = _costs(rows)
    if not costs:
        return
    finding, points = _finding(costs), Points()
    svg, files = studio.save(
        _draw(costs[:_MOST_LINES], points), "level_costs", finding, _data(costs), groups=list(points.rows)
    )
    yield Section(
        name="level_costs",
        short="Cost of levels",
        finding=finding,
        about="Left: the time to build the levels of an image that is stored (read level 0, make the others in memory, write "
        "them), and to write it at once with levels and without; log scale. Right: the bytes that levels add; dotted, what "
        f"they add before compression: a third where two axes are halved, a seventh where three are.{terms(rows, story)}",
        svg=svg,
        files=files,
        tables=[_table(costs)],
        points=points.rows,
    )


def _costs(rows: Sequence[Record]) -> list[_Cost]:
    """Return what the levels of each setting cost, of the largest images first."""
    found = []
    for group in alike_but(rows, *_LEVELS, *_TASK):
        plain = [row for row in group if (row["n_levels"] or 1) == 1]
        for members in alike_but((row for row in group if (row["n_levels"] or 1) > 1), *_TASK):
            cost = _Cost(
                build=_first(members, "build_levels"),
                write=_first(members, "write"),
                plain_write=_first(plain, "write"),
                stored=members[0],
                plain=next((row for row in plain if row["stored_bytes"]), None),
            )
            if cost.build is not None or (cost.write is not None and cost.plain_write is not None):
                found.append(cost)
    return sorted(found, key=lambda cost: -(cost.stored["logical_bytes"] or 0))


def _first(rows: Sequence[Record], operation: str) -> Record | None:
    return next((row for row in rows if row["operation"] == operation), None)


def _finding(costs: Sequence[_Cost]) -> str:
    """Say what levels cost on the largest image whose levels were built; where none were, on the largest written."""
    largest = next((cost for cost in costs if cost.build is not None), costs[0])
    image = image_text(largest.stored)
    costs = [cost for cost in costs if image_text(cost.stored) == image]
    costs = [cost for cost in costs if cost.build is not None] or costs
    text, which = _built_text(costs) or _written_text(costs)
    shares = [cost.added for cost in costs if cost.added is not None]
    added = f" and add {_range_text(shares, percent_text)} of the bytes" if shares else ""
    return f"The smaller levels of {image} {text}{added} ({which})"


def _name(cost: _Cost) -> str:
    return f"{cost.stored['backend']}, {cost.label}"


def _range_text(values: Sequence[float], text: Callable[[float], str]) -> str:
    """Write the least and the largest; one alone where both read alike."""
    return " to ".join(dict.fromkeys((text(min(values)), text(max(values)))))


def _built_text(costs: Sequence[_Cost]) -> tuple[str, str] | None:
    """Say how long building takes, and in which settings; None where nothing was built."""
    built = sorted((cost.build["median_s"], _name(cost)) for cost in costs if cost.build is not None)
    if not built:
        return None
    seconds, name = built[0]
    which = name if len(built) == 1 else f"{count_text(len(built))} settings; {seconds_text(seconds)}: {name}"
    return f"take {_range_text([s for s, _ in built], seconds_text)} to build", which


def _written_text(costs: Sequence[_Cost]) -> tuple[str, str]:
    """Say how much longer a write is shown to take with levels, at most, and in how many settings it is."""
    pairs = [(c.write, c.plain_write, _name(c)) for c in costs if c.write is not None and c.plain_write is not None]
    longer = [pair for pair in pairs if is_shown_slower(pair[0], pair[1])]
    settings = f"{count_text(len(pairs))} settings"
    if not longer:
        return "are not shown to make a write longer", settings if len(pairs) > 1 else pairs[0][2]
    write, plain, name = max(longer, key=lambda pair: pair[0]["median_s"] / pair[1]["median_s"])
    text = f"make a write {seconds_text(write['median_s'])} long instead of {seconds_text(plain['median_s'])}"
    return text, name if len(pairs) == 1 else f"{name}; longer in {len(longer)} of {settings}"


def _draw(costs: Sequence[_Cost], points: Points) -> Figure:
    """Draw a line per setting: its times left, the bytes that are added right."""
    figure, (left, right) = panel_grid(2, columns=2, row_height=0.9 + 0.36 * len(costs), sharey=True)
    figure.set_size_inches(WIDTH, 1.35 + 0.36 * len(costs))
    places = range(len(costs) - 1, -1, -1)
    _draw_times(left, list(zip(places, costs, strict=True)), points)
    added = [(place, cost) for place, cost in zip(places, costs, strict=True) if cost.added is not None]
    points.draw(right, [(cost.added or 0, place, cost.stored["position"]) for place, cost in added], **SECOND)
    for fraction, _ in _ADDED:
        right.axvline(fraction, color=MUTED, linestyle=":", linewidth=1.2)
    right.set_xlim(0, max([0.42, *(1.1 * (cost.added or 0) for _, cost in added)]))
    ticks = [0, *(fraction for fraction, _ in _ADDED[::-1])]
    right.set_xticks(ticks, ["0", *(text for _, text in _ADDED[::-1])])
    right.set_xlabel("Bytes added, of those of level 0")
    left.set_yticks(
        list(places),
        [f"{image_text(cost.stored)}\n{_name(cost)}" for cost in costs],
        fontsize=7,
    )
    left.set_ylim(-0.6, len(costs) - 0.4)
    handles = [Line2D([], [], linestyle="", **look) for look in (_BUILD, SECOND, FIRST)]
    legend_above(figure, handles, ["build the levels of a stored image", "write with levels", "write without"])
    return figure


def _draw_times(axes: Axes, placed: Sequence[tuple[int, _Cost]], points: Points) -> None:
    values: list[float] = []
    for name, look in (("plain_write", FIRST), ("write", SECOND), ("build", _BUILD)):
        rows = [(place, row) for place, cost in placed if (row := getattr(cost, name)) is not None]
        points.draw(axes, [(row["median_s"], place, row["position"]) for place, row in rows], **look)
        values += [row["median_s"] for _, row in rows]
    log_axis(axes, values, seconds_axis_text)
    axes.set_xlabel("Time, log scale")


def _data(costs: Sequence[_Cost]) -> list[dict[str, object]]:
    def seconds(row: Record | None) -> float | None:
        return None if row is None else row["median_s"]

    return [
        {
            "image": image_text(cost.stored),
            "setting": setting_text(cost.stored),
            "build_s": seconds(cost.build),
            "write_s_with_levels": seconds(cost.write),
            "write_s_without": seconds(cost.plain_write),
            "stored_bytes_with_levels": cost.stored["stored_bytes"],
            "stored_bytes_without": cost.plain["stored_bytes"] if cost.plain is not None else None,
            "added_fraction": cost.added,
        }
        for cost in costs
    ]


def _table(costs: Sequence[_Cost]) -> Table:
    shown = costs[:MOST_TABLE_ROWS]
    rows = [
        [
            Cell(text=setting_text(cost.stored), detail=image_text(cost.stored)),
            time_cell(cost.build),
            time_cell(cost.write),
            time_cell(cost.plain_write),
            Cell(text=bytes_text(cost.stored["stored_bytes"])),
            Cell(text=bytes_text(cost.plain["stored_bytes"]) if cost.plain is not None else MISSING),
            Cell(text=percent_text(cost.added) if cost.added is not None else MISSING),
        ]
        for cost in shown
    ]
    columns = [
        "Setting",
        "Build levels",
        "Write with levels",
        "Write without",
        "Size with levels",
        "Size without",
        "Added",
    ]
    return Table(caption=shortened("What levels cost", len(shown), len(costs)), columns=columns, rows=rows)
