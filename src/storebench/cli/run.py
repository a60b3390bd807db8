"""`storebench run`: the suites, through asv or in rounds of storebench's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storebench.cli._campaign import (
    make_workspace,
    note_noise_of,
    note_outcome,
    note_plan,
    open_storage,
    outcome_facts,
    plan_facts,
    run_plan,
    take_image,
)
from storebench.cli._errors import INTERRUPTED, MEASURING_FAILED
from storebench.cli._measured import counted
from storebench.cli._options import (
    PERCENT,
    axes_option,
    command,
    json_option,
    machine_option,
    results_option,
    storage_option,
    was_given,
)
from storebench.cli._output import Output
from storebench.errors import UsageError

if TYPE_CHECKING:
    from storebench.campaign import Plan


@command(
    "run",
    examples=(
        "storebench run --dry-run",
        "storebench run --tier core --suite read --suite write",
        "storebench run --dataset my_image.tif --passes 8",
        "storebench run --engine paired --half-width 3% --budget 600",
        "storebench run --tier core --resume",
    ),
)
@click.option(
    "--tier",
    default="smoke",
    show_default=True,
    metavar="NAME",
    help="smoke (minutes), core (an hour) or full (hours).",
)
@click.option(
    "--suite", "suites", multiple=True, metavar="NAME", help="Only this suite; repeatable. storebench list suites."
)
@click.option("--dataset", metavar="NAME|FILE", help="Measure on this image instead of the suites' own.")
@axes_option
@click.option(
    "--passes",
    type=click.IntRange(min=1),
    help="asv: separated passes, 2 samples each. paired: fewest processes. [default: 5, 3]",
)
@click.option(
    "--engine",
    type=click.Choice(["asv", "paired"]),
    default="asv",
    show_default=True,
    help="asv: 2 samples per pass. paired: rounds over fresh processes until every interval is narrow.",
)
@click.option(
    "--half-width", type=PERCENT, metavar="PERCENT", help="paired: of the intervals to stop at. [default: 5%]"
)
@click.option(
    "--budget",
    "budget_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="paired: time to measure at most.",
)
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same options.")
@results_option
@machine_option
@storage_option
@json_option
@click.pass_context
def run_command(
    ctx: click.Context,
    /,
    *,
    dataset: str | None,
    axes: str | None,
    half_width: float | None,
    budget_s: float | None,
    dry_run: bool,
    resume: bool,
    json: bool,
    storage: Path | None,
    results: Path,
    machine: str | None,
    **choice: Any,
) -> None:
    """Run the suites and keep the results.

    Cases are measured in shuffled passes with everything else in between. Ctrl-C
    keeps what is measured; --resume goes on.
    """
    from storebench.campaign import plan_campaign

    output = ctx.ensure_object(Output)
    _require_fitting(ctx)
    stops = {"half_width": half_width, "budget_s": budget_s}
    choice |= {name: value for name, value in stops.items() if value is not None}
    root = open_storage(output, storage)
    image = take_image(output, root, dataset, axes=axes) if dataset else None
    plan = plan_campaign(workspace=make_workspace(results, machine, root), image=image, **choice)
    note_plan(output, plan)
    if not dry_run:
        _measure(ctx, output, plan, resume=resume, json=json)
    elif json:
        output.json(plan_facts(plan))
    else:
        for grid in plan.grids:
            output.say(f"{', '.join(grid.benchmarks)}: {counted(grid.n_cases, 'case')}")
        for name, reason in plan.skipped:
            output.say(f"Skipped: {name}: {reason}")
        output.say("Nothing was measured. Start it with the same command without --dry-run")


def _require_fitting(ctx: click.Context) -> None:
    """Refuse an option that the engine leaves without effect, instead of ignoring it."""
    if ctx.params["engine"] == "asv" and (was_given(ctx, "half_width") or was_given(ctx, "budget_s")):
        raise UsageError("--half-width and --budget say when the engine paired stops; add --engine paired")


def _measure(ctx: click.Context, output: Output, plan: Plan, *, resume: bool, json: bool) -> None:
    again = command_again(ctx)
    output.after_interrupt = f"Go on with: {again}"
    outcome = run_plan(output, plan, resume=resume)
    note_outcome(output, plan, outcome)
    note_noise_of(output, outcome)
    if json:
        output.json({"plan": plan_facts(plan)} | outcome_facts(outcome))
    elif outcome.result_files:
        for path in outcome.result_files:
            output.say(f"Results: {path}")
        output.say(f"Next: storebench report {shlex.quote(str(plan.workspace.results))}")
    if outcome.interrupted:
        output.note(f"Interrupted; what was measured is kept. Go on with: {again}")
        raise click.exceptions.Exit(INTERRUPTED)
    if outcome.n_failed:
        raise click.exceptions.Exit(MEASURING_FAILED)


def command_again(ctx: click.Context) -> str:
    """Return the command that goes on with this one: the options that were given, and --resume."""
    words = ["storebench", "run"]
    for option in ctx.command.params:
        name = option.name or ""
        given = ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and name in ctx.params and name not in ("resume", "json", "dry_run"):
            value = ctx.params[name]
            for item in value if isinstance(value, tuple) else (value,):
                words += [option.opts[0], f"{100 * item:g}%" if option.type is PERCENT else str(item)]
    return shlex.join([*words, "--resume"])
