"""Rounds: every case that needs more once, in a new random order, over several generations of fresh processes.

What gives the samples is a `Source`: worker processes, or in a simulation a random number generator.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from storebench.errors import StorebenchError
from storebench.measurement._convergence import SamplingRule, Taken
from storebench.records import Row, Sample

_CALLS_TO_OPEN: Final = 3


class Source(Protocol):
    """What gives samples of cases that it knows by their ids."""

    def begin(self, case_ids: Sequence[str]) -> None:
        """Start fresh processes for these cases."""

    def holds(self, case_id: str) -> bool:
        """Tell whether a case is open in its process."""

    def open(self, case_id: str) -> Row:
        """Open a case: verified and warmed up; the row's samples are its first touch."""

    def call(self, case_id: str) -> Sample | None:
        """Make one call; None where there was no sample."""

    def end(self) -> None:
        """End the processes."""


@dataclass(slots=True)
class Standing:
    """One case on its way.

    Attributes
    ----------
    case_id : str
        Of the case.
    taken : Taken
        Its samples.
    row : Row or None
        Its facts; None before it was opened.
    error : StorebenchError or None
        Why there will be no more samples.
    """

    case_id: str
    taken: Taken
    row: Row | None = None
    error: StorebenchError | None = None
    _spent_s: list[float] = field(default_factory=list)

    @property
    def wanted(self) -> bool:
        """Whether further samples are wanted."""
        return self.error is None and not self.taken.finished

    @property
    def turn_s(self) -> float:
        """Typical seconds of a turn, with everything around the timed call."""
        return statistics.median(self._spent_s) if self._spent_s else 0.0

    def note_turn(self, seconds: float) -> None:
        """Note how long a turn took."""
        self._spent_s.append(seconds)


class Rounds:
    """Samples cases until each is finished or the time is up.

    Parameters
    ----------
    standings : sequence of Standing
        The cases.
    source : Source
        What gives samples.
    rule : SamplingRule
        When to stop.
    seconds : float or None
        Time for these cases; None: as long as it takes.
    rng : random.Random
        Makes the orders.
    on_round : callable, optional
        Called with the number of rounds made, before the first one and after each: no case is running then.
    on_sample : callable, optional
        Called with the case after each call.
    clock : callable
        Gives seconds.
    """

    def __init__(
        self,
        standings: Sequence[Standing],
        source: Source,
        rule: SamplingRule,
        *,
        seconds: float | None,
        rng: random.Random,
        on_round: Callable[[int], None] | None = None,
        on_sample: Callable[[Standing], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._standings, self._source, self._rule, self._rng = standings, source, rule, rng
        self._on_round, self._on_sample, self._clock = on_round, on_sample, clock
        self._deadline = None if seconds is None else clock() + seconds
        self._opening_s: float | None = None  # not known before the first generation
        self._launch_s = 0.0
        self.n_rounds = 0

    def run(self) -> None:
        """Go from generation to generation."""
        if self._on_round:
            self._on_round(0)
        while self._wanted and self._time_for_a_generation():
            self._generation(self._wanted)

    @property
    def _wanted(self) -> list[Standing]:
        return [standing for standing in self._standings if standing.wanted]

    def _left_s(self) -> float | None:
        return None if self._deadline is None else self._deadline - self._clock()

    @property
    def _processes_missing(self) -> int:
        """Fresh processes that some case needs before anything can be said of it."""
        return max((self._rule.min_processes - standing.taken.n_processes for standing in self._wanted), default=0)

    def _time_for_a_generation(self) -> bool:
        """Tell whether fresh processes would come to one call of each case; before the first ones that is not known."""
        left_s = self._left_s()
        if left_s is None or self._opening_s is None:
            return left_s is None or left_s > 0
        round_s = sum(standing.turn_s for standing in self._wanted)
        # The first opening wrote the stores too; a later one is two calls and their check.
        again_s = min(self._opening_s, _CALLS_TO_OPEN * round_s)
        return left_s > self._launch_s + again_s + round_s

    def _slice_s(self) -> float | None:
        """Return the seconds that the generation which begins may take: the first ones share what there is evenly."""
        left_s = self._left_s()
        return None if left_s is None else left_s / max(1, self._processes_missing)

    def _generation(self, standings: list[Standing]) -> None:
        begun, slice_s = self._clock(), self._slice_s()
        for standing in standings:
            standing.taken.enter_process()
        try:
            self._source.begin([standing.case_id for standing in standings])
            self._launch_s = self._clock() - begun
            for standing in self._shuffled(standings):
                self._open_in_time(standing)
            self._opening_s = self._clock() - begun - self._launch_s
            limit = None  # each opened case is called once: the price of its opening is paid
            while turn := self._turn(standings):
                if not self._round(turn, limit):
                    break
                # What is too short for fresh processes is these processes' time too.
                slice_end = None if slice_s is None else begun + slice_s
                limit = slice_end if self._time_for_a_generation() else self._deadline
        finally:
            self._source.end()

    def _open_in_time(self, standing: Standing) -> None:
        left_s = self._left_s()
        if left_s is None or left_s > 0:
            self._guarded(standing, self._open)

    def _open(self, standing: Standing) -> None:
        row = self._source.open(standing.case_id)
        standing.row = standing.row or row
        for sample in row.samples:
            standing.taken.add(sample)

    def _turn(self, standings: Sequence[Standing]) -> list[Standing]:
        """Return the cases of the next round; all unfinished ones where the rest is too short for fresh processes.

        A case that is no longer held, since its process died under another case, waits for the next generation.
        """
        held = [standing for standing in standings if standing.wanted and self._source.holds(standing.case_id)]
        due = [standing for standing in held if standing.taken.due]
        return due if due or self._time_for_a_generation() else held

    def _round(self, turn: Sequence[Standing], limit: float | None) -> int:
        """Call each case once for which there is time until `limit`; return the number of calls."""
        n_calls = 0
        for standing in self._shuffled(turn):
            in_time = limit is None or self._clock() + standing.turn_s <= limit
            if in_time and self._source.holds(standing.case_id):
                n_calls += 1
                self._guarded(standing, self._call)
        for standing in turn:
            standing.taken.look()
        if n_calls:
            self.n_rounds += 1
            if self._on_round:
                self._on_round(self.n_rounds)
        return n_calls

    def _call(self, standing: Standing) -> None:
        started = self._clock()
        standing.taken.add(self._source.call(standing.case_id))
        standing.note_turn(self._clock() - started)
        if self._on_sample:
            self._on_sample(standing)

    @staticmethod
    def _guarded(standing: Standing, action: Callable[[Standing], None]) -> None:
        try:
            action(standing)
        except StorebenchError as error:
            standing.error = error

    def _shuffled(self, standings: Sequence[Standing]) -> list[Standing]:
        return self._rng.sample(list(standings), len(standings))
