"""OME-Zarr 0.4 (Zarr v2) and 0.5 (Zarr v3): arrays by tensorstore, and the few lines of metadata that `_omezarr` makes.

Chunks have the same shape on every level; without a layout it is the one that tensorstore chooses for level 0.
Of the group its attributes alone are read: ``.zattrs`` in 0.4, ``zarr.json`` in 0.5.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from storebench.backends import _omezarr
from storebench.backends._backend import ArrayReader, ArrayWriter, WriteRequest
from storebench.backends._tensorstore import damaged_metadata, read_file, write_file
from storebench.backends._tensorstore_arrays import ArraysWriter, alike
from storebench.backends.tensorstore_zarr import ZarrReader, ZarrTensorstore, create_zarr, open_zarr
from storebench.grid import Shape
from storebench.stores import Location


class OmeZarrTensorstore(ZarrTensorstore):
    """One version of OME-Zarr.

    Parameters
    ----------
    version : str
        "0.4" or "0.5".
    """

    suffix = ".ome.zarr"
    several_levels = True

    def __init__(self, version: Literal["0.4", "0.5"]) -> None:
        self.version = version
        self.name = f"omezarr-{version}-tensorstore"
        self.format = f"ome-zarr-{version}"
        self.zarr_format = 2 if version == "0.4" else 3

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        plain = f"zarr{self.zarr_format}-tensorstore"
        return super().why_unsupported(location, request) or _omezarr.why_not(self.name, plain, request)

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new image with all of its levels."""
        name = location.path.name.removesuffix(self.suffix) or "image"
        attributes = _omezarr.image_attributes(request, self.version, name)
        for file, content in self._group(attributes).items():
            write_file(location, location.path / file, json.dumps(content).encode())

        def created(level: int, shape: Shape, asked: WriteRequest) -> Any:
            folder = location.path / str(level)
            return create_zarr(location, folder, asked, shape, zarr_format=self.zarr_format, separator="/")

        full, *smaller = request.level_shapes
        first = created(0, full, request)
        asked = alike(request, first)
        yield ArraysWriter(location, [first, *(created(level, shape, asked) for level, shape in enumerate(smaller, 1))])

    def _group(self, attributes: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Return the group's files."""
        if self.zarr_format == 2:
            return {".zgroup": {"zarr_format": 2}, ".zattrs": attributes}
        return {"zarr.json": {"zarr_format": 3, "node_type": "group", "attributes": attributes}}

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored image: its group now, each level when it is asked for."""
        found = self._multiscale(location)
        folders = [location.path / path for path in found.paths]
        yield ZarrReader(location, folders, zarr_format=self.zarr_format, group=found)

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open all levels of a stored image for writing into them."""
        folders = [location.path / path for path in self._multiscale(location).paths]
        yield ArraysWriter(location, [open_zarr(location, folder, self.zarr_format) for folder in folders])

    def _multiscale(self, location: Location) -> _omezarr.Multiscale:
        file = location.path / (".zattrs" if self.zarr_format == 2 else "zarr.json")
        data = read_file(location, file, what=f"OME-Zarr {self.version} image")
        try:
            found = json.loads(data)
            return _omezarr.multiscale_of(found if self.zarr_format == 2 else found["attributes"], self.version)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise damaged_metadata(file, error) from error
