"""Every format and library on one image: a dot plot per access pattern, family by family of formats, sorted by time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from storebench.advise.words import pattern_text
from storebench.analysis import BASELINE, is_lossless
from storebench.report.charts import read_text
from storebench.report.figures import Points, bounds, legend_above, panel_grid, segments, series_handle
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._rows import by_image, image_text, most_frequent, rows_at_home, setting_text, terms
from storebench.report.style import INK, SERIES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.units import count_text, seconds_axis_text, seconds_text, times_text

LEAST_BACKENDS: Final = 24
"""Fewer are drawn with all their settings by the section on formats."""
WRITE: Final = "write"
_MOST_IMAGES: Final = 2
_MOST_PANELS: Final = 6
_FAMILIES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Zarr", ("zarr2", "zarr3", "zarr3zip", "icechunk")),
    ("OME-Zarr", ("omezarr",)),
    ("N5, precomputed", ("n5", "precomputed")),
    ("HDF5, Blosc2", ("hdf5", "b2nd", "blosc2")),
    ("TIFF", ("tiff", "ometiff", "cog", "tiffstack")),
    ("PNG, JPEG", ("png", "jp2", "htj2k", "jxl", "jls", "jxr", "webp")),
    ("medical, EM", ("nifti", "niftigz", "nrrd", "mrc", "dicom")),
)
OTHERS: Final = "raw, others"
FAMILIES: Final = (*(name for name, _ in _FAMILIES), OTHERS)
_BY_FORMAT: Final[Mapping[str, str]] = {form: name for name, forms in _FAMILIES for form in forms}


def family_of(backend: str) -> str:
    """Return one of `FAMILIES` by the beginning of a backend's name."""
    form = backend.partition("-")[0]
    return _BY_FORMAT.get(form) or _BY_FORMAT.get(form.removesuffix("stack"), OTHERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """What was measured of one image.

    Attributes
    ----------
    tasks : sequence of str
        Access patterns by which nearly all backends were read, and "write": the panels.
    rows : mapping of str to mapping of str to Record
        By backend the fastest lossless row of each task. Backends stand family by family, that with the fastest first, and
        in each by the mean of their times.
    """

    tasks: Sequence[str]
    rows: Mapping[str, Mapping[str, Record]]

    @property
    def any(self) -> Record:
        """One of the rows, for what all have in common."""
        return next(iter(next(iter(self.rows.values())).values()))

    def ranked(self, task: str) -> list[Record]:
        """Return the rows of a task by time, without the baseline."""
        rows = [found[task] for name, found in self.rows.items() if task in found and name != BASELINE]
        return sorted(rows, key=lambda row: row["median_s"])

    def spread(self, task: str) -> float:
        """Return how many times as long as the fastest the slowest takes."""
        ranked = self.ranked(task)
        return float(ranked[-1]["median_s"] / ranked[0]["median_s"])


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield a section for each image of which nearly all formats were measured."""
    rows = rows_at_home(story, _is_comparable)
    images = [image for members in by_image(rows) if (image := _image(members)) is not None]
    for number, image in enumerate(images[:_MOST_IMAGES], start=1):
        name = "every-format" if number == 1 else f"every-format-{number}"
        finding, points = _finding(image), Points()
        svg, files = studio.save(_draw(image, points), name, finding, _data(image), groups=list(points.rows))
        yield Section(
            name=name,
            short="Every format" if number == 1 else f"Every format {number}",
            finding=finding,
            about=(
                f"{image_text(image.any)}: each format and library at its fastest lossless setting that was measured. Median and "
                "95 % interval, log scale; left is faster. Families of formats are in the order of their fastest, and inside a "
                f"family the mean over the panels decides.{terms([image.any], story)}"
            ),
            svg=svg,
            files=files,
            tables=[_table(image)],
            points=points.rows,
        )


def _is_comparable(row: Record) -> bool:
    """Tell whether a row is a warm read or a write of one level, with nobody else at work, that loses nothing."""
    usual = row["concurrency"] is None and (row["n_levels"] or 1) == 1 and row["durability"] in (None, "returned")
    state = row["operation"] == "write" or (row["operation"] == "read" and row["cache"] in (None, "warm"))
    return usual and state and row["backend"] is not None and bool(is_lossless(row["codec"] or "?"))


def _image(rows: Sequence[Record]) -> _Image | None:
    """Pick the fastest row of each backend and task; None where too few backends were measured."""
    fastest: dict[str, dict[str, Record]] = {}
    for row in most_frequent(rows, "threads"):
        task = WRITE if row["operation"] == "write" else row["pattern"] or "whole"
        found = fastest.setdefault(task, {})
        if row["backend"] not in found or row["median_s"] < found[row["backend"]]["median_s"]:
            found[row["backend"]] = row
    n_most = max(map(len, fastest.values()), default=0)
    if n_most < LEAST_BACKENDS:
        return None
    tasks = [task for task in sorted(fastest, key=_order) if len(fastest[task]) * 2 > n_most][:_MOST_PANELS]
    names = {name for task in tasks for name in fastest[task]}
    by_backend = {name: {task: fastest[task][name] for task in tasks if name in fastest[task]} for name in names}
    best = {task: min(row["median_s"] for row in fastest[task].values()) for task in tasks}
    means = {
        name: math.fsum(math.log(row["median_s"] / best[task]) for task, row in found.items()) / len(found)
        for name, found in by_backend.items()
    }
    families = {
        name: min(mean for other, mean in means.items() if family_of(other) == family_of(name)) for name in means
    }
    order = sorted(names, key=lambda name: (families[name], family_of(name), means[name], name))
    return _Image(tasks=tasks, rows={name: by_backend[name] for name in order})


def _order(task: str) -> tuple[bool, bool, bool, str]:
    return task == WRITE, task != "whole", not task.startswith("plane"), task


def _finding(image: _Image) -> str:
    """Say how far apart the fastest and the slowest are: of the whole image, and of the part where it is most."""
    reads = [task for task in image.tasks if task != WRITE] or list(image.tasks)
    parts = [max(reads[1:], key=image.spread)] if reads[1:] else []
    told = "; ".join(_range_text(image, task) for task in (reads[0], *parts))
    return f"{count_text(len(image.rows))} formats and libraries: {told}"


def _range_text(image: _Image, task: str) -> str:
    first, *_, last = image.ranked(task)
    what = "writing" if task == WRITE else read_text(task)
    return (
        f"{what} takes {seconds_text(first['median_s'])} ({first['backend']}) to {seconds_text(last['median_s'])} "
        f"({last['backend']}), {times_text(image.spread(task))} as long"
    )


def _title(task: str) -> str:
    return "Write" if task == WRITE else f"Read, {pattern_text(task)}"


def _draw(image: _Image, points: Points) -> Figure:
    """Draw a panel per task; all have the same backends in the same order, named once."""
    places: dict[str, float] = {}
    place = 0.0
    for _, members in itertools.groupby(image.rows, family_of):
        for name in members:
            places[name] = place
            place -= 1.0
        place -= 0.6
    figure, grid = panel_grid(len(image.tasks), columns=_MOST_PANELS, row_height=0.5 - 0.15 * place, sharey=True)
    for axes, task in zip(grid, image.tasks, strict=True):
        _draw_panel(axes, image, task, places, points)
    for name, y in places.items():  # a tick of its own would be three times the bytes
        grid[0].text(-0.03, y, name, transform=grid[0].get_yaxis_transform(), ha="right", va="center", color=INK)
    shown = [index for index, family in enumerate(FAMILIES) if family in set(map(family_of, image.rows))]
    legend_above(figure, [series_handle(index) for index in shown], [FAMILIES[index] for index in shown])
    return figure


def _draw_panel(axes: Axes, image: _Image, task: str, places: Mapping[str, float], points: Points) -> None:
    drawn = [(name, found[task]) for name, found in image.rows.items() if task in found]
    for family, members in itertools.groupby(drawn, lambda item: family_of(item[0])):
        series, rows = FAMILIES.index(family), [(row, places[name]) for name, row in members]
        bars = [(low, y, high, y) for row, y in rows for low, high in [bounds(row)]]
        segments(axes, bars, color=SERIES[series], linewidth=1.2)
        points.series(axes, series, [(row["median_s"], y, row["position"]) for row, y in rows])
    values = [x for _, row in drawn for x in (*bounds(row), row["median_s"])]
    log_axis(axes, values, seconds_axis_text, most=2)
    axes.set_title(_title(task), pad=5)
    axes.set_yticks([])
    axes.set_ylim(min(places.values()) - 0.7, 0.7)
    axes.spines["left"].set_visible(False)


def _data(image: _Image) -> list[dict[str, object]]:
    return [
        {
            "task": task,
            "family": family_of(name),
            "backend": name,
            "setting": setting_text(found[task]),
            "median_s": found[task]["median_s"],
            "ci95_low_s": found[task]["ci95_low_s"],
            "ci95_high_s": found[task]["ci95_high_s"],
        }
        for task in image.tasks
        for name, found in image.rows.items()
        if task in found
    ]


def _table(image: _Image) -> Table:
    """Write the fastest of each family: all others stand in the figure's own data and in the table of all results."""
    rows = []
    for family, members in itertools.groupby(image.rows.items(), lambda item: family_of(item[0])):
        found = [by_task for _, by_task in members]
        rows.append([Cell(text=family), *(_fastest(found, task) for task in image.tasks)])
    return Table(
        caption="The fastest of each family of formats", columns=["Family", *map(_title, image.tasks)], rows=rows
    )


def _fastest(found: Sequence[Mapping[str, Record]], task: str) -> Cell:
    rows = [by_task[task] for by_task in found if task in by_task]
    row = min(rows, key=lambda row: row["median_s"], default=None)
    cell = time_cell(row)
    return Cell(text=cell.text, detail=row["backend"] if row else "", doubt=cell.doubt)
