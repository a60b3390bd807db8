"""How memory, bytes and requests grow with the volume, and how with the number of chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from storebench.report.figures import Points
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._growth_cells import LAWS, MOST_ROWS, data_of, exponent_cell
from storebench.report.sections._growth_figure import draw
from storebench.report.sections._growth_lines import OBJECTS, VOLUMES, Ladder, Line, growth_lines
from storebench.report.sections._rows import shortened, terms
from storebench.report.tables import Cell, Table
from storebench.units import MISSING, bytes_text, count_text, exponent_text, times_text

_COSTS: Final = ("memory", "bytes", "requests")
_WORDS: Final = {"memory": "memory", "bytes": "bytes moved", "requests": "requests"}
_WRITERS: Final = {"memory": bytes_text, "bytes": bytes_text, "requests": count_text}


def by_size(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section on volumes; nothing where no cost was counted at two sizes."""
    yield from _section(VOLUMES, story, studio)


def by_objects(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section on numbers of chunks; nothing where no cost was counted for an image cut in two ways."""
    yield from _section(OBJECTS, story, studio)


def _section(ladder: Ladder, story: Story, studio: Studio) -> Iterator[Section]:
    rows, lines = growth_lines(story, ladder, _COSTS)
    if not lines:
        return
    finding = _finding(lines, ladder)
    points, name = Points(), f"{ladder.name}_costs"
    figure = draw(lines, ladder, points)
    svg, files = studio.save(figure, name, finding, data_of(lines, ladder), groups=list(points.rows))
    about = (
        "Growth of memory at its peak, and bytes and requests to the store and from it, of the settings and images of the section "
        "before; log scales. "
    )
    yield Section(
        name=name,
        short=f"{ladder.short}: memory, bytes, requests",
        finding=finding,
        about=about + LAWS + terms(rows, story),
        svg=svg,
        files=files,
        tables=[_table(lines, ladder)],
        points=points.rows,
    )


def _finding(lines: Sequence[Line], ladder: Ladder) -> str:
    """Say where a cost leaves its line, and between which exponents each grows."""
    told = [text for name in _COSTS if (text := _departure_text(lines, ladder, name))]
    grown = []
    for name in _COSTS:
        courses = [line.courses[name] for line in lines if name in line.courses]
        slopes = [
            course.exponent.median for course in courses if course.exponent and course.exponent.median is not None
        ]
        if slopes:
            low, high = exponent_text(min(slopes)), exponent_text(max(slopes))
            grown.append(f"{_WORDS[name]} {low}" + (f" to {high}" if low != high else ""))
    told += [f"exponents by the {ladder.unit}s: {', '.join(grown)}"] if grown else []
    text = "; ".join(told) or f"a law of growth of memory, bytes and requests by the {ladder.unit}s needs three sizes"
    return text[0].upper() + text[1:]


def _departure_text(lines: Sequence[Line], ladder: Ladder, name: str) -> str:
    """Name the case in which a cost leaves its line most clearly; nothing where none does."""
    off = [(line.courses[name].departure, line) for line in lines if name in line.courses]
    left = [(leaving, line) for leaving, line in off if leaving is not None]
    if not left:
        return ""
    leaving, line = max(left, key=lambda item: (item[0].times, item[1].setting, item[1].task))
    at = ladder.step(line.courses[name].rows[leaving.index])
    needs = f"needs {times_text(leaving.times)} the {_WORDS[name]} that smaller sizes foretell"
    return f"from {at} on, {line.setting}, {line.task}, {needs}"


def _table(lines: Sequence[Line], ladder: Ladder) -> Table:
    rows = []
    for line in lines[:MOST_ROWS]:
        cells = [Cell(text=f"{line.setting}, {line.task}"), Cell(text=", ".join(map(ladder.step, line.rows)))]
        for name in _COSTS:
            course = line.courses.get(name)
            ends = [_WRITERS[name](course.points[place].cost) for place in (0, -1)] if course else [MISSING] * 2
            cells += [*(Cell(text=end) for end in ends), exponent_cell(course, ladder)]
        rows.append(cells)
    heads = [f"{name.capitalize()}{place}" for name in _COSTS for place in (", smallest", ", largest", ", exponent")]
    caption = shortened(f"How costs grow with the number of {ladder.unit}s", len(rows), len(lines))
    return Table(caption=caption, columns=["Case", "Sizes", *heads], rows=rows, numeric_from=2)
