"""The section "Why chunks matter": what the page shows of the chapter's pictures, and of the reads that were measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from storebench.grid import Region
from storebench.report.charts import pattern_text, terms_text
from storebench.report.chunk_shapes import CHAPTER_CUTS, ChunkPicture, chunk_picture, chunk_svg
from storebench.report.section import FileLink, Story, Studio
from storebench.report.tables import Cell, time_cell
from storebench.report.views import View
from storebench.report.voxel_figures import draw_chunk_shapes, draw_reads
from storebench.report.voxel_reads import (
    FREE_COMMAND,
    MOST_READS,
    MeasuredRead,
    Preset,
    extent_text,
    measured_reads,
    presets,
)
from storebench.report.voxels import CHAPTER_CHUNKS, CHAPTER_REGION, CHAPTER_SHAPE, ReadCost, read_cost, read_svg
from storebench.results.settings import PLACE
from storebench.units import MISSING, bytes_text, count_text, shape_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One line beside a picture: a name, a count as text, and how long its bar is (per cent of what was decoded)."""

    name: str
    role: str
    text: str
    bar: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPicture:
    """A read: picture, finding, numbers."""

    chunks: str
    svg: Markup
    sentence: str
    numbers: Sequence[Number]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPicture:
    """An image in chunks: picture and what it shows."""

    svg: Markup
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLine:
    """A measured read as a row of a table; `key` is what the page's script looks up."""

    key: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxelSection:
    """Everything that the template writes.

    Attributes
    ----------
    finding, about : str
        Of the chapter's reads.
    reads : sequence of ReadPicture
        The chapter's.
    cut_finding : str
        Of the chunk pictures.
    cuts : sequence of CutPicture
        The chapter's image in chunks of several shapes.
    presets : sequence of Preset
        To choose from on the page.
    free_command : str
        Begins the command that measures an image of any shape.
    measured_finding, terms, compared : str
        Of the measured reads; of which image, on which terms; by which library and codec the finding goes.
    measured : sequence of ReadLine
        The reads, at most `MOST_READS`.
    n_measured : int
        Of how many.
    files, cut_files : sequence of FileLink
        The two figures for papers, with their numbers.
    """

    finding: str
    about: str
    reads: Sequence[ReadPicture]
    cut_finding: str
    cuts: Sequence[CutPicture]
    presets: Sequence[Preset]
    free_command: str
    measured_finding: str
    terms: str
    compared: str
    measured: Sequence[ReadLine]
    n_measured: int
    files: Sequence[FileLink]
    cut_files: Sequence[FileLink]


def make_voxels(story: Story, studio: Studio) -> VoxelSection:
    """Pick, draw and save everything that the section shows.

    Parameters
    ----------
    story : Story
        What was measured; the section is there without it too.
    studio : Studio
        Saves the figures `voxels` and `chunk-shapes`.
    """
    costs = [read_cost(CHAPTER_SHAPE, chunk_shape, CHAPTER_REGION) for chunk_shape in CHAPTER_CHUNKS]
    pictures = [chunk_picture(CHAPTER_SHAPE, chunk_shape) for chunk_shape in CHAPTER_CUTS]
    view = story.views[0] if story.views else None
    reads = measured_reads(story.views)
    decoded = " or ".join(count_text(cost.decoded) for cost in costs)
    finding = f"You asked for {count_text(costs[0].asked)} voxels; the computer decoded {decoded}"
    numbers = " or ".join(", ".join(count_text(picture.n_chunks) for picture in pictures).rsplit(", ", 1))
    cut_finding = f"The same image of {shape_text(CHAPTER_SHAPE)} voxels in {numbers} chunks"
    _, files = studio.save(draw_reads(costs), "voxels", finding, [_facts(cost) for cost in costs])
    _, cut_files = studio.save(
        draw_chunk_shapes(pictures), "chunk-shapes", cut_finding, [_cut_facts(picture) for picture in pictures]
    )
    return VoxelSection(
        finding=finding,
        about=f"The same {count_text(costs[0].asked)} voxels of the same image of {shape_text(CHAPTER_SHAPE)} voxels. A chunk is "
        "the smallest piece that can be decoded alone, so every chunk that is touched is decoded whole.",
        reads=[read_picture(cost) for cost in costs],
        cut_finding=cut_finding,
        cuts=[CutPicture(svg=Markup(chunk_svg(p)), sentence=p.sentence) for p in pictures],  # noqa: S704 (as below)
        presets=presets(reads, view),
        free_command=FREE_COMMAND,
        measured_finding=measured_finding(reads, view),
        terms="" if view is None else terms_text(view),
        compared=_setting_text(reads[0]) if reads else "",
        measured=[_line(read) for read in reads[:MOST_READS]],
        n_measured=len(reads),
        files=files,
        cut_files=cut_files,
    )


