"""`storebench explain`: what a read must decode, from geometry alone."""

from __future__ import annotations

import math
from typing import Any

import click

from storebench.cli._options import REGION, SHAPE, command, json_option
from storebench.cli._output import Output
from storebench.errors import UsageError
from storebench.grid import (
    Layout,
    Region,
    Shape,
    chunks_touched,
    grid_shape,
    padding_ratio,
    read_amplification,
    voxels_decoded,
)
from storebench.units import bytes_text, count_text, ratio_text, shape_text


@command(
    "explain",
    examples=(
        "storebench explain --shape 10,10,20 --chunks 2,2,3 --region 2:4,3:5,2:4",
        "storebench explain --shape 512,512,512 --chunks 64,64,64 --pattern plane_xz",
    ),
)
@click.option("--shape", type=SHAPE, required=True, help="Voxels of the image, slowest axis first: 512,512,512.")
@click.option("--chunks", type=SHAPE, required=True, help="Voxels of a chunk: 64,64,64.")
@click.option("--shards", type=SHAPE, help="Voxels of a shard: a multiple of the chunk on each axis.")
@click.option("--region", type=REGION, help="What is read, half-open: 2:4,3:5,2:4.")
@click.option("--pattern", metavar="NAME", help="Or an access pattern: storebench list patterns.")
@click.option("--axes", metavar="NAMES", help="Axis names for --pattern; taken for the last of tczyx.")
@click.option("--seed", type=int, default=0, show_default=True, help="Where a --pattern reads.")
@click.option("--dtype", metavar="NAME", help="Type of a voxel, as uint16, to get bytes as well.")
@json_option
@click.pass_obj
def explain_command(
    output: Output,
    /,
    *,
    shape: Shape,
    chunks: Shape,
    shards: Shape | None,
    region: Region | None,
    pattern: str | None,
    axes: str | None,
    seed: int,
    dtype: str | None,
    json: bool,
) -> None:
    """Compute what one read must decode. No file is touched."""
    asked = _region_asked(shape, region, pattern, axes, seed)
    facts = explain_read(shape, _layout(shape, chunks, shards), asked, dtype) | {"pattern": pattern}
    if json:
        output.json(facts)
    else:
        _say(output, facts)


def explain_read(shape: Shape, layout: Layout, region: Region, dtype: str | None = None) -> dict[str, Any]:
    """Return what a read of a region must touch and decode.

    Parameters
    ----------
    shape : tuple of int
        Of the image, voxels.
    layout : Layout
        Its chunks and shards.
    region : Region
        What is read.
    dtype : str, optional
        numpy's name of a voxel's type; without it no bytes are told.

    Returns
    -------
    dict
        The keys of ``storebench explain --json``: voxels, counts, bytes, ratios.
    """
    itemsize = None if dtype is None else _itemsize(dtype)
    decoded = voxels_decoded(region, layout.chunk_shape)
    return {
        "shape": shape,
        "chunk_shape": layout.chunk_shape,
        "shard_shape": layout.shard_shape,
        "region": str(region),
        "dtype": dtype,
        "n_chunks": math.prod(grid_shape(shape, layout.chunk_shape)),
        "chunks_touched": chunks_touched(region, layout.chunk_shape),
        "shards_touched": layout.shard_shape and chunks_touched(region, layout.shard_shape),
        "voxels_asked": region.n_voxels,
        "voxels_decoded": decoded,
        "read_amplification": read_amplification(region, layout.chunk_shape),
        "padding_ratio": padding_ratio(shape, layout.chunk_shape),
        "asked_bytes": itemsize and itemsize * region.n_voxels,
        "decoded_bytes": itemsize and itemsize * decoded,
        "chunk_bytes": itemsize and itemsize * math.prod(layout.chunk_shape),
    }


def _layout(shape: Shape, chunks: Shape, shards: Shape | None) -> Layout:
    if len(chunks) != len(shape):
        raise UsageError(
            f"--chunks {shape_text(chunks)} has {len(chunks)} axes, --shape {shape_text(shape)} has {len(shape)}; "
            "give one extent per axis"
        )
    return Layout(chunk_shape=chunks, shard_shape=shards)


def _region_asked(shape: Shape, region: Region | None, pattern: str | None, axes: str | None, seed: int) -> Region:
    if pattern is not None and region is None:
        return _pattern_region(shape, pattern, axes, seed)
    if region is None or pattern is not None:
        raise UsageError("give what is read: either --region (as in 2:4,3:5,2:4) or --pattern (as in plane_xz)")
    if len(region.start) != len(shape):
        raise UsageError(
            f"--region {region} has {len(region.start)} axes, --shape {shape_text(shape)} has {len(shape)}"
        )
    if not region.fits(shape):
        whole = Region.whole(shape)
        raise UsageError(f"--region {region} reaches outside the image, whose voxels are {whole}; make it end inside")
    return region


def _pattern_region(shape: Shape, pattern: str, axes: str | None, seed: int) -> Region:
    from storebench.access import Target, parse_pattern

    names = axes or "tczyx"[-len(shape) :]
    if len(names) != len(shape):
        raise UsageError(f"--axes {names} names {len(names)} axes, --shape {shape_text(shape)} has {len(shape)}")
    requests = parse_pattern(pattern).requests(Target((shape,), names), seed)
    return requests[0].region


def _itemsize(dtype: str) -> int:
    import numpy as np

    try:
        return np.dtype(dtype).itemsize
    except TypeError as error:
        raise UsageError(f"--dtype {dtype} is no type of numpy; use uint8, uint16, float32 …") from error


def _say(output: Output, facts: dict[str, Any]) -> None:
    asked, decoded, touched = facts["voxels_asked"], facts["voxels_decoded"], facts["chunks_touched"]
    times = ratio_text(facts["read_amplification"])
    output.say(f"Image {shape_text(facts['shape'])}, chunks {shape_text(facts['chunk_shape'])}, read {facts['region']}")
    hold = f"{count_text(touched)} of {count_text(facts['n_chunks'])} chunks {'holds' if touched == 1 else 'hold'} them"
    many = "exactly as many" if asked == decoded else f"{times} times as many"
    output.paragraph(f"You asked for {_voxels(asked)}; {hold}; {_voxels(decoded)} are decoded: {many}.")
    if facts["shards_touched"] is not None:
        shards = facts["shards_touched"]
        where = "1 shard" if shards == 1 else f"{count_text(shards)} shards"
        output.paragraph(
            f"They lie in {where} of {shape_text(facts['shard_shape'])} voxels; "
            "of a shard only its index and the chunks touched are read."
        )
    if facts["dtype"] is not None:
        output.paragraph(
            f"As {facts['dtype']}: {bytes_text(facts['asked_bytes'])} asked, {bytes_text(facts['decoded_bytes'])} decoded, "
            f"{bytes_text(facts['chunk_bytes'])} in a chunk before compression."
        )


def _voxels(count: int) -> str:
    return "1 voxel" if count == 1 else f"{count_text(count)} voxels"
