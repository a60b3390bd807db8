"""The engine "paired": its stopping rule and its orders on simulated samples, then real workers on small cases."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from storebench.errors import MissingDependencyError, StorebenchError, UnknownNameError, UsageError, VerificationError
from storebench.measurement._convergence import Taken
from storebench.measurement._crew import blocks_that_fit, held_bytes
from storebench.measurement._rounds import Rounds, Standing
from storebench.measurement.images import Image
from storebench.measurement.sampler import SamplingProgress, SamplingRule, sample_cases
from storebench.records import Case, Row, Sample
from storebench.results.intervals import median_interval
from storebench.results.journal import read_journal
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
WRITE = dataclasses.replace(READ, operation="write")
NPY = dataclasses.replace(READ, backend="npy-numpy", chunk_shape=None)
NOT_POSSIBLE = dataclasses.replace(READ, codec="png-6")
QUICK = SamplingRule(min_samples=5, min_processes=2, half_width=100.0)
"""Two looks, at 5 and 7 samples from 2 processes and more, and each interval is narrow enough."""


def _sample(wall_s: float, process: object = 0, **more: object) -> Sample:
    facts = {"open_s": None, "cpu_s": wall_s, "started_at": 0.0, "process_id": str(process)}
    return Sample(wall_s=wall_s, **(facts | more))  # type: ignore[arg-type]


# simulated


class Simulation:
    """A source of samples by lognormal noise, on a clock of its own."""

    def __init__(
        self,
        medians: Mapping[str, float],
        *,
        noise: float = 0.1,
        between: float = 0.0,
        verified: float = 1.0,
        fails: Mapping[str, StorebenchError] | None = None,
    ) -> None:
        self.now, self.log, self.generations = 0.0, [], []  # type: ignore[var-annotated]
        self._medians, self._noise, self._between, self._verified = medians, noise, between, verified
        self._fails, self._rng, self._held = fails or {}, random.Random(1), set[str]()

    def begin(self, case_ids: Sequence[str]) -> None:
        self.now += 0.7
        self.generations.append(tuple(case_ids))
        self._shift = {name: math.exp(self._rng.gauss(0, self._between)) for name in case_ids}

    def holds(self, case_id: str) -> bool:
        return case_id in self._held

    def open(self, case_id: str) -> Row:
        if case_id in self._fails:
            raise self._fails[case_id]
        self._held.add(case_id)
        self.now += 2 * self._medians[case_id]
        return Row(case=READ, status="ok", format="zarr3", library="zarr")

    def call(self, case_id: str) -> Sample:
        assert case_id in self._held
        wall_s = self._medians[case_id] * self._shift[case_id] * math.exp(self._rng.gauss(0, self._noise))
        self.now += wall_s
        self.log.append((len(self.generations), case_id))
        verified = self._rng.random() < self._verified
        return _sample(wall_s, len(self.generations), verified=verified, started_at=self.now)

    def end(self) -> None:
        self._held.clear()


def _simulate(
    source: Simulation, rule: SamplingRule, names: Sequence[str], already: Mapping[str, Sequence[Sample]] | None = None
) -> tuple[list[Standing], Rounds]:
    standings = [Standing(name, Taken(rule, (already or {}).get(name, ()))) for name in names]
    rounds = Rounds(
        standings,
        source,
        rule,
        seconds=rule.budget_s,
        rng=random.Random(rule.seed),
        clock=lambda: source.now,
    )
    rounds.run()
    return standings, rounds


def _orders(source: Simulation, n_cases: int) -> list[list[str]]:
    """Return the rounds that held all cases."""
    names = [name for _, name in source.log]
    return [names[i : i + n_cases] for i in range(0, 15 * n_cases, n_cases)]


def test_every_round_is_a_fresh_permutation_and_seeded() -> None:
    names = [f"c{i}" for i in range(8)]

    def orders(seed: int) -> list[list[str]]:
        source = Simulation(dict.fromkeys(names, 0.01))
        _simulate(source, SamplingRule(seed=seed), names)
        return _orders(source, len(names))

    first = orders(0)
    assert all(sorted(order) == names for order in first)
    assert len({tuple(order) for order in first}) == len(first)
    assert orders(0) == first
    assert orders(1) != first


def test_the_first_generations_give_five_each_and_later_ones_hold_what_is_left() -> None:
    source = Simulation({"steady": 0.01, "noisy": 0.01})
    source.call = lambda name, call=source.call: (  # type: ignore[method-assign]
        call(name) if name == "noisy" else dataclasses.replace(call(name), wall_s=0.01)
    )
    _simulate(source, SamplingRule(half_width=0.02), ["steady", "noisy"])
    per_process = Counter(source.log)
    assert [per_process[n, "steady"] for n in range(1, 6)] == [5, 5, 5, 6, 0]
    assert [per_process[n, "noisy"] for n in range(1, 6)] == [5, 5, 5, 6, 8]
    assert source.generations[:4] == [("steady", "noisy")] * 4
    assert set(source.generations[4:]) == {("noisy",)}


@pytest.mark.parametrize(("noise", "between"), [(0.05, 0.0), (0.1, 0.0), (0.1, 0.03)])
def test_intervals_of_what_converged_hold_the_truth(noise: float, between: float) -> None:
    names = [f"c{i}" for i in range(150)]
    source = Simulation(dict.fromkeys(names, 0.01), noise=noise, between=between)
    standings, _ = _simulate(source, SamplingRule(), names)
    ends = [standing.taken for standing in standings if standing.taken.converged]
    assert len(ends) >= 140
    covered = 0
    for taken in ends:
        assert taken.n >= 21
        assert taken.n_processes >= 4
        found = median_interval([s.wall_s for s in taken.samples], [s.process_id for s in taken.samples])
        assert found.median is not None
        assert found.low is not None
        assert found.high is not None
        assert (found.high - found.low) / 2 <= 0.05 * found.median
        covered += found.low <= 0.01 <= found.high
    assert covered >= 0.9 * len(ends)


def test_what_does_not_become_narrow_ends_at_the_most_samples() -> None:
    source = Simulation({"c": 0.01}, noise=1.0)
    ((standing,), _) = _simulate(source, SamplingRule(max_samples=60), ["c"])
    assert (standing.taken.n_calls, standing.taken.converged) == (60, False)


@pytest.mark.parametrize("budget_s", [5.0, 10.0, 30.0, 60.0])
def test_a_budget_is_kept_and_shared_by_the_first_generations(budget_s: float) -> None:
    medians = {f"c{i}": (0.01, 0.03, 0.05, 0.3)[i % 4] for i in range(28)}
    round_s = sum(medians.values())
    source = Simulation(medians)
    standings, _ = _simulate(source, SamplingRule(budget_s=budget_s), list(medians))
    assert 0.95 * budget_s <= source.now <= budget_s + 1.5 * round_s
    assert not any(standing.taken.converged for standing in standings)
    if budget_s >= 30:
        assert {standing.taken.n_processes for standing in standings} == {3}
        assert min(standing.taken.n for standing in standings) >= 3
    else:
        assert any(standing.taken.n for standing in standings)


def test_a_call_of_seconds_is_made_once_in_each_of_three_processes() -> None:
    source = Simulation({"long": 5.0, "short": 0.01})
    (long, short), _ = _simulate(source, SamplingRule(), ["long", "short"])
    assert [count for key, count in sorted(Counter(source.log).items()) if key[1] == "long"] == [1, 1, 1]
    assert (long.taken.n, long.taken.converged, long.taken.finished) == (3, False, True)
    assert short.taken.converged


def test_samples_that_do_not_count_are_made_up_for() -> None:
    source = Simulation({"c": 0.01}, noise=0.01, verified=0.6)
    ((standing,), _) = _simulate(source, SamplingRule(), ["c"])
    assert standing.taken.converged
    assert standing.taken.n >= 21
    assert standing.taken.n_calls == len(standing.taken.samples) > standing.taken.n


def test_a_case_whose_samples_never_count_ends() -> None:
    source = Simulation({"c": 0.01}, verified=0.0)
    ((standing,), _) = _simulate(source, SamplingRule(), ["c"])
    assert (standing.taken.n, standing.taken.n_calls, standing.taken.converged) == (0, 30, False)


def test_a_failure_of_one_case_leaves_the_others_alone() -> None:
    error = VerificationError("not what was written")
    source = Simulation({"good": 0.01, "bad": 0.01}, noise=0.01, fails={"bad": error})
    (good, bad), _ = _simulate(source, SamplingRule(), ["good", "bad"])
    assert good.taken.converged
    assert (bad.error, bad.taken.samples) == (error, [])


def test_what_an_interrupted_run_has_taken_counts() -> None:
    before = [_sample(0.01, process) for process in "abc" for _ in range(5)]
    source = Simulation({"c": 0.01}, noise=0.001)
    ((standing,), _) = _simulate(source, SamplingRule(), ["c"], {"c": before})
    assert len(source.log) == 6  # the first look was at those 15
    assert standing.taken.converged
    assert standing.taken.samples[:15] == before
    again = Simulation({"c": 0.01})
    _simulate(again, SamplingRule(), ["c"], {"c": standing.taken.samples})
    assert again.log == []  # it was finished


def test_one_narrow_look_is_not_enough() -> None:
    taken = Taken(SamplingRule())
    for number in range(15):
        taken.add(_sample(0.01, number % 3))
    taken.look()
    assert not taken.converged
    for number in range(5):
        taken.add(_sample(0.01, number))
        taken.look()
    assert not taken.converged  # 20 samples: no look
    taken.add(_sample(0.01))
    taken.look()
    assert taken.converged


def test_two_processes_are_too_few_to_look_at() -> None:
    taken = Taken(SamplingRule())
    for number in range(60):
        taken.add(_sample(0.01, number % 2))
        taken.look()
    assert not taken.converged


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"min_samples": 0}, "min_samples is 0; it must be at least 1"),
        ({"growth": 1.0}, "growth is 1.0; it must be above 1"),
        ({"half_width": 0.0}, "half_width is 0.0; it must be above 0, as in 0.05"),
        ({"budget_s": -1.0}, "budget_s is -1.0; it must be above 0 seconds"),
    ],
)
def test_a_rule_that_cannot_be_right_is_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        SamplingRule(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "bound", "lengths"),
    [([10] * 48, 1000, [48]), ([10] * 48, 240, [24, 24]), ([10] * 5, 20, [2, 2, 1]), ([100] * 3, 1, [1, 1, 1])],
)
def test_blocks_hold_no_more_than_fits(sizes: list[int], bound: int, lengths: list[int]) -> None:
    blocks = blocks_that_fit(list(range(len(sizes))), sizes, bound)
    assert [len(block) for block in blocks] == lengths
    assert sorted(item for block in blocks for item in block) == list(range(len(sizes)))


def test_an_uneven_lot_fits_too() -> None:
    sizes = [90, 10, 10, 10, 90, 10, 10, 10]
    blocks = blocks_that_fit(sizes, sizes, 130)
    assert max(map(sum, blocks)) <= 130


def test_a_session_holds_its_voxels() -> None:
    assert held_bytes(READ) == 4000
    assert held_bytes(dataclasses.replace(READ, n_levels=3)) > 4000


# real workers


def _workers() -> list[psutil.Process]:
    return [
        p for p in psutil.Process().children(recursive=True) if "storebench.measurement.worker" in " ".join(p.cmdline())
    ]


def test_cases_of_two_backends_side_by_side(storage: Storage, image: Image, journal: Path) -> None:
    seen: list[SamplingProgress] = []
    rounds: list[int] = []
    cases = [(case, image.key) for case in (READ, WRITE, OPEN, NPY, READ)]
    rows = sample_cases(
        cases, storage, QUICK, journal=journal, run="r1", on_progress=seen.append, on_round=rounds.append
    )
    assert list(rows) == [READ.id, WRITE.id, OPEN.id, NPY.id]
    for name, row in rows.items():
        assert (row.case.id, row.status, row.converged, row.engine) == (name, "ok", True, "paired")
        assert sum(sample.counts for sample in row.samples) >= 7
        processes = {sample.process_id for sample in row.samples}
        assert len(processes) >= 3
        assert sum(sample.kind == "first_touch" for sample in row.samples) == len(processes)
        assert list(row.samples) == sorted(row.samples, key=lambda sample: sample.started_at)
    together = sorted((s.started_at, name) for name, row in rows.items() for s in row.samples if s.counts)
    blocked = sum(one == other for (_, one), (_, other) in itertools.pairwise(together))
    assert blocked < len(together) / 2  # all of one case after the other would leave three changes
    content = read_journal(journal)
    entries = {entry.row.case.id: entry for entry in content.rows.values()}
    assert {name: set(entry.row.samples) for name, entry in entries.items()} == {
        name: set(row.samples) for name, row in rows.items()
    }
    assert all((e.run, e.row.converged, e.row.engine) == ("r1", True, "paired") for e in entries.values())
    assert rounds == list(range(len(rounds)))
    assert seen[0].eta_s is None
    assert seen[-1].done == seen[-1].total == sum(s.kind == "timed" for r in rows.values() for s in r.samples)
    assert seen[-1].eta_s == 0
    assert {progress.label for progress in seen} == set(rows)
    assert _workers() == []


def test_what_cannot_be_measured_is_a_row_with_its_reason(storage: Storage, image: Image, journal: Path) -> None:
    lost = dataclasses.replace(WRITE, seed=7)
    rows = sample_cases([(READ, image.key), (NOT_POSSIBLE, image.key), (lost, "0123")], storage, QUICK, journal=journal)
    assert {name: row.status for name, row in rows.items()} == {
        READ.id: "ok",
        NOT_POSSIBLE.id: "skipped",
        lost.id: "failed",
    }
    assert rows[NOT_POSSIBLE.id].reason
    assert rows[lost.id].reason == "<storage root> no longer holds the dataset 0123; start the run again"
    assert str(storage.root) not in journal.read_text()
    written = {entry.row.case.id: entry.row.status for entry in read_journal(journal).rows.values()}
    assert written == {name: row.status for name, row in rows.items()}


_DIES = """
import os, signal
from storebench.measurement import worker, workload

