"""How time grows with the volume, and how with the number of chunks: exponents, and where a line is left.

Two sections of one form: the same settings on images of several sizes, and one image cut into ever more chunks. What else
grows is in `growth_costs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from storebench.report.figures import Points
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._growth_cells import LAWS, MOST_ROWS, data_of, exponent_cell
from storebench.report.sections._growth_figure import draw
from storebench.report.sections._growth_lines import OBJECTS, VOLUMES, Ladder, Line, growth_lines
from storebench.report.sections._rows import image_text, is_shown_slower, shortened, terms
from storebench.report.tables import Cell, Table, time_cell
from storebench.units import (
    bytes_text,
    count_text,
    exponent_text,
    seconds_text,
    times_text,
)


def by_size(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section on volumes; nothing where no setting was measured at two sizes."""
    about = "The same settings on {subject} at several sizes; log scales. "
    yield from _section(VOLUMES, about, story, studio)


def by_objects(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section on numbers of chunks; nothing where no image was cut in two ways."""
    about = (
        "One image, {subject}, cut into ever smaller chunks: each is a file of its own, or a block in one file or shard; log "
        "scales. "
    )
    yield from _section(OBJECTS, about, story, studio)


def _section(ladder: Ladder, about: str, story: Story, studio: Studio) -> Iterator[Section]:
    rows, lines = growth_lines(story, ladder, ["time"])
    if not lines:
        return
    finding = _finding(lines, ladder)
    first = lines[0].rows[0]
    subject = image_text(first) if ladder.same_image else str(first["dataset"])
    points = Points()
    svg, files = studio.save(
        draw(lines, ladder, points), ladder.name, finding, data_of(lines, ladder), groups=list(points.rows)
    )
    yield Section(
        name=ladder.name,
        short=ladder.short,
        finding=finding,
        about=about.format(subject=subject) + LAWS + terms(rows, story),
        svg=svg,
        files=files,
        tables=[_table(lines, ladder)],
        points=points.rows,
    )


def _finding(lines: Sequence[Line], ladder: Ladder) -> str:
    """Say first where a line is left, then how time grows."""
    told = [_departures_text(lines, ladder), _growth_text(lines, ladder)]
    text = "; ".join(words for words in told if words)
    return text[0].upper() + text[1:]


def _departures_text(lines: Sequence[Line], ladder: Ladder) -> str:
    """Name the case whose time leaves its line most clearly; nothing where none does."""
    off = [(line.time.departure, line) for line in lines if line.time.departure]
    if not off:
        return ""
    leaving, line = max(off, key=lambda item: (item[0].times, item[1].setting))
    at = ladder.step(line.rows[leaving.index])
    others = f"; so do {len(off) - 1} more of {len(lines)} cases, from some size on" if len(off) > 1 else ""
    return (
        f"from {at} on, {line.setting}, {line.task}, takes {times_text(leaving.times)} as long per {ladder.unit} as smaller "
        f"sizes foretell{others}"
    )


def _growth_text(lines: Sequence[Line], ladder: Ladder) -> str:
    """Say how time grows: from exponents where there are any, else from two sizes."""
    fitted = [line for line in lines if line.time.growth]
    if not fitted:
        return _two_sizes_text(lines, ladder)
    whole = [line for line in fitted if ladder.same_image or not line.is_of_a_part]
    parts = [line for line in fitted if line not in whole]
    return "; ".join(words for words in (_proportion_text(whole, ladder), _parts_text(parts)) if words)


def _two_sizes_text(lines: Sequence[Line], ladder: Ladder) -> str:
    line = max(lines, key=lambda line: (line.size_times, not line.is_of_a_part, line.setting))
    shown = is_shown_slower(line.rows[-1], line.rows[0])
    takes = f"takes {times_text(line.time_times)} the time" if shown else "is not shown to take longer"
    what = f"{line.setting}, {line.task}"
    return f"{times_text(line.size_times)} the {ladder.unit}s {takes} ({what}); a law of growth needs three sizes"


def _proportion_text(lines: Sequence[Line], ladder: Ladder) -> str:
    """Say of what must grow with the size whether it does so in proportion."""
    if not lines:
        return ""
    fits = _fits_text(lines)
    counts = {growth: sum(line.time.growth == growth for line in lines) for growth in ("less", "more", "either")}
    told = [f"{growth} than in proportion in {counts[growth]}" for growth in ("less", "more") if counts[growth]]
    if not told:
        return f"time is not shown to grow other than in proportion to the {ladder.unit}s ({fits})"
    if counts["either"] or len(told) > 1:
        open_text = f"; in {counts['either']} it may be in proportion" if counts["either"] else ""
        cases = f"of {len(lines)} cases"
        return f"{cases}, time grows {' and '.join(told)} to the {ladder.unit}s{open_text} ({fits})"
    word, every = told[0].partition(" ")[0], f" in all {len(lines)} cases" if len(lines) > 1 else ""
    return f"time grows {word} than in proportion to the {ladder.unit}s{every} ({fits})"


def _parts_text(lines: Sequence[Line]) -> str:
    """Say of opening and of parts whether the size of the whole matters to them at all."""
    if not lines:
        return ""
    grows = sum(line.time.exponent is not None and (line.time.exponent.low or 0) > 0 for line in lines)
    cases = "case" if len(lines) == 1 else "cases"
    longer = f"is shown to take longer the larger it is in {grows} of {len(lines)} {cases}"
    return f"to open it, or read a part, {longer} ({_fits_text(lines)})"


def _fits_text(lines: Sequence[Line]) -> str:
    exponents = [
        line.time.exponent.median for line in lines if line.time.exponent and line.time.exponent.median is not None
    ]
    low, high = exponent_text(min(exponents)), exponent_text(max(exponents))
    return f"exponents {low} to {high}" if len(lines) > 1 else f"{lines[0].setting}, {lines[0].task}: exponent {low}"


def _table(lines: Sequence[Line], ladder: Ladder) -> Table:
    rows = [
        [
            Cell(text=f"{line.setting}, {line.task}"),
            Cell(text=", ".join(ladder.step(row) for row in line.rows)),
            Cell(text=count_text(line.rows[-1]["n_files"]), detail=bytes_text(line.rows[-1]["stored_bytes"])),
            time_cell(line.rows[0]),
            time_cell(line.rows[-1]),
            Cell(text=times_text(line.size_times)),
            Cell(text=times_text(line.time_times), detail=_per_unit_text(line, ladder)),
            exponent_cell(line.time, ladder),
        ]
        for line in lines[:MOST_ROWS]
    ]
    heads = ["Case", "Sizes", "Files at the largest", "Time at the smallest", "Time at the largest"]
    heads += [f"{ladder.unit.capitalize()}s ratio", "Time ratio", "Exponent"]
    caption = shortened(f"How time grows with the number of {ladder.unit}s", len(rows), len(lines))
    return Table(caption=caption, columns=heads, rows=rows, numeric_from=2)


def _per_unit_text(line: Line, ladder: Ladder) -> str:
    """Say what one chunk costs at the largest number; of one voxel nobody asks."""
    row = line.rows[-1]
    return f"{seconds_text(row['median_s'] / row['size'])} per {ladder.unit}" if ladder.same_image else ""
