"""How the user's own file stores its image, in the words of the backends: what "as it is" means for a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from storebench.backends import StoredAs, WriteRequest, get_backend
from storebench.codecs import parse_codec
from storebench.datasets._dataset import Dataset
from storebench.datasets.files import FileDataset
from storebench.datasets.sample import SampleDataset
from storebench.errors import StorebenchError
from storebench.records import FileForm
from storebench.stores import Location

_READERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "npy": ("npy-numpy",),
        "tiff": ("tiff-tifffile",),
        "png": ("png-imageio",),
        "jp2": ("jp2-glymur", "jp2-imageio"),
        "hdf5": ("hdf5-h5py",),
        "zarr": ("zarr3-zarrpython", "zarr2-zarrpython", "omezarr-0.5-zarrpython", "omezarr-0.4-zarrpython"),
        "folder": ("tiffstack-tifffile", "pngstack-imageio", "jp2stack-glymur", "jp2stack-imageio"),
    }
)
"""By kind of file: the backends that may store the same."""


def file_form(dataset: Dataset) -> FileForm | None:
    """Return how the file of a dataset stores it.

    Parameters
    ----------
    dataset : Dataset
        Of a sample, the file that it was taken from is looked at: its chunks and codec, for the sample's shape.

    Returns
    -------
    FileForm or None
        None where the image is no file, or no backend stores exactly that: where the file does not keep its compression
        level (PNG, TIFF's deflate and zstd), holds several levels, a codec that has no neutral name, or other axes; or
        where a .npy file is in Fortran's order or another byte order.
    """
    source = dataset.base if isinstance(dataset, SampleDataset) else dataset
    if not isinstance(source, FileDataset) or source.order != tuple(range(len(source.shape))):
        return None
    if source.kind == "npy" and not _is_as_in_memory(source.path):
        return None
    found = stored_form(source)
    return None if found is None or len(found[1].level_shapes) > 1 else _form(*found, dataset)


def stored_form(source: FileDataset) -> tuple[str, StoredAs] | None:
    """Return the name of the first backend that reads a file, and what it finds there; None where none does.

    Its axes are the file's own, which need not be those of the dataset.
    """
    shape = tuple(source.shape[source.order.index(axis)] for axis in range(len(source.shape)))
    for name in _READERS.get(source.kind, ()):
        stored = _stored(name, source.path)
        if stored is not None and stored.shape == shape:
            return name, stored
    return None


def _is_as_in_memory(path: Path) -> bool:
    """Tell whether a .npy file holds its voxels in C order and this machine's byte order, as the backend writes them."""
    voxels = np.load(path, mmap_mode="r", allow_pickle=False)
    return bool(voxels.flags.c_contiguous and voxels.dtype.isnative)


def _stored(backend: str, path: Path) -> StoredAs | None:
    """Return what a backend finds in a file; None where it cannot read it."""
    if get_backend(backend).why_unavailable() is not None:
        return None
    try:
        with get_backend(backend).open(Location(path)) as reader:
            return reader.stored_as()
    except StorebenchError:
        return None


def _form(name: str, stored: StoredAs, dataset: Dataset) -> FileForm | None:
    """Return the form, where the backend writes exactly that: for this shape, dtype, layout and codec."""
    backend = get_backend(name)
    try:
        codec = parse_codec(stored.codec)  # a pattern such as "png-*" is no codec
    except StorebenchError:
        return None
    # a stack of planes and a raw file have one layout, which no request names
    layout = None if name.startswith(("npy", "jp2")) and stored.decode_shape == stored.shape else stored.layout
    request = WriteRequest(shape=dataset.shape, dtype=dataset.dtype, axes=dataset.axes, codec=codec, layout=layout)
    if backend.why_unsupported(Location(Path(f"image{backend.suffix}")), request) is not None:
        return None
    return FileForm(
        backend=name,
        codec=codec.name,
        chunk_shape=None if layout is None else layout.chunk_shape,
        shard_shape=None if layout is None else layout.shard_shape,
    )
