"""DICOM datasets of grey frames: how one is begun, which transfer syntax each codec is, and what is found in a file.

An image of three axes is a Multi-frame Grayscale Word (or Byte) Secondary Capture Image, one of two a Secondary Capture Image:
the classes for images that do not come from a scanner of the hospital. What they require and nothing here knows (patient,
dates) is there and empty.
"""

from __future__ import annotations

import io
import math
import struct
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest
from storebench.codecs import Codec

if TYPE_CHECKING:
    from pydicom import Dataset

_EMPTY: Final = (
    "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName StudyID AccessionNumber "
    "SeriesNumber Laterality Manufacturer ContentDate ContentTime PatientOrientation"
).split()
"""What must be there and may be empty (type 2)."""

_ITEM: Final = 0xFFFEE000
File = IO[bytes] | io.BufferedIOBase | io.RawIOBase
_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
"""What closes compressed frames."""
_START_OF_SCAN: Final = b"\xff\xda"
_MOST_VALUE_BYTES: Final = 2**16 - 2
_MOST_PIXEL_BYTES: Final = 2**32 - 2
_MOST_ROWS: Final = 2**16 - 1


@dataclass(frozen=True, slots=True)
class Syntax:
    """A transfer syntax, as pydicom and its one plugin for it are called.

    Attributes
    ----------
    keyword : str
        pydicom's name of the UID.
    codec : str
        Neutral name as the file tells it.
    plugin : str
        Who encodes and decodes; always the same one, whatever else is installed.
    """

    keyword: str
    codec: str
    plugin: str = ""


SYNTAXES: Final[Mapping[str, Syntax]] = MappingProxyType(
    {
        "none": Syntax("ExplicitVRLittleEndian", "none"),
        "rle": Syntax("RLELossless", "rle", "pydicom"),
        "jp2": Syntax("JPEG2000Lossless", "jp2-lossless", "pylibjpeg"),
        "jls": Syntax("JPEGLSLossless", "jls-lossless", "pyjpegls"),
        "jls-error": Syntax("JPEGLSNearLossless", "jls-error-{}", "pyjpegls"),
    }
)
"""By family of codecs; JPEG-LS with an error bound is a syntax of its own."""


def syntax_of(codec: Codec) -> Syntax:
    """Return the transfer syntax of a codec."""
    return SYNTAXES[codec.kind if codec.lossless else f"{codec.kind}-error"]


def most_frames() -> int:
    """Return how many frames can be numbered: their numbers are one value of a dataset, and share 65,534 bytes."""
    n, n_bytes = 0, -1
    while n_bytes + len(str(n + 1)) + 1 <= _MOST_VALUE_BYTES:
        n += 1
        n_bytes += len(str(n)) + 1
    return n


def why_too_large(shape: tuple[int, ...], dtype: np.dtype) -> str | None:
    """Return the sentence for an image that a dataset has no room for, or None."""
    if max(shape[-2:]) > _MOST_ROWS:
        return f"a DICOM frame has at most 65,535 rows and columns, this one {shape[-2]} and {shape[-1]}"
    if len(shape) == 3 and shape[0] > most_frames():
        return f"a DICOM dataset numbers {most_frames():,} frames at most, here are {shape[0]:,}; store it in several"
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > _MOST_PIXEL_BYTES:
        return f"a DICOM dataset holds less than 4 GiB of voxels, these are {n_bytes:,} bytes; store them in several"
    return None


def new_dataset(request: WriteRequest) -> Dataset:
    """Return a dataset with all but its voxels."""
    from pydicom import Dataset, uid
    from pydicom.dataset import FileMetaDataset

    dataset, meta = Dataset(), FileMetaDataset()
    if len(request.shape) == 2:
        kind = uid.SecondaryCaptureImageStorage
    elif request.dtype.itemsize == 1:
        kind = uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    else:
        kind = uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = _new_uid()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.file_meta = meta
    for keyword in _EMPTY:
        setattr(dataset, keyword, None)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _new_uid(), _new_uid()
    dataset.Modality, dataset.ConversionType, dataset.InstanceNumber = "OT", "SYN", 1
    if len(request.shape) == 3:
        _describe_frames(dataset, request)
    if not request.codec.lossless:
        dataset.LossyImageCompression, dataset.LossyImageCompressionMethod = "01", "ISO_14495_1"
    return dataset


