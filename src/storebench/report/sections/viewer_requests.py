"""Bytes and requests of each view of a viewer's trace, counted and as geometry says."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from storebench.report.byte_axis import byte_axis
from storebench.report.figures import Points, legend_above, panel_grid, series_handle
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._rows import setting_text, terms
from storebench.report.sections._viewer_traces import MOST_SCENES, Scene, Trace, scenes
from storebench.report.sections.viewer import name_phases
from storebench.report.style import MARKERS, SERIES, log_axis
from storebench.report.tables import Cell, Table
from storebench.units import MISSING, bytes_text, count_text

_MOST_WITH_LEVELS: Final = 3
_ABOUT: Final = (
    "What each view asks of the store while the image stays open, counted apart from the clock; of each format the setting whose "
    "trace is fastest; log scale. Formats are left out whose library opens files by itself (docs/viewports.md)."
)


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no trace was counted."""
    counted = [(scene, traces) for scene in scenes(story)[:MOST_SCENES] if (traces := _counted(scene))]
    if not counted:
        return
    finding, points = _finding(counted[0][1]), Points()
    data = [line for scene, traces in counted for trace in traces for line in _lines(scene, trace)]
    svg, files = studio.save(_draw(counted, points), "viewer_requests", finding, data, groups=list(points.rows))
    yield Section(
        name="viewer_requests",
        short="Views, bytes",
        finding=finding,
        about=_ABOUT + terms([trace.row for _, traces in counted for trace in traces], story),
        svg=svg,
        files=files,
        tables=[_table(counted)],
        points=points.rows,
    )


def _counted(scene: Scene) -> list[Trace]:
    """Return the best trace of each format whose views were counted: some with levels, and one without."""
    counted = [
        trace
        for trace in scene.best
        if trace.row["frame_bytes"]
        and trace.row["frame_requests"]
        and len(trace.row["frame_bytes"]) == len(trace.phases)
    ]
    without = scene.fastest(has_levels=False)
    return [trace for trace in counted if trace.has_levels][:_MOST_WITH_LEVELS] + [t for t in counted if t is without]


def _finding(traces: Sequence[Trace]) -> str:
    """Say what the overview and half of all views ask for, with levels and without."""
    levels = next((trace for trace in traces if trace.has_levels), None)
    without = next((trace for trace in traces if not trace.has_levels), None)
    first = levels or without
    if first is None:
        return "No view was counted"
    text = f"The overview asks for {_asked(first, 0)}, half of all views for at most {_median_asked(first)}"
    text += f" ({first.row['backend']})"
    if levels is None or without is None:
        return text
    return f"{text}; without levels the overview asks for {_asked(without, 0)} ({without.row['backend']})"


def _asked(trace: Trace, view: int) -> str:
    n = trace.row["frame_requests"][view]
    return f"{bytes_text(trace.row['frame_bytes'][view])} in {count_text(n)} request{'' if n == 1 else 's'}"


def _median_asked(trace: Trace) -> str:
    return bytes_text(statistics.median(trace.row["frame_bytes"]))


def _draw(counted: Sequence[tuple[Scene, Sequence[Trace]]], points: Points) -> Figure:
    """Draw a column per scene: bytes above, requests below."""
    kinds = list(dict.fromkeys(trace.kind for _, traces in counted for trace in traces))
    figure, grid = panel_grid(2 * len(counted), columns=len(counted), row_height=2.3)
    for place, (scene, traces) in enumerate(counted):
        above, below = grid[place], grid[place + len(counted)]
        _draw_panel(above, traces, kinds, "frame_bytes", points)
        _draw_panel(below, traces, kinds, "frame_requests", points)
        byte_axis(above, _values(traces, "frame_bytes"), which="y")
        log_axis(below, _values(traces, "frame_requests"), count_text, which="y")
        above.set_title(scene.name, pad=5)
    grid[0].set_ylabel("Bytes of the view")
    grid[len(counted)].set_ylabel("Requests of the view")
    shown = kinds[: len(SERIES)]
    legend_above(figure, [series_handle(kinds.index(kind)) for kind in shown], shown, columns=4)
    return figure


def _values(traces: Sequence[Trace], name: str) -> list[float]:
    """Return numbers for a log scale; a view that a cache has answered asked for nothing, and stands at 1."""
    return [max(n, 1) for trace in traces for n in trace.row[name]]


def _draw_panel(axes: Axes, traces: Sequence[Trace], kinds: Sequence[str], name: str, points: Points) -> None:
    for trace in traces:
        place = min(kinds.index(trace.kind), len(SERIES) - 1)
        values = [max(n, 1) for n in trace.row[name]]
        axes.plot(range(len(values)), values, color=SERIES[place], linewidth=1.1)
        look = {"marker": MARKERS[place], "markersize": 3.6, "color": SERIES[place]}
        points.draw(axes, [(x, y, trace.row["position"]) for x, y in enumerate(values)], **look)
    name_phases(axes, max(traces, key=lambda trace: len(trace.phases)))


def _lines(scene: Scene, trace: Trace) -> Iterator[dict[str, object]]:
    """Yield one line per view; predictions where geometry has a word."""
    row = trace.row
    n_views = len(trace.phases)
    predicted = [row[f"predicted_{name}"] or (None,) * n_views for name in ("frame_bytes", "frame_requests")]
    for view in range(n_views):
        yield {
            "image": scene.name,
            "setting": setting_text(row),
            "pattern": row["pattern"],
            "view": view + 1,
            "phase": trace.phases[view],
            "bytes": row["frame_bytes"][view],
            "requests": row["frame_requests"][view],
            "predicted_bytes": predicted[0][view],
            "predicted_requests": predicted[1][view],
        }


def _table(counted: Sequence[tuple[Scene, Sequence[Trace]]]) -> Table:
    rows = [
        [
            Cell(
                text=setting_text(trace.row),
                detail=f"{scene.name}{'' if trace.has_levels else ', from full resolution'}",
            ),
            Cell(text=_asked(trace, 0)),
            Cell(text=_median_asked(trace)),
            Cell(text=count_text(statistics.median(trace.row["frame_requests"]))),
            Cell(text=bytes_text(sum(trace.row["frame_bytes"]))),
            Cell(text=_as_predicted(trace)),
        ]
        for scene, traces in counted
        for trace in traces
    ]
    columns = [
        "Setting",
        "Overview",
        "Median view, bytes",
        "Median view, requests",
        "All views, bytes",
        "As geometry says",
    ]
    return Table(caption="What the views of a trace ask for", columns=columns, rows=rows)


def _as_predicted(trace: Trace) -> str:
    """Say of how many views bytes and requests are what geometry says."""
    row = trace.row
    if not row["predicted_frame_bytes"] or not row["predicted_frame_requests"]:
        return MISSING
    counted = zip(row["frame_bytes"], row["frame_requests"], strict=True)
    predicted = zip(row["predicted_frame_bytes"], row["predicted_frame_requests"], strict=True)
    n_same = sum(a == b for a, b in zip(counted, predicted, strict=True))
    return "every view" if n_same == len(trace.phases) else f"{n_same} of {len(trace.phases)} views"
