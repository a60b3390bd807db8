"""What a reader of the report wants most: weights of the goals, and of the access patterns in the mix of reads."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from storebench.errors import UsageError, unknown_name

GOALS: Final = ("size", "write", "read", "files")
DEFAULT_WEIGHTS: Final[Mapping[str, float]] = {"size": 1.0, "write": 1.0, "read": 1.0, "files": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Priorities:
    """Weights, each 0 or more; only their proportions count.

    Attributes
    ----------
    write, read, size, files : float
        Of the time of a whole write, the time of a mean read of the mix, the stored bytes, the number of files.
    reads : mapping of str to float
        Weight of each access pattern in the mix: how many of the reads are of that kind.
    """

    write: float = DEFAULT_WEIGHTS["write"]
    read: float = DEFAULT_WEIGHTS["read"]
    size: float = DEFAULT_WEIGHTS["size"]
    files: float = DEFAULT_WEIGHTS["files"]
    reads: Mapping[str, float] = field(default_factory=dict)

    @property
    def goals(self) -> dict[str, float]:
        """Weight of each goal; reading has none where no access pattern has a weight."""
        weights = {name: getattr(self, name) for name in GOALS}
        return weights if any(self.reads.values()) else weights | {"read": 0.0}

    @property
    def shares(self) -> dict[str, float]:
        """Share of each goal in all weights, 0 to 1."""
        return _shares(self.goals)

    @property
    def read_shares(self) -> dict[str, float]:
        """Share of each access pattern in the reads, 0 to 1."""
        return _shares(self.reads)

    @property
    def options(self) -> str:
        """The options of `storebench report` that ask for exactly these, quoted for a shell."""
        goals = ",".join(f"{name}={getattr(self, name):g}" for name in GOALS)
        reads = ",".join(f"{name}={weight:g}" for name, weight in self.reads.items() if weight)
        return f"--priority {goals}" + (f" --reads {shlex.quote(reads)}" if reads else "")


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total if total else 0.0 for name, weight in weights.items()}


def parse_priority(text: str) -> dict[str, float]:
    """Read the weights of goals, as in "write=2,size=1"; goals that are not named get 0.

    Raises
    ------
    UsageError
        If a goal is unknown, a weight is no number of at least 0, or all are 0.
    """
    weights = _parse(text, "write=2,size=1")
    for name in weights:
        if name not in GOALS:
            raise unknown_name("goal", name, GOALS, ", ".join(GOALS))
    return dict.fromkeys(GOALS, 0.0) | weights


def parse_reads(text: str) -> dict[str, float]:
    """Read the weights of access patterns, as in "plane_xy=20,plane_xz=80"; those that are not named get 0.

    Raises
    ------
    UsageError
        If a weight is no number of at least 0, or all are 0.
    """
    return _parse(text, "plane_xy=20,plane_xz=80")


def _parse(text: str, example: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in text.split(","):
        name, equals, number = item.strip().rpartition("=")
        try:
            weight = float(number) if equals and name else math.nan
        except ValueError:
            weight = math.nan
        if not 0 <= weight < math.inf:
            raise UsageError(f"{item.strip()!r} is no name with a weight of 0 or more; write it as in {example}")
        if name in weights:
            raise UsageError(f"{name} is there twice; give it one weight")
        weights[name] = weight
    if not any(weights.values()):
        raise UsageError(f"every weight is 0; give at least one more than 0, as in {example}")
    return weights


def shared_patterns(read_by: Sequence[frozenset[str]]) -> list[str]:
    """Choose the access patterns that count by default: those that most settings have in common.

    Patterns are taken by the number of settings read so, as long as (settings that have all) squared times (patterns)
    grows: a setting that cannot be ranked costs more than a pattern that does not count.

    Parameters
    ----------
    read_by : sequence of frozenset of str
        The access patterns of each setting.
    """
    counts: dict[str, int] = {}
    for names in read_by:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    ordered = sorted(counts, key=lambda name: (-counts[name], name != "whole", name))
    worth = [(sum(names.issuperset(ordered[:n]) for names in read_by) ** 2 * n, n) for n in range(1, len(ordered) + 1)]
    _, n_best = max(worth, default=(0, 0))
    return ordered[:n_best]
