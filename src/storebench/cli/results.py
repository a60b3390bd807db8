"""`storebench report` and `storebench export`: from results to a page, or to a table."""

from __future__ import annotations

import gc
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from storebench.advise.priorities import parse_priority, parse_reads
from storebench.cli._options import ParsedText, command, json_option, report_option, was_given
from storebench.cli._output import Output
from storebench.errors import NothingSelectedError, ResultsError, UsageError
from storebench.units import bytes_text, count_text

if TYPE_CHECKING:
    import pandas as pd

    from storebench.report.changes import Changes
    from storebench.report.press import Press
    from storebench.results.journal import JournalContent

    Loaded = tuple[pd.DataFrame, JournalContent]

_FORMATS: Final = ("csv", "parquet", "json", "markdown")
_RESULTS_HELP: Final = "RESULTS is a results folder; left out: ./results, else the baseline that comes with storebench."


_REPORT_EXAMPLES: Final = (
    "storebench report",
    "storebench report results/lab-1 -o reports/lab-1",
    "storebench report --priority read=3,size=1 --reads plane_xy=20,plane_xz=80",
    "storebench report results/after --against results/before",
    "storebench report --format markdown > summary.md",
)


@command("report", examples=_REPORT_EXAMPLES)
@click.argument("results", type=click.Path(path_type=Path), required=False)
@report_option
@click.option("--title", help="Heading of the page.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="OLDER",
    help="Also write what changed since these results; left out: between the newest two runs of a machine in RESULTS.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(("html", "markdown")),
    default="html",
    show_default=True,
    help="markdown: a summary on stdout, of the changes with --against.",
)
@click.option(
    "--priority",
    "weights",
    type=ParsedText("weights", parse_priority),
    metavar="WEIGHTS",
    help="Of size, write, read and files, as write=2,size=1. [default: size, write and read alike]",
)
@click.option(
    "--reads",
    type=ParsedText("weights", parse_reads),
    metavar="WEIGHTS",
    help="How often each access pattern is read, as plane_xy=20,plane_xz=80. [default: those that most settings share, alike]",
)
@json_option
@click.pass_context
def report_command(
    ctx: click.Context,
    /,
    *,
    results: Path | None,
    reports: Path,
    title: str | None,
    against: Path | None,
    kind: str,
    weights: dict[str, float] | None,
    reads: dict[str, float] | None,
    json: bool,
) -> None:
    """Write the HTML report and its figures, or a summary in Markdown.

    RESULTS is a results folder; left out: ./results, else the baseline that comes
    with storebench.
    """
    output = ctx.ensure_object(Output)
    if kind == "markdown":
        if json or was_given(ctx, "reports"):
            raise UsageError(
                f"--format markdown goes to stdout alone: leave out {'--json' if json else '-o'}, or write > FILE"
            )
        if against is None:
            _say_summary(output, results, title=title, weights=weights, reads=reads)
        elif weights is not None or reads is not None:
            raise UsageError("what changed has no priorities: leave out --priority and --reads, or --against")
        else:
            _require_compared(_say_changes(output, results, against, title))
        return
    from storebench.report.press import Press

    with Press(_press_workers()) as press, _rare_collection():
        frame, journal = load(output, results)
        older = None if against is None else load(output, against)
        changes, written = _write_changes((frame, journal), older, reports, press)
        told = None if changes is None else changes.sentence
        files = [
            *write_report(frame, journal, reports, title, press=press, changes=told, weights=weights, reads=reads),
            *written,
        ]
    _say_written(output, files, written, len(frame), changes, json=json)
    if against is not None:
        _require_compared(changes)


def _require_compared(changes: Changes | None) -> None:
    """End as `compare` does where older results were named and nothing in them can be compared; what was written stays."""
    if changes is not None and changes.error is not None:
        raise changes.error


