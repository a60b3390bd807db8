"""Published volumes by name, downloaded on request: the images of HEFTIE's zarr-benchmarks.

All are 806 x 629 x 629 uint16 (zyx) in the Zenodo record doi 10.5281/zenodo.15544055. Importing this module touches no
network; `open_reference` does, and only for what is not in the cache yet.

What was verified and what was not: the file names are those that HEFTIE's own download code uses
(github.com/HEFTIEProject/zarr-benchmarks, src/zarr_benchmarks/fetch_datasets.py; the sparse one as quoted in a copy of
it). The record itself could not be reached where this was written, so neither the names nor the downloads were tried.
Names and checksums are therefore taken from the record at run time, and a record whose names have changed gives an
error that lists them.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._dataset import Dataset
from storebench.errors import DataError, unknown_name
from storebench.grid import Region, Shape

DOI: Final = "10.5281/zenodo.15544055"
_REGISTRY_FILE: Final = "zenodo-15544055.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A published volume.

    Attributes
    ----------
    name : str
        What it is called here.
    file_name : str
        What it is called in the record.
    word : str
        Finds the file if it was renamed: part of the name of exactly one file.
    source : str
        One sentence: where the voxels come from and why the volume is here.
    """

    name: str
    file_name: str
    word: str
    source: str


_REFERENCES: Final = (
    Reference(
        name="heart",
        file_name="200.64um_LADAF-2021-17_heart_complete-organ_pag.zarr.zip",
        word="heart",
        source=f"Human heart by HiP-CT (Human Organ Atlas), as published by HEFTIE (doi {DOI}): a real grey image.",
    ),
    Reference(
        name="dense",
        file_name="H01-c3-subset.zarr.zip",
        word="c3",
        source=f"All segmented neurons of a part of H01, as published by HEFTIE (doi {DOI}): real dense labels.",
    ),
    Reference(
        name="sparse",
        file_name="H01-proofread-104-subset.zarr.zip",
        word="proofread",
        source=f"Proofread neurons of a part of H01, as published by HEFTIE (doi {DOI}): real sparse labels.",
    ),
)
REFERENCES: Final[Mapping[str, Reference]] = MappingProxyType({entry.name: entry for entry in _REFERENCES})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceDataset:
    """A downloaded volume under its short name; implements `Dataset`. Get it from `open_reference`."""

    name: str
    source: str
    image: Dataset
    seed: None = None

    @property
    def shape(self) -> Shape:
        """Extent in voxels, slowest axis first."""
        return self.image.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel."""
        return self.image.dtype

    @property
    def axes(self) -> str:
        """Axis names, slowest first."""
        return self.image.axes

    @property
    def axes_assumed(self) -> bool:
        """True where the file names no axes."""
        return self.image.axes_assumed

    def read(self, region: Region) -> NDArray[Any]:
        """Return the voxels of a region: owned, C-contiguous, native byte order."""
        return self.image.read(region)


def open_reference(name: str, cache_dir: str | os.PathLike[str]) -> ReferenceDataset:
    """Open a published volume, downloading it first if it is not in the cache.

    Parameters
    ----------
    name : str
        A key of `REFERENCES`.
    cache_dir : path-like
        Folder for the downloads; made if missing. What is complete there is used without network.

    Raises
    ------
    UnknownNameError
        If there is no such volume.
    DataError
        If it cannot be downloaded, a checksum does not match, or the record holds no such file.
    """
    if name not in REFERENCES:
        raise unknown_name("published volume", name, REFERENCES)
    reference = REFERENCES[name]
    try:
        path = _fetch(reference, Path(cache_dir))
    except DataError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"the published volume {name!r} could not be downloaded ({type(error).__name__}: {error}). Check the "
            f"network and the free space in {cache_dir}, or fetch it from https://doi.org/{DOI} by hand and give the "
            f"file instead of the name; without network, a synthetic image (ct, labels_dense) stands in"
        ) from error
    from storebench.datasets.files import open_file

    return ReferenceDataset(name=name, source=reference.source, image=open_file(path))


def _fetch(reference: Reference, cache: Path) -> Path:
    """Return the path of a volume in the cache, after downloading and unpacking what is missing."""
    import pooch

    cache.mkdir(parents=True, exist_ok=True)
    record = pooch.create(path=cache, base_url=f"doi:{DOI}", registry=None)
    known = cache / _REGISTRY_FILE
    if known.exists():
        record.registry = json.loads(known.read_text())
    else:
        record.load_registry_from_doi()
        known.write_text(json.dumps(record.registry))
    return _unpacked(Path(record.fetch(_file_name(reference, record.registry))), cache)


def _file_name(reference: Reference, registry: Iterable[str]) -> str:
    """Return the name of a volume's file in the record, or raise DataError with the names that there are."""
    names = sorted(registry)
    if reference.file_name in names:
        return reference.file_name
    matches = [name for name in names if reference.word in name.lower()]
    if len(matches) == 1:
        return matches[0]
    raise DataError(
        f"the record doi {DOI} holds no file {reference.file_name!r} and {len(matches)} with {reference.word!r} in "
        f"the name; it holds {', '.join(names) or 'nothing'}. Download the one you want from https://doi.org/{DOI} and "
        f"give the file instead of the name"
    )


def _unpacked(path: Path, cache: Path) -> Path:
    """Return the image of a download: the file itself, or what is in the archive.

    A folder appears under its final name only once it is complete: a Zarr array with missing chunks would be read as
    zeros, and nobody would know.
    """
    if path.suffix.lower() != ".zip":
        return path
    folder = path.with_suffix("")
    if not folder.exists():
        scratch = Path(tempfile.mkdtemp(dir=cache, prefix="unpacking-"))
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(scratch)
            inner = [entry for entry in scratch.iterdir() if entry.name != "__MACOSX"]
            is_wrapped = len(inner) == 1 and inner[0].is_dir() and not inner[0].name.isdigit()
            (inner[0] if is_wrapped else scratch).rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder
