"""Traces of a viewer: the same parts of the image for every storage, one after the other as somebody would look at them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storebench.access import SCREEN_YX, Target, parse_pattern
from storebench.access._traces import N_PANS, N_PLANES, TracePattern
from storebench.errors import UnknownNameError, UsageError
from storebench.grid import Shape, parse_region
from storebench.levels import level_factors

_NAMES = ("viewer30x40", "viewer_roi24")


def _trace(name: str) -> TracePattern:
    pattern = parse_pattern(name)
    assert isinstance(pattern, TracePattern)
    return pattern


def _target(shape: Shape, axes: str, n_levels: int, along: str | None = None) -> Target:
    factors = level_factors(axes, shape, n_levels, along=along)
    return Target((shape, *(tuple(-(-n // f) for n, f in zip(shape, fs, strict=True)) for fs in factors)), axes)


@st.composite
def _targets(draw: st.DrawFn) -> Target:
    axes = draw(st.sampled_from(["yx", "zyx", "czyx", "tczyx"]))
    shape = tuple(draw(st.integers(8, 300)) if axis in "yx" else draw(st.integers(1, 40)) for axis in axes)
    return _target(shape, axes, draw(st.integers(1, 4)), draw(st.sampled_from([None, "yx"])))


@pytest.mark.parametrize("name", _NAMES)
@given(target=_targets(), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_views_fit_show_a_screen_and_are_the_same_again(name: str, target: Target, seed: int) -> None:
    trace = _trace(name)
    views = trace.requests(target, seed)
    assert views == _trace(name).requests(target, seed)
    for view in views:
        shape = target.levels[view.level]
        assert view.region.fits(shape)
        shown = [min(trace.extent.get(axis, 1), n) for axis, n in zip(target.axes, shape, strict=True)]
        assert list(view.region.shape) == shown
    phases = trace.phases(target.levels[0], target.axes, len(views))
    assert len(phases) == len(views)
    levels = [view.level for view in views]
    top = levels[0]
    zoomed = [level for level, phase in zip(levels, phases, strict=True) if phase.startswith("zoom")]
    assert zoomed == [*range(top - 1, -1, -1), *range(1, top + 1)]
    assert {level for level, phase in zip(levels, phases, strict=True) if phase in ("pan", "planes")} <= {0}


@pytest.mark.parametrize("name", _NAMES)
@given(target=_targets(), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_moves_overlap_by_half_and_never_stand_still(name: str, target: Target, seed: int) -> None:
    trace = _trace(name)
    views = trace.requests(target, seed)
    phases = trace.phases(target.levels[0], target.axes, len(views))
    for (before, after), phase in zip(itertools.pairwise(views), phases[1:], strict=True):
        if phase not in ("pan", "planes"):
            continue
        moved = [b - a for a, b in zip(before.region.start, after.region.start, strict=True)]
        assert sum(step != 0 for step in moved) == 1
        (axis,) = (i for i, step in enumerate(moved) if step)
        if phase == "planes":
            assert (target.axes[axis], abs(moved[axis])) == ("z", 1)
        else:
            assert abs(moved[axis]) <= max(before.region.shape[axis] // 2, 1)


@pytest.mark.parametrize("name", _NAMES)
@given(target=_targets(), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_every_level_shows_the_same_place(name: str, target: Target, seed: int) -> None:
    """The middle of a view is the middle at full resolution to two voxels of its level, unless the border moved it."""
    views = _trace(name).requests(target, seed)
    top = views[0].level
    full = views[top]
    for view in views[:top]:
        shape = target.levels[view.level]
        for axis, (n, n_full) in enumerate(zip(shape, target.levels[0], strict=True)):
            middle = (view.region.start[axis] + view.region.stop[axis]) / 2
            expected = (full.region.start[axis] + full.region.stop[axis]) / 2 * n / n_full
            at_border = view.region.start[axis] == 0 or view.region.stop[axis] == n
            assert at_border or abs(middle - expected) <= 2


@given(
    shape=st.tuples(st.integers(1, 20), st.integers(8, 300), st.integers(8, 300)),
    seed=st.integers(0, 99),
    along=st.sampled_from([None, "yx"]),
)
@settings(max_examples=60)
def test_without_levels_the_same_parts_are_read_at_full_resolution(shape: Shape, seed: int, along: str | None) -> None:
    """To the voxels that one voxel of the level stands for, whichever axes the levels are smaller on."""
    n_levels = 1
    while any(-(-n // 2 ** (n_levels - 1)) > edge for n, edge in zip(shape[1:], (30, 40), strict=True)):
        n_levels += 1
    target = _target(shape, "zyx", n_levels, along)
    views = _trace("viewer30x40").requests(target, seed)
    full = _trace("viewer30x40-from0").requests(Target((shape,), "zyx"), seed)
    assert [request.level for request in full] == [0] * len(views)
    for view, whole in zip(views, full, strict=True):
        factor = 2**view.level
        assert whole.region.shape[0] == 1
        for axis in (1, 2):
            assert whole.region.start[axis] == factor * view.region.start[axis]
            assert whole.region.stop[axis] == min(factor * view.region.stop[axis], shape[axis])
        assert whole.region.start[0] * target.levels[view.level][0] // shape[0] == view.region.start[0]


def test_boxes_without_levels_are_the_same_boxes() -> None:
    target = _target((50, 100, 90), "zyx", 4)
    boxes = _trace("viewer_roi24").requests(target, 3)
    full = _trace("viewer_roi24-from0").requests(Target(target.levels[:1], "zyx"), 3)
    for box, whole in zip(boxes, full, strict=True):
        factor = 2**box.level
        assert whole.region.start == tuple(factor * n for n in box.region.start)


@pytest.mark.parametrize(
    ("shape", "axes", "n_levels", "n_views"),
    [
        ((7614, 7614), "yx", 4, 1 + 3 + N_PANS + 3),
        ((8, 4096, 4096), "zyx", 3, 1 + 2 + N_PANS + N_PLANES + 2),
        ((2048, 2048), "yx", 2, 1 + 1 + N_PANS + 1),
        ((9, *SCREEN_YX), "zyx", 2, 1 + N_PLANES),
        ((100, 100), "yx", 2, 1),
        ((7614, 7614), "yx", 2, 1 + 1 + N_PANS + 1),  # too few levels: it begins with a part of the coarsest
    ],
)
def test_length(shape: Shape, axes: str, n_levels: int, n_views: int) -> None:
    assert len(_trace("viewer").requests(_target(shape, axes, n_levels))) == n_views


def test_a_trace_is_pinned() -> None:
    trace = _trace("viewer")
    target = _target((8, 4096, 4096), "zyx", 3, "yx")
    views = trace.requests(target, 0)
    pinned = {
        0: (2, "7:8,0:1024,0:1024"),
        1: (1, "7:8,384:2048,0:2048"),
        2: (0, "7:8,1918:3582,1286:3846"),
        3: (0, "7:8,1918:3582,6:2566"),
        12: (0, "7:8,2432:4096,1280:3840"),
        17: (0, "2:3,2432:4096,1280:3840"),
        19: (2, "2:3,0:1024,0:1024"),
    }
    assert {n: (views[n].level, views[n].region) for n in pinned} == {
        n: (level, parse_region(text)) for n, (level, text) in pinned.items()
    }
    phases = trace.phases((8, 4096, 4096), "zyx", len(views))
    assert phases == (
        *("overview", "zoom in", "zoom in"),
        *["pan"] * N_PANS,
        *["planes"] * N_PLANES,
        *("zoom out", "zoom out"),
    )


def test_seeds_look_elsewhere() -> None:
    target = _target((8, 4096, 4096), "zyx", 3)
    assert len({_trace("viewer").requests(target, seed) for seed in range(20)}) == 20


@pytest.mark.parametrize("name", ["viewer0x5", "viewer1x1", "viewer100", "viewer_roi1", "viewer-from1", "viewers"])
def test_a_name_that_is_nearly_right_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError):
        parse_pattern(name)


def test_axes_that_cannot_be_shown_are_a_sentence() -> None:
    with pytest.raises(UsageError, match="pattern viewer needs axis yx; the image has the axes tc"):
        _trace("viewer").requests(Target(((3, 2),), "tc"))
