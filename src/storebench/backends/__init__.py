"""The table of backends, and the one door through which an image is stored.

To add a backend: write its file, add its line to `_BACKENDS` and its extra to `pyproject.toml`. No test is edited.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from numpy.typing import NDArray

from storebench.backends._backend import (
    ALWAYS_SYNCED,
    ArrayReader,
    ArrayWriter,
    Backend,
    BlockCodec,
    OwnFsync,
    StoredAs,
    WriteOrder,
    WriteRequest,
)
from storebench.backends._refusals import why_no_own_fsync, why_not_in_parts
from storebench.backends.b2nd import B2ndBlosc2
from storebench.backends.cog import CogTifffile
from storebench.backends.dicom_pydicom import DicomPydicom
from storebench.backends.hdf5 import Hdf5H5py
from storebench.backends.htj2k_glymur import Htj2kGlymur
from storebench.backends.htj2k_imagecodecs import Htj2kImagecodecs
from storebench.backends.icechunk_zarr import IcechunkZarrPython
from storebench.backends.jls_imagecodecs import JlsImagecodecs
from storebench.backends.jp2_glymur import Jp2Glymur
from storebench.backends.jp2_imagecodecs import Jp2Imagecodecs
from storebench.backends.jp2_imageio import Jp2Imageio
from storebench.backends.jxl_imagecodecs import JxlImagecodecs
from storebench.backends.jxr_imagecodecs import JxrImagecodecs
from storebench.backends.mrc_mrcfile import MrcMrcfile
from storebench.backends.n5_z5py import N5Z5py
from storebench.backends.nifti_nibabel import NiftiGzNibabel, NiftiNibabel
from storebench.backends.npy import NpyNumpy
from storebench.backends.nrrd_pynrrd import NrrdPynrrd
from storebench.backends.ometiff import OmeTiffTifffile
from storebench.backends.omezarr import OmeZarrZarrPython
from storebench.backends.omezarr_iohub import OmeZarrIohub
from storebench.backends.omezarr_ngffzarr import OmeZarrNgffZarr
from storebench.backends.omezarr_omezarrpy import OmeZarrPy
from storebench.backends.png import PngImageio
from storebench.backends.stack import Stack
from storebench.backends.tensorstore_n5 import N5Tensorstore
from storebench.backends.tensorstore_omezarr import OmeZarrTensorstore
from storebench.backends.tensorstore_precomputed import PrecomputedTensorstore
from storebench.backends.tensorstore_zarr import Zarr2Tensorstore, Zarr3Tensorstore
from storebench.backends.tiff import TiffTifffile
from storebench.backends.tiff_zarr import TiffTifffileZarr
from storebench.backends.zarr_acquire import Zarr3AcquireZarr
from storebench.backends.zarr_fused import Zarr3ZarrPythonFused
from storebench.backends.zarr_obstore import Zarr3Obstore
from storebench.backends.zarr_python import Zarr2ZarrPython, Zarr3ZarrPython
from storebench.backends.zarr_zarrista import Zarr3Zarrista
from storebench.backends.zarr_zarrs import Zarr3Zarrs
from storebench.backends.zarr_zip import Zarr3ZipZarrPython
from storebench.errors import UnsupportedError, VerificationError, unknown_name
from storebench.grid import Region
from storebench.stores import Location

__all__ = [
    "ALWAYS_SYNCED",
    "BACKENDS",
    "ArrayReader",
    "ArrayWriter",
    "Backend",
    "BlockCodec",
    "OwnFsync",
    "StoredAs",
    "WriteOrder",
    "WriteRequest",
    "check_stored",
    "get_backend",
    "why_no_own_fsync",
    "why_not_in_parts",
    "write_array",
    "writing",
]

_BACKENDS: Final[tuple[Backend, ...]] = (
    NpyNumpy(),
    TiffTifffile(),
    TiffTifffileZarr(),
    OmeTiffTifffile(),
    CogTifffile(),
    PngImageio(),
    Jp2Imageio(),
    Jp2Glymur(),
    Jp2Imagecodecs(),
    Htj2kImagecodecs(),
    Htj2kGlymur(),
    JxlImagecodecs(),
    JlsImagecodecs(),
    JxrImagecodecs(),
    Stack(TiffTifffile()),
    Stack(PngImageio()),
    Stack(Jp2Imageio()),
    Stack(Jp2Glymur()),
    Stack(Jp2Imagecodecs()),
    Stack(Htj2kImagecodecs()),
    Stack(JxlImagecodecs()),
    Stack(JlsImagecodecs()),
    Stack(JxrImagecodecs()),
    Hdf5H5py(),
    Zarr2ZarrPython(),
    Zarr3ZarrPython(),
    Zarr3ZarrPythonFused(),
    Zarr3Zarrs(),
    Zarr3Obstore(),
    Zarr3ZipZarrPython(),
    OmeZarrZarrPython("0.4"),
    OmeZarrZarrPython("0.5"),
    Zarr2Tensorstore(),
    Zarr3Tensorstore(),
    OmeZarrTensorstore("0.4"),
    OmeZarrTensorstore("0.5"),
    OmeZarrPy("0.4"),
    OmeZarrPy("0.5"),
    OmeZarrNgffZarr("0.4"),
    OmeZarrNgffZarr("0.5"),
    OmeZarrIohub("0.4"),
    OmeZarrIohub("0.5"),
    PrecomputedTensorstore(),
    N5Tensorstore(),
    N5Z5py(),
    Zarr3Zarrista(),
    B2ndBlosc2(),
    IcechunkZarrPython(),
    Zarr3AcquireZarr(),
    NiftiNibabel(),
    NiftiGzNibabel(),
    NrrdPynrrd(),
    MrcMrcfile(),
    DicomPydicom(),
)

BACKENDS: Final[Mapping[str, Backend]] = MappingProxyType({backend.name: backend for backend in _BACKENDS})


def get_backend(name: str) -> Backend:
    """Return the backend of that name.

    Raises
    ------
    UnknownNameError
        If the table has none; says the nearest name.
    """
    if name not in BACKENDS:
        raise unknown_name("backend", name, BACKENDS, "storebench list backends")
    return BACKENDS[name]


@contextmanager
def writing(backend: Backend, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
    """Write a new image region by region; a failure leaves nothing behind unless something was flushed.

    Parameters
    ----------
    backend : Backend
        Who writes.
    location : Location
        Where; nothing may be there yet.
    request : WriteRequest
        What is to be stored, and how.

    Raises
    ------
    UnsupportedError
        If the backend cannot store exactly that, or has no fsync of its own where the location asks for it; nothing was
        written.
    FileExistsError
        If something is there already.
    """
    reason = why_no_own_fsync(backend) if location.own_fsync else None
    reason = reason or backend.why_unsupported(location, request)
    if reason is not None:
        raise UnsupportedError(reason)
    if location.exists():
        raise FileExistsError(
            f"{location.path} exists; storebench overwrites nothing: remove it or choose another name"
        )
    tracker = _FlushTracker()
    try:
        with backend.create(location, request) as writer:
            tracker.writer = writer
            yield tracker
    except BaseException:
        if not tracker.flushed:
            location.delete()
        raise


class _FlushTracker:
    """A writer that remembers whether it was flushed: from then on a failure keeps what is on disk."""

    writer: ArrayWriter
    flushed = False

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store a region of a level."""
        self.writer.write(region, values, level)

    def flush(self) -> None:
        """Make what was written readable."""
        self.writer.flush()
        self.flushed = True


