"""Stacks of 2-D files against chunked formats: what each is good at, and how many files it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.advise.words import listed
from storebench.analysis import span
from storebench.report.charts import pattern_text, terms_text
from storebench.report.figures import Points, bounds, legend_above, panel_grid, segments
from storebench.report.section import Section, Story, Studio
from storebench.report.style import PAPER, SERIES, log_axis
from storebench.report.tables import Cell, Table, marks, time_cell
from storebench.report.views import Record, Setting, View
from storebench.units import count_text, ratio_axis_text, seconds_axis_text, times_text

_STACKED: Final[dict[str, Any]] = {"marker": "s", "color": SERIES[1], "markersize": 5.2}
_CHUNKED: Final[dict[str, Any]] = {"marker": "o", "color": SERIES[0], "markersize": 5.2}
_MOST_PATTERNS: Final = 5
_MOST_EACH: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Backends of one kind, each with its best setting over all reads.

    Attributes
    ----------
    settings : sequence of Setting
        The one with the lowest mean over the reads first.
    """

    settings: Sequence[Setting]

    def best(self, task: str) -> Record | None:
        """Return the row with the lowest median of an access pattern, or of the write."""
        rows = [row for setting in self.settings if (row := _row(setting, task)) is not None]
        return min(rows, key=lambda row: row["median_s"], default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contest:
    """The best stack against the best chunked format at one task.

    Attributes
    ----------
    task : str
        In words.
    ratio : float
        Time of the stack ÷ time of the chunked format.
    shown : bool
        Whether the intervals are apart.
    """

    task: str
    ratio: float
    shown: bool


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no stack and chunked format were read in the same way."""
    view = story.view
    stacked, chunked = _group(view, stacks=True), _group(view, stacks=False)
    patterns = [name for name in view.patterns if stacked.best(name) and chunked.best(name)][:_MOST_PATTERNS]
    if not patterns:
        return
    settings = [*stacked.settings, *chunked.settings]
    finding, points = _finding(stacked, chunked, patterns), Points()
    data = [
        {
            "setting": setting.label,
            "kind": "stack" if is_stack(setting.backend) else "chunked",
            "task": task,
            "median_s": row["median_s"],
            "ci95_low_s": row["ci95_low_s"],
            "ci95_high_s": row["ci95_high_s"],
            "n_files": setting.fact("n_files"),
        }
        for setting in settings
        for task in (*patterns, "write")
        if (row := _row(setting, task)) is not None
    ]
    svg, files = studio.save(_draw(settings, patterns, points), "stacks", finding, data, groups=list(points.rows))
    yield Section(
        name="stacks",
        short="Stacks of files",
        finding=finding,
        about=(
            "Each format with the lossless setting that is best over all its reads; chunked means chunks of more than one plane. "
            f"Time and number of files, log scales; left is faster and fewer. {terms_text(view)}"
        ),
        svg=svg,
        files=files,
        tables=[_table(view, settings, patterns)],
        points=points.rows,
    )


def is_stack(backend: str) -> bool:
    """Tell whether a backend stores one 2-D file per plane."""
    return backend.partition("-")[0].endswith("stack")


def _group(view: View, *, stacks: bool) -> _Group:
    first: dict[str, Setting] = {}
    for setting in view.settings:  # the best over all reads first
        is_one = is_stack(setting.backend) if stacks else _is_chunked(setting)
        if is_one and setting.reads and setting.standing == "":
            first.setdefault(setting.backend, setting)
    return _Group(settings=list(first.values())[:_MOST_EACH])


def _is_chunked(setting: Setting) -> bool:
    """Tell whether chunks reach over several planes: one array with a chunk per plane is a stack in one file."""
    return not is_stack(setting.backend) and len(setting.chunk_shape or ()) > 2 and (setting.chunk_shape or ())[-3] > 1


def _row(setting: Setting, task: str) -> Record | None:
    return setting.write if task == "write" else setting.reads.get(task)


def _finding(stacked: _Group, chunked: _Group, patterns: Sequence[str]) -> str:
    """Say at what the best stack is shown to be faster or slower than the best chunked format, and how many files it takes."""
    contests = []
    for task in (*patterns, "write"):
        stack, chunk = stacked.best(task), chunked.best(task)
        if stack is not None and chunk is not None:
            shown = span(stack)[1] < span(chunk)[0] or span(chunk)[1] < span(stack)[0]
            words = {"write": "writing", "whole": "reading everything"}.get(task, pattern_text(task))
            contests.append(_Contest(task=words, ratio=stack["median_s"] / chunk["median_s"], shown=shown))
    faster = [f"{c.task} ({times_text(1 / c.ratio)})" for c in contests if c.shown and c.ratio < 1]
    slower = sorted((c for c in contests if c.shown and c.ratio > 1), key=lambda c: -c.ratio)
    parts = [f"faster at {listed(faster)}"] if faster else []
    parts += [f"slower at {listed((f'{c.task} ({times_text(c.ratio)})' for c in slower), most=3)}"] if slower else []
    if not parts:
        return "Stacks of 2-D files are not shown to be faster or slower than chunked formats at anything"
    return f"Stacks of 2-D files are {', and '.join(parts)} than chunked formats"


def _draw(settings: Sequence[Setting], patterns: Sequence[str], points: Points) -> Figure:
    """Draw time by access pattern and number of files: stacks above, chunked formats below."""
    tasks = [task for task in (*patterns, "write") if any(_row(setting, task) for setting in settings)]
    panels: list[str | None] = [*tasks, *([None] if any(setting.fact("n_files") for setting in settings) else [])]
    columns = 3 if len(panels) in (3, 5, 6) else 4
    figure, grid = panel_grid(len(panels), columns=columns, row_height=0.75 + 0.21 * len(settings), sharey=True)
    places = {id(setting): len(settings) - 1 - index for index, setting in enumerate(settings)}
    for axes, task in zip(grid, panels, strict=True):
        drawn: list[float] = []
        for style, members in (
            (_STACKED, [s for s in settings if is_stack(s.backend)]),
            (_CHUNKED, [s for s in settings if not is_stack(s.backend)]),
        ):
            found = [(row, places[id(s)]) for s in members if task and (row := _row(s, task)) is not None]
            bars = [(low, y, high, y) for row, y in found for low, high in [bounds(row)]]
            segments(axes, bars, color=style["color"], linewidth=1.4)
            marked = [(row["median_s"], y, row["position"]) for row, y in found]
            if task is None:
                marked = [(s.fact("n_files"), places[id(s)], _any(s)) for s in members if s.fact("n_files")]
            points.draw(axes, marked, **style)
            drawn += [x for x, _, _ in marked] + [x for low, _, high, _ in bars for x in (low, high)]
        log_axis(axes, drawn, ratio_axis_text if task is None else seconds_axis_text, most=3)
        axes.set_title(_title(task), pad=5)
        axes.set_yticks(range(len(settings)), [setting.backend for setting in reversed(settings)])
        axes.set_ylim(-0.6, len(settings) - 0.4)
        n_chunked = sum(not is_stack(s.backend) for s in settings)
        axes.axhline(n_chunked - 0.5, color=PAPER, linewidth=3)
        axes.spines["left"].set_visible(False)
    handles = [Line2D([], [], **({"linestyle": ""} | style)) for style in (_STACKED, _CHUNKED)]
    legend_above(figure, handles, ["stack of 2-D files", "chunked, one array"])
    return figure


def _title(task: str | None) -> str:
    if task is None:
        return "Files"
    return "Write, whole image" if task == "write" else f"Read, {pattern_text(task)}"


def _any(setting: Setting) -> int:
    """Return the position of a row that knows the setting's store."""
    rows = [row for row in (setting.write, *setting.reads.values()) if row is not None]
    position: int = next((row for row in rows if row["n_files"] is not None), rows[0])["position"]
    return position


def _table(view: View, settings: Sequence[Setting], patterns: Sequence[str]) -> Table:
    columns = []
    for task in (*patterns, "write"):
        column = [(setting, _row(setting, task)) for setting in settings]
        columns.append([time_cell(row, mark) for (_, row), mark in zip(column, marks(view, column), strict=True)])
    heads = [Cell(text=s.backend, detail=s.label.removeprefix(s.backend).strip()) for s in settings]
    files = [Cell(text=count_text(s.fact("n_files"))) for s in settings]
    return Table(
        caption="Stacks first, then chunked formats, each with its setting that is best over all reads",
        columns=["Format", "Files", *map(_title, (*patterns, "write"))],
        rows=[list(cells) for cells in zip(heads, files, *columns, strict=True)],
    )
