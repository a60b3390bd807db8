"""What would change the answer: the nearest share of each goal and each access pattern at which another setting is first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.advise.priorities import Priorities
from storebench.advise.scoring import Costs, Numbers, read_mix
from storebench.advise.words import patterns_text

_SHARES: Final = np.arange(101) / 100
_ROUNDING: Final = 1e-9
_STEP: Final = 0.01 - _ROUNDING
_DOING: Final[Mapping[str, str]] = {
    "write": "writing",
    "read": "reading",
    "size": "size",
    "files": "the number of files",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A share at which another setting comes first, the others of its kind in proportion.

    Attributes
    ----------
    kind : str
        "goal" or "pattern".
    name : str
        Of the goal or the pattern.
    now, share : float
        Its share as it is, and the nearest whole percent at which the first setting changes; 0 to 1.
    then : int
        Position of the setting that is first then.
    is_equal_now : bool
        Whether that setting is not shown to be worse now.
    """

    kind: str
    name: str
    now: float
    share: float
    then: int
    is_equal_now: bool

    @property
    def condition(self) -> str:
        """When it changes, as the end of "if …"."""
        more = self.share > self.now
        now = f"{self.now:.0%}".replace("%", " %")
        # at the whole percent it has changed, so the bound is the one before
        bound = f"{self.share - 0.01 if more else self.share + 0.01:.0%}".replace("%", " %")
        # a bound that is beyond what it is now, or reads as what it is now, says nothing: any change will do
        is_near = abs(self.share - self.now) < _STEP or bound == now
        if self.kind == "pattern":
            how_many, what = "more" if more else "fewer", patterns_text(self.name)
            if bound == "0 %" and more:
                return f"any of the reads are {what}"
            return (
                f"any {how_many} of the reads are {what} than now ({now})"
                if is_near
                else f"{how_many} than {bound} of the reads are {what}"
            )
        doing, how_much = _DOING[self.name], "more" if more else "less"
        if bound == "0 %" and more:
            return f"{doing} gets any weight"
        if is_near:
            return f"{doing} gets any {how_much} of the weight than now ({now})"
        return f"{doing} gets {how_much} than {bound} of the weight (now {now})"

    def says_the_same(self, other: Flip) -> bool:
        """Tell whether another flip is this one said of what is left: of two, one has more where the other has less."""
        alike = (self.kind, self.then) == (other.kind, other.then) and self.name != other.name
        return alike and abs(self.share + other.share - 1) < _ROUNDING and abs(self.now + other.now - 1) < _ROUNDING


def flips(costs: Costs, priorities: Priorities, equals: Sequence[int]) -> list[Flip]:
    """Return the flips, the smallest change first; of two that say the same, the one that has more.

    Parameters
    ----------
    costs : Costs
        Point costs of the ranked settings, the first setting at 0.
    priorities : Priorities
        As ranked.
    equals : sequence of int
        Positions of the settings that are not shown to be worse now. A flip to another one is told where there is one.
    """
    found = [*_goal_flips(costs, priorities, equals), *_pattern_flips(costs, priorities, equals)]
    once = [f for f in found if f.share > f.now or not any(f.says_the_same(other) for other in found)]
    return sorted(
        once, key=lambda flip: (flip.is_equal_now, round(abs(flip.share - flip.now), 6), flip.kind, flip.name)
    )


def _goal_flips(costs: Costs, priorities: Priorities, equals: Sequence[int]) -> Iterator[Flip]:
    columns = _log_columns(costs, priorities)
    shares = priorities.shares
    for name, column in columns.items():
        rest = sum(share for other, share in shares.items() if other != name)
        if rest == 0:
            continue
        others = np.zeros_like(column)
        for other, values in columns.items():
            if other != name and shares[other] > 0:
                others = others + shares[other] / rest * values
        totals = _SHARES[None, :] * column[:, None] + (1 - _SHARES)[None, :] * others[:, None]
        flip = _nearest(totals, shares[name], equals)
        if flip is not None:
            share, then = flip
            yield Flip(kind="goal", name=name, now=shares[name], share=share, then=then, is_equal_now=then in equals)


def _log_columns(costs: Costs, priorities: Priorities) -> dict[str, Numbers]:
    """Return the logarithms of the goals' costs; without those that the first setting lacks."""
    mix = read_mix(costs, priorities.reads)
    columns = {"write": costs.write_s, "read": mix, "size": costs.stored_bytes, "files": costs.n_files}
    return {name: np.log(column) for name, column in columns.items() if np.isfinite(column[0])}


def _pattern_flips(costs: Costs, priorities: Priorities, equals: Sequence[int]) -> Iterator[Flip]:
    goals = priorities.shares
    if not goals["read"]:
        return
    columns = _log_columns(costs, priorities)
    fixed = np.zeros_like(costs.write_s)
    for name, column in columns.items():
        if name != "read" and goals[name] > 0:
            fixed = fixed + goals[name] * column
    shares = priorities.read_shares
    for name, times in costs.reads_s.items():
        now = shares.get(name, 0.0)
        if now >= 1 or not np.isfinite(times[0]):
            continue
        rest = read_mix(costs, {other: weight for other, weight in priorities.reads.items() if other != name})
        mixes = _SHARES[None, :] * times[:, None] + (1 - _SHARES)[None, :] * rest[:, None]
        flip = _nearest(fixed[:, None] + goals["read"] * np.log(mixes), now, equals)
        if flip is not None:
            share, then = flip
            yield Flip(kind="pattern", name=name, now=now, share=share, then=then, is_equal_now=then in equals)


def _nearest(totals: Numbers, now: float, equals: Sequence[int]) -> tuple[float, int] | None:
    """Return the nearest share at which another setting is first, and which; one that is shown to be worse now before others.

    Parameters
    ----------
    totals : numpy.ndarray
        Settings × shares, lower is better; NaN where a setting cannot be compared.
    now : float
        The share as it is.
    equals : sequence of int
        Positions of settings that are not shown to be worse.
    """
    firsts: NDArray[np.intp] = np.argmin(np.where(np.isfinite(totals), totals, np.inf), axis=0)
    distance = np.abs(_SHARES - now)
    changed = (firsts != 0) & (distance > 0)
    clear = changed & ~np.isin(firsts, np.asarray([*equals, 0]))
    for wanted in (clear, changed):
        if wanted.any():
            index = int(np.argmin(np.where(wanted, distance, np.inf)))
            return float(_SHARES[index]), int(firsts[index])
    return None
