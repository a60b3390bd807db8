"""Paired comparison: what is judged from which pairs, and real pairs of workers with and without a slow-down put in."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from storebench.measurement._duels import Duel, Match, group_by_pools
from storebench.measurement.images import Image
from storebench.measurement.pairing import PairedRule, PairedStage, Setting, compare_paired, decide, judge
from storebench.measurement.sampler import SamplingProgress
from storebench.measurement.worker import Worker
from storebench.records import Case, Sample, to_json
from storebench.storage import Storage

pytestmark = pytest.mark.slow

SHAPE = (10, 10, 20)
READ = Case(
    dataset="random",
    shape=SHAPE,
    dtype="uint16",
    axes="zyx",
    operation="read",
    backend="zarr3-zarrpython",
    chunk_shape=(10, 10, 10),
)
OPEN = dataclasses.replace(READ, operation="open")
NPY = dataclasses.replace(READ, backend="npy-numpy", chunk_shape=None)
NOT_POSSIBLE = dataclasses.replace(READ, codec="png-6")
FEW = PairedRule(processes=2, pairs=10, confirm_processes=2, confirm_margin=0.25)
"""So few pairs on a busy machine may be off by more than 5 %."""

_SLOWED = """
import time
from storebench.measurement import worker, workload

def slowed(self, call=workload.Workload._call):
    start = time.perf_counter()
    call(self)
    end = time.perf_counter() + {share} * (time.perf_counter() - start)
    while time.perf_counter() < end:
        pass

