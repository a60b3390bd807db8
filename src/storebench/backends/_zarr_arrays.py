"""Zarr arrays through zarr-python, for the Zarr and the OME-Zarr backends: creating, writing, reading, finding damage.

Semantics that every Zarr here has in common: fill value 0, and **every chunk is written**, also one that holds nothing
but the fill value. zarr's own default leaves such chunks out, which makes sparse data look smaller and faster than the
same voxels in other formats. A missing chunk reads as zeros without any error: only comparing the values finds that.
"""

from __future__ import annotations

import importlib.metadata
import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from storebench.backends._backend import StoredAs, WriteRequest
from storebench.backends._omezarr import Multiscale
from storebench.backends._owned import owned
from storebench.backends._zarr_codecs import v2_codecs, v3_codecs
from storebench.backends._zarr_pipelines import CONFIGURED, Pipeline
from storebench.backends._zarr_stored import StoredObject, describe, files_as_objects
from storebench.backends._zarr_threads import wait_for_other_chunks
from storebench.errors import DataError, UsageError
from storebench.grid import Layout, Region, Shape, block_region, blocks_touched
from storebench.stores import Location

# What zarr 3.1 to 3.4, numcodecs 0.16 to 0.17 and imagecodecs raise on damaged bytes (found by damaging them); OSError: also a
# disk; IndexError: zfpy of nothing.
_CHUNK_ERRORS: Final = (
    ValueError,
    RuntimeError,
    EOFError,
    OSError,
    IndexError,
    zlib.error,
    zipfile.BadZipFile,
    ExceptionGroup,
)
# On damaged metadata: no JSON, a key that is missing, a value of another type, a codec or dtype that nobody knows.
_METADATA_ERRORS: Final = (ValueError, KeyError, TypeError, AttributeError, OSError)


def open_store(location: Location, *, read_only: bool) -> Any:
    """Return zarr's plain local store, in a counting one only where the location has a log."""
    from zarr.storage import LocalStore

    return counting(LocalStore(location.path, read_only=read_only), location)


def counting(store: Any, location: Location) -> Any:
    """Return the store itself, or a counting one around it where the location has a log."""
    if location.log is None:
        return store
    from storebench.backends._zarr_counting import CountingStore

    return CountingStore(store, location.log)


def create_array(
    store: Any,
    request: WriteRequest,
    shape: Shape,
    *,
    zarr_format: int,
    name: str | None = None,
    separator: str = ".",
    pipeline: Pipeline = CONFIGURED,
) -> Any:
    """Create one empty array.

    Parameters
    ----------
    store : zarr store
        Where.
    request : WriteRequest
        What is asked; its shape is not looked at.
    shape : tuple of int
        Voxels of this array.
    zarr_format : int
        2 or 3.
    name : str, optional
        Path inside the store; None: the store is the array.
    separator : str
        Between the numbers in a v2 chunk's name; v3 has "/" and a folder "c".
    pipeline : Pipeline
        Who codes its chunks.
    """
    import zarr

    layout = request.layout
    settings: dict[str, Any] = {
        "chunks": "auto" if layout is None else layout.chunk_shape,
        "shards": None if layout is None else layout.shard_shape,
    }
    if zarr_format == 2:
        # v2 has one compressor behind a list of filters. Whatever comes before a checksum is therefore a filter: so the
        # bytes are made in the order which the neutral name says.
        chunk_shape = None if layout is None else layout.chunk_shape
        *filters, compressor = v2_codecs(request.codec, request.dtype, chunk_shape) or [None]
        attributes = (
            None if name else {"_ARRAY_DIMENSIONS": list(request.axes)}
        )  # xarray's convention; v2 itself has no names
        settings |= {"filters": filters or None, "compressors": compressor, "attributes": attributes}
        settings["chunk_key_encoding"] = {"name": "v2", "separator": separator}
    else:
        settings |= v3_codecs(request.codec, request.dtype) | {"dimension_names": tuple(request.axes)}
    with pipeline.selected():
        array = zarr.create_array(
            store,
            name=name,
            shape=shape,
            dtype=request.dtype,
            fill_value=0,
            zarr_format=zarr_format,
            config={"write_empty_chunks": True},
            **settings,
        )
    pipeline.check(array)
    return array


def open_array(
    store: Any,
    location: Location,
    *,
    zarr_format: int,
    name: str = "",
    mode: str = "r",
    pipeline: Pipeline = CONFIGURED,
) -> Any:
    """Open one array, for reading unless `mode` says otherwise.

    Raises
    ------
    DataError
        If there is none, or its metadata cannot be understood.
    """
    import zarr

    place = location.path / name if name else location.path
    try:
        # The format is given so that zarr does not look for the other version's files first.
        with pipeline.selected():
            array = zarr.open_array(store, path=name, mode=mode, zarr_format=zarr_format)
    except FileNotFoundError as error:
        file = ".zarray" if zarr_format == 2 else "zarr.json"
        raise DataError(f"{place} is no Zarr v{zarr_format} array: it has no {file}; check the path") from error
    except _METADATA_ERRORS as error:
        raise damaged_metadata(place, zarr_format, error) from error
    pipeline.check(array)
    return array