def dies(self, location):
    os.kill(os.getpid(), signal.SIGSEGV)

workload.OpenWorkload.perform = dies
worker.main()
"""


def test_a_death_fails_one_case_and_the_others_go_on(
    storage: Storage, image: Image, journal: Path, tmp_path: Path
) -> None:
    script = tmp_path / "dying_worker.py"
    script.write_text(_DIES)
    cases = [(case, image.key) for case in (READ, OPEN, WRITE)]
    rows = sample_cases(cases, storage, QUICK, journal=journal, entry=(str(script),))
    assert {name: row.status for name, row in rows.items()} == {READ.id: "ok", OPEN.id: "failed", WRITE.id: "ok"}
    assert rows[OPEN.id].reason == f"the worker process died on {OPEN.id}: it was ended by SIGSEGV"
    assert rows[READ.id].converged
    assert rows[WRITE.id].converged
    written = {entry.row.case.id: entry.row for entry in read_journal(journal).rows.values()}
    assert written[OPEN.id].reason == rows[OPEN.id].reason


def test_an_interruption_keeps_the_journal_and_can_be_gone_on_with(
    storage: Storage, image: Image, journal: Path
) -> None:
    cases = [(case, image.key) for case in (READ, WRITE)]

    def interrupt(progress: SamplingProgress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_cases(cases, storage, QUICK, journal=journal, on_progress=interrupt)
    assert _workers() == []
    kept = {entry.row.case.id: entry.row for entry in read_journal(journal).rows.values()}
    assert sum(sample.kind == "timed" for row in kept.values() for sample in row.samples) == 3
    assert {(row.status, row.engine, row.converged) for row in kept.values()} == {("ok", "paired", None)}
    already = {name: row.samples for name, row in kept.items()}
    rows = sample_cases(cases, storage, QUICK, journal=journal, already=already)
    for entry in read_journal(journal).rows.values():
        row = rows[entry.row.case.id]
        assert entry.row.converged
        assert row.samples[: len(already[row.case.id])] == already[row.case.id]
        assert set(entry.row.samples) == set(row.samples)


def test_what_the_budget_leaves_no_time_for_is_told(storage: Storage, image: Image, journal: Path) -> None:
    rows = sample_cases([(READ, image.key), (WRITE, image.key)], storage, SamplingRule(budget_s=1e-6), journal=journal)
    assert {row.status for row in rows.values()} == {"timeout"}
    assert "give a larger budget" in (rows[READ.id].reason or "")
    assert {entry.row.status for entry in read_journal(journal).rows.values()} == {"timeout"}


def test_cases_that_do_not_fit_together_are_measured_in_blocks(storage: Storage, image: Image) -> None:
    cases = [(case, image.key) for case in (READ, WRITE)]
    rows = sample_cases(cases, storage, SamplingRule(max_samples=1), memory_bytes=held_bytes(READ))
    assert [len(row.samples) for row in rows.values()] == [2, 2]  # a first touch and one call
    assert rows[READ.id].samples[-1].started_at < rows[WRITE.id].samples[0].started_at
    processes = {sample.process_id for row in rows.values() for sample in row.samples}
    assert len(processes) == 2


def test_a_backend_that_does_not_exist_and_an_interpreter_that_cannot_measure(storage: Storage, image: Image) -> None:
    with pytest.raises(UnknownNameError, match="zarr3"):
        sample_cases([(dataclasses.replace(READ, backend="zarr3"), image.key)], storage)
    with pytest.raises(MissingDependencyError, match="pip install storebench"):
        sample_cases([(READ, image.key)], storage, entry=("-S", "-m", "storebench.measurement.worker"))
