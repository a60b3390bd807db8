"""Runs in order, the pair that is compared, and change points: no false alarms, real steps found, machines apart."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from storebench.errors import MissingDependencyError
from storebench.trends import (
    MIN_LEVEL,
    Trend,
    find_levels,
    find_runs,
    in_order,
    make_trends,
    newest_pair,
    steps,
    without_repeats,
)

from .report._histories import Planted, commit_name, history, plant

N_RUNS = 100


def _noise(n: int, rng: random.Random) -> list[float]:
    """2 % noise, 2 % of it outliers that take 20 % longer on average: what a quiet machine shows over many days."""
    return [
        rng.lognormvariate(0.0, 0.02) * (1 + rng.expovariate(5.0) if rng.random() < 0.02 else 1.0) for _ in range(n)
    ]


def _starts(values: Sequence[float]) -> list[int]:
    return [level.first for level in find_levels(values)[1:]]


def test_pure_noise_raises_no_alarm() -> None:
    rng = random.Random(9)
    alarms = sum(bool(_starts(_noise(N_RUNS, rng))) for _ in range(60))
    assert alarms <= 3  # 5 % of 60; measured were 0 of 400


@pytest.mark.parametrize("n", [2, 3, 5, 6, 8, 12])
def test_short_series_raise_no_alarm_either(n: int) -> None:
    rng = random.Random(n)
    alarms = sum(bool(_starts(_noise(n, rng))) for _ in range(100))
    assert alarms <= 5  # asv's detection alone: 83 of 100 at 2 runs, 29 at 5


def test_a_step_of_five_percent_is_found_where_it_is() -> None:
    rng = random.Random(4)
    found = 0
    for _ in range(60):
        values = _noise(N_RUNS, rng)
        values[60:] = [1.05 * value for value in values[60:]]
        found += any(abs(start - 60) <= 3 for start in _starts(values))
    assert found >= 54


def test_an_outlier_is_no_level_and_hides_none() -> None:
    values = [1.0, 1.01, 0.99, 1.0, 1.005, 1.0, 9.0, 1.0, 1.01, 0.99, 2.0, 2.01, 1.99, 2.0, 2.02, 1.98]
    levels = find_levels(values)
    assert [(level.first, level.last) for level in levels] == [(0, 9), (10, 15)]
    assert levels[1].value_s / levels[0].value_s == pytest.approx(2.0, rel=0.01)


def test_too_few_runs_have_no_level() -> None:
    assert find_levels([]) == ()
    assert find_levels([1.0] * (MIN_LEVEL - 1)) == ()
    assert len(find_levels([1.0] * MIN_LEVEL)) == 1


def test_without_asv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="pip install asv"):
        find_levels([1.0] * 10)


def _one_case(case_id: str) -> bool:
    return "16x16x16/zstd-3/plane_xz" in case_id


def _trend(runs: Sequence[Planted], folder: Path) -> Trend:
    results = plant(folder, runs)
    (trend,) = make_trends(in_order(find_runs(results.frame, results.journal)))
    return trend


def test_a_change_of_machine_breaks_the_line_and_is_no_change_point(tmp_path: Path) -> None:
    runs = history(24, slower_from=99, machines=((0, "lab-1"), (12, "lab-2")), keep=_one_case)
    trend = _trend(runs, tmp_path)
    assert [(line.machine, [point.position for point in line.points]) for line in trend.lines] == [
        ("lab-1", list(range(12))),
        ("lab-2", list(range(12, 24))),
    ]
    assert trend.lines[1].points[0].median_s / trend.lines[0].points[0].median_s > 1.4, "the other machine is slower"
    assert trend.change_points == []


def test_a_step_is_found_although_the_machine_changed(tmp_path: Path) -> None:
    runs = history(30, slower_from=21, machines=((0, "lab-1"), (10, "lab-2")), keep=_one_case)
    trend = _trend(runs, tmp_path)
    (point,) = trend.change_points
    assert (point.machine, point.position) == ("lab-2", 21)
    assert point.ratio == pytest.approx(1.2, rel=0.02)


def test_environments_side_by_side_have_lines_of_their_own(tmp_path: Path) -> None:
    runs = [
        Planted(commit=commit_name(number // 2), day=number, libraries={"zarr": f"3.{number % 2}"}, keep=_one_case)
        for number in range(8)
    ]
    trend = _trend(runs, tmp_path / "both")
    assert [len(line.points) for line in trend.lines] == [4, 4]
    assert {line.environment is None for line in trend.lines} == {False}
    upgraded = [
        Planted(commit=commit_name(0), day=number, libraries={"zarr": f"3.{number // 4}"}, keep=_one_case)
        for number in (0, 4)
    ]
    trend = _trend(upgraded, tmp_path / "upgrade")
    assert [len(line.points) for line in trend.lines] == [2], "an upgrade is one line"


def test_runs_stand_in_the_order_of_measuring_whatever_their_names(tmp_path: Path) -> None:
    runs = [Planted(commit=commit_name(number), day=10 - number, keep=_one_case) for number in range(5)]
    results = plant(tmp_path, runs)
    found = in_order(find_runs(results.frame, results.journal))
    assert [run.commit for run in found] == [commit_name(number) for number in (4, 3, 2, 1, 0)]
    assert [run.name for run in found] == [commit_name(number)[:8] for number in (4, 3, 2, 1, 0)]


def test_the_newest_pair_shares_a_machine_and_a_case(tmp_path: Path) -> None:
    def writes(case_id: str) -> bool:
        return case_id.startswith("write")

    planted = [
        Planted(commit=commit_name(1), day=1, keep=_one_case),
        Planted(commit=commit_name(2), day=2, keep=_one_case),
        Planted(commit=commit_name(3), day=3, keep=writes),
        Planted(commit=commit_name(4), day=4, keep=_one_case, machine="lab-2"),
    ]
    results = plant(tmp_path, planted)
    runs = in_order(find_runs(results.frame, results.journal))
    pair = newest_pair(runs, runs)
    assert pair is not None
    assert [run.commit for run in pair] == [commit_name(1), commit_name(2)]
    assert newest_pair(runs[2:], runs[2:]) is None
    assert newest_pair(runs[:1], runs[3:]) is None, "another machine"


def test_the_same_files_twice_are_one_run(tmp_path: Path) -> None:
    results = plant(tmp_path, [Planted(commit=commit_name(1), keep=_one_case)])
    runs = find_runs(results.frame, results.journal)
    assert len(without_repeats([*runs, *find_runs(results.frame, results.journal)])) == 1
