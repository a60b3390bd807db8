"""What OME-Zarr writers make when they make the levels: which factors and voxels, where these lie, and in how long.

python tests/proof/omezarr_levels.py             writes the tables of docs/omezarr-writers.md, in about ten minutes
python tests/proof/omezarr_levels.py --rounds 0  leaves the times as they are
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import random
import re
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import zarr
from numpy.typing import NDArray

from storebench.backends import WriteRequest, get_backend
from storebench.codecs import parse_codec
from storebench.datasets.synthetic import make
from storebench.grid import Region, Shape
from storebench.levels import METHODS, build_levels
from storebench.stores import Location
from storebench.units import seconds_text, shape_text

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "omezarr-writers.md"
VOLUME: Final[Shape] = (256, 128, 128)
EVEN, ODD = 64, 65
"""Of the cubes whose voxels hold their own place: halves of an odd extent do not fill their last block."""
LIBRARIES: Final = (
    "ome-zarr",
    "ngff-zarr",
    "iohub",
    "bioio-ome-zarr",
    "zarr",
    "dask",
    "itkwasm-downsample",
    "scikit-image",
)
_OURS: Final = "omezarr-0.5-zarrpython"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A library's way to make levels.

    Attributes
    ----------
    library, call : str
        Who, and by which call and settings.
    write : callable
        Takes a path and the voxels (zyx).
    dataset : str
        What it is shown on: a tomogram, or labels.
    is_linear : bool
        Whether a ramp tells where its voxels lie.
    is_slow : bool
        Whether its first call takes a minute: WebAssembly is translated then.
    """

    library: str
    call: str
    write: Callable[[Path, NDArray], None]
    dataset: str = "ct"
    is_linear: bool = True
    is_slow: bool = False

    @property
    def name(self) -> str:
        """Both, for a table."""
        return f"{self.library}: {self.call}"


def _ome_zarr_py(method: str | None = None, *, all_axes: bool = False) -> Callable[[Path, NDArray], None]:
    def write(path: Path, values: NDArray) -> None:
        from ome_zarr.format import FormatV05
        from ome_zarr.scale import Methods
        from ome_zarr.writer import write_image

        more: dict[str, Any] = {} if method is None else {"method": Methods[method]}
        if all_axes:
            more["scale_factors"] = [dict.fromkeys("zyx", factor) for factor in (2, 4)]
        write_image(values, str(path), axes="zyx", fmt=FormatV05(), **more)

    return write


def _ngff_zarr(method: str | None = None, *, factors: bool = True) -> Callable[[Path, NDArray], None]:
    def write(path: Path, values: NDArray) -> None:
        import ngff_zarr

        more: dict[str, Any] = {} if method is None else {"method": ngff_zarr.Methods[method]}
        if factors:
            more["scale_factors"] = [2, 4]
        image = ngff_zarr.to_ngff_image(values, dims=("z", "y", "x"))
        ngff_zarr.to_ngff_zarr(str(path), ngff_zarr.to_multiscales(image, **more), version="0.5")

    return write


def _iohub(method: str | None = None) -> Callable[[Path, NDArray], None]:
    def write(path: Path, values: NDArray) -> None:
        from iohub.ngff import open_ome_zarr

        logging.getLogger("iohub").setLevel(logging.ERROR)
        more: dict[str, Any] = {} if method is None else {"method": method}
        with open_ome_zarr(path, layout="fov", mode="w-", channel_names=["c"], version="0.5") as position:
            position.create_image("0", values[None, None])
            position.compute_pyramid(levels=3, **more)

    return write


def _bioio(path: Path, values: NDArray) -> None:
    from bioio_ome_zarr.writers import OMEZarrWriter, get_default_config_for_viz

    settings = get_default_config_for_viz(values, downsample_z=True)
    writer = OMEZarrWriter(str(path), **settings, axes_names=["z", "y", "x"], axes_types=["space"] * 3)
    writer.write_full_volume(values)


def _storebench(method: str) -> Callable[[Path, NDArray], None]:
    def write(path: Path, values: NDArray) -> None:
        factors = ((2, 2, 2), (4, 4, 4))
        request = WriteRequest(
            shape=values.shape,
            dtype=values.dtype,
            axes="zyx",
            codec=parse_codec("zstd-3"),
            level_factors=factors,
            level_method=method,
        )
        with get_backend(_OURS).create(Location(path), request) as writer:
            for level, made in enumerate(build_levels(values, factors, method)):
                writer.write(Region.whole(made.shape), made, level)

    return write


