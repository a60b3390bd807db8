"""One large plane: whole, what a screen shows, a small square, a smaller level; in JPEG 2000 beside every other format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.advise.words import listed
from storebench.report.figures import Points, bounds, legend_above, panel_grid, segments, series_handle
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._planes import (
    FAMILIES,
    JPEG_2000,
    NAMED,
    SCREEN,
    SQUARE,
    WHOLE,
    StoredPlane,
    bytes_read,
    drawn_patterns,
    plane_rows,
    read_title,
    share_asked,
    share_read,
    stored_planes,
    whole_s,
)
from storebench.report.sections._rows import MOST_TABLE_ROWS, image_text, is_shown_slower, shortened, terms
from storebench.report.style import MARKERS, MUTED, PAPER, SERIES, SIZES, log_axis
from storebench.report.tables import Cell, Table, time_cell
from storebench.units import (
    bytes_text,
    percent_axis_text,
    percent_text,
    seconds_axis_text,
    seconds_text,
    shape_text,
    times_text,
)

_MOST_SETTINGS: Final = 32


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no large plane was read from JPEG 2000 and from another format."""
    rows = plane_rows(story)
    settings = stored_planes(rows)
    families = {setting.family for setting in settings if WHOLE in setting.reads}
    if JPEG_2000 not in families or len(families) < 2:
        return
    finding, points = _finding(settings), Points()
    patterns = drawn_patterns(settings)
    shown = settings[:_MOST_SETTINGS]
    svg, files = studio.save(
        _draw(shown, patterns, points), "large_plane", finding, _data(settings), groups=list(points.rows)
    )
    image = image_text(settings[0].any)
    about = (
        f"Time of one read of {image}, opening included, log scale. Hollow: every processor may be used. On the right the bytes "
        "that the screen area took, small those of 256x256, as a share of what is stored; the dotted lines are the shares of the "
        "voxels asked for. Bytes are those asked of the store or, where a library opens the file itself, those of its read calls."
    )
    yield Section(
        name="large_plane",
        short="Large plane",
        finding=finding,
        about=about + terms(rows, story),
        svg=svg,
        files=files,
        tables=[_table(settings, image)],
        points=points.rows,
    )


def _finding(settings: Sequence[StoredPlane]) -> str:
    """Say how long the whole plane takes from lossless JPEG 2000, and how many times as long as from the others."""
    slow = _fastest(s for s in settings if s.family == JPEG_2000 and s.lossless)
    if slow is None:
        return f"One large plane: no lossless {JPEG_2000} was read whole"
    row = slow.reads[WHOLE]
    faster = [s for s in settings if s.lossless and WHOLE in s.reads and is_shown_slower(row, s.reads[WHOLE])]
    rivals = [_fastest(s for s in faster if s.family == family) for family in FAMILIES if family != JPEG_2000]
    times = [
        f"{times_text(row['median_s'] / whole_s(rival))} as long as from {_format_text(rival)}"
        for rival in rivals
        if rival is not None
    ]
    text = (
        f"Reading a plane of {shape_text(row['shape'])} from lossless {JPEG_2000} takes {seconds_text(row['median_s'])}"
    )
    text += f", {listed(times)}" if times else "; no other lossless format is shown to be faster"
    square = min(
        (s.reads[SQUARE] for s in settings if s.family == JPEG_2000 and s.lossless and SQUARE in s.reads),
        key=lambda row: row["median_s"],
        default=None,
    )
    return text if square is None else f"{text}; a square of 256x256 of it takes {seconds_text(square['median_s'])}"


def _format_text(setting: StoredPlane) -> str:
    return setting.family if setting.family in NAMED else setting.any["backend"]


def _fastest(settings: Iterator[StoredPlane]) -> StoredPlane | None:
    return min((s for s in settings if WHOLE in s.reads), key=whole_s, default=None)


def _draw(settings: Sequence[StoredPlane], patterns: Sequence[str], points: Points) -> Figure:
    """Draw a panel of times per pattern, and one of bytes, with a line per setting."""
    figure, grid = panel_grid(
        len(patterns) + 1, columns=len(patterns) + 1, row_height=0.75 + 0.17 * len(settings), sharey=True
    )
    for axes, pattern in zip(grid, patterns, strict=False):
        _draw_times(axes, settings, pattern, points)
    _draw_bytes(grid[-1], settings, points)
    labels = [setting.label for setting in settings]
    grid[0].set_yticks(range(len(settings)), list(reversed(labels)), fontsize=7)
    grid[0].set_ylim(-0.6, len(settings) - 0.4)
    used = sorted({FAMILIES.index(setting.family) for setting in settings})
    handles = [series_handle(index) for index in used]
    texts = [FAMILIES[index] for index in used]
    if any(setting.hurried for setting in settings):
        handles.append(Line2D([], [], linestyle="", marker="o", markerfacecolor=PAPER, markeredgecolor=MUTED))
        texts.append("every processor")
    legend_above(figure, handles, texts)
    return figure


