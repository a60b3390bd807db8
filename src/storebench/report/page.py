"""Build the page: data picked, figures drawn and saved, the template filled."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from storebench import __version__
from storebench.analysis import verdict
from storebench.records import DatasetRecord, Environment
from storebench.report import charts, figures, tables
from storebench.report.provenance import headline_facts, limits, provenance_blocks
from storebench.report.results_table import FILTERED_COLUMNS, TEXT_COLUMNS, Results, all_results
from storebench.report.style import house_style, inline_svg, save_figure
from storebench.report.verdicts import verdict_groups
from storebench.report.views import View, clean_frame, clean_records, make_views
from storebench.report.voxels import CHAPTER_CHUNKS, CHAPTER_REGION, CHAPTER_SHAPE, read_cost, voxel_svg
from storebench.units import MISSING, count_text, shape_text

if TYPE_CHECKING:
    import pandas as pd

FIRST_ROWS: Final = 25
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLink:
    """A figure's file, relative to the page."""

    href: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One section of the page."""

    name: str
    short: str
    finding: str
    about: str
    svg: Markup | None = None
    heat: tables.Table | None = None
    tables: Sequence[tables.Table] = ()
    files: Sequence[FileLink] = field(default_factory=tuple)


class _Studio:
    """Saves figures under one folder and remembers the files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: list[Path] = []
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, figure: Figure, name: str, finding: str) -> tuple[Markup, tuple[FileLink, ...]]:
        """Save a figure; return it for the page with the links to its files."""
        svg, files = save_figure(figure, self.folder, name)
        self.files += files.values()
        links = tuple(
            FileLink(href=f"{self.folder.name}/{path.name}", kind=kind.upper()) for kind, path in files.items()
        )
        # inline_svg escapes the finding, and matplotlib every text of the figure
        return Markup(inline_svg(svg, name, finding)), links  # noqa: S704


def build_report(
    frame: pd.DataFrame,
    environments: Mapping[str, Environment],
    output_dir: Path,
    *,
    datasets: Iterable[DatasetRecord] = (),
    title: str | None = None,
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
    title : str, optional
        Heading of the page; without it the dataset's name makes one.

    Returns
    -------
    ReportFiles
        The paths.
    """
    frame = clean_frame(frame)
    records = clean_records(frame)
    views = make_views(frame)
    shown = frame.iloc[[row["position"] for view in views for row in view.records]]
    studio = _Studio(Path(output_dir) / "figures")
    with house_style():
        sections = [chart for view in views[:1] for chart in _charts(view, studio)]
        voxels = _voxels(studio)
    page = _fill(
        all_results(records),
        title=title or _title(views),
        headline=headline_facts(views, records),
        verdicts=verdict_groups(verdict(shown), views),
        settings=_settings_tables(views),
        charts=sections,
        provenance=provenance_blocks(records, environments, datasets),
        limits=limits(records),
        **voxels,
    )
    index = Path(output_dir) / "index.html"
    index.write_text(page, encoding="utf-8")
    return ReportFiles(index=index, figures=tuple(studio.files))


def _fill(results: Results, **parts: Any) -> str:
    """Return the page's text: the template with its parts, and all results as rows and as data."""
    n_static = results.n_rows if results.n_rows <= STATIC_ROWS else FIRST_ROWS
    template = _environment().get_template("page.html")
    return template.render(
        version=__version__,
        style=_static("page.css"),
        script=_static("page.js"),
        heat_scale=figures.heat_scale(),
        results=results,
        result_rows=[results.row(index) for index in range(n_static)],
        text_columns=TEXT_COLUMNS,
        count_line=f"{count_text(n_static)} of {count_text(results.n_rows)} rows",
        results_json=_results_json(results),
        **parts,
    )


def _title(views: Sequence[View]) -> str:
    return f"{views[0].dataset or 'Results'}: how to store it" if views else "No results yet"


def _environment() -> jinja2.Environment:
    loader = jinja2.PackageLoader("storebench.report")
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)


def _static(name: str) -> Markup:
    # our own file, so nothing in it needs escaping
    text = (resources.files("storebench.report") / "static" / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704


def _results_json(results: Results) -> Markup:
    data = {
        "n_rows": results.n_rows,
        "missing": MISSING,
        "text_columns": TEXT_COLUMNS,
        "filtered": FILTERED_COLUMNS,
        "columns": results.columns,
    }
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # inside <script> nothing but "<" can end the element or open a comment
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def _settings_tables(views: Sequence[View]) -> list[tables.Table]:
    """Return a table per view; of many settings in the first the leading ones stand before all."""
    made: list[tables.Table] = []
    for index, view in enumerate(views):
        if not view.settings:
            continue
        whole = tables.settings_table(view, several=len(views) > 1)
        short = tables.leading_rows(whole) if index == 0 else None
        made += [whole] if short is None else [short, whole]
    return made


def _charts(view: View, studio: _Studio) -> Iterator[Chart]:
    terms = f"{charts.view_text(view)}, {view.cache or 'unknown'} cache."
    if (formats := charts.format_chart(view)) is not None:
        svg, files = studio.save(figures.draw_formats(formats), "formats", formats.finding)
        about = f"Time of one read by access pattern, log scale; left is faster. {terms}"
        yield Chart(
            name="formats", short="Formats", finding=formats.finding, about=about, svg=svg, files=files,
            tables=[tables.format_table(view, formats)],
        )  # fmt: skip
    if (trade := charts.trade_chart(view)) is not None:
        svg, files = studio.save(figures.draw_trade(trade), "tradeoff", trade.finding)
        about = f"One point is one setting. Up is smaller, left is faster; the line joins what no other setting beats. {terms}"
        yield Chart(
            name="tradeoff", short="Size against time", finding=trade.finding, about=about, svg=svg, files=files,
            tables=tables.trade_tables(trade),
        )  # fmt: skip
    if (chunks := charts.chunk_chart(view)) is not None:
        yield from _chunk_sections(chunks, terms, studio)


def _chunk_sections(chunks: charts.ChunkChart, terms: str, studio: _Studio) -> Iterator[Chart]:
    same = f"{chunks.backend} with {chunks.codec} throughout"
    _, files = studio.save(figures.draw_heat(chunks), "chunks", chunks.finding)
    about = f"{same}; the stronger the colour, the further from the best of its column. {terms}"
    heat = tables.heat_table(chunks)
    yield Chart(name="chunks", short="Chunk shapes", finding=chunks.finding, about=about, heat=heat, files=files)
    finding = chunks.amplification_finding
    svg, files = studio.save(figures.draw_amplification(chunks), "amplification", finding)
    about = (
        f"What the chunk grid predicts, what the store was asked for, what the clock says; log scales. {same}. {terms}"
    )
    yield Chart(
        name="amplification", short="Read amplification", finding=finding, about=about, svg=svg, files=files,
        tables=[tables.amplification_table(chunks)],
    )  # fmt: skip


def _voxels(studio: _Studio) -> dict[str, Any]:
    costs = [read_cost(CHAPTER_SHAPE, chunk_shape, CHAPTER_REGION) for chunk_shape in CHAPTER_CHUNKS]
    _, files = studio.save(figures.draw_voxels(costs), "voxels", costs[0].sentence)
    pictures = [
        {"cost": cost, "svg": Markup(voxel_svg(cost)), "chunks": shape_text(cost.chunk_shape)}  # noqa: S704
        for cost in costs
    ]
    return {"voxels": pictures, "voxel_shape": shape_text(CHAPTER_SHAPE), "voxel_files": files}
