"""Laws of growth: exponents are found again, a line that is left is found, and straight lines are not said to be left."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from storebench.analysis.growth import Point, counted_point, departure, exponent, memory_point, n_chunks, timed_point
from storebench.records import Case
from storebench.results.intervals import median_interval
from storebench.suites import Tier, grids_of

_DECADES = (1e2, 1e3, 1e4, 1e5, 1e6)


def _timed(size: float, true_s: float, rng: np.random.Generator, *, noise: float = 0.1, n: int = 10) -> Point:
    """Return a cost measured n times, two samples to a process, with so much noise."""
    samples = list(true_s * np.exp(rng.normal(0, noise, n)))
    processes = [k // 2 for k in range(n)]
    interval = median_interval(samples, processes)
    row = {"samples_s": samples, "samples_process": processes, "median_s": statistics.median(samples)}
    return timed_point(row | {"ci95_low_s": interval.low, "ci95_high_s": interval.high}, size)


def _line(slope: float, rng: np.random.Generator, *, scatter: float = 0.0, n: int = 10) -> list[Point]:
    sizes = _DECADES[: rng.integers(4, 6)]
    return [_timed(x, 1e-4 * x**slope * np.exp(rng.normal(0, scatter)), rng, n=n) for x in sizes]


@pytest.mark.parametrize("n_samples", [3, 10])
def test_an_exponent_is_recovered_within_its_interval(n_samples: int) -> None:
    rng = np.random.default_rng(1)
    slopes = rng.uniform(-0.2, 1.5, 100)
    found = [exponent(_line(slope, rng, n=n_samples)) for slope in slopes]
    covered = sum(fit.low <= slope <= fit.high for fit, slope in zip(found, slopes, strict=True))
    assert covered >= 90  # nominal: 95
    assert max(fit.high - fit.low for fit in found) < 0.15


def test_what_is_counted_has_an_exact_exponent() -> None:
    fit = exponent([counted_point(x, 7 * x**0.5) for x in _DECADES])
    assert fit == pytest.approx((0.5, 0.5, 0.5))
    assert departure([counted_point(x, 7 * x**0.5) for x in _DECADES]) is None


def test_two_sizes_have_no_law() -> None:
    assert exponent([counted_point(x, x) for x in _DECADES[:2]]) is None
    assert departure([counted_point(1, 1), counted_point(10, 1e6)]) is None


@pytest.mark.parametrize("slope", [0.6, 1.0, 1.3])
def test_a_line_that_is_left_is_found_where_it_is(slope: float) -> None:
    rng = np.random.default_rng(2)
    right = 0
    for _ in range(100):
        sizes = _DECADES
        kinked = [_timed(x, 1e-4 * x**slope * (10 if x >= 1e5 else 1), rng) for x in sizes]
        found = departure(kinked)
        right += found is not None and found.index == 3
    assert right >= 95


def test_a_departure_says_how_far() -> None:
    found = departure([counted_point(x, x * (3 if x == 1e5 else 1)) for x in _DECADES[:4]])
    assert found is not None
    assert (found.index, found.foretold, found.times) == (3, pytest.approx(1e5), pytest.approx(3))


def test_straight_lines_are_left_in_fewer_than_one_of_a_hundred() -> None:
    """The rate that `departure` states: 5 % of scatter from size to size beside 10 % of noise."""
    rng = np.random.default_rng(3)
    left = sum(departure(_line(slope, rng, scatter=0.05)) is not None for slope in rng.uniform(-0.2, 1.5, 200))
    assert left < 2


def test_a_fixed_cost_that_gives_way_to_one_per_unit_is_no_departure() -> None:
    assert departure([counted_point(x, 1.0 + 1e-4 * x) for x in _DECADES]) is None


def test_noise_hides_a_departure() -> None:
    points = [Point(size=x, cost=x, low=x / 3, high=x * 3) for x in _DECADES[:3]]
    assert departure([*points, Point(size=1e5, cost=4e5, low=2e5, high=9e5)]) is None


def test_one_sample_is_taken_to_be_right_within_a_factor() -> None:
    row = {"samples_s": (2.0,), "samples_process": (0,), "median_s": 2.0, "ci95_low_s": None, "ci95_high_s": None}
    point = timed_point(row, 1e6)
    assert (point.low, point.high) == (pytest.approx(2 / 1.5), 3.0)
    line = [counted_point(x, 2e-5 * x) for x in _DECADES[:4]]
    assert departure([*line, timed_point(row | {"samples_s": (29.0,), "median_s": 29.0}, 1e6)]) is None
    assert departure([*line, timed_point(row | {"samples_s": (31.0,), "median_s": 31.0}, 1e6)]) is not None


def test_a_cost_without_bounds_has_an_exponent_and_no_interval() -> None:
    row = {"samples_s": None, "samples_process": None, "ci95_low_s": None, "ci95_high_s": None}  # another tool's median
    points = [timed_point(row | {"median_s": x}, x) for x in _DECADES]
    fit = exponent(points)
    assert (fit.median, fit.low, fit.high) == (pytest.approx(1), None, None)
    assert departure([*points[:4], timed_point(row | {"median_s": 1e9}, 1e6)]) is None


def test_small_peaks_of_memory_are_coarse() -> None:
    small, large = memory_point(1, 2**20), memory_point(1, 2**30)
    assert small.low < 2**20 < small.high
    assert (large.low, large.high) == (2**30, 2**30)


@pytest.mark.parametrize(
    ("shape", "chunk", "n"),
    [
        ((200, 200, 200), (2, 2, 2), 10**6),
        ((100, 100), (64, 64), 4),
        ((5, 4), (1, 4), 5),
        ((5, 4), None, None),
        (None, None, None),
    ],
)
def test_number_of_chunks(shape: tuple[int, ...] | None, chunk: tuple[int, ...] | None, n: int | None) -> None:
    assert n_chunks(shape, chunk) == n


def _growth_cases(tier: Tier) -> list[Case]:
    return [grid.case(*values) for grid in grids_of(tier, suites=("growth",)) for values in grid.combinations()]


def test_the_ladder_of_objects_is_one_image_in_decades() -> None:
    cut = [case for case in _growth_cases("full") if case.shape == (200, 200, 200)]
    assert {case.operation for case in cut} == {"write", "read", "open", "list", "delete"}
    assert {n_chunks(case.shape, case.chunk_shape) for case in cut} == {10**power for power in range(2, 7)}
    assert len({(case.dataset, case.dtype, case.codec) for case in cut}) == 1
    assert all(math.prod(case.shape) % math.prod(case.chunk_shape or ()) == 0 for case in cut)  # nothing is padded
    files = {
        (case.operation, n_chunks(case.shape, case.chunk_shape)) for case in cut if case.backend == "zarr3-zarrpython"
    }
    assert {(operation, 10**6) for operation in ("write", "open", "list", "delete", "read")} <= files


@pytest.mark.parametrize(("tier", "most"), [("smoke", 128), ("core", 512), ("full", 1024)])
def test_the_ladder_of_volumes_doubles_edges(tier: Tier, most: int) -> None:
    cubes = [case for case in _growth_cases(tier) if case.shape != (200, 200, 200)]
    assert {case.shape for case in cubes} == {(2**power,) * 3 for power in range(6, most.bit_length())}


def test_core_has_a_law_for_every_setting() -> None:
    """Three sizes at least, and no tile or shard that a small image would have cut down to a setting of its own."""
    sizes: dict[tuple[object, ...], set[int]] = {}
    for case in _growth_cases("core"):
        cut = case.shape == (200, 200, 200)
        setting = (
            cut,
            case.backend,
            case.codec,
            case.operation,
            case.pattern,
            None if cut else case.chunk_shape,
            case.shard_shape,
        )
        size = n_chunks(case.shape, case.chunk_shape) if cut else math.prod(case.shape)
        sizes.setdefault(setting, set()).add(size or 0)
    assert {setting: found for setting, found in sizes.items() if len(found) < 3} == {}


def test_no_call_of_many_minutes_is_in_core() -> None:
    """A write or a read of 100,000 files by zarr-python takes half a minute, and eight of them are needed."""
    files = [case for case in _growth_cases("core") if case.backend == "zarr3-zarrpython" and case.shard_shape is None]
    written = [
        n_chunks(case.shape, case.chunk_shape) or 0
        for case in files
        if case.operation in ("write", "read", "delete") and case.shape == (200, 200, 200)
    ]
    assert max(written) <= 10_000


def test_the_suite_fits_its_time() -> None:
    """Smoke 2 min by 8 s a case, core 20 min by 10 s a case and 15 s a slow one (12 min measured)."""
    smoke = _growth_cases("smoke")
    assert 8 * len(smoke) <= 100
    for steps in ({case.shape for case in smoke}, {n_chunks(case.shape, case.chunk_shape) for case in smoke}):
        assert len(steps) >= 3  # two cubes and the image that is cut; one chunk or eight, and two cuts
    core = grids_of("core", suites=("growth",))
    assert sum(grid.n_cases * (15 if grid.slow else 10) for grid in core) <= 20 * 60
