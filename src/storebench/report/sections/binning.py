"""The chapter's bin-by-1, 2, 4 of real voxels: what a smaller level shows, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from storebench.errors import UsageError
from storebench.grid import Shape, grid_shape
from storebench.levels import bin_mean, level_factors
from storebench.records import Crop
from storebench.report.charts import view_text
from storebench.report.figures import WIDTH
from storebench.report.pictures import Picture, grey_image, grey_window, real
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._lossy import original_crop
from storebench.report.tables import Cell, Table
from storebench.report.views import View
from storebench.units import bytes_text, change_text, shape_text, times_text

_MOST_LEVELS: Final = 4
_WORDS: Final = {2: "Two", 3: "Three"}
_FEWEST_VOXELS: Final = 4
"""Along an edge of the smallest picture: fewer show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """One resolution level of the image.

    Attributes
    ----------
    factors : tuple of int
        Voxels of level 0 per voxel, per axis.
    shape : tuple of int
        Voxels.
    n_bytes : int
        Uncompressed.
    values : numpy.ndarray
        The kept part of the plane, binned within the plane; two axes.
    """

    factors: Shape
    shape: Shape
    n_bytes: int
    values: NDArray

    @property
    def title(self) -> str:
        """As the chapter has it."""
        return f"Bin-by-{max(self.factors)}"


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no part of an image was kept, or it is too small to be binned."""
    view, crop = next(
        ((view, crop) for view in story.views if (crop := original_crop(view, story.crops)) is not None), (None, None)
    )
    levels = [] if view is None or crop is None else _levels(view, crop)
    if view is None or len(levels) < 2:
        return
    finding = _finding(levels)
    _, files = studio.save(_draw(levels), "binning", finding, [_datum(level) for level in levels])
    flat = " The part shown is one plane, binned within itself; the image's levels are binned along all spatial axes."
    yield Section(
        name="binning",
        short="Smaller levels",
        finding=finding,
        about=(
            "Each level holds the means of ever larger blocks, here drawn at the same size: what a viewer shows while it is "
            f"zoomed out.{flat if len(levels[0].shape) > 2 else ''} Bytes are those of the whole image, uncompressed. "
            f"{view_text(view)}."
        ),
        pictures=_pictures(levels),
        tables=[_table(levels)],
        files=files,
    )


def _levels(view: View, crop: Crop) -> list[_Level]:
    axes, shape, values = view.records[0]["axes"], crop.shape, crop.values()
    most = next((n for n in range(_MOST_LEVELS, 0, -1) if _possible(axes, shape, n, values)), 1)
    itemsize = np.dtype(crop.dtype).itemsize
    levels = []
    for factors in ((1,) * len(shape), *(level_factors(axes, shape, most) if most > 1 else ())):
        level_shape = grid_shape(shape, factors)
        binned = real(bin_mean(values, factors[-2:]))
        levels.append(
            _Level(factors=factors, shape=level_shape, n_bytes=math.prod(level_shape) * itemsize, values=binned)
        )
    return levels


def _possible(axes: str | None, shape: Shape, n_levels: int, values: NDArray) -> bool:
    """Tell whether an image has so many levels of which the kept part shows something."""
    if axes is None or min(values.shape) < _FEWEST_VOXELS * 2 ** (n_levels - 1):
        return False
    try:
        level_factors(axes, shape, n_levels)
    except UsageError:
        return False
    return True


def _finding(levels: Sequence[_Level]) -> str:
    first, *others, last = levels
    added = change_text(sum(level.n_bytes for level in levels) / first.n_bytes).removeprefix("+")
    n_levels = len(others) + 1
    words = "One smaller level adds" if n_levels == 1 else f"{_WORDS[n_levels]} smaller levels together add"
    return f"{words} {added} to the bytes; the smallest is {times_text(first.n_bytes / last.n_bytes)} smaller"


def _pictures(levels: Sequence[_Level]) -> list[Picture]:
    window = grey_window(levels[0].values)
    return [
        Picture(
            title=level.title,
            lines=_lines(level, levels[0]),
            images=[grey_image(level.values, window, f"{level.title}: {shape_text(level.values.shape)} voxels")],
        )
        for level in levels
    ]


def _lines(level: _Level, first: _Level) -> list[str]:
    fewer = [] if level is first else [f"{times_text(first.n_bytes / level.n_bytes)} fewer bytes"]
    return [shape_text(level.shape), bytes_text(level.n_bytes), *fewer]


def _datum(level: _Level) -> dict[str, object]:
    return {
        "factors": shape_text(level.factors),
        "shape": shape_text(level.shape),
        "voxels": math.prod(level.shape),
        "uncompressed_bytes": level.n_bytes,
    }


def _table(levels: Sequence[_Level]) -> Table:
    rows = [
        [
            Cell(text=level.title, detail=shape_text(level.factors)),
            Cell(text=shape_text(level.shape)),
            Cell(text=bytes_text(level.n_bytes)),
            Cell(text=times_text(levels[0].n_bytes / level.n_bytes)),
        ]
        for level in levels
    ]
    total = sum(level.n_bytes for level in levels)
    change = change_text(total / levels[0].n_bytes)
    rows.append([Cell(text="All levels"), Cell(text=""), Cell(text=bytes_text(total), detail=change), Cell(text="")])
    return Table(
        caption="Levels of the whole image, uncompressed",
        columns=["Level", "Voxels", "Bytes", "Level 0 holds"],
        rows=rows,
    )


def _draw(levels: Sequence[_Level]) -> Figure:
    """Draw the pictures beside each other for papers."""
    figure = Figure(figsize=(WIDTH, 3.5), layout="compressed")
    low, high = grey_window(levels[0].values)
    for axes, level in zip(figure.subplots(1, len(levels), squeeze=False)[0], levels, strict=True):
        axes.imshow(level.values, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(level.title)
        axes.set_xlabel("\n".join(_lines(level, levels[0])))
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure
