"""What a backend is: one library that writes and reads one format. Everything else talks to these protocols only."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from storebench.codecs import Codec
from storebench.grid import Layout, Region, Shape, grid_shape
from storebench.stores import Location

WriteOrder = Literal["any", "planes", "whole"]
ParallelWrites = Literal["processes", "threads", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRequest:
    """What is to be stored, and how.

    Attributes
    ----------
    shape : tuple of int
        Voxels, slowest axis first.
    dtype : numpy.dtype
        Type of a voxel, native byte order.
    axes : str
        Axis names, slowest first; 2 to 5 of them.
    codec : Codec
        How blocks become bytes.
    layout : Layout or None
        Chunks and shards; None leaves both to the format or the library's default.
    level_factors : tuple of tuple of int
        One entry per further resolution level: voxels of level 0 per voxel of that level, per axis. Empty: one level.
    level_method : str
        How further levels are made, one of `levels.METHODS`; for formats that note it or say where a voxel's centre lies.
    stack_axis : int
        The axis along which a stack of 2-D files is cut; other formats do not look at it.
    spacing : tuple of float
        Size of a voxel of level 0 per axis, in any one unit; OME-Zarr notes it as scale, other formats do not look at it.
        Empty: 1 on each axis.
    """

    shape: Shape
    dtype: np.dtype
    axes: str
    codec: Codec
    layout: Layout | None = None
    level_factors: tuple[Shape, ...] = ()
    level_method: str = "mean"
    stack_axis: int = 0
    spacing: tuple[float, ...] = ()

    @property
    def level_shapes(self) -> tuple[Shape, ...]:
        """Shape of each level, 0 = full; a last block that is not full counts as one voxel."""
        return (self.shape, *(grid_shape(self.shape, factors) for factors in self.level_factors))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAs:
    """What is really in the store, read from its metadata and not from what was asked.

    Attributes
    ----------
    shape, dtype : tuple of int, numpy.dtype
        Of level 0.
    axes : str or None
        Axis names where the format keeps them.
    layout : Layout or None
        Chunks and shards; None where the image is one run of bytes or one compressed image.
    codec : str
        Neutral codec name as found in the file, with ``*`` for what the file does not tell (a TIFF does not hold its deflate
        level: "deflate-*"); "?" with a `note` where no neutral name fits.
    level_shapes : tuple of tuple of int
        Resolution levels, 0 = full.
    decode_shape : tuple of int or None
        The block that a partial read of level 0 decodes whole: the chunk, the whole image, or one voxel; None: unknown.
    smaller_decode_shapes : tuple of tuple of int
        The same of each level above 0, where chunks of their own are known; empty: unknown.
    chunk_bytes : int or None
        Stored payload without metadata, all levels; None where the format does not tell them apart.
    level_method : str or None
        How levels above 0 were made, in the file's own words ("mean"); None where it does not tell.
    note : str
        What else is worth knowing, in words.
    """

    shape: Shape
    dtype: np.dtype
    axes: str | None
    layout: Layout | None
    codec: str
    level_shapes: tuple[Shape, ...]
    decode_shape: Shape | None
    chunk_bytes: int | None
    smaller_decode_shapes: tuple[Shape, ...] = ()
    level_method: str | None = None
    note: str = ""

    def decode_shape_of(self, level: int) -> Shape | None:
        """Return the block that a partial read of a level decodes whole; None: unknown."""
        blocks = (self.decode_shape, *self.smaller_decode_shapes)
        return blocks[level] if level < len(blocks) else None


class ArrayReader(Protocol):
    """An open image."""

    @property
    def levels(self) -> tuple[Shape, ...]:
        """Shape of each resolution level, 0 = full."""

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Return the voxels of a region of a level: owned, writable, C-contiguous, decoded; never lazy, never a view."""

    def stored_as(self) -> StoredAs:
        """Return layout, codec and levels as found in the file."""


