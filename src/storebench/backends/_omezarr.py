"""The group metadata of OME-Zarr 0.4 and 0.5, for each library that writes the arrays.

Scales are the spacing that was given, or relative (1.0 at level 0), and without unit: one would be invented. A voxel of a
level stands for its block, whose centre lies (factor - 1) / 2 voxels of level 0 further on: the translation. Where a level
is every n-th voxel, each lies where it lay, and there is none.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from storebench.backends._backend import WriteRequest

_AXIS_TYPES: Final = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_ORDER: Final = "".join(_AXIS_TYPES)
_IN_PLACE: Final = frozenset({"nearest"})
"""Ways to make levels whose voxels lie where the first voxel of their block does, and not in its middle."""


def why_not(name: str, plain: str, request: WriteRequest) -> str | None:
    """Return the sentence for axes that OME-Zarr does not hold, or None.

    Parameters
    ----------
    name, plain : str
        The backend, and the one that stores the same arrays without a group.
    request : WriteRequest
        What is asked.
    """
    if request.axes not in valid_axes():
        return (
            f"{name} holds the axes t, c, z, y, x in this order, at least two of z, y, x; "
            f"these are {request.axes!r}: name them so, or use {plain}"
        )
    return None


@functools.cache
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
    multiscale: dict[str, Any] = {
        "name": name,
        "axes": [{"name": axis, "type": axis_type(axis)} for axis in request.axes],
        "datasets": [
            {"path": str(level), "coordinateTransformations": transforms}
            for level, transforms in enumerate(level_transforms(request))
        ],
    }
    if request.level_factors:
        multiscale["type"] = request.level_method  # "the type of downscaling method", in the words of both versions
    if version == "0.4":
        return {"multiscales": [{"version": version, **multiscale}]}
    return {"ome": {"version": version, "multiscales": [multiscale]}}


def axis_type(axis: str) -> str:
    """Return "time", "channel" or "space"."""
    return _AXIS_TYPES[axis]


def level_transforms(request: WriteRequest) -> list[list[dict[str, Any]]]:
    """Return where the voxels of each level lie, as the metadata say it: a scale, and a translation above level 0."""
    found: list[list[dict[str, Any]]] = []
    spacing = request.spacing or (1.0,) * len(request.shape)
    for level, factors in enumerate([(1,) * len(request.shape), *request.level_factors]):
        found.append([{"type": "scale", "scale": [s * f for s, f in zip(spacing, factors, strict=True)]}])
        if level and request.level_method not in _IN_PLACE:
            centres = [s * (f - 1) / 2 for s, f in zip(spacing, factors, strict=True)]
            found[level].append({"type": "translation", "translation": centres})
    return found


class Multiscale(NamedTuple):
    """What a group's attributes say.

    Attributes
    ----------
    axes : str or None
        Axis names; None where they are not one letter each.
    paths : list of str
        Array of each level.
    level_method : str or None
        How levels were made, in the file's own words; None where it does not tell.
    """

    axes: str | None
    paths: list[str]
    level_method: str | None


def multiscale_of(attributes: Mapping[str, Any], version: str) -> Multiscale:
    """Read the attributes of a group.

    Raises
    ------
    KeyError, IndexError, TypeError, AttributeError
        If the attributes are not those of an image.
    """
    if version == "0.5":
        attributes = attributes["ome"]
    multiscale = attributes["multiscales"][0]
    names = [str(axis["name"]) for axis in multiscale["axes"]]
    paths = [str(dataset["path"]) for dataset in multiscale["datasets"]]
    axes = "".join(names) if all(len(name) == 1 for name in names) else None
    method = multiscale.get("type")
    return Multiscale(axes, paths, method if isinstance(method, str) else None)
