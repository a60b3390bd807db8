"""Icechunk: Zarr v3 arrays in a repository of snapshots on the local file system, with zarr-python on top.

A write is a new repository, a session on its branch "main", and one commit; a read is a session of its last snapshot. A flush is
a commit: what was not committed is gone with the process. Nothing is synced by a commit. Objects are written beside and
renamed into place, but Icechunk itself warns that commits of several processes at once are not safe on a local disk, so one
writer writes. Chunks of at most 512 bytes lie in the manifests, and larger ones are fetched in up to five pieces at once
(its defaults). What it asks of the disk passes Python by.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from numpy.typing import NDArray

from storebench.backends._backend import ArrayReader, ArrayWriter, ParallelWrites, StoredAs, WriteRequest
from storebench.backends._zarr_arrays import ArraysReader, ArraysWriter, create_array, open_array
from storebench.backends._zarr_stored import describe, files_as_objects
from storebench.backends.zarr_python import ZarrPython
from storebench.errors import DataError, StorageError
from storebench.grid import Layout, Region, Shape, grid_shape
from storebench.stores import Location

_BRANCH: Final = "main"
_ZARR_FORMAT: Final = 3


@functools.cache
def _library() -> Any:
    """Return the library, which from now on writes no warnings to stderr: one says with each repository that it is a local one."""
    import icechunk

    icechunk.set_logs_filter("error")
    return icechunk


def _brief(error: Exception) -> str:
    """Return what an error is about, without the places in Rust's sources that are listed behind it."""
    return " ".join(str(error).partition("context:")[0].split())[:200] or type(error).__name__


@contextmanager
def _reading(location: Location) -> Iterator[None]:
    """Turn what Icechunk says of a repository that it cannot read into a sentence."""
    try:
        yield
    except _library().IcechunkError as error:
        raise DataError(
            f"{location.path} cannot be read as an Icechunk repository ({_brief(error)}); it is damaged or something else: "
            "fetch or write it again"
        ) from error


@contextmanager
def _storing(location: Location) -> Iterator[None]:
    """Turn what Icechunk says while it writes into a sentence."""
    try:
        yield
    except _library().IcechunkError as error:
        raise StorageError(
            f"{location.path} could not be written ({_brief(error)}); look for free space and permission in its folder"
        ) from error


def _open_repository(location: Location) -> Any:
    """Open a repository.

    Raises
    ------
    DataError
        If there is none, or it is damaged.
    """
    if not location.path.is_dir():
        raise DataError(f"{location.path} is no Icechunk repository: there is no such folder; check the path")
    with _reading(location):
        return _library().Repository.open(_library().local_filesystem_storage(str(location.path)))


class IcechunkZarrPython(ZarrPython):
    """``.icechunk``, a repository with one array."""

    name = "icechunk-icechunk"
    format = "icechunk"
    library = "icechunk"
    distributions = ("icechunk", "zarr", "numcodecs")
    suffix = ".icechunk"
    extra = "icechunk"
    zarr_format = _ZARR_FORMAT
    parallel_writes: ParallelWrites = "none"
    counts_reads = False
    counts_writes = False

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Make a repository with an empty array, take regions, commit."""
        with _storing(location):
            storage = _library().local_filesystem_storage(str(location.path))
            repository = _library().Repository.create(storage)
            session = repository.writable_session(_BRANCH)
            array = create_array(session.store, request, request.shape, zarr_format=_ZARR_FORMAT)
        writer = _Writer(location, repository, session, array)
        yield writer
        writer.flush()

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open the array of the last snapshot."""
        repository = _open_repository(location)
        with _reading(location):
            reader = _Reader(location, repository.readonly_session(_BRANCH).store, ("",), zarr_format=_ZARR_FORMAT)
            reader.array(0)
        yield reader

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open the array in a session for writing, and commit at the end."""
        repository = _open_repository(location)
        with _reading(location):
            session = repository.writable_session(_BRANCH)
            array = open_array(session.store, location, zarr_format=_ZARR_FORMAT, mode="r+")
        writer = _Writer(location, repository, session, array)
        yield writer
        writer.flush()

    def limit_threads(self, threads: int) -> str | None:
        """Hold what zarr-python does, and say that Icechunk's own threads are not held."""
        os.environ["TOKIO_WORKER_THREADS"] = str(threads)
        refusal = super().limit_threads(threads)
        return (
            refusal
            or "Icechunk reads files in threads of its own, of which it takes no number; compare it without a limit"
        )

    def facts(self) -> Mapping[str, str]:
        """Return what results depend on beyond the versions."""
        return {
            **super().facts(),
            "icechunk commits": "one at the end and one for each flush; none is synced (no setting)",
            "icechunk chunks of at most 512 bytes": "in manifests (its default)",
        }


class _Writer:
    """Writes regions in a session; each flush commits it and begins another."""

    def __init__(self, location: Location, repository: Any, session: Any, array: Any) -> None:
        self._location, self._repository, self._session = location, repository, session
        self._writer = ArraysWriter([array])

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store a region in the session."""
        with _storing(self._location):
            self._writer.write(region, values, level)

    def flush(self) -> None:
        """Commit what was written, if anything was."""
        if not self._session.has_uncommitted_changes:
            return
        with _storing(self._location):
            self._session.commit("storebench")
            self._session = self._repository.writable_session(_BRANCH)
            array = open_array(self._session.store, self._location, zarr_format=_ZARR_FORMAT, mode="r+")
        self._writer = ArraysWriter([array])


class _Reader(ArraysReader):
    """Reads regions of a snapshot's array."""

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Return the voxels of a region."""
        with _reading(self._location):
            return super().read(region, level)

    def _damaged_chunk(self, region: Region, level: int, error: Exception) -> DataError:
        """Name the repository: which file holds which chunk is known to its manifests alone."""
        return DataError(
            f"{self._location.path}: a chunk of {region} is damaged ({type(error).__name__}: {_brief(error)}); "
            "restore the repository from a copy or write the image anew"
        )

    def stored_as(self) -> StoredAs:
        """Return layout and codec as found in the array's metadata, and the bytes of its chunks where each is a file."""
        array = self.array(0)
        shape: Shape = tuple(array.shape)
        layout = Layout(chunk_shape=tuple(array.chunks), shard_shape=array.shards)
        n_objects = math.prod(grid_shape(shape, layout.object_shape))
        folder = self._location.path / "chunks"
        objects = list(files_as_objects(Location(folder)))
        stored = describe(
            self._location,
            metadata=array.metadata.to_dict(),
            dtype=array.dtype,
            arrays=[(shape, layout)],
            group=None,
            objects=objects,
        )
        if len(objects) == n_objects:
            return stored
        why = "small ones lie in manifests" if len(objects) < n_objects else "those of earlier snapshots are kept"
        return replace(stored, chunk_bytes=None, note=f"{len(objects)} files for {n_objects} chunks: {why}")