def damaged_metadata(place: Path, zarr_format: int, error: Exception) -> DataError:
    """Build the error for metadata that cannot be understood."""
    files = ".zarray, .zgroup or .zattrs" if zarr_format == 2 else "zarr.json"
    return DataError(
        f"the metadata ({files}) in {place} cannot be understood ({_brief(error)}); "
        "restore them from a copy or write the image anew"
    )


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"


class ArraysWriter:
    """Writes regions into one array per level.

    A region whose edges lie inside chunks (shards where there are some) makes zarr read, change and write those again.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = arrays

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store a region of a level."""
        array = self._arrays[level]
        # zarr would broadcast values of another shape and cut off what lies outside.
        if values.shape != region.shape or not region.fits(array.shape):
            raise UsageError(
                f"values of shape {values.shape} do not fit region {region} of a level of shape {array.shape}"
            )
        try:
            array[region.slices] = values
        except BaseException:
            wait_for_other_chunks()
            raise

    def flush(self) -> None:
        """Do nothing: each write has put whole files in place by renaming them, and the metadata were there before."""


class ArraysReader:
    """Reads regions of one array per level; a level is opened when it is first asked for, as a viewer does.

    Parameters
    ----------
    location : Location
        The image.
    store : zarr store
        The same, opened.
    paths : sequence of str
        Array of each level inside the store; "" is the store itself.
    zarr_format : int
        2 or 3.
    group : Multiscale, optional
        What a group around the arrays says of them.
    pipeline : Pipeline
        Who decodes chunks.
    """

    def __init__(
        self,
        location: Location,
        store: Any,
        paths: Sequence[str],
        *,
        zarr_format: int,
        group: Multiscale | None = None,
        pipeline: Pipeline = CONFIGURED,
    ) -> None:
        self._location, self._store, self._paths, self._zarr_format = location, store, paths, zarr_format
        self._group, self._pipeline = group, pipeline
        self._arrays: dict[int, Any] = {}

    def array(self, level: int) -> Any:
        """Return the zarr array of a level."""
        if level not in self._arrays:
            if not 0 <= level < len(self._paths):
                raise UsageError(f"{self._location.path} has levels 0 to {len(self._paths) - 1}, not {level}")
            path = self._paths[level]
            self._arrays[level] = open_array(
                self._store, self._location, zarr_format=self._zarr_format, name=path, pipeline=self._pipeline
            )
        return self._arrays[level]

    @property
    def levels(self) -> tuple[Shape, ...]:
        """Shape of each level, 0 = full."""
        return tuple(tuple(self.array(level).shape) for level in range(len(self._paths)))

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Return the voxels of a region of a level."""
        array = self.array(level)
        if not region.fits(array.shape):  # zarr would cut it off
            raise UsageError(f"region {region} lies outside of level {level}, which has shape {tuple(array.shape)}")
        try:
            values = array[region.slices]
        except _CHUNK_ERRORS as error:
            raise self._damaged_chunk(region, level, error) from error
        return owned(values)

    def _damaged_chunk(self, region: Region, level: int, error: Exception) -> DataError:
        """Find out which object of the region cannot be read, one after the other."""
        array = self.array(level)
        block = array.shards or array.chunks
        for index in blocks_touched(region, block):
            try:
                array[block_region(index, block, array.shape).slices]
            except _CHUNK_ERRORS as found:
                key = self._location.path / self._paths[level] / array.metadata.encode_chunk_key(index)
                return DataError(
                    f"the chunk file {key} is damaged ({_brief(found)}); restore it from a copy or write the image anew"
                )
        return DataError(
            f"{self._location.path}: reading {region} failed once ({_brief(error)}); try again, check the disk"
        )

    def stored_as(self) -> StoredAs:
        """Return layout, codec and levels as found in the metadata, after a look at every object's size.

        Raises
        ------
        DataError
            If an object is empty or shorter than its Blosc header says: neither is noticed by zarr when it reads.
        """
        arrays = [self.array(level) for level in range(len(self._paths))]
        return describe(
            self._location,
            metadata=arrays[0].metadata.to_dict(),
            dtype=arrays[0].dtype,
            arrays=[(tuple(a.shape), Layout(chunk_shape=tuple(a.chunks), shard_shape=a.shards)) for a in arrays],
            group=self._group,
            objects=self.objects(),
        )

    def objects(self) -> Iterable[StoredObject]:
        """Return what the store holds."""
        return files_as_objects(self._location)


def zarr_facts() -> dict[str, str]:
    """Return what results depend on beyond the versions of zarr and numcodecs."""
    import numcodecs.blosc
    import numcodecs.zstd
    import zarr

    gap = zarr.config.get("array.sharding_coalesce_max_gap_bytes", None)
    return _codec_packages() | {
        "c-blosc": numcodecs.blosc.__version__,
        "zstd": numcodecs.zstd.__version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "empty chunks": "written",
        "largest gap between shard ranges that is read along": "none" if gap is None else f"{json.dumps(gap)} bytes",
    }


def _codec_packages() -> dict[str, str]:
    """Return the versions of what brings codecs beyond Zarr's own, as far as it is there."""
    found = {}
    for name in ("imagecodecs", "pcodec", "zfpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
