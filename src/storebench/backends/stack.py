"""A stack of 2-D files: a volume as a folder with one file per plane, which is how many volumes are kept today.

A plane's file name says all that a folder of 2-D files must tell: ``zyx-z0017.tiff`` is plane 17 along z of a volume
with the axes z, y, x. So no further file is needed, and cutting along y (``zyx-y0017.tiff``) is told apart from cutting
along z. A folder of files with other names (somebody's own) is read in natural order of the names, planes along the
first axis.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import Backend, BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._refusals import refusal
from storebench.backends._single_file import check_region
from storebench.backends._stack_writers import OWN_NAME, ReopenedStack, StackNames, StackWriter, with_extent, without
from storebench.codecs import parse_codec
from storebench.errors import DataError, UnsupportedError, UsageError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location

_OTHER_ENDINGS: Final = {
    ".tiff": (".tif",),
    ".jp2": (".j2k", ".j2c", ".jpx"),
    ".jhc": (".j2c", ".jph"),
    ".jxr": (".wdp", ".hdp"),
}
"""What other programs call the same formats; storebench writes the first one only."""


class Stack:
    """A folder of 2-D files of another backend.

    Parameters
    ----------
    inner : Backend
        Writes and reads one plane.
    """

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.name = inner.name.replace("-", "stack-", 1)
        self.format = f"{inner.format}stack"
        self.suffix = f".{self.format}"
        self.library = inner.library
        self.distributions = inner.distributions
        self.extra = inner.extra
        self.makes_levels = inner.makes_levels
        self.parallel_writes: ParallelWrites = "processes"  # a plane is a file of its own
        self.counts_reads = inner.counts_reads
        self.counts_writes = inner.counts_writes
        self.partial_read = True  # planes that a region does not touch are never opened

    def why_unavailable(self) -> str | None:
        """Return what the planes' backend says."""
        return self._inner.why_unavailable()

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse all but volumes, chunks that span planes, and what the planes' backend refuses."""
        if len(request.shape) != 3:
            n_axes = len(request.shape)
            advice = "store its volumes one by one" if n_axes > 3 else f"use {self._inner.name} for one plane"
            return f"{self.name} holds volumes of 3 axes, this image has {n_axes} ({request.axes}); {advice}"
        if not 0 <= request.stack_axis < 3:
            return f"{self.name} cuts along axis 0, 1 or 2, not {request.stack_axis}"
        sentence = refusal(self, request, n_axes=range(3, 4), kinds=(request.codec.kind,))
        if sentence is not None:
            return sentence
        if request.layout is not None and request.layout.chunk_shape[request.stack_axis] != 1:
            return (
                f"{self.name} keeps each plane in its own file: the chunk shape {request.layout.chunk_shape} must be 1 "
                f"along {request.axes[request.stack_axis]}"
            )
        plane = _plane_request(request)
        place = location.child(StackNames.for_request(request, self._inner.suffix).name(0))
        return self._inner.why_unsupported(place, plane)

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "planes"."""
        return "planes"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[StackWriter]:
        """Make the folder; every write adds its planes' files. Several processes may do so for one stack."""
        location.path.mkdir(exist_ok=True)
        names = StackNames.for_request(request, self._inner.suffix)
        n_planes = request.shape[request.stack_axis]
        yield StackWriter(self._inner, location, _plane_request(request), names, n_planes=n_planes)

    @contextmanager
    def reopen(self, location: Location) -> Iterator[StackWriter]:
        """Take whole planes: those that are there are replaced, those behind them are added.

        Raises
        ------
        UnsupportedError
            If the files do not tell how more of the same are written: other names, or a codec that no file tells exactly.
        """
        axes, axis, names = _planes(location, self._inner.suffix)
        if axes is None:
            raise UnsupportedError(
                f"the files of {location.path.name} have other names than storebench gives, which say neither axes nor plane; "
                "write the stack anew"
            )
        with self._inner.open(location.child(names[0])) as reader:
            stored = reader.stored_as()
        try:
            codec = parse_codec(stored.codec)
        except UsageError as error:
            raise UnsupportedError(
                f"the files of {location.path.name} do not tell exactly how they are compressed ({stored.codec}), so no plane can "
                "be written like the others; write the stack anew, or use tiffstack-tifffile with the codec none"
            ) from error
        plane = WriteRequest(
            shape=stored.shape, dtype=stored.dtype, axes=without(axes, axis), codec=codec, layout=stored.layout
        )
        place = location.child(names[0])
        why_not = self._inner.why_unsupported(place, plane)
        if why_not is not None:
            raise UnsupportedError(why_not)
        yield ReopenedStack(self._inner, location, plane, StackNames.of(names[0], self._inner.suffix))

    @contextmanager
    def open(self, location: Location) -> Iterator[_StackReader]:
        """List the folder and open the first plane."""
        yield _StackReader(self._inner, location)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the planes' codec, for blocks of one plane."""
        codec = self._inner.block_codec(_plane_request(request))
        return codec if isinstance(codec, str) else _StackBlocks(codec, request.stack_axis)

    def limit_threads(self, threads: int) -> str | None:
        """Hold the planes' library; the planes of a stack are read one after the other."""
        return self._inner.limit_threads(threads)

    def facts(self) -> Mapping[str, str]:
        """Return what the planes' backend says."""
        return self._inner.facts()


