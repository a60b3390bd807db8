"""The curated cases: each can be measured, each is there once, and a larger tier only adds."""

from __future__ import annotations

import json
import keyword
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from storebench.assets import bundled_results
from storebench.backends import BACKENDS
from storebench.errors import UnknownNameError, UsageError
from storebench.grid import Shape
from storebench.records import Case, Row
from storebench.suites import (
    COUNTED,
    GRIDS,
    SUITES,
    TIERS,
    Grid,
    Subject,
    Tier,
    counted_values,
    fit_layout,
    grids_of,
    heftie_grids,
    is_timed,
    why_impossible,
)

_SHAPES = {
    "yx": (1000, 1200),
    "zyx": (100, 200, 300),
    "tczyx": (2, 2, 32, 256, 256),
}
_DTYPES = ("uint8", "uint16", "float32", "int32")
_ODD = [
    Subject("small", (20, 30, 40), "uint8"),
    Subject("small", (20, 30, 40), "float32"),
    Subject("tiny", (2, 3, 4), "uint16"),
    Subject("tiny", (3, 4), "uint16", axes="yx"),
    Subject("one plane", (1, 300, 400), "uint16"),
]
_SUBJECTS = [
    Subject("mine", shape, dtype, axes, None, "0123456789ab") for axes, shape in _SHAPES.items() for dtype in _DTYPES
]


def _subject_id(subject: Subject) -> str:
    return f"{subject.name}-{'x'.join(map(str, subject.shape))}-{subject.dtype}"


on_each_subject = pytest.mark.parametrize("subject", [*_SUBJECTS, *_ODD], ids=_subject_id)


def _by_name(grids: Iterable[Grid]) -> dict[tuple[str, str], Grid]:
    return {(grid.suite, grid.name): grid for grid in grids}


def _case_ids(grids: Iterable[Grid]) -> Counter[tuple[str, str]]:
    return Counter((grid.suite, grid.case(*values).id) for grid in grids for values in grid.combinations())


def _impossible(grids: Iterable[Grid]) -> dict[str, str]:
    cases = (grid.case(*values) for grid in grids for values in grid.combinations())
    return {case.id: why for case in cases if (why := why_impossible(case)) is not None}


def _check(grids: tuple[Grid, ...]) -> None:
    """Hold what every list of grids must hold."""
    assert len(_by_name(grids)) == len(grids)
    assert [key for key, n in _case_ids(grids).items() if n > 1] == []
    assert _impossible(grids) == {}
    for grid in grids:
        assert grid.name.isidentifier()
        assert not keyword.iskeyword(grid.name)
        assert grid.n_cases > 0
        assert not [value for values in grid.params.values() for value in values if "," in value or " " in value]


def test_every_grid_can_be_measured_and_is_there_once() -> None:
    _check(GRIDS)


def test_every_grid_says_why_it_is_there_and_what_it_is() -> None:
    for grid in GRIDS:
        assert grid.question.endswith(("?", "."))
        assert grid.suite in SUITES
        assert grid.tier in TIERS
        assert grid.backend in BACKENDS


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_has_smoke_and_core_grids(suite: str) -> None:
    assert {"smoke", "core"} <= {grid.tier for grid in grids_of("full", suites=(suite,))}


def test_core_has_300_timed_cases() -> None:
    timed = tuple(suite for suite in SUITES if suite not in COUNTED)
    assert sum(grid.n_cases for grid in grids_of("core", suites=timed)) >= 300


def test_every_backend_is_measured() -> None:
    measured = {grid.backend for grid in grids_of("core")}
    assert measured == set(BACKENDS)


def test_tiers_only_add() -> None:
    smoke, core, full = (_by_name(grids_of(tier)) for tier in TIERS)
    assert smoke.items() < core.items() < full.items()


@pytest.mark.parametrize("suite", SUITES)
def test_methods_time_the_operation_or_track_what_is_counted(suite: str) -> None:
    own_loop = {("cold", "returned"): "track_read_cold", ("durable", "durable"): "track_write_durable"}
    own_loop |= {("durable", "own-fsync"): "track_write_own_fsync", ("streaming", "durable"): "track_append_durable"}
    for grid in grids_of("smoke", suites=(suite,)):
        counted = tuple(f"track_{metric}" for metric in COUNTED.get(suite, ()))
        state = (suite, grid.durability)
        assert grid.methods == (counted or (own_loop.get(state, f"time_{grid.operation}"),))
        assert grid.is_timed is (suite not in COUNTED)
        assert {is_timed(name) for name in grid.benchmarks} == {grid.is_timed}
        assert grid.own_loop is (state in own_loop)


