"""NIfTI through nibabel: a header of 352 or 544 bytes, then one run of voxels; ``.nii``, and ``.nii.gz`` inside one gzip stream.

NIfTI names its axes x, y, z, t …, of which x is the fastest in the file (Fortran's order). So the axes here are reversed: the
last is NIfTI's x, and the voxels lie in the file as they do in memory. Axis names are not kept; a fourth axis is time to
NIfTI's readers, whatever it is. Voxels are stored as they are: no slope, no intercept (`scl_slope` is 1), no orientation.

nibabel writes plane after plane, and so are planes taken here that come one by one: the file is the same.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import ArrayWriter, BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._gzip import GzipBlocks, zlib_facts
from storebench.backends._mapped import RawBlocks
from storebench.backends._owned import owned
from storebench.backends._refusals import check_thread_limit, missing_distributions, no_reopening, refusal
from storebench.backends._single_file import check_region, check_values, no_checksum, no_chunks, reading, storing
from storebench.errors import DataError, UsageError
from storebench.grid import Region, Shape
from storebench.stores import Location

if TYPE_CHECKING:
    import nibabel

_DTYPES: Final = "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64"
_MOST_OF_NIFTI1: Final = 2**15 - 1
_WHAT: Final = "a NIfTI image"
_REST_BYTES: Final = 1 << 16


class NiftiNibabel:
    """``.nii``: NIfTI-1, or NIfTI-2 where an axis has more than 32,767 voxels."""

    name = "nifti-nibabel"
    format = "nifti"
    library = "nibabel"
    distributions: tuple[str, ...] = ("nibabel",)
    suffix = ".nii"
    extra = "medical"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = True
    counts_writes = True
    _kind = "none"

    def why_unavailable(self) -> str | None:
        """Return None where nibabel is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse layouts, and dtypes that NIfTI has no code for."""
        sentence = refusal(self, request, n_axes=range(2, 6), dtypes=_DTYPES, kinds=(self._kind,))
        sentence = sentence or no_checksum(self, request) or no_chunks(self, request)
        return sentence

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "planes" where planes are cut along the slowest axis, else "whole"."""
        return "planes" if request.stack_axis == 0 else "whole"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[_NiftiWriter]:
        """Write the header, then take the image whole or plane after plane."""
        with ExitStack() as stack:
            with storing(location):
                file = stack.enter_context(self._open_new(location, request))
                writer = _NiftiWriter(location, request, file)
            yield writer
            with storing(location):
                stack.close()
            writer.count()

    def _open_new(self, location: Location, request: WriteRequest) -> AbstractContextManager[IO[bytes]]:
        return location.path.open("wb")

    def reopen(self, location: Location) -> AbstractContextManager[ArrayWriter]:
        """Refuse: nibabel writes a file once."""
        raise no_reopening(self)

    @contextmanager
    def open(self, location: Location) -> Iterator[_NiftiReader]:
        """Read the header. Where requests are counted, nibabel reads through the counting file."""
        import nibabel

        with ExitStack() as stack:
            with reading(location, _WHAT, *_damage()):
                image = nibabel.load(location.path)
                if location.log is not None:
                    file = stack.enter_context(location.open_file())
                    image = _image_in(type(image), file, mmap=False)
                reader = _NiftiReader(location, image)
            yield reader

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the copy to bytes and back that stands for a codec here."""
        return RawBlocks(request)

    def limit_threads(self, threads: int) -> str | None:
        """Return None: nibabel uses one thread."""
        check_thread_limit(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return nothing: nibabel's version says all."""
        return {}


class NiftiGzNibabel(NiftiNibabel):
    """``.nii.gz``. To read a region, all that lies before it in the file is decompressed.

    nibabel stops where it has the voxels, in front of gzip's checksum, so that it returns wrong voxels from damaged files
    (5.4.2; docs/findings). Here the checksum is looked at where a read reaches the last voxel.
    """

    name = "niftigz-nibabel"
    format = "niftigz"
    suffix = ".nii.gz"
    partial_read = False
    _kind = "gzip"

    def _open_new(self, location: Location, request: WriteRequest) -> AbstractContextManager[IO[bytes]]:
        from nibabel.openers import Opener

        opened: IO[bytes] = Opener(location.path, "wb", compresslevel=request.codec.level).fobj
        return opened

    @contextmanager
    def open(self, location: Location) -> Iterator[_NiftiGzReader]:
        """Read the header. The stream stays open: a read that lies before its position begins at its start again."""
        import nibabel
        from nibabel.openers import Opener

        with ExitStack() as stack:
            with reading(location, _WHAT, *_damage()):
                kind = type(nibabel.load(location.path))
                if location.log is None:
                    file = stack.enter_context(Opener(location.path, "rb").fobj)
                else:
                    file = stack.enter_context(gzip.GzipFile(fileobj=stack.enter_context(location.open_file())))
                reader = _NiftiGzReader(location, _image_in(kind, file, mmap=False), file)
            yield reader

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return zlib as Python's gzip calls it."""
        return GzipBlocks(request)

    def facts(self) -> Mapping[str, str]:
        """Return zlib, and whether indexed_gzip is installed, which nibabel then reads with."""
        facts = {**zlib_facts(), "indexed_gzip": "absent"}
        with suppress(importlib.metadata.PackageNotFoundError):
            facts["indexed_gzip"] = importlib.metadata.version("indexed_gzip")
        return facts


