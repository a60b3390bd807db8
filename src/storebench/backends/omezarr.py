"""OME-Zarr 0.4 (Zarr v2) and 0.5 (Zarr v3): arrays by zarr-python, and the few lines of metadata written here.

Chunks have the same shape on every level. Scales are relative (1.0 at level 0) and without unit: one would be invented.
A voxel of a level stands for its block, whose centre lies (factor - 1) / 2 voxels of level 0 further on: the translation.
Where a level is every n-th voxel, each lies where it lay, and there is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal

from storebench.backends._backend import ArrayReader, ArrayWriter, WriteRequest
from storebench.backends._zarr_arrays import (
    ArraysReader,
    ArraysWriter,
    create_array,
    damaged_metadata,
    open_array,
    open_store,
)
from storebench.backends.zarr_python import ZarrPython
from storebench.errors import DataError
from storebench.stores import Location

_AXIS_TYPES: Final = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_ORDER: Final = "".join(_AXIS_TYPES)
_IN_PLACE: Final = frozenset({"nearest"})
"""Ways to make levels whose voxels lie where the first voxel of their block does, and not in its middle."""


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
        sentence = super().why_unsupported(location, request)
        if sentence is not None:
            return sentence
        if request.axes not in valid_axes():
            return (
                f"{self.name} holds the axes t, c, z, y, x in this order, at least two of z, y, x; "
                f"these are {request.axes!r}: name them so, or use zarr{self.zarr_format}-zarrpython"
            )
        ones = (1,) * len(request.shape)
        for fine, coarse in itertools.pairwise((ones, *request.level_factors)):
            if fine == coarse or any(a > b for a, b in zip(fine, coarse, strict=True)):
                return f"{self.name} orders levels from fine to coarse; level factors {coarse} do not follow {fine}"
        return None

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new image with all of its levels."""
        import zarr

        store = open_store(location, read_only=False)
        name = location.path.name.removesuffix(self.suffix) or "image"
        zarr.create_group(
            store,
            attributes=image_attributes(request, self.version, name),
            zarr_format=self.zarr_format,
        )
        yield ArraysWriter(
            [
                create_array(store, request, shape, zarr_format=self.zarr_format, name=str(level), separator="/")
                for level, shape in enumerate(request.level_shapes)
            ]
        )

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored image: its group now, each level when it is asked for."""
        store = open_store(location, read_only=True)
        axes, paths = self._multiscale(store, location)
        yield ArraysReader(location, store, paths, zarr_format=self.zarr_format, axes=axes)

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open all levels of a stored image for writing into them."""
        store = open_store(location, read_only=False)
        _, paths = self._multiscale(store, location)
        yield ArraysWriter(
            [open_array(store, location, zarr_format=self.zarr_format, name=path, mode="r+") for path in paths]
        )

    def _multiscale(self, store: Any, location: Location) -> tuple[str | None, list[str]]:
        """Return axis names (None where they are not one letter each) and the path of each level."""
        import zarr

        try:
            # Neither the other version's files nor consolidated metadata are looked for.
            group = zarr.open_group(
                store,
                mode="r",
                zarr_format=self.zarr_format,
                use_consolidated=False,
            )
            attributes: Mapping[str, Any] = dict(group.attrs)
            if self.version == "0.5":
                attributes = attributes["ome"]
            multiscale = attributes["multiscales"][0]
            names = [str(axis["name"]) for axis in multiscale["axes"]]
            paths = [str(dataset["path"]) for dataset in multiscale["datasets"]]
        except FileNotFoundError as error:
            file = ".zgroup" if self.zarr_format == 2 else "zarr.json"
            raise DataError(
                f"{location.path} is no OME-Zarr {self.version} image: it has no {file}; check the path"
            ) from error
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError) as error:
            raise damaged_metadata(location.path, self.zarr_format, error) from error
        return "".join(names) if all(len(name) == 1 for name in names) else None, paths


def valid_axes() -> frozenset[str]:
    """Return every choice of axes that OME-Zarr allows: two or three in space, before them time and channel if any."""
    choices = (c for n in range(2, 6) for c in itertools.combinations(_ORDER, n))
    return frozenset("".join(c) for c in choices if sum(_AXIS_TYPES[name] == "space" for name in c) >= 2)


def image_attributes(request: WriteRequest, version: str, name: str) -> dict[str, Any]:
    """Return the group's attributes.

    Parameters
    ----------
    request : WriteRequest
        What is to be stored: axes, level factors and how levels are made.
    version : str
        "0.4" or "0.5".
    name : str
        The image's name.
    """
    datasets = []
    for level, factors in enumerate([(1,) * len(request.shape), *request.level_factors]):
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": [float(f) for f in factors]}]
        if level and request.level_method not in _IN_PLACE:
            transforms.append({"type": "translation", "translation": [(f - 1) / 2 for f in factors]})
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    multiscale: dict[str, Any] = {
        "name": name,
        "axes": [{"name": axis, "type": _AXIS_TYPES[axis]} for axis in request.axes],
        "datasets": datasets,
    }
    if request.level_factors:
        multiscale["type"] = request.level_method  # "the type of downscaling method", in the words of both versions
    if version == "0.4":
        return {"multiscales": [{"version": version, **multiscale}]}
    return {"ome": {"version": version, "multiscales": [multiscale]}}
