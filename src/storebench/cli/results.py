"""`storebench report` and `storebench export`: from results to a page, or to a table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from storebench.cli._options import command, json_option, report_option
from storebench.cli._output import Output
from storebench.errors import NothingSelectedError, UsageError
from storebench.units import bytes_text, count_text

if TYPE_CHECKING:
    import pandas as pd

    from storebench.report.press import Press
    from storebench.results.journal import JournalContent

_FORMATS: Final = ("csv", "parquet", "json", "markdown")
_RESULTS_HELP: Final = "RESULTS is a results folder; left out: ./results, else the baseline that comes with storebench."


@command("report", examples=("storebench report", "storebench report results/lab-1 -o reports/lab-1"))
@click.argument("results", type=click.Path(path_type=Path), required=False)
@report_option
@click.option("--title", help="Heading of the page.")
@json_option
@click.pass_obj
def report_command(output: Output, *, results: Path | None, reports: Path, title: str | None, json: bool) -> None:
    """Write the HTML report and its figures.

    RESULTS is a results folder; left out: ./results, else the baseline that comes
    with storebench.
    """
    from storebench.report.press import Press

    with Press(_spare_processors()) as press:
        frame, journal = load(output, results)
        files = write_report(frame, journal, reports, title, press)
    if json:
        output.json({"report": str(files[0]), "files": [str(file) for file in files], "n_rows": len(frame)})
    else:
        output.paragraph(f"Report of {count_text(len(frame))} rows: {files[0]}")
        output.paragraph(
            f"Its figures lie beside it in {count_text(len(files) - 1)} files (SVG, PNG, PDF). "
            "Open it in a browser; it needs no network."
        )


@command(
    "export",
    examples=("storebench export --format csv -o results.csv", "storebench export results/lab-1 --format markdown"),
)
@click.argument("results", type=click.Path(path_type=Path), required=False)
@click.option("--format", "kind", type=click.Choice(_FORMATS), default="csv", show_default=True, help="Of the table.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False), help="File; left out: stdout."
)
@click.pass_obj
def export_command(output: Output, *, results: Path | None, kind: str, target: Path | None) -> None:
    """Write the table of results: one row per case and environment.

    RESULTS is a results folder; left out: ./results, else the baseline that comes
    with storebench. docs/results.md explains the columns.
    """
    from storebench.results.export import export

    if kind == "parquet" and target is None:
        raise UsageError("a Parquet table is no text: name a file with -o")
    frame, _ = load(output, results)
    if target is None:
        output.say((export(frame, kind) or "").rstrip("\n"))
        return
    export(frame, kind, target)
    output.note(f"{count_text(len(frame))} rows: {target} ({bytes_text(target.stat().st_size)})")


def load(output: Output, results: Path | None) -> tuple[pd.DataFrame, JournalContent]:
    """Return the tidy table of a results folder, and what its journals know of environments and datasets.

    Parameters
    ----------
    output : Output
        Told of damaged lines.
    results : pathlib.Path or None
        The folder; None: ./results where it holds any, else the baseline.

    Raises
    ------
    NothingSelectedError
        If there is no result in it.
    """
    from storebench.assets import bundled_results
    from storebench.results.frame import has_results, load_results
    from storebench.results.journal import read_journal

    default = Path("results") if has_results(Path("results")) else bundled_results()
    folder = results or default
    frame = load_results(folder)
    if frame.empty:
        raise NothingSelectedError(f"{folder} holds no rows; make some with: storebench quick")
    journals = sorted(folder.rglob("*.jsonl")) if folder.is_dir() else [folder.with_suffix(".jsonl")]
    content = read_journal(*(path for path in journals if path.is_file()))
    for warning in content.warnings:
        output.note(f"Warning: {warning}")
    return frame, content


def write_report(
    frame: pd.DataFrame,
    journal: JournalContent,
    folder: Path,
    title: str | None = None,
    press: Press | None = None,
) -> list[Path]:
    """Write the report; return its files, the page first."""
    from storebench.report import build_report

    datasets, crops = journal.datasets.values(), journal.crops.values()
    files = build_report(
        frame, journal.environments, folder, datasets=datasets, crops=crops, title=title, press=press
    )
    return [files.index, *files.figures]


def _spare_processors() -> int:
    """Return how many processes may write figures beside this one: more than two would wait for it."""
    return min(2, len(os.sched_getaffinity(0)) - 1)
