"""`storebench generate`, `convert` and `verify`: volumes larger than memory, block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from storebench.cli._options import BYTES, SHAPE, SPACING, axes_option, command, json_option
from storebench.cli._output import Output
from storebench.cli._progress import progress_shown
from storebench.errors import UsageError, unknown_name
from storebench.grid import Shape
from storebench.units import bytes_text, count_text, decibels_text, seconds_text, shape_text, throughput_text

if TYPE_CHECKING:
    from storebench.datasets import Dataset
    from storebench.pipelines import Difference, Progress, Verified, Written

_F = TypeVar("_F", bound=Callable[..., Any])
_MIB: Final = 1024**2

_GENERATE: Final = (
    "storebench generate ct big.zarr --shape 2048,2048,2048 --dtype uint16 \\",
    "    --backend zarr3-zarrpython --chunks 64,64,64 --shards 256,256,256 \\",
    "    --codec blosc-zstd-3-shuffle --workers 2",
    "storebench generate labels_dense labels.ome.zarr --shape 512,512,512 \\",
    "    --backend omezarr-0.5-zarrpython --chunks 64,64,64 \\",
    "    --levels 4 --level-method mode",
)
_CONVERT: Final = (
    "storebench convert big.zarr big.ome.zarr --backend omezarr-0.5-zarrpython \\",
    "    --chunks 64,64,64 --shards 256,256,256 --codec zstd-3 --levels 4 \\",
    "    --workers 2",
    "storebench convert scan/ scan.ome.zarr --backend omezarr-0.5-zarrpython \\",
    "    --chunks 64,64,64 --codec zstd-3 --levels 4 --spacing 5,1,1 --resume",
)
_VERIFY: Final = (
    "storebench verify big.ome.zarr --against big.zarr",
    "storebench verify big.zarr --against ct",
    "storebench verify big.zarr",
)


def _engine_options(function: _F) -> _F:
    """Add --threads, --workers, --scheduler and --memory-limit."""
    options = (
        click.option(
            "--threads", type=click.IntRange(min=1), help="Threads of this process. Left out: one per processor."
        ),
        click.option(
            "--workers", type=click.IntRange(min=1), help="Processes on this machine instead, one thread each."
        ),
        click.option(
            "--scheduler", metavar="ADDRESS", help="A cluster's workers instead: tcp://host:8786 (docs/clusters.md)."
        ),
        click.option(
            "--memory-limit",
            type=BYTES,
            metavar="SIZE",
            help="A worker of --workers that holds more is restarted: 1GiB.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _target_options(function: _F) -> _F:
    """Add what says how the target is stored."""
    options = (
        click.option("--backend", required=True, metavar="NAME", help="Format and library: storebench list backends."),
        click.option("--chunks", type=SHAPE, help="Voxels of a chunk: 64,64,64. Left out: the library's default."),
        click.option("--shards", type=SHAPE, help="Voxels of a shard: a multiple of the chunk on each axis."),
        click.option("--codec", default="none", show_default=True, metavar="NAME", help="storebench list codecs."),
        click.option("--levels", type=click.IntRange(min=1), default=1, show_default=True, help="Resolution levels."),
        click.option(
            "--level-method", default="mean", show_default=True, metavar="NAME", help="mean, mode (labels) or nearest."
        ),
        click.option(
            "--level-axes", metavar="NAMES", help="Axes that levels are smaller on, as yx. Left out: all in space."
        ),
        click.option(
            "--spacing",
            type=SPACING,
            help="Size of a voxel per axis: 5,1,1. Coarse axes are halved later; OME-Zarr keeps it as scale.",
        ),
        click.option(
            "--stack-axis",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Axis along which a stack is cut.",
        ),
        click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same command."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command("generate", examples=_GENERATE)
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--shape", type=SHAPE, help="Voxels, slowest axis first. Left out: the dataset's own.")
@click.option("--dtype", metavar="NAME", help="Type of a voxel, as uint16.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another one gives other voxels.")
@_target_options
@_engine_options
@json_option
@click.pass_obj
def generate_command(
    output: Output, /, *, name: str, target: Path, shape: Shape | None, dtype: str | None, seed: int, **settings: Any
) -> None:
    """Make a volume of any size: NAME is a synthetic dataset, TARGET what is made.

    Block by block, so that memory does not depend on the size of the volume.
    """
    from storebench.datasets import open_dataset
    from storebench.datasets.synthetic import FAMILIES

    if name not in FAMILIES:
        raise unknown_name("synthetic dataset", name, FAMILIES, "storebench list datasets")
    _write(output, open_dataset(name, shape=shape, dtype=dtype, seed=seed), target, **settings)


@command("convert", examples=_CONVERT)
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
@axes_option
@_target_options
@_engine_options
@json_option
@click.pass_obj
def convert_command(output: Output, /, *, source: str, target: Path, axes: str | None, **settings: Any) -> None:
    """Store a volume of any size in another format: SOURCE is a file or a dataset's name.

    With --levels the smaller levels are made too, each from the full resolution.
    """
    from storebench.datasets import FileDataset, open_dataset
    from storebench.pipelines import require_finished

    require_finished(Path(source))
    dataset = open_dataset(source, axes=axes)
    if isinstance(dataset, FileDataset):
        _require_apart(dataset.path, target)
    _write(output, dataset, target, **settings)


def _require_apart(source: Path, target: Path) -> None:
    """Refuse a target that lies in its own source, or the other way round."""
    one, other = source.resolve(), target.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise UsageError(f"{target} and its source {source} lie in each other; choose a target outside of the source")


@command("verify", examples=_VERIFY)
@click.argument("image")
@click.option("--against", metavar="SOURCE", help="What it must equal: a file, or a synthetic dataset's name.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of a synthetic dataset.")
@click.option("--level-method", metavar="NAME", help="How its levels were made. Left out: as the file says, else mean.")
@axes_option
@_engine_options
@json_option
@click.pass_obj
def verify_command(
    output: Output,
    /,
    *,
    image: str,
    against: str | None,
    seed: int,
    level_method: str | None,
    axes: str | None,
    json: bool,
    **engine: Any,
) -> None:
    """Compare a stored volume with its source and its levels with level 0.

    Two volumes are the same to the bit where their digests are, whatever their
    formats, chunks and codecs.
    """
    from storebench.datasets import open_dataset
    from storebench.levels import METHODS
    from storebench.pipelines import engine_for, require_finished, source_of, verify_volume

    if level_method is not None and level_method not in METHODS:
        raise unknown_name("way to make levels", level_method, METHODS)
    for path in filter(None, (image, against)):
        require_finished(Path(path))
    found = source_of(open_dataset(image, axes=axes))
    expected = None if against is None else source_of(_same_shape(against, found.dataset, seed, axes))
    with engine_for(**engine) as workers, progress_shown(output) as show:
        verified = verify_volume(found, workers, against=expected, level_method=level_method, shown=show)
        who = workers.name
    if json:
        output.json({"image": image, "against": against, "workers": who} | asdict(verified))
    else:
        _say_verified(output, verified, against)
    verified.require_equal()


def _same_shape(against: str, image: Dataset, seed: int, axes: str | None) -> Dataset:
    """Open what an image is compared with; a synthetic dataset is made in the image's shape and type."""
    from storebench.datasets import open_dataset
    from storebench.datasets.synthetic import FAMILIES

    if against in FAMILIES:
        return open_dataset(against, shape=image.shape, dtype=image.dtype, seed=seed)
    return open_dataset(against, axes=axes)


