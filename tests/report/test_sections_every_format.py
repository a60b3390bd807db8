"""Every format on one image: the fastest setting of each, by family and time; nothing where few were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.backends import BACKENDS
from storebench.report.sections import every_format
from storebench.report.sections.every_format import FAMILIES, LEAST_BACKENDS, OTHERS, family_of

from ._picked import csv_of, points_of, row, sections, table

_BACKENDS = [name for name in BACKENDS if not name.startswith(("png-", "jp2-", "htj2k-"))]
_TASKS: tuple[dict[str, Any], ...] = (
    *({"operation": "read", "pattern": name} for name in ("whole", "plane_xy", "plane_xz", "roi32", "voxel")),
    {"operation": "write"},
)


def _rows(backends: list[str], **columns: Any) -> list[dict[str, Any]]:
    """Return a row of each task and backend: the later in the list, the slower."""
    return [
        row(0.01 * (n + 1) * (m + 1), backend=backend, **(task | columns))
        for n, backend in enumerate(backends)
        for m, task in enumerate(_TASKS)
    ]


def test_each_backend_is_drawn_once_in_each_panel_by_family_and_time(tmp_path: Path) -> None:
    slower = [{**found, "median_s": found["median_s"] * 2} for found in _rows(_BACKENDS[:3], codec="gzip-1")]
    fast = [{**found, "median_s": found["median_s"] / 2, "codec": "jp2-ratio-10"} for found in _rows(_BACKENDS[:2])]
    (section,) = sections(every_format.make, table([*_rows(_BACKENDS), *slower, *fast]), tmp_path)
    data = csv_of(section, tmp_path)
    assert len(data) == len(points_of(section)) == len(_BACKENDS) * len(_TASKS)
    assert data["task"].drop_duplicates().tolist() == ["whole", "plane_xy", "plane_xz", "roi32", "voxel", "write"]
    shown = data[data["task"] == "whole"]
    assert shown["family"].ne(shown["family"].shift()).sum() == shown["family"].nunique()  # each stands together
    for task, members in data.groupby("task"):
        assert members["backend"].tolist() == shown["backend"].tolist(), task
        assert all(family["median_s"].is_monotonic_increasing for _, family in members.groupby("family"))
    assert set(shown["family"]) <= set(FAMILIES)
    npy = data[(data["backend"] == "npy-numpy") & (data["task"] == "whole")]
    assert npy["setting"].tolist() == ["npy-numpy 64x64x64 zstd-3"]  # the fastest lossless one
    first, last = _BACKENDS[1], _BACKENDS[-1]  # npy, the baseline, is drawn and not told
    assert section.finding.startswith(
        f"{len(_BACKENDS)} formats and libraries: the whole image takes 20.0 ms ({first}) to"
    )
    assert f"({last})" in section.finding
    (table_of_families,) = section.tables
    assert [cells[0].text for cells in table_of_families.rows] == data["family"].drop_duplicates().tolist()


def test_few_backends_make_no_section(tmp_path: Path) -> None:
    assert sections(every_format.make, table(_rows(_BACKENDS[: LEAST_BACKENDS - 1])), tmp_path) == []
    cold = [{**found, "cache": "cold"} for found in _rows(_BACKENDS)]
    assert sections(every_format.make, table([found for found in cold if found["operation"] == "read"]), tmp_path) == []


def test_another_image_has_a_section_of_its_own(tmp_path: Path) -> None:
    other = _rows(_BACKENDS, dataset="labels_dense")[:: len(_TASKS)]
    first, second = sections(every_format.make, table([*_rows(_BACKENDS), *other]), tmp_path)
    assert (first.name, second.name) == ("every-format", "every-format-2")
    assert "labels_dense" in second.about
    assert f'id="{second.name}"' not in first.svg  # which the page gives to the second section


def test_seventy_backends_fit(tmp_path: Path) -> None:
    """`check` holds the figure to 60 kB."""
    many = [*_BACKENDS, *(f"omezarr-0.5-anotherlibrary{n}" for n in range(70 - len(_BACKENDS)))]
    (section,) = sections(every_format.make, table(_rows(many)), tmp_path)
    assert len(set(csv_of(section, tmp_path)["backend"])) == 70


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_has_a_family(backend: str) -> None:
    assert family_of(backend) != OTHERS or backend.startswith("npy-")
