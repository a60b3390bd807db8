"""Fidelity against a computation of its own, and decoders that give back rubbish."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import storebench.backends
from storebench.backends import BACKENDS
from storebench.backends.jp2_glymur import Jp2Glymur
from storebench.errors import VerificationError
from storebench.grid import Region
from storebench.measurement import session as session_module
from storebench.measurement.counting import count
from storebench.measurement.fidelity import EXACT, Fidelity, fidelity_of
from storebench.measurement.images import Image, image_of
from storebench.measurement.operations import workload_for
from storebench.measurement.session import Session
from storebench.records import Case
from storebench.results.journal import read_journal
from storebench.storage import Storage
from storebench.stores import Location

SHAPE = (96, 120)
CASE = Case(
    dataset="ct",
    shape=SHAPE,
    dtype="uint16",
    axes="yx",
    operation="write",
    backend="jp2-glymur",
    codec="jp2-ratio-10",
)


def _ssim(one: NDArray, other: NDArray, extent: float) -> float:
    """SSIM as Wang et al. write it, window by window: sample variances, 7 × 7, windows that lie inside."""
    c1, c2 = (0.01 * extent) ** 2, (0.03 * extent) ** 2
    x, y = (np.lib.stride_tricks.sliding_window_view(a.astype(float), (7, 7)).reshape(-1, 49) for a in (one, other))
    mx, my = x.mean(1), y.mean(1)
    vx, vy = x.var(1, ddof=1), y.var(1, ddof=1)
    vxy = ((x - mx[:, None]) * (y - my[:, None])).sum(1) / 48
    return float(np.mean((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(40, 31), (3, 20, 17), (2, 2, 9, 8)])
def test_each_figure_is_what_its_formula_says(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    source = np.asarray(rng.integers(0, 200, shape) + 20).astype(dtype)
    found = (source + rng.integers(-9, 10, shape)).astype(dtype)
    difference = found.astype(float) - source.astype(float)
    extent = float(source.max()) - float(source.min())
    peak = {"uint8": 255.0, "uint16": 65535.0, "int16": 32767.0}.get(dtype, extent)
    planes = zip(found.reshape(-1, *shape[-2:]), source.reshape(-1, *shape[-2:]), strict=True)
    told = fidelity_of(found, source)
    assert told.max_abs_error == abs(difference).max() == 9
    assert told.rmse == pytest.approx(math.sqrt((difference**2).mean()), rel=1e-12)
    assert told.psnr_db == pytest.approx(20 * math.log10(peak) - 10 * math.log10((difference**2).mean()), rel=1e-12)
    assert told.ssim == pytest.approx(np.mean([_ssim(a, b, extent) for a, b in planes]), rel=1e-9)


def test_an_image_that_came_back_equal_has_no_noise() -> None:
    image = np.arange(64.0).reshape(8, 8)
    image[0, 0] = np.nan
    assert fidelity_of(image.copy(), image) == EXACT
    assert (EXACT.psnr_db, EXACT.ssim, EXACT.rmse) == (None, 1.0, 0.0)  # an infinite one is no JSON


def test_differences_of_whole_numbers_do_not_wrap_round() -> None:
    source = np.tile(np.array([0, 255], np.uint8), (8, 4))
    found = source.copy()
    found[0, 0] = 250
    assert fidelity_of(found, source).max_abs_error == 250


def test_what_cannot_be_said_is_missing() -> None:
    rng = np.random.default_rng(0)
    narrow = rng.integers(0, 99, (4, 6, 30)).astype(np.uint16)
    assert fidelity_of(narrow + 1, narrow).ssim is None  # smaller than the window
    holed = rng.random((20, 20))
    holed[3, 4] = np.nan
    told = fidelity_of(holed + 0.01, holed)
    assert told.ssim is None
    assert told.max_abs_error == pytest.approx(0.01)
    flat = np.full((9, 9), 5.0)
    assert fidelity_of(flat + 1, flat) == Fidelity(max_abs_error=1, rmse=1, psnr_db=None, ssim=None)


def test_a_hole_elsewhere_is_no_likeness() -> None:
    source = np.random.default_rng(0).random((20, 20))
    source[3, 4] = np.nan
    with pytest.raises(VerificationError, match="not finite"):
        fidelity_of(np.nan_to_num(source), source)
    source[3, 4] = np.inf
    other = source.copy()
    other[3, 4] = -np.inf
    with pytest.raises(VerificationError, match="not finite"):
        fidelity_of(other, source)


def _noise(voxels: NDArray) -> NDArray:
    return np.random.default_rng(1).permuted(voxels.ravel()).reshape(voxels.shape)


RUBBISH: dict[str, Callable[[NDArray], NDArray]] = {
    "nothing": np.zeros_like,
    "shuffled": _noise,
    "other-byte-order": lambda voxels: voxels.byteswap(),
    "negative": lambda voxels: voxels.max() - voxels,
    "eight-bits": lambda voxels: voxels & 255,
}


class _Rubbish(Jp2Glymur):
    """Encodes honestly, to the size asked, and decodes something else."""

    name = "jp2-rubbish"

    def __init__(self, spoil: Callable[[NDArray], NDArray]) -> None:
        self.spoil = spoil

    @contextlib.contextmanager
    def open(self, location: Location) -> Iterator[Any]:
        with super().open(location) as reader:
            yield _Spoilt(reader, self.spoil)


class _Spoilt:
    def __init__(self, reader: Any, spoil: Callable[[NDArray], NDArray]) -> None:
        self._reader, self._spoil = reader, spoil
        self.levels, self.stored_as = reader.levels, reader.stored_as

    def read(self, region: Region, level: int = 0) -> NDArray:
        return self._spoil(self._reader.read(region, level))


@pytest.fixture
def image(storage: Storage) -> Image:
    return image_of(storage, "ct", SHAPE, "uint16", 0)


@pytest.mark.parametrize("how", RUBBISH)
def test_a_decoder_of_rubbish_is_caught(
    how: str, storage: Storage, image: Image, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = _Rubbish(RUBBISH[how])
    monkeypatch.setattr(storebench.backends, "BACKENDS", MappingProxyType({**BACKENDS, liar.name: liar}))
    case = Case(**{name: getattr(CASE, name) for name in CASE.__slots__} | {"backend": liar.name})
    with pytest.raises(VerificationError, match="not the image"):
        Session(case, image, storage, journal=journal).count()
    content = read_journal(journal)
    (entry,) = content.rows.values()
    assert entry.row.status == "failed"
    assert "RMSE" in (entry.row.reason or "")
    assert content.crops == {}


def test_an_honest_one_passes_with_its_figures(
    storage: Storage, image: Image, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "counts_of", lambda *asked: count(workload_for(*asked)))
    row = Session(CASE, image, storage, journal=journal).count()
    with BACKENDS["jp2-glymur"].open(workload_for(CASE, image, storage).store.location) as reader:
        found = reader.read(Region.whole(SHAPE))
    expected = fidelity_of(found, image.voxels())
    assert (row.max_abs_error, row.rmse, row.psnr_db, row.ssim) == (
        expected.max_abs_error,
        expected.rmse,
        expected.psnr_db,
        expected.ssim,
    )
    assert row.psnr_db is not None
    assert 40 < row.psnr_db < 96
    (entry,) = read_journal(journal).rows.values()
    assert entry.row == row