def test_the_state_of_a_grid_is_in_its_cases() -> None:
    states = {
        (grid.suite, case.cache, case.durability, case.threads)
        for grid in GRIDS
        for case in (grid.case(*next(grid.combinations())),)
    }
    special = {state for state in states if state[1:] != ("warm", "returned", None)}
    assert special == {
        ("cold", "cold", "returned", None),
        ("durable", "warm", "durable", None),
        ("durable", "warm", "own-fsync", None),
        ("threads", "warm", "returned", 1),
        ("threads", "warm", "returned", 2),
        ("streaming", "warm", "durable", None),
        ("large-plane", "warm", "returned", 1),
        ("large-plane", "warm", "returned", os.cpu_count() or 1),
    }
    assert {state[0] for state in states - special} == set(SUITES) - {"cold", "durable", "threads"}


def test_cold_dropped_makes_a_name_that_python_takes() -> None:
    grid = next(grid for grid in GRIDS if grid.suite == "cold")
    assert replace(grid, cache="cold-dropped").methods == ("track_read_cold_dropped",)


def test_the_peers_developer_set() -> None:
    """zarr-benchmarks' dev.json: 7 codecs, read and written with Zarr 2 and 3, 128 voxels cubed of float64 in one chunk."""
    cases = [grid.case(*values) for grid in heftie_grids() for values in grid.combinations()]
    assert Counter((case.backend, case.operation) for case in cases) == {
        (backend, operation): 7
        for backend in ("zarr2-zarrpython", "zarr3-zarrpython")
        for operation in ("read", "write")
    }
    assert {(case.dataset, case.shape, case.dtype, case.chunk_shape) for case in cases} == {
        ("random", (128, 128, 128), "float64", (128, 128, 128))
    }
    assert all(grid in grids_of("core") and grid not in grids_of("smoke") for grid in heftie_grids())


def test_no_grid_of_the_baseline_has_changed() -> None:
    """asv throws results away when the parameters of a class change; the baseline that is shipped knows them.

    In a clone that measured, `make quick` has put beside them what it made for its own image (named by `Grid.on`).
    """
    known = json.loads((bundled_results() / "benchmarks.json").read_text())
    now = {
        name: [[repr(value) for value in values] for values in grid.params.values()]
        for grid in GRIDS
        for name in grid.benchmarks
    }
    old = {name: about["params"] for name, about in known.items() if name != "version" and "__" not in name}
    assert len(old) > 500
    assert {name: now.get(name) for name in old} == old


def test_what_is_counted_is_none_where_it_is_not_known() -> None:
    case = GRIDS[0].case(*next(GRIDS[0].combinations()))
    nothing = Row(case=case, status="ok", format="f", library="l")
    assert set(counted_values(nothing).values()) == {None}
    known = replace(nothing, logical_bytes=20, stored_bytes=10, voxels_asked=2, voxels_decoded=6)
    assert counted_values(known)["compression_ratio"] == 2
    assert counted_values(known)["read_amplification"] == 3
    assert {name for metrics in COUNTED.values() for name in metrics} == set(counted_values(known))


@on_each_subject
def test_core_on_another_image(subject: Subject) -> None:
    grids = grids_of("core", subject=subject)
    _check(grids)
    assert {grid.subject for grid in grids} == {subject}
    assert {grid.backend for grid in grids} >= {"npy-numpy", "zarr3-zarrpython", "tiff-tifffile"}
    assert not _by_name(grids).keys() & _by_name(GRIDS).keys()


@on_each_subject
def test_a_class_on_another_image_has_the_same_parameters_in_every_tier_that_has_it(subject: Subject) -> None:
    smoke, core, full = (_by_name(grids_of(tier, subject=subject)) for tier in TIERS)
    for small, large in ((smoke, core), (core, full)):
        shared = small.keys() & large.keys()
        assert {key: small[key] for key in shared} == {key: large[key] for key in shared}
        missing = _case_ids(small.values()).keys() - _case_ids(large.values()).keys()
        assert missing == set()


@on_each_subject
def test_quick_on_any_image(subject: Subject) -> None:
    grids = grids_of("quick", subject=subject)
    _check(grids)
    assert {grid.backend for grid in grids} >= {"npy-numpy", "zarr3-zarrpython", "tiff-tifffile"}
    assert {grid.operation for grid in grids} == {"read", "write"}


@pytest.mark.parametrize(
    ("dtype", "axes", "backends"),
    [
        ("uint16", "yx", {"png-imageio", "jp2-imageio"}),
        ("float32", "yx", set()),
        ("int32", "yx", set()),
        ("uint16", "zyx", {"tiffstack-tifffile"}),
        ("float32", "zyx", {"tiffstack-tifffile"}),
        ("uint8", "tczyx", set()),
    ],
)
def test_quick_takes_the_formats_that_hold_the_image(dtype: str, axes: str, backends: set[str]) -> None:
    grids = grids_of("quick", subject=Subject("mine", _SHAPES[axes], dtype, axes))
    assert {grid.backend for grid in grids} == backends | {"npy-numpy", "zarr3-zarrpython", "tiff-tifffile"}


def test_two_images_of_one_name_have_two_sets_of_classes() -> None:
    one, other = (
        {g.name for g in grids_of("quick", subject=Subject("a.tif", (64, 64), "uint8", "yx", None, k))}
        for k in ("1", "2")
    )
    assert not one & other


