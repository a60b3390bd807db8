"""What a codec saves against how fast it works: alone in memory, or where nobody timed that, with storage."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from storebench.report.charts import CodecFamilies, codec_families, view_text
from storebench.report.figures import MOST_POINTS, WIDTH, Points, legend_above, segments, series_handle, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._codec_rates import Speed, Speeds, find_speeds
from storebench.report.style import MUTED, SERIES, log_axis
from storebench.report.tables import Cell, Table
from storebench.units import MISSING, ratio_axis_text, ratio_text, throughput_text

_TITLES: Final = {
    "encode": "Encode (write)",
    "decode": "Decode (read)",
    "write": "Write, whole image",
    "read": "Read, whole image",
}
_VERBS: Final = {"encode": "encodes", "decode": "decodes", "write": "writes", "read": "reads"}
_MOST_DRAWN: Final = MOST_POINTS // 3
"""Of a panel."""
_MOST_LABELS: Final = 24
_MOST_BARS: Final = 120
_MOST_ROWS: Final = 60


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no dataset has the speed and the ratio of two codecs."""
    found = find_speeds(story.views)
    if found is None:
        return
    by_operation, finding, points = found.by_operation, _finding(found), Points()
    data = [
        {
            "operation": operation,
            "backend": speed.backend,
            "codec": speed.codec.name,
            "throughput_mib_s": speed.mib_s,
            "low_mib_s": speed.low,
            "high_mib_s": speed.high,
            "compression_ratio": speed.ratio,
        }
        for operation, speeds in by_operation.items()
        for speed in speeds
    ]
    drawn = _draw(by_operation, codec_families(story.views), points)
    svg, files = studio.save(drawn, "codec_speed", finding, data, groups=list(points.rows))
    yield Section(
        name="codec_speed",
        short="Codec speed",
        finding=finding,
        about=(
            "Uncompressed MiB/s, log scale, against compression ratio: right is faster, up is smaller."
            f"{_levels_text(by_operation.values())} {found.how} Lossless codecs of {view_text(found.view)}."
        ),
        svg=svg,
        files=files,
        tables=[_table(by_operation)],
        points=points.rows,
    )


def _finding(found: Speeds) -> str:
    """Say which codec is shown to be fastest, and which saves most; no compression does not compete."""
    operation = next(name for name in ("decode", "read", "encode", "write") if name in found.by_operation)
    by_operation, verb = found.by_operation, _VERBS[operation]
    ranked = [speed for speed in by_operation[operation] if speed.codec.kind != "none"]
    # no compression is mostly the quickest, and stands in the figure
    among = " of those that compress" if len(ranked) < len(by_operation[operation]) else ""
    if not ranked:
        return f"Only no compression was timed to {operation}"
    smallest = max(ranked, key=lambda s: (s.ratio, s.mib_s))
    saves = (
        f"{smallest.codec.name} saves most (ratio {ratio_text(smallest.ratio)} at {throughput_text(smallest.mib_s)})"
    )
    if len(ranked) == 1 or not found.has_intervals:  # without intervals nothing is shown
        fastest = max(ranked, key=lambda s: s.mib_s)
        return (
            f"{saves[0].upper()}{saves[1:]}"
            if fastest is smallest
            else f"{_fast(fastest)} was the quickest to {operation}{among}; {saves}"
        )
    equals = found.view.equals(speed.row for speed in ranked)
    leaders = sorted((s for s in ranked if s.row["position"] in equals), key=lambda s: -s.mib_s)
    if len(leaders) == len(ranked):
        return f"No codec{' that compresses' if among else ''} is shown to {operation} faster than another; {saves}"
    if len(leaders) > 1:
        others = (
            f" and {len(leaders) - 1} more, not shown to differ,"
            if len(leaders) > 2
            else f" and {leaders[1].codec.name}"
        )
        return f"{_fast(leaders[0])}{others} {operation} fastest{among}; {saves}"
    if leaders[0] is smallest:
        return f"{_fast(smallest)} {verb} fastest{among} and saves most"
    return f"{_fast(leaders[0])} {verb} fastest{among}; {saves}"


def _fast(speed: Speed) -> str:
    return f"{speed.codec.name} ({throughput_text(speed.mib_s)} at ratio {ratio_text(speed.ratio)})"


