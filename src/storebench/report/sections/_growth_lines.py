"""Lines of growth: one setting doing the same at several sizes, with what each of its costs does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.analysis.growth import (
    Departure,
    Point,
    counted_point,
    departure,
    exponent,
    memory_point,
    n_chunks,
    timed_point,
)
from storebench.grid import Shape
from storebench.records import SYNCED
from storebench.report.section import Story
from storebench.report.sections._rows import alike_but, by_value, image_text, rows_at_home, setting_text, task_text
from storebench.report.views import Record
from storebench.results.intervals import Interval
from storebench.units import count_text, ratio_axis_text, shape_text

_MOST_FITS: Final = 60
"""Lines that are fitted: enough for the table and the figure."""
_NO_PARTS: Final = ("open", "list", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """What grows along a line.

    Attributes
    ----------
    name, short : str
        Of the section.
    unit : str
        What is counted, in the singular.
    size_of : callable
        Size of a row, or None.
    takes : callable
        Whether a row belongs on such a line.
    step : callable
        Names a row's place on the ladder.
    tick : callable
        As `step`, for an axis.
    same_image : bool
        Whether all rows of a line are of one image.
    least_span : float
        Largest size ÷ smallest, at least.
    """

    name: str
    short: str
    unit: str
    size_of: Callable[[Record], int | None]
    takes: Callable[[Record], bool]
    step: Callable[[Record], str]
    tick: Callable[[Record], str]
    same_image: bool
    least_span: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One cost along a line.

    Attributes
    ----------
    rows : sequence of Record
        Those where it is known and positive, by rising size.
    points : sequence of Point
        Of the same places.
    exponent : Interval or None
        See `analysis.growth.exponent`.
    departure : Departure or None
        See `analysis.growth.departure`.
    """

    rows: Sequence[Record]
    points: Sequence[Point]
    exponent: Interval | None
    departure: Departure | None

    @property
    def growth(self) -> str:
        """How it grows beside the size: "less" or "more" than in proportion, or "either"; empty where that is not known."""
        if self.exponent is None or self.exponent.low is None or self.exponent.high is None:
            return ""
        return "less" if self.exponent.high < 1 else "more" if self.exponent.low > 1 else "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One setting doing the same at several sizes.

    Attributes
    ----------
    rows : sequence of Record
        By rising size, each with its "size".
    setting, task : str
        In words.
    courses : mapping of str to Course
        By the names of `COSTS`; those known at two sizes at least.
    """

    rows: Sequence[Record]
    setting: str
    task: str
    courses: Mapping[str, Course]

    @property
    def time(self) -> Course:
        """The course of its time; for lines that were asked for it."""
        return self.courses["time"]

    @property
    def size_times(self) -> float:
        """Largest ÷ smallest size."""
        return float(self.rows[-1]["size"] / self.rows[0]["size"])

    @property
    def time_times(self) -> float:
        """Time at the largest ÷ time at the smallest."""
        return float(self.rows[-1]["median_s"] / self.rows[0]["median_s"])

    @property
    def is_of_a_part(self) -> bool:
        """Whether what it asks for need not grow with the image."""
        row = self.rows[0]
        return row["operation"] in _NO_PARTS or (row["pattern"] or "whole") != "whole"


def _counted(*names: str) -> Callable[[Record], Point | None]:
    """Return what adds up the columns that are known."""

    def point_of(row: Record) -> Point | None:
        total = sum(row[name] for name in names if row[name] is not None)
        return counted_point(row["size"], total) if total else None

    return point_of


def _edges_text(shape: Shape) -> str:
    """Write a cube's or a square's shape by its edge, any other by its voxels."""
    powers = {2: "²", 3: "³"}
    is_even = len(set(shape)) == 1 and len(shape) in powers
    return f"{shape[0]}{powers[len(shape)]}" if is_even else ratio_axis_text(math.prod(shape))


def _memory_point(row: Record) -> Point | None:
    return memory_point(row["size"], row["peak_memory_bytes"]) if row["peak_memory_bytes"] else None


COSTS: Final[Mapping[str, Callable[[Record], Point | None]]] = {
    "time": lambda row: timed_point(row, row["size"]),
    "memory": _memory_point,
    "bytes": _counted("fetched_bytes", "set_bytes"),
    "requests": _counted("requests", "sets"),
}
"""What may grow, as a point of a row; None where it is not known or nothing. Bytes and requests move to the store and from it."""

VOLUMES: Final = Ladder(
    name="growth_size",
    short="Image size",
    unit="voxel",
    size_of=lambda row: math.prod(row["shape"]),
    takes=lambda row: bool(row["shape"]) and bool(row["dataset"]),
    step=lambda row: shape_text(row["shape"]),
    tick=lambda row: _edges_text(row["shape"]),
    same_image=False,
    least_span=1.0,
)
OBJECTS: Final = Ladder(
    name="growth_objects",
    short="Objects",
    unit="chunk",
    size_of=lambda row: n_chunks(row["shape"], row["chunk_shape"]),
    takes=lambda row: (
        bool(row["shape"])
        and bool(row["chunk_shape"])
        and bool(row["dataset"])
        and (row["pattern"] or "whole") == "whole"
    ),
    step=lambda row: f"{count_text(row['size'])} chunks",
    tick=lambda row: ratio_axis_text(row["size"]),
    same_image=True,
    least_span=10.0,
)


def growth_lines(story: Story, ladder: Ladder, names: Sequence[str]) -> tuple[list[Record], list[Line]]:
    """Return the rows a ladder could take, and its lines, those with the most sizes first; all of one image's name or image.

    Parameters
    ----------
    story : Story
        Where the rows are.
    ladder : Ladder
        What grows.
    names : sequence of str
        Costs that are looked at; a line of which none is known at two sizes is left out.
    """
    rows: list[Record] = [
        {**row, "size": ladder.size_of(row)}
        for row in rows_at_home(story, lambda row: row["operation"] not in ("encode", "decode") and ladder.takes(row))
    ]
    groups = []
    for alike in alike_but(rows, *(["chunk_shape"] if ladder.same_image else ["shape", "chunk_shape"])):
        for same in [alike] if ladder.same_image else _by_cut(alike):
            steps = sorted(by_value(same, "size").values(), key=lambda row: row["size"])
            if len(steps) > 1 and steps[-1]["size"] >= ladder.least_span * steps[0]["size"]:
                groups.append(steps)
    kept = _of_one_subject(groups, ladder)
    kept.sort(key=lambda steps: (-len(steps), _task_text(steps[0]), _setting_text(steps[0], ladder)))
    lines = [_line(steps, ladder, names) for steps in kept[:_MOST_FITS]]
    return rows, [line for line in lines if line.courses]


def _by_cut(rows: Sequence[Record]) -> list[list[Record]]:
    """Return the rows in groups of one chunk shape; chunks that span some axes of the image, as a stack's planes do, are alike."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for row in rows:
        groups.setdefault((len(row["shape"]), _cut(row)), []).append(row)
    return list(groups.values())


