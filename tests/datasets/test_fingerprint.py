"""The streaming fingerprint equals the plain one of the whole array."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from storebench.datasets.fingerprint import fingerprint
from storebench.datasets.synthetic import make
from storebench.errors import UsageError
from storebench.grid import Region, Shape

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int64", "float16", "float32", "float64", "bool", ">u2", ">f4"]


@dataclass(frozen=True)
class ArrayDataset:
    """An array as a Dataset that counts the largest read."""

    array: np.ndarray
    name: str = "array"
    axes_assumed: bool = False
    seed: int | None = None
    source: str = "a test"

    @property
    def shape(self) -> Shape:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    @property
    def axes(self) -> str:
        return "tczyx"[-self.array.ndim :]

    def read(self, region: Region) -> np.ndarray:
        assert region.fits(self.shape)
        return self.array[region.slices].astype(self.array.dtype.newbyteorder("="))


def plain_autocorrelation(array: np.ndarray, axis: int) -> float | None:
    wide = np.moveaxis(array.astype(np.longdouble), axis, 0)
    first, second = wide[:-1].ravel(), wide[1:].ravel()
    if first.size == 0 or (first == first[0]).all() or (second == second[0]).all():
        return None
    first, second = first - first.mean(), second - second.mean()
    spread = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / spread)


def check(array: np.ndarray, piece_voxels: int) -> None:
    found = fingerprint(ArrayDataset(array), piece_voxels=piece_voxels)
    little = array.astype(array.dtype.newbyteorder("<"))
    assert found.sha256 == hashlib.sha256(little.tobytes()).hexdigest()
    assert (found.shape, found.dtype) == (array.shape, array.dtype.name)
    patterns = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    shares = np.unique(patterns, return_counts=True)[1] / array.size
    assert found.entropy_bits == pytest.approx(-(shares * np.log2(shares)).sum(), abs=1e-12)
    if array.dtype.kind == "f":
        assert found.bits_used is None
    else:
        assert found.bits_used == max(abs(int(v)).bit_length() for v in array.ravel())
    for axis, value in enumerate(found.autocorrelation):
        expected = plain_autocorrelation(array, axis)
        assert (value is None) == (expected is None)
        if value is not None:
            assert value == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=150)
@given(
    shape=hnp.array_shapes(min_dims=2, max_dims=5, min_side=1, max_side=7),
    dtype=st.sampled_from(DTYPES),
    piece_voxels=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_whole_array(shape: Shape, dtype: str, piece_voxels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = np.cumsum(rng.integers(-3, 4, shape), axis=-1) + 30
    check(array.astype(dtype), piece_voxels)


def test_extremes() -> None:
    check(np.array([[-(2**63), 2**63 - 1, 0], [5, 6, 7]], dtype=np.int64), 2)
    check(np.array([[2**64 - 1, 0, 1], [5, 6, 7]], dtype=np.uint64), 3)
    check(np.full((5, 4, 3), 7, np.uint16), 12)
    check(np.full((5, 4, 3), 0.1, np.float32), 12)
    big = np.random.default_rng(0).normal(1e6, 1, (20, 30, 40))  # a mean far above the spread must not cancel
    check(big, 1200)


def test_not_finite_has_no_correlation_but_a_hash() -> None:
    for bad in (np.nan, np.inf):
        array = np.arange(24.0).reshape(2, 3, 4)
        array[1, 1, 1] = bad
        found = fingerprint(ArrayDataset(array))
        assert found.autocorrelation == (None, None, None)
        assert found.sha256 == hashlib.sha256(array.tobytes()).hexdigest()


def test_one_voxel_changes_the_hash() -> None:
    array = np.zeros((9, 8, 7), np.uint8)
    before = fingerprint(ArrayDataset(array)).sha256
    array[8, 7, 6] = 1
    assert fingerprint(ArrayDataset(array)).sha256 != before


def test_never_reads_more_than_a_piece() -> None:
    """Streams: neither a thick image, nor a series of few large volumes, is read at once."""
    sizes: list[int] = []

    class Watched(ArrayDataset):
        def read(self, region: Region) -> np.ndarray:
            sizes.append(region.n_voxels)
            return super().read(region)

    for shape in ((64, 20, 30), (2, 2, 40, 20, 30)):
        fingerprint(Watched(np.zeros(shape, np.uint8)), piece_voxels=6000)
        assert max(sizes) <= 6000


def test_complex_is_refused() -> None:
    with pytest.raises(UsageError, match="complex"):
        fingerprint(ArrayDataset(np.zeros((2, 2), np.complex64)))


def test_known_figures_of_a_synthetic_image() -> None:
    found = fingerprint(make("random", shape=(32, 64, 64)))
    assert found.bits_used == 16
    assert found.entropy_bits == pytest.approx(np.log2(65536), abs=0.5)
    assert found.autocorrelation == pytest.approx([0, 0, 0], abs=0.02)
    assert fingerprint(make("constant", shape=(4, 4, 4))).entropy_bits == 0
