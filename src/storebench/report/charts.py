"""What each figure shows, and its finding in one sentence: picked from a view, drawn in figures.py, written in tables.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storebench.analysis import pareto_front
from storebench.grid import Shape
from storebench.report.views import Record, Setting, View
from storebench.units import seconds_text, shape_text, times_text

MOST_PATTERNS = 8
Layout = tuple[Shape, Shape | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatPanel:
    """Reads of one access pattern.

    Attributes
    ----------
    pattern : str
        Its name.
    by_backend : mapping of str to sequence of Setting
        For each backend all its settings, the fastest first; lossy ones behind the lossless.
    equals : set of int
        Positions of the ranked rows that are not shown to be slower than the fastest.
    """

    pattern: str
    by_backend: Mapping[str, Sequence[Setting]]
    equals: set[int]

    @property
    def winner(self) -> str | None:
        """The backend with the lowest median among those that are ranked."""
        return next((name for name, setting in self.ranked if not setting.standing), None)

    @property
    def ranked(self) -> list[tuple[str, Setting]]:
        """Backends with their fastest setting, the fastest first."""
        firsts = [(name, settings[0]) for name, settings in self.by_backend.items()]
        return sorted(firsts, key=lambda item: (item[1].reads[self.pattern]["median_s"], item[0]))

    @property
    def leaders(self) -> list[str]:
        """The ranked backends that are not shown to be slower than the winner, the winner first."""
        return [name for name, s in self.ranked if not s.standing and s.reads[self.pattern]["position"] in self.equals]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatChart:
    """Format × access pattern."""

    panels: Sequence[FormatPanel]
    backends: Sequence[str]
    finding: str


def format_chart(view: View) -> FormatChart | None:
    """Pick what the first figure shows; None where nothing was read."""
    panels = []
    for pattern in view.patterns[:MOST_PATTERNS]:
        groups: dict[str, list[Setting]] = {}
        read = [setting for setting in view.settings if pattern in setting.reads]
        for setting in sorted(read, key=lambda s: (s.standing == "lossy", s.reads[pattern]["median_s"], s.label)):
            groups.setdefault(setting.backend, []).append(setting)
        equals = view.equals(group[0].reads[pattern] for group in groups.values() if not group[0].standing)
        panels.append(FormatPanel(pattern=pattern, by_backend=groups, equals=equals))
    if not panels:
        return None
    # best first in the first panel; those it lacks behind
    names = dict.fromkeys(name for panel in panels for name, _ in panel.ranked)
    return FormatChart(panels=panels, backends=list(names), finding=_format_finding(panels))


def _format_finding(panels: Sequence[FormatPanel]) -> str:
    """Say who is fastest how often; the baseline and lossy settings do not compete, as in the verdicts."""
    contests = [panel for panel in panels if sum(not setting.standing for _, setting in panel.ranked) > 1]
    if not contests:
        name, setting = panels[0].ranked[0]
        time = seconds_text(setting.reads[panels[0].pattern]["median_s"])
        return f"{name}: {pattern_text(panels[0].pattern)} takes {time} at best"
    n_contests = len(contests)
    leading = Counter(name for panel in contests for name in panel.leaders)
    (first, wins), *_ = sorted(leading.items(), key=lambda item: (-item[1], item[0]))
    alone = sum(panel.leaders == [first] for panel in contests)
    if alone == n_contests:
        return f"{first} is fastest for " + (
            f"all {alone} access patterns" if alone > 1 else pattern_text(contests[0].pattern)
        )
    if alone == wins:
        return f"No format wins every access pattern: {first} is fastest for {wins} of {n_contests}"
    level = sorted(name for name, count in leading.items() if count == wins)
    names = ", ".join(level[:4]) + (f" and {len(level) - 4} more" if len(level) > 4 else "")
    verb = "leads or ties" if len(level) == 1 else "lead or tie"
    return f"No single format is fastest: {names} {verb} in {wins} of {n_contests} access patterns"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePanel:
    """Compression ratio against one time.

    Attributes
    ----------
    label : str
        Which time.
    points : sequence of (Setting, Record)
        Settings with the row that holds the time, the fastest first.
    front : sequence of Setting
        Lossless ones that no other lossless one beats on both, the fastest first.
    """

    label: str
    points: Sequence[tuple[Setting, Record]]
    front: Sequence[Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeChart:
    """Compression ratio against write time and against read time."""

    panels: Sequence[TradePanel]
    families: Sequence[str]
    n_families: int
    finding: str


def codec_family(codec: str) -> str:
    """Return a codec's name without level and shuffle: what shares a colour and a marker."""
    base = codec.removesuffix("+crc32c").split("-")
    return "-".join(base[:2]) if base[0] in ("blosc", "jp2") else base[0]


