"""Traces of a viewer picked from the results: which show the same image in the same views, and what each view is part of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from storebench.access import TracePattern, parse_pattern
from storebench.analysis import BASELINE
from storebench.errors import UsageError
from storebench.report.section import Story
from storebench.report.sections._rows import image_text, rows_at_home
from storebench.report.views import Record
from storebench.units import shape_text

MOST_SCENES: Final = 3
MOST_FORMATS: Final = 8
_NEEDED: Final = ("first_view_s", "frame_median_s", "frame_p95_s", "frame_max_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One setting's trace.

    Attributes
    ----------
    row : Record
        With the columns of its views.
    pattern : TracePattern
        What was replayed.
    phases : sequence of str
        What each view is part of.
    """

    row: Record
    pattern: TracePattern
    phases: Sequence[str]

    @property
    def has_levels(self) -> bool:
        """Whether smaller levels were read."""
        return not self.pattern.from0

    @property
    def kind(self) -> str:
        """The format, and whether it was read without levels."""
        return (self.row["format"] or "?") + ("" if self.has_levels else ", full resolution")

    @property
    def layout_text(self) -> str:
        """Library and layout, in a few words."""
        chunks, shards = self.row["chunk_shape"], self.row["shard_shape"]
        parts = [self.row["library"] or "?", shape_text(chunks) if chunks else "one piece"]
        return ", ".join(parts) + (f" in {shape_text(shards)}" if shards else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Traces that show the same parts of one image.

    Attributes
    ----------
    traces : sequence of Trace
        The fastest first.
    """

    traces: Sequence[Trace]

    @property
    def name(self) -> str:
        """Image and trace."""
        first = self.traces[0]
        return f"{image_text(first.row)}, {first.pattern.scene}"

    @property
    def best(self) -> list[Trace]:
        """The fastest trace of each format, with levels and without, those with levels first."""
        found: dict[str, Trace] = {}
        for trace in self.traces:
            found.setdefault(trace.kind, trace)
        return sorted(found.values(), key=lambda trace: not trace.has_levels)

    def fastest(self, *, has_levels: bool) -> Trace | None:
        """Return the fastest trace with levels, or without; the baseline is no storage to choose."""
        ranked = (trace for trace in self.traces if trace.row["backend"] != BASELINE)
        return next((trace for trace in ranked if trace.has_levels is has_levels), None)


def scenes(story: Story) -> list[Scene]:
    """Return the scenes of one place of measuring, that with the most traces first."""
    rows = rows_at_home(story, lambda row: row["operation"] == "read" and row["cache"] in (None, "warm"))
    groups: dict[tuple[object, ...], list[Trace]] = {}
    for trace in _traces(rows):
        row = trace.row
        key = (row["dataset"], row["shape"], row["dtype"], row["seed"], trace.pattern.scene)
        groups.setdefault(key, []).append(trace)
    found = [
        Scene(traces=sorted(members, key=lambda trace: (trace.row["median_s"], trace.row["position"])))
        for members in groups.values()
    ]
    return sorted(found, key=lambda scene: -len(scene.traces))


def _traces(rows: Iterable[Record]) -> Iterator[Trace]:
    for row in rows:
        pattern = _pattern(row["pattern"])
        known = row["shape"] and row["axes"] and row["frames_s"] and all(row[name] is not None for name in _NEEDED)
        if pattern is None or not known or len(row["shape"]) != len(row["axes"]):
            continue
        phases = pattern.phases(row["shape"], row["axes"], len(row["frames_s"]))
        if len(phases) == len(row["frames_s"]):
            yield Trace(row=row, pattern=pattern, phases=phases)


def _pattern(name: str | None) -> TracePattern | None:
    try:
        pattern = parse_pattern(name or "")
    except UsageError:
        return None
    return pattern if isinstance(pattern, TracePattern) else None