def _write(
    output: Output,
    dataset: Dataset,
    target: Path,
    *,
    backend: str,
    chunks: Shape | None,
    shards: Shape | None,
    codec: str,
    levels: int,
    level_method: str,
    level_axes: str | None,
    spacing: tuple[float, ...] | None,
    stack_axis: int,
    resume: bool,
    json: bool,
    **engine: Any,
) -> None:
    """Write a dataset to a target and say what was done."""
    from storebench.backends import WriteRequest, get_backend
    from storebench.codecs import parse_codec
    from storebench.grid import Layout
    from storebench.levels import level_factors
    from storebench.pipelines import Target, engine_for, source_of, why_not_resumed, write_volume

    if shards is not None and chunks is None:
        raise UsageError("--shards is given without --chunks; give both, or neither")
    request = WriteRequest(
        shape=dataset.shape,
        dtype=dataset.dtype,
        axes=dataset.axes,
        codec=parse_codec(codec),
        layout=None if chunks is None else Layout(chunk_shape=chunks, shard_shape=shards),
        level_factors=level_factors(dataset.axes, dataset.shape, levels, spacing, along=level_axes),
        level_method=level_method,
        stack_axis=stack_axis,
        spacing=spacing or (),
    )
    place = Target(backend=get_backend(backend).name, path=target.absolute(), request=request)
    if get_backend(backend).parallel_writes == "none" and not any(engine.values()):
        engine["threads"] = 1  # nobody can share the work, so nobody was asked for
    lost = why_not_resumed(get_backend(backend))
    with engine_for(**engine) as workers, progress_shown(output) as show:

        def shown(progress: Progress) -> None:
            output.after_interrupt = (
                "What is done is kept: go on with the same command and --resume"
                if lost is None
                else f"Nothing is kept, as {lost}"
            )
            show(progress)

        written = write_volume(
            source_of(dataset),
            place,
            workers,
            resume=resume,
            shown=shown,
            warned=lambda text: output.note(f"Warning: {text}"),
        )
        who = workers.name
    if json:
        output.json({"target": str(target), "workers": who} | asdict(written))
    else:
        _say_written(output, target, written, who)