def _damage() -> tuple[type[Exception], ...]:
    """Return what nibabel raises on damaged files."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    return (ImageFileError, HeaderDataError, WrapStructError, ValueError, EOFError, OverflowError, zlib.error)


def _image_in(kind: Any, file: Any, **settings: Any) -> Any:
    """Return the image of a file that is open."""
    from nibabel.fileholders import FileHolder

    return kind.from_file_map({"image": FileHolder(fileobj=file)}, **settings)


def _new_header(request: WriteRequest) -> Any:
    """Return the header that nibabel itself would write for such an image."""
    import nibabel

    kind = nibabel.Nifti1Image if max(request.shape) <= _MOST_OF_NIFTI1 else nibabel.Nifti2Image
    voxels = np.broadcast_to(request.dtype.type(0), request.shape[::-1])
    image = kind(voxels, None, dtype=request.dtype)
    image.update_header()
    image.header.set_slope_inter(1, 0)
    return image.header


class _NiftiWriter:
    """Takes whole planes in order, and has nibabel write them."""

    def __init__(self, location: Location, request: WriteRequest, file: IO[bytes]) -> None:
        from nibabel.volumeutils import seek_tell

        self._location, self._request, self._file = location, request, file
        self._next = 0
        header = _new_header(request)
        header.write_to(file)
        seek_tell(file, header.get_data_offset(), write0=True)
        self._n_counted = 0

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Append whole planes along the first axis."""
        from nibabel.volumeutils import array_to_file

        shape = self._request.shape
        check_values(self._request, region, values, level)
        if region.shape[1:] != shape[1:] or (region.start[0] != self._next):
            raise UsageError(
                f"region {region} does not come next in order of its shape {shape}: NIfTI takes whole planes of {shape[1:]} "
                f"voxels, now from plane {self._next} on"
            )
        with storing(self._location):
            array_to_file(values.T, self._file, self._request.dtype, offset=None)
        self._next = region.stop[0]

    def flush(self) -> None:
        """Hand the planes written so far to the operating system."""
        with storing(self._location):
            self._file.flush()
        self.count()

    def count(self) -> None:
        """Write down by how much the file has grown, where somebody counts."""
        if self._location.log is not None:
            n_bytes = self._location.path.stat().st_size
            self._location.log.add("set", self._location.path.name, n_bytes - self._n_counted)
            self._n_counted = n_bytes


class _NiftiReader:
    """Reads regions by slicing nibabel's proxy of the voxels."""

    def __init__(self, location: Location, image: nibabel.Nifti1Image) -> None:
        self._location, self._image, self._proxy = location, image, image.dataobj
        if image.get_data_dtype().kind not in "iuf" or not image.shape:
            raise DataError(f"{location.path} is no NIfTI image of integers or floats; convert it to one")
        self._scaled = (self._proxy.slope, self._proxy.inter) != (1, 0)
        self._dtype = self._proxy[(0,) * len(image.shape)].dtype if self._scaled else image.get_data_dtype()

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (tuple(int(n) for n in reversed(self._image.shape)),)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Read the runs of voxels of a region."""
        check_region(self._location, self.levels, region, level)
        with reading(self._location, _WHAT, *_damage()):
            return owned(self._proxy[region.slices[::-1]].T)

    def stored_as(self) -> StoredAs:
        """Return what the header says."""
        shape = self.levels[0]
        scaling = f"scaled: {self._proxy.slope} × what is stored + {self._proxy.inter}" if self._scaled else ""
        return StoredAs(
            shape=shape,
            dtype=np.dtype(self._dtype).newbyteorder("="),
            axes=None,
            layout=None,
            codec="none",
            level_shapes=self.levels,
            decode_shape=(1,) * len(shape),
            chunk_bytes=math.prod(shape) * self._image.get_data_dtype().itemsize,
            note=scaling,
        )


class _NiftiGzReader(_NiftiReader):
    """The same out of a gzip stream, which is checked where it is read to its end."""

    def __init__(self, location: Location, image: nibabel.Nifti1Image, file: IO[bytes]) -> None:
        super().__init__(location, image)
        self._file = file

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Decompress all that lies before the end of a region, and return its voxels."""
        values = super().read(region, level)
        if region.stop == self.levels[0]:
            with reading(self._location, _WHAT, *_damage()):
                while self._file.read(_REST_BYTES):  # behind the last voxel comes the checksum, if the stream is whole
                    pass
        return values

    def stored_as(self) -> StoredAs:
        """Return what the header says; a gzip stream does not keep its compression level."""
        return replace(super().stored_as(), codec="gzip-*", decode_shape=self.levels[0], chunk_bytes=None)
