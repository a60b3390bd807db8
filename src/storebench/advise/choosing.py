"""From the rows of one image on one machine to the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from storebench.advise.baselines import baselines, mean_read
from storebench.advise.candidates import Candidate, Record, candidates_of, costs_of
from storebench.advise.flips import flips
from storebench.advise.gaps import gaps
from storebench.advise.priorities import Priorities, shared_patterns
from storebench.advise.ranking import Answer, Ranked, Unranked
from storebench.advise.scoring import in_order, read_mix, scores
from storebench.advise.snippets import snippet_of
from storebench.advise.sureness import decisions, drawn_costs, how_sure
from storebench.advise.words import listed, pattern_text
from storebench.records import FileForm
from storebench.results.intervals import Interval


def default_priorities(candidates: Sequence[Candidate]) -> Priorities:
    """Return equal weights of write, read and size, and of the reads that most settings have in common.

    A goal that no setting has a cost for has no weight.
    """
    able = [c for c in candidates if c.why_not_ranked is None]
    patterns = {name for candidate in able for name in candidate.reads}
    single = [frozenset(name for name, row in c.reads.items() if not row["n_frames"]) for c in able]
    # a trace is many reads: in a mean it would outweigh all others, so it has a weight only where nothing else was read
    read_by = single if any(single) else [frozenset(candidate.reads) for candidate in able]
    chosen = shared_patterns([names for names in read_by if names])
    weights = {
        "write": float(any(candidate.write_s for candidate in able)),
        "size": float(any(candidate.stored_bytes for candidate in able)),
    }
    return Priorities(**weights, reads=dict.fromkeys(chosen, 1.0) | dict.fromkeys(sorted(patterns - set(chosen)), 0.0))


def answer(
    rows: Iterable[Record],
    *,
    weights: Mapping[str, float] | None = None,
    reads: Mapping[str, float] | None = None,
    as_file: FileForm | None = None,
    surroundings: Sequence[Record] = (),
) -> Answer | Unranked:
    """Rank the settings of one image on one machine.

    Parameters
    ----------
    rows : iterable of Record
        As `candidates_of` takes them.
    weights : mapping of str to float, optional
        Of goals; None: write, read and size alike.
    reads : mapping of str to float, optional
        Of access patterns; None: alike those that most settings have in common.
    as_file : FileForm, optional
        How the user's own file stores the image.
    surroundings : sequence of Record
        All rows of the image, those in other states of the cache included: for saying what was not measured.
    """
    rows = list(rows)
    candidates = candidates_of(rows, surroundings)
    priorities = default_priorities(candidates)
    if weights is not None:
        priorities = Priorities(**weights, reads=priorities.reads)
    if reads is not None:
        priorities = replace(priorities, reads={**dict.fromkeys(priorities.reads, 0.0), **reads})
    ranked, refused = _ranked(candidates, priorities)
    if not ranked:
        return Unranked(not_ranked=refused)
    made = _answer(candidates, ranked, priorities, as_file)
    settings = [candidate for candidate, _ in ranked]
    return replace(made, not_ranked=refused, gaps=gaps(settings, surroundings or rows))


def _ranked(
    candidates: Sequence[Candidate], priorities: Priorities
) -> tuple[list[tuple[Candidate, float]], dict[str, str]]:
    """Return the ranked settings with their scores, the best first, and why the others are not."""
    refused = {c.label: c.why_not_ranked for c in candidates if c.why_not_ranked is not None}
    able = [c for c in candidates if c.why_not_ranked is None]
    values = scores(costs_of(able, priorities.reads), priorities)
    order = in_order(values)
    kept = set(order)
    refused |= {c.label: _lacks(c, priorities) for index, c in enumerate(able) if index not in kept}
    return [(able[index], float(values[index])) for index in order], refused


def _lacks(candidate: Candidate, priorities: Priorities) -> str:
    """Say which cost that has a weight was not measured."""
    goals, lacks = priorities.goals, []
    if not any(goals.values()):
        return "nothing has a weight"
    if goals["write"] and candidate.write_s is None:
        lacks.append("its write")
    if goals["read"]:
        absent = [
            pattern_text(name) for name, weight in priorities.reads.items() if weight and candidate.read_s(name) is None
        ]
        lacks += [f"reads ({listed(absent)})"] if absent else []
    if goals["size"] and candidate.stored_bytes is None:
        lacks.append("its size")
    if goals["files"] and candidate.n_files is None:
        lacks.append("its number of files")
    return f"{listed(lacks)} not measured"


def _answer(
    candidates: Sequence[Candidate],
    ranked: Sequence[tuple[Candidate, float]],
    priorities: Priorities,
    as_file: FileForm | None,
) -> Answer:
    settings = [candidate for candidate, _ in ranked]
    first = settings[0]
    weighed = [name for name, weight in priorities.reads.items() if weight > 0]
    sure = how_sure(settings, drawn_costs(settings, weighed), priorities)
    point = costs_of(settings, priorities.reads)
    mixes = _mixes(settings, priorities)
    return Answer(
        priorities=priorities,
        candidates=candidates,
        ranked=[
            Ranked(candidate=c, score=score, read_s=mix, is_equal=index == 0 or index in sure.equals)
            for index, ((c, score), mix) in enumerate(zip(ranked, mixes, strict=True))
        ],
        write=None if first.write is None else interval_of(first.write),
        read=mean_read(first, priorities),
        reads={name: interval_of(row) for name, row in first.reads.items()},
        baselines=baselines(first, candidates, priorities, as_file),
        decisions=decisions(settings, sure, priorities),
        flips=[(flip, settings[flip.then]) for flip in flips(point, priorities, sure.equals)],
        snippet=snippet_of(first),
    )


def _mixes(settings: Sequence[Candidate], priorities: Priorities) -> list[float | None]:
    mix = read_mix(costs_of(settings, priorities.reads), priorities.reads)
    return [float(value) if np.isfinite(value) else None for value in mix]


def interval_of(row: Record) -> Interval:
    """Return a row's median and its interval, seconds."""
    return Interval(row["median_s"], row["ci95_low_s"], row["ci95_high_s"])
