"""Growth: with the voxels of the image, and with the chunks it is cut into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.report.sections import growth, growth_costs

from ._picked import csv_of, points_of, row, sections, table


def _sizes(exponent: float, edges: tuple[int, ...] = (64, 128, 256), **columns: Any) -> list[dict[str, Any]]:
    return [row(1e-3 * (edge / 64) ** (3 * exponent), shape=(edge,) * 3, **columns) for edge in edges]


_CUTS = {100: (50, 40, 40), 1000: (20, 20, 20), 10_000: (10, 8, 10), 100_000: (5, 4, 4)}


def _cuts(per_chunk_s: float = 1e-5, late: float = 1.0, **columns: Any) -> list[dict[str, Any]]:
    """Return one image cut in four ways; with 100,000 chunks each takes `late` times as long."""
    return [
        row(
            per_chunk_s * n * (late if n == 100_000 else 1),
            shape=(200, 200, 200),
            chunk_shape=chunk,
            codec="none",
            **columns,
        )
        for n, chunk in _CUTS.items()
    ]


@pytest.mark.parametrize(
    ("exponent", "finding"),
    [
        (
            0.7,
            "Time grows less than in proportion to the voxels (zarr3-zarrpython 64x64x64 zstd-3, read whole: exponent 0.70)",
        ),
        (1.0, "Time is not shown to grow other than in proportion to the voxels"),
        (1.3, "Time grows more than in proportion to the voxels"),
    ],
)
def test_the_exponent_is_the_datas(exponent: float, finding: str, tmp_path: Path) -> None:
    (section,) = sections(growth.by_size, table(_sizes(exponent)), tmp_path)
    data = csv_of(section, tmp_path)
    assert data["exponent"].tolist() == pytest.approx([exponent] * 3, abs=0.01)
    assert data["voxels"].tolist() == [64**3, 128**3, 256**3]
    assert section.finding.startswith(finding)
    assert len(points_of(section)) == 3
    assert f">{exponent:.2f}<" in (section.svg or "")


def test_cases_that_differ_are_counted_and_parts_apart(tmp_path: Path) -> None:
    rows = _sizes(0.7) + _sizes(1.3, operation="write") + _sizes(1.0, codec="none")
    rows += _sizes(0.0, pattern="roi64") + _sizes(0.3, operation="open")
    (section,) = sections(growth.by_size, table(rows), tmp_path)
    assert section.finding.startswith(
        "Of 3 cases, time grows less than in proportion in 1 and more than in proportion in 1 to the voxels; in 1 it may be"
    )
    assert "to open it, or read a part, is shown to take longer the larger it is in 1 of 2 cases" in section.finding


def test_two_sizes_have_no_law(tmp_path: Path) -> None:
    (section,) = sections(growth.by_size, table(_sizes(1.0, (64, 128))), tmp_path)
    assert section.finding == (
        "8.00x the voxels takes 8.00x the time (zarr3-zarrpython 64x64x64 zstd-3, read whole); a law of growth needs three sizes"
    )
    assert csv_of(section, tmp_path)["exponent"].isna().all()


def test_a_plane_and_a_volume_of_one_name_are_two_images(tmp_path: Path) -> None:
    rows = [row(1e-3, chunk_shape=None), row(1e-3, chunk_shape=None, shape=(512, 512), axes="yx")]
    assert sections(growth.by_size, table(rows), tmp_path) == []


def test_planes_of_a_stack_are_one_setting_and_other_chunks_are_not(tmp_path: Path) -> None:
    stack = [row(1e-3 * n, shape=(n,) * 3, chunk_shape=(1, n, n), backend="tiffstack-tifffile") for n in (64, 128, 256)]
    (section,) = sections(growth.by_size, table(stack), tmp_path)
    assert set(csv_of(section, tmp_path)["setting"]) == {"tiffstack-tifffile zstd-3"}
    differ = [row(1e-3 * n, shape=(n,) * 3, chunk_shape=(n // 2,) * 3) for n in (64, 128, 256)]
    assert sections(growth.by_size, table(differ), tmp_path) == []


def test_memory_bytes_and_requests_have_laws_of_their_own(tmp_path: Path) -> None:
    rows = [
        row(1e-3 * n, shape=(n,) * 3, peak_memory_bytes=4 * n**3, fetched_bytes=n**2, requests=5, pattern="plane_xz")
        for n in (512, 1024, 2048)
    ]
    (section,) = sections(growth_costs.by_size, table(rows), tmp_path)
    data = csv_of(section, tmp_path)
    slopes = data.groupby("cost")["exponent"].first()
    assert slopes["memory_bytes"] == pytest.approx(1)
    assert slopes["bytes"] == pytest.approx(2 / 3)
    assert slopes["requests"] == pytest.approx(0)
    cells = section.tables[0].rows[0]
    assert [cells[place].text for place in (4, 7, 10)] == ["1.00", "0.67", "0.00"]
    assert [cell.text for cell in cells[2:4]] == ["512 MiB", "32.0 GiB"]
    assert section.finding == "Exponents by the voxels: memory 1.00, bytes moved 0.67, requests 0.00"
    assert len(points_of(section)) == 9


def test_memory_that_leaves_its_line_is_named(tmp_path: Path) -> None:
    rows = [
        row(
            1e-3 * n,
            shape=(200, 200, 200),
            chunk_shape=chunk,
            operation="write",
            peak_memory_bytes=n * 2**20 * (1 + 4 * (n > 10**4)),
        )
        for n, chunk in _CUTS.items()
    ]
    (section,) = sections(growth_costs.by_objects, table(rows), tmp_path)
    assert section.finding.startswith(
        "From 100,000 chunks on, zarr3-zarrpython zstd-3, write, needs 5.00x the memory that smaller sizes foretell; exponents"
    )


def test_a_line_that_is_left_is_named_and_ringed(tmp_path: Path) -> None:
    rows = _cuts(operation="list", late=3.0) + _cuts(operation="delete") + _cuts(operation="open", per_chunk_s=2e-5)
    (section,) = sections(growth.by_objects, table(rows), tmp_path)
    assert section.finding.startswith(
        "From 100,000 chunks on, zarr3-zarrpython none, list, takes 3.00x as long per chunk as smaller sizes foretell; of 3 cases"
    )
    data = csv_of(section, tmp_path)
    left = data[data["leaves_its_line"]]
    assert left[["task", "chunks"]].to_numpy().tolist() == [["list", 100_000]]
    assert "leaves its line" in (section.svg or "")
    by_case = {cells[0].text: cells for cells in section.tables[0].rows}
    assert "from 100,000 chunks on 3.00x" in by_case["zarr3-zarrpython none, list"][-1].detail
    assert by_case["zarr3-zarrpython none, delete"][-2].detail == "10.0 us per chunk"


def test_the_finding_flips_with_the_data(tmp_path: Path) -> None:
    (section,) = sections(growth.by_objects, table(_cuts(operation="list")), tmp_path)
    assert section.finding.startswith("Time is not shown to grow other than in proportion to the chunks")
    assert "leaves its line" not in (section.svg or "")


def test_shards_are_a_setting_and_parts_of_an_image_are_left_out(tmp_path: Path) -> None:
    rows = _cuts() + _cuts(shard_shape=(200, 200, 200)) + _cuts(pattern="plane_xz")
    (section,) = sections(growth.by_objects, table(rows), tmp_path)
    data = csv_of(section, tmp_path)
    assert set(data["setting"]) == {"zarr3-zarrpython none", "zarr3-zarrpython none in 200x200x200"}
    assert set(data["task"]) == {"read whole"}


def test_a_page_keeps_its_size_with_all_that_the_suite_measures(tmp_path: Path) -> None:
    """`check` holds each figure to 60 kB: ten formats on five cubes, five tasks."""
    formats = [f"format{n}-library" for n in range(10)]
    tasks = [{"operation": "write"}, {}, {"pattern": "roi64"}, {"pattern": "plane_xz"}, {"operation": "open"}]
    edges = (64, 128, 256, 512, 1024)
    facts = {"peak_memory_bytes": 10**9, "fetched_bytes": 1000, "requests": 10}
    rows = [r for name in formats for task in tasks for r in _sizes(0.9, edges, backend=name, **task, **facts)]
    (time,) = sections(growth.by_size, table(rows), tmp_path)
    (costs,) = sections(growth_costs.by_size, table(rows), tmp_path)
    assert len(points_of(time)) == 7 * 5 * 5
    assert len(points_of(costs)) == 7 * 5 * 3


def test_the_image_cut_into_the_most_chunks_is_shown(tmp_path: Path) -> None:
    other = [row(1e-3, chunk_shape=(edge,) * 3, operation=what) for edge in (16, 32, 64) for what in ("read", "write")]
    (section,) = sections(growth.by_objects, table(other + _cuts()), tmp_path)
    assert set(csv_of(section, tmp_path)["shape"]) == {"200x200x200"}
    assert "ct 200x200x200 uint16" in section.about
