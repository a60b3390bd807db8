"""OME-Zarr by ome-zarr-py, the format's reference implementation: zarr-python's arrays, written and read through Dask.

Of `write_multiscale` the scales are replaced: it takes them from the ratio of shapes, so that half of 9 voxels, which are 5,
would have a scale of 1.8 and lie elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from storebench.backends import _omezarr
from storebench.backends._backend import ArrayReader, ArrayWriter, BlockCodec, WriteRequest
from storebench.backends._omezarr_writers import LevelsReader, LevelsWriter, OmeZarrLibrary, image_name
from storebench.backends._process_threads import dask_of_this_process, limit_dask_threads
from storebench.backends._refusals import check_thread_limit
from storebench.backends._zarr_arrays import open_store
from storebench.backends._zarr_codecs import v2_codecs, v3_codecs
from storebench.backends._zarr_threads import limit_zarr_threads
from storebench.errors import DataError
from storebench.stores import Location


class OmeZarrPy(OmeZarrLibrary):
    """One version of OME-Zarr by ome-zarr-py."""

    short = "omezarrpy"
    library = "ome-zarr"
    distributions = ("ome-zarr", "dask", "zarr", "numcodecs")
    extra = "ome-zarr"

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        sentence = self.plain.why_unsupported(location, request)
        return sentence and sentence.replace(self.plain.name, self.name)

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new image, which is stored when its last level has come."""

        def store(levels: Sequence[NDArray]) -> None:
            self._store(location, request, levels)

        writer = LevelsWriter(request, store)
        yield writer
        writer.close()

    @dask_of_this_process()
    def _store(self, location: Location, request: WriteRequest, levels: Sequence[NDArray]) -> None:
        import zarr
        from ome_zarr.format import format_from_version
        from ome_zarr.writer import write_multiscale, write_multiscales_metadata

        version, name = format_from_version(self.version), image_name(location)
        group = zarr.create_group(open_store(Location(location.path), read_only=False), zarr_format=self.zarr_format)
        options = self._storage_options(request)
        write_multiscale(list(levels), group, fmt=version, axes=request.axes, storage_options=options, name=name)
        datasets = [
            {"path": f"s{level}", "coordinateTransformations": transforms}
            for level, transforms in enumerate(_omezarr.level_transforms(request))
        ]
        write_multiscales_metadata(group, datasets, fmt=version, axes=list(request.axes), name=name)

    def _storage_options(self, request: WriteRequest) -> dict[str, Any]:
        """Return what zarr-python is told through ome-zarr-py and Dask: the same that storebench tells it itself."""
        options: dict[str, Any] = {"fill_value": 0, "config": {"write_empty_chunks": True}}
        if request.layout is not None:
            options |= {"chunks": request.layout.chunk_shape, "shards": request.layout.shard_shape}
        if self.zarr_format == 3:
            return options | v3_codecs(request.codec, request.dtype)
        chunk_shape = None if request.layout is None else request.layout.chunk_shape
        *filters, compressor = v2_codecs(request.codec, request.dtype, chunk_shape) or [None]
        return options | {"filters": filters or None, "compressors": compressor}

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored image with all of its levels, as ome-zarr-py does."""
        with self.opening(location):
            levels = self._levels(location)
        yield _Reader(self, location, levels)

    def _levels(self, location: Location) -> list[Any]:
        from ome_zarr.format import format_from_version
        from ome_zarr.io import parse_url
        from ome_zarr.reader import Multiscales, Reader

        place = parse_url(str(location.path), mode="r", fmt=format_from_version(self.version))
        for node in Reader(place)() if place is not None else ():
            if node.load(Multiscales) is not None:
                return list(node.data)
        raise DataError(f"{location.path} is no OME-Zarr {self.version} image: it has no multiscales; check the path")

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return zarr-python's codec alone."""
        return self.plain.block_codec(request)

    def limit_threads(self, threads: int) -> str | None:
        """Hold Dask's threads and zarr's."""
        check_thread_limit(threads)
        limit_dask_threads(threads)
        return limit_zarr_threads(threads)


class _Reader(LevelsReader):
    """Computes regions of ome-zarr-py's Dask arrays."""

    def __init__(self, backend: OmeZarrPy, location: Location, levels: Sequence[Any]) -> None:
        super().__init__(backend, location, len(levels))
        self._levels = levels

    def open_level(self, level: int) -> Any:
        """Return the Dask array of a level, which is there already."""
        return self._levels[level]

    def voxels(self, array: Any, slices: tuple[slice, ...]) -> NDArray:
        """Compute a part of it."""
        with dask_of_this_process():
            values: NDArray = array[slices].compute()
        return values
