"""Libraries side by side, case by case: who is faster, how often, and how often that is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.records import OPERATIONS
from storebench.report.charts import codec_family, pattern_text
from storebench.report.figures import MOST_POINTS, Points, legend_above, panel_grid, segments, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._matched import Match, Pair, Tally, matched_pairs, tally
from storebench.report.style import INK, PAPER, SERIES, log_axis
from storebench.report.tables import Cell, Table
from storebench.units import count_text, ratio_axis_text, shape_text, times_text

_MOST_PAIRS: Final = 3
_LEAST: Final = 3
"""Cases in common that are worth a picture."""
_MOST_LINES: Final = 24
_TOLD_APART: Final = ("read", "write")
_FIRST: Final[dict[str, Any]] = {"marker": "o", "color": SERIES[0], "markersize": 4.5}
_SECOND: Final[dict[str, Any]] = {"marker": "s", "color": SERIES[1], "markersize": 4.2}
_UNSHOWN: Final[dict[str, Any]] = {
    "marker": "o", "markerfacecolor": PAPER, "markeredgecolor": SERIES[7], "markeredgewidth": 0.9, "markersize": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The cases of a pair that share a family of codecs, by operation.

    Attributes
    ----------
    pair : Pair
        Which two.
    family : str
        Of codecs.
    by_operation : mapping of str to sequence of Match
        By falling ratio.
    """

    pair: Pair
    family: str
    by_operation: Mapping[str, Sequence[Match]]

    @property
    def n(self) -> int:
        """Cases in all."""
        return sum(map(len, self.by_operation.values()))


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no two libraries did the same cases on one machine."""
    pairs = matched_pairs(story.records, most=_MOST_PAIRS, least=_LEAST)
    if not pairs:
        return
    lines = [line for pair in pairs for line in _lines(pair, _MOST_LINES // len(pairs))]
    finding, points = _finding(pairs), Points()
    data = [
        {
            "first": pair.first.library,
            "second": pair.second.library,
            **{name: match.first[name] for name in ("machine", "dataset", "format", "codec", "operation", "pattern")},
            "chunks": None if match.first["chunk_shape"] is None else shape_text(match.first["chunk_shape"]),
            "case_id": match.first["case_id"],
            "first_median_s": match.first["median_s"],
            "second_median_s": match.second["median_s"],
            "ratio": match.ratio,
            "shown": match.shown,
        }
        for pair in pairs
        for match in pair.matches
    ]
    svg, files = studio.save(_draw(lines, points), "libraries", finding, data, groups=list(points.rows))
    machines = ", ".join(sorted({pair.matches[0].first["machine"] for pair in pairs}))
    yield Section(
        name="libraries",
        short="Libraries",
        finding=finding,
        about=(
            "One point is one case that both did: same image, format, chunks, codec, access pattern and terms. Time of the second "
            "÷ time of the first, log scale: right of 1 the first is faster. The bar is the median. “Shown” is by the rule of "
            "storebench compare: a 99 % interval, a margin of 5 %, few false alarms over all cases together. Measured on "
            f"{machines}."
        ),
        svg=svg,
        files=files,
        tables=[_table(pairs)],
        points=points.rows,
    )


def _lines(pair: Pair, most: int) -> list[_Line]:
    """Return the families of codecs that a pair has in common, the most measured first."""
    groups: dict[str, dict[str, list[Match]]] = {}
    for match in sorted(pair.matches, key=lambda m: (-m.ratio, m.first["position"])):
        family = codec_family(match.first["codec"] or "codec not named")
        groups.setdefault(family, {}).setdefault(match.first["operation"] or "?", []).append(match)
    lines = [_Line(pair=pair, family=family, by_operation=found) for family, found in groups.items()]
    return sorted(lines, key=lambda line: (-line.n, line.family))[:most]


def _finding(pairs: Sequence[Pair]) -> str:
    """Say of the pair with the most cases how often each is shown to be faster; what is not shown is not counted."""
    pair = pairs[0]
    (first, second), counted = pair.names, tally(pair.matches)
    if not counted.first_shown + counted.second_shown:
        return f"No difference between {first} and {second} is shown in {count_text(counted.n)} matched cases"
    by_operation = {name: [m for m in pair.matches if m.first["operation"] == name] for name in _TOLD_APART}
    tallies = {name: tally(matches) for name, matches in by_operation.items() if len(matches) >= _LEAST}
    leads = [t.first_shown - t.second_shown for t in tallies.values()]
    if leads and min(leads) < 0 < max(leads):  # one number for both would hide what matters
        return "; ".join(_shown_text(pair, name, counts) for name, counts in tallies.items())
    return _shown_text(pair, "be", counted)


def _shown_text(pair: Pair, verb: str, counts: Tally) -> str:
    """Name first which of two is shown to be faster in more cases."""
    sides = [(counts.first_shown, pair.names[0]), (counts.second_shown, pair.names[1])]
    (n_most, faster), (n_least, other) = sorted(sides, key=lambda side: -side[0])
    cases = f"{count_text(n_most)} of {count_text(counts.n)} matched cases"
    rest = "" if n_most == counts.n else f", {other} in {count_text(n_least) if n_least else 'none'}"
    return f"{faster} is shown to {verb} faster than {other} in {cases}{rest}"


def _draw(lines: Sequence[_Line], points: Points) -> Figure:
    """Draw ratios as strips: a panel per operation, a line per family of codecs, pair below pair."""
    pairs = list(dict.fromkeys(line.pair.names for line in lines))
    operations = [name for name in (*OPERATIONS, "?") if any(name in line.by_operation for line in lines)]
    places, headings = _places(lines)
    height = max(places.values()) + 1
    figure, grid = panel_grid(len(operations), columns=4, row_height=0.85 + 0.27 * height, sharey=True)
    most = MOST_POINTS // len(operations) // len(lines)
    ratios = [match.ratio for line in lines for matches in line.by_operation.values() for match in matches]
    for axes, operation in zip(grid, operations, strict=True):
        axes.axvline(1, color=INK, linewidth=0.9, zorder=1.4)
        strips = [(line.by_operation.get(operation, ()), height - 1 - places[n]) for n, line in enumerate(lines)]
        _draw_strips(axes, strips, points, max(most, 4))
        log_axis(axes, [*ratios, 1.0], ratio_axis_text, most=5)
        axes.set_title(f"{operation[0].upper()}{operation[1:]}", pad=5)
        axes.set_yticks([height - 1 - places[index] for index in range(len(lines))], [line.family for line in lines])
        axes.set_ylim(-0.6, height - 0.4)
        axes.set_xlabel(
            f"Time of {pairs[0][1]} ÷ {pairs[0][0]}" if len(pairs) == 1 else "Time of the second ÷ the first"
        )
        axes.spines["left"].set_visible(False)
    for place, text in headings if len(pairs) > 1 else ():
        grid[0].text(
            0.01, height - 1 - place, text, transform=grid[0].get_yaxis_transform(), va="center", weight="bold"
        )
    first, second = pairs[0] if len(pairs) == 1 else ("first", "second")
    handles = [Line2D([], [], **({"linestyle": ""} | style)) for style in (_FIRST, _SECOND, _UNSHOWN)]
    texts = [f"{first} shown to be faster", f"{second} shown to be faster", "not shown", "median"]
    legend_above(figure, [*handles, Line2D([], [], marker="|", color=INK, linestyle="", markersize=9)], texts)
    return figure


def _places(lines: Sequence[_Line]) -> tuple[dict[int, int], list[tuple[int, str]]]:
    """Return each line's place from above, and the places and texts of the pairs' headings."""
    places: dict[int, int] = {}
    headings: list[tuple[int, str]] = []
    several = len({line.pair.names for line in lines}) > 1
    place = 0
    for index, line in enumerate(lines):
        if several and (index == 0 or line.pair is not lines[index - 1].pair):
            headings.append((place, " against ".join(line.pair.names)))
            place += 1
        places[index] = place
        place += 1
    return places, headings


def _draw_strips(axes: Axes, strips: Sequence[tuple[Sequence[Match], float]], points: Points, most: int) -> None:
    """Draw the matches of each line at its y, those that show something apart from the others, and the medians."""
    groups: dict[str, list[tuple[float, float, int | None]]] = {"unshown": [], "first": [], "second": []}
    for matches, y in strips:
        for index, match in enumerate(thinned(matches, most)):
            shift = (
                (index * 0.618 % 1 - 0.5) * 0.55 if len(matches) > 1 else 0.0
            )  # spreads neighbours, the same each time
            name = "unshown" if not match.shown else "first" if match.ratio > 1 else "second"
            groups[name].append((match.ratio, y + shift, match.first["position"]))
    points.draw(axes, groups["unshown"], **_UNSHOWN)
    medians = [(tally(matches).median_ratio, y) for matches, y in strips if matches]
    segments(axes, [(x, y - 0.4, x, y + 0.4) for x, y in medians], color=INK, linewidth=1.6)
    for name, style in (("first", _FIRST), ("second", _SECOND)):  # what is shown is not hidden by a median
        points.draw(axes, groups[name], **style)


def _table(pairs: Sequence[Pair]) -> Table:
    rows = []
    for pair in pairs:
        groups: dict[tuple[str, str], list[Match]] = {}
        for match in pair.matches:
            operation, pattern = match.first["operation"] or "?", match.first["pattern"]
            task = f"Read, {pattern_text(pattern)}" if operation == "read" and pattern else operation.capitalize()
            family = codec_family(match.first["codec"] or "codec not named")
            groups.setdefault((task, family), []).append(match)
        rows += [_table_row(pair, "All cases", "", tally(pair.matches))]
        rows += [_table_row(pair, task, family, tally(found)) for (task, family), found in sorted(groups.items())]
    return Table(
        caption="Matched cases; in brackets those where it is shown. Ratio: time of the second ÷ time of the first",
        columns=["Pair", "Task", "Codecs", "Cases", "Median ratio", "First faster", "Second faster"],
        rows=rows,
    )


def _table_row(pair: Pair, task: str, family: str, counted: Tally) -> list[Cell]:
    return [
        Cell(text=" against ".join(pair.names)),
        Cell(text=task),
        Cell(text=family),
        Cell(text=count_text(counted.n)),
        Cell(text=times_text(counted.median_ratio)),
        Cell(text=f"{count_text(counted.first)} ({count_text(counted.first_shown)})"),
        Cell(text=f"{count_text(counted.second)} ({count_text(counted.second_shown)})"),
    ]
