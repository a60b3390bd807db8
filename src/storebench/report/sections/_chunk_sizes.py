"""Sizes of chunks against time, backend by backend: what the figure about chunk sizes is drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from storebench.report.byte_axis import byte_axis
from storebench.report.charts import pattern_text
from storebench.report.sections._families import ChunkFamily, chunk_families, volume
from storebench.report.style import log_axis
from storebench.report.views import Record, Setting, View
from storebench.units import bytes_axis_text, count_text, ratio_axis_text

MOST_FAMILIES: Final = 4
_MOST_READS: Final = 5
_WRITE: Final = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How large chunks are: in uncompressed bytes, or in voxels where the data type is not known.

    Attributes
    ----------
    item_bytes : int or None
        Bytes of one voxel.
    """

    item_bytes: int | None

    def size(self, setting: Setting) -> float:
        """Return the size of a setting's chunks."""
        return float(volume(setting.chunk_shape) * (self.item_bytes or 1))

    def text(self, size: float) -> str:
        """Write a size."""
        return bytes_axis_text(size) if self.item_bytes else f"{count_text(size)} voxels"

    def range_text(self, sizes: Sequence[float]) -> str:
        """Write the smallest and the largest of sizes."""
        low, high = self.text(min(sizes)), self.text(max(sizes))
        return low if low == high else f"{low} to {high}"

    @property
    def title(self) -> str:
        """What an axis shows."""
        return "Uncompressed bytes of a chunk" if self.item_bytes else "Voxels of a chunk"

    def axis(self, axes: Axes, sizes: Sequence[float]) -> None:
        """Give the x axis a log scale that fits."""
        if self.item_bytes:
            byte_axis(axes, sizes)
        else:
            log_axis(axes, sizes, ratio_axis_text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizePanel:
    """One access pattern, or the write.

    Attributes
    ----------
    task : str
        The pattern's name, or "write".
    lines : sequence of sequence of (float, Record)
        For each family chunk size and row, by size.
    equals : set of int
        Positions of the rows of the first family that are not shown to be slower than its fastest.
    """

    task: str
    lines: Sequence[Sequence[tuple[float, Record]]]
    equals: set[int]

    @property
    def title(self) -> str:
        """The panel's heading."""
        return "Write, whole image" if self.task == _WRITE else f"Read, {pattern_text(self.task)}"

    @property
    def words(self) -> str:
        """The task in a sentence."""
        return {_WRITE: "the write", "whole": "reading everything"}.get(self.task, pattern_text(self.task))

    @property
    def is_contest(self) -> bool:
        """Whether the first family has two rows to compare."""
        return len(self.lines[0]) > 1

    @property
    def shows(self) -> bool:
        """Whether some size is shown to be slower than the fastest."""
        return self.is_contest and len(self.equals) < len(self.lines[0])

    @property
    def best(self) -> dict[Any, float]:
        """Layouts that are not shown to be slower than the fastest, with their size."""
        return {
            (row["chunk_shape"], row["shard_shape"]): size
            for size, row in self.lines[0]
            if row["position"] in self.equals
        }


def size_panels(view: View, scale: Scale) -> tuple[list[SizePanel], list[ChunkFamily]]:
    """Return the panels, one per access pattern and one for the write, and the families of their lines."""
    families = _families(view)
    tasks = (*view.patterns[:_MOST_READS], _WRITE)
    panels = [_panel(view, families, task, scale) for task in tasks]
    return [panel for panel in panels if panel is not None], families


def item_bytes_of(dtype: str | None) -> int | None:
    """Return the bytes of one voxel; None where the type is not known."""
    try:
        return None if dtype is None else np.dtype(dtype).itemsize
    except TypeError:  # another tool's name of a type
        return None


def _families(view: View) -> list[ChunkFamily]:
    """Return the families of three sizes or more, or of two where there are no others; chunks in shards apart."""
    split = [part for family in chunk_families(view) for part in _by_sharding(family)]
    sized = [(family, len({volume(s.chunk_shape) for s in family.settings})) for family in split]
    least = min(3, max((n for _, n in sized), default=3))
    kept = [(family, n) for family, n in sized if n >= max(least, 2)]
    return [family for family, _ in sorted(kept, key=lambda item: -item[1])][:MOST_FAMILIES]


def _by_sharding(family: ChunkFamily) -> Iterator[ChunkFamily]:
    plain = [setting for setting in family.settings if setting.shard_shape is None]
    sharded = [setting for setting in family.settings if setting.shard_shape is not None]
    yield replace(family, settings=plain)
    yield replace(family, settings=sharded, extras=(*family.extras, "in shards"))


def _row(setting: Setting, task: str) -> Record | None:
    return setting.write if task == _WRITE else setting.reads.get(task)


def _panel(view: View, families: Sequence[ChunkFamily], task: str, scale: Scale) -> SizePanel | None:
    lines = [
        [(scale.size(setting), row) for setting in family.settings if (row := _row(setting, task)) is not None]
        for family in families
    ]
    if max(map(len, lines), default=0) < 2:
        return None
    return SizePanel(task=task, lines=lines, equals=view.equals(row for _, row in lines[0]))


def rows_by_task(
    panels: Sequence[SizePanel], families: Sequence[ChunkFamily]
) -> Iterator[tuple[ChunkFamily, Setting, dict[str, Record]]]:
    """Yield each setting of the families with its rows by task, where it has any."""
    for family in families:
        for setting in family.settings:
            rows = {panel.task: row for panel in panels if (row := _row(setting, panel.task)) is not None}
            if rows:
                yield family, setting, rows