def _say_written(
    output: Output, files: list[Path], changed: list[Path], n_rows: int, changes: Changes | None, *, json: bool
) -> None:
    """Say which files were written: the page first, those of the changes, and what these say."""
    told = None if changes is None else changes.sentence
    if json:
        document = {"report": str(files[0]), "files": [str(file) for file in files], "n_rows": n_rows}
        output.json(document | {"changes": {"page": str(changed[0]), "sentence": told} if changed else None})
        return
    output.paragraph(f"Report of {_rows_text(n_rows)}: {files[0]}")
    if changes is not None:
        output.paragraph(f"What changed: {changed[0]}. {changes.sentence.removesuffix('.')}.")
    output.paragraph(
        f"Its figures lie beside it in {count_text(len(files) - (2 if changed else 1))} files (SVG, PNG, PDF). "
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
    output.note(f"{_rows_text(len(frame))}: {target} ({bytes_text(target.stat().st_size)})")


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
    ResultsError
        If it is not there, or is no file of results.
    """
    from storebench.assets import bundled_results
    from storebench.results.frame import has_results, load_with_journals

    default = Path("results") if has_results(Path("results")) else bundled_results()
    folder = results or default
    _require_results(folder)
    frame, content = load_with_journals(folder)
    if frame.empty:
        raise NothingSelectedError(f"{folder} holds no rows; make some with: storebench quick")
    for warning in content.warnings:
        output.note(f"Warning: {warning}")
    return frame, content


def _require_results(folder: Path) -> None:
    """Refuse what is not there, and a file that is no results but may be the image to measure."""
    if not folder.exists():
        raise ResultsError(f"there is no {folder}; name a results folder, or make some results with: storebench quick")
    if folder.is_file() and folder.suffix not in (".json", ".jsonl"):
        raise ResultsError(
            f"{folder} is no results; name a results folder. If it is an image, measure it with: "
            f"storebench quick {shlex.quote(str(folder))}"
        )


def _rows_text(n: int) -> str:
    """Write a number of rows."""
    return "1 row" if n == 1 else f"{count_text(n)} rows"


def write_report(
    frame: pd.DataFrame,
    journal: JournalContent,
    folder: Path,
    title: str | None = None,
    *,
    press: Press | None = None,
    changes: str | None = None,
    weights: Mapping[str, float] | None = None,
    reads: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write the report, with a link to the page of changes where that says something; return its files, the page first."""
    from storebench.report import build_report

    files = build_report(
        frame,
        journal.environments,
        folder,
        datasets=journal.datasets.values(),
        crops=journal.crops.values(),
        imported=list(journal.imported.values()),
        title=title,
        press=press,
        changes=changes,
        weights=weights,
        reads=reads,
    )
    return [files.index, *files.figures]


def _write_changes(
    results: Loaded, older: Loaded | None, folder: Path, press: Press
) -> tuple[Changes | None, list[Path]]:
    """Write the page of changes where there is something to compare; return its files, the page first."""
    from storebench.report.changes import build_changes

    changes = _changes(results, older)
    if changes is None:
        return None, []
    files = build_changes(changes, folder, press=press)
    return changes, [files.page, *files.figures]


def _changes(results: Loaded, older: Loaded | None) -> Changes | None:
    from storebench.report.changes import ResultSet, find_changes

    before = None if older is None else ResultSet(frame=older[0], journal=older[1])
    return find_changes(ResultSet(frame=results[0], journal=results[1]), before)


def _say_summary(
    output: Output,
    results: Path | None,
    *,
    title: str | None,
    weights: Mapping[str, float] | None,
    reads: Mapping[str, float] | None,
) -> None:
    """Write the answer as Markdown to stdout."""
    from storebench.report.markdown import summary_markdown

    frame, journal = load(output, results)
    text = summary_markdown(
        frame,
        journal.environments,
        datasets=journal.datasets.values(),
        title=title,
        weights=weights,
        reads=reads,
    )
    output.say(text.rstrip("\n"))


def _say_changes(output: Output, results: Path | None, against: Path, title: str | None) -> Changes | None:
    """Write what changed as Markdown to stdout, and return it."""
    from storebench.report.markdown import changes_markdown

    changes = _changes(load(output, results), load(output, against))
    if changes is not None:  # with older results there is always something to say
        output.say(changes_markdown(changes, title=title).rstrip("\n"))
    return changes


def _press_workers() -> int:
    """Return how many processes write figures beside this one.

    Two where there are two processors too: while results are read they only start, and when the page is done both go on.
    """
    return 2 if len(os.sched_getaffinity(0)) > 1 else 0


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Look for garbage in cycles less often: half a million values stay, and to look through them is a sixth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
