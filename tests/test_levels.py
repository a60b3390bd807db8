"""Resolution levels against straightforward numpy."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from storebench.errors import UnknownNameError, UsageError
from storebench.grid import Region, grid_shape, iter_blocks
from storebench.levels import METHODS, bin_mean, bin_mode, build_levels, level_factors


def _exact_mean(values: NDArray, factors: tuple[int, ...]) -> NDArray:
    """Return block means by rational numbers, one block after the other; Python's round is half to even."""
    blocks = iter_blocks(values.shape, factors)
    means = [Fraction(sum(int(v) for v in values[b.slices].flat), b.n_voxels) for b in blocks]
    return np.array([round(m) for m in means], values.dtype).reshape(grid_shape(values.shape, factors))


@st.composite
def _volumes(draw: st.DrawFn) -> tuple[NDArray, tuple[int, ...]]:
    dtype = draw(st.sampled_from(["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]))
    values = draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=4, max_side=6)))
    return values, tuple(draw(st.integers(1, 5)) for _ in values.shape)


@given(_volumes())
def test_integer_means_are_exact(case: tuple[NDArray, tuple[int, ...]]) -> None:
    values, factors = case
    np.testing.assert_array_equal(bin_mean(values, factors), _exact_mean(values, factors), strict=True)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("end", ["min", "max"])
@pytest.mark.parametrize("factors", [(2, 2, 2), (3, 1, 3), (5, 7, 2)])
def test_extremes_do_not_overflow(dtype: str, end: str, factors: tuple[int, ...]) -> None:
    extreme = getattr(np.iinfo(dtype), end)
    values = np.full((7, 5, 6), extreme, dtype)
    np.testing.assert_array_equal(bin_mean(values, factors), np.full(grid_shape(values.shape, factors), extreme, dtype))


def test_a_full_16_bit_block_of_many_voxels_does_not_overflow() -> None:
    values = np.full((64, 64, 64), 65535, np.uint16)
    assert bin_mean(values, (32, 32, 32)).min() == 65535
    assert bin_mean(values, (64, 64, 64)).item() == 65535


def test_halves_go_to_the_even_neighbour() -> None:
    pairs = np.array([[0, 1], [1, 2], [2, 3], [-1, 0], [-2, -1]], np.int8)
    assert bin_mean(pairs, (1, 2)).ravel().tolist() == [0, 2, 2, 0, -2]
    assert bin_mean(np.array([[False, True], [True, True]]), (1, 2)).ravel().tolist() == [False, True]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_float_means(dtype: str) -> None:
    values = np.random.default_rng(3).normal(100, 10, (6, 8, 4)).astype(dtype)
    expected = (
        values.astype(np.result_type(dtype, np.float64)).reshape(3, 2, 2, 4, 4, 1).mean(axis=(1, 3, 5)).astype(dtype)
    )
    found = bin_mean(values, (2, 4, 1))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_ragged_edges_average_what_is_there() -> None:
    values = np.arange(9, dtype=np.float64).reshape(3, 3)
    assert bin_mean(values, (2, 2)).tolist() == [[2.0, 3.5], [6.5, 8.0]]


