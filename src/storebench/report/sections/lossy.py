"""The chapter's difference picture of real stores: the original, what came back, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from storebench.records import Crop
from storebench.report.charts import view_text
from storebench.report.figures import WIDTH
from storebench.report.pictures import (
    LIMIT_PERCENTILE,
    TOO_HIGH,
    TOO_LOW,
    Picture,
    difference_image,
    difference_limit,
    grey_image,
    grey_window,
    real,
)
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._lossy import Losses, Store, losses_of
from storebench.report.tables import Cell, Table
from storebench.units import decibels_text, ratio_text, shape_text, value_text

_FACTS: Final = ("compression_ratio", "psnr_db", "ssim", "rmse", "max_abs_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One store with its part of the image.

    Attributes
    ----------
    store : Store
        Whose it is.
    decoded, difference : numpy.ndarray
        What came back, and what that is more than the original; two axes, float64.
    limit : float
        Where the colour scale of the difference ends.
    """

    store: Store
    decoded: NDArray
    difference: NDArray
    limit: float

    @property
    def likeness(self) -> str:
        """PSNR and SSIM, or that nothing differs."""
        row = self.store.row
        if row["max_abs_error"] == 0:
            return "no voxel differs"
        ssim = "" if row["ssim"] is None else f", SSIM {ratio_text(row['ssim'])}"
        return f"{decibels_text(row['psnr_db'])}{ssim}"

    @property
    def lines(self) -> list[str]:
        """The caption below the codec's name."""
        lines = [f"{ratio_text(self.store.ratio)} : 1, {self.store.backend}", self.likeness]
        if self.store.row["max_abs_error"]:
            lines.append(f"largest error {value_text(self.store.row['max_abs_error'])}")
        return lines


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no crop of a lossy store was kept."""
    losses = losses_of(story)
    if losses is None or losses.original is None:
        return
    original = real(losses.original.values())
    lossy = _picked([store for store in next(iter(losses.series.values())) if store.crop is not None])
    if not lossy:
        return
    shown = [_shown(store, original) for store in [*_lossless_beside(losses, lossy[0].backend), *lossy]]
    finding = _finding(lossy[len(lossy) // 2], original)
    _, files = studio.save(_draw(original, shown), "lossy", finding, _data(shown))
    yield Section(
        name="lossy",
        short="What lossy loses",
        finding=finding,
        about=_about(losses, losses.original),
        pictures=_pictures(losses, original, shown),
        tables=[_table(losses, shown)],
        files=files,
    )


def _picked(lossy: Sequence[Store]) -> list[Store]:
    """Return the least lossy store, the most lossy one, and the one in the middle between them."""
    places = sorted({0, (len(lossy) - 1) // 2, len(lossy) - 1})
    return [lossy[place] for place in places] if lossy else []


def _lossless_beside(losses: Losses, backend: str) -> list[Store]:
    """Return a lossless store to compare with: of the same library where there is one, else the smallest."""
    same = [store for store in losses.lossless if store.backend == backend]
    return [*same, *losses.lossless][:1]


def _shown(store: Store, original: NDArray) -> _Shown:
    decoded = original if store.crop is None else real(store.crop.values())
    difference = decoded - original
    return _Shown(store=store, decoded=decoded, difference=difference, limit=difference_limit(difference))


def _finding(store: Store, original: NDArray) -> str:
    if store.row["max_abs_error"] == 0:
        return f"{store.at_ratio} lost nothing of this image"
    largest = value_text(store.row["max_abs_error"])
    span = value_text(float(np.nanmax(original) - np.nanmin(original)))
    kept = f"{store.at_ratio} keeps {decibels_text(store.row['psnr_db'])}"
    return f"{kept}; the largest error is {largest}, where the part shown spans {span} grey values"


def _about(losses: Losses, crop: Crop) -> str:
    axes = losses.view.records[0]["axes"] or "?" * len(crop.start)
    corner = ", ".join(f"{axis} {value_text(n)}" for axis, n in zip(axes, crop.start, strict=True))
    place = f"{shape_text(crop.extent)} voxels of {view_text(losses.view)} from {corner} on"
    return (
        f"{place}, the part of its middle plane with the largest contrast; the same grey scale throughout. Below each what came "
        f"back minus the original: red is too low, blue too high, the page's own colour equal. The scale is symmetric and ends at "
        f"the {LIMIT_PERCENTILE}th percentile of the absolute difference, so it is another one for each. PSNR{_peak_text(losses)}, "
        "SSIM and largest error are of the whole image."
    )


def _peak_text(losses: Losses) -> str:
    dtype = np.dtype(losses.view.dtype)
    return f" (peak {value_text(float(np.iinfo(dtype).max))})" if dtype.kind in "iu" else ""


def _pictures(losses: Losses, original: NDArray, shown: Sequence[_Shown]) -> list[Picture]:
    window = grey_window(original)
    low, high = (value_text(value) for value in window)
    what = f"{shape_text(original.shape)} voxels of {losses.view.dataset}"
    first = Picture(
        title="Original",
        lines=[f"black {low}, white {high}"],
        images=[grey_image(original, window, f"Original: {what}, black at {low} and white at {high}")],
    )
    return [first, *(_picture(one, window) for one in shown)]


def _picture(one: _Shown, window: tuple[float, float]) -> Picture:
    codec, end = one.store.codec, value_text(one.limit)
    words = f"up to {end} either way" if one.limit > 0 else "all zero"
    return Picture(
        title=codec,
        lines=one.lines,
        images=[
            grey_image(one.decoded, window, f"The same part, decoded from {codec}"),
            difference_image(one.difference, one.limit, f"What differs after {codec}: {words}"),
        ],
        scale=(f"−{end}", f"+{end}") if one.limit > 0 else None,
    )


def _data(shown: Sequence[_Shown]) -> list[dict[str, object]]:
    return [
        {
            "backend": one.store.backend,
            "codec": one.store.codec,
            **{name: one.store.row[name] for name in _FACTS},
            "difference_scale": one.limit,
        }
        for one in shown
    ]


def _table(losses: Losses, shown: Sequence[_Shown]) -> Table:
    rows = []
    for one in shown:
        row = one.store.row
        texts = [ratio_text(one.store.ratio), decibels_text(row["psnr_db"]), ratio_text(row["ssim"])]
        texts += [value_text(value) for value in (row["rmse"], row["max_abs_error"], one.limit)]
        rows.append([Cell(text=one.store.codec, detail=one.store.backend), *(Cell(text=text) for text in texts)])
    return Table(
        caption=f"Stores of {view_text(losses.view)} whose part is shown; no PSNR: nothing differs",
        columns=["Codec", "Ratio", "PSNR", "SSIM", "RMSE", "Largest error", "End of the colour scale"],
        rows=rows,
    )


def _draw(original: NDArray, shown: Sequence[_Shown]) -> Figure:
    """Draw the pictures for papers: on white, one colour bar for all, whose ends each caption names."""
    figure = Figure(figsize=(WIDTH, 5.2), layout="compressed")
    grid = figure.subplots(2, 1 + len(shown), squeeze=False)
    low, high = grey_window(original)
    ends = [tuple(part / 255 for part in colour) for colour in (TOO_LOW, (255, 255, 255), TOO_HIGH)]
    colours = LinearSegmentedColormap.from_list("difference", ends)
    for axes in grid.flat:
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(True)
    pictures = [("Original", original), *((one.store.codec, one.decoded) for one in shown)]
    for axes, (title, values) in zip(grid[0], pictures, strict=True):
        axes.imshow(values, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(title)
    grid[0, 0].set_xlabel(f"black {value_text(low)}, white {value_text(high)}")
    for axes, one in zip(grid[1, 1:], shown, strict=True):
        share = one.difference / (one.limit or 1.0)
        drawn = axes.imshow(share, cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
        end = f"colours end at ±{value_text(one.limit)}" if one.limit > 0 else ""
        axes.set_xlabel("\n".join([*one.lines, *([end] if end else [])]))
    grid[1, 0].axis("off")
    bar = figure.colorbar(drawn, cax=grid[1, 0].inset_axes((0.08, 0.5, 0.84, 0.07)), orientation="horizontal")
    bar.set_ticks([-1, 0, 1], labels=["too low", "equal", "too high"])
    return figure
