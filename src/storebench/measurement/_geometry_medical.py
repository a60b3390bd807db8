"""What NIfTI, NRRD, MRC and DICOM must be asked for to read a region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from storebench.access import Request
from storebench.backends._dicom_dataset import frame_lengths
from storebench.grid import Shape
from storebench.measurement._geometry import Prediction, n_runs, whole_file
from storebench.stores import Location

_NEAR_BYTES: Final = 256
"""Up to so many bytes between what it wants nibabel reads along, on each of an image's two fastest axes."""

_GZIP_BUFFER_BYTES: Final = 128 << 10


def nifti(location: Location, reads: Sequence[Request]) -> Prediction:
    """Header, then each run of voxels."""
    import nibabel

    image = nibabel.load(location.path)
    shape, dtype = tuple(reversed(image.shape)), image.get_data_dtype()
    return _header_and_runs(int(image.dataobj.offset), shape, dtype.itemsize, reads)


def mrc(location: Location, reads: Sequence[Request]) -> Prediction:
    """Header, then each run of voxels."""
    import mrcfile

    with mrcfile.mmap(location.path, "r") as file:
        return _header_and_runs(file.data.offset, file.data.shape, file.data.itemsize, reads)


def _header_and_runs(header_bytes: int, shape: Shape, voxel_bytes: int, reads: Sequence[Request]) -> Prediction:
    total = Prediction(requests=1, n_bytes=header_bytes, n_parts=1)
    for read in reads:
        runs, n_bytes = n_runs(read.region, shape), read.region.n_voxels * voxel_bytes
        total += Prediction(requests=runs, n_bytes=n_bytes, n_parts=1, beside_bytes=2 * _NEAR_BYTES * runs)
    return total


def niftigz(location: Location, reads: Sequence[Request]) -> Prediction:
    """The beginning of the stream, then for each read all of it: more than that is never asked for.

    Beside it lies the beginning once more, at which nibabel looks to see what kind of file a path names.
    """
    n_bytes = min(location.path.stat().st_size, _GZIP_BUFFER_BYTES)
    return Prediction(requests=1, n_bytes=n_bytes, n_parts=1, beside_bytes=n_bytes) + whole_file(location, reads)


def nrrd(location: Location, reads: Sequence[Request]) -> Prediction:
    """The header when it is opened, the whole file for each read."""
    head, blank, _ = location.path.read_bytes().partition(b"\n\n")
    return Prediction(requests=1, n_bytes=len(head + blank), n_parts=1) + whole_file(location, reads)


def dicom(location: Location, reads: Sequence[Request]) -> Prediction:
    """The dataset up to its frames when it is opened, and again for each read; then each frame that is touched."""
    import pydicom

    with location.path.open("rb") as file:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        header_bytes, n_frames = file.tell(), int(dataset.get("NumberOfFrames", 1))
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            frames = list(frame_lengths(file))
        else:
            frames = [dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8] * n_frames
    total = Prediction(requests=1, n_bytes=header_bytes, n_parts=1)
    for read in reads:
        start, stop = (0, 1) if len(read.region.shape) == 2 else (read.region.start[0], read.region.stop[0])
        touched = frames[start:stop]
        table_bytes = (8 + 4 * n_frames + 16) * len(touched)
        total += Prediction(
            requests=1 + len(touched),
            n_bytes=header_bytes + sum(touched),
            n_parts=1,
            beside_bytes=header_bytes + table_bytes,
        )
    return total
