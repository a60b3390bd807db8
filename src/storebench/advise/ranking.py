"""The answer: which setting, what it costs, against what, how sure, and what would change it. One object for all that show it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from storebench.advise.baselines import Baseline
from storebench.advise.candidates import Candidate
from storebench.advise.flips import Flip
from storebench.advise.priorities import Priorities
from storebench.advise.snippets import Snippet
from storebench.advise.sureness import Decision
from storebench.advise.words import listed
from storebench.results.intervals import Interval

NEAR: Final = 1.05
"""Settings up to so many times the first one's score are near."""
_MOST_NAMED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One setting in its place.

    Attributes
    ----------
    candidate : Candidate
        The setting.
    score : float
        How many times the best it costs, over all goals.
    read_s : float or None
        Mean read of the mix, seconds.
    is_equal : bool
        Whether it is the first, or not shown to be worse than it.
    """

    candidate: Candidate
    score: float
    read_s: float | None
    is_equal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to choose for one image on one machine.

    Attributes
    ----------
    priorities : Priorities
        What was weighed.
    candidates : sequence of Candidate
        Every setting measured, by label.
    ranked : sequence of Ranked
        Those that could be ranked, the best first; never empty.
    write, read : Interval or None
        Seconds of the first setting's whole write, and of its mean read of the mix.
    reads : mapping of str to Interval
        Seconds of each of its reads.
    baselines : sequence of Baseline
        What it is held against.
    decisions : sequence of Decision
        How sure each of its choices is.
    flips : sequence of (Flip, Candidate)
        What would change the answer, the smallest change first, and which setting is first then.
    snippet : Snippet
        Code that stores an array so.
    not_ranked : mapping of str to str
        Label → why it is not ranked.
    gaps : sequence of str
        What was not measured, as ends of "Not measured: …".
    """

    priorities: Priorities
    candidates: Sequence[Candidate]
    ranked: Sequence[Ranked]
    write: Interval | None
    read: Interval | None
    reads: Mapping[str, Interval]
    baselines: Sequence[Baseline]
    decisions: Sequence[Decision]
    flips: Sequence[tuple[Flip, Candidate]]
    snippet: Snippet
    not_ranked: Mapping[str, str] = field(default_factory=dict)
    gaps: Sequence[str] = ()

    @property
    def first(self) -> Candidate:
        """The setting with the best score by the medians."""
        return self.ranked[0].candidate

    @property
    def equals(self) -> list[Ranked]:
        """The other settings that are not shown to be worse."""
        return [ranked for ranked in self.ranked[1:] if ranked.is_equal]

    @property
    def n_near(self) -> int:
        """How many other settings score within 5 % of the first."""
        return sum(ranked.score <= NEAR * self.ranked[0].score for ranked in self.ranked[1:])

    @property
    def nothing_shown(self) -> bool:
        """Whether no setting is shown to be worse than the first."""
        return len(self.equals) == len(self.ranked) - 1

    @property
    def headline(self) -> str:
        """The answer in one sentence."""
        if len(self.ranked) == 1:
            return f"Only one setting can be ranked: {self.first.title}"
        if self.nothing_shown:
            return f"Nothing is shown to be better: all {len(self.ranked)} settings may be equal"
        return f"Store as {self.first.title}"

    @property
    def finding(self) -> str:
        """The answer as the heading of a figure, with the setting's label."""
        if len(self.ranked) == 1:
            return f"Only {self.first.label} can be ranked"
        if self.nothing_shown:
            return f"Nothing is shown to be better for these priorities ({self.first.label} is first by the medians)"
        return f"{self.first.label} is first for these priorities"

    @property
    def standing(self) -> str:
        """How far ahead the first is, as a sentence."""
        n = len(self.equals)
        near = {0: "no other scores", 1: "1 scores"}.get(self.n_near, f"{self.n_near} score") + " within 5 % of it"
        if len(self.ranked) == 1:
            return "There is nothing to hold it against."
        if self.nothing_shown:
            return f"First by the medians: {self.first.title}. {near[0].upper()}{near[1:]}."
        if not n:
            rest = len(self.ranked) - 1
            worse = "The other setting is" if rest == 1 else f"Each of {rest} other settings is"
            return f"{worse} shown to be worse; {near}."
        others = "1 other is" if n == 1 else f"{n} others are"
        # more than two would take more lines than the answer itself; the ranking marks them
        named = f": {listed(r.candidate.label for r in self.equals)}" if n <= _MOST_NAMED else ""
        return f"{others} not shown to be worse{named}; {near}."

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values: null where nothing was measured."""
        return {
            "headline": self.headline,
            "standing": self.standing,
            "nothing_shown": self.nothing_shown,
            "priorities": {
                "goals": self.priorities.goals,
                "reads": dict(self.priorities.reads),
                "options": self.priorities.options,
            },
            "setting": _setting(self.first),
            "stored_bytes": self.first.stored_bytes,
            "n_files": self.first.n_files,
            "write_s": _interval(self.write),
            "read_mix_s": _interval(self.read),
            "reads_s": {name: _interval(value) for name, value in self.reads.items()},
            "baselines": [_baseline(baseline) for baseline in self.baselines],
            "decisions": [dataclasses.asdict(decision) for decision in self.decisions],
            "equals": [ranked.candidate.label for ranked in self.equals],
            "n_within_5_percent": self.n_near,
            "changes_if": [
                {"condition": flip.condition, **dataclasses.asdict(flip), "then": _setting(then)}
                for flip, then in self.flips
            ],
            "not_measured": list(self.gaps),
            "ranking": [
                {"setting": _setting(ranked.candidate), "score": ranked.score, "read_mix_s": ranked.read_s}
                for ranked in self.ranked
            ],
            "not_ranked": dict(self.not_ranked),
            "snippet": self.snippet.code,
            "why_no_snippet": self.snippet.why_not,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Unranked:
    """Why there is no answer: no setting has everything that the priorities weigh.

    Attributes
    ----------
    not_ranked : mapping of str to str
        Label → why it is not ranked.
    """

    not_ranked: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The commonest reason, as a sentence."""
        reasons = list(self.not_ranked.values())
        if not reasons:
            return "Nothing was measured that can be ranked."
        commonest = max(dict.fromkeys(reasons), key=reasons.count)
        return f"Not one of {len(reasons)} settings can be ranked; of {reasons.count(commonest)} the reason is: {commonest}."


def _setting(candidate: Candidate) -> dict[str, Any]:
    return {
        "label": candidate.label,
        "backend": candidate.backend,
        "library": candidate.library,
        "codec": candidate.codec,
        "chunk_shape": None if candidate.chunk_shape is None else list(candidate.chunk_shape),
        "shard_shape": None if candidate.shard_shape is None else list(candidate.shard_shape),
    }


def _interval(interval: Interval | None) -> dict[str, float | None] | None:
    return None if interval is None else interval._asdict()


def _baseline(baseline: Baseline) -> dict[str, Any]:
    return {
        "kind": baseline.kind,
        "setting": None if baseline.candidate is None else _setting(baseline.candidate),
        "size_ratio": baseline.size_ratio,
        "write_ratio": _interval(baseline.write_ratio),
        "read_ratio": _interval(baseline.read_ratio),
        "command": baseline.command,
    }
