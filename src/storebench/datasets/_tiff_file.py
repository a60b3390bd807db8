"""TIFF files of all sorts, as far as tifffile reads them; the first image series at full resolution.

Uncompressed images in one run are read through a memory map, others through tifffile's own Zarr store, which decodes
only the strips or tiles that a region touches.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._file_axes import axis_letter
from storebench.datasets._file_kind import SAMPLES_AXIS, FileKind, Found
from storebench.datasets._npy_file import read_mapped
from storebench.errors import DataError
from storebench.grid import Region

if TYPE_CHECKING:
    import tifffile

_INCOMPLETE: Final = ("invalid page offset", "failed to reshape")


class _Complaints(logging.Handler):
    """Keeps what tifffile only logs: that pages are missing, after which it shows a smaller image."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.incomplete: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message if it tells of missing pages."""
        message = record.getMessage()
        if any(words in message for words in _INCOMPLETE):
            self.incomplete.append(message)


@contextlib.contextmanager
def _series(path: Path) -> Iterator[tifffile.TiffPageSeries]:
    """Open the first series of a file.

    Raises
    ------
    DataError
        If the file holds no image, or fewer pages than it says.
    """
    import tifffile

    complaints = _Complaints()
    logger = logging.getLogger("tifffile")
    logger.addHandler(complaints)
    try:
        with tifffile.TiffFile(path, mode="r") as file:
            if not file.series:
                raise DataError(f"{path}: a TIFF file without an image")
            series = file.series[0]
            len(series.pages), len(file.pages)  # walk to the last page: a cut-off file shows only there
            if complaints.incomplete:
                raise DataError(
                    f"{path}: pages are missing, the file is incomplete ({complaints.incomplete[0]}); "
                    "copy it again from where it came"
                )
            yield series
    finally:
        logger.removeHandler(complaints)


def _describe(path: Path, _inner: str) -> Found:
    with _series(path) as series:
        letters = [SAMPLES_AXIS if letter == "S" else axis_letter(letter) for letter in series.axes]
        extra = f", level 0 of {len(series.levels)}" if len(series.levels) > 1 else ""
        return Found(
            shape=tuple(int(n) for n in series.shape),
            dtype=np.dtype(series.dtype),
            axes="".join(letters),
            about=f"a TIFF file ({series.kind} series{extra})",
        )


def _read(path: Path, _inner: str, regions: Sequence[Region]) -> list[NDArray[Any]]:
    with _series(path) as series:
        if series.dataoffset is not None:
            dtype = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
            voxels = np.memmap(path, dtype=dtype, mode="r", offset=series.dataoffset, shape=tuple(series.shape))
            return read_mapped(voxels, regions)
        import zarr

        store = series.aszarr(level=0)
        try:
            array = zarr.open_array(store, mode="r")
            return [np.asarray(array[region.slices]) for region in regions]
        finally:
            store.close()


TIFF: Final = FileKind(
    name="tiff",
    label="TIFF",
    magic=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    suffixes=(".tif", ".tiff", ".btf", ".tf8"),
    describe=_describe,
    read=_read,
)
