"""Live pairs of workers: one call each, alternately in random order, over fresh pairs of processes.

A call of A and one of B stand right beside each other in time, so that whatever disturbs the machine meets both; who goes
first is drawn, since the first of two runs under other conditions than the second (measurement notes, section 1.5).
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from storebench.errors import StorebenchError
from storebench.measurement._crew import close_all
from storebench.measurement.worker import ENTRY, Worker
from storebench.records import Case, Sample

Side = Literal["a", "b"]
_SIDES: Final[tuple[Side, Side]] = ("a", "b")


class Setting(NamedTuple):
    """One side of a comparison.

    Attributes
    ----------
    case : Case
        What is done.
    image_key : str
        Of the voxels, in the storage root.
    python : str or None
        Another interpreter; None: this one.
    entry : tuple of str
        What the interpreter runs, as `worker.Worker`; proofs have one that makes calls slower.
    """

    case: Case
    image_key: str
    python: str | None = None
    entry: tuple[str, ...] = ENTRY

    @property
    def pool(self) -> tuple[str, int | None, str | None, tuple[str, ...]]:
        """Settings with the same one can be served by one worker."""
        return (self.case.backend, self.case.threads, self.python, self.entry)


@dataclass(slots=True, eq=False)
class Duel:
    """One comparison on its way: the pairs of samples that count, and what was lost.

    Attributes
    ----------
    a, b : Setting
        The sides.
    pairs : list of (Sample, Sample)
        One sample of A and one of B each.
    n_dropped : int
        Pairs of which one was not taken or not verified.
    failure : str or None
        Why there will be no more.
    """

    a: Setting
    b: Setting
    pairs: list[tuple[Sample, Sample]] = field(default_factory=list)
    n_dropped: int = 0
    failure: str | None = None
    _here: int = 0
    _lost_here: int = 0

    def enter_processes(self) -> None:
        """Begin with a fresh pair of processes."""
        self._here = self._lost_here = 0

    def due(self, n_pairs: int) -> bool:
        """Whether these processes are to make one more pair; lost ones are made up for, up to as many again."""
        return self.failure is None and self._here < n_pairs and self._lost_here < n_pairs

    def add(self, a: Sample | None, b: Sample | None) -> None:
        """Take one pair."""
        if a is None or b is None or not (a.counts and b.counts):
            self.n_dropped += 1
            self._lost_here += 1
        else:
            self.pairs.append((a, b))
            self._here += 1

    def setting(self, side: Side) -> Setting:
        """Return one side."""
        return self.a if side == "a" else self.b

    @property
    def typical_s(self) -> float | None:
        """Median seconds of a call of A; None before the first."""
        return statistics.median(a.wall_s for a, _ in self.pairs) if self.pairs else None

    @property
    def pools(self) -> tuple[object, object]:
        """Comparisons with the same ones share their processes."""
        return self.a.pool, self.b.pool


class Match:
    """One pair of workers for some duels of the same pools.

    Parameters
    ----------
    duels : sequence of Duel
        What is compared.
    launch : callable
        Starts a worker for a setting.
    rng : random.Random
        Makes all orders: of launches, of duels, of the two sides.
    n_pairs : callable
        Says how many pairs of a duel these processes are to make.
    on_pair : callable
        Called with the duel after each pair.
    """

    def __init__(
        self,
        duels: Sequence[Duel],
        launch: Callable[[Setting], Worker],
        rng: random.Random,
        *,
        n_pairs: Callable[[Duel], int],
        on_pair: Callable[[Duel], None],
    ) -> None:
        self._duels, self._launch, self._rng = duels, launch, rng
        self._n_pairs, self._on_pair = n_pairs, on_pair
        self._workers: dict[Side, Worker] = {}
        self._taken: dict[Side, Sample | None] = {}

    def play(self) -> None:
        """Make the pairs of all duels; where one is the death of a worker, the others go on with a fresh pair."""
        for duel in self._duels:
            duel.enter_processes()
        while any(map(self._due, self._duels)):
            try:
                for side in self._sides():
                    self._workers[side] = self._launch(self._duels[0].setting(side))
                for worker in self._workers.values():
                    _ = worker.environment  # waits: both started at the same time
                self._open_all()
                self._rounds()
            finally:
                close_all(list(self._workers.values()))
                self._workers.clear()

    def _due(self, duel: Duel) -> bool:
        return duel.due(self._n_pairs(duel))

    def _sides(self) -> list[Side]:
        return self._rng.sample(_SIDES, 2)

    def _shuffled(self, duels: Sequence[Duel]) -> list[Duel]:
        return self._rng.sample(list(duels), len(duels))

    @property
    def _alive(self) -> bool:
        return all(worker.alive for worker in self._workers.values())

    def _open_all(self) -> None:
        for duel in self._shuffled([duel for duel in self._duels if self._due(duel)]):
            for side in self._sides():
                self._guarded(duel, side, self._open)

    def _rounds(self) -> None:
        while self._alive and (turn := [duel for duel in self._duels if self._due(duel)]):
            for duel in self._shuffled(turn):
                self._pair(duel)

    def _pair(self, duel: Duel) -> None:
        self._taken = {"a": None, "b": None}
        for side in self._sides():
            self._guarded(duel, side, self._call)
        if duel.failure is None and self._alive:
            duel.add(self._taken["a"], self._taken["b"])
            self._on_pair(duel)

    def _open(self, duel: Duel, side: Side) -> None:
        setting = duel.setting(side)
        self._workers[side].open(setting.case, setting.image_key)

    def _call(self, duel: Duel, side: Side) -> None:
        self._taken[side] = self._workers[side].call(duel.setting(side).case.id)

    def _guarded(self, duel: Duel, side: Side, action: Callable[[Duel, Side], None]) -> None:
        """Do something on one side; nothing once that duel has failed, or another was the death of a worker."""
        if duel.failure is None and self._alive:
            try:
                action(duel, side)
            except StorebenchError as error:
                duel.failure = f"{side.upper()} failed: {error}"


def group_by_pools(duels: Sequence[Duel]) -> list[list[Duel]]:
    """Return the duels that can share processes, group by group; one case is in a group once, as its worker knows it by id."""
    groups: list[list[Duel]] = []
    for duel in duels:
        for group in groups:
            if duel.pools == group[0].pools and all(_differ(duel, other) for other in group):
                group.append(duel)
                break
        else:
            groups.append([duel])
    return groups


def _differ(one: Duel, other: Duel) -> bool:
    return one.a.case.id != other.a.case.id and one.b.case.id != other.b.case.id
