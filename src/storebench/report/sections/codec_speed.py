"""What a codec saves against how fast it works, alone and in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from storebench.codecs import Codec, parse_codec
from storebench.errors import UnknownNameError
from storebench.report.charts import CodecFamilies, codec_families, view_text
from storebench.report.figures import MOST_POINTS, WIDTH, Points, legend_above, segments, series_handle, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.style import MUTED, SERIES, log_axis
from storebench.report.tables import Cell, Table
from storebench.report.views import Record, View
from storebench.results.tidy import throughput
from storebench.units import MIB, MISSING, ratio_axis_text, ratio_text, throughput_text

OPERATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "encode": ("Encode (write)", "encodes"),
    "decode": ("Decode (read)", "decodes"),
}
_TASKS: Final = {"write": "encode", "read": "decode"}
_MOST_LABELS: Final = 24
_MOST_ROWS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speed:
    """One codec of one backend.

    Attributes
    ----------
    codec : Codec
        Lossless.
    backend : str or None
        Whose.
    mib_s, low, high : float
        Uncompressed MiB/s, and its 95 % interval; the value itself where there is none.
    ratio : float
        Compression ratio.
    row : Record
        That holds it.
    """

    codec: Codec
    backend: str | None
    mib_s: float
    low: float
    high: float
    ratio: float
    row: Record

    @property
    def series(self) -> tuple[Any, ...]:
        """What is equal for the levels of one codec."""
        c = self.codec
        return self.backend or "", c.kind, c.compressor or "", c.shuffle or "", c.predictor, c.crc32c


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no dataset has the speed and the ratio of two codecs."""
    for view in story.views:
        timed = _timed(view)
        by_operation = timed or _beside_timings(view)
        if len({speed.codec.name for speeds in by_operation.values() for speed in speeds}) > 1:
            break
    else:
        return
    finding, points = _finding(view, by_operation, is_timed=bool(timed)), Points()
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
    svg, files = studio.save(_draw(by_operation, points), "codec_speed", finding, data, groups=list(points.rows))
    how = (
        "Blocks of the image in memory, timed alone."
        if timed
        else "One thread, measured beside the cases; no intervals."
    )
    yield Section(
        name="codec_speed",
        short="Codec speed",
        finding=finding,
        about=(
            "Uncompressed MiB/s, log scale, against compression ratio: right is faster, up is smaller. A line joins the levels of "
            f"one codec, a number is a level. {how} Lossless codecs of {view_text(view)}."
        ),
        svg=svg,
        files=files,
        tables=[_table(by_operation)],
        points=points.rows,
    )


def _timed(view: View) -> dict[str, list[_Speed]]:
    """Return the speeds from rows that time the codec alone."""
    found = {}
    for operation in OPERATIONS:
        rows = [row for row in view.records if row["operation"] == operation and row["status"] == "ok"]
        speeds = [
            speed
            for row in rows
            if row["median_s"] and row["asked_bytes"] and (speed := _speed(row, *_rates(row))) is not None
        ]
        if speeds:
            found[operation] = _one_each(speeds)
    return found


def _rates(row: Record) -> tuple[float, float, float]:
    """Return MiB/s of the median, and of its interval's slow and fast end."""
    n_bytes, median_s = row["asked_bytes"], row["median_s"]
    times = (median_s, row["ci95_high_s"] or median_s, row["ci95_low_s"] or median_s)
    middle, slow, fast = (throughput(n_bytes, time) or 0.0 for time in times)
    return middle, slow, fast


def _beside_timings(view: View) -> dict[str, list[_Speed]]:
    """Return the speeds that were measured beside reads and writes, for what the machine's limit is."""
    found = {}
    for task, operation in _TASKS.items():
        speeds = []
        for row in view.records:
            if row["operation"] == task and row["status"] == "ok" and row["codec_bytes_per_s"]:
                rate = row["codec_bytes_per_s"] / MIB
                speeds += [speed for speed in [_speed(row, rate, rate, rate)] if speed is not None]
        if speeds:
            found[operation] = _one_each(speeds)
    return found


def _speed(row: Record, mib_s: float, low: float, high: float) -> _Speed | None:
    """Return a row's speed; None for lossy codecs, unknown ones, and where no ratio is known."""
    try:
        codec = parse_codec(row["codec"] or "")
    except UnknownNameError:
        return None
    ratio = row["compression_ratio"]
    if not codec.lossless or not ratio or ratio <= 0 or mib_s <= 0:
        return None
    return _Speed(codec=codec, backend=row["backend"], mib_s=mib_s, low=low, high=high, ratio=ratio, row=row)


def _one_each(speeds: Sequence[_Speed]) -> list[_Speed]:
    """Return one speed per backend and codec, those of a codec by level."""
    first: dict[tuple[Any, ...], _Speed] = {}
    for speed in speeds:
        first.setdefault((speed.series, speed.codec.name), speed)
    return sorted(first.values(), key=lambda s: (s.series, s.codec.level or 0))


