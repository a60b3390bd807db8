"""How much memory an operation takes, beside the bytes it was asked for."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from storebench.report.byte_axis import byte_axis
from storebench.report.figures import MOST_POINTS, WIDTH, Points, legend_above, segments, series_handle, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._rows import rows_at_home, setting_text, task_text, terms
from storebench.report.style import MUTED, SIZES, log_axis
from storebench.report.tables import Cell, Table
from storebench.report.views import Record
from storebench.units import bytes_text, count_text, ratio_axis_text, times_text

_KINDS: Final = ("read, whole image", "read, part of it", "write, whole image")
_MOST_BACKENDS: Final = 24


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where the growth of memory was not measured."""
    rows = rows_at_home(story, _is_known)
    if not rows:
        return
    by_kind = {kind: [row for row in rows if _kind(row) == kind] for kind in _KINDS}
    finding = _finding(by_kind)
    points = Points()
    data = [
        {
            "kind": kind,
            "setting": setting_text(row),
            "task": task_text(row),
            "asked_bytes": row["asked_bytes"],
            "peak_memory_bytes": row["peak_memory_bytes"],
            "peak_per_asked": _factor(row),
        }
        for kind, members in by_kind.items()
        for row in members
    ]
    svg, files = studio.save(_draw(by_kind, points), "memory", finding, data, groups=list(points.rows))
    flat = sum(row["peak_memory_bytes"] == 0 for row in rows)
    about = (
        "By how much the process grew in one untimed call, beside the uncompressed bytes it was asked for; the result itself is "
        "among them. Dashed: once and ten times the bytes."
    )
    if flat:
        about += (
            f" {count_text(flat)} of {count_text(len(rows))} calls did not grow it and have no place on a log scale."
        )
    yield Section(
        name="memory",
        short="Memory",
        finding=finding,
        about=about + terms(rows, story),
        svg=svg,
        files=files,
        tables=[_table(rows)],
        points=points.rows,
    )


def _is_known(row: Record) -> bool:
    return (
        row["operation"] in ("read", "write")
        and row["peak_memory_bytes"] is not None
        and row["peak_memory_bytes"] >= 0
        and bool(row["asked_bytes"])
    )


def _kind(row: Record) -> str:
    if row["operation"] == "write":
        return _KINDS[2]
    return _KINDS[0] if (row["pattern"] or "whole") == "whole" else _KINDS[1]


def _factor(row: Record) -> float:
    return float(row["peak_memory_bytes"] / row["asked_bytes"])


def _finding(by_kind: Mapping[str, Sequence[Record]]) -> str:
    """Say how much whole reads need at most, by backend; else the same of what was measured."""
    kind = next(kind for kind in _KINDS if by_kind[kind])
    worst: dict[str, float] = {}
    for row in by_kind[kind]:
        name = row["backend"] or "?"
        worst[name] = max(worst.get(name, 0.0), _factor(row))
    what = {_KINDS[0]: "Reading a whole image", _KINDS[1]: "Reading a part", _KINDS[2]: "Writing a whole image"}[kind]
    (low, first), *_, (high, last) = [*sorted((times, name) for name, times in worst.items())] * 2
    if len(worst) == 1 or times_text(low) == times_text(high):
        names = first if len(worst) == 1 else f"each of {len(worst)} backends"
        return f"{what} takes at most {times_text(high)} its bytes of memory with {names}"
    return f"{what} takes at most {times_text(low)} its bytes of memory with {first}, and up to {times_text(high)} with {last}"


