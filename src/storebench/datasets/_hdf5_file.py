"""HDF5 files, if h5py is installed: the one dataset of a file, or the one named as in "file.h5::/path/to/dataset"."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._file_axes import axis_letter
from storebench.datasets._file_kind import UNKNOWN_AXIS, FileKind, Found
from storebench.errors import DataError, MissingDependencyError
from storebench.grid import Region

if TYPE_CHECKING:
    import h5py

_LISTED: Final = 8


@contextlib.contextmanager
def _dataset(path: Path, inner: str) -> Iterator[h5py.Dataset]:
    """Open the dataset that is meant, read-only.

    Raises
    ------
    MissingDependencyError
        If h5py is not installed.
    DataError
        If there is no such dataset, or several and none named; lists them.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(
            f'{path.name} is an HDF5 file; to read it: pip install "storebench[hdf5]"'
        ) from error
    with h5py.File(path, mode="r") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        wanted = inner.strip("/") or (names[0] if len(names) == 1 else "")
        item = file.get(wanted) if wanted else None
        if not isinstance(item, h5py.Dataset):
            problem = f"has no dataset {inner!r}" if inner else f"holds {len(names)} datasets"
            listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
            advice = f" ({listed}); choose one, as in {path.name}::/{names[0]}" if names else ", and no other either"
            raise DataError(f"{path}: the HDF5 file {problem}{advice}")
        yield item


def _describe(path: Path, inner: str) -> Found:
    with _dataset(path, inner) as dataset:
        shape = tuple(int(n) for n in dataset.shape or ())
        letters = [axis_letter(dimension.label or UNKNOWN_AXIS) for dimension in dataset.dims]
        return Found(shape=shape, dtype=dataset.dtype, axes="".join(letters), about="a dataset of an HDF5 file")


def _read(path: Path, inner: str, regions: Sequence[Region]) -> list[NDArray[Any]]:
    with _dataset(path, inner) as dataset:
        return [np.asarray(dataset[region.slices]) for region in regions]


HDF5: Final = FileKind(
    name="hdf5",
    label="HDF5",
    magic=(b"\x89HDF\r\n\x1a\n",),
    suffixes=(".h5", ".hdf5", ".hdf", ".ims", ".nxs"),
    describe=_describe,
    read=_read,
)