def test_large_volumes_are_worked_on_in_slabs() -> None:
    values = np.random.default_rng(1).integers(0, 65535, (67, 130, 257)).astype(np.uint16)  # more than one slab
    sums = np.zeros((34, 65, 129))
    for z, y, x in itertools.product(range(2), repeat=3):
        part = values[z::2, y::2, x::2]
        sums[tuple(slice(n) for n in part.shape)] += part
    ones = bin_mean(np.ones(values.shape), (2, 2, 2))
    counts = np.ones_like(ones)
    for axis, n in enumerate(values.shape):
        along = np.full(-(-n // 2), 2)
        along[-1] = 2 - n % 2
        counts = counts * along.reshape([-1 if i == axis else 1 for i in range(3)])
    np.testing.assert_array_equal(bin_mean(values, (2, 2, 2)), np.round(sums / counts).astype(np.uint16))


def test_levels_are_made_from_level_0() -> None:
    values = np.array([[0, 1, 1, 1]], np.uint8)  # (0.5 → 0, 1) → 0.5 → 0 if rounded twice; 0.75 → 1 at once
    levels = build_levels(values, ((1, 2), (1, 4)))
    assert levels[0] is values
    assert [level.tolist() for level in levels[1:]] == [[[0, 1]], [[1]]]


def test_factors_are_isotropic_and_leave_time_and_channel_alone() -> None:
    assert level_factors("zyx", (64, 64, 64), 3) == ((2, 2, 2), (4, 4, 4))
    assert level_factors("tczyx", (8, 2, 64, 64, 64), 2) == ((1, 1, 2, 2, 2),)
    assert level_factors("cyx", (3, 64, 64), 3) == ((1, 2, 2), (1, 4, 4))
    assert level_factors("zyx", (64, 64, 64), 1) == ()


def test_a_coarse_axis_waits_until_the_others_catch_up() -> None:
    factors = level_factors("zyx", (100, 400, 400), 5, spacing=(4.0, 1.0, 1.0))
    assert factors == ((1, 2, 2), (1, 4, 4), (2, 8, 8), (4, 16, 16))
    # 3 is nearer to 4 than 6 is, and 2.5 nearer to 2 than to 4
    assert level_factors("zyx", (99, 99, 99), 3, spacing=(3, 1, 1)) == ((1, 2, 2), (1, 4, 4))
    assert level_factors("zyx", (99, 99, 99), 3, spacing=(2.5, 1, 1)) == ((1, 2, 2), (2, 4, 4))
    assert level_factors("tyx", (9, 64, 64), 2, spacing=(0.0, 1, 1)) == ((1, 2, 2),)  # a time step is no voxel size


def test_an_axis_of_one_voxel_is_left_alone() -> None:
    assert level_factors("zyx", (1, 64, 64), 3) == ((1, 2, 2), (1, 4, 4))
    assert level_factors("zyx", (3, 64, 64), 5) == ((2, 2, 2), (4, 4, 4), (4, 8, 8), (4, 16, 16))


@pytest.mark.parametrize(
    ("axes", "shape", "n_levels", "spacing", "message"),
    [
        ("zyx", (4, 4, 4), 4, None, "at most 3 levels"),
        ("yx", (4, 4, 4), 2, None, "different numbers of axes"),
        ("yx", (4, 4), 2, (1.0,), "different numbers of axes"),
        ("yx", (4, 4), 2, (0.0, 1.0), "above 0"),
    ],
)
def test_impossible_levels_are_a_sentence(
    axes: str, shape: tuple[int, ...], n_levels: int, spacing: tuple[float, ...] | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        level_factors(axes, shape, n_levels, spacing)


def test_region_of_a_level_is_the_mean_of_its_block() -> None:
    values = np.random.default_rng(0).integers(0, 255, (9, 10, 11)).astype(np.uint8)
    level = bin_mean(values, (2, 3, 4))
    block = Region((2, 3, 4), (4, 6, 8))
    assert level[1, 1, 1] == round(Fraction(int(values[block.slices].sum()), block.n_voxels))


def _by_blocks(values: NDArray, factors: tuple[int, ...], method: str) -> NDArray:
    """Return a level by the plainest way there is: one block after the other, with numpy's own words."""
    level = np.empty(grid_shape(values.shape, factors), values.dtype)
    for index, block in zip(np.ndindex(level.shape), iter_blocks(values.shape, factors), strict=True):
        inside = values[block.slices]
        if method == "nearest":
            level[index] = inside.flat[0]
        elif method == "mode":
            found, counts = np.unique(inside, return_counts=True)  # sorted: argmax takes the smallest of equal ones
            level[index] = found[counts.argmax()]
        else:
            level[index] = np.rint(inside.mean(dtype=np.float64))
    return level


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spacing", [None, (4.0, 1.0, 1.0)], ids=["isotropic", "anisotropic"])
@pytest.mark.parametrize("shape", [(8, 16, 16), (9, 21, 17)], ids=["even", "ragged"])
def test_every_level_is_what_a_loop_over_blocks_gives(
    method: str, spacing: tuple[float, ...] | None, shape: tuple[int, ...]
) -> None:
    values = np.random.default_rng(4).integers(0, 6, shape).astype(np.uint16)
    factors = level_factors("zyx", shape, 4, spacing)
    levels = build_levels(values, factors, method)
    for level, block in zip(levels[1:], factors, strict=True):
        np.testing.assert_array_equal(level, _by_blocks(values, block, method), strict=True)
        assert level.flags.owndata
        assert level.flags.c_contiguous


@st.composite
def _labels(draw: st.DrawFn) -> tuple[NDArray, tuple[int, ...]]:
    dtype = np.dtype(draw(st.sampled_from(["bool", "uint8", "int8", "uint16", "int16", "uint32", "int64", "uint64"])))
    ends = [0, 1] if dtype.kind == "b" else [np.iinfo(dtype).min, 0, 1, np.iinfo(dtype).max]
    values = draw(
        hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=4, max_side=6), elements=st.sampled_from(ends))
    )
    return values, tuple(draw(st.integers(1, 5)) for _ in values.shape)


@given(_labels())
def test_modes_are_exact_for_every_dtype_to_its_ends(case: tuple[NDArray, tuple[int, ...]]) -> None:
    values, factors = case
    np.testing.assert_array_equal(bin_mode(values, factors), _by_blocks(values, factors, "mode"), strict=True)


def test_of_equally_frequent_labels_the_smallest_is_taken() -> None:
    assert bin_mode(np.array([[7, 3, 3, 7]]), (1, 4)).item() == 3
    assert bin_mode(np.array([[7, 3, 9, 9, 9]], np.uint8), (1, 4)).tolist() == [[9, 9]]  # the last block is one voxel


def test_modes_of_a_volume_in_slabs() -> None:
    values = np.random.default_rng(1).integers(0, 4, (66, 130, 257)).astype(np.uint32)  # more than one slab
    found = bin_mode(values, (2, 2, 2))
    for index in [(0, 0, 0), (15, 3, 128), (16, 40, 7), (32, 64, 128)]:
        block = values[tuple(slice(2 * i, 2 * i + 2) for i in index)]
        assert found[index] == np.bincount(block.ravel()).argmax()


def test_what_has_no_mode_and_no_name_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="labels, which are whole numbers, not float32"):
        build_levels(np.zeros((4, 4), np.float32), ((2, 2),), "mode")
    with pytest.raises(UnknownNameError, match="way to make levels"):
        build_levels(np.zeros((4, 4), np.uint8), ((2, 2),), "median")
