"""The reads of a story whose voxels geometry can count: measured ones with their time, and commands for those that are not."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from storebench.access import Target, parse_pattern
from storebench.errors import UsageError
from storebench.grid import Region, Shape
from storebench.report.charts import pattern_text
from storebench.report.views import Record, Setting, View
from storebench.report.voxels import (
    CHAPTER_CHUNKS,
    CHAPTER_PATTERN,
    CHAPTER_REGION,
    CHAPTER_SEED,
    CHAPTER_SHAPE,
    ReadCost,
    read_cost,
)

MOST_READS: Final = 96
FREE_COMMAND: Final = "storebench measure random --backend zarr3-zarrpython"
"""Measures an image of any shape; its shape, chunks and pattern follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRead:
    """A read that was measured, and what geometry says of it.

    Attributes
    ----------
    setting : Setting
        How the image is stored.
    row : Record
        Its row.
    cost : ReadCost
        Voxels asked and decoded: those of the row, or it would not be here.
    """

    setting: Setting
    row: Record
    cost: ReadCost

    @property
    def key(self) -> str:
        """Image, region and chunks, as the page's script writes them to look a read up."""
        return f"{extent_text(self.cost.shape)} {self.cost.region} {extent_text(self.cost.chunk_shape)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A read to choose on the page, with chunk shapes.

    Attributes
    ----------
    label : str
        What is read.
    shape : tuple of int
        The image, voxels.
    region : Region
        What is asked for.
    command, pattern : str
        The command that measures it is `command --chunks … --pattern pattern`.
    chunk_shapes : sequence of tuple of int
        Chunks to choose.
    """

    label: str
    shape: Shape
    region: Region
    command: str
    pattern: str
    chunk_shapes: Sequence[Shape]


def extent_text(shape: Shape) -> str:
    """Write a shape as the options of the command line take it, as in "64,64,64"."""
    return ",".join(map(str, shape))


def measured_reads(views: Sequence[View]) -> list[MeasuredRead]:
    """Return the reads of the first view, those of the library and codec with the most chunk shapes first, and the chapter's own.

    Only reads of full resolution, in chunks, whose own counts of voxels are those of the geometry: what a library decodes in
    other units is not for these pictures.
    """
    reads = [*_families(views[0])] if views else []
    for view in views:
        if view.shape == CHAPTER_SHAPE:
            reads += [read for read in _reads(view, view.settings) if read.cost.region == CHAPTER_REGION]
    return list({read.row["position"]: read for read in reads}.values())


def _families(view: View) -> Iterator[MeasuredRead]:
    groups: dict[tuple[str, str, tuple[str, ...]], list[Setting]] = {}
    for setting in view.settings:
        groups.setdefault((setting.backend, setting.codec, setting.extras), []).append(setting)
    by_shapes = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    for _, settings in by_shapes:
        settings.sort(
            key=lambda s: (math.prod(s.chunk_shape or ()), s.chunk_shape or (), math.prod(s.shard_shape or ()))
        )
        yield from _reads(view, settings)


def _reads(view: View, settings: Iterable[Setting]) -> Iterator[MeasuredRead]:
    for setting in settings:
        for pattern in view.patterns:
            row = setting.reads.get(pattern)
            cost = None if row is None else _cost(row)
            if row is not None and cost is not None:
                yield MeasuredRead(setting=setting, row=row, cost=cost)


def _cost(row: Record) -> ReadCost | None:
    region = _region(row)
    if region is None or row["chunk_shape"] is None:
        return None
    try:
        cost = read_cost(row["shape"], row["chunk_shape"], region)
    except UsageError:  # another tool's row, with other axes
        return None
    return cost if (cost.asked, cost.decoded) == (row["voxels_asked"], row["voxels_decoded"]) else None


def _region(row: Record) -> Region | None:
    """Return what a row reads of full resolution; None where its pattern or its image is not known."""
    shape, axes = row["shape"], row["axes"]
    if shape is None or axes is None or len(shape) != len(axes):
        return None
    try:
        pattern = parse_pattern(row["pattern"] or "whole")
        requests = pattern.requests(Target((shape,), axes), row["seed"] or 0)
    except UsageError:
        return None
    return requests[0].region if len(requests) == 1 else None


def presets(reads: Sequence[MeasuredRead], view: View | None) -> list[Preset]:
    """Return the chapter's two reads, and every measured read with every measured chunk shape of the view.

    Parameters
    ----------
    reads : sequence of MeasuredRead
        From `measured_reads`.
    view : View or None
        Whose reads they are.
    """
    command = f"storebench measure random --shape {extent_text(CHAPTER_SHAPE)} --seed {CHAPTER_SEED} --backend zarr3-zarrpython"
    chapter = Preset(
        label="The chapter's cube of 2x2x2",
        shape=CHAPTER_SHAPE,
        region=CHAPTER_REGION,
        command=command,
        pattern=CHAPTER_PATTERN,
        chunk_shapes=CHAPTER_CHUNKS,
    )
    own = [read for read in reads if view is not None and _is_of(read, view)]
    chunk_shapes = sorted({read.cost.chunk_shape for read in own}, key=lambda shape: (math.prod(shape), shape))
    by_region: dict[Region, MeasuredRead] = {}
    for read in own:
        by_region.setdefault(read.cost.region, read)
    return [chapter, *(_preset(read, chunk_shapes) for read in by_region.values())]


def _is_of(read: MeasuredRead, view: View) -> bool:
    """Tell whether a read is of the view's image, can be measured again by a command, and has axes that the script can name."""
    row, axes = read.row, "tczyx"[-len(read.cost.shape) :]
    is_ours = row["backend"] is not None and row["codec"] is not None
    return is_ours and (row["dataset"], read.cost.shape, row["axes"]) == (view.dataset, view.shape, axes)


def _preset(read: MeasuredRead, chunk_shapes: Sequence[Shape]) -> Preset:
    pattern = read.row["pattern"] or "whole"
    return Preset(
        label=f"{read.row['dataset'] or 'image'}: {pattern_text(pattern)}",
        shape=read.cost.shape,
        region=read.cost.region,
        command=_command(read.row),
        pattern=pattern,
        chunk_shapes=chunk_shapes,
    )


def _command(row: Mapping[str, object]) -> str:
    """Return the command that measures a row's image again, without chunks and pattern."""
    words = ["storebench", "measure", str(row["dataset"] or "FILE")]
    if row["seed"] is not None:  # a file knows its shape and type
        shape = ",".join(str(n) for n in row["shape"] or ())  # type: ignore[attr-defined]
        words += ["--shape", shape, "--dtype", str(row["dtype"]), "--seed", str(row["seed"])]
    words += ["--backend", str(row["backend"]), "--codec", str(row["codec"])]
    if row["cache"] not in (None, "warm"):
        words += ["--cache", str(row["cache"])]
    return shlex.join(words)
