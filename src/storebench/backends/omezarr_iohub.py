"""OME-Zarr by iohub: groups by zarr-python, arrays by one of its implementations.

It reads by its default, the zarrs pipeline (Rust), and writes by its implementation "zarr-python": zarrs leaves out chunks of
zeros whatever zarr is told. Either way opening an image sets zarr's codec pipeline for the whole process; here it is set back.
A compressor can be chosen for 0.4 only: iohub 0.3.11 takes the setting for 0.5 too, and stores its own default.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from numpy.typing import NDArray

from storebench.backends import _omezarr
from storebench.backends._backend import ArrayReader, ArrayWriter, BlockCodec, ParallelWrites, WriteOrder, WriteRequest
from storebench.backends._omezarr_writers import LevelsReader, OmeZarrLibrary, image_name
from storebench.backends._process_threads import limit_rayon_threads
from storebench.backends._refusals import check_thread_limit
from storebench.backends._zarr_arrays import ArraysWriter
from storebench.backends._zarr_threads import limit_zarr_threads
from storebench.grid import Layout, Shape
from storebench.stores import Location

_DEFAULT: Final = "blosc-zstd-1-bitshuffle"
_IMPLEMENTATIONS: Final = {"read": "zarrs-python", "write": "zarr-python"}
_LEAST_PYTHON: Final = (3, 12)


class OmeZarrIohub(OmeZarrLibrary):
    """One version of OME-Zarr by iohub."""

    short = "iohub"
    library = "iohub"
    distributions = ("iohub", "zarrs", "zarr", "numcodecs")
    extra = "iohub"
    several_levels = True
    parallel_writes: ParallelWrites = "processes"

    def why_unavailable(self) -> str | None:
        """Return None where an iohub is installed that works with zarr 3."""
        if sys.version_info < _LEAST_PYTHON:
            return (
                "iohub for zarr 3 needs Python 3.12 or newer, and on this one pip would take zarr back to 2.18 for iohub 0.2; "
                f"use a newer Python or {self.plain.name}"
            )
        return super().why_unavailable()

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        sentence = self.plain.why_unsupported(location, request)
        if sentence is not None:
            return sentence.replace(self.plain.name, self.name)
        if self.version == "0.5" and request.codec.name != _DEFAULT:
            return (
                f"{self.name} stores {_DEFAULT} whatever compressor it is given (iohub 0.3.11); "
                f"take that, or use omezarr-0.4-iohub or {self.plain.name}"
            )
        if request.codec.kind != "blosc" or request.codec.crc32c:
            return f"{self.name} has Blosc alone, as in {_DEFAULT}; use {self.plain.name} for {request.codec.name}"
        return None

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "any"."""
        return "any"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new image with all of its levels."""
        with _pipeline("write"):
            position = self._created(location, request)
            arrays = _create_levels(position, request)
            multiscale = position.metadata.multiscales[0]
            multiscale.name = image_name(location)
            multiscale.type = request.level_method if request.level_factors else None
            position.dump_meta()
        with position:
            yield ArraysWriter(arrays)

    def _created(self, location: Location, request: WriteRequest) -> Any:
        from iohub.core.config import PYTHON_CODEC_PIPELINE, CompressorConfig, ZarrConfig

        codec = request.codec
        compressor = CompressorConfig(cname=codec.compressor, clevel=codec.level, shuffle=codec.shuffle)
        n_channels = dict(zip(request.axes, request.shape, strict=True)).get("c", 0)
        return _open_ome_zarr(
            location,
            layout="fov",
            mode="w-",
            version=self.version,
            axes=[_axis(axis) for axis in request.axes],
            channel_names=[str(n) for n in range(n_channels)],
            implementation=_IMPLEMENTATIONS["write"],
            implementation_config=ZarrConfig(codec_pipeline=PYTHON_CODEC_PIPELINE, compressor=compressor),
        )

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored image: its group now, each level when it is asked for."""
        with self._opened(location, "read") as position:
            yield _Reader(self, location, position)

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open all levels of a stored image for writing into them."""
        with self._opened(location, "write") as position:
            with self.opening(location), _pipeline("write"):
                arrays = [position[path] for path in _paths(position)]
            yield ArraysWriter(arrays)

    def _opened(self, location: Location, to: str) -> Any:
        mode = {"read": "r", "write": "r+"}[to]
        with self.opening(location), _pipeline(to):
            position = _open_ome_zarr(location, mode=mode, version=self.version, implementation=_IMPLEMENTATIONS[to])
            _paths(position)
            return position

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the codec alone by numcodecs, which writes call."""
        return self.plain.block_codec(request)

    def limit_threads(self, threads: int) -> str | None:
        """Hold zarr's threads, and Rust's where their pool is not there yet."""
        check_thread_limit(threads)
        return limit_rayon_threads(threads, ("zarrs",)) or limit_zarr_threads(threads)

    def facts(self) -> Mapping[str, str]:
        """Return which of its implementations is used."""
        return {f"implementation for {what}s": name for what, name in _IMPLEMENTATIONS.items()}


