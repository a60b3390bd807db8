"""The geometry of chunks against a brute-force mask of voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from storebench.errors import UsageError
from storebench.grid import (
    Layout,
    Region,
    block_region,
    blocks_touched,
    chunks_touched,
    grid_shape,
    iter_blocks,
    padding_ratio,
    parse_region,
    parse_shape,
    read_amplification,
    voxels_decoded,
)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], Region]:
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    chunk = tuple(draw(st.integers(1, 11)) for _ in shape)
    start = tuple(draw(st.integers(0, n - 1)) for n in shape)
    return shape, chunk, Region(start, tuple(draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)))


def _chunk_ids(shape: tuple[int, ...], chunk: tuple[int, ...]) -> NDArray:
    """Return an image in which each voxel holds the number of its chunk, counted in C order."""
    index = np.indices(shape)
    grid = grid_shape(shape, chunk)
    return np.ravel_multi_index(tuple(i // c for i, c in zip(index, chunk, strict=True)), grid)


@given(_cases())
def test_chunks_touched_are_those_that_a_mask_finds(case: tuple[tuple[int, ...], tuple[int, ...], Region]) -> None:
    shape, chunk, region = case
    found = np.unique(_chunk_ids(shape, chunk)[region.slices])
    grid = grid_shape(shape, chunk)
    listed = [int(np.ravel_multi_index(index, grid)) for index in blocks_touched(region, chunk)]
    assert listed == found.tolist()
    assert chunks_touched(region, chunk) == len(found)
    assert voxels_decoded(region, chunk) == len(found) * math.prod(chunk)
    assert read_amplification(region, chunk) == pytest.approx(len(found) * math.prod(chunk) / region.n_voxels)
    assert read_amplification(region, chunk) >= 1


@given(_cases())
def test_blocks_tile_the_image(case: tuple[tuple[int, ...], tuple[int, ...], Region]) -> None:
    shape, chunk, _ = case
    counts = np.zeros(shape, int)
    ids = _chunk_ids(shape, chunk)
    for number, block in enumerate(iter_blocks(shape, chunk)):
        assert (ids[block.slices] == number).all()
        assert block.n_voxels == (ids == number).sum()
        counts[block.slices] += 1
    assert (counts == 1).all()
    assert math.prod(grid_shape(shape, chunk)) == len(np.unique(ids))


@given(_cases())
def test_padding_is_the_image_in_its_padded_grid(case: tuple[tuple[int, ...], tuple[int, ...], Region]) -> None:
    shape, chunk, _ = case
    padded = np.pad(np.ones(shape, bool), [(0, -n % c) for n, c in zip(shape, chunk, strict=True)])
    assert padding_ratio(shape, chunk) == pytest.approx(padded.mean())


@given(_cases(), st.data())
def test_intersections_are_those_of_masks(
    case: tuple[tuple[int, ...], tuple[int, ...], Region], data: st.DataObject
) -> None:
    shape, chunk, region = case
    other = block_region(data.draw(st.sampled_from(list(blocks_touched(Region.whole(shape), chunk)))), chunk, shape)
    masks = np.zeros((2, *shape), bool)
    for mask, box in zip(masks, (region, other), strict=True):
        mask[box.slices] = True
    both = masks.all(axis=0)
    found = region.intersection(other)
    assert (found is None) == (not both.any())
    if found is not None:
        assert both[found.slices].all()
        assert both.sum() == found.n_voxels
        assert found.relative_to(region.start).shape == found.shape
        assert found.relative_to(region.start).fits(region.shape)


@given(_cases())
def test_a_region_reads_back_from_its_text(case: tuple[tuple[int, ...], tuple[int, ...], Region]) -> None:
    shape, _, region = case
    assert parse_region(str(region)) == region
    assert parse_shape(",".join(map(str, shape))) == shape
    assert region.fits(shape)
    assert Region.whole(shape).n_voxels == math.prod(shape)


@pytest.mark.parametrize(("chunk", "n_chunks", "n_voxels"), [((10, 10, 1), 2, 200), ((2, 2, 3), 4, 48)])
def test_the_example_of_the_chapter(chunk: tuple[int, ...], n_chunks: int, n_voxels: int) -> None:
    region = parse_region("2:4,3:5,2:4")
    assert chunks_touched(region, chunk) == n_chunks
    assert voxels_decoded(region, chunk) == n_voxels
    assert read_amplification(region, chunk) == n_voxels / 8


@pytest.mark.parametrize("text", ["", "0,4", "4,", "4.5", "-1,3", "1;2"])
def test_a_wrong_shape_is_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="is no shape"):
        parse_shape(text)


@pytest.mark.parametrize("text", ["", "1", "1:2,", "3:2", "2:2", "-1:4", "a:b"])
def test_a_wrong_region_is_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="region"):
        parse_region(text)


def test_wrong_layouts_are_sentences() -> None:
    with pytest.raises(UsageError, match="at least 1 voxel"):
        Layout(chunk_shape=(4, 0))
    with pytest.raises(UsageError, match="has 3 axes"):
        Layout(chunk_shape=(4, 4), shard_shape=(8, 8, 8))
    with pytest.raises(UsageError, match="multiple of the chunk shape"):
        Layout(chunk_shape=(4, 4), shard_shape=(8, 6))
    assert Layout(chunk_shape=(4, 4)).object_shape == (4, 4)
    assert Layout(chunk_shape=(4, 4), shard_shape=(8, 4)).object_shape == (8, 4)


def test_regions_that_do_not_fit_together_are_sentences() -> None:
    with pytest.raises(UsageError, match="different numbers of axes"):
        Region((0, 0), (1, 1, 1))
    assert not Region((0, 0), (4, 4)).fits((4, 3))
    assert not Region((0, 0), (4, 4)).fits((4, 4, 4))