def _finding(view: View, by_operation: Mapping[str, Sequence[_Speed]], *, is_timed: bool) -> str:
    """Say which codec is shown to be fastest, and which saves most; no compression does not compete."""
    operation = "decode" if "decode" in by_operation else "encode"
    verb = OPERATIONS[operation][1]
    ranked = [speed for speed in by_operation[operation] if speed.codec.kind != "none"]
    if not ranked:
        return f"Only no compression was timed to {operation}"
    smallest = max(ranked, key=lambda s: (s.ratio, s.mib_s))
    saves = (
        f"{smallest.codec.name} saves most (ratio {ratio_text(smallest.ratio)} at {throughput_text(smallest.mib_s)})"
    )
    if len(ranked) == 1 or not is_timed:  # without intervals nothing is shown
        fastest = max(ranked, key=lambda s: s.mib_s)
        return (
            f"{saves[0].upper()}{saves[1:]}"
            if fastest is smallest
            else f"{_fast(fastest)} was the quickest to {operation}; {saves}"
        )
    equals = view.equals(speed.row for speed in ranked)
    leaders = sorted((s for s in ranked if s.row["position"] in equals), key=lambda s: -s.mib_s)
    if len(leaders) == len(ranked):
        return f"No codec is shown to {operation} faster than another; {saves}"
    if len(leaders) > 1:
        others = (
            f" and {len(leaders) - 1} more, not shown to differ,"
            if len(leaders) > 2
            else f" and {leaders[1].codec.name}"
        )
        return f"{_fast(leaders[0])}{others} {operation} fastest; {saves}"
    if leaders[0] is smallest:
        return f"{_fast(smallest)} {verb} fastest and saves most"
    return f"{_fast(leaders[0])} {verb} fastest; {saves}"


def _fast(speed: _Speed) -> str:
    return f"{speed.codec.name} ({throughput_text(speed.mib_s)} at ratio {ratio_text(speed.ratio)})"


def _draw(by_operation: Mapping[str, Sequence[_Speed]], points: Points) -> Figure:
    """Draw ratio over throughput: a panel for encode and one for decode, a colour and a marker per codec family."""
    families = codec_families(speed.codec.name for speeds in by_operation.values() for speed in speeds)
    figure = Figure(figsize=(WIDTH, 4.0), layout="constrained")
    grid = figure.subplots(1, 2, sharey=True, squeeze=False)[0]
    for axes in grid[len(by_operation) :]:
        axes.remove()
    for axes, (operation, speeds) in zip(grid, by_operation.items(), strict=False):
        _draw_panel(axes, speeds, families, points)
        axes.set_title(OPERATIONS[operation][0], pad=5)
    grid[0].set_ylabel("Compression ratio (higher is smaller)")
    legend_above(figure, [series_handle(index) for index in range(len(families.names))], families.texts)
    return figure


def _draw_panel(axes: Axes, speeds: Sequence[_Speed], families: CodecFamilies, points: Points) -> None:
    shown = thinned(speeds, MOST_POINTS // 3)
    joined: dict[tuple[Any, ...], list[_Speed]] = {}
    for speed in shown:
        joined.setdefault(speed.series, []).append(speed)
    for members in joined.values():
        colour = SERIES[families.place(members[0].codec.name)]
        axes.plot([s.mib_s for s in members], [s.ratio for s in members], color=colour, linewidth=0.9, alpha=0.6)
    for index in range(len(families.names)):
        group = [speed for speed in shown if families.place(speed.codec.name) == index]
        bars = [(s.low, s.ratio, s.high, s.ratio) for s in group if s.low < s.high]
        segments(axes, bars, color=SERIES[index], linewidth=0.9, alpha=0.55)
        points.series(axes, index, [(s.mib_s, s.ratio, s.row["position"]) for s in group])
    if len(shown) <= _MOST_LABELS:
        for s in (speed for members in joined.values() if len(members) > 1 for speed in members):
            text = "" if s.codec.level is None else str(s.codec.level)
            axes.annotate(text, (s.mib_s, s.ratio), xytext=(6, 4), textcoords="offset points", color=MUTED)
    log_axis(axes, [rate for s in speeds for rate in (s.low, s.mib_s, s.high)], ratio_axis_text)
    ratios = [s.ratio for s in speeds]
    if max(ratios) / min(ratios) > 4:
        log_axis(axes, ratios, ratio_axis_text, which="y")
    axes.set_xlabel("MiB/s of uncompressed voxels, log scale (right is faster)")


def _table(by_operation: Mapping[str, Sequence[_Speed]]) -> Table:
    found: dict[tuple[str, str], dict[str, _Speed]] = {}
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
        columns=["Codec", "Ratio", *(OPERATIONS[operation][0] for operation in by_operation)],
        rows=shown,
    )


def _speed_cell(speed: _Speed | None) -> Cell:
    if speed is None:
        return Cell(text=MISSING)
    interval = f"{ratio_text(speed.low)}–{throughput_text(speed.high)}" if speed.low < speed.high else "no interval"
    return Cell(text=throughput_text(speed.mib_s), detail=interval, doubt=bool(speed.row["low_confidence"]))
