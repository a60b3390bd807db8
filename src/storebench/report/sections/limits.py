"""Every result as a fraction of what this machine can do at best."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from storebench.records import SYNCED
from storebench.report.figures import MOST_POINTS, WIDTH, Points, legend_above, series_handle, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._rows import image_text, rows_at_home, setting_text, task_text, terms
from storebench.report.style import FAINT, GRID, INK, MARKERS, MUTED, PAPER, SERIES, SIZES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.report.views import Record
from storebench.units import count_text, percent_axis_text, percent_text, seconds_text

_PARTS: Final[Mapping[str, str]] = {
    "limit_requests_s": "opening files and waiting for the disk",
    "limit_bytes_s": "moving bytes",
    "limit_decode_s": "codec, or copying",
}
_FILLS: Final = (MUTED, FAINT, GRID)
_DENSE: Final = 60
"""Points of one curve from which on the line is drawn without room between them."""


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no result knows the limit of its machine."""
    rows = rows_at_home(story, lambda row: row["limit_fraction"] is not None and row["limit_fraction"] > 0)
    if not rows:
        return
    groups = _groups(rows)
    finding = _finding(groups)
    points = Points()
    data = _data(groups)
    svg, files = studio.save(_draw(groups, points), "limits", finding, data, groups=list(points.rows))
    about = (
        "Each point is one result, of all images. The limit is the shortest time that opening the files, moving their bytes and "
        "the codec could take at the best speeds measured on this machine; the bars say what it is made of on average."
    )
    above = sum(row["limit_fraction"] > 1 for row in rows)
    if above:
        about += (
            f" {count_text(above)} of {count_text(len(rows))} results lie above 100 %: there the limit is not the tightest, "
            "since its speeds were measured at other sizes, or on a machine that was just then disturbed."
        )
    yield Section(
        name="limits",
        short="Of the limit",
        finding=finding,
        about=about + terms(rows, story),
        svg=svg,
        files=files,
        tables=[_table(groups)],
        points=points.rows,
    )


def _data(groups: Mapping[str, Sequence[Record]]) -> list[dict[str, Any]]:
    """Return every result drawn, for the CSV file."""
    return [
        {
            "operation": name,
            "image": image_text(row),
            "setting": setting_text(row),
            "task": task_text(row),
            "median_s": row["median_s"],
            "limit_s": row["limit_s"],
            "limit_fraction": row["limit_fraction"],
            **{part: row[part] for part in _PARTS},
        }
        for name, members in groups.items()
        for row in members
    ]


