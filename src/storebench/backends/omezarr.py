"""OME-Zarr 0.4 (Zarr v2) and 0.5 (Zarr v3): arrays by zarr-python, and the few lines of metadata that `_omezarr` makes.

Chunks have the same shape on every level; without a layout it is the one that zarr chooses for level 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from storebench.backends import _omezarr
from storebench.backends._backend import ArrayReader, ArrayWriter, WriteRequest
from storebench.backends._zarr_arrays import (
    ArraysReader,
    ArraysWriter,
    create_array,
    damaged_metadata,
    open_array,
)
from storebench.backends.zarr_python import ZarrPython
from storebench.errors import DataError
from storebench.grid import Layout, Shape
from storebench.stores import Location


class OmeZarrZarrPython(ZarrPython):
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
        self.name = f"omezarr-{version}-zarrpython"
        self.format = f"ome-zarr-{version}"
        self.zarr_format = 2 if version == "0.4" else 3

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        plain = f"zarr{self.zarr_format}-zarrpython"
        return super().why_unsupported(location, request) or _omezarr.why_not(self.name, plain, request)

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new image with all of its levels."""
        import zarr

        store = self.open_store(location, read_only=False)
        name = location.path.name.removesuffix(self.suffix) or "image"
        zarr.create_group(
            store,
            attributes=_omezarr.image_attributes(request, self.version, name),
            zarr_format=self.zarr_format,
        )

        def created(level: int, shape: Shape, asked: WriteRequest) -> Any:
            return create_array(
                store,
                asked,
                shape,
                zarr_format=self.zarr_format,
                name=str(level),
                separator="/",
                pipeline=self.pipeline,
            )

        full, *smaller = request.level_shapes
        first = created(0, full, request)
        # zarr itself would choose chunks for each level anew.
        alike = replace(request, layout=Layout(chunk_shape=tuple(first.chunks), shard_shape=first.shards))
        yield ArraysWriter([first, *(created(level, shape, alike) for level, shape in enumerate(smaller, 1))])

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored image: its group now, each level when it is asked for."""
        store = self.open_store(location, read_only=True)
        found = self._multiscale(store, location)
        zarr_format, pipeline = self.zarr_format, self.pipeline
        yield ArraysReader(location, store, found.paths, zarr_format=zarr_format, group=found, pipeline=pipeline)

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open all levels of a stored image for writing into them."""
        store = self.open_store(location, read_only=False)
        paths = self._multiscale(store, location).paths
        asked: dict[str, Any] = {"zarr_format": self.zarr_format, "pipeline": self.pipeline}
        yield ArraysWriter([open_array(store, location, name=path, mode="r+", **asked) for path in paths])

    def _multiscale(self, store: Any, location: Location) -> _omezarr.Multiscale:
        import zarr

        try:
            # Neither the other version's files nor consolidated metadata are looked for.
            group = zarr.open_group(
                store,
                mode="r",
                zarr_format=self.zarr_format,
                use_consolidated=False,
            )
            return _omezarr.multiscale_of(dict(group.attrs), self.version)
        except FileNotFoundError as error:
            file = ".zgroup" if self.zarr_format == 2 else "zarr.json"
            raise DataError(
                f"{location.path} is no OME-Zarr {self.version} image: it has no {file}; check the path"
            ) from error
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError) as error:
            raise damaged_metadata(location.path, self.zarr_format, error) from error