def _describe_frames(dataset: Dataset, request: WriteRequest) -> None:
    """Say that frames are pages in order, and that voxels are what they are."""
    from pydicom.tag import Tag

    dataset.BurnedInAnnotation = "NO"
    if request.shape[0] > 1:
        dataset.FrameIncrementPointer = Tag("PageNumberVector")
        dataset.PageNumberVector = list(range(1, request.shape[0] + 1))
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"


def pixel_options(shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
    """Return what pydicom's coders want to know of one frame of (y, x) voxels."""
    bits = 8 * dtype.itemsize
    return {
        "rows": shape[-2],
        "columns": shape[-1],
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "bits_allocated": bits,
        "bits_stored": bits,
        "pixel_representation": 0,
    }


def fill_dataset(dataset: Dataset, request: WriteRequest, image: NDArray) -> None:
    """Put the voxels into a dataset, compressed where that is asked for."""
    from pydicom import uid
    from pydicom.pixels.utils import compress, set_pixel_data

    set_pixel_data(dataset, image, "MONOCHROME2", 8 * image.itemsize, generate_instance_uid=False)
    if request.codec.kind == "none":
        return
    syntax, settings = syntax_of(request.codec), near_setting(request.codec)
    identifier = getattr(uid, syntax.keyword)
    compress(dataset, identifier, encoding_plugin=syntax.plugin, generate_instance_uid=False, **settings)
    if settings:
        dataset.LossyImageCompressionRatio = round(image.nbytes / len(dataset.PixelData), 3)


def near_setting(codec: Codec) -> dict[str, int]:
    """Return the error bound as pydicom takes it; nothing where there is none."""
    return {} if codec.max_error is None else {"jls_error": int(codec.max_error)}


def frame_lengths(file: File) -> Iterator[int]:
    """Yield the bytes of each compressed frame; the file stands at each when it comes.

    Parameters
    ----------
    file : binary file
        At the element of the pixel data, of a dataset with explicit value representations.
    """
    file.seek(12, 1)  # tag, representation, a length that is not told
    for number, n_bytes in enumerate(_item_lengths(file)):
        if number:  # the first is the table of offsets
            yield n_bytes


def _item_lengths(file: File) -> Iterator[int]:
    while True:
        group, element, n_bytes = struct.unpack("<HHL", file.read(8))
        if group << 16 | element != _ITEM:
            return
        start = file.tell()
        yield n_bytes
        file.seek(start + n_bytes)


def check_frames(file: File, offset: int) -> None:
    """Make sure that no compressed frame is cut off: CharLS may search for the end of one for ever.

    Parameters
    ----------
    file : binary file
        Of a dataset with compressed frames.
    offset : int
        Where the element of the pixel data begins.

    Raises
    ------
    struct.error
        If the file ends before its frames do.
    """
    file.seek(-len(_END), 2)
    if file.read(len(_END)) != _END:  # something may stand behind the frames, in somebody else's dataset
        file.seek(offset)
        for _ in frame_lengths(file):
            pass


def near_of(codestream: bytes) -> int:
    """Return the error bound of a JPEG-LS codestream, from the header of its scan.

    Raises
    ------
    ValueError
        If there is no such header.
    """
    scan = codestream.index(_START_OF_SCAN)
    n_components = codestream[scan + 4]
    return codestream[scan + 5 + 2 * n_components]


def _new_uid() -> str:
    """Return a UID that nobody has, of 64 digits and points: those by chance are shorter at times, and so would the file be."""
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[str(uuid.uuid4())]))
