"""DICOM through pydicom: one dataset, each frame (y, x) on its own, as it is or compressed.

JPEG-LS is pyjpegls' (CharLS), JPEG 2000 pylibjpeg-openjpeg's, run lengths are pydicom's own. A region is read by frames:
pydicom finds each by the table of offsets in front of them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import ArrayWriter, BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._dicom_dataset import (
    SYNTAXES,
    check_frames,
    fill_dataset,
    frame_lengths,
    near_of,
    near_setting,
    new_dataset,
    pixel_options,
    syntax_of,
    why_too_large,
)
from storebench.backends._mapped import RawBlocks
from storebench.backends._owned import owned
from storebench.backends._refusals import check_thread_limit, missing_distributions, no_reopening, refusal
from storebench.backends._single_file import WholeWriter, check_region, no_checksum, reading, storing
from storebench.errors import DataError, UnsupportedError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location

_WHAT: Final = "a DICOM image"
_LEAST_JP2: Final = 32
_LEAST_JLS_VOXELS: Final = 256
_MOST_NEAR: Final = {"uint8": 127, "uint16": 255}


class DicomPydicom:
    """``.dcm`` of one grey frame, or of many."""

    name = "dicom-pydicom"
    format = "dicom"
    library = "pydicom"
    distributions = ("pydicom", "pyjpegls", "pylibjpeg", "pylibjpeg-openjpeg")
    suffix = ".dcm"
    extra = "medical"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "none"
    counts_reads = True
    counts_writes = True

    def why_unavailable(self) -> str | None:
        """Return None where pydicom and what compresses for it are installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse what a dataset of grey frames cannot hold, and what pydicom's plugins cannot encode."""
        sentence = refusal(
            self, request, n_axes=range(2, 4), dtypes="uint8 uint16", kinds=("none", "rle", "jp2", "jls")
        )
        sentence = sentence or no_checksum(self, request) or why_too_large(request.shape, request.dtype)
        sentence = sentence or _why_not_encoded(self.name, request)
        frame = (1,) * (len(request.shape) - 2) + request.shape[-2:]
        if sentence is None and request.layout is not None and request.layout.chunk_shape != frame:
            return f"{self.name} stores frame by frame; use chunks of {frame}, or leave the chunk shape out"
        return sentence

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Return "whole": the table of offsets in front of the frames is known last."""
        return "whole"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[WholeWriter]:
        """Take the image in one piece."""
        yield WholeWriter(request, partial(_store, location, request))

    def reopen(self, location: Location) -> AbstractContextManager[ArrayWriter]:
        """Refuse: a dataset is written once."""
        raise no_reopening(self)

    @contextmanager
    def open(self, location: Location) -> Iterator[_DicomReader]:
        """Read the dataset up to its voxels."""
        yield _DicomReader(location)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return pydicom's coder of one frame, or the copy where nothing is compressed."""
        return RawBlocks(request) if request.codec.kind == "none" else _FrameCodec(request)

    def limit_threads(self, threads: int) -> str | None:
        """Return None: pydicom and its plugins use one thread; their OpenJPEG is built without threads."""
        check_thread_limit(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return nothing: the versions say all."""
        return {}


def _why_not_encoded(name: str, request: WriteRequest) -> str | None:
    """Return the sentence for frames and settings that pydicom's plugins fail on, or None."""
    codec, (n_y, n_x) = request.codec, request.shape[-2:]
    if codec.kind == "jp2" and codec.name != "jp2-lossless":
        return f"{name} has of JPEG 2000 jp2-lossless only; for {codec.name} use jp2stack-glymur"
    if codec.kind == "jp2" and min(n_y, n_x) < _LEAST_JP2:
        return f"{name}: pylibjpeg-openjpeg makes 6 resolutions, and {n_y} x {n_x} voxels are too few for it; use jls-lossless"
    if codec.kind == "jls" and n_y * n_x < _LEAST_JLS_VOXELS:
        return (
            f"{name}: pyjpegls has too little room for frames of less than {_LEAST_JLS_VOXELS} voxels; use none or rle"
        )
    most = _MOST_NEAR[request.dtype.name]
    if codec.max_error is not None and codec.max_error > most:
        return f"JPEG-LS bounds the error of {request.dtype.name} by {most} at most, not by {codec.max_error:g}"
    return None


def _store(location: Location, request: WriteRequest, image: NDArray) -> None:
    """Have pydicom compress and write an image."""
    dataset = new_dataset(request)
    try:
        fill_dataset(dataset, request, image)
    except RuntimeError as error:  # pyjpegls gives noise that grows a buffer of a fixed size
        words = " ".join(str(error).split())
        raise UnsupportedError(f"this image cannot be stored as {request.codec.name} ({words}); use none") from error
    with storing(location):
        dataset.save_as(location.path, enforce_file_format=True)
    if location.log is not None:
        location.log.add("set", location.path.name, location.path.stat().st_size)


def _reading(location: Location) -> AbstractContextManager[None]:
    """Turn what pydicom raises on damaged files into a sentence."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    own = (InvalidDicomError, BytesLengthException)
    builtin = (ValueError, AttributeError, LookupError, TypeError, RuntimeError, EOFError, OverflowError, StopIteration)
    return reading(location, _WHAT, *own, *builtin, struct.error)


class _DicomReader:
    """Reads frames; of a file whose frames have a table, only those that a region touches."""

    def __init__(self, location: Location) -> None:
        from pydicom import dcmread
        from pydicom.pixels.utils import pixel_dtype

        self._location = location
        with location.open_file() as file, _reading(location):
            self._dataset = dcmread(file, stop_before_pixels=True)
            self._offset = file.tell()
            self._dtype = pixel_dtype(self._dataset).newbyteorder("=")
            frames = self._dataset.get("NumberOfFrames")
            lead = () if frames is None else (int(frames),)
            self._shape: Shape = (*lead, int(self._dataset.Rows), int(self._dataset.Columns))
            if self._dataset.SamplesPerPixel != 1 or math.prod(self._shape) == 0:
                raise DataError(f"{location.path} is no DICOM image of grey frames; convert it to one")
            keyword = self._dataset.file_meta.TransferSyntaxUID.keyword
            self._syntax = next((syntax for syntax in SYNTAXES.values() if syntax.keyword == keyword), None)
            if self._syntax is not None and self._syntax.codec.startswith("jls"):
                check_frames(file, self._offset)

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The one level."""
        return (self._shape,)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Decode the frames that a region touches."""
        from pydicom.pixels import iter_pixels, pixel_array

        check_region(self._location, self.levels, region, level)
        settings: dict[str, Any] = {"raw": True, "decoding_plugin": self._syntax.plugin if self._syntax else ""}
        with self._source() as source, _reading(self._location):
            if region == Region.whole(self._shape):
                return owned(pixel_array(source, **settings).reshape(self._shape))
            values = np.empty(region.shape, self._dtype)
            found = iter_pixels(source, indices=self._frames(region), **settings)
            for out, frame in zip(values.reshape((-1, *region.shape[-2:])), found, strict=True):
                out[...] = frame[region.slices[-2:]]
        return values

    def _frames(self, region: Region) -> list[int] | None:
        """Return the frames of a region; None for all: for each that is named, pydicom reads the whole table of offsets."""
        if len(self._shape) == 2 or region.shape[0] == self._shape[0]:
            return None
        return list(range(region.start[0], region.stop[0]))

    @contextmanager
    def _source(self) -> Iterator[Path | IO[bytes]]:
        """Give the path, which pydicom opens itself; where requests are counted, an open file that counts them."""
        if self._location.log is None:
            yield self._location.path
            return
        with self._location.open_file() as file:
            yield file  # type: ignore[misc]

    def stored_as(self) -> StoredAs:
        """Return what the dataset says, and the bytes of its frames."""
        with self._location.path.open("rb") as file, _reading(self._location):
            file.seek(self._offset)
            codec, n_bytes = self._codec_and_bytes(file)
        frame = (1,) * (len(self._shape) - 2) + self._shape[-2:]
        return StoredAs(
            shape=self._shape,
            dtype=self._dtype,
            axes=None,
            layout=Layout(chunk_shape=frame),
            codec=codec,
            level_shapes=self.levels,
            decode_shape=frame,
            chunk_bytes=n_bytes,
            note="" if self._syntax else f"transfer syntax: {self._dataset.file_meta.TransferSyntaxUID.name}",
        )

    def _codec_and_bytes(self, file: IO[bytes]) -> tuple[str, int | None]:
        """Return codec and payload of a file that stands at its pixel data."""
        if self._syntax is None:
            return "?", None
        if self._syntax.codec == "none":
            return "none", math.prod(self._shape) * self._dtype.itemsize
        total, codec = 0, self._syntax.codec
        for n_bytes in frame_lengths(file):
            if total == 0 and "{}" in codec:
                codec = codec.format(near_of(file.read(n_bytes)))
            total += n_bytes
        return codec, total


class _FrameCodec:
    """Frames of two axes, alone or behind one voxel along a third, by pydicom's coders; the shape of the last is kept."""

    def __init__(self, request: WriteRequest) -> None:
        from pydicom import uid
        from pydicom.pixels import get_decoder, get_encoder

        syntax = syntax_of(request.codec)
        identifier = getattr(uid, syntax.keyword)
        self._encoder, self._decoder, self._plugin = get_encoder(identifier), get_decoder(identifier), syntax.plugin
        self._near, self._dtype = near_setting(request.codec), request.dtype
        self._shape = request.shape if request.layout is None else request.layout.chunk_shape

    def encode(self, block: NDArray) -> bytes:
        """Compress one frame."""
        self._shape = block.shape
        options = pixel_options(block.shape, block.dtype) | self._near
        return bytes(self._encoder.encode(block.tobytes(), encoding_plugin=self._plugin, **options))

    def decode(self, data: bytes) -> NDArray:
        """Decompress one frame."""
        from pydicom.encaps import encapsulate

        options = pixel_options(self._shape, self._dtype) | {"pixel_keyword": "PixelData"}
        block, _ = self._decoder.as_array(
            encapsulate([data]), index=0, raw=True, decoding_plugin=self._plugin, **options
        )
        return owned(block.reshape(self._shape))