def _plane_request(request: WriteRequest) -> WriteRequest:
    """Return the request for one plane."""
    axis, layout = request.stack_axis, request.layout
    return replace(
        request,
        shape=without(request.shape, axis),
        axes=without(request.axes, axis),
        layout=None if layout is None else Layout(chunk_shape=without(layout.chunk_shape, axis)),
        stack_axis=0,
    )


class _StackReader:
    """Opens the files that a region touches, and asks each for its part of the region."""

    def __init__(self, inner: Backend, location: Location) -> None:
        self._inner = inner
        self._location = location
        self._axes, self._axis, names = _planes(location, inner.suffix)
        self._places = [location.child(name) for name in names]
        with inner.open(self._places[0]) as first:
            self._plane_levels = first.levels
        if len(self._plane_levels[0]) != 2:
            raise DataError(f"{self._places[0].path} is no 2-D grey image (its shape is {self._plane_levels[0]})")

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The planes' levels; the number of planes stays the same in each."""
        return tuple(with_extent(shape, self._axis, len(self._places)) for shape in self._plane_levels)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Read a region from the planes that it touches."""
        check_region(self._location, self.levels, region, level)
        start, stop = region.start[self._axis], region.stop[self._axis]
        part = Region(without(region.start, self._axis), without(region.stop, self._axis))
        planes = (self._read_plane(place, part, level) for place in self._places[start:stop])
        first = next(planes)  # a region is never empty
        values = np.empty(region.shape, first.dtype)
        by_plane = np.moveaxis(values, self._axis, 0)
        by_plane[0] = first
        for i, plane in enumerate(planes, start=1):
            by_plane[i] = plane
        return values

    def _read_plane(self, place: Location, part: Region, level: int) -> NDArray:
        """Read a part of one plane's file."""
        with self._inner.open(place) as reader:
            if reader.levels != self._plane_levels:
                raise _odd_plane(place, reader.levels[0], self._places[0], self._plane_levels[0])
            return reader.read(part, level)

    def stored_as(self) -> StoredAs:
        """Return what the first plane says, with the bytes of all planes, after a look at the header of each."""
        planes = []
        for place in self._places:
            with self._inner.open(place) as reader:
                planes.append(reader.stored_as())
        first = planes[0]
        for place, plane in zip(self._places, planes, strict=True):
            if (plane.shape, plane.dtype) != (first.shape, first.dtype):
                raise _odd_plane(place, plane.shape, self._places[0], first.shape)
        sizes = [plane.chunk_bytes for plane in planes if plane.chunk_bytes is not None]
        return replace(
            first,
            shape=self.levels[0],
            axes=self._axes,
            layout=Layout(
                chunk_shape=with_extent(first.layout.chunk_shape if first.layout else first.shape, self._axis, 1)
            ),
            level_shapes=(self.levels[0],),
            smaller_decode_shapes=(),
            decode_shape=None if first.decode_shape is None else with_extent(first.decode_shape, self._axis, 1),
            chunk_bytes=sum(sizes) if len(sizes) == len(planes) else None,
        )


def _odd_plane(place: Location, shape: Shape, first: Location, first_shape: Shape) -> DataError:
    return DataError(
        f"{place.path} has the shape {shape}, but {first.path.name} has {first_shape}: they make no volume"
    )


def _planes(location: Location, suffix: str) -> tuple[str | None, int, list[str]]:
    """Return axes (None where the names do not tell), stack axis, and the planes' file names in order."""
    endings = (suffix, *_OTHER_ENDINGS.get(suffix, ()))
    files = [entry.name for entry in location.path.iterdir() if entry.suffix.lower() in endings]
    names = [name for name in files if not name.startswith(".")]
    if location.log is not None:
        location.log.add("list", location.path.name, 0)
    if not names:
        raise DataError(f"{location.path} holds no {suffix} files; a stack needs one per plane")
    matches = [OWN_NAME.fullmatch(name.removesuffix(suffix)) for name in names]
    heads = {(match[1], match[2]) for match in matches if match is not None}
    if None in matches or len(heads) != 1:
        return None, 0, sorted(names, key=lambda name: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", name)])
    axes, along = heads.pop()
    by_index = {int(match[3]): name for match, name in zip(matches, names, strict=True) if match is not None}
    missing = sorted(set(range(max(by_index) + 1)) - set(by_index))
    if missing:
        lacks = f"plane {missing[0]} along {along} ({len(missing)} of {max(by_index) + 1} missing)"
        raise DataError(f"{location.path} lacks {lacks}; fetch or write it again")
    return axes, axes.index(along), [by_index[i] for i in sorted(by_index)]


class _StackBlocks:
    """The planes' codec, on blocks that are one voxel thick along the stack axis."""

    def __init__(self, codec: BlockCodec, axis: int) -> None:
        self._codec = codec
        self._axis = axis

    def encode(self, block: NDArray) -> bytes:
        """Compress one block."""
        if block.shape[self._axis] != 1:
            raise UsageError(f"a stack's block is 1 voxel thick along axis {self._axis}, not {block.shape[self._axis]}")
        return self._codec.encode(np.ascontiguousarray(np.squeeze(block, self._axis)))

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block."""
        return np.expand_dims(self._codec.decode(data), self._axis)
