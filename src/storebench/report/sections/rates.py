"""Rate and distortion: how much likeness is left at which ratio, and where losing begins to pay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.figure import Figure

from storebench.report.charts import codec_families, view_text
from storebench.report.figures import WIDTH, Points, legend_above, series_handle
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._lossy import Losses, Store, losses_of
from storebench.report.style import INK, MUTED, SERIES, log_axis
from storebench.report.tables import Cell, Table
from storebench.units import decibels_text, ratio_axis_text, ratio_text, value_text

_LINES: Final = ("-", "--", ":", "-.")


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no image was stored at two lossy ratios."""
    losses = losses_of(story)
    if losses is None:
        return
    curves = _curves(losses)
    if not any(len(stores) > 1 for stores in curves.values()):
        return
    finding, points = _finding(losses, curves), Points()
    svg, files = studio.save(
        _draw(losses, curves, _looks(story, curves), points),
        "rates",
        finding,
        _data(losses, curves),
        groups=list(points.rows),
    )
    yield Section(
        name="rates",
        short="Ratio against loss",
        finding=finding,
        about=(
            "One point is one setting, written beside it the largest error of any voxel; right is smaller, up is nearer to the "
            "original. Left of the dashed line a lossless codec is as small and loses nothing. PSNR with the largest value "
            f"of the dtype as its peak. {view_text(losses.view)}."
        ),
        svg=svg,
        files=files,
        tables=[_table(losses, curves)],
        points=points.rows,
    )


def _curves(losses: Losses) -> dict[str, list[Store]]:
    """Return the series of stores with a PSNR, as many as there are colours, the longest first; each by its ratio."""
    known = {
        name: [store for store in stores if store.row["psnr_db"] is not None] for name, stores in losses.series.items()
    }
    return {
        name: sorted(stores, key=lambda store: store.ratio)
        for name, stores in [*known.items()][: len(SERIES)]
        if stores
    }


def _finding(losses: Losses, curves: dict[str, list[Store]]) -> str:
    longest = next(iter(curves.values()))
    limit = losses.lossless[0].ratio if losses.lossless else None
    beyond = [store for store in longest if limit is None or store.ratio > limit] or longest
    first, last = beyond[(len(beyond) - 1) // 2], beyond[-1]
    words = f"{first.at_ratio} keeps {decibels_text(first.row['psnr_db'])}"
    if last is not first:
        words += f", at {ratio_text(last.ratio)} : 1 {decibels_text(last.row['psnr_db'])}"
    return words if limit is None else f"Up to {ratio_text(limit)} : 1 nothing need be lost; {words}"


def _named(losses: Losses, curves: dict[str, list[Store]]) -> list[tuple[str, Store]]:
    """Return the smallest lossless store and all drawn ones, each with its library and chunks in words."""
    limit = [(store.backend, store) for store in losses.lossless[:1]]
    return [*limit, *((name, store) for name, stores in curves.items() for store in stores)]


def _data(losses: Losses, curves: dict[str, list[Store]]) -> list[dict[str, object]]:
    names = ("codec", "compression_ratio", "psnr_db", "ssim", "rmse", "max_abs_error")
    return [{"store": name} | {key: one.row[key] for key in names} for name, one in _named(losses, curves)]


def _table(losses: Losses, curves: dict[str, list[Store]]) -> Table:
    rows = []
    for name, store in _named(losses, curves):
        row = store.row
        texts = [ratio_text(store.ratio), decibels_text(row["psnr_db"]), ratio_text(row["ssim"])]
        texts += [value_text(row["rmse"]), value_text(row["max_abs_error"])]
        rows.append([Cell(text=store.codec, detail=name), *(Cell(text=text) for text in texts)])
    return Table(
        caption="The smallest lossless store, then the lossy ones; no PSNR: nothing differs",
        columns=["Codec", "Ratio", "PSNR", "SSIM", "RMSE", "Largest error"],
        rows=rows,
    )


def _looks(story: Story, curves: dict[str, list[Store]]) -> list[tuple[int, str]]:
    """Return series and line style by curve: a codec family looks as in the other figures, its libraries differ by line."""
    families, n_before = codec_families(story.views), Counter[int]()
    looks = []
    for stores in curves.values():
        place = families.place(stores[0].codec)
        looks.append((place, _LINES[n_before[place] % len(_LINES)]))
        n_before[place] += 1
    return looks


def _draw(losses: Losses, curves: dict[str, list[Store]], looks: Sequence[tuple[int, str]], points: Points) -> Figure:
    """Draw PSNR against ratio: a line per library, the largest error beside each point of the first, the lossless limit."""
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axes = figure.subplots()
    for (index, line), stores in zip(looks, curves.values(), strict=True):
        places = [(store.ratio, store.row["psnr_db"], store.row["position"]) for store in stores]
        axes.plot(
            [x for x, _, _ in places], [y for _, y, _ in places], color=SERIES[index], linewidth=1, linestyle=line
        )
        points.series(axes, index, places)
    for store in next(iter(curves.values())):
        text = f"±{value_text(store.row['max_abs_error'])}"
        axes.annotate(
            text,
            (store.ratio, store.row["psnr_db"]),
            xytext=(5, 5),
            textcoords="offset points",
            color=MUTED,
            fontsize=8,
        )
    ratios = [store.ratio for stores in curves.values() for store in stores]
    if losses.lossless:
        best = losses.lossless[0]
        ratios.append(best.ratio)
        axes.axvline(best.ratio, color=INK, linewidth=1, linestyle="--")
        axes.annotate(
            f"lossless: {ratio_text(best.ratio)} ({best.codec}, {best.backend})",
            (best.ratio, 0.03), xycoords=("data", "axes fraction"), xytext=(5, 0), textcoords="offset points", color=INK,
        )  # fmt: skip
    log_axis(axes, ratios, ratio_axis_text)
    axes.margins(y=0.12)
    axes.set_xlabel("Compression ratio, log scale (right is smaller)")
    axes.set_ylabel("PSNR, dB (up is nearer to the original)")
    legend_above(figure, [series_handle(index, linestyle=line, linewidth=1) for index, line in looks], list(curves))
    return figure