def _draw(by_operation: Mapping[str, Sequence[Speed]], families: CodecFamilies, points: Points) -> Figure:
    """Draw ratio over throughput: a panel for encode and one for decode, a colour and a marker per codec family."""
    figure = Figure(figsize=(WIDTH, 4.0), layout="constrained")
    grid = figure.subplots(1, 2, sharey=True, squeeze=False)[0]
    for axes in grid[len(by_operation) :]:
        axes.remove()
    for axes, (operation, speeds) in zip(grid, by_operation.items(), strict=False):
        _draw_panel(axes, speeds, families, points)
        axes.set_title(_TITLES[operation], pad=5)
    grid[0].set_ylabel("Compression ratio (higher is smaller)")
    legend = families.legend(speed.codec.name for speeds in by_operation.values() for speed in speeds)
    legend_above(figure, [series_handle(index) for index in legend], [*legend.values()])
    return figure


def _joined(shown: Sequence[Speed]) -> dict[tuple[Any, ...], list[Speed]]:
    """Return speeds by the line that joins them."""
    joined: dict[tuple[Any, ...], list[Speed]] = {}
    for speed in shown:
        joined.setdefault(speed.series, []).append(speed)
    return joined


def _numbered(shown: Sequence[Speed]) -> list[Speed]:
    """Return the speeds that have their level written beside them: those of lines, where they are few."""
    if len(shown) > _MOST_LABELS:
        return []
    lines = [members for members in _joined(shown).values() if len(members) > 1]
    return [speed for members in lines for speed in members if speed.codec.level is not None]


def _levels_text(panels: Iterable[Sequence[Speed]]) -> str:
    """Say what a line is and what a number, where the figure has any."""
    shown = [thinned(speeds, _MOST_DRAWN) for speeds in panels]
    if not any(len(members) > 1 for speeds in shown for members in _joined(speeds).values()):
        return ""
    number = ", a number is a level" if any(map(_numbered, shown)) else ""
    return f" A line joins the levels of one codec{number}."


def _draw_panel(axes: Axes, speeds: Sequence[Speed], families: CodecFamilies, points: Points) -> None:
    shown = thinned(speeds, _MOST_DRAWN)
    joined = _joined(shown)
    for index in sorted({families.place(speed.codec.name) for speed in shown}):
        group = [speed for speed in shown if families.place(speed.codec.name) == index]
        steps = [step for speed in group for step in itertools.pairwise(joined[speed.series]) if step[0] is speed]
        ends = [(a.mib_s, a.ratio, b.mib_s, b.ratio) for a, b in steps]
        bars = [(s.low, s.ratio, s.high, s.ratio) for s in group if s.low < s.high]
        segments(
            axes, ends + bars if len(shown) <= _MOST_BARS else ends, color=SERIES[index], linewidth=0.9, alpha=0.55
        )
        points.series(axes, index, [(s.mib_s, s.ratio, s.row["position"]) for s in group])
    for s in _numbered(shown):
        place = (s.mib_s, s.ratio)
        axes.annotate(str(s.codec.level), place, xytext=(6, 4), textcoords="offset points", color=MUTED)
    log_axis(axes, [rate for s in speeds for rate in (s.low, s.mib_s, s.high)], ratio_axis_text)
    ratios = [s.ratio for s in speeds]
    if max(ratios) / min(ratios) > 4:
        log_axis(axes, ratios, ratio_axis_text, which="y")
    axes.set_xlabel("MiB/s of uncompressed voxels, log scale (right is faster)")


def _table(by_operation: Mapping[str, Sequence[Speed]]) -> Table:
    found: dict[tuple[str, str], dict[str, Speed]] = {}
    for operation, speeds in by_operation.items():
        for speed in speeds:
            found.setdefault((speed.backend or MISSING, speed.codec.name), {})[operation] = speed
    rows = [
        [
            Cell(text=codec, detail=backend),
            Cell(text=ratio_text(next(iter(members.values())).ratio)),
            *(_speed_cell(members.get(operation)) for operation in by_operation),
        ]
        for (backend, codec), members in sorted(found.items(), key=lambda item: item[0][::-1])
    ]
    shown = thinned(rows, _MOST_ROWS)
    left_out = f"; {len(shown)} of {len(rows)}" if len(shown) < len(rows) else ""
    return Table(
        caption=f"Codecs by name, with the 95 % interval{left_out}",
        columns=["Codec", "Ratio", *(_TITLES[operation] for operation in by_operation)],
        rows=shown,
    )


def _speed_cell(speed: Speed | None) -> Cell:
    if speed is None:
        return Cell(text=MISSING)
    interval = f"{ratio_text(speed.low)}–{throughput_text(speed.high)}" if speed.low < speed.high else "no interval"
    return Cell(text=throughput_text(speed.mib_s), detail=interval, doubt=bool(speed.row["low_confidence"]))