def test_a_suite_alone_has_the_same_grids_as_among_all() -> None:
    subject = _ODD[0]
    among_all = [grid for grid in grids_of("core", subject=subject) if grid.suite == "write"]
    assert list(grids_of("core", suites=("write",), subject=subject)) == among_all


@pytest.mark.parametrize(
    ("tier", "suites", "words"),
    [("cor", (), "Did you mean core"), ("core", ("reads",), "Did you mean read"), ("quick", (), "measures one image")],
)
def test_a_wrong_name_is_a_sentence(tier: Tier, suites: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        grids_of(tier, suites=suites)


def test_a_wrong_suite_is_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="storebench list suites"):
        grids_of("core", suites=("nope",))


@pytest.mark.parametrize(
    ("text", "shape", "chunks", "shards"),
    [
        ("default", (10, 20, 30), None, None),
        ("plane", (10, 20, 30), (1, 20, 30), None),
        ("plane", (20, 30), (20, 30), None),
        ("64x64x64", (128, 128, 128), (64, 64, 64), None),
        ("64x64x64", (20, 30, 100), (20, 30, 64), None),
        ("64x64x64", (2, 3, 128, 128, 128), (1, 1, 64, 64, 64), None),
        ("64x64x64", (100, 100), (64, 64), None),
        ("256x256", (9, 300, 300), (1, 256, 256), None),
        ("32x32x32-in-128x128x128", (128, 128, 128), (32, 32, 32), (128, 128, 128)),
        ("32x32x32-in-128x128x128", (100, 100, 100), (32, 32, 32), (128, 128, 128)),
        ("32x32x32-in-128x128x128", (40, 40, 40), (32, 32, 32), (64, 64, 64)),
        ("32x32x32-in-128x128x128", (20, 30, 40), (20, 30, 32), (20, 30, 64)),
        ("32x32x32-in-128x128x128", (200, 200, 200), (32, 32, 32), (128, 128, 128)),
    ],
)
def test_a_layout_fits_the_image(text: str, shape: Shape, chunks: Shape | None, shards: Shape | None) -> None:
    assert fit_layout(text, shape) == (chunks, shards)


def test_why_impossible_says_why() -> None:
    (grid,) = (g for g in GRIDS if g.suite == "read" and g.name == "SmokePngImageioPlane")
    floats = grid.on(Subject("mine", (100, 100), "float32", "yx"))
    assert why_impossible(floats.case("default", "png-6", "whole")) == (
        "png-imageio cannot hold float32; it holds uint8, uint16"
    )


def test_subjects_have_a_dtype_that_numpy_knows() -> None:
    for grid in GRIDS:
        assert np.dtype(grid.subject.dtype).name == grid.subject.dtype
        assert len(grid.subject.axes) == len(grid.subject.shape)


def _cases(tier: Tier, suite: str) -> list[Case]:
    return [grid.case(*values) for grid in grids_of(tier, suites=(suite,)) for values in grid.combinations()]


@pytest.mark.parametrize("tier", TIERS)
def test_a_view_from_full_resolution_has_a_partner_with_levels(tier: Tier) -> None:
    reads = {case.id: case for case in _cases(tier, "read")}
    pairs = [case for case in reads.values() if case.pattern.endswith("-from0")]
    assert pairs
    for case in pairs:
        assert case.n_levels == 1
        pattern = case.pattern.removesuffix("-from0")
        partners = [replace(case, pattern=pattern, n_levels=n).id for n in (1, 3, 4)]  # 1: a wavelet has its own levels
        assert [partner for partner in partners if partner in reads], case.id


@pytest.mark.parametrize("tier", TIERS)
def test_what_levels_cost_to_write_is_measured(tier: Tier) -> None:
    writes = {case.id: case for case in _cases(tier, "write")}
    with_levels = [case for case in writes.values() if case.n_levels > 1 and len(case.shape) == 2]
    assert with_levels
    assert all(replace(case, n_levels=1).id in writes for case in with_levels)


@pytest.mark.parametrize("backend", ["npy-numpy", "zarr3-zarrpython"])
@pytest.mark.parametrize("pattern", ["whole", "plane_xz"])
def test_smoke_reads_one_setting_at_three_sizes_at_least(backend: str, pattern: str) -> None:
    sizes: dict[tuple[object, ...], set[Shape]] = {}
    for case in _cases("smoke", "read"):
        if (case.backend, case.pattern, case.dataset) == (backend, pattern, "ct") and len(case.shape) == 3:
            sizes.setdefault((case.codec, case.chunk_shape), set()).add(case.shape)
    assert max(map(len, sizes.values())) >= 3


def test_every_thread_budget_is_measured_beside_one_thread() -> None:
    for tier in TIERS:
        cases = {case.id: case for case in _cases(tier, "threads")}
        assert len({case.backend for case in cases.values()}) >= 3
        assert all(replace(case, threads=1).id in cases for case in cases.values())
