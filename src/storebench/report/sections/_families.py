"""Settings that differ in their chunks alone: what the figures about chunk shapes are drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storebench.grid import Shape, grid_shape
from storebench.report.charts import MOST_PATTERNS
from storebench.report.views import Setting, View


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkFamily:
    """Settings that differ in their chunks alone, everything else equal.

    Attributes
    ----------
    backend, codec : str
        The same for all.
    extras : tuple of str
        What else all have in common, as in `Setting`.
    settings : sequence of Setting
        One per layout, small chunks first.
    """

    backend: str
    codec: str
    extras: tuple[str, ...]
    settings: Sequence[Setting]

    @property
    def label(self) -> str:
        """What all have in common, in one line."""
        return " ".join((self.backend, self.codec, *self.extras))


def chunk_families(view: View) -> list[ChunkFamily]:
    """Return the families of two or more layouts, the one with the most first."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Setting]] = {}
    for setting in view.settings:
        if setting.chunk_shape is not None:
            groups.setdefault((setting.backend, setting.codec, setting.extras), []).append(setting)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        ChunkFamily(backend=backend, codec=codec, extras=extras, settings=sorted(members, key=_size))
        for (backend, codec, extras), members in ordered
        if len(members) > 1
    ]


def _size(setting: Setting) -> tuple[int, Shape, int]:
    return volume(setting.chunk_shape), setting.chunk_shape or (), volume(setting.shard_shape)


def volume(shape: Shape | None) -> int:
    """Return the number of voxels of a box; 0 for none."""
    return 0 if shape is None else math.prod(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkFacts:
    """What follows from an image's shape and a chunk's: chunks at the edges are stored whole.

    Attributes
    ----------
    n_chunks : int
        Chunks of the whole image.
    padding : float
        Voxels of all chunks ÷ voxels of the image, 1 or more.
    """

    n_chunks: int
    padding: float


def chunk_facts(shape: Shape | None, chunk_shape: Shape | None) -> ChunkFacts | None:
    """Return a chunk grid's facts; None where a shape is not known or the two do not fit."""
    if shape is None or chunk_shape is None or len(shape) != len(chunk_shape):
        return None
    n_chunks = math.prod(grid_shape(shape, chunk_shape))
    return ChunkFacts(n_chunks=n_chunks, padding=n_chunks * volume(chunk_shape) / volume(shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkChart:
    """Chunk shape × access pattern of one family.

    Attributes
    ----------
    family : ChunkFamily
        The one read with the most layouts.
    patterns : sequence of str
        Those read.
    best : mapping of str to Setting or None
        By pattern, the layout with the lowest median; None where fewer than two were measured.
    equals : mapping of str to set of int
        By pattern, positions of the rows that are not shown to be slower than the fastest.
    """

    family: ChunkFamily
    patterns: Sequence[str]
    best: Mapping[str, Setting | None]
    equals: Mapping[str, set[int]]

    @property
    def settings(self) -> Sequence[Setting]:
        """One per layout, small chunks first."""
        return self.family.settings

    @property
    def subject(self) -> str:
        """What is the same throughout, in words."""
        extras = "".join(f", {extra}" for extra in self.family.extras)
        return f"{self.family.backend} with {self.family.codec}{extras}"

    def times_best(self, setting: Setting, pattern: str) -> float | None:
        """How many times longer a layout takes than the best one."""
        best = self.best[pattern]
        if best is None or pattern not in setting.reads:
            return None
        return float(setting.reads[pattern]["median_s"] / best.reads[pattern]["median_s"])


def chunk_chart(view: View) -> ChunkChart | None:
    """Pick the backend and codec read with the most chunk shapes; None where none was read with two."""
    read = []
    for family in chunk_families(view):
        settings = [setting for setting in family.settings if setting.reads]
        if len(settings) > 1:
            read.append(
                ChunkFamily(backend=family.backend, codec=family.codec, extras=family.extras, settings=settings)
            )
    if not read:
        return None
    family = min(read, key=lambda f: (-len(f.settings), f.label))
    patterns = [name for name in view.patterns[:MOST_PATTERNS] if any(name in s.reads for s in family.settings)]
    read_by = {name: [s for s in family.settings if name in s.reads] for name in patterns}
    return ChunkChart(
        family=family,
        patterns=patterns,
        best={
            name: min(members, key=lambda s: s.reads[name]["median_s"]) if len(members) > 1 else None
            for name, members in read_by.items()
        },
        equals={name: view.equals(s.reads[name] for s in members) for name, members in read_by.items()},
    )
