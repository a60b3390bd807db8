"""When a case counts as measured on a busy machine, and what is said then."""

from __future__ import annotations

import random

import pytest

from storebench.records import Conditions, Sample
from storebench.results.noise import Timeline, judge_conditions, judge_noise, over_span


def _samples(
    n: int = 10,
    *,
    preempted: int = 0,
    wall_s: float = 0.005,
    delay: float = 0.0,
    threads: int | None = 1,
    **more: object,
) -> list[Sample]:
    """Samples one a second from t = 100 s on, the first ones preempted; `delay` is the share of the wall time."""
    return [
        Sample(
            wall_s=wall_s,
            open_s=None,
            cpu_s=wall_s,
            started_at=100.0 + i,
            process_id="a",
            involuntary_switches=int(i < preempted),
            run_delay_s=delay * wall_s,
            threads_ran=threads,
            **more,  # type: ignore[arg-type]
        )
        for i in range(n)
    ]


def _conditions(start: float = 90.0, end: float = 120.0, **figures: object) -> Conditions:
    quiet = {"cpu_pressure": 0.01, "steal_share": 0.001, "other_cpus": 0.02, "busiest_other": "sshd"}
    return Conditions(started_at=start, ended_at=end, **(quiet | figures))  # type: ignore[arg-type]


def test_quiet_says_nothing() -> None:
    assert judge_noise(_samples(preempted=2, delay=0.05), [_conditions()], 2) is None
    assert judge_noise(_samples(), [], None) is None
    assert judge_noise([], [_conditions(other_cpus=9.0)], 2) is None


def test_preempted_short_samples() -> None:
    said = judge_noise(_samples(preempted=3), [], 2)
    assert said == (
        "30% of its samples shorter than 10 ms were preempted (limit 20%); measure again on a quiet machine"
    )
    assert judge_noise(_samples(preempted=10, wall_s=0.0101), [], 2) is None  # longer ones are on quiet machines too
    assert judge_noise(_samples(4, preempted=4), [], 2) is None  # too few for a share


def test_waiting_for_a_processor() -> None:
    said = judge_noise(_samples(wall_s=0.1, delay=0.06), [], 2)
    assert said is not None
    assert "it waited for a processor 6% of the time (limit 5%)" in said
    late = [*_samples(6, wall_s=0.1), *_samples(5, wall_s=0.1, delay=0.9)]
    assert judge_noise(late, [], 2) is None  # the median: single values of that counter are wrong


@pytest.mark.parametrize("threads", [8, None])
def test_the_threads_of_a_case_push_each_other_off_and_that_is_no_noise(threads: int | None) -> None:
    samples = _samples(preempted=10, delay=0.3, threads=threads)
    own = _conditions(cpu_pressure=0.8)
    assert judge_noise(samples, [own], 2) is None
    assert judge_noise(samples, [], 2) is None
    said = judge_noise(samples, [_conditions(cpu_pressure=0.05, other_cpus=0.11, busiest_other="chrome")], 2)
    assert said is not None
    assert "100% of its samples" in said
    assert "chrome was the busiest other process: end it, or measure again" in said


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (
            {"other_cpus": 0.51, "busiest_other": "chrome"},
            "others kept 0.51 of 2 processors busy (limit 0.5); chrome was",
        ),
        (
            {"other_cpus": 1.6, "cpu_pressure": 0.99},
            "(limit 0.5); something waited for a processor 99% of the time (limit 10%); ",
        ),
        ({"other_cpus": 0.11, "cpu_pressure": 0.11}, "something waited for a processor 11% of the time (limit 10%)"),
        (
            {"steal_share": 0.021},
            "the hypervisor gave 2.1% of the processor time to other machines (limit 2%); measure",
        ),
    ],
)
def test_a_busy_machine(figures: dict[str, object], words: str) -> None:
    busy = _conditions(**figures)
    said = judge_noise(_samples(), [busy], 2)
    assert said is not None
    assert words in said
    assert said.count("processors busy") <= 1
    assert judge_conditions(busy, 2) == said


@pytest.mark.parametrize(
    "figures", [{"other_cpus": 0.5}, {"other_cpus": 0.1, "cpu_pressure": 0.9}, {"steal_share": 0.02}]
)
def test_at_its_limit_a_figure_is_still_good(figures: dict[str, object]) -> None:
    assert judge_conditions(_conditions(**figures), 2) is None


def test_what_the_system_does_not_tell_is_no_noise() -> None:
    assert judge_conditions(Conditions(started_at=0, ended_at=1), None) is None
    blind = [Sample(wall_s=0.005, open_s=None, cpu_s=0.005, started_at=0.0, process_id="a")] * 10
    assert judge_noise(blind, [Conditions(started_at=0, ended_at=1)], 2) is None


def test_only_conditions_of_the_samples_time_count() -> None:
    busy = {"other_cpus": 1.9}
    assert (
        judge_noise(_samples(), [_conditions(0, 99, **busy), _conditions(), _conditions(121, 200, **busy)], 2) is None
    )
    assert judge_noise(_samples(), [_conditions(), _conditions(105, 106, **busy)], 2) is None  # a tenth of the time
    assert judge_noise(_samples(), [_conditions(), _conditions(100, 106, **busy)], 2) is not None


def test_first_touches_and_discarded_samples_do_not_count() -> None:
    assert judge_noise(_samples(preempted=10, kind="first_touch"), [], 2) is None
    assert judge_noise(_samples(preempted=10, verified=False), [], 2) is None


def test_conditions_are_weighted_by_overlap() -> None:
    seen = over_span(
        [_conditions(0, 10, other_cpus=1.0, busiest_other="dd"), _conditions(10, 40, other_cpus=None)], 8, 14
    )
    assert seen is not None
    assert seen.other_cpus == 1.0  # what is not known has no weight
    assert seen.busiest_other == "dd"
    seen = over_span([_conditions(0, 10, steal_share=0.3), _conditions(10, 40, steal_share=0.0)], 8, 14)
    assert seen is not None
    assert seen.steal_share == pytest.approx(0.1)
    assert over_span([_conditions(0, 10)], 11, 12) is None
    assert over_span([_conditions(0, 10)], 5, 5) is not None


def test_a_timeline_finds_what_a_search_through_all_finds() -> None:
    rng = random.Random(4)
    spans = [
        Conditions(started_at=start, ended_at=start + rng.expovariate(0.1)) for start in rng.choices(range(1000), k=300)
    ]
    timeline = Timeline(spans)
    for _ in range(200):
        start = rng.uniform(-20, 1020)
        samples = [
            Sample(wall_s=rng.expovariate(0.3), open_s=None, cpu_s=0.0, started_at=start + offset, process_id="0")
            for offset in (0.0, rng.uniform(0, 30))
        ]
        end = max(sample.started_at + sample.wall_s for sample in samples)
        overlapping = [span for span in spans if span.started_at <= end and span.ended_at >= start]
        assert sorted(timeline.around(samples), key=repr) == sorted(overlapping, key=repr)
    assert timeline.around([]) == []
