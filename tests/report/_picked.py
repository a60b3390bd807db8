"""Rows of the tidy table made one by one, for sections that are picked from all rows; and sections made from them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from storebench.report.press import Press
from storebench.report.section import Section, Story, Studio
from storebench.report.style import house_style
from storebench.report.views import clean_frame, clean_records, make_views
from storebench.results.columns import COLUMNS
from storebench.results.frame import tidy_frame
from storebench.results.intervals import low_confidence, median_interval

from ._press import PageAlone

Make = Callable[[Story, Studio], Iterator[Section]]


def row(median_s: float, *, n_samples: int = 8, spread: float = 0.02, **columns: Any) -> dict[str, Any]:
    """Return a row whose samples lie around a median, from four processes; other columns as given."""
    samples = [median_s * (1 + spread * (i - (n_samples - 1) / 2) / n_samples) for i in range(n_samples)]
    processes = [i % 4 for i in range(n_samples)]
    interval = median_interval(samples, processes)
    base: dict[str, Any] = {
        "dataset": "ct", "shape": (128, 128, 128), "dtype": "uint16", "axes": "zyx", "seed": 0,
        "backend": "zarr3-zarrpython", "codec": "zstd-3", "chunk_shape": (64, 64, 64), "operation": "read",
        "pattern": "whole", "n_levels": 1, "stack_axis": 0, "store": "local", "cache": "warm", "durability": "returned",
        "status": "ok", "samples_s": samples, "samples_process": processes, "n_samples": n_samples, "n_processes": 4,
        "low_confidence": low_confidence(n_samples, 4), "median_s": interval.median, "ci95_low_s": interval.low,
        "ci95_high_s": interval.high, "machine": "lab-1", "environment": "py3", "environment_id": "e1", "commit": "c1",
    }  # fmt: skip
    values = base | columns
    if values["operation"] == "write":
        values["pattern"] = None
    values["case_id"] = columns.get("case_id") or "/".join(
        str(values[name]) for name in base if not name.startswith("sam")
    )
    logical = math.prod(values["shape"]) * 2
    return dict.fromkeys(COLUMNS) | {"logical_bytes": logical, "asked_bytes": logical} | values


def table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as a clean table."""
    return clean_frame(tidy_frame(rows))


def story_of(frame: pd.DataFrame) -> Story:
    """Return what sections are picked from: half of the time of a small section, so tests of one table share it."""
    frame = clean_frame(frame)
    records = clean_records(frame)
    return Story(views=make_views(frame, records), records=records)


def sections(make: Make, shown: pd.DataFrame | Story, folder: Path, *, for_paper: bool = False) -> list[Section]:
    """Return what a section's module makes of a table, and hold what every section must hold."""
    story = story_of(shown) if isinstance(shown, pd.DataFrame) else shown
    if not story.views:
        return []
    with house_style():
        made = list(make(story, Studio(folder, Press() if for_paper else PageAlone())))
    for section in made:
        check(section, len(story.records))
    return made


def check(section: Section, n_rows: int) -> None:
    """Hold a section to its size, its words, and its points: one drawn point per row named, in groups of the figure."""
    svg = section.svg or ""
    assert len(svg.encode()) <= 60_000, section.name
    for group, positions in section.points.items():
        assert drawn_points(svg, f"{section.name}-{group}") == len(positions), group
        assert all(position is None or 0 <= position < n_rows for position in positions)
    words = [section.finding, section.about, *(table.caption for table in section.tables)]
    words += [
        text for table in section.tables for row in table.rows for cell in row for text in (cell.text, cell.detail)
    ]
    assert not [text for text in words if re.search(r"\b(nan|None|inf)\b", text)]
    assert section.finding
    assert not section.finding.endswith(".")
    for shown in section.tables:
        assert {len(cells) for cells in shown.rows} <= {len(shown.columns)}


def drawn_points(svg: str, group: str) -> int:
    """Return how many points stand in a group of the figure."""
    match = re.search(rf'<g id="{re.escape(group)}"[^>]*>', svg)
    assert match, group
    depth, end = 1, match.end()
    for tag in re.finditer(r"<g\b[^>]*>|</g>", svg[match.end() :]):
        depth += 1 if tag[0].startswith("<g") else -1
        if depth == 0:
            end = match.end() + tag.start()
            break
    return len(re.findall(r"<use\b", svg[match.end() : end]))


def points_of(section: Section) -> list[int | None]:
    """Return the rows of all points."""
    return [position for positions in section.points.values() for position in positions]


def csv_of(section: Section, folder: Path) -> pd.DataFrame:
    """Return the section's data as written for others."""
    return pd.read_csv(folder / f"{section.name}.csv")
