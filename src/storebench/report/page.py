"""Build the page: data picked, figures drawn and saved, the template filled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup

from storebench import __version__
from storebench.advise.ranking import Answer, Unranked
from storebench.analysis import verdict
from storebench.records import Crop, DatasetRecord, Environment
from storebench.report import figures, tables
from storebench.report.answer import answers, other_answers, panel, ranked_of
from storebench.report.imports import imported_blocks, imported_limits
from storebench.report.press import Press
from storebench.report.provenance import headline_facts, limits, noise_fact, provenance_blocks
from storebench.report.results_table import Results, all_results
from storebench.report.section import Story, Studio
from storebench.report.sections import SECTIONS
from storebench.report.style import PLOT_CSS, house_style
from storebench.report.verdicts import verdict_groups
from storebench.report.views import View, clean_frame, clean_records, make_views
from storebench.report.voxel_section import make_voxels
from storebench.results.files import write_atomically
from storebench.results.imported import Imported
from storebench.units import count_text

if TYPE_CHECKING:
    import pandas as pd

FIRST_ROWS: Final = 25
STYLES: Final = ("page.css", "answer.css", "lossy.css", "results.css", "voxels.css")
SCRIPTS: Final = ("answer.js", "results.js", "points.js", "voxels.js")
"""Our own files in `static/`, put into the page one after another; each script stands in a function of its own."""
MOST_SETTINGS: Final = (40, 12)
"""Settings in the first view's table, and in each other view's."""
STATIC_ROWS: Final = 600
"""Up to so many results are all in the HTML itself; of more only the first 25 are, the page's script has the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """What was written.

    Attributes
    ----------
    index : Path
        The page.
    figures : tuple of Path
        Every figure as SVG, PNG and PDF.
    """

    index: Path
    figures: tuple[Path, ...]


def build_report(
    frame: pd.DataFrame,
    environments: Mapping[str, Environment],
    output_dir: Path,
    *,
    datasets: Iterable[DatasetRecord] = (),
    crops: Iterable[Crop] = (),
    imported: Sequence[Imported] = (),
    title: str | None = None,
    press: Press | None = None,
    changes: str | None = None,
    weights: Mapping[str, float] | None = None,
    reads: Mapping[str, float] | None = None,
) -> ReportFiles:
    """Write the page and its figures.

    Parameters
    ----------
    frame : pandas.DataFrame
        The tidy table (docs/results.md).
    environments : mapping of str to Environment
        By `environment_id`; those that are missing are said to be missing.
    output_dir : Path
        Gets `index.html` and `figures/`; made where it is not there.
    datasets : iterable of DatasetRecord
        Their fingerprints are shown with the data.
    crops : iterable of Crop
        Small parts of the images, before they were stored and after.
    imported : sequence of Imported
        Where results of other tools come from.
    title : str, optional
        Heading of the page; without it the dataset's name makes one.
    press : Press, optional
        Writes the figures' PNG and PDF files, beside this process where it has workers; without it this process does.
    changes : str, optional
        What the page of changes beside it says; links to it.
    weights, reads : mapping of str to float, optional
        Priorities: of goals, and of access patterns; as `advise.choosing.answer` takes them.

    Returns
    -------
    ReportFiles
        The paths.
    """
    frame = clean_frame(frame)
    records = clean_records(frame)
    views = make_views(frame, records)
    shown = frame.iloc[[row["position"] for view in views for row in view.records]]
    press = press or Press()
    studio = Studio(Path(output_dir) / "figures", press)
    datasets = list(datasets)
    found = answers(views, weights=weights, reads=reads, datasets=datasets)
    first = found[0] if found and isinstance(found[0], Answer) else None
    story = Story(views=views, records=records, crops=tuple(crops), answer=first)
    with house_style():
        sections = [section for make in SECTIONS for section in make(story, studio)] if views else []
        voxels = make_voxels(story, studio)
    page = _fill(
        all_results(records),
        title=title or _title(views),
        headline=headline_facts(views, records),
        noise=noise_fact(records),
        panel=None if first is None else panel(first),
        no_answer=found[0].sentence if found and isinstance(found[0], Unranked) else "Nothing was measured.",
        ranked_of=ranked_of(views),
        other_answers=other_answers(views, found),
        verdicts=verdict_groups(verdict(shown), views),
        settings=_settings_tables(views),
        sections=sections,
        provenance=[*provenance_blocks(records, environments, datasets), *imported_blocks(imported)],
        limits=[*limits(records), *imported_limits(imported)],
        changes=changes,
        voxels=voxels,
    )
    index = Path(output_dir) / "index.html"
    write_atomically(index, page)
    press.finish()
    return ReportFiles(index=index, figures=tuple(studio.files))


def _fill(results: Results, **parts: Any) -> str:
    """Return the page's text: the template with its parts, and all results as rows and as data."""
    n_static = results.n_rows if results.n_rows <= STATIC_ROWS else FIRST_ROWS
    template = templates().get_template("page.html")
    return template.render(
        version=__version__,
        style=page_style(*STYLES),
        script=script_text(),
        heat_scale=figures.heat_scale(),
        results=results,
        result_rows=[(results.marks(index), results.row(index)) for index in range(n_static)],
        number_places={place for place, column in enumerate(results.columns.values()) if column.is_number},
        count_line=f"{count_text(n_static)} of {count_text(results.n_rows)} rows",
        results_json=_results_json(results),
        **parts,
    )


def _title(views: Sequence[View]) -> str:
    return f"{views[0].dataset or 'Results'}: how to store it" if views else "No results yet"


def templates() -> jinja2.Environment:
    """Return the templates; every value is escaped."""
    loader = jinja2.PackageLoader("storebench.report")
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)


def page_style(*names: str) -> Markup:
    """Return style sheets of `static/`, and what the figures share."""
    return static_text(*names) + PLOT_CSS


def static_text(*names: str) -> Markup:
    """Return files of `static/`, one after another."""
    # our own files, so nothing in them needs escaping
    folder = resources.files("storebench.report") / "static"
    return Markup("\n".join((folder / name).read_text(encoding="utf-8") for name in names))  # noqa: S704


def script_text() -> Markup:
    """Return our scripts as the page carries them: without indentation and lines of comment. No text of theirs spans lines."""
    lines = (line.strip() for line in static_text(*SCRIPTS).splitlines())
    # our own files, so nothing in them needs escaping
    return Markup("\n".join(line for line in lines if line and not line.startswith("//")))  # noqa: S704


def _results_json(results: Results) -> Markup:
    # inside <script> nothing but "<" can end the element or open a comment
    return Markup(results.json.replace("<", "\\u003c"))  # noqa: S704


def _settings_tables(views: Sequence[View]) -> list[tables.Table]:
    """Return a table per view; of many settings in the first the leading ones stand before all."""
    made: list[tables.Table] = []
    for index, view in enumerate(views):
        if not view.settings:
            continue
        whole = tables.settings_table(view, several=len(views) > 1)
        short = tables.leading_rows(whole) if index == 0 else None
        whole = tables.first_rows(whole, MOST_SETTINGS[min(index, 1)])
        made += [whole] if short is None else [short, whole]
    return made
