"""Write the page: the conclusion on its first screen, then how much, which cases, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storebench import __version__
from storebench.report.changes import forest, history
from storebench.report.changes.model import VERDICTS, Changes
from storebench.report.changes.sides import headline, noise_sentences, sides_tables
from storebench.report.changes.tables import MOST_OPEN, counts_table, lost_table, verdict_groups
from storebench.report.page import page_style, templates
from storebench.report.press import Press
from storebench.report.section import Section, Studio
from storebench.report.style import house_style
from storebench.results.files import write_atomically
from storebench.trends import Run
from storebench.units import count_text

PAGE: Final = "changes.html"
_STYLES: Final = ("page.css", "changes.css")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesFiles:
    """What was written.

    Attributes
    ----------
    page : Path
        The page.
    figures : tuple of Path
        Every figure as SVG, PNG and PDF, and its numbers as CSV.
    """

    page: Path
    figures: tuple[Path, ...]


def build_changes(changes: Changes, output_dir: Path, *, press: Press | None = None) -> ChangesFiles:
    """Write the page and its figures.

    Parameters
    ----------
    changes : Changes
        From `find_changes`.
    output_dir : Path
        Gets `changes.html` and `figures/`; made where it is not there.
    press : Press, optional
        Writes PNG and PDF; whoever gives one waits for it to finish.
    """
    studio = Studio(Path(output_dir) / "figures", press)
    with house_style():
        forests = list(forest.make(changes, studio))
        trends = list(history.make(changes, studio))
    page = Path(output_dir) / PAGE
    write_atomically(page, _page_text(changes, forests, trends))
    return ChangesFiles(page=page, figures=tuple(studio.files))


def _page_text(changes: Changes, forests: list[Section], trends: list[Section]) -> str:
    groups = verdict_groups(changes)
    return (
        templates()
        .get_template(PAGE)
        .render(
            version=__version__,
            style=page_style(*_STYLES),
            changes=changes,
            title=headline(changes),
            facts=_facts(changes),
            noise=noise_sentences(changes),
            sides=sides_tables(changes),
            forests=forests,
            groups=groups,
            tally=_tally(changes),
            n_left_out=count_text(left_out) if (left_out := sum(group.n_left_out for group in groups)) else "",
            counts=(counts := counts_table(changes)),
            counts_are_long=counts is not None and len(counts.rows) > MOST_OPEN,
            lost=lost_table(changes),
            trends=trends,
        )
    )


def _tally(changes: Changes) -> list[tuple[str, str, str]]:
    """Return each verdict with its word and how many cases have it."""
    words = {"same": "the same"}
    return [(name, words.get(name, name), count_text(changes.summary.get(f"n_{name}"))) for name in VERDICTS]


def _facts(changes: Changes) -> list[str]:
    """Return the facts below the title."""
    facts = [changes.image] if changes.image else []
    if changes.older is not None and changes.newer is not None:
        facts.append(f"machine {changes.newer.machine or 'unnamed'}")
        facts.append(" → ".join(_side_texts(changes, changes.older, changes.newer)))
    if changes.history:
        n_runs = len(changes.history)
        facts.append("1 run" if n_runs == 1 else f"{count_text(n_runs)} runs")
    if any(run is not None and run.dirty for run in (changes.older, changes.newer)):
        facts.append("* with uncommitted changes")
    return facts


def _side_texts(changes: Changes, *runs: Run) -> list[str]:
    """Name the sides, with their dates where another tool's file has them: trends do not show these."""
    return [
        f"{name} of {changes.measured(run)}" if run.environment_id in changes.imported else name
        for name, run in zip(changes.side_names, runs, strict=True)
    ]