def write_array(backend: Backend, location: Location, request: WriteRequest, levels: tuple[NDArray, ...]) -> StoredAs:
    """Store a whole image, then read its metadata back and compare it with what was asked.

    Parameters
    ----------
    backend, location, request
        As in `writing`.
    levels : tuple of numpy.ndarray
        The voxels of each resolution level, 0 = full, of the shapes `request.level_shapes`.

    Returns
    -------
    StoredAs
        What is in the store.

    Raises
    ------
    VerificationError
        If the store holds another layout, codec or set of levels than asked; it is removed again.
    """
    with writing(backend, location, request) as writer:
        for level, values in enumerate(levels):
            writer.write(Region.whole(values.shape), values, level)
    try:
        with backend.open(location) as reader:
            stored = reader.stored_as()
        check_stored(stored, request)
    except BaseException:
        location.delete()
        raise
    return stored


def check_stored(stored: StoredAs, request: WriteRequest) -> None:
    """Compare what a store holds with what was asked.

    Raises
    ------
    VerificationError
        If they differ; names each difference.
    """
    asked = {
        "shape": (request.shape, stored.shape),
        "dtype": (request.dtype.newbyteorder("="), stored.dtype.newbyteorder("=")),
        "levels": (request.level_shapes, stored.level_shapes),
    }
    if request.layout is not None:
        asked["layout"] = (request.layout, stored.layout)
    if stored.axes is not None:
        asked["axes"] = (request.axes, stored.axes)
    wrong = [f"{what}: asked {a}, stored {b}" for what, (a, b) in asked.items() if a != b]
    if not fnmatch.fnmatchcase(request.codec.name, stored.codec):
        wrong.append(f"codec: asked {request.codec.name}, stored {stored.codec}")
    if wrong:
        raise VerificationError(f"the store is not what was asked ({'; '.join(wrong)})")
