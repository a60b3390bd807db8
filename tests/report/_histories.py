"""Runs over commits for the tests: result sets whose times follow from numbers, each with its journal."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from storebench.records import Environment, Row, Sample
from storebench.report.changes import ResultSet
from storebench.results.frame import load_results
from storebench.results.journal import Journal, read_journal

from ._tables import ENVIRONMENT, rows

DAY_S = 86_400.0
START_S = 1_790_000_000.0


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One run: which commit on which machine with which libraries, and what is different in it.

    `factors` and `bytes_more` go by a part of a case's id; the first that fits counts. A factor of None fails the case.
    """

    commit: str
    machine: str = "lab-1"
    libraries: Mapping[str, str] = field(default_factory=dict)
    factors: Mapping[str, float | None] = field(default_factory=dict)
    bytes_more: Mapping[str, int] = field(default_factory=dict)
    dirty: bool = False
    day: int = 0
    dataset: str = "ct"
    noise: float = 0.01
    n_samples: int = 20
    keep: Callable[[str], bool] = lambda _: True

    @property
    def environment(self) -> Environment:
        libraries = {**ENVIRONMENT.libraries, **self.libraries}
        return replace(ENVIRONMENT, commit=self.commit, dirty=self.dirty, libraries=libraries)


def commit_name(number: int) -> str:
    return f"{random.Random(number).getrandbits(160):040x}"


def _changed(row: Row, planted: Planted, rng: random.Random) -> Row:
    key = row.case.id
    factor = next((value for part, value in planted.factors.items() if part in key), 1.0)
    more = next((value for part, value in planted.bytes_more.items() if part in key), 0)
    if factor is None:
        return replace(row, status="failed", reason="voxel 3 differs", samples=())
    if not row.samples:
        return row
    level = rng.gauss(1.0, planted.noise / 2)  # what a process, or a day, adds to all of its samples
    begin = START_S + planted.day * DAY_S
    samples = tuple(
        Sample(
            wall_s=row.samples[0].wall_s * factor * level * (1 + abs(rng.gauss(0.0, planted.noise))),
            open_s=1e-4,
            cpu_s=1e-3,
            started_at=begin + index,
            process_id=str(index % 5),
            involuntary_switches=0,
        )
        for index in range(planted.n_samples)
    )
    fetched = None if row.fetched_bytes is None else row.fetched_bytes + more
    return replace(row, samples=samples, fetched_bytes=fetched)


def plant(folder: Path, runs: Iterable[Planted], *, seed: int = 0) -> ResultSet:
    """Write runs into a results folder as storebench does, and read it."""
    for number, planted in enumerate(runs):
        rng = random.Random(f"{seed} {number}")
        environment = planted.environment
        journal = Journal(folder / planted.machine / f"{planted.commit[:8]}-{environment.id}.jsonl")
        journal.append_environment(environment)
        for row in rows(dataset=planted.dataset, n_samples=1):
            if planted.keep(row.case.id):
                journal.append_row(environment, _changed(row, planted, rng))
    return ResultSet(frame=load_results(folder), journal=read_journal(*sorted(folder.rglob("*.jsonl"))))


def history(
    n_commits: int = 40,
    *,
    slower_from: int = 25,
    upgrade_at: int = 30,
    machines: Sequence[tuple[int, str]] = ((0, "lab-1"),),
    **options: Any,
) -> list[Planted]:
    """Return commits of which, from one on, two access patterns take 20 % longer; zarr is upgraded at another.

    `machines` says from which commit on which machine measured.
    """
    runs = []
    for number in range(n_commits):
        machine = [name for first, name in machines if first <= number][-1]
        speed = 1.0 + 0.5 * [name for _, name in machines].index(machine)
        factors = {"/plane_xz/": (1.2 if number >= slower_from else 1.0) * speed, "": speed}
        libraries = {"zarr": "3.4.0"} if number >= upgrade_at else {}
        runs.append(
            Planted(
                commit=commit_name(number), machine=machine, libraries=libraries, factors=factors, day=number, **options
            )
        )
    return runs


def without(results: ResultSet, *columns: str) -> ResultSet:
    """Return results that know less."""
    frame: pd.DataFrame = results.frame.assign(**dict.fromkeys(columns))
    return replace(results, frame=frame)
