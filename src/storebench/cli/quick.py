"""`storebench quick`: the main choices on one image, a table, and the report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from storebench.cli._campaign import (
    Deadline,
    make_workspace,
    note_outcome,
    note_plan,
    open_storage,
    outcome_facts,
    plan_facts,
    require_writable,
    run_plan,
    take_image,
)
from storebench.cli._errors import INTERRUPTED, MEASURING_FAILED
from storebench.cli._noise import note_noise
from storebench.cli._options import (
    axes_option,
    command,
    json_option,
    machine_option,
    report_option,
    results_option,
    storage_option,
)
from storebench.cli._output import Output, text_width
from storebench.cli._table import Column, table_text
from storebench.errors import MeasurementError
from storebench.units import (
    MIB,
    bytes_column,
    is_missing,
    ratio_text,
    seconds_column,
    seconds_text,
    shape_text,
)

if TYPE_CHECKING:
    import pandas as pd

    from storebench.campaign import Plan
    from storebench.measurement.images import Image

BASELINE: Final = "npy-numpy"
DEFAULT_DATA: Final = "ct"
MEASURING_LIMIT_S: Final = 90.0
_COUNTING_S: Final = 30.0
"""Seconds for counting, which comes first and only once for an image."""
_MAX_BYTES: Final = 32 * MIB
_FEWEST_PASSES, _MOST_PASSES = 2, 5
_TITLES: Final = {
    "plane_xy": "XY plane",
    "plane_xz": "XZ plane",
    "plane_yz": "YZ plane",
    "roi32": "Cube 32",
    "tile256": "Tile 256",
    "whole": "Whole",
}


@command(
    "quick",
    examples=("storebench quick", "storebench quick my_image.tif", "storebench quick scan.zarr --axes zyx --json"),
)
@click.argument("file", required=False)
@axes_option
@click.option(
    "--budget",
    "budget_s",
    type=click.FloatRange(min=0, min_open=True),
    default=MEASURING_LIMIT_S,
    show_default=True,
    metavar="SECONDS",
    help="Time to measure at most, though not before one whole pass.",
)
@results_option
@report_option
@machine_option
@storage_option
@json_option
@click.pass_obj
def quick_command(
    output: Output,
    *,
    file: str | None,
    axes: str | None,
    budget_s: float,
    results: Path,
    reports: Path,
    machine: str | None,
    storage: Path | None,
    json: bool,
) -> None:
    """Measure the main choices on one image, in a few minutes.

    FILE is an image (.npy, TIFF, PNG, JPEG 2000, Zarr, OME-Zarr, HDF5, a folder of
    2-D files) or a dataset's name; left out: a synthetic CT volume. FILE is only
    read. Of a large image spread tiles are taken.
    """
    again = shlex.join(["storebench", "quick", *([file] if file else [])])
    output.after_interrupt = f"What was measured is kept. Start again with: {again}"
    root = open_storage(output, storage)
    image = take_image(output, root, file or DEFAULT_DATA, axes=axes, max_bytes=_MAX_BYTES)
    plan = _plan(results, machine, image, root, budget_s)
    note_plan(output, plan)
    require_writable(reports)
    deadline = Deadline(plan.passes, budget_s)
    outcome = run_plan(output, plan, deadline=deadline)
    stopped_by_user = outcome.interrupted and not deadline.has_ended_it
    note_outcome(output, plan, outcome)
    if deadline.has_ended_it:
        output.note(
            f"Stopped after {seconds_text(budget_s)} of measuring, with fewer samples per case than planned. "
            "For all of them: storebench run"
        )
    _conclude(output, plan, image, outcome_facts(outcome), reports, json=json)
    if not json:
        _say_next(output, plan, reports, file)
    if stopped_by_user:
        output.note(f"Interrupted. {output.after_interrupt}")
        raise click.exceptions.Exit(INTERRUPTED)
    if outcome.n_failed:
        raise click.exceptions.Exit(MEASURING_FAILED)


def _plan(results: Path, machine: str | None, image: Image, storage: Any, budget_s: float) -> Plan:
    """Plan as many passes as fit the time."""
    from storebench.campaign import plan_campaign

    workspace = make_workspace(results, machine, storage)
    for passes in range(_MOST_PASSES, _FEWEST_PASSES, -1):
        plan = plan_campaign(workspace=workspace, tier="quick", image=image, passes=passes)
        if plan.estimate_s <= budget_s + _COUNTING_S:
            return plan
    return plan_campaign(workspace=workspace, tier="quick", image=image, passes=_FEWEST_PASSES)


def _conclude(output: Output, plan: Plan, image: Image, outcome: dict[str, Any], reports: Path, *, json: bool) -> None:
    """Show the table and the verdicts, write the report, and say what comes next."""
    from storebench.analysis import summarise_settings, verdict
    from storebench.cli.results import load, write_report

    frame, journal = load(output, plan.workspace.results)
    rows = _of_this_run(frame, plan, image)
    if rows.empty:
        raise MeasurementError(
            "nothing was measured to the end; start again, with a smaller image if it takes too long"
        )
    note_noise(output, rows)
    verdicts = verdict(rows)
    page = write_report(rows, journal, reports)[0]
    if json:
        from storebench.results.tidy import COLUMNS

        records = rows[list(COLUMNS)].to_dict("records")
        output.json(
            {"plan": plan_facts(plan)}
            | outcome
            | {"rows": records, "verdicts": list(verdicts.sentences), "report": str(page)}
        )
        return
    output.say(
        table_text(settings_columns(summarise_settings(rows)), width=text_width(), color=output.wants_color(sys.stdout))
    )
    best = "Green" if output.wants_color(sys.stdout) else "*"
    output.paragraph(f"{best}: best of its column. Raw npy is the baseline and takes no part.")
    output.say()
    for finding in verdicts.findings:
        # One image on one machine: every sentence would begin with the same words.
        output.paragraph("- " + finding.sentence.removeprefix(finding.place).lstrip(",: "))


def _say_next(output: Output, plan: Plan, reports: Path, file: str | None) -> None:
    output.say()
    output.say(f"Results: {plan.workspace.results / plan.workspace.machine}")
    output.say(f"Report:  {reports / 'index.html'}")
    dataset = f"--dataset {shlex.quote(file)} " if file else ""
    output.say(f"Next:    storebench run {dataset}--tier core")


def _of_this_run(frame: pd.DataFrame, plan: Plan, image: Image) -> pd.DataFrame:
    same = (frame["dataset"] == image.name) & (frame["machine"] == plan.workspace.machine)
    same &= (frame["environment_id"] == plan.environment.id) & (frame["dtype"] == image.dtype.name)
    same &= frame["shape"].map(lambda shape: shape is not None and tuple(shape) == image.shape).astype(bool)
    return frame[same]


def settings_columns(settings: pd.DataFrame) -> list[Column]:
    """Return the table of settings: the best of each column marked, the setting never cut.

    Parameters
    ----------
    settings : pandas.DataFrame
        From `storebench.analysis.summarise_settings`, of one dataset and environment.
    """
    ranked = settings.assign(is_ranked=settings["backend"] != BASELINE)
    ordered = ranked.sort_values(["is_ranked", "relative_read"], kind="stable")
    records = [{str(name): value for name, value in record.items()} for record in ordered.to_dict("records")]
    columns = [
        Column(title="Setting", cells=[setting_text(record) for record in records], wraps=True),
        _numbers("Size", records, "stored_bytes", bytes_column),
        _numbers("Ratio", records, "ratio", _ratios, largest=True),
    ]
    times = [name for name in settings.columns if name.endswith("_s")]
    return columns + [_numbers(_time_title(name), records, name, seconds_column) for name in times]


def setting_text(record: dict[str, Any]) -> str:
    """Name a setting: format, chunks, shards, codec."""
    if record["backend"] == BASELINE:
        return "npy, raw"
    parts = [str(record["backend"]).rpartition("-")[0]]
    if record["chunk_shape"] is not None:
        parts.append(shape_text(record["chunk_shape"]))
    if record["shard_shape"] is not None:
        parts.append(f"in {shape_text(record['shard_shape'])}")
    return " ".join([*parts, record["codec"]])


def _time_title(name: str) -> str:
    bare = name.removesuffix("_s").removeprefix("read_")
    return _TITLES.get(bare, bare.replace("_", " ").capitalize())


def _ratios(values: Sequence[float | None]) -> list[str]:
    return [ratio_text(value) for value in values]


def _numbers(
    title: str,
    records: list[dict[str, Any]],
    name: str,
    texts: Callable[[Sequence[float | None]], list[str]],
    *,
    largest: bool = False,
) -> Column:
    values = [None if is_missing(record[name]) else float(record[name]) for record in records]
    ranked = {i: value for i, value in enumerate(values) if value is not None and records[i]["is_ranked"]}
    best = (max if largest else min)(ranked.values(), default=None)
    # Where all are equal nothing is best.
    marked = frozenset(i for i, value in ranked.items() if value == best and len(set(ranked.values())) > 1)
    return Column(title=title, cells=texts(values), align=">", best=marked)
