"""`storebench measure`: one case, from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from storebench.cli._errors import MEASURING_FAILED, SOMETHING_MISSING, WRONG_USAGE
from storebench.cli._options import SHAPE, command, json_option, storage_option
from storebench.cli._output import Output
from storebench.grid import Shape
from storebench.records import OPERATIONS
from storebench.units import bytes_text, count_text, is_missing, ratio_text, seconds_text, shape_text, throughput_text

_EXAMPLES: Final = (
    "storebench measure ct --shape 256,256,256 --backend zarr3-zarrpython \\",
    "    --chunks 64,64,64 --codec zstd-3 --pattern plane_xz",
    "storebench measure my_image.tif --backend tiff-tifffile --codec deflate-6",
)


@command("measure", examples=_EXAMPLES)
@click.argument("data")
@click.option("--backend", required=True, metavar="NAME", help="Format and library: storebench list backends.")
@click.option("--chunks", type=SHAPE, help="Voxels of a chunk: 64,64,64. Left out: the library's default.")
@click.option("--shards", type=SHAPE, help="Voxels of a shard: a multiple of the chunk on each axis.")
@click.option("--codec", default="none", show_default=True, metavar="NAME", help="storebench list codecs.")
@click.option("--operation", type=click.Choice(OPERATIONS), default="read", show_default=True, help="What is timed.")
@click.option("--pattern", default="whole", show_default=True, metavar="NAME", help="storebench list patterns.")
@click.option("--samples", type=click.IntRange(min=1), default=10, show_default=True, help="Timed calls.")
@click.option("--shape", type=SHAPE, help="Of a synthetic dataset, voxels.")
@click.option("--dtype", metavar="NAME", help="Of a synthetic dataset, as uint16.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of a synthetic dataset and of the positions read."
)
@click.option("--axes", metavar="NAMES", help="Axis names of a file that does not name them, as zyx.")
@click.option("--levels", type=click.IntRange(min=1), default=1, show_default=True, help="Resolution levels to store.")
@click.option(
    "--stack-axis", type=click.IntRange(min=0), default=0, show_default=True, help="Axis along which a stack is cut."
)
@storage_option
@json_option
@click.pass_obj
def measure_command(
    output: Output,
    /,
    data: str,
    *,
    chunks: Shape | None,
    shards: Shape | None,
    levels: int,
    storage: Path | None,
    json: bool,
    **settings: Any,
) -> None:
    """Measure one case: DATA is a file, or a dataset's name.

    The stored bytes are read back and compared before anything is timed.
    """
    from storebench.measurement.single import measure
    from storebench.storage import Storage

    root = Storage.open(storage)
    for warning in root.warnings():
        output.note(f"Warning: {warning}")
    row = measure(data, chunks=chunks, shards=shards, n_levels=levels, storage=root, **settings)
    if json:
        output.json(row)
    elif row["status"] == "ok":
        _say(output, row)
    if row["status"] != "ok":
        _end_without_number(output, row)


def _end_without_number(output: Output, row: dict[str, Any]) -> None:
    """Say why there is no number and end: 2 for an impossible setting, 3 for a missing library, 4 for what failed."""
    from storebench.backends import get_backend

    output.note(f"Error: {row['reason']}")
    if row["status"] != "skipped":
        raise click.exceptions.Exit(MEASURING_FAILED)
    raise click.exceptions.Exit(
        WRONG_USAGE if get_backend(row["backend"]).why_unavailable() is None else SOMETHING_MISSING
    )


def _say(output: Output, row: dict[str, Any]) -> None:
    lines = row_lines(row)
    width = max(len(label) for label, _ in lines)
    for label, text in lines:
        output.say(f"{click.style(f'{label:<{width}}', bold=True)}  {text}")
    if row.get("low_confidence"):
        output.note(
            "Samples of one process only: times move by more between processes. For numbers to keep: storebench run"
        )


def row_lines(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a measured row as labels and texts, without what was not measured."""
    image = f"{row['dataset']}, {shape_text(row['shape'])} {row['dtype']}, axes {row['axes']}"
    one_piece = row["chunk_shape"] is None or tuple(row["chunk_shape"]) == tuple(row["shape"])
    layout = "in one piece" if one_piece else f"chunks {shape_text(row['chunk_shape'])}"
    shards = f", shards {shape_text(row['shard_shape'])}" if row["shard_shape"] else ""
    what = row["operation"] + (f" {row['pattern']}" if row["operation"] == "read" else "")
    lines = [
        ("Image", image + (" (assumed: the file names none; say --axes)" if row.get("axes_assumed") else "")),
        ("Stored as", f"{row['backend']} {row['library_version'] or ''}, {layout}{shards}, {row['codec']}"),
        (what.capitalize(), _time_text(row)),
    ]
    if not is_missing(row["stored_bytes"]):
        files = "" if is_missing(row["n_files"]) else f" in {_counted(row['n_files'], 'file')}"
        ratio = f"compression ratio {ratio_text(row['compression_ratio'])}"
        lines.append(("Size", f"{bytes_text(row['stored_bytes'])}{files}, {ratio}"))
    if not is_missing(row["voxels_decoded"]):
        asked, decoded = count_text(row["voxels_asked"]), count_text(row["voxels_decoded"])
        times = ratio_text(row["read_amplification"])
        lines.append(("Decoded", f"{asked} voxels asked, {decoded} decoded: {times} times as many"))
    if not is_missing(row["fetched_bytes"]):
        lines.append(("Fetched", f"{bytes_text(row['fetched_bytes'])} in {_counted(row['requests'], 'request')}"))
    if not is_missing(row["max_abs_error"]):
        exact = row["max_abs_error"] == 0
        checked = "every voxel came back equal" if exact else f"largest error {row['max_abs_error']:g}"
        lines.append(("Checked", checked))
    return lines


def _counted(n: int, thing: str) -> str:
    return f"1 {thing}" if n == 1 else f"{count_text(n)} {thing}s"


def _time_text(row: dict[str, Any]) -> str:
    low, high = row["ci95_low_s"], row["ci95_high_s"]
    interval = "" if is_missing(low) else f" (95 % interval {seconds_text(low)} to {seconds_text(high)}"
    samples = _counted(len(row["samples_s"] or ()), "sample")
    speed = "" if is_missing(row["throughput_mib_s"]) else f", {throughput_text(row['throughput_mib_s'])}"
    return f"{seconds_text(row['median_s'])}{interval}{', ' if interval else ' ('}{samples}){speed}"
