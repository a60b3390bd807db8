"""Images to store: made from a seed, published, or the user's own; and the one door to all of them.

To add a synthetic family write its function and its line in `synthetic.py`; a published volume is a line in
`reference.py`, a kind of file one module and its line in `files.py`. Importing this package imports no format library
and touches no network.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from storebench.datasets._dataset import Dataset, Fingerprint
from storebench.datasets.files import FileDataset, open_file
from storebench.datasets.reference import REFERENCES, open_reference
from storebench.datasets.sample import SampleDataset, sample_of
from storebench.datasets.synthetic import FAMILIES, SyntheticDataset, make
from storebench.errors import StorageError, UsageError, unknown_name
from storebench.grid import Region, Shape
from storebench.units import bytes_text

__all__ = [
    "Dataset",
    "DatasetEntry",
    "FileDataset",
    "Fingerprint",
    "SampleDataset",
    "SyntheticDataset",
    "list_datasets",
    "materialise",
    "open_dataset",
    "open_file",
    "sample_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEntry:
    """One line of the table of datasets.

    Attributes
    ----------
    name : str
        What `open_dataset` takes.
    kind : str
        "synthetic" or "published".
    shape : tuple of int or None
        Default extent in voxels; None: known once downloaded.
    dtype, axes : str or None
        Default type of a voxel and axis names, likewise.
    reason : str
        One sentence: why it exists.
    """

    name: str
    kind: Literal["synthetic", "published"]
    shape: Shape | None
    dtype: str | None
    axes: str | None
    reason: str


def list_datasets() -> tuple[DatasetEntry, ...]:
    """Return all datasets that have a name; a file's path is one more."""
    made = (
        DatasetEntry(name=f.name, kind="synthetic", shape=f.shape, dtype=f.dtype, axes=f.axes, reason=f.reason)
        for f in FAMILIES.values()
    )
    published = (
        DatasetEntry(name=r.name, kind="published", shape=None, dtype=None, axes=None, reason=r.source)
        for r in REFERENCES.values()
    )
    return (*made, *published)


def open_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    shape: Iterable[int] | None = None,
    dtype: object = None,
    seed: int = 0,
    axes: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Open an image by its name in the table, or by its path.

    A name of the table comes first; write ``./ct`` for a file called ``ct``. Only published volumes use the network.

    Parameters
    ----------
    name_or_path : str or path-like
        A name of `list_datasets`, or a file or folder (`files.KINDS`).
    shape : iterable of int, optional
        Extent in voxels, slowest axis first; synthetic images only.
    dtype : dtype-like, optional
        Type of a voxel; synthetic images only.
    seed : int
        Of a synthetic image; others do not look at it.
    axes : str, optional
        Names of a file's axes, as in "zyx".
    cache_dir : path-like, optional
        Where downloads are kept; the user's cache folder if not given.

    Raises
    ------
    UnknownNameError
        If it is neither a name nor a path; says the nearest name.
    UsageError
        If a setting does not go with the kind of dataset.
    DataError
        If a file cannot be read, or a published volume cannot be downloaded.
    """
    name = os.fspath(name_or_path)
    if name in FAMILIES:
        _refuse(name, "its axes follow from its shape", axes=axes)
        return make(name, shape=shape, dtype=dtype, seed=seed)
    _refuse(name, "only synthetic images are made to measure", shape=shape, dtype=dtype)
    if name in REFERENCES:
        _refuse(name, "its axes are known", axes=axes)
        return open_reference(name, _default_cache() if cache_dir is None else cache_dir)
    if isinstance(name_or_path, os.PathLike) or _looks_like_path(name):
        return open_file(name_or_path, axes=axes)
    raise unknown_name("dataset or file", name, (*FAMILIES, *REFERENCES), "storebench list datasets")


def _refuse(name: str, why: str, **settings: object) -> None:
    """Raise UsageError for settings that were given and cannot be followed."""
    given = [setting for setting, value in settings.items() if value is not None]
    if given:
        raise UsageError(f"{name}: no {' and '.join(given)} can be asked for, {why}; leave that out")


def _looks_like_path(name: str) -> bool:
    """Tell whether a text means a file: it is there, or it is spelled like one."""
    return os.path.lexists(name) or os.sep in name or "/" in name or bool(Path(name).suffix)


def _default_cache() -> Path:
    """Return the user's cache folder for downloads."""
    import pooch

    return Path(pooch.os_cache("storebench"))


def materialise(dataset: Dataset) -> NDArray[Any]:
    """Return a whole image, in memory.

    Returns
    -------
    array of `dataset.dtype`, shape `dataset.shape`
        Owned, C-contiguous, native byte order.

    Raises
    ------
    StorageError
        If it would not fit into the memory that is free now.
    """
    import psutil

    n_bytes = math.prod(dataset.shape) * dataset.dtype.itemsize
    available = int(psutil.virtual_memory().available)
    if 2 * n_bytes > available:  # libraries hold the decoded voxels once more before they are handed over
        raise StorageError(
            f"{dataset.name} has {bytes_text(n_bytes)} of voxels and needs twice that in memory, "
            f"{bytes_text(available)} are free; take a sample (storebench quick does), or a smaller image"
        )
    return dataset.read(Region.whole(dataset.shape))
