"""The command line: thin. Each command parses, calls and prints; docs/cli.md is its manual.

`storebench --help` stays quick because the commands' modules are imported when they are asked for, and what they
need (numpy, pandas, zarr, asv, rich …) inside their functions.
"""

from __future__ import annotations

import signal

from storebench.cli._group import CommandEntry, StorebenchGroup
from storebench.cli._options import make_group

__all__ = ["COMMANDS", "app", "main"]

COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry("quick", "quick", "Measure the main choices on one image, in a few minutes."),
    CommandEntry("run", "run", "Run the suites and keep the results."),
    CommandEntry("measure", "measure", "Measure one case."),
    CommandEntry("generate", "volumes", "Make a synthetic volume of any size, block by block."),
    CommandEntry("convert", "volumes", "Store a volume of any size in another format, with its levels."),
    CommandEntry("verify", "volumes", "Compare a stored volume with its source, and its levels."),
    CommandEntry("compare", "compare", "Compare two results, or two settings measured now."),
    CommandEntry("import", "importing", "Bring results of pytest-benchmark and asv into the same table."),
    CommandEntry("report", "results", "Write the HTML report and its figures."),
    CommandEntry("export", "results", "Write the table of results as CSV, Parquet, JSON or Markdown."),
    CommandEntry("list", "listing", "Show what exists: backends, codecs, datasets, patterns, suites."),
    CommandEntry("explain", "explain", "Compute what one read must decode, without any I/O."),
    CommandEntry("doctor", "doctor", "Show this machine, its libraries and what is missing."),
    CommandEntry("clean", "clean", "Remove stored images and left-over files."),
    CommandEntry("completion", "completion", "Print the completion script of a shell."),
)
"""Every command: its name, the module of this package that has it, and its line in the help."""

app: StorebenchGroup = make_group(COMMANDS)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # Ended by `kill` as by Ctrl-C: asv is ended too, and what was measured is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app.main(prog_name="storebench")
