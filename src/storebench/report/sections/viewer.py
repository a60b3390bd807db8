"""Time of each view of a viewer's trace: a small chart per format, with levels and at full resolution."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.report.figures import Points, legend_above, panel_grid
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._rows import MOST_TABLE_ROWS, is_shown_slower, setting_text, shortened, terms
from storebench.report.sections._viewer_traces import MOST_FORMATS, MOST_SCENES, Scene, Trace, scenes
from storebench.report.style import FAINT, MUTED, SERIES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.units import bytes_text, count_text, seconds_axis_text, seconds_text

_PHASE_NAMES: Final = {"overview": "1st", "zoom in": "in", "zoom out": "out"}
_MOST_LINES: Final = 8
_ABOUT: Final = (
    "Somebody opens the image, sees an overview, zooms in to full resolution, pans, looks at other planes and zooms out: the same "
    "parts of the image for every format (docs/viewports.md). Coloured: the setting of each format whose trace is fastest, with "
    "the 95th percentile of its views dotted; grey: its other settings; log scale."
)


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield a section for each image and trace; nothing where no trace was measured."""
    for number, scene in enumerate(scenes(story)[:MOST_SCENES], start=1):
        name = "viewer" if number == 1 else f"viewer-{number}"
        finding, points = _finding(scene), Points()
        svg, files = studio.save(_draw(scene, points), name, finding, _data(scene), groups=list(points.rows))
        yield Section(
            name=name,
            short="Viewer" if number == 1 else f"Viewer {number}",
            finding=finding,
            about=f"{scene.name}. {_ABOUT}{terms([trace.row for trace in scene.traces], story)}",
            svg=svg,
            files=files,
            tables=[_table(scene)],
            points=points.rows,
        )


def _finding(scene: Scene) -> str:
    """Say how long a viewer waits where there are levels, and where there are none."""
    levels, without = scene.fastest(has_levels=True), scene.fastest(has_levels=False)
    if levels is None or without is None:
        return _waits(levels or without or scene.traces[0])
    if not is_shown_slower(without.row, levels.row):
        return f"{_waits(levels)}; storage without levels is not shown to be slower over the whole trace"
    whole, longer = seconds_text(levels.row["median_s"]), seconds_text(without.row["median_s"])
    return (
        f"{_waits(levels)}, {whole} for the whole trace; {longer} where there are no levels ({without.row['backend']})"
    )


def _waits(trace: Trace) -> str:
    row = trace.row
    return (
        f"A viewer waits {seconds_text(row['first_view_s'])} for the first view, {seconds_text(row['frame_median_s'])} for half "
        f"of all views and at most {seconds_text(row['frame_p95_s'])} for 95 of 100 ({row['backend']})"
    )


def _draw(scene: Scene, points: Points) -> Figure:
    """Draw a panel for each format."""
    panels = scene.best[:MOST_FORMATS]
    figure, grid = panel_grid(len(panels), columns=4, row_height=2.35)
    lines = [_drawn(scene, best) for best in panels]
    values = [seconds for traces in lines for trace in traces for seconds in trace.row["frames_s"]]
    for place, (axes, best, traces) in enumerate(zip(grid, panels, lines, strict=True)):
        _draw_panel(axes, best, traces, points)
        log_axis(axes, values, seconds_axis_text, which="y")
        if place % 4:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("Time of the view, log scale")
    handles = [
        Line2D([], [], color=SERIES[0], marker="o", markersize=4),
        Line2D([], [], color=SERIES[1], marker="o", markersize=4),
        Line2D([], [], color=FAINT),
        Line2D([], [], color=MUTED, linestyle=":"),
    ]
    texts = ["with levels", "from full resolution", "other settings of the format", "95th percentile"]
    legend_above(figure, handles, texts)
    return figure


def _drawn(scene: Scene, best: Trace) -> list[Trace]:
    """Return the traces of a panel, the best one first."""
    return [trace for trace in scene.traces if trace.kind == best.kind][:_MOST_LINES]


def _draw_panel(axes: Axes, best: Trace, traces: Sequence[Trace], points: Points) -> None:
    colour = SERIES[0] if best.has_levels else SERIES[1]
    for trace in traces[1:]:
        axes.plot(range(len(trace.phases)), trace.row["frames_s"], color=FAINT, linewidth=0.9)
    seconds = best.row["frames_s"]
    axes.plot(range(len(seconds)), seconds, color=colour, linewidth=1.3)
    look = {"marker": "o", "markersize": 3.4, "color": colour}
    points.draw(axes, [(x, y, best.row["position"]) for x, y in enumerate(seconds)], **look)
    axes.axhline(best.row["frame_p95_s"], color=MUTED, linestyle=":", linewidth=1.2)
    name_phases(axes, best)
    axes.set_title(f"{best.kind}\n{best.layout_text}", pad=5, fontsize=8)


def name_phases(axes: Axes, trace: Trace) -> None:
    """Write the phases below the views, and part them by thin lines."""
    places: list[float] = []
    names: list[str] = []
    start = 0
    for phase, members in itertools.groupby(trace.phases):
        n_views = len(list(members))
        places.append(start + (n_views - 1) / 2)
        names.append(_PHASE_NAMES.get(phase, phase))
        if start:
            axes.axvline(start - 0.5, color=FAINT, linewidth=0.7)
        start += n_views
    axes.grid(visible=False, axis="x")
    axes.set_xticks(places, names, fontsize=7)
    axes.set_xlim(-0.7, start - 0.3)


def _data(scene: Scene) -> list[dict[str, object]]:
    """Return one line per view of every trace."""
    return [
        {
            "image": scene.name,
            "setting": setting_text(trace.row),
            "pattern": trace.row["pattern"],
            "view": number,
            "phase": phase,
            "view_s": seconds,
        }
        for trace in scene.traces
        for number, (phase, seconds) in enumerate(zip(trace.phases, trace.row["frames_s"], strict=True), start=1)
    ]


def _table(scene: Scene) -> Table:
    shown = scene.traces[:MOST_TABLE_ROWS]
    rows = [
        [
            Cell(text=setting_text(trace.row), detail="" if trace.has_levels else "from full resolution"),
            Cell(text=seconds_text(trace.row["first_view_s"])),
            Cell(text=seconds_text(trace.row["frame_median_s"])),
            Cell(text=seconds_text(trace.row["frame_p95_s"])),
            Cell(text=seconds_text(trace.row["frame_max_s"])),
            time_cell(trace.row),
            Cell(text=bytes_text(trace.row["fetched_bytes"])),
            Cell(text=count_text(trace.row["requests"])),
        ]
        for trace in shown
    ]
    columns = ["Setting", "First view", "Median view", "95th percentile", "Slowest", "Whole trace", "Bytes", "Requests"]
    caption = shortened(f"Traces of {scene.name}", len(shown), len(scene.traces))
    return Table(caption=caption, columns=columns, rows=rows)
