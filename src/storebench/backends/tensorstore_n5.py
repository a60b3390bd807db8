"""N5 by tensorstore: one dataset in a container, blocks in files of their own; see `_n5` for axes and byte order.

tensorstore stores a block at the edge whole, filled up with 0, as in Zarr: any N5 reader takes both. It has the compressions
raw, gzip, zstd and blosc, and two for which there is no neutral name (bzip2, xz). Without a layout it chooses blocks of
about 2**20 voxels, alike on each axis.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storebench.backends import _n5
from storebench.backends._backend import ArrayReader, ArrayWriter, StoredAs, WriteRequest
from storebench.backends._tensorstore import (
    Tensorstore,
    create_array,
    damaged_metadata,
    folder_store,
    open_array,
    write_file,
)
from storebench.backends._tensorstore_arrays import ArraysReader, ArraysWriter
from storebench.errors import UsageError
from storebench.grid import Shape
from storebench.stores import Location


class N5Tensorstore(Tensorstore):
    """One image of 2 to 5 axes."""

    name = "n5-tensorstore"
    format = "n5"
    suffix = ".n5"

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        return _n5.why_not(self, request)

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new container with one dataset."""
        write_file(location, location.path / _n5.ATTRIBUTES, json.dumps(_n5.CONTAINER).encode())
        metadata: dict[str, Any] = {
            "dimensions": list(request.shape[::-1]),
            "dataType": request.dtype.name,
            "compression": _n5.compression(request.codec),
            "axes": list(request.axes[::-1]),
        }
        if request.layout is not None:
            metadata["blockSize"] = list(request.layout.chunk_shape[::-1])
        yield ArraysWriter(location, [create_array(_spec(location) | {"metadata": metadata}, location).T])

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open the stored dataset."""
        reader = _N5Reader(location)
        reader.array(0)  # opening is reading the attributes, not a promise to do so
        yield reader

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open the stored dataset for writing into it."""
        yield ArraysWriter(location, [_open(location)])


def _spec(location: Location) -> dict[str, Any]:
    return {
        "driver": "n5",
        "kvstore": folder_store(_n5.dataset_folder(location)),
        "store_data_equal_to_fill_value": True,
    }


def _attributes_file(location: Location) -> Path:
    return _n5.dataset_folder(location) / _n5.ATTRIBUTES


def _open(location: Location) -> Any:
    """Open the stored dataset, axes in the image's order."""
    return open_array(_spec(location), location, _attributes_file(location), what="N5 dataset").T


class _N5Reader(ArraysReader):
    """Reads the one dataset."""

    def open_level(self, level: int) -> Any:
        """Open the dataset."""
        if level != 0:
            raise UsageError(f"{self._location.path} has levels 0 to 0, not {level}")
        return _open(self._location)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """Its one shape."""
        return (tuple(self.array(0).shape),)

    def stored_as(self) -> StoredAs:
        """Return layout and codec as found in the attributes, after a look at every block's size."""
        file = _attributes_file(self._location)
        try:
            attributes = _n5.Attributes.parse(file.read_bytes())
        except (ValueError, KeyError, TypeError) as error:
            raise damaged_metadata(file, error) from error
        return _n5.describe(self._location, attributes)