def _cut(row: Record) -> tuple[int | None, ...] | None:
    """Return the chunk's extents, None where it spans the axis while it does not span them all."""
    chunk, shape = row["chunk_shape"], row["shape"]
    if chunk is None or len(chunk) != len(shape) or tuple(chunk) == tuple(shape):
        return None if chunk is None else tuple(chunk)
    return tuple(None if c >= n > 1 else c for c, n in zip(chunk, shape, strict=True))


def _of_one_subject(groups: list[list[Record]], ladder: Ladder) -> list[list[Record]]:
    """Return the lines of one image, the one cut into the most chunks; or of images of one name, the most measured."""
    if not groups:
        return []

    def subject(steps: Sequence[Record]) -> str:
        return image_text(steps[0]) if ladder.same_image else str(steps[0]["dataset"])

    counts = Counter(subject(steps) for steps in groups for _ in steps)
    reach = {subject(steps): 0 for steps in groups}
    if ladder.same_image:
        for steps in groups:
            reach[subject(steps)] = max(reach[subject(steps)], steps[-1]["size"])
    best = max(sorted(counts), key=lambda name: (reach[name], counts[name]))
    return [steps for steps in groups if subject(steps) == best]


def _line(steps: Sequence[Record], ladder: Ladder, names: Sequence[str]) -> Line:
    courses = {}
    for name in names:
        known = [(row, point) for row in steps if (point := COSTS[name](row))]
        if len(known) > 1:
            points = [point for _, point in known]
            at = [row for row, _ in known]
            courses[name] = Course(rows=at, points=points, exponent=exponent(points), departure=departure(points))
    return Line(rows=steps, setting=_setting_text(steps[0], ladder), task=_task_text(steps[0]), courses=courses)


def _setting_text(row: Record, ladder: Ladder) -> str:
    """Name a setting without what varies along its line."""
    cut = _cut(row)
    if ladder.same_image or (cut is not None and None in cut):
        return setting_text(row, chunk_shape=None) + (
            f" in {shape_text(row['shard_shape'])}" if row["shard_shape"] else ""
        )
    return setting_text(row)


def _task_text(row: Record) -> str:
    state = [row["cache"]] if row["operation"] in ("read", "open") and row["cache"] not in (None, "warm") else []
    state += [row["durability"]] if row["operation"] == "write" and row["durability"] in SYNCED else []
    return ", ".join([task_text(row), *state])
