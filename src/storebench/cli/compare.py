"""`storebench compare`: two result sets, or two settings measured against each other now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from storebench.cli._errors import GATE_FAILED, MEASURING_FAILED
from storebench.cli._findings import Findings, findings_json, note_findings, say_findings
from storebench.cli._gates import Judged, judge, parse_gates
from storebench.cli._live import LiveOptions, compare_settings
from storebench.cli._options import (
    PERCENT,
    SHAPE,
    axes_option,
    cache_option,
    command,
    durability_option,
    json_option,
    operation_option,
    storage_option,
    threads_option,
    was_given,
)
from storebench.cli._output import Output
from storebench.cli._settings import EXAMPLE, looks_like_setting, parse_setting
from storebench.cli._stored import compare_results
from storebench.errors import NothingSelectedError, ResultsError, UsageError
from storebench.units import count_text

_EXAMPLES: Final = (
    "storebench compare results/before results/after",
    "storebench compare before after --fail-on slower:5% --fail-on counts",
    'storebench compare "backend=zarr3-zarrpython codec=zstd-3" \\',
    '    "backend=zarr3-zarrpython codec=zstd-9" --pattern plane_xz',
)
_SHARED: Final = ("storage", "margin", "fail_on", "fail_on_undecided", "json", "a", "b")
"""What both kinds of comparison look at; the other options are for settings."""

_SHOWN_CASES: Final = 5


@command("compare", examples=_EXAMPLES)
@click.argument("a")
@click.argument("b")
@click.option(
    "--margin", type=PERCENT, default="5%", show_default=True, metavar="PERCENT", help="Smaller changes are the same."
)
@click.option(
    "--fail-on",
    multiple=True,
    metavar="GATE",
    help="End with 1 on slower[:10%], faster[:10%], more of a count (as stored_bytes), or counts: any. Repeatable.",
)
@click.option("--fail-on-undecided", is_flag=True, help="End with 4 where the samples do not decide a case.")
@click.option("--data", default="ct", show_default=True, metavar="NAME|FILE", help="Settings: the image.")
@click.option("--shape", type=SHAPE, help="Settings: of a synthetic dataset, voxels.")
@click.option("--dtype", metavar="NAME", help="Settings: of a synthetic dataset, as uint16.")
@click.option("--seed", type=int, default=0, show_default=True, help="Settings: of the image and the positions read.")
@axes_option
@operation_option
@click.option(
    "--pattern", "patterns", multiple=True, metavar="NAME", help="Settings: what is read. [default: whole] Repeatable."
)
@cache_option
@durability_option
@threads_option
@click.option(
    "--processes", type=click.IntRange(min=2), default=5, show_default=True, help="Settings: fresh pairs of processes."
)
@click.option(
    "--pairs",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="Settings: pairs of calls in each of them.",
)
@storage_option
@json_option
@click.pass_context
def compare_command(
    ctx: click.Context,
    /,
    a: str,
    b: str,
    *,
    margin: float,
    fail_on: tuple[str, ...],
    fail_on_undecided: bool,
    json: bool,
    **live: Any,
) -> None:
    """Compare B with A: slower, faster, the same, or not decided.

    A and B are two results (a folder, or a file in one) that were measured before,
    or two settings, which are measured now, call by call in turn. A setting is
    text: key=value with blanks between, of the keys backend, chunks, shards,
    codec, levels, stack-axis, cache, durability, threads, python.

    Ratios are B ÷ A: above 1, B takes longer.
    """
    output = ctx.ensure_object(Output)
    is_live = _are_settings(a, b)
    gates = parse_gates(fail_on, margin, _metrics())
    if is_live:
        findings = compare_settings(output, parse_setting(a), parse_setting(b), LiveOptions(**live), margin)
    else:
        _refuse_live_options(ctx)
        findings = compare_results(Path(a), Path(b), margin)
    if not findings.rows and not findings.counted:
        raise NothingSelectedError(_nothing(findings))
    judged = judge(gates, findings.rows, findings.counted, findings.changes, margin)
    if json:
        output.json(findings_json(findings) | {"gates": [one.facts() for one in judged]})
    else:
        say_findings(output, findings)
    note_findings(output, findings)
    _end(output, findings, judged, fail_on_undecided=fail_on_undecided)


def _are_settings(a: str, b: str) -> bool:
    """Tell whether A and B are settings, and not results.

    Raises
    ------
    UsageError
        If they are one of each, or neither.
    ResultsError
        If they are results that do not exist.
    """
    kinds = {text: _kind(text) for text in (a, b)}
    if set(kinds.values()) == {"a setting"}:
        return True
    if not set(kinds.values()) <= {"results", "a missing file"}:
        what = ", ".join(f"{text!r} is {kind}" for text, kind in kinds.items())
        raise UsageError(
            f"A and B are two results or two settings; here {what}. Results: storebench compare results/before "
            f'results/after. Settings: storebench compare "{EXAMPLE}" "{EXAMPLE.replace("zstd-3", "zstd-9")}"'
        )
    missing = [text for text, kind in kinds.items() if kind == "a missing file"]
    if missing:
        raise ResultsError(f"there is no {missing[0]}; name a results folder, or a .jsonl file in one")
    return False


def _kind(text: str) -> str:
    """Tell what A or B is: what exists is results, what has key=value a setting."""
    if Path(text).exists():
        return "results"
    if looks_like_setting(text):
        return "a setting"
    return "a missing file" if "/" in text or text.endswith((".json", ".jsonl")) else "neither"


def _metrics() -> Sequence[str]:
    from storebench.results.comparison import METRICS

    return METRICS


def _refuse_live_options(ctx: click.Context) -> None:
    """Refuse an option that results leave without effect, instead of ignoring it."""
    for option in ctx.command.params:
        if option.name is not None and option.name not in _SHARED and was_given(ctx, option.name):
            raise UsageError(f"{option.opts[0]} is for two settings, and A and B are results; leave it out")


def _nothing(findings: Findings) -> str:
    return (
        f"no case is in both: A has {count_text(findings.n_only_a)} others, B has {count_text(findings.n_only_b)}. Cases match by "
        "image, setting, operation and pattern; look at both with: storebench export --format markdown"
    )


def _end(output: Output, findings: Findings, judged: Sequence[Judged], *, fail_on_undecided: bool) -> None:
    """Say which gates failed and end with what that means."""
    failed = [one for one in judged if one.failed]
    for one in failed:
        output.note(f"Failed: --fail-on {one.gate.text}: {_list(one.failed)}")
    if failed:
        raise click.exceptions.Exit(GATE_FAILED)
    if findings.lost and (judged or findings.facts["mode"] == "live"):
        output.note(f"Error: not measured to the end: {_list([case for case, _ in findings.lost])}; see why above")
        raise click.exceptions.Exit(MEASURING_FAILED)
    undecided = _undecided(findings, judged)
    if undecided and fail_on_undecided:
        output.note(f"Undecided: {_list(undecided)}")
        raise click.exceptions.Exit(MEASURING_FAILED)


def _undecided(findings: Findings, judged: Sequence[Judged]) -> list[str]:
    """Return the cases left open: by the gates on times, else by the verdicts."""
    timed = [one for one in judged if one.gate.is_timed]
    if timed:
        return list(dict.fromkeys(case for one in timed for case in one.undecided))
    return [str(row["case_id"]) for row in findings.rows if row["verdict"] == "undecided"]


def _list(cases: Sequence[str]) -> str:
    more = len(cases) - _SHOWN_CASES
    return ", ".join(cases[:_SHOWN_CASES]) + (f" and {count_text(more)} more" if more > 0 else "")
