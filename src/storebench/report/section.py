"""One section of the page, and the studio that turns its figure into files. What a section shows is made in `sections/`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from storebench.advise.ranking import Answer
from storebench.records import Crop
from storebench.report.pictures import Picture
from storebench.report.press import Press, figure_svg
from storebench.report.style import inline_svg
from storebench.report.tables import Table
from storebench.report.views import Record, View
from storebench.results.spreadsheet import as_text_cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the sections are made from.

    Attributes
    ----------
    views : sequence of View
        The one with the most results first; most sections show that one alone.
    records : sequence of Record
        Every row of the clean table; a record's `position` is its place in the page's table of all results.
    crops : sequence of Crop
        The small parts of images that measuring kept, before they were stored and after.
    answer : Answer or None
        Of the first view; None where nothing can be ranked.
    """

    views: Sequence[View]
    records: Sequence[Record]
    crops: Sequence[Crop] = ()
    answer: Answer | None = None

    @property
    def view(self) -> View:
        """The dataset, machine and environment that the figures are about."""
        return self.views[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLink:
    """A figure's file, relative to the page."""

    href: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of the page: a finding, the figure that shows it, its numbers.

    Attributes
    ----------
    name : str
        Id on the page, and name of the figure's files.
    short : str
        For the navigation, a word or two.
    finding : str
        The heading: what the figure shows, as a sentence.
    about : str
        One or two sentences: what is drawn and how to read it, and on which terms it was measured.
    svg : Markup or None
        The figure; None where a heat map's table is the figure, or pictures are.
    pictures : sequence of Picture
        Small pictures with captions, beside each other.
    heat : Table or None
        A heat map as a table.
    tables : sequence of Table
        The figure's numbers.
    files : sequence of FileLink
        Figure as SVG, PNG, PDF, and its data as CSV.
    points : mapping of str to sequence of (int or None)
        Group of points in the figure (matplotlib's gid) → for each point, in the order drawn, the position of its row in the
        table of all results. The page's script shows the row at the point, and fades points whose row is filtered out.
    """

    name: str
    short: str
    finding: str
    about: str
    svg: Markup | None = None
    pictures: Sequence[Picture] = ()
    heat: Table | None = None
    tables: Sequence[Table] = ()
    files: Sequence[FileLink] = ()
    points: Mapping[str, Sequence[int | None]] = field(default_factory=dict)

    @property
    def points_json(self) -> str:
        """The points by the id that their group has on the page."""
        return json.dumps(
            {f"{self.name}-{gid}": list(rows) for gid, rows in self.points.items()}, separators=(",", ":")
        )


class Studio:
    """Saves figures and their data under one folder, and remembers the files.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    press : Press, optional
        Writes PNG and PDF; whoever gives one waits for it to finish.
    """

    def __init__(self, folder: Path, press: Press | None = None) -> None:
        self.folder = folder
        self.press = press or Press()
        self.files: list[Path] = []
        folder.mkdir(parents=True, exist_ok=True)

    def save(
        self,
        figure: Figure,
        name: str,
        finding: str,
        data: Sequence[Mapping[str, Any]],
        *,
        groups: Sequence[str] = (),
    ) -> tuple[Markup, tuple[FileLink, ...]]:
        """Save a figure and its numbers; return the figure for the page, and the links to its files.

        Parameters
        ----------
        figure : Figure
            Drawn in `house_style`.
        name : str
            File name without suffix.
        finding : str
            Text alternative of the figure.
        data : sequence of mapping
            One mapping per drawn item, plain numbers with the unit in the name; all with the same keys.
        groups : sequence of str
            The gids of the figure's groups of points, as in `Section.points`.
        """
        files = {kind: self.folder / f"{name}.{kind}" for kind in ("svg", "png", "pdf", "csv")}
        svg = figure_svg(figure, name)
        files["svg"].write_text(svg, encoding="utf-8")
        self.press.save(figure, files["png"], files["pdf"])
        files["csv"].write_text(csv_text(data), encoding="utf-8")
        self.files += files.values()
        links = tuple(
            FileLink(href=f"{self.folder.name}/{path.name}", kind=kind.upper()) for kind, path in files.items()
        )
        # inline_svg escapes the finding, and matplotlib every text of the figure
        return Markup(inline_svg(svg, name, finding, keep=groups)), links  # noqa: S704


def csv_text(data: Sequence[Mapping[str, Any]]) -> str:
    """Return records as CSV: a header, numbers as Python writes them, nothing where nothing was measured, no formulas."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(data[0]) if data else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: as_text_cell(value) for name, value in row.items()} for row in data)
    return stream.getvalue()
