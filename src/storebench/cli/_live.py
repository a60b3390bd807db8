"""Two settings measured against each other now, call by call in turn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from storebench.cli._campaign import open_storage
from storebench.cli._findings import Findings
from storebench.cli._measured import counted
from storebench.cli._options import require_terms
from storebench.cli._output import Output
from storebench.cli._progress import progress_shown
from storebench.cli._settings import SettingText
from storebench.errors import UsageError
from storebench.grid import Shape
from storebench.records import PATTERNED

if TYPE_CHECKING:
    from storebench.measurement.images import Image
    from storebench.measurement.pairing import PairedResult, PairedRule, Setting
    from storebench.records import Case, Conditions, Operation, Row
    from storebench.storage import Storage

_FIRST_MARGIN: Final = 0.03
"""Margin of the first look, which only chooses what is measured again; that of the verdict where it is smaller."""

_NOISE: Final = (
    "Noisy: {}. Both calls of a pair meet the same noise, so the verdicts hold; do not rely on the times themselves."
)

_Pair = tuple["Setting", "Setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What both sides have where a setting does not say otherwise, and how much is measured.

    Attributes
    ----------
    data : str
        A dataset's name or a file.
    shape, dtype, seed : tuple of int or None, str or None, int
        Of a synthetic dataset; voxels.
    axes : str or None
        Axis names of a file that does not name them.
    operation : str
        What is timed.
    patterns : tuple of str
        Access patterns of a read: a comparison each.
    cache, durability, threads : str, str, int or None
        As in `records.Case`.
    processes, pairs : int
        Fresh pairs of processes, and pairs of calls in each.
    storage : pathlib.Path or None
        The storage root.
    """

    data: str
    shape: Shape | None
    dtype: str | None
    seed: int
    axes: str | None
    operation: Operation
    patterns: tuple[str, ...]
    cache: str
    durability: str
    threads: int | None
    processes: int
    pairs: int
    storage: Path | None


class _Terms(NamedTuple):
    """How it was measured: the rule, and how busy the machine was."""

    rule: PairedRule
    conditions: Conditions


def compare_settings(output: Output, a: SettingText, b: SettingText, options: LiveOptions, margin: float) -> Findings:
    """Measure two settings on one image and return what was found.

    Parameters
    ----------
    output : Output
        Told of the plan and of progress.
    a, b : SettingText
        The two sides.
    options : LiveOptions
        What is measured.
    margin : float
        Changes up to this share are the same.

    Raises
    ------
    StorebenchError
        For settings that cannot be right, what is missing, and where measuring fails.
    """
    from storebench.datasets import open_dataset
    from storebench.measurement.conditions import ConditionsRecorder
    from storebench.measurement.images import stored_image
    from storebench.measurement.pairing import compare_paired

    root = open_storage(output, options.storage)
    dataset = open_dataset(options.data, shape=options.shape, dtype=options.dtype, seed=options.seed, axes=options.axes)
    pairs = list(_pairs(a, b, stored_image(root, dataset), options))
    rule = paired_rule(options, margin)
    n_calls = len(pairs) * rule.processes * rule.pairs
    output.note(
        f"Plan: {counted(len(pairs), 'comparison')}, {counted(n_calls, 'pair')} of calls in {rule.processes} fresh pairs of "
        "processes; what seems changed is measured again. Nothing is kept of it."
    )
    rows = _facts(pairs, root)
    recorder = ConditionsRecorder()
    with progress_shown(output) as show:
        results = compare_paired(pairs, root, rule, on_progress=show)
    return _findings((a, b), results, pairs, rows, _Terms(rule, recorder.take()))


def _side(text: SettingText) -> dict[str, Any]:
    return {"setting": text.text, "python": text.python}


def paired_rule(options: LiveOptions, margin: float) -> PairedRule:
    """Return how much is measured, and when a change is one: the same margin as of the verdict, confirmed."""
    from storebench.measurement.pairing import PairedRule

    return PairedRule(
        processes=options.processes,
        pairs=options.pairs,
        margin=min(margin, _FIRST_MARGIN),
        confirm_processes=2 * options.processes,
        confirm_margin=margin,
    )


def _pairs(a: SettingText, b: SettingText, image: Image, options: LiveOptions) -> Iterator[_Pair]:
    if options.patterns and options.operation != "read":
        raise UsageError(f"--pattern is for reads, this is {options.operation}; leave it out or add --operation read")
    for pattern in options.patterns or ("whole",):
        yield _setting(a, image, options, pattern), _setting(b, image, options, pattern)