def _groups(rows: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the rows by operation and state, each nearest to the limit last; the largest group first."""
    groups: dict[str, list[Record]] = {}
    for row in sorted(rows, key=lambda row: (row["limit_fraction"], row["position"])):
        groups.setdefault(_kind(row), []).append(row)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return dict(ordered[: len(MARKERS)])


def _kind(row: Record) -> str:
    if row["operation"] in ("read", "open") and row["cache"] not in (None, "warm"):
        return f"{row['operation']}, cold"
    if row["operation"] == "write" and row["durability"] in SYNCED:
        return f"write, {row['durability']}"
    return row["operation"] or "?"


def _finding(groups: Mapping[str, Sequence[Record]]) -> str:
    """Say of the largest group how near its best comes to the limit, and where the middle lies."""
    name, rows = next(iter(groups.items()))
    best = percent_text(rows[-1]["limit_fraction"])
    kind, _, state = name.partition(", ")
    which = f"{state} {kind}" if state else kind
    if len(rows) == 1:
        return f"The only {which} measured reaches {best} of what this machine can do"
    middle = percent_text(statistics.median(row["limit_fraction"] for row in rows))
    reached = sum(row["limit_fraction"] >= 1 for row in rows)
    first = f"{reached} of {len(rows)} {which}s reach" if reached else f"The best {which} reaches {best} of"
    return f"{first} what this machine can do; half of the {which}s are below {middle}"


def _draw(groups: Mapping[str, Sequence[Record]], points: Points) -> Figure:
    """Draw the share of results up to each fraction, and below what the limit consists of."""
    figure = Figure(figsize=(WIDTH, 4.0 + 0.26 * len(groups)), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(3.0, 0.26 * len(groups) + 0.15))
    _draw_curves(upper, groups, points)
    _draw_parts(lower, groups)
    handles: list[Line2D] = [series_handle(index) for index in range(len(groups))]
    legend_above(figure, handles, [f"{name} ({count_text(len(rows))})" for name, rows in groups.items()])
    return figure


def _draw_curves(axes: Axes, groups: Mapping[str, Sequence[Record]], points: Points) -> None:
    every = [row["limit_fraction"] for rows in groups.values() for row in rows]
    n_all = len(every)
    for index, rows in enumerate(groups.values()):
        placed = [(row["limit_fraction"], (n + 1) / len(rows), row["position"]) for n, row in enumerate(rows)]
        most = max(2, MOST_POINTS * len(rows) // n_all)
        shown = [*thinned(placed[:-1], most - 1), placed[-1]]  # the best one is always there
        axes.plot([x for x, _, _ in shown], [y for _, y, _ in shown], color=SERIES[index], linewidth=1, alpha=0.6)
        points.draw(
            axes, shown, marker=MARKERS[index], color=SERIES[index],
            markersize=SIZES[index] * (0.55 if len(shown) > _DENSE else 0.8),
        )  # fmt: skip
    log_axis(axes, [*every, 1.0], percent_axis_text, most=6)
    axes.axvline(1.0, color=INK, linewidth=1, zorder=1.5)
    axes.annotate(
        "the machine's limit", (1.0, 0.03), xycoords=("data", "axes fraction"), xytext=(-5, 0),
        textcoords="offset points", ha="right", color=MUTED,
    )  # fmt: skip
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_ylim(0, 1.04)
    axes.set_ylabel("Share of the results")
    axes.set_xlabel("Of the machine's limit, log scale (right is nearer)")


def _draw_parts(axes: Axes, groups: Mapping[str, Sequence[Record]]) -> None:
    """Draw a bar per kind: the mean share of each part in the limit."""
    for y, rows in enumerate(groups.values()):
        left = 0.0
        for part, fill in zip(_PARTS, _FILLS, strict=True):
            share = _share(rows, part)
            if share:
                axes.add_patch(Rectangle((left, y - 0.36), share, 0.72, facecolor=fill, edgecolor=PAPER))
                if share > 0.08:
                    ink = PAPER if fill == MUTED else INK
                    axes.text(left + share / 2, y, percent_text(share), ha="center", va="center", color=ink)
                left += share
    axes.set(xlim=(0, 1), ylim=(len(groups) - 0.5, -0.5))
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_xticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    handles = [Line2D([], [], marker="s", markersize=7, linestyle="", color=fill) for fill in _FILLS]
    axes.legend(
        handles, list(_PARTS.values()), loc="lower left", bbox_to_anchor=(0, 1), ncols=3,
        handletextpad=0.2, columnspacing=1.5, borderaxespad=0.2, title=None,
    )  # fmt: skip


def _share(rows: Sequence[Record], part: str) -> float:
    """Return the mean over rows of a part's share in the limit; a row without parts does not count."""
    shares = [row[part] / row["limit_s"] for row in rows if row[part] is not None and row["limit_s"]]
    return statistics.fmean(shares) if shares else 0.0


def _table(groups: Mapping[str, Sequence[Record]]) -> Table:
    """Write the best and the worst of each kind."""
    rows = []
    for name, members in groups.items():
        ends = [("best", members[-1])] if len(members) == 1 else [("best", members[-1]), ("worst", members[0])]
        for word, row in ends:
            rows.append(
                [
                    Cell(text=f"{name}, {word} of {count_text(len(members))}"),
                    Cell(text=setting_text(row), detail=f"{task_text(row)}, {image_text(row)}"),
                    Cell(text=percent_text(row["limit_fraction"])),
                    time_cell(row),
                    Cell(text=seconds_text(row["limit_s"])),
                    *(Cell(text=seconds_text(row[part])) for part in _PARTS),
                ]
            )
    columns = ["Results", "Setting", "Of the limit", "Measured", "Limit", "Opening", "Bytes", "Codec"]
    return Table(
        caption="Best and worst of each kind, and the parts of the limit", columns=columns, rows=rows, numeric_from=2
    )