def read_picture(cost: ReadCost) -> ReadPicture:
    """Return a read with its picture and its numbers."""
    voxels = (
        ("Requested", "asked", cost.asked),
        ("Decoded", "decoded", cost.decoded),
        ("Wasted", "wasted", cost.wasted),
        ("of which padding", "padding", cost.padding),
    )
    lines = [
        Number(name=name, role=role, text=count_text(n), bar=n * 1000 // cost.decoded / 10) for name, role, n in voxels
    ]
    return ReadPicture(
        chunks=shape_text(cost.chunk_shape),
        svg=Markup(read_svg(cost)),  # noqa: S704 (shapes and whole numbers: nothing in them needs escaping)
        sentence=cost.sentence,
        numbers=[*lines, Number(name="Chunks", role="chunks", text=count_text(cost.chunks))],
    )


def _facts(cost: ReadCost) -> dict[str, str | int]:
    return {
        "shape": extent_text(cost.shape),
        "chunk_shape": extent_text(cost.chunk_shape),
        "region": str(cost.region),
        "n_chunks": cost.n_chunks,
        "chunks_touched": cost.chunks,
        "voxels_asked": cost.asked,
        "voxels_decoded": cost.decoded,
        "voxels_wasted": cost.wasted,
        "voxels_padding": cost.padding,
    }


def _cut_facts(picture: ChunkPicture) -> dict[str, str | int]:
    return {
        "shape": extent_text(picture.shape),
        "chunk_shape": extent_text(picture.chunk_shape),
        "n_chunks": picture.n_chunks,
        "image_voxels": math.prod(picture.shape),
        "stored_voxels": picture.stored_voxels,
    }


def _line(read: MeasuredRead) -> ReadLine:
    row, cost, setting = read.row, read.cost, read.setting
    cells = (
        Cell(text=setting.layout_text, detail=_setting_text(read)),
        Cell(text=pattern_text(row["pattern"] or "whole"), detail=str(cost.region)),
        Cell(text=count_text(cost.asked)),
        Cell(
            text=count_text(cost.decoded), detail=f"in {count_text(cost.chunks)} chunk{'' if cost.chunks == 1 else 's'}"
        ),
        Cell(text=count_text(cost.wasted)),
        time_cell(row, "noisy" if row["noisy"] else ""),
        Cell(text=count_text(row["requests"]), detail=_predicted(count_text(row["predicted_requests"]))),
        Cell(text=bytes_text(row["fetched_bytes"]), detail=_predicted(bytes_text(row["predicted_bytes"]))),
    )
    return ReadLine(key=read.key, cells=cells)


def _setting_text(read: MeasuredRead) -> str:
    return " ".join((read.setting.backend, read.setting.codec, *read.setting.extras))


def _predicted(text: str) -> str:
    return "" if text == MISSING else f"predicted {text}"


def measured_finding(reads: Sequence[MeasuredRead], view: View | None) -> str:
    """Say whether chunks that decode the fewest voxels were the fastest: of one library and codec, by intervals.

    Parameters
    ----------
    reads : sequence of MeasuredRead
        From `measured_reads`: the setting with the most chunk shapes comes first.
    view : View or None
        Whose reads they are.
    """
    if view is None or not reads:
        return "No read was measured whose voxels the chunk grid can count"
    first = _compared(reads[0])
    by_region: dict[Region, list[MeasuredRead]] = {}
    for read in reads:
        if _compared(read) == first:
            by_region.setdefault(read.cost.region, []).append(read)
    won = compared = 0
    for group in by_region.values():
        least = min(read.cost.decoded for read in group)
        if all(read.cost.decoded == least for read in group):
            continue
        fastest = view.equals(read.row for read in group)
        compared += 1
        won += any(read.row["position"] in fastest for read in group if read.cost.decoded == least)
    if not compared:
        return "What each read asked for, what was decoded for it, and what it took"
    if won == compared:
        return f"The chunks that decode the fewest voxels were never shown to be slower ({_patterns(compared)})"
    return f"Fewest voxels decoded is not always quickest: other chunks were faster in {compared - won} of {_patterns(compared)}"


def _compared(read: MeasuredRead) -> tuple[Any, ...]:
    """Return what reads that are compared have in common: image, machine and environment, library and codec."""
    setting = read.setting
    return (*(read.row[name] for name in PLACE), setting.backend, setting.codec, setting.extras)


def _patterns(n: int) -> str:
    return "1 access pattern" if n == 1 else f"{n} access patterns"
