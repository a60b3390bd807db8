"""MRC, electron microscopy's format, through mrcfile: a header of 1024 bytes, then the voxels in C order.

Three axes are a volume, four a stack of volumes. mrcfile makes the header. The voxels are written and read through a memory
map, as mrcfile's own (`mrcfile.mmap`), but the map that is written is not mrcfile's: that waits for the disk when it is
closed, which no other format's write does (1.5.4; docs/findings). The header's least, largest and mean voxel are marked as
not determined, as MRC2014 allows: to know them takes a read of the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from storebench.backends._backend import BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._mapped import MappedRegions, MappedWriter, RawBlocks, allocate
from storebench.backends._refusals import check_thread_limit, missing_distributions, refusal
from storebench.backends._single_file import no_checksum, no_chunks, reading
from storebench.errors import DataError
from storebench.stores import Location

if TYPE_CHECKING:
    import mrcfile

_DTYPES: Final = "int8 int16 uint16 float16 float32"
_MOST: Final = 2**31 - 1
_WHAT: Final = "an MRC image"


class MrcMrcfile:
    """``.mrc`` of 2 to 4 axes."""

    name = "mrc-mrcfile"
    format = "mrc"
    library = "mrcfile"
    distributions = ("mrcfile",)
    suffix = ".mrc"
    extra = "medical"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "threads"
    counts_reads = True
    counts_writes = True

    def why_unavailable(self) -> str | None:
        """Return None where mrcfile is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse layouts, and dtypes that MRC has no mode for: mrcfile would widen uint8 to 16 bits."""
        sentence = refusal(self, request, n_axes=range(2, 5), dtypes=_DTYPES, kinds=("none",))
        sentence = sentence or no_checksum(self, request) or no_chunks(self, request)
        if sentence is None and max(*request.shape, math.prod(request.shape[:-2])) > _MOST:
            return f"an MRC header has room for 2,147,483,647 planes, and as many voxels along y and x; {request.shape} is more"
        return sentence

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "any": the memory map takes each voxel where it belongs."""
        return "any"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[MappedWriter]:
        """Make the file in its full size, then take regions."""
        offset = _write_header(location, request)
        if location.log is not None:
            location.log.add("set", location.path.name, offset)
        allocate(location.path, offset + math.prod(request.shape) * request.dtype.itemsize)
        yield MappedWriter(np.memmap(location.path, request.dtype, "r+", offset, request.shape), location)

    @contextmanager
    def reopen(self, location: Location) -> Iterator[MappedWriter]:
        """Map the voxels for writing; what the header says of their values holds no more."""
        with _opened(location, "r+") as mrc:
            mrc.reset_header_stats()
            values = np.memmap(location.path, mrc.data.dtype, "r+", mrc.data.offset, mrc.data.shape)
        if location.log is not None:
            location.log.add("get", location.path.name, values.offset)
        yield MappedWriter(values, location)

    @contextmanager
    def open(self, location: Location) -> Iterator[_MrcReader]:
        """Map the file into memory; nothing but the header is read yet."""
        with _opened(location, "r") as mrc:
            yield _MrcReader(location, mrc)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the copy to bytes and back that stands for a codec here."""
        return RawBlocks(request)

    def limit_threads(self, threads: int) -> str | None:
        """Return None: copying into and out of a memory map takes one thread."""
        check_thread_limit(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return nothing: mrcfile's version says all."""
        return {}


def _write_header(location: Location, request: WriteRequest) -> int:
    """Have mrcfile write the header, of an image of one voxel that is then said to be larger; return its bytes."""
    import mrcfile

    *outer, n_y, n_x = request.shape
    with mrcfile.new(location.path, np.zeros((1,) * len(request.shape), request.dtype)) as mrc:
        header = mrc.header
        header.nx, header.ny, header.nz = n_x, n_y, math.prod(outer)
        header.mx, header.my, header.mz = n_x, n_y, outer[-1] if outer else 1
        mrc.reset_header_stats()
        return int(header.nbytes + header.nsymbt)


@contextmanager
def _opened(location: Location, mode: str) -> Iterator[mrcfile.mrcmemmap.MrcMemmap]:
    """Open a file with its voxels mapped."""
    import mrcfile

    with reading(location, _WHAT, ValueError):
        opened: Any = mrcfile.mmap(location.path, mode)
    with opened:
        if opened.data.dtype.kind not in "iuf":
            raise DataError(f"{location.path} is no MRC image of integers or floats; convert it to one")
        yield opened


class _MrcReader(MappedRegions):
    """Reads regions, and says what the header says."""

    def __init__(self, location: Location, mrc: mrcfile.mrcmemmap.MrcMemmap) -> None:
        super().__init__(mrc.data, location)
        order = (int(mrc.header.mapc), int(mrc.header.mapr), int(mrc.header.maps))
        self._note = "" if order == (1, 2, 3) else f"columns, rows and sections are the crystal's axes {order}"

    def stored_as(self) -> StoredAs:
        """Return what the header says."""
        return StoredAs(
            shape=self._values.shape,
            dtype=self._values.dtype.newbyteorder("="),
            axes=None,
            layout=None,
            codec="none",
            level_shapes=self.levels,
            decode_shape=(1,) * self._values.ndim,
            chunk_bytes=self._values.nbytes,
            note=self._note,
        )
