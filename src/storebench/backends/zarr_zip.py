"""Zarr v3 in one zip file, by zarr-python's `ZipStore`: metadata, chunks and shards are entries of it, not compressed again.

A zip ends with the list of its entries. It is there once the file is closed, an entry that is written anew is added behind
the old one, and an entry is never removed. So an image is written here once and in one piece, and changes nothing later.
Readers fetch the whole list before anything else.

Requests are counted at the file, as Python's `zipfile` makes them: the head of each entry (30 bytes), its name, its bytes.
To read a part of a shard zarr looks for its end first, and `zipfile` reads everything on the way there: a shard in a zip has
no parts.
"""

from __future__ import annotations

import functools
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final

from numpy.typing import NDArray

from storebench.backends._backend import ArrayReader, ArrayWriter, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._refusals import no_reopening
from storebench.backends._single_file import WholeWriter, reading
from storebench.backends._zarr_arrays import ArraysReader, ArraysWriter, create_array
from storebench.backends._zarr_stored import StoredObject
from storebench.backends.zarr_python import ZarrPython
from storebench.errors import DataError
from storebench.grid import Region
from storebench.stores import Location

_DAMAGE: Final = (zipfile.BadZipFile, RuntimeError, struct.error)
"""By which `zipfile` says that a file is none of its own, or not all of it, or from a future that never was."""


class Zarr3ZipZarrPython(ZarrPython):
    """``.zarr.zip``, with shards or without."""

    name = "zarr3zip-zarrpython"
    format = "zarr3zip"
    suffix = ".zarr.zip"
    zarr_format = 3
    parallel_writes: ParallelWrites = "none"

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """The whole image at once."""
        return "whole"

    def open_store(self, location: Location, *, read_only: bool) -> Any:
        """Return zarr's store of a zip, of a new one unless it is for reading."""
        from zarr.storage import ZipStore

        return ZipStore(location.path, mode="r" if read_only else "w")

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new zip; its list of entries is written when it is closed."""
        store = self.open_store(location, read_only=False)
        try:
            array = create_array(store, request, request.shape, zarr_format=self.zarr_format, pipeline=self.pipeline)
            arrays = ArraysWriter([array])

            def write(values: NDArray) -> None:
                arrays.write(Region.whole(values.shape), values)

            yield WholeWriter(request, write)
        finally:
            store.close()
        if location.log is not None:
            location.log.add("set", location.path.name, location.path.stat().st_size)

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a zip: its list of entries, then the array's metadata."""
        if not location.path.is_file():
            raise DataError(f"{location.path} is no zip with a Zarr v3 array: it is no file; check the path")
        store = self.open_store(location, read_only=True)
        with ExitStack() as stack:
            if location.log is not None:
                store.path = stack.enter_context(location.open_file())  # which zipfile takes as well as a path
            stack.callback(_close, store)
            reader = _ZipReader(location, store, ("",), zarr_format=self.zarr_format, pipeline=self.pipeline)
            with reading(location, "a zip with a Zarr v3 array", *_DAMAGE):
                reader.array(0)
            yield reader

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Refuse: whatever is written again would lie in the zip twice."""
        yield self._refused()

    def _refused(self) -> ArrayWriter:
        raise no_reopening(self)

    def facts(self) -> Mapping[str, str]:
        """Return the builds and settings that results depend on."""
        return {**super().facts(), "entries of a zip": "not compressed again"}


def _close(store: Any) -> None:
    """Close a store, which a zip that could not be opened does not take (zarr 3.1)."""
    if store._is_open:
        store.close()


class _ZipReader(ArraysReader):
    """Reads the array of a zip."""

    def stored_as(self) -> StoredAs:
        """Return layout and codec as found in the metadata, after a look at every entry's size."""
        with reading(self._location, "a zip with a Zarr v3 array", *_DAMAGE):
            stored = super().stored_as()
            with zipfile.ZipFile(self._location.path) as file:
                entries = file.infolist()
        n_again = len(entries) - len({entry.filename for entry in entries})
        n_compressed = sum(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        notes = [stored.note] if stored.note else []
        notes += [f"{n_again} entries lie in the zip again, the last of each counts"] if n_again else []
        notes += [f"{n_compressed} entries are compressed by the zip"] if n_compressed else []
        return replace(stored, note="; ".join(notes))

    def objects(self) -> Iterator[StoredObject]:
        """Yield the entries in use."""
        with zipfile.ZipFile(self._location.path) as file:
            for name, entry in {entry.filename: entry for entry in file.infolist() if not entry.is_dir()}.items():
                first_bytes = functools.partial(_first_bytes, file, entry)
                yield StoredObject(self._location.path / name, entry.compress_size, first_bytes)


def _first_bytes(file: zipfile.ZipFile, entry: zipfile.ZipInfo, n_bytes: int) -> bytes:
    """Return the beginning of an entry; nothing of one that the zip has compressed, whose size is another one there."""
    if entry.compress_type != zipfile.ZIP_STORED:
        return b""
    with file.open(entry) as found:
        return found.read(n_bytes)
