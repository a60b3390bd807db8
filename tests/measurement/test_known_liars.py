"""Libraries that are known to give back rubbish without an error: each is refused, and caught as failed where nobody refuses.

The real library does the work in each test; only the backend's refusal is taken away. Not here, as it is no dependency: pylibjxl
0.5, which casts 16-bit images to 8 bits without a word (docs/formats.md).
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

import storebench.backends
from storebench.backends import BACKENDS, Backend, WriteRequest, get_backend
from storebench.backends._jp2 import Jp2Backend
from storebench.backends.jp2_imageio import Jp2Imageio
from storebench.backends.ometiff import OmeTiffTifffile
from storebench.backends.zarr_python import Zarr2ZarrPython
from storebench.errors import DataError, UnsupportedError, VerificationError
from storebench.grid import Shape
from storebench.measurement.images import image_of
from storebench.measurement.session import Session
from storebench.records import Case
from storebench.results.journal import read_journal
from storebench.storage import Storage
from storebench.stores import Location


class TilesOf16BitsByPillow(Jp2Imageio):
    """Pillow writes other voxels into tiles of 16 bits (13.0.0)."""

    name = "jp2-imageio-liar"

    def _why_not_tiled(self, request: WriteRequest) -> str | None:
        return Jp2Backend._why_not_tiled(self, request)


class TakesEverything(Zarr2ZarrPython):
    """What imagecodecs and numcodecs do with chunks that storebench refuses."""

    name = "zarr2-zarrpython-liar"

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        return None


class LevelsSmallerAlongZ(OmeTiffTifffile):
    """tifffile reads as many planes of a level as level 0 has, and takes what stands behind for them (2026.3.3 to 2026.11.8)."""

    name = "ometiff-tifffile-liar"

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        return None


def _case(backend: Backend, codec: str, dataset: str, dtype: str, shape: Shape, **more: object) -> Case:
    axes = "zyx"[-len(shape) :]
    return Case(
        dataset=dataset,
        shape=shape,
        dtype=dtype,
        axes=axes,
        operation="write",
        backend=backend.name,
        codec=codec,
        **more,
    )


_PLANE, _VOLUME = (512, 512), (64, 64, 64)
_LIARS = {
    "tiles of 16 bits by Pillow": (
        TilesOf16BitsByPillow(),
        ("jp2-lossless", "ct", "uint16", _PLANE),
        {"chunk_shape": (256, 256)},
        "voxels differ",
    ),
    "HTJ2K of a volume": (
        TakesEverything(),
        ("htj2k-lossless", "ct", "uint16", _VOLUME),
        {"chunk_shape": _VOLUME},
        "voxels differ",
    ),
    "JPEG 2000 of 32 bits": (
        TakesEverything(),
        ("jp2-lossless", "labels_dense", "uint32", _VOLUME),
        {"chunk_shape": (1, 64, 64)},
        "voxels differ",
    ),
    "zfp of 32 bits": (
        TakesEverything(),
        ("zfp-error-1", "ct", "int32", _VOLUME),
        {"chunk_shape": _VOLUME},
        "is the most it says",
    ),
    "levels of OME-TIFF that are smaller along z": (
        LevelsSmallerAlongZ(),
        ("zstd-3", "ct", "uint16", _VOLUME),
        {"n_levels": 2, "level_axes": "zyx"},
        "suspicious number of tags",
    ),
}


@pytest.mark.parametrize("what", _LIARS)
def test_who_gives_back_rubbish_is_caught(
    what: str, storage: Storage, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar, asked, more, words = _LIARS[what]
    monkeypatch.setattr(storebench.backends, "BACKENDS", MappingProxyType({**BACKENDS, liar.name: liar}))
    case = _case(liar, *asked, **more)
    image = image_of(storage, case.dataset, case.shape, case.dtype, 0)
    with pytest.raises((VerificationError, DataError), match=words):
        Session(case, image, storage, journal=journal).count()
    (entry,) = read_journal(journal).rows.values()
    assert entry.row.status == "failed"


@pytest.mark.parametrize("what", _LIARS)
def test_the_backend_itself_refuses_it(what: str, storage: Storage, journal: Path) -> None:
    liar, asked, more, _ = _LIARS[what]
    honest = get_backend(liar.name.removesuffix("-liar"))
    case = _case(honest, *asked, **more)
    image = image_of(storage, case.dataset, case.shape, case.dtype, 0)
    with pytest.raises(UnsupportedError):
        Session(case, image, storage, journal=journal).count()
    (entry,) = read_journal(journal).rows.values()
    assert entry.row.status == "skipped"
