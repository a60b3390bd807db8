"""Writing a stack of 2-D files: what its files are called, a new stack, and one that is opened again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import Backend, WriteRequest
from storebench.backends._single_file import check_values
from storebench.errors import UsageError
from storebench.grid import Region, Shape
from storebench.stores import Location

OWN_NAME: Final = re.compile(r"([tczyx]{3})-([tczyx])(\d+)")
"""Axes, the one along which the stack is cut, and a plane's number, as in "zyx-z0017"."""

_Cut = TypeVar("_Cut", str, Shape)


def without(extents: _Cut, axis: int) -> _Cut:
    """Return a shape or the names of axes without one axis."""
    return extents[:axis] + extents[axis + 1 :]


def with_extent(extents: Shape, axis: int, extent: int) -> Shape:
    """Return a shape with one more axis."""
    return (*extents[:axis], extent, *extents[axis:])


@dataclass(frozen=True, slots=True)
class StackNames:
    """How the planes of a stack are called: axes, the one along which it is cut, digits of a plane's number, suffix."""

    axes: str
    axis: int
    n_digits: int
    suffix: str

    @classmethod
    def for_request(cls, request: WriteRequest, suffix: str) -> StackNames:
        """Return the names that a new stack gets."""
        n_planes = request.shape[request.stack_axis]
        return cls(request.axes, request.stack_axis, max(4, len(str(n_planes - 1))), suffix)

    @classmethod
    def of(cls, name: str, suffix: str) -> StackNames:
        """Return the names that go with that of one plane."""
        axes, along, number = OWN_NAME.fullmatch(name.removesuffix(suffix)).groups()  # type: ignore[union-attr]
        return cls(axes, axes.index(along), len(number), suffix)

    def name(self, index: int) -> str:
        """Return the name of a plane."""
        return f"{self.axes}-{self.axes[self.axis]}{index:0{self.n_digits}d}{self.suffix}"


class StackWriter:
    """Writes planes, each a file that is complete once it was written.

    Parameters
    ----------
    inner : Backend
        Writes one plane.
    location : Location
        The folder.
    plane : WriteRequest
        For one plane.
    names : StackNames
        Of the files.
    n_planes : int, optional
        Planes of the volume; left out: as many as come.
    """

    def __init__(
        self,
        inner: Backend,
        location: Location,
        plane: WriteRequest,
        names: StackNames,
        *,
        n_planes: int | None = None,
    ) -> None:
        self._inner, self._location, self._plane, self._names = inner, location, plane, names
        self._n_planes = n_planes

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store the planes of a region, which must be whole."""
        axis, shape = self._names.axis, self._plane.shape
        if len(region.shape) != 3 or without(region.shape, axis) != shape:
            raise UsageError(f"region {region} cuts planes; a stack takes whole planes of the shape {shape}")
        n_planes = self._n_planes or region.stop[axis]
        check_values(_Volume(with_extent(shape, axis, n_planes), self._plane.dtype), region, values, level)
        for index, plane in enumerate(np.moveaxis(values, axis, 0), start=region.start[axis]):
            self._store(self._names.name(index), plane)

    def _store(self, name: str, plane: NDArray) -> None:
        """Write one plane in its place, as every program does: a process killed meanwhile leaves a part of it."""
        with self._inner.create(self._location.child(name), self._plane) as writer:
            writer.write(Region.whole(plane.shape), plane)

    def flush(self) -> None:
        """Do nothing: each plane's file was closed when it was written."""


@dataclass(frozen=True, slots=True)
class _Volume:
    """Shape and type of all planes together."""

    shape: Shape
    dtype: np.dtype


class ReopenedStack(StackWriter):
    """Writes planes beside their places and renames them: whoever reads meanwhile sees the old plane or the new one, whole."""

    def _store(self, name: str, plane: NDArray) -> None:
        beside = self._location.child(f".{name}")  # such names are no planes
        beside.delete()  # left by a process that was killed
        super()._store(beside.path.name, plane)
        beside.path.replace(self._location.child(name).path)
