"""Of the limit: every result as a part of what the machine can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storebench.report.sections import limits

from ._picked import csv_of, points_of, row, sections, table


def _result(fraction: float, codec: str, **columns: Any) -> dict[str, Any]:
    limit_s = 0.01 * fraction
    parts = {"limit_requests_s": limit_s / 4, "limit_bytes_s": limit_s / 4, "limit_decode_s": limit_s / 2}
    return row(0.01, codec=codec, limit_s=limit_s, limit_fraction=fraction, **parts, **columns)


def _results(best: float = 0.61) -> list[dict[str, Any]]:
    reads = [_result(fraction, f"gzip-{n}") for n, fraction in enumerate((0.01, 0.05, 0.09, 0.3, best))]
    return [*reads, _result(0.2, "none", operation="write"), _result(0.2, "none", cache="cold")]


def test_every_result_is_a_point_and_a_line_of_the_data(tmp_path: Path) -> None:
    (section,) = sections(limits.make, table(_results()), tmp_path)
    data = csv_of(section, tmp_path)
    assert sorted(data["limit_fraction"]) == pytest.approx([0.01, 0.05, 0.09, 0.2, 0.2, 0.3, 0.61])
    assert set(data["operation"]) == {"read", "write", "read, cold"}
    assert len(set(points_of(section))) == 7
    assert (
        section.finding
        == "The best read reaches 61.0 % of what this machine can do; half of the reads are below 9.00 %"
    )
    assert "above 100 %" not in section.about


def test_the_best_and_the_worst_are_named_with_their_parts(tmp_path: Path) -> None:
    (section,) = sections(limits.make, table(_results()), tmp_path)
    best, worst = section.tables[0].rows[:2]
    assert [cell.text for cell in best][:3] == ["read, best of 5", "zarr3-zarrpython 64x64x64 gzip-4", "61.0 %"]
    assert [cell.text for cell in best][4:] == ["6.10 ms", "1.53 ms", "1.53 ms", "3.05 ms"]
    assert [cell.text for cell in worst][:3] == ["read, worst of 5", "zarr3-zarrpython 64x64x64 gzip-0", "1.00 %"]


def test_beyond_the_limit_is_shown_and_explained(tmp_path: Path) -> None:
    (section,) = sections(limits.make, table(_results(best=1.4)), tmp_path)
    assert section.finding.startswith("1 of 5 reads reach what this machine can do")
    assert "1 of 7 results lie above 100 %" in section.about
    assert csv_of(section, tmp_path)["limit_fraction"].max() == pytest.approx(1.4)


def test_one_machine_alone_is_shown(tmp_path: Path) -> None:
    other = [{**r, "machine": "lab-2", "limit_fraction": 0.99} for r in _results()[:2]]
    (section,) = sections(limits.make, table([*_results(), *other]), tmp_path)
    assert len(csv_of(section, tmp_path)) == 7
    assert "Measured on lab-1 in py3 at c1" in section.about


def test_of_many_results_the_best_stays(tmp_path: Path) -> None:
    rows = [_result((n + 1) / 5001, f"gzip-{n}") for n in range(5000)]
    frame = table(rows)
    (section,) = sections(limits.make, frame, tmp_path)
    assert 300 < len(points_of(section)) <= 610
    best = int(frame["limit_fraction"].argmax())
    assert best in points_of(section)