def _say_written(output: Output, target: Path, written: Written, workers: str) -> None:
    stored, logical = written.stored_bytes, written.logical_bytes
    files = "1 file" if written.n_files == 1 else f"{count_text(written.n_files)} files"
    output.say(f"{target}: {bytes_text(stored)} in {files}, {bytes_text(logical)} of voxels")
    resumed = f", {count_text(written.n_resumed)} of them by an earlier run" if written.n_resumed else ""
    rate = throughput_text(logical * (1 - written.n_resumed / written.n_blocks) / written.seconds / _MIB)
    blocks = "1 block" if written.n_blocks == 1 else f"{count_text(written.n_blocks)} blocks"
    output.say(f"{blocks}{resumed}, {seconds_text(written.seconds)} ({rate}), {workers}")
    output.say(_memory_text(written))


def _say_verified(output: Output, verified: Verified, against: str | None) -> None:
    for level in verified.levels:
        shape = shape_text(level.shape)
        output.say(f"level {level.level}  {shape}  {_difference_text(level.difference)}  sha256 {level.digest}")
    what = f"with {against}" if against is not None else "its levels with level 0; no source was given (--against)"
    output.say(f"compared {what}, in {seconds_text(verified.seconds)}")
    output.say(_memory_text(verified))


def _difference_text(found: Difference | None) -> str:
    if found is None:
        return "read"
    if not found.n_wrong:
        return "equal to the bit"
    worst = f"by up to {found.max_abs_error:g}, PSNR {decibels_text(found.psnr_db)}"
    return f"{count_text(found.n_wrong)} of {count_text(found.n_voxels)} voxels differ {worst}"


def _memory_text(found: Written | Verified) -> str:
    """Say how much memory was held at most."""
    if found.total_peak_bytes is None:
        return "peak memory: this system does not tell"
    workers = [bytes_text(n) for n in found.worker_peak_bytes]
    parts = f" (this process {bytes_text(found.client_peak_bytes)}, workers {', '.join(workers)})" if workers else ""
    return f"peak memory {bytes_text(found.total_peak_bytes)} in all{parts}"
