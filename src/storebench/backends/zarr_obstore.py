"""Zarr v3 by zarr-python over obstore: Rust's object_store on local files, as it is used for clouds.

Each object is fetched and put by a thread of tokio, of which obstore keeps one per processor and makes more for files. They
work only while zarr waits for them, so that zarr's own limit on what is in flight at once holds them too. Whole files are
renamed into place and none is synced, as by zarr's local store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from storebench.backends._backend import ArrayReader, ArrayWriter, WriteRequest
from storebench.backends._rust_errors import system_errors
from storebench.backends._zarr_arrays import counting
from storebench.backends.zarr_python import Zarr3ZarrPython
from storebench.errors import DataError, StorageError, StorebenchError
from storebench.stores import Location


class Zarr3Obstore(Zarr3ZarrPython):
    """Zarr v3, with shards or without."""

    name = "zarr3-obstore"
    library = "obstore"
    distributions = ("obstore", "zarr", "numcodecs")
    extra = "obstore"

    def open_store(self, location: Location, *, read_only: bool) -> Any:
        """Return zarr's store over obstore's of local files, in a counting one where the location has a log."""
        from obstore.store import LocalStore
        from zarr.storage import ObjectStore

        with system_errors(location):
            files = LocalStore(location.path, mkdir=not read_only)
        return counting(ObjectStore(files, read_only=read_only), location)

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new array."""
        with _in_words(location, "could not be written", StorageError), super().create(location, request) as writer:
            yield writer

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored array."""
        _look_for_folder(location)
        with _in_words(location, "cannot be read", DataError), super().open(location) as reader:
            yield reader

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open a stored array for writing into it."""
        _look_for_folder(location)
        with _in_words(location, "could not be written", StorageError), super().reopen(location) as writer:
            yield writer


def _look_for_folder(location: Location) -> None:
    """Refuse a path that is no folder, which obstore takes for a store like any other, or makes."""
    if not location.path.is_dir():
        raise DataError(f"{location.path} is no Zarr v3 array: it has no zarr.json; check the path")


@contextmanager
def _in_words(location: Location, what: str, kind: type[StorebenchError]) -> Iterator[None]:
    """Turn obstore's complaints into a sentence: they are neither Python's nor zarr's.

    Raises
    ------
    OSError
        With what the operating system says, where obstore quotes it.
    StorebenchError
        Of that kind, where it does not.
    """
    from obstore.exceptions import BaseError

    try:
        with system_errors(location, BaseError):
            yield
    except BaseError as error:
        words = str(error).partition("\n")[0]  # what follows is for those who look for errors in obstore
        raise kind(f"{location.path} {what} ({words}); look for its files, free space and permissions") from error
