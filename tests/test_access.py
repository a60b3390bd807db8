"""Access patterns: the same regions for every backend, Python and run, always inside the image."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storebench.access import EXAMPLES, SCREEN_YX, Request, Target, parse_pattern
from storebench.access._patterns import BoxPattern
from storebench.errors import UnknownNameError, UsageError
from storebench.grid import Region, Shape, parse_region

_AXES = ("yx", "zyx", "czyx", "tzyx", "tczyx")
_BOXES = [name for name in EXAMPLES if isinstance(parse_pattern(name), BoxPattern)]
_SINGLE_LEVEL = [name for name in EXAMPLES if not re.fullmatch(r"(viewport|level)@\d", name)] + ["viewport@0"]


def _region(name: str, shape: Shape, axes: str, seed: int = 0) -> Region:
    (request,) = parse_pattern(name).requests(Target((shape,), axes), seed)
    return request.region


@st.composite
def _targets(draw: st.DrawFn) -> Target:
    axes = draw(st.sampled_from(_AXES))
    shape = tuple(draw(st.integers(1, 300)) for _ in axes)
    halves = tuple(tuple(-(-n // 2**level) for n in shape) for level in range(3))
    return Target(halves, axes)


def _has_meaning(pattern: BoxPattern, target: Target) -> bool:
    return set(pattern.needs) <= set(target.axes)


@pytest.mark.parametrize("name", _BOXES)
@given(target=_targets(), seed=st.integers(0, 99))
def test_regions_lie_inside_and_are_the_same_again(name: str, target: Target, seed: int) -> None:
    pattern = parse_pattern(name)
    assert isinstance(pattern, BoxPattern)
    if not _has_meaning(pattern, target):
        with pytest.raises(UsageError, match=f"{re.escape(name)} needs axis"):
            pattern.requests(target, seed)
        return
    requests = pattern.requests(target, seed)
    assert requests == parse_pattern(name).requests(target, seed)
    for request in requests:
        shape = target.levels[request.level]
        assert request.region.fits(shape)
        extent = tuple(min(pattern.extent.get(axis, n), n) for axis, n in zip(target.axes, shape, strict=True))
        assert request.region.shape == extent


@pytest.mark.parametrize(
    ("name", "shape", "axes", "seed", "text"),
    [
        ("roi32", (128, 128, 128), "zyx", 0, "84:116,25:57,79:111"),
        ("roi32", (128, 128, 128), "zyx", 7, "83:115,56:88,25:57"),
        ("roi64-aligned64", (256, 256, 256), "zyx", 0, "0:64,128:192,128:192"),
        ("roi64-misaligned64", (256, 256, 256), "zyx", 7, "32:96,32:96,160:224"),
        ("plane_xz", (10, 10, 20), "zyx", 7, "0:10,8:9,0:20"),
        ("voxel", (2, 2, 32, 256, 256), "tczyx", 7, "1:2,0:1,31:32,234:235,50:51"),
        ("tile256", (2048, 2048), "yx", 0, "684:940,999:1255"),
        ("viewport@1-from0", (8, 9000, 9000), "zyx", 0, "0:1,2522:5850,1124:6244"),
    ],
)
def test_regions_are_pinned(name: str, shape: Shape, axes: str, seed: int, text: str) -> None:
    assert _region(name, shape, axes, seed) == parse_region(text)


@pytest.mark.parametrize("name", ["roi32", "voxel", "plane_xy", "tile256", "slab16", "voxel_line_z"])
def test_seeds_move_the_region_over_the_image(name: str) -> None:
    regions = {_region(name, (512, 512, 512), "zyx", seed) for seed in range(20)}
    assert len(regions) > 10


@pytest.mark.parametrize(
    ("name", "shape", "axes", "extent"),
    [
        ("whole", (2, 3, 40, 50, 60), "tczyx", (2, 3, 40, 50, 60)),
        ("plane_xy", (40, 50, 60), "zyx", (1, 50, 60)),
        ("plane_xz", (40, 50, 60), "zyx", (40, 1, 60)),
        ("plane_yz", (40, 50, 60), "zyx", (40, 50, 1)),
        ("plane_xz", (2, 3, 40, 50, 60), "tczyx", (1, 1, 40, 1, 60)),
        ("slab16", (40, 50, 60), "zyx", (16, 50, 60)),
        ("slab16", (7, 50, 60), "zyx", (7, 50, 60)),
        ("roi32", (40, 50, 60), "zyx", (32, 32, 32)),
        ("roi32", (20, 50, 60), "zyx", (20, 32, 32)),
        ("roi32", (50, 60), "yx", (32, 32)),
        ("roi16x64x64", (128, 128, 128), "zyx", (16, 64, 64)),
        ("roi8x16x24", (2, 3, 40, 50, 60), "tczyx", (1, 1, 8, 16, 24)),
        ("roi8x16", (40, 50, 60), "zyx", (40, 8, 16)),
        ("roi16x64x32", (128, 128), "yx", (64, 32)),
        ("tile256", (40, 512, 100), "zyx", (1, 256, 100)),
        ("voxel_line_y", (40, 50, 60), "zyx", (1, 50, 1)),
        ("voxel", (3, 40, 50, 60), "czyx", (1, 1, 1, 1)),
        ("viewport@0", (9, 5000, 6000), "zyx", (1, *SCREEN_YX)),
        ("viewport@0", (9, 100, 6000), "zyx", (1, 100, SCREEN_YX[1])),
        ("viewport@1-from0", (9, 5000, 6000), "zyx", (1, 2 * SCREEN_YX[0], 2 * SCREEN_YX[1])),
        ("viewport@2-from0", (2, 9, 100, 200), "czyx", (1, 1, 100, 200)),
        ("level@0", (9, 5000, 6000), "zyx", (9, 5000, 6000)),
    ],
)
def test_extent(name: str, shape: Shape, axes: str, extent: Shape) -> None:
    assert _region(name, shape, axes).shape == extent


@given(
    shape=st.tuples(*[st.integers(100, 700)] * 3),
    seed=st.integers(0, 999),
    edge=st.integers(1, 70),
    grid=st.sampled_from([2, 16, 64]),
)
def test_aligned_starts_on_the_grid_and_misaligned_half_a_cell_beside(
    shape: Shape, seed: int, edge: int, grid: int
) -> None:
    aligned = _region(f"roi{edge}-aligned{grid}", shape, "zyx", seed)
    misaligned = _region(f"roi{edge}-misaligned{grid}", shape, "zyx", seed)
    assert {start % grid for start in aligned.start} == {0}
    for start, n_voxels in zip(misaligned.start, shape, strict=True):
        has_room = n_voxels - edge >= grid // 2
        assert start % grid == (grid // 2 if has_room else 0)


def test_every_cell_of_the_grid_can_be_drawn() -> None:
    starts = {_region("roi16-aligned16", (64, 64, 64), "zyx", seed).start[0] for seed in range(100)}
    assert starts == {0, 16, 32, 48}


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_viewport_reads_its_level_in_that_levels_voxels(level: int) -> None:
    target = Target(((4, 9000, 9000), (2, 4500, 4500), (1, 2250, 2250)), "zyx")
    (request,) = parse_pattern(f"viewport@{level}").requests(target)
    height, width = (min(n, target.levels[level][1]) for n in SCREEN_YX)
    assert request == Request(level, request.region)
    assert request.region.shape == (1, height, width)


@given(shape=st.tuples(*[st.integers(1, 9000)] * 3), level=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_view_without_levels_shows_what_the_level_shows(shape: Shape, level: int, seed: int) -> None:
    """Within the voxels that one voxel of the level stands for: a level's last voxel may stick out of the image."""
    factor = 2**level
    target = Target(tuple(tuple(-(-n // 2**k) for n in shape) for k in range(level + 1)), "zyx")
    (coarse,) = parse_pattern(f"viewport@{level}").requests(target, seed)
    (fine,) = parse_pattern(f"viewport@{level}-from0").requests(Target((shape,), "zyx"), seed)
    assert (coarse.level, fine.level) == (level, 0)
    assert fine.region.shape[0] == 1
    for axis in (1, 2):
        assert abs(fine.region.start[axis] - factor * coarse.region.start[axis]) < factor
        assert abs(fine.region.stop[axis] - factor * coarse.region.stop[axis]) < factor
    assert fine.region.start[0] == min(factor * coarse.region.start[0], shape[0] - 1)


@pytest.mark.parametrize(
    ("name", "axes", "sentence"),
    [
        ("plane_xz", "yx", "pattern plane_xz needs axis z; the image has the axes yx"),
        ("voxel_line_z", "yx", "pattern voxel_line_z needs axis z; the image has the axes yx"),
        ("slab16", "yx", "pattern slab16 needs axis z; the image has the axes yx"),
        ("viewport@1", "yx", "pattern viewport@1: the image has no level 1, its levels are 0 to 0"),
    ],
)
def test_what_the_image_does_not_have_is_said(name: str, axes: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(sentence)}$"):
        parse_pattern(name).requests(Target(((100, 100),), axes))


@pytest.mark.parametrize("name", _SINGLE_LEVEL)
def test_an_example_is_its_own_name_and_free_of_commas(name: str) -> None:
    assert parse_pattern(name).name == name
    assert "," not in name
    assert EXAMPLES[name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Whole",
        "whole ",
        "plane",
        "plane_zx",
        "roi",
        "roi0",
        "roi032",
        "roi3٢",
        "roi32x",
        "roi32-aligned",
        "roi32-aligned0",
        "roi32-align64",
        "slab",
        "tile0",
        "voxel_line",
        "voxel_line_t",
        "viewport",
        "viewport@10",
        "viewport@-1",
        "viewport@0-from0",
        "viewport@1-from1",
    ],
)
def test_a_name_that_is_nearly_right_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=re.escape(repr(name))):
        parse_pattern(name)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("plane-xz", "plane_xz"), ("viewport1", "viewport@1"), ("voxel_lin_z", "voxel_line_z"), ("al", None)],
)
def test_a_typo_is_answered_with_what_was_meant(typo: str, meant: str | None) -> None:
    with pytest.raises(UnknownNameError) as caught:
        parse_pattern(typo)
    assert (f"{meant}" in str(caught.value)) == (meant is not None)


