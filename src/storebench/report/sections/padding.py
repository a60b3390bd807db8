"""What edge chunks cost: they are stored whole, and without compression their padding is stored too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from storebench.report.charts import view_text
from storebench.report.figures import MOST_POINTS, WIDTH, Points, legend_above, thinned
from storebench.report.section import Section, Story, Studio
from storebench.report.sections._families import ChunkFacts, chunk_facts
from storebench.report.style import INK, SERIES
from storebench.report.tables import Cell, Table
from storebench.report.views import Record, Setting, View
from storebench.units import bytes_text, count_text, ratio_text, times_text

_LEAST: Final = 1.001
"""Padding that is worth a picture."""
_TOLERANCE: Final = 0.005
"""Metadata beside the chunks: so far may stored bytes lie from what padding alone makes."""
_MOST_ROWS: Final = 60
_PLAIN: Final[dict[str, Any]] = {"marker": "o", "color": SERIES[0], "markersize": 5.5}
_COMPRESSED: Final[dict[str, Any]] = {
    "marker": "^",
    "color": "none",
    "markeredgecolor": SERIES[1],
    "markeredgewidth": 1.0,
    "markersize": 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """One chunked setting.

    Attributes
    ----------
    setting : Setting
        Which one.
    facts : ChunkFacts
        Of its chunk grid.
    size : float
        Bytes stored ÷ bytes of the image.
    position : int
        Of the row that holds the size.
    """

    setting: Setting
    facts: ChunkFacts
    size: float
    position: int

    @property
    def product(self) -> float:
        """Compression ratio × padding factor: 1 where padding alone makes the size."""
        return self.facts.padding / self.size


def make(story: Story, studio: Studio) -> Iterator[Section]:
    """Yield the section; nothing where no uncompressed setting has chunks that pad, or the image's shape is not known."""
    view = story.view
    stored = sorted(_stored(view), key=lambda s: (s.facts.padding, s.setting.label))
    plain = [s for s in stored if s.setting.codec == "none"]
    if max((s.facts.padding for s in plain), default=1.0) < _LEAST:
        return
    compressed = [s for s in stored if s.setting.codec != "none"]
    finding, points = _finding(plain), Points()
    data = [
        {
            "setting": s.setting.label,
            "n_chunks": s.facts.n_chunks,
            "padding_factor": s.facts.padding,
            "compression_ratio": 1 / s.size,
            "ratio_times_padding": s.product,
            "stored_bytes": s.setting.fact("stored_bytes"),
        }
        for s in stored
    ]
    svg, files = studio.save(_draw(plain, compressed, points), "padding", finding, data, groups=list(points.rows))
    yield Section(
        name="padding",
        short="Padding",
        finding=finding,
        about=(
            "Across: voxels of all chunks ÷ voxels of the image; up: bytes stored ÷ bytes of the image. On the line padding alone "
            f"makes the size; in compressed chunks it all but vanishes. {view_text(view)}."
        ),
        svg=svg,
        files=files,
        tables=[_table(plain)],
        points=points.rows,
    )


def _stored(view: View) -> Iterator[_Stored]:
    for setting in view.settings:
        facts = chunk_facts(view.shape, setting.chunk_shape)
        row = _sized_row(setting)
        # what a shard stores of chunks that lie outside the image is the library's choice
        if facts is not None and row is not None and setting.standing == "" and setting.shard_shape is None:
            yield _Stored(setting=setting, facts=facts, size=1 / row["compression_ratio"], position=row["position"])


def _sized_row(setting: Setting) -> Record | None:
    """Return the row that says how large the store is; one with levels holds more than the image."""
    rows = [row for row in (setting.write, *setting.reads.values()) if row is not None and row["compression_ratio"]]
    return next((row for row in rows if row["n_levels"] in (None, 1)), None)


def _finding(plain: Sequence[_Stored]) -> str:
    padded = [s for s in plain if s.facts.padding >= _LEAST]
    exact = [s for s in padded if abs(s.product - 1) <= _TOLERANCE]
    worst = max(padded, key=lambda s: s.facts.padding)
    if len(exact) == len(padded):
        which = "the one setting" if len(padded) == 1 else f"all {len(padded)} settings"
        return (
            f"Without compression edge chunks are stored padded: ratio times padding is 1.00 for {which}, "
            f"up to {times_text(worst.facts.padding)} the bytes"
        )
    if not exact:
        return f"Padding of edge chunks is not stored: no uncompressed setting of {len(padded)} takes the bytes it would add"
    return f"Padding alone makes the size of {len(exact)} of {len(padded)} uncompressed settings"


def _draw(plain: Sequence[_Stored], compressed: Sequence[_Stored], points: Points) -> Figure:
    """Draw stored size over padding factor: the diagonal is padding alone."""
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.subplots()
    top = max(s.facts.padding for s in (*plain, *compressed)) * 1.02
    axes.plot([1, top], [1, top], color=INK, linewidth=0.9)
    for members, style in ((compressed, _COMPRESSED), (plain, _PLAIN)):
        shown = thinned(members, MOST_POINTS // 2)
        points.draw(axes, [(s.facts.padding, s.size, s.position) for s in shown], **style)
    axes.set_xlim(1 - (top - 1) * 0.03, top)
    axes.set_ylim(0, None)
    axes.set_xlabel("Padding: voxels of all chunks ÷ voxels of the image")
    axes.set_ylabel("Bytes stored ÷ bytes of the image")
    styles = [_PLAIN, *([_COMPRESSED] if compressed else [])]
    handles = [Line2D([], [], **({"linestyle": ""} | style)) for style in styles]
    texts = ["no compression", "compressed, lossless"][: len(handles)]
    legend_above(figure, [*handles, Line2D([], [], color=INK, linewidth=0.9)], [*texts, "padding alone"])
    return figure


def _table(plain: Sequence[_Stored]) -> Table:
    shown = thinned(plain, _MOST_ROWS)
    left_out = f"; {len(shown)} of {len(plain)}" if len(shown) < len(plain) else ""
    return Table(
        caption=f"Uncompressed chunked settings{left_out}",
        columns=["Setting", "Chunks", "Padding", "Ratio", "Ratio × padding", "Size"],
        rows=[
            [
                Cell(text=s.setting.label),
                Cell(text=count_text(s.facts.n_chunks)),
                Cell(text=ratio_text(s.facts.padding)),
                Cell(text=ratio_text(1 / s.size)),
                Cell(text=ratio_text(s.product)),
                Cell(text=bytes_text(s.setting.fact("stored_bytes"))),
            ]
            for s in shown
        ],
    )
