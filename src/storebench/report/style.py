"""How figures look, and how one's SVG becomes an element of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

INK: Final = "#1c2430"
MUTED: Final = "#5a6572"
FAINT: Final = "#c3cad2"
GRID: Final = "#e4e8ec"
PAPER: Final = "#fefefe"
SERIES: Final = ("#0b68b0", "#b4540a", "#0a7a5c", "#a83a7c", "#6650a8", "#7d6608", "#a1331f", "#4f5b66")
"""At least 4:1 on white; the page swaps each for a variable that is light on a dark background."""
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
"""A marker goes with each colour: colour alone would be lost in greyscale."""
SIZES: Final = (5.5, 5.0, 5.8, 5.0, 5.8, 6.5, 6.5, 8.5)
"""In points, by marker: equal sizes do not look equal."""

_VARIABLES: Final = {INK: "ink", MUTED: "muted", FAINT: "faint", GRID: "grid", PAPER: "paper"} | {
    colour: f"s{index}" for index, colour in enumerate(SERIES)
}
_SHARED_STYLES: Final = {
    "g": "fill:none;stroke:var(--grid);stroke-width:0.8",
    "f": "fill:none;stroke:var(--faint);stroke-width:0.8;stroke-linejoin:miter",
    "m": "font-size:8.5px;text-anchor:middle;fill:var(--muted)",
    "e": "font-size:8.5px;text-anchor:end;fill:var(--ink)",
    "s": "font-size:8.5px;text-anchor:start;fill:var(--ink)",
}
"""By class: what a page has a thousand of. Lines of grids end where their axes do, so they need not be cut there."""
PLOT_CSS: Final = "".join(f".plot .{name}{{{style}}}" for name, style in _SHARED_STYLES.items())
_RC: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "storebench",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a name with a dollar sign is a name
    "axes.formatter.use_mathtext": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "savefig.facecolor": "white",
}


def house_style() -> Any:
    """Return the context in which figures are drawn and saved."""
    return mpl.rc_context(_RC)


def log_axis(axes: Axes, values: Sequence[float], text: Any, *, which: str = "x", most: int = 5) -> None:
    """Give an axis a log scale that fits `values`, with round plain-text ticks.

    Parameters
    ----------
    axes : Axes
        What is changed.
    values : sequence of float
        Positive numbers that must fit.
    text : callable
        Turns a tick's number into text.
    which : str
        "x" or "y".
    most : int
        Ticks at most.
    """
    low, high = min(values) / 1.35, max(values) * 1.35
    if high / low < 5:  # a narrow log axis would make noise look like news
        middle = (low * high) ** 0.5
        low, high = middle / 2.3, middle * 2.3
    axis = getattr(axes, f"{which}axis")
    getattr(axes, f"set_{which}scale")("log")
    getattr(axes, f"set_{which}lim")(low, high)
    edge = (high / low) ** 0.04  # a text at the very edge would run into the neighbour's
    ticks = _round_numbers(low * edge, high / edge, most)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter([text(tick) for tick in ticks]))
    axis.set_minor_locator(NullLocator())


def _round_numbers(low: float, high: float, most: int) -> list[float]:
    """Return round numbers inside an interval: 1-2-5 steps, else 1-3, else powers of ten, else every n-th of them."""
    tens = [10.0**power for power in range(-12, 16)]
    choices = [[ten * digit for ten in tens for digit in digits] for digits in ((1, 2, 5), (1, 3), (1,))]
    choices += [tens[start::step] for step in (2, 3, 4, 6) for start in range(step)]
    inside = [[n for n in choice if low <= n <= high] for choice in choices]
    return next((ticks for ticks in inside if 2 <= len(ticks) <= most), inside[2] or inside[0][:1])


class _IdKeeper:
    """Renames ids that are used and drops the others; matplotlib writes a marker's definition, and its id, several times."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.left = dict(names)

    def __call__(self, match: re.Match[str]) -> str:
        name = self.left.pop(match[1], None)
        return "" if name is None else f' id="{name}"'


def _shortened(tag: re.Match[str]) -> str:
    """Cut what nobody sees from a tag: digits below a hundredth of a point, turns by nothing, the page's own font."""
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0])
    text = re.sub(r' transform="rotate\(-?0 [^"]*"|; font-family: [^;"]*|; stroke-linecap: square', "", text)
    if not text.startswith("<path"):
        return text
    text = re.sub(r"([MLQCz]) ?|\s+(?=[MLQCz\"])", r"\1", text)
    return re.sub(r"(M\S+ (\S+?))L(\S+?) \2(?=[M\"])", r"\1H\3", text)  # an interval lies level


def _hoisted(group: re.Match[str]) -> str:
    """Write the style that all points of a group share once, at the group."""
    styles = set(re.findall(r' style="[^"]*"', group[2]))
    if len(styles) != 1 or "style=" in group[1] or group[2].count("<use") == 1:
        return group[0]
    points = re.sub(r' style="[^"]*"', "", group[2])
    return f"{group[1].removesuffix('>')}{styles.pop()}>{points}"


def inline_svg(svg: str, name: str, label: str, *, keep: Sequence[str] = ()) -> str:
    """Turn matplotlib's SVG into an element of the page: own ids, the page's colours and fonts, a text alternative.

    Parameters
    ----------
    svg : str
        As saved.
    name : str
        Makes its ids unique on the page.
    label : str
        The finding, for those who do not see the picture.
    keep : sequence of str
        Ids that stay although nothing in the figure refers to them, as `<name>-<id>`: the page's script looks for them.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<!DOCTYPE.*?>", "", body, flags=re.DOTALL)
    body = re.sub(r"<[^>]+>", _shortened, body)
    body = re.sub(r"<g(?: [^>]*)?/>", "", body)
    body = re.sub(r"(<g\b[^>]*>)((?:\s*<use\b[^>]*/>)+)", _hoisted, body)
    used = {*re.findall(r'(?:href="|url\()#([\w-]+)', body), *keep}
    # matplotlib's ids are twelve digits, and there are thousands of them on a page; "name-2" may be another section
    ids = {old: f"{name}-{old}" if old in keep else f"{name}_{index}" for index, old in enumerate(sorted(used))}
    body = re.sub(r' id="([^"]+)"', _IdKeeper(ids), body)
    for _ in range(2):  # a tick is a group of a group: each that says nothing and holds one thing alone is left out
        body = re.sub(r"<g>\s*(<(?:path|use)\b[^>]*/>|<text\b[^>]*>[^<]*</text>)\s*</g>", r"\1", body)
    body = re.sub(r'xlink:href="#([\w-]+)"', lambda m: f'href="#{ids[m[1]]}"', body)
    body = re.sub(r"url\(#([\w-]+)\)", lambda m: f"url(#{ids[m[1]]})", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    body = re.sub(r"font: (\d[\d.]*px) [^;\"]*", r"font-size: \1", body).replace("#ffffff", "var(--paper)")
    body = re.sub(r'style="[^"]*"', lambda m: m[0].replace(": ", ":").replace("; ", ";"), body)
    body = re.sub(rf' clip-path="[^"]*" style="{re.escape(_SHARED_STYLES["g"])}"', ' class="g"', body)
    for shared, style in _SHARED_STYLES.items():
        body = body.replace(f'style="{style}"', f'class="{shared}"')
    box = re.search(r'viewBox="([^"]+)"', body)
    opening = f'<svg class="plot" viewBox="{box[1] if box else "0 0 1 1"}" role="img" aria-label="{escape(label)}">'
    return re.sub(r"\n\s*", "\n", re.sub(r"<svg[^>]*>", lambda _: opening, body, count=1))
