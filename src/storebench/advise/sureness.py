"""How sure a ranking is: scores of resampled measurements, the settings not shown to be worse, confidence per decision."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.advise.candidates import Candidate, Record, fewest_samples
from storebench.advise.priorities import Priorities
from storebench.advise.scoring import Costs, Numbers, scores
from storebench.advise.words import format_text, layout_text
from storebench.results.intervals import MIN_FOR_INTERVAL, MIN_PROCESSES, MIN_SAMPLES, drawn_medians

N_DRAWS: Final = 400
SHOWN_WORSE: Final = 0.975
"""A setting is shown to be worse where it scores worse than the first in this share of the draws or more: its ratio to the first
is then above 1 in the whole of a two-sided 95 % interval."""
_HIGH, _MEDIUM = 0.95, 0.75

RULE: Final = (
    f"Every time is drawn anew {N_DRAWS} times from its samples (processes first, then samples within them; the same draws for "
    f"all settings), and all settings are ranked anew. A setting is shown to be worse where it scores worse than the first in "
    f"{SHOWN_WORSE:.1%} of the draws or more. Confidence is the share of the draws in which the first setting decides the same."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One choice that the first setting makes.

    Attributes
    ----------
    name : str
        "format", "chunks", "codec" or "level".
    value : str
        What the first setting chooses.
    n_options : int
        How many choices were ranked.
    share : float or None
        Share of the draws whose first setting chooses the same, 0 to 1; None where there was no choice.
    confidence : str
        "high", "medium", "low", "not known", or "not compared" where there was no choice.
    reason : str
        Why it is not more; empty where the share says all.
    """

    name: str
    value: str
    n_options: int
    share: float | None
    confidence: str
    reason: str


def drawn_costs(candidates: Sequence[Candidate], patterns: Iterable[str]) -> Costs:
    """Return costs with every time drawn anew: n settings × `N_DRAWS`; sizes and files are counted, so they stay.

    Settings whose samples have one structure get the same draws, so that what a whole round had in common cancels; write
    and patterns of one setting get different ones.
    """
    point = np.array([[c.stored_bytes or np.nan, c.n_files or np.nan] for c in candidates], dtype=np.float64).reshape(
        -1, 2
    )
    return Costs(
        write_s=_drawn([candidate.write for candidate in candidates], "write"),
        stored_bytes=point[:, :1],
        n_files=point[:, 1:],
        reads_s={name: _drawn([candidate.reads.get(name) for candidate in candidates], name) for name in patterns},
    )


def _drawn(rows: Sequence[Record | None], task: str) -> Numbers:
    seed = zlib.crc32(task.encode())  # the same in every process, unlike hash()
    drawn = np.full((len(rows), N_DRAWS), np.nan)
    for index, row in enumerate(rows):
        if row is not None:
            samples, processes = row["samples_s"], row["samples_process"]
            known = processes is not None and len(processes) == len(samples)
            drawn[index] = (
                drawn_medians(samples, processes if known else None, seed, N_DRAWS) if samples else row["median_s"]
            )
    return drawn


def needed_rows(candidate: Candidate, priorities: Priorities) -> list[Record]:
    """Return the timed rows that a candidate's score rests on."""
    goals = priorities.goals
    rows = [candidate.write] if goals["write"] and candidate.write is not None else []
    if goals["read"]:
        rows += [
            candidate.reads[name] for name, weight in priorities.reads.items() if weight and name in candidate.reads
        ]
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Sureness:
    """What the draws say of a ranking; positions are those of the ranked settings, the first of them at 0.

    Attributes
    ----------
    equals : tuple of int
        Settings other than the first that are not shown to be worse.
    winners : numpy.ndarray of int
        Of each draw.
    """

    equals: tuple[int, ...]
    winners: NDArray[np.intp]


def how_sure(ranked: Sequence[Candidate], drawn: Costs, priorities: Priorities) -> Sureness:
    """Rank every draw.

    Parameters
    ----------
    ranked : sequence of Candidate
        In their order by the medians, the best first.
    drawn : Costs
        Theirs, from `drawn_costs`.
    priorities : Priorities
        As for the ranking itself.
    """
    scored = scores(drawn, priorities)
    worse = (scored > scored[0]).mean(axis=1) >= SHOWN_WORSE
    # of so few samples nothing shows how far they spread: no interval, no confidence, and no setting is shown to be worse
    few = [0 < fewest_samples(needed_rows(c, priorities)) < MIN_FOR_INTERVAL for c in ranked]
    unclear = np.array(few) | few[0] if ranked else np.array([], dtype=bool)
    equals = tuple(index for index in range(1, len(ranked)) if unclear[index] or not worse[index])
    return Sureness(equals=equals, winners=np.argmin(scored, axis=0))