def trade_chart(view: View, *, most_families: int = 8) -> TradeChart | None:
    """Pick what the second figure shows; None where no setting has both a time and a ratio."""
    reads = next(iter(view.patterns), None)
    panels = [
        _trade_panel("Write, whole image", [(s, s.write) for s in view.settings]),
        _trade_panel(f"Read, {reads}", [(s, s.reads.get(reads or "")) for s in view.settings]),
    ]
    shown = [panel for panel in panels if panel is not None]
    if not shown:
        return None
    counts = Counter(codec_family(s.codec) for panel in shown for s, _ in panel.points)
    families = [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    counted = [(panel, sum(setting.standing != "lossy" for setting, _ in panel.points)) for panel in shown]
    words = [f"{len(panel.front)} of {count} for the {panel.label.split(',')[0].lower()}" for panel, count in counted]
    finding = "Lossless settings that no other beats on both size and time: " + ", ".join(words)
    return TradeChart(panels=shown, families=families[:most_families], n_families=len(families), finding=finding)


def _trade_panel(label: str, rows: Sequence[tuple[Setting, Record | None]]) -> TradePanel | None:
    points = [(s, row) for s, row in rows if row is not None and (s.fact("compression_ratio") or 0) > 0]
    points.sort(key=lambda point: (point[1]["median_s"], point[0].label))
    if not points:
        return None
    lossless = [(s, row) for s, row in points if s.standing != "lossy"]
    front = pareto_front([row["median_s"] for _, row in lossless], [s.fact("compression_ratio") for s, _ in lossless])
    return TradePanel(label=label, points=points, front=[lossless[index][0] for index in front])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkChart:
    """Chunk shape × access pattern, everything else equal.

    Attributes
    ----------
    backend, codec : str
        The same for all.
    settings : sequence of Setting
        One per layout, small chunks first.
    patterns : sequence of str
        Those read.
    equals : mapping of str to set of int
        By pattern, positions of the rows that are not shown to be slower than the fastest.
    """

    backend: str
    codec: str
    settings: Sequence[Setting]
    patterns: Sequence[str]
    equals: Mapping[str, set[int]]

    def best(self, pattern: str) -> Setting | None:
        """The layout with the lowest median for a pattern; None where fewer than two were measured."""
        read = [setting for setting in self.settings if pattern in setting.reads]
        return min(read, key=lambda s: s.reads[pattern]["median_s"]) if len(read) > 1 else None

    def times_best(self, setting: Setting, pattern: str) -> float | None:
        """How many times longer a layout takes than the best one."""
        best = self.best(pattern)
        if best is None or pattern not in setting.reads:
            return None
        return float(setting.reads[pattern]["median_s"] / best.reads[pattern]["median_s"])

    @property
    def finding(self) -> str:
        """The heading of the heat map."""
        winners = [
            setting.layout_text
            for setting in self.settings
            if all(p in setting.reads and setting.reads[p]["position"] in self.equals[p] for p in self.patterns)
        ]
        if winners:
            return f"Chunks of {' or '.join(winners[:3])} are not shown to be slower than others in any access pattern"
        worst = max((self.times_best(s, p) or 1.0, s.layout_text, p) for s in self.settings for p in self.patterns)
        return (
            "No chunk shape wins every access pattern: the wrong one costs up to "
            f"{times_text(worst[0])} ({worst[1]} for {pattern_text(worst[2])})"
        )

    @property
    def amplification_finding(self) -> str:
        """The heading of the read amplification: the pattern on which decoding too much costs the most time."""
        spreads = []
        for pattern in (name for name in self.patterns if name != "whole"):
            rows = [(s.reads[pattern], s.layout_text) for s in self.settings if pattern in s.reads]
            known = sorted(
                (row["median_s"], row["read_amplification"], name) for row, name in rows if row["read_amplification"]
            )
            if len(known) > 1 and known[-1][1] > known[0][1]:
                spreads.append((known[-1][0] / known[0][0], pattern, known[-1], known[0]))
        if not spreads:
            return "No access pattern was slower because more voxels were decoded"
        _, pattern, slowest, fastest = max(spreads)
        parts = [
            f"chunks of {layout} decode {times_text(amplification)} the voxels asked for and take {seconds_text(median_s)}"
            for median_s, amplification, layout in (slowest, fastest)
        ]
        name = pattern_text(pattern)
        return f"{name[0].upper()}{name[1:]}: {parts[0]}; {parts[1].replace(' the voxels asked for', '')}"


def chunk_chart(view: View) -> ChunkChart | None:
    """Pick the backend and codec measured with the most chunk shapes; None where none has two."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Setting]] = {}
    for setting in view.settings:
        if setting.chunk_shape is not None and setting.reads:
            groups.setdefault((setting.backend, setting.codec, setting.extras), []).append(setting)
    if not groups:
        return None
    (backend, codec, _), members = min(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    if len(members) < 2:
        return None
    members.sort(key=lambda s: (_volume(s.chunk_shape), s.chunk_shape, _volume(s.shard_shape)))
    patterns = [name for name in view.patterns[:MOST_PATTERNS] if any(name in s.reads for s in members)]
    equals = {name: view.equals(s.reads.get(name) for s in members) for name in patterns}
    return ChunkChart(backend=backend, codec=codec, settings=members, patterns=patterns, equals=equals)


def _volume(shape: Shape | None) -> int:
    product = 1
    for extent in shape or ():
        product *= extent
    return product


def pattern_text(pattern: str) -> str:
    """Write an access pattern's name for people: "plane_xz" as "XZ plane"."""
    if pattern.startswith("plane_"):
        return f"{pattern.removeprefix('plane_').upper()} plane"
    return pattern.replace("_", " ")


def view_text(view: View) -> str:
    """Name a view in one line."""
    parts = [view.dataset or "?", shape_text(view.shape), view.dtype or ""]
    return " ".join(part for part in parts if part)


def terms_text(view: View) -> str:
    """Say of which image, and in which state of the cache, the reads of a view are."""
    return f"{view_text(view)}, {view.cache or 'unknown'} cache."