class ArrayWriter(Protocol):
    """An image being written region by region."""

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store the voxels of a region of a level; which regions are taken is said by `Backend.write_order`."""

    def flush(self) -> None:
        """Make what was written so far readable, also after a crash of this process."""


class BlockCodec(Protocol):
    """Compression alone, in memory, one block at a time, by the functions that the backend's library itself calls."""

    def encode(self, block: NDArray) -> bytes:
        """Compress one block of voxels."""

    def decode(self, data: bytes) -> NDArray:
        """Return the block again: its shape and dtype as they were."""


class Backend(Protocol):
    """One library that writes and reads one format."""

    @property
    def name(self) -> str:
        """As in "zarr3-zarrpython": format, then library."""

    @property
    def format(self) -> str:
        """What is on disk, as in "zarr3"."""

    @property
    def library(self) -> str:
        """Distribution name of the library that does the work."""

    @property
    def distributions(self) -> tuple[str, ...]:
        """Distributions that take part, the library first: their versions are recorded."""

    @property
    def suffix(self) -> str:
        """What the file's or folder's name ends with."""

    @property
    def extra(self) -> str | None:
        """The extra that installs the library; None for core."""

    @property
    def partial_read(self) -> bool:
        """Whether reading a region can leave the rest of the image unread or undecoded."""

    @property
    def makes_levels(self) -> bool:
        """Whether a reader offers smaller levels that the format makes by itself and nobody has to write."""

    @property
    def parallel_writes(self) -> ParallelWrites:
        """Who may write other blocks of one image at the same time: other processes, only threads of this one, or nobody.

        Blocks are whole chunks, or shards where there are some; for "planes" whole planes.
        """

    @property
    def counts_reads(self) -> bool:
        """Whether a location's log gets every read request; False: the library opens files behind Python's back."""

    @property
    def counts_writes(self) -> bool:
        """Whether a location's log gets every write, as a "set" with its bytes."""

    def why_unavailable(self) -> str | None:
        """Return None where the backend can work here, else a sentence with the command that installs what is missing."""

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else one sentence that says why not and what would do."""

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Tell which regions `ArrayWriter.write` takes without hidden buffering.

        "any": any region; "planes": any number of whole planes along the stack axis; "whole": the whole level at once.
        """

    def create(self, location: Location, request: WriteRequest) -> AbstractContextManager[ArrayWriter]:
        """Begin a new image; the caller has checked `why_unsupported` and that nothing is there."""

    def open(self, location: Location) -> AbstractContextManager[ArrayReader]:
        """Open a stored image for reading."""

    def reopen(self, location: Location) -> AbstractContextManager[ArrayWriter]:
        """Open a stored image for writing into it: to resume, to overwrite a region, to fill levels.

        Raises
        ------
        UnsupportedError
            If the format, or this file's codec, does not take it; the sentence says what would.
        """

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the codec alone, for blocks of the request's chunk shape, or a sentence where it cannot be had alone."""

    def limit_threads(self, threads: int) -> str | None:
        """Hold the library to at most this many threads that work at once, for the rest of this process.

        It is meant for a fresh process, before the library's first call: pools are process-wide and made once. Without
        this call the library does as it does by itself.

        Parameters
        ----------
        threads : int
            At least 1. A library that uses one thread anyway keeps to it.

        Returns
        -------
        str or None
            None where the limit holds; a sentence where the library cannot be held to it, or not any more.

        Raises
        ------
        UsageError
            If `threads` is less than 1.
        """

    def facts(self) -> Mapping[str, str]:
        """Return what results depend on beyond `distributions`, as in {"openjpeg": "2.5.4 (Pillow's wheel)"}."""


@runtime_checkable
class OwnFsync(Protocol):
    """What a backend has beyond `Backend` if its library can wait for the device by itself, where a location says so."""

    @property
    def own_fsync(self) -> str:
        """The library's setting that does it, as in "file_io_sync"; `ALWAYS_SYNCED` where it has none and does it anyway."""


ALWAYS_SYNCED: Final = "always on"
"""`OwnFsync.own_fsync` of a library that syncs whatever is asked: its writes that are to return are durable too."""