def codec_family(candidate: Candidate) -> str:
    """Return a candidate's codec without its level."""
    codec = candidate.parsed
    if codec is None:
        return candidate.codec or "?"
    parts = [codec.kind, codec.compressor, codec.shuffle, "predictor" if codec.predictor else None]
    return "-".join(part for part in parts if part) + ("+crc32c" if codec.crc32c else "")


def codec_level(candidate: Candidate) -> int | None:
    """Return a codec's level; None where it has none."""
    codec = candidate.parsed
    return None if codec is None else codec.level


_DECISIONS: Final[Sequence[tuple[str, Callable[[Candidate], str]]]] = (
    ("format", lambda c: format_text(c.name)),
    ("chunks", lambda c: layout_text(c.chunk_shape, c.shard_shape) or "no chunks"),
    ("codec", codec_family),
    ("level", lambda c: f"{codec_family(c)} {codec_level(c)}"),
)


def decisions(ranked: Sequence[Candidate], sure: Sureness, priorities: Priorities) -> tuple[Decision, ...]:
    """Say for each choice of the first setting how sure it is.

    Parameters
    ----------
    ranked, sure, priorities
        As from `how_sure`.
    """
    rivals = [ranked[index] for index in sorted({0, *sure.equals, *map(int, sure.winners)})]
    doubt = _doubt(rivals, priorities)
    made = []
    for name, chosen in _DECISIONS:
        first = ranked[0]
        if name == "level" and codec_level(first) is None:
            continue
        values = [chosen(candidate) for candidate in ranked]
        if name == "level":  # levels compete within their codec
            options = {value for value, c in zip(values, ranked, strict=True) if codec_family(c) == codec_family(first)}
        else:
            options = set(values)
        shown = str(codec_level(first)) if name == "level" else values[0]
        made.append(_decision(name, shown, len(options), [values[index] == values[0] for index in sure.winners], doubt))
    return tuple(made)


def _decision(name: str, value: str, n_options: int, agrees: Sequence[bool], doubt: tuple[str, str]) -> Decision:
    if n_options < 2:
        return Decision(
            name=name,
            value=value,
            n_options=n_options,
            share=None,
            confidence="not compared",
            reason="only one was ranked",
        )
    share = float(np.mean(agrees))
    confidence = "high" if share >= _HIGH else "medium" if share >= _MEDIUM else "low"
    cap, reason = doubt
    if cap == "not known":
        return Decision(name=name, value=value, n_options=n_options, share=share, confidence=cap, reason=reason)
    if cap == "medium" and confidence == "high":
        confidence = "medium"
    return Decision(
        name=name, value=value, n_options=n_options, share=share, confidence=confidence, reason=reason if cap else ""
    )


def _doubt(rivals: Sequence[Candidate], priorities: Priorities) -> tuple[str, str]:
    """Return what confidence may be at most ("" for anything), and why."""
    rows = [row for candidate in rivals for row in needed_rows(candidate, priorities)]
    if not rows:
        return "", ""
    fewest = fewest_samples(rows)
    if fewest < MIN_FOR_INTERVAL:
        return "not known", f"a time that decides rests on {fewest} {'sample' if fewest == 1 else 'samples'}"
    reason = _why_no_more(rows, fewest)
    return ("medium", reason) if reason else ("", "")


def _why_no_more(rows: Sequence[Record], fewest: int) -> str:
    """Return why confidence is medium at most; empty where it may be high."""
    known = [row["n_processes"] for row in rows]
    if fewest < MIN_SAMPLES:
        return f"a time that decides rests on {fewest} samples"
    if any(row["noisy"] for row in rows):
        return "the machine was busy with other work while a time that decides was taken"
    if any(n is None for n in known):
        return "the processes that took the samples are not known, so drift between processes is not seen"
    if min(known) < MIN_PROCESSES:
        return f"samples of {min(known)} {'process' if min(known) == 1 else 'processes'} do not show the drift between them"
    return ""