def _placed(settings: Sequence[StoredPlane]) -> Iterator[tuple[float, int, StoredPlane]]:
    """Yield height, series and setting."""
    for index, setting in enumerate(settings):
        yield len(settings) - 1 - index, FAMILIES.index(setting.family), setting


def _draw_times(axes: Axes, settings: Sequence[StoredPlane], pattern: str, points: Points) -> None:
    values: list[float] = []
    for hurried in (False, True):
        for series in range(len(FAMILIES)):
            placed = [
                (y, row)
                for y, index, setting in _placed(settings)
                if index == series and (row := (setting.hurried if hurried else setting.reads).get(pattern)) is not None
            ]
            segments(axes, [(bounds(r)[0], y, bounds(r)[1], y) for y, r in placed], color=SERIES[series], linewidth=1.4)
            look: dict[str, Any] = {"markerfacecolor": PAPER, "markeredgecolor": SERIES[series], "markeredgewidth": 1.1}
            dots = [(row["median_s"], y, row["position"]) for y, row in placed]
            points.series(axes, series, dots, **(look if hurried else {}))
            values += [value for _, row in placed for value in (*bounds(row), row["median_s"])]
    log_axis(axes, values, seconds_axis_text, most=3)
    axes.set_title(read_title(pattern), pad=5)
    axes.spines["left"].set_visible(False)


def _draw_bytes(axes: Axes, settings: Sequence[StoredPlane], points: Points) -> None:
    """Draw the shares of the stored bytes that the screen's area and the square take, and those of their voxels."""
    values: list[float] = []
    for pattern, size in ((SCREEN, 1.0), (SQUARE, 0.65)):
        rows = [setting.reads[pattern] for setting in settings if pattern in setting.reads]
        if rows:
            values.append(share_asked(rows[0]))
            axes.axvline(values[-1], color=MUTED, linestyle=":", linewidth=1.2)
        for series in range(len(FAMILIES)):
            dots = [
                (share, y, setting.reads[pattern]["position"])
                for y, index, setting in _placed(settings)
                if index == series and (share := share_read(setting.reads.get(pattern))) is not None
            ]
            points.series(axes, series, dots, marker=MARKERS[series], markersize=SIZES[series] * size)
            values += [share for share, _, _ in dots]
    log_axis(axes, values or [1.0], percent_axis_text, most=3)
    axes.set_title("bytes read", pad=5)
    axes.spines["left"].set_visible(False)


def _data(settings: Sequence[StoredPlane]) -> list[dict[str, Any]]:
    return [
        {
            "image": image_text(row),
            "setting": setting.label,
            "threads": row["threads"],
            "pattern": pattern,
            "median_s": row["median_s"],
            "ci95_low_s": row["ci95_low_s"],
            "ci95_high_s": row["ci95_high_s"],
            "stored_bytes": row["stored_bytes"],
            "bytes_read": bytes_read(row),
        }
        for setting in settings
        for reads in (setting.reads, setting.hurried)
        for pattern, row in sorted(reads.items())
    ]


def _table(settings: Sequence[StoredPlane], image: str) -> Table:
    levels = sorted({name for setting in settings for name in setting.reads if name.startswith("level@")})
    patterns = [WHOLE, SCREEN, SQUARE, *levels]
    hurried = [name for name in drawn_patterns(settings) if any(name in setting.hurried for setting in settings)]
    rows = [
        [
            Cell(text=setting.label, mark="" if setting.lossless else "lossy"),
            Cell(text=bytes_text(setting.any["stored_bytes"])),
            *(time_cell(setting.reads.get(pattern)) for pattern in patterns),
            *(time_cell(setting.hurried.get(pattern)) for pattern in hurried),
            Cell(text=percent_text(share_read(setting.reads.get(SCREEN)))),
            Cell(text=percent_text(share_read(setting.reads.get(SQUARE)))),
        ]
        for setting in settings[:MOST_TABLE_ROWS]
    ]
    columns = [
        "Setting",
        "Size",
        *map(read_title, patterns),
        *(f"{read_title(pattern)}, every processor" for pattern in hurried),
        "Bytes of the screen area",
        "Bytes of 256x256",
    ]
    caption = shortened(f"Reads of {image}", len(rows), len(settings))
    return Table(caption=caption, columns=columns, rows=rows)