def _setting(text: SettingText, image: Image, options: LiveOptions, pattern: str) -> Setting:
    from storebench.measurement.pairing import Setting
    from storebench.records import Case

    shared = {name: getattr(options, name) for name in ("operation", "cache", "durability", "threads")}
    facts = {
        "dataset": image.name,
        "shape": image.shape,
        "dtype": image.dtype.name,
        "axes": image.axes,
        "seed": image.seed,
    }
    case = Case(pattern=pattern, **{**facts, **shared, **text.fields})
    require_terms(case.operation, case.cache, case.durability)
    return Setting(case, image.key, text.python)


def _facts(pairs: Sequence[_Pair], storage: Storage) -> dict[Setting, Row]:
    """Return the facts of each setting, by the interpreter that it names: stored, verified and counted, before anything is timed.

    What a backend cannot do, or an interpreter lacks, is known then.
    """
    from storebench.measurement.worker import Worker

    pools: dict[object, dict[Setting, None]] = {}
    for setting in (side for pair in pairs for side in pair):
        pools.setdefault(setting.pool, {})[setting] = None
    rows: dict[Setting, Row] = {}
    for settings in pools.values():
        with Worker(storage, python=next(iter(settings)).python) as worker:
            for setting in settings:
                rows[setting] = worker.open(setting.case, setting.image_key)
                worker.close_case(setting.case.id)
    return rows


def _findings(
    texts: tuple[SettingText, SettingText],
    results: Sequence[PairedResult],
    pairs: Sequence[_Pair],
    facts: Mapping[Setting, Row],
    terms: _Terms,
) -> Findings:
    from storebench.results.noise import judge_conditions

    rule, conditions = terms
    counts = _counted(pairs, facts)
    noise = judge_conditions(conditions, os.cpu_count())
    return Findings(
        rows=[_row(result, facts[a], facts[b], rule) for result, (a, b) in zip(results, pairs, strict=True)],
        counted=counts,
        changes=[
            {"case_id": case_id, "metric": metric, "a": a, "b": b}
            for metric, by_case in counts.items()
            for case_id, (a, b) in by_case.items()
            if a != b
        ],
        margin=rule.confirm_margin,
        confidence=rule.confirm_confidence,
        advice=f"more pairs, as with --processes {2 * rule.processes} --pairs {2 * rule.pairs}",
        titles=(texts[0].text, texts[1].text),
        labels={a.case.id: _label(a.case) for a, _ in pairs},
        noise=[_NOISE.format(noise)] if noise else [],
        lost=[(result.a.id, result.failure) for result in results if result.failure is not None],
        facts={"mode": "live", "a": _side(texts[0]), "b": _side(texts[1])}
        | {"rule": asdict(rule), "conditions": asdict(conditions)},
    )


def _label(case: Case) -> str:
    """Name a comparison by what is done: the settings stand above the table."""
    return f"{case.operation} {case.pattern}" if case.operation in PATTERNED else case.operation


def _row(result: PairedResult, a: Row, b: Row, rule: PairedRule) -> dict[str, Any]:
    return {
        "case_id": result.a.id,
        "b_case_id": result.b.id,
        "operation": result.a.operation,
        "pattern": result.a.pattern,
        "format": a.format,
        "b_format": b.format,
        "a_s": result.a_s,
        "b_s": result.b_s,
        "ratio": result.ratio,
        "ratio_low": result.ratio_low,
        "ratio_high": result.ratio_high,
        "verdict": _verdict(result, rule),
        "confirmed": result.confirmed,
        "n_pairs": result.n_pairs,
        "n_processes": result.n_processes,
        "failure": result.failure,
    }


def _verdict(result: PairedResult, rule: PairedRule) -> str:
    """Return the verdict; what the first look left open may still be the same by the larger margin that was asked for."""
    from storebench.results.comparison import verdict_of

    if result.verdict != "undecided" or result.failure is not None or result.screening is not None:
        return result.verdict
    verdict = verdict_of(result.ratio, result.ratio_low, result.ratio_high, rule.confirm_margin)
    return verdict if verdict == "same" else "undecided"


def _counted(pairs: Sequence[_Pair], facts: Mapping[Setting, Row]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the counts that are known of both sides, by metric and case of A."""
    from storebench.results.comparison import METRICS

    found: dict[str, dict[str, tuple[float, float]]] = {}
    for metric in METRICS:
        for a, b in pairs:
            one, other = getattr(facts[a], metric), getattr(facts[b], metric)
            if one is not None and other is not None:
                found.setdefault(metric, {})[a.case.id] = (one, other)
    return found
