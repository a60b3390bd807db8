"""The voxels that a case stores, kept once in the storage root so that every process reads the same bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storebench.datasets import materialise, open_dataset
from storebench.datasets._dataset import Dataset, Fingerprint
from storebench.datasets.file_form import file_form
from storebench.datasets.fingerprint import fingerprint
from storebench.errors import StorageError
from storebench.grid import Region, Shape
from storebench.measurement.crops import original_crop
from storebench.records import SCHEMA_VERSION, Crop, DatasetRecord, FileForm, crop_from_json, dataset_from_json, to_json
from storebench.storage import Storage, content_key
from storebench.suites import Subject

_VOXELS, _FACTS, _CROP = "voxels.npy", "dataset.json", "crop.json"


@dataclass(frozen=True, slots=True)
class Image:
    """A dataset whose voxels lie in the storage root; itself a `Dataset`.

    Attributes
    ----------
    key : str
        Of the entry in the storage root.
    record : DatasetRecord
        What it is, with its fingerprint.
    path : pathlib.Path
        The voxels, a .npy file.
    """

    key: str
    record: DatasetRecord
    path: Path

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.record.name

    @property
    def shape(self) -> Shape:
        """Voxels, slowest axis first."""
        return self.record.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of a voxel."""
        return np.dtype(self.record.dtype)

    @property
    def axes(self) -> str:
        """Axis names, slowest first."""
        return self.record.axes

    @property
    def axes_assumed(self) -> bool:
        """True where no metadata named the axes."""
        return self.record.axes_assumed

    @property
    def seed(self) -> int | None:
        """Seed of a synthetic image."""
        return self.record.seed

    @property
    def source(self) -> str:
        """Where the voxels come from."""
        return self.record.source

    @property
    def crop(self) -> Crop:
        """The small part that is kept for pictures, as it is before it is stored."""
        return crop_from_json(json.loads(self.path.with_name(_CROP).read_text()))

    @property
    def subject(self) -> Subject:
        """What the suites need to know of it."""
        return Subject(self.name, self.shape, self.dtype.name, self.axes, self.seed, self.key, self.record.file_form)

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
    known: dict[str, Any] = {
        "name": dataset.name,
        "shape": dataset.shape,
        "dtype": dataset.dtype.name,
        "axes": dataset.axes,
    }
    # A file's voxels are looked at each time: the file may have changed under its name.
    prints = fingerprint(dataset) if dataset.seed is None else None
    form = file_form(dataset)
    if form is not None:
        known["file_form"] = to_json(form)  # the same voxels stored otherwise are measured anew
    key = content_key(
        known | {"schema_version": SCHEMA_VERSION, "seed": dataset.seed, "sha256": prints.sha256 if prints else None}
    )
    if storage.entry("datasets", key) is None:
        voxels = materialise(dataset)
        storage.require_free(2 * voxels.nbytes)
        with storage.making("datasets", key) as folder:
            np.save(folder / _VOXELS, voxels, allow_pickle=False)
            record = _record(dataset, prints or fingerprint(dataset), form)
            (folder / _FACTS).write_text(json.dumps(to_json(record), indent=1))
            (folder / _CROP).write_text(json.dumps(to_json(original_crop(record, voxels))))
    return load_image(storage, key)


def _record(dataset: Dataset, prints: Fingerprint, form: FileForm | None) -> DatasetRecord:
    return DatasetRecord(
        name=dataset.name,
        shape=dataset.shape,
        dtype=dataset.dtype.name,
        axes=dataset.axes,
        seed=dataset.seed,
        axes_assumed=dataset.axes_assumed,
        source=dataset.source,
        sha256=prints.sha256,
        bits_used=prints.bits_used,
        entropy_bits=prints.entropy_bits,
        autocorrelation=prints.autocorrelation,
        file_form=form,
    )


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
    return Image(key, dataset_from_json(json.loads((folder / _FACTS).read_text())), folder / _VOXELS)


def image_of(storage: Storage, name: str, shape: Shape, dtype: str, seed: int) -> Image:
    """Return a synthetic dataset as an image in the storage root."""
    return stored_image(storage, open_dataset(name, shape=shape, dtype=dtype, seed=seed))