WRITERS: Final = (
    Writer(library="storebench", call="mean", write=_storebench("mean")),
    Writer(library="storebench", call="mode", write=_storebench("mode"), dataset="labels_dense", is_linear=False),
    Writer(library="storebench", call="nearest", write=_storebench("nearest")),
    Writer(library="ome-zarr-py", call="asked nothing", write=_ome_zarr_py()),
    Writer(library="ome-zarr-py", call="RESIZE", write=_ome_zarr_py("RESIZE", all_axes=True)),
    Writer(library="ome-zarr-py", call="LOCAL_MEAN", write=_ome_zarr_py("LOCAL_MEAN", all_axes=True)),
    Writer(library="ome-zarr-py", call="NEAREST", write=_ome_zarr_py("NEAREST", all_axes=True)),
    Writer(library="ome-zarr-py", call="ZOOM", write=_ome_zarr_py("ZOOM", all_axes=True)),
    Writer(library="ngff-zarr", call="asked nothing", write=_ngff_zarr(factors=False), is_slow=True),
    Writer(library="ngff-zarr", call="ITKWASM_GAUSSIAN", write=_ngff_zarr("ITKWASM_GAUSSIAN"), is_slow=True),
    Writer(library="ngff-zarr", call="ITKWASM_BIN_SHRINK", write=_ngff_zarr("ITKWASM_BIN_SHRINK"), is_slow=True),
    Writer(library="ngff-zarr", call="DASK_BIN_SHRINK", write=_ngff_zarr("DASK_BIN_SHRINK")),
    Writer(
        library="ngff-zarr",
        call="DASK_IMAGE_MODE",
        write=_ngff_zarr("DASK_IMAGE_MODE"),
        dataset="labels_dense",
        is_linear=False,
    ),
    Writer(library="iohub", call="mean (its default)", write=_iohub()),
    Writer(library="iohub", call="stride", write=_iohub("stride")),
    Writer(library="bioio-ome-zarr", call="for viewing", write=_bioio),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A level as it was stored, with its last three axes.

    Attributes
    ----------
    values : numpy.ndarray
        Voxels.
    scale, translation : tuple of float
        What its metadata say.
    """

    values: NDArray
    scale: tuple[float, ...]
    translation: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a writer has made.

    Attributes
    ----------
    levels : sequence of Level
        0 = full.
    chunks, codec : str
        Of level 0.
    valid : str
        What yaozarrs and ome-zarr-models say.
    """

    levels: list[Level]
    chunks: str
    codec: str
    valid: str


@contextmanager
def _settings_kept() -> Iterator[None]:
    """Undo what a library does to zarr's configuration (iohub), and keep warnings to the library's own users."""
    names = ("codec_pipeline.path", "codec_pipeline.validate_checksums")
    before = {name: zarr.config.get(name, False) for name in names}
    with zarr.config.set(before), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def made_by(writer: Writer, values: NDArray) -> Made:
    """Let a writer store an image with its levels, and read everything back with zarr-python."""
    with tempfile.TemporaryDirectory() as folder:
        location = Location(Path(folder) / "image.ome.zarr")
        with _settings_kept():
            writer.write(location.path, values)
        (multiscale,) = json.loads((location.path / "zarr.json").read_text())["attributes"]["ome"]["multiscales"]
        levels = []
        group = zarr.open_group(location.path, mode="r")
        for dataset in multiscale["datasets"]:
            steps = {step["type"]: tuple(step[step["type"]])[-3:] for step in dataset["coordinateTransformations"]}
            array = group[dataset["path"]]
            assert isinstance(array, zarr.Array)
            stored = np.asarray(array[...]).reshape(array.shape[-3:])
            levels.append(Level(values=stored, scale=steps["scale"], translation=steps.get("translation", (0.0,) * 3)))
        with get_backend(_OURS).open(location) as reader:
            stored_as = reader.stored_as()
        assert stored_as.layout is not None
        return Made(
            levels=levels,
            chunks=shape_text(stored_as.layout.chunk_shape[-3:]),
            codec=stored_as.codec,
            valid=_validity(location.path),
        )


def _validity(path: Path) -> str:
    import ome_zarr_models
    import yaozarrs

    found = []
    for name, check in (
        ("yaozarrs", lambda: yaozarrs.validate_zarr_store(str(path))),
        ("ome-zarr-models", lambda: ome_zarr_models.open_ome_zarr(zarr.open_group(path, mode="r"))),
    ):
        try:
            check()
        except Exception as error:  # noqa: BLE001 (each of them raises its own)
            found.append(f"{name}: {' '.join(str(error).split())[:80]}")
    return "; ".join(found) or "yes"


def likeness(values: NDArray, level: Level) -> str:
    """Say which of storebench's levels of the same factors this one is most like, and how far it is from it."""
    factors = _factors(values, level)
    differences = {}
    for name, reduce in METHODS.items():
        exact = reduce(values, factors)
        inside = tuple(map(slice, map(min, exact.shape, level.values.shape)))
        differences[name] = level.values[inside].astype(float) - exact[inside]
    name, found = min(differences.items(), key=lambda item: float(np.abs(item[1]).mean()))
    if not found.any():
        return f"{name}, equal"
    return (
        f"{name}, {(found == 0).mean():.0%} equal, up to {np.abs(found).max():.0f} off, {found.mean():+.2f} on average"
    )


def _factors(values: NDArray, level: Level) -> Shape:
    return tuple(round(n / m) for n, m in zip(values.shape, level.values.shape, strict=True))


def misplaced(made: Made) -> list[float]:
    """Return by how many voxels of level 0 each level lies elsewhere than it says, of an image whose voxels hold their x.

    A voxel of a block that sticks out of the image is not looked at: what it stands for no metadata can say.
    """
    found = []
    extent = made.levels[0].values.shape[-1]
    for level in made.levels[1:]:
        n_whole = extent // -(-extent // level.values.shape[-1])
        lies = level.values[0, 0, :n_whole]
        says = np.arange(len(lies)) * level.scale[-1] + level.translation[-1]
        found.append(float(np.abs(lies - says).max()))
    return found


def levels_row(writer: Writer) -> str:
    """Return a line of the table of levels."""
    dataset = make(writer.dataset, shape=VOLUME)
    values = dataset.read(Region.whole(VOLUME))
    made = made_by(writer, values)
    factors = ", ".join(shape_text(_factors(values, level)) for level in made.levels[1:])
    like = [likeness(values, level) for level in made.levels[1:3]]
    cells = [writer.name, factors, *like, *[""] * (2 - len(like)), made.chunks, f"`{made.codec}`", made.valid]
    return f"| {' | '.join(cells)} |"


LEVELS_HEAD: Final = ("writer", "factors", "level 1", "level 2", "chunks", "codec", "valid")
PLACES_HEAD: Final = (
    "writer", f"{EVEN} voxels become", "level 1", "level 2", f"{ODD} voxels become", "level 1", "level 2",
)  # fmt: skip


def places_row(writer: Writer) -> str:
    """Return a line of the table of places."""
    cells = [writer.name]
    for extent in (EVEN, ODD):
        ramp = np.arange(extent, dtype="float64") * np.ones((extent, extent, 1))
        made = made_by(writer, ramp)
        off = [f"{voxels:.2f}" for voxels in misplaced(made)[:2]]
        extents = ", ".join(str(level.values.shape[-1]) for level in made.levels[1:3])
        cells += [extents or "—", *off, *["—"] * (2 - len(off))]
    return f"| {' | '.join(cells)} |"


def times_rows(rounds: int) -> list[str]:
    """Return the lines of the table of times: all writers in turn, in another order each round."""
    images = {name: make(name, shape=VOLUME).read(Region.whole(VOLUME)) for name in ("ct", "labels_dense")}
    firsts = {writer.name: _seconds(writer, images[writer.dataset]) for writer in WRITERS}
    taken: dict[str, list[float]] = {writer.name: [] for writer in WRITERS}
    order = list(WRITERS)
    for number in range(rounds):
        random.Random(number).shuffle(order)
        for writer in order:
            taken[writer.name].append(_seconds(writer, images[writer.dataset]))
    rows = []
    for writer in WRITERS:
        seconds = taken[writer.name]
        ratios = [a / b for a, b in zip(seconds, taken[WRITERS[0].name], strict=True)]
        cells = [
            writer.name,
            seconds_text(firsts[writer.name]),
            f"{seconds_text(statistics.median(seconds))} ({seconds_text(min(seconds))} to {seconds_text(max(seconds))})",
            f"{statistics.median(ratios):.1f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _seconds(writer: Writer, values: NDArray) -> float:
    with tempfile.TemporaryDirectory() as folder, _settings_kept():
        began = time.perf_counter()
        writer.write(Path(folder) / "image.ome.zarr", values)
        return time.perf_counter() - began


TIMES_HEAD: Final = ("writer", "first call", "later calls: median (range)", "÷ storebench's mean")


def versions() -> str:
    """Return the versions that the tables are of."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)


def _table(head: tuple[str, ...], rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows])


def _put(name: str, text: str) -> None:
    """Put a table between its marks."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    page, n = re.subn(f"{begin}.*?{end}", lambda _: f"{begin}\n\n{text}\n\n{end}", PAGE.read_text(), flags=re.DOTALL)
    if n != 1:
        raise SystemExit(f"{PAGE} has no marks {begin} … {end}")
    PAGE.write_text(page)


@click.command(help=__doc__)
@click.option("--rounds", default=7, help="Calls of each writer that are timed.")
def main(rounds: int) -> None:
    """Write the tables."""
    _put("versions", f"Python {sys.version.split()[0]}, {versions()}.")
    _put("levels", _table(LEVELS_HEAD, [levels_row(writer) for writer in WRITERS]))
    _put("places", _table(PLACES_HEAD, [places_row(writer) for writer in WRITERS if writer.is_linear]))
    if rounds:
        _put("times", _table(TIMES_HEAD, times_rows(rounds)))


if __name__ == "__main__":
    main()
