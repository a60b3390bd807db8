"""`storebench measure`: one case, from the shell."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from storebench.cli._errors import MEASURING_FAILED, SOMETHING_MISSING, WRONG_USAGE
from storebench.cli._measured import row_lines
from storebench.cli._noise import noise_text
from storebench.cli._options import (
    PERCENT,
    SHAPE,
    cache_option,
    command,
    durability_option,
    json_option,
    operation_option,
    require_terms,
    storage_option,
    threads_option,
    was_given,
)
from storebench.cli._output import Output, text_width
from storebench.cli._progress import progress_shown
from storebench.errors import UsageError
from storebench.grid import Shape
from storebench.records import Operation

if TYPE_CHECKING:
    from storebench.measurement.single import MeasureEngine

_EXAMPLES: Final = (
    "storebench measure ct --shape 256,256,256 --backend zarr3-zarrpython \\",
    "    --chunks 64,64,64 --codec zstd-3 --pattern plane_xz",
    "storebench measure my_image.tif --backend tiff-tifffile --codec deflate-6 \\",
    "    --cache cold --samples 20",
    "storebench measure ct --backend npy-numpy \\",
    "    --operation write --durability durable",
)


@command("measure", examples=_EXAMPLES)
@click.argument("data")
@click.option("--backend", required=True, metavar="NAME", help="Format and library: storebench list backends.")
@click.option("--chunks", type=SHAPE, help="Voxels of a chunk: 64,64,64. Left out: the library's default.")
@click.option("--shards", type=SHAPE, help="Voxels of a shard: a multiple of the chunk on each axis.")
@click.option("--codec", default="none", show_default=True, metavar="NAME", help="storebench list codecs.")
@operation_option
@click.option("--pattern", default="whole", show_default=True, metavar="NAME", help="storebench list patterns.")
@click.option("--samples", type=click.IntRange(min=1), default=10, show_default=True, help="Timed calls.")
@click.option("--shape", type=SHAPE, help="Of a synthetic dataset, voxels.")
@click.option("--dtype", metavar="NAME", help="Of a synthetic dataset, as uint16.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of a synthetic dataset and of the positions read."
)
@click.option("--axes", metavar="NAMES", help="Axis names of a file that does not name them, as zyx.")
@click.option("--levels", type=click.IntRange(min=1), default=1, show_default=True, help="Resolution levels to store.")
@click.option("--level-axes", metavar="NAMES", help="Axes that levels are smaller on, as yx. Left out: all in space.")
@click.option(
    "--level-method", default="mean", show_default=True, metavar="NAME", help="mean, mode (labels) or nearest."
)
@click.option(
    "--concurrency", metavar="WHO-N", help="Who works on separate blocks at once: threads-2, workers-2 (processes)."
)
@click.option(
    "--stack-axis", type=click.IntRange(min=0), default=0, show_default=True, help="Axis along which a stack is cut."
)
@cache_option
@durability_option
@threads_option
@click.option(
    "--engine",
    type=click.Choice(["direct", "paired"]),
    default="direct",
    show_default=True,
    help="Samples from this process, or in rounds over fresh ones.",
)
@click.option(
    "--half-width", type=PERCENT, metavar="PERCENT", help="Of the interval at which paired stops. [default: 5%]"
)
@click.option(
    "--budget",
    "budget_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="When paired stops anyway.",
)
@click.option("--instructions", is_flag=True, help="Count machine instructions of one call too (valgrind).")
@storage_option
@json_option
@click.pass_context
def measure_command(
    ctx: click.Context,
    /,
    data: str,
    *,
    chunks: Shape | None,
    shards: Shape | None,
    levels: int,
    engine: MeasureEngine,
    half_width: float | None,
    storage: Path | None,
    json: bool,
    **settings: Any,
) -> None:
    """Measure one case: DATA is a file, or a dataset's name.

    The stored bytes are read back and compared before anything is timed.
    """
    from storebench.measurement.single import measure
    from storebench.storage import Storage

    output = ctx.ensure_object(Output)
    _require_fitting(ctx, engine, settings["operation"])
    root = Storage.open(storage)
    for warning in root.warnings():
        output.note(f"Warning: {warning}")
    if half_width is not None:
        settings["half_width"] = half_width
    with progress_shown(output) as show:
        row = measure(
            data,
            chunks=chunks,
            shards=shards,
            n_levels=levels,
            engine=engine,
            storage=root,
            on_progress=show,
            **settings,
        )
    if json:
        output.json(row)
    elif row["status"] == "ok":
        _say(output, row)
    if row["status"] != "ok":
        _end_without_number(output, row)
    if row["noisy"]:
        output.note(f"Warning: {noise_text(row['noise'])}")


def _require_fitting(ctx: click.Context, engine: MeasureEngine, operation: Operation) -> None:
    """Refuse an option that the others leave without effect, instead of ignoring it."""
    given = {name for name in ctx.params if was_given(ctx, name)}
    if engine == "direct" and given & {"half_width", "budget_s"}:
        raise UsageError("--half-width and --budget say when the engine paired stops; add --engine paired")
    if engine == "paired" and "samples" in given:
        raise UsageError("--samples is for the engine direct; paired stops by --half-width and --budget")
    require_terms(operation, ctx.params["cache"], ctx.params["durability"])


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
        parts = textwrap.wrap(text, text_width() - width - 2, break_long_words=False, break_on_hyphens=False)
        output.say(f"{click.style(f'{label:<{width}}', bold=True)}  {parts[0]}")
        for part in parts[1:]:
            output.say(f"{'':<{width}}  {part}")
    if row["n_processes"] == 1:
        output.note(
            "Samples of one process only: times move by more between processes. For numbers to keep: storebench run"
        )
