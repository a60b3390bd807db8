"""The voxels that a case stores, kept once in the storage root so that every process reads the same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storebench.datasets import materialise, open_dataset
from storebench.datasets._dataset import Dataset
from storebench.datasets.fingerprint import fingerprint
from storebench.errors import StorageError
from storebench.grid import Region, Shape
from storebench.storage import Storage, content_key
from storebench.suites import Subject

_VOXELS, _FACTS = "voxels.npy", "dataset.json"


@dataclass(frozen=True, slots=True)
class Image:
    """A dataset whose voxels lie in the storage root; itself a `Dataset`."""

    key: str
    name: str
    shape: Shape
    dtype: np.dtype
    axes: str
    axes_assumed: bool
    seed: int | None
    source: str
    sha256: str
    path: Path

    @property
    def subject(self) -> Subject:
        """What the suites need to know of it."""
        return Subject(self.name, self.shape, self.dtype.name, self.axes, self.seed, self.key)

    def read(self, region: Region) -> NDArray:
        """Return the voxels of a region: owned, C-contiguous."""
        return np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[region.slices], order="C")

    def voxels(self) -> NDArray:
        """Return all voxels, owned and in memory."""
        voxels: NDArray = np.load(self.path, allow_pickle=False)
        return voxels


def stored_image(storage: Storage, dataset: Dataset) -> Image:
    """Return the dataset as an image in the storage root; it is made or copied there the first time.

    Parameters
    ----------
    storage : Storage
        Where.
    dataset : Dataset
        A synthetic one is known by name, shape, dtype and seed; any other is copied under the hash of its voxels.

    Raises
    ------
    StorageError
        If there is no room.
    """
    facts = {
        "name": dataset.name,
        "shape": dataset.shape,
        "dtype": dataset.dtype.name,
        "axes": dataset.axes,
        "seed": dataset.seed,
    }
    if dataset.seed is None:
        facts["sha256"] = fingerprint(dataset).sha256
    key = content_key(facts)
    if storage.entry("datasets", key) is None:
        voxels = materialise(dataset)
        storage.require_free(2 * voxels.nbytes)
        with storage.making("datasets", key) as folder:
            np.save(folder / _VOXELS, voxels, allow_pickle=False)
            about = {"axes_assumed": dataset.axes_assumed, "source": dataset.source}
            record = facts | about | {"fingerprint": asdict(fingerprint(dataset))}
            (folder / _FACTS).write_text(json.dumps(record, indent=1))
    return load_image(storage, key)


def load_image(storage: Storage, key: str) -> Image:
    """Return the image that `stored_image` stored under this key.

    Raises
    ------
    StorageError
        If it is no longer there.
    """
    folder = storage.entry("datasets", key)
    if folder is None:
        raise StorageError(f"{storage.root} no longer holds the dataset {key}; start the run again")
    facts = json.loads((folder / _FACTS).read_text())
    return Image(
        key=key,
        name=facts["name"],
        shape=tuple(facts["shape"]),
        dtype=np.dtype(facts["dtype"]),
        axes=facts["axes"],
        axes_assumed=facts["axes_assumed"],
        seed=facts["seed"],
        source=facts["source"],
        sha256=facts["fingerprint"]["sha256"],
        path=folder / _VOXELS,
    )


def image_of(storage: Storage, name: str, shape: Shape, dtype: str, seed: int) -> Image:
    """Return a synthetic dataset as an image in the storage root."""
    return stored_image(storage, open_dataset(name, shape=shape, dtype=dtype, seed=seed))