def _draw(by_kind: Mapping[str, Sequence[Record]], points: Points) -> Figure:
    """Draw growth against bytes asked, and beside it growth ÷ bytes by backend."""
    rows = [row for members in by_kind.values() for row in members]
    backends = _backends(rows)
    figure = Figure(figsize=(WIDTH, max(3.4, 0.22 * len(backends) + 1.2)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 0.95))
    shown = [index for index, kind in enumerate(_KINDS) if any(row["peak_memory_bytes"] for row in by_kind[kind])]
    n_all = sum(row["peak_memory_bytes"] > 0 for row in rows)
    for index in shown:
        members = [row for row in by_kind[_KINDS[index]] if row["peak_memory_bytes"]]
        members = list(thinned(members, max(2, MOST_POINTS // 2 * len(members) // n_all)))
        look = {"markersize": SIZES[index] * 0.8, "alpha": 0.85}
        points.series(left, index, [(r["asked_bytes"], r["peak_memory_bytes"], r["position"]) for r in members], **look)
        shift = (index - 1) * 0.22
        placed = [
            (r, backends.index(r["backend"] or "?") + shift) for r in members if (r["backend"] or "?") in backends
        ]
        points.series(right, index, [(_factor(r), y, r["position"]) for r, y in placed], **look)
    _dress_left(left, rows)
    _dress_right(right, rows, backends)
    legend_above(figure, [series_handle(index) for index in shown], [_KINDS[index] for index in shown])
    return figure


def _backends(rows: Sequence[Record]) -> list[str]:
    """Return the backends, the most frugal on average first."""
    factors: dict[str, list[float]] = {}
    for row in rows:
        factors.setdefault(row["backend"] or "?", []).append(_factor(row))
    ordered = sorted(factors, key=lambda name: (statistics.median(factors[name]), name))
    return ordered[:_MOST_BACKENDS]


def _dress_left(axes: Axes, rows: Sequence[Record]) -> None:
    asked = [row["asked_bytes"] for row in rows]
    grown = [row["peak_memory_bytes"] for row in rows if row["peak_memory_bytes"]]
    byte_axis(axes, asked, most=6)
    byte_axis(axes, grown or asked, which="y", most=6)
    low, high = axes.get_xlim()
    limits = axes.get_ylim()
    segments(
        axes, [(low, n * low, high, n * high) for n in (1, 10)], color=MUTED, linewidth=1, linestyle="--", zorder=1.5
    )
    axes.set_xlim(low, high)
    axes.set_ylim(*limits)
    for n in (1, 10):
        axes.annotate(
            f"{n}x", (max(low, limits[0] / n), max(limits[0], n * low)), xytext=(5, 2), textcoords="offset points",
            ha="left", va="bottom", color=MUTED,
        )  # fmt: skip
    axes.set_xlabel("Bytes asked for, log scale")
    axes.set_title("Growth of memory", pad=5)


def _dress_right(axes: Axes, rows: Sequence[Record], backends: Sequence[str]) -> None:
    factors = [_factor(row) for row in rows if row["peak_memory_bytes"]]
    log_axis(axes, [*factors, 1.0], ratio_axis_text, most=5)
    for n in (1, 10):
        axes.axvline(n, color=MUTED, linewidth=1, linestyle="--", zorder=1.5)
    axes.set_xlim(*axes.get_xlim())
    axes.set_yticks(range(len(backends)), list(backends))
    axes.set_ylim(len(backends) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Growth ÷ bytes asked for, log scale")
    axes.set_title("By backend", pad=5)


def _table(rows: Sequence[Record]) -> Table:
    """Write for each backend and kind how many times the bytes it took at most, and where."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for row in rows:
        groups.setdefault((row["backend"] or "?", _kind(row)), []).append(row)
    cells = []
    for (name, kind), members in sorted(groups.items(), key=lambda item: (item[0][0], _KINDS.index(item[0][1]))):
        worst = max(members, key=lambda row: (_factor(row), row["position"]))
        cells.append(
            [
                Cell(text=f"{name}: {kind}"),
                Cell(text=count_text(len(members))),
                Cell(text=times_text(statistics.median(map(_factor, members)))),
                Cell(text=times_text(_factor(worst)), detail=f"{setting_text(worst)}, {task_text(worst)}"),
                Cell(text=bytes_text(worst["asked_bytes"])),
                Cell(text=bytes_text(worst["peak_memory_bytes"])),
            ]
        )
    columns = ["What", "Cases", "Median growth ÷ bytes", "At most", "Bytes asked there", "Growth there"]
    return Table(caption="Growth of memory ÷ bytes asked for, by backend", columns=columns, rows=cells)