workload.Workload._call = slowed
worker.main()
"""


# judged, without a process


def _sample(wall_s: float, process: str, **more: object) -> Sample:
    facts = {"open_s": None, "cpu_s": wall_s, "started_at": 0.0, "process_id": process}
    return Sample(wall_s=wall_s, **(facts | more))  # type: ignore[arg-type]


def _pairs(
    ratio: float, *, seed: int, processes: int = 5, pairs: int = 40, noise: float = 0.1
) -> list[tuple[Sample, Sample]]:
    """Return simulated pairs: what disturbs both at once, what disturbs one, and what differs between processes."""
    rng = random.Random(seed)
    found = []
    for process in range(processes):
        shift = ratio * math.exp(rng.gauss(0, 0.005))
        for _ in range(pairs):
            both = math.exp(abs(rng.gauss(0, 0.5)))
            a, b = (both * math.exp(rng.gauss(0, noise)) for _ in "ab")
            found.append((_sample(0.01 * a, f"a{process}"), _sample(0.01 * shift * b, f"b{process}")))
    return found


def _two_stages(ratio: float, seed: int) -> tuple[PairedStage, PairedStage | None]:
    first = judge(_pairs(ratio, seed=2 * seed), 0.03, 0.95)
    if first.verdict not in ("slower", "faster"):
        return first, None
    return first, judge(_pairs(ratio, seed=2 * seed + 1, processes=10), 0.05, 0.99)


def test_identical_code_raises_no_alarm() -> None:
    results = [decide(READ, READ, *_two_stages(1.0, seed)) for seed in range(100)]
    assert {result.verdict for result in results} <= {"same", "undecided"}


@pytest.mark.parametrize(("ratio", "verdict"), [(1.1, "slower"), (0.9, "faster")])
def test_ten_percent_are_found(ratio: float, verdict: str) -> None:
    results = [decide(READ, READ, *_two_stages(ratio, seed)) for seed in range(30)]
    assert sum(result.verdict == verdict for result in results) >= 27
    assert all(result.confirmed for result in results if result.verdict == verdict)


def test_a_stage_says_what_it_was_judged_from() -> None:
    pairs = _pairs(1.0, seed=0, processes=3, pairs=20, noise=0.01)
    stage = judge(pairs, 0.03, 0.95, n_dropped=2)
    assert (stage.n_pairs, stage.n_processes, stage.n_dropped) == (60, 3, 2)
    assert list(zip(stage.a_samples, stage.b_samples, strict=True)) == pairs
    assert stage.ratio_low is not None
    assert stage.ratio is not None
    assert stage.ratio_high is not None
    assert stage.ratio_low < stage.ratio < stage.ratio_high
    assert stage.verdict == "same"


def test_too_few_pairs_decide_nothing() -> None:
    stage = judge(_pairs(2.0, seed=0, processes=2, pairs=2), 0.03, 0.95)
    assert (stage.verdict, stage.ratio_low) == ("undecided", None)
    assert judge([], 0.03, 0.95).ratio is None


def _stage(verdict: str) -> PairedStage:
    ratio = {"slower": 1.2, "faster": 0.8}.get(verdict, 1.0)
    return dataclasses.replace(judge(_pairs(ratio, seed=3, noise=0.01), 0.05, 0.99), verdict=verdict)


@pytest.mark.parametrize(
    ("first", "second", "verdict", "confirmed"),
    [
        ("same", None, "same", None),
        ("undecided", None, "undecided", None),
        ("slower", "slower", "slower", True),
        ("faster", "faster", "faster", True),
        ("slower", "same", "same", False),
        ("slower", "undecided", "undecided", False),
        ("slower", "faster", "undecided", False),  # they contradict each other
        ("slower", None, "undecided", None),  # what nothing confirmed is not reported
    ],
)
def test_the_second_stage_has_the_last_word(
    first: str, second: str | None, verdict: str, confirmed: bool | None
) -> None:
    last = None if second is None else _stage(second)
    result = decide(READ, OPEN, _stage(first), last)
    assert (result.verdict, result.confirmed) == (verdict, confirmed)
    assert (result.ratio, result.a_samples) == ((last or _stage(first)).ratio, (last or _stage(first)).a_samples)
    assert (result.screening is None) == (last is None)
    assert result.a_s == pytest.approx(0.01 * 1.4, rel=0.2)


def test_a_failure_decides_nothing() -> None:
    result = decide(READ, OPEN, _stage("slower"), _stage("slower"), failure="B failed: no room")
    assert (result.verdict, result.confirmed, result.failure) == ("undecided", False, "B failed: no room")


def test_a_pair_of_which_one_does_not_count_is_dropped_and_made_up_for() -> None:
    duel = Duel(Setting(READ, "k"), Setting(READ, "k"))
    duel.enter_processes()
    good, bad = _sample(0.01, "p"), _sample(0.01, "p", verified=False)
    for pair in ((good, bad), (good, good), (bad, good)):
        assert duel.due(3)
        duel.add(*pair)
    assert (duel.pairs, duel.n_dropped) == ([(good, good)], 2)
    assert duel.due(3)
    duel.add(None, good)
    assert not duel.due(3)  # as many were lost as were wanted: these processes give no more


def test_what_shares_processes() -> None:
    duels = [Duel(Setting(a, "k"), Setting(b, "k")) for a, b in [(READ, NPY), (OPEN, NPY), (READ, OPEN), (OPEN, READ)]]
    assert [len(group) for group in group_by_pools(duels)] == [1, 1, 2]
    other = Duel(Setting(READ, "k", python="/other/python"), Setting(NPY, "k"))
    assert [len(group) for group in group_by_pools([duels[0], other])] == [1, 1]


# live


class _Noting(Worker):
    """A worker that notes who was asked when."""

    def __init__(self, storage: Storage, notes: list[tuple[int, str]]) -> None:
        super().__init__(storage)
        self._notes = notes

    def call(self, case_id: str) -> Sample | None:
        self._notes.append((self.pid, case_id))
        return super().call(case_id)


def _orders(storage: Storage, image: Image, seed: int) -> list[tuple[int, str]]:
    """Return the calls of one pair of workers, which are called 0 and 1."""
    notes: list[tuple[int, str]] = []
    workers: list[Worker] = []

    def launch(_: Setting) -> Worker:
        workers.append(_Noting(storage, notes))
        return workers[-1]

    duels = [Duel(Setting(case, image.key), Setting(case, image.key)) for case in (READ, OPEN)]
    Match(duels, launch, random.Random(seed), n_pairs=lambda _: 12, on_pair=lambda _: None).play()
    assert not any(worker.alive for worker in workers)
    assert all(len(duel.pairs) == 12 for duel in duels)
    pids = sorted({pid for pid, _ in notes})
    return [(pids.index(pid), case_id) for pid, case_id in notes]


def test_calls_alternate_in_random_order(storage: Storage, image: Image) -> None:
    calls = _orders(storage, image, seed=0)
    assert len(calls) == 2 * 2 * 12
    pairs = [calls[i : i + 2] for i in range(0, len(calls), 2)]
    assert all(one[1] == other[1] and {one[0], other[0]} == {0, 1} for one, other in pairs)
    assert {pair[0][0] for pair in pairs} == {0, 1}  # now A goes first, now B
    rounds = [(pairs[i][0][1], pairs[i + 1][0][1]) for i in range(0, len(pairs), 2)]
    assert set(rounds) == {(READ.id, OPEN.id), (OPEN.id, READ.id)}


def _setting(case: Case, image: Image, entry: tuple[str, ...] | None = None) -> Setting:
    return Setting(case, image.key) if entry is None else Setting(case, image.key, entry=entry)


def test_two_identical_settings_do_not_differ(storage: Storage, image: Image) -> None:
    seen: list[SamplingProgress] = []
    settings = [(_setting(case, image), _setting(case, image)) for case in (READ, OPEN)]
    results = compare_paired(settings, storage, FEW, on_progress=seen.append)
    assert [(result.a, result.b) for result in results] == [(READ, READ), (OPEN, OPEN)]
    for result in results:
        assert result.verdict in ("same", "undecided")
        assert result.failure is None
        assert (result.n_pairs, result.n_processes) == (20, 2)
        a, b = ({sample.process_id for sample in samples} for samples in (result.a_samples, result.b_samples))
        assert (len(a), len(b), a & b) == (2, 2, set())
        assert to_json(result)["a_samples"][0]["wall_s"] == result.a_samples[0].wall_s
    shared = [{sample.process_id for sample in result.a_samples} for result in results if result.screening is None]
    assert len({frozenset(ids) for ids in shared}) <= 1  # both comparisons ran in the same processes
    assert seen[0].eta_s is None
    assert seen[-1].done == seen[-1].total
    assert seen[-1].eta_s == 0


def test_a_slow_down_that_was_put_in_is_found(storage: Storage, image: Image, tmp_path: Path) -> None:
    script = tmp_path / "slowed_worker.py"
    script.write_text(_SLOWED.format(share=20.0))
    slowed = (str(script),)
    (slower, faster) = compare_paired(
        [
            (_setting(READ, image), _setting(READ, image, slowed)),
            (_setting(READ, image, slowed), _setting(READ, image)),
        ],
        storage,
        PairedRule(processes=1, pairs=12, confirm_processes=1),
    )
    assert (slower.verdict, slower.confirmed) == ("slower", True)
    assert (faster.verdict, faster.confirmed) == ("faster", True)
    assert slower.ratio_low is not None
    assert slower.ratio_low > 1
    assert slower.screening is not None
    fresh = {sample.process_id for sample in slower.a_samples}
    assert fresh.isdisjoint(sample.process_id for sample in slower.screening.a_samples)


def test_one_that_cannot_be_compared_leaves_the_others_alone(storage: Storage, image: Image) -> None:
    rule = PairedRule(processes=1, pairs=6, confirm_processes=1)
    pairs: Sequence[tuple[Setting, Setting]] = [
        (_setting(READ, image), _setting(NOT_POSSIBLE, image)),
        (_setting(OPEN, image), _setting(OPEN, image)),
        (Setting(NPY, "0123"), _setting(NPY, image)),
    ]
    bad, good, lost = compare_paired(pairs, storage, rule)
    assert (bad.verdict, bad.n_pairs, bad.ratio, bad.a_s) == ("undecided", 0, None, None)
    assert (bad.failure or "").startswith("B failed: ")
    assert lost.failure == "A failed: <storage root> no longer holds the dataset 0123; start the run again"
    assert (good.failure, good.n_pairs) == (None, 6)


def test_a_death_fails_one_comparison(storage: Storage, image: Image, tmp_path: Path) -> None:
    script = tmp_path / "dying_worker.py"
    script.write_text(
        "import os, signal\nfrom storebench.measurement import worker, workload\n"
        "workload.OpenWorkload.perform = lambda self, location: os.kill(os.getpid(), signal.SIGSEGV)\nworker.main()\n"
    )
    rule = PairedRule(processes=1, pairs=6, confirm_processes=1)
    settings = [(_setting(case, image), _setting(case, image, (str(script),))) for case in (READ, OPEN)]
    read, opened = compare_paired(settings, storage, rule)
    assert opened.failure == f"B failed: the worker process died on {OPEN.id}: it was ended by SIGSEGV"
    assert (read.failure, read.n_pairs) == (None, 6)


def test_slow_operations_get_fewer_pairs(storage: Storage, image: Image) -> None:
    rule = PairedRule(processes=1, pairs=40, slow_s=0.0, slow_pairs=7)
    (result,) = compare_paired([(_setting(OPEN, image), _setting(OPEN, image))], storage, rule)
    assert len((result.screening or result).a_samples) == 7