def test_a_box_of_four_edges_is_refused_with_a_sentence() -> None:
    with pytest.raises(UsageError, match="give one edge or one per axis"):
        parse_pattern("roi1x2x3x4")


@pytest.mark.parametrize(
    ("name", "shape", "axes", "texts"),
    [
        ("stream1", (3, 4, 5), "zyx", ["0:1,0:4,0:5", "1:2,0:4,0:5", "2:3,0:4,0:5"]),
        ("stream2", (3, 4, 5), "zyx", ["0:2,0:4,0:5", "2:3,0:4,0:5"]),
        ("stream64", (3, 4, 5), "zyx", ["0:3,0:4,0:5"]),
        ("stream2", (2, 3, 4, 5), "czyx", ["0:1,0:2,0:4,0:5", "0:1,2:3,0:4,0:5", "1:2,0:2,0:4,0:5", "1:2,2:3,0:4,0:5"]),
    ],
)
def test_a_stream_is_every_plane_once_and_in_order(name: str, shape: Shape, axes: str, texts: list[str]) -> None:
    halves = tuple(-(-n // 2) for n in shape)
    requests = parse_pattern(name).requests(Target((shape, halves), axes), seed=3)
    assert requests == tuple(Request(0, parse_region(text)) for text in texts)
    assert sum(request.region.n_voxels for request in requests) == Region.whole(shape).n_voxels


def test_one_plane_has_no_stream() -> None:
    with pytest.raises(UsageError, match=r"stream1 goes through z, plane by plane; the image has the axes yx"):
        parse_pattern("stream1").requests(Target(((4, 5),), "yx"))