class _Reader(LevelsReader):
    """Reads regions of iohub's images."""

    def __init__(self, backend: OmeZarrIohub, location: Location, position: Any) -> None:
        super().__init__(backend, location, len(_paths(position)))
        self._position = position

    def open_level(self, level: int) -> Any:
        """Open the image of a level; it keeps the pipeline that it is opened with."""
        with _pipeline("read"):
            return self._position[_paths(self._position)[level]]

    def voxels(self, array: Any, slices: tuple[slice, ...]) -> NDArray:
        """Read a part of it."""
        values: NDArray = array[slices]
        return values


@contextmanager
def _pipeline(to: str) -> Iterator[None]:
    """Give zarr the settings that iohub wants for the whole process, and what was set before back afterwards."""
    import zarr
    from iohub.core.config import PYTHON_CODEC_PIPELINE, ZARRS_CODEC_PIPELINE

    settings = {
        "codec_pipeline.path": {"read": ZARRS_CODEC_PIPELINE, "write": PYTHON_CODEC_PIPELINE}[to],
        "codec_pipeline.validate_checksums": True,
        "codec_pipeline.strict": True,  # zarrs, or an error: never Python unnoticed
        "array.write_empty_chunks": True,
    }
    with zarr.config.set(settings):
        yield


def _open_ome_zarr(location: Location, **settings: Any) -> Any:
    import iohub

    logging.getLogger("iohub").setLevel(logging.ERROR)  # it tells the terminal what it does
    return iohub.open_ome_zarr(location.path, **settings)


def _paths(position: Any) -> list[str]:
    paths: list[str] = position.metadata.multiscales[0].get_dataset_paths()
    return paths


def _axis(name: str) -> Any:
    from iohub.ngff.models import ChannelAxisMeta, SpaceAxisMeta, TimeAxisMeta

    made = {"time": TimeAxisMeta, "channel": ChannelAxisMeta, "space": SpaceAxisMeta}
    return made[_omezarr.axis_type(name)](name=name)


def _create_levels(position: Any, request: WriteRequest) -> list[Any]:
    from iohub.ngff.models import TransformationMeta

    chunks, ratio = _cut(request.layout)
    arrays: list[Any] = []
    for level, transforms in enumerate(_omezarr.level_transforms(request)):
        array = position.create_zeros(
            str(level),
            request.level_shapes[level],
            request.dtype,
            chunks=chunks,
            shards_ratio=ratio,
            transform=[TransformationMeta(**transform) for transform in transforms],
        )
        chunks = array.chunks  # iohub itself would choose chunks for each level anew
        arrays.append(array)
    return arrays


def _cut(layout: Layout | None) -> tuple[Shape | None, Shape | None]:
    """Return chunks, and chunks per shard."""
    if layout is None:
        return None, None
    if layout.shard_shape is None:
        return layout.chunk_shape, None
    return layout.chunk_shape, tuple(s // c for s, c in zip(layout.shard_shape, layout.chunk_shape, strict=True))
