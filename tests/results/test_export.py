"""The tidy table for other tools: nothing invented, nothing lost."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from storebench.errors import MissingDependencyError, StorageError, UnknownNameError, UsageError
from storebench.records import SCHEMA_VERSION, Case, Row, Sample
from storebench.report.section import csv_text
from storebench.results import export as export_module
from storebench.results.export import export
from storebench.results.frame import COLUMNS, load_results, tidy_frame, tidy_row

CASE = Case(dataset="a|b", shape=(8, 8), dtype="uint16", axes="yx", operation="write", backend="npy-numpy")
SAMPLES = tuple(Sample(wall_s=x, open_s=None, cpu_s=0.1, started_at=x, process_id="p") for x in (0.1, 0.2, 0.3))


@pytest.fixture
def frame() -> pd.DataFrame:
    ok = Row(case=CASE, status="ok", format="npy", library="numpy", logical_bytes=2**20, samples=SAMPLES)
    other = Row(
        case=Case(dataset="z", shape=(8, 8), dtype="uint8", axes="yx", operation="read", backend="png-imageio"),
        status="skipped",
        reason="no | pipes\nplease",
        format="png",
        library="imageio",
    )
    return tidy_frame([tidy_row(ok), tidy_row(other)]).sort_values("status", ignore_index=True)


def test_json_has_arrays_and_nulls(frame: pd.DataFrame) -> None:
    data = json.loads(export(frame, "json") or "", parse_constant=lambda _: pytest.fail("NaN is no JSON"))
    assert data["schema_version"] == SCHEMA_VERSION
    first, second = data["rows"]
    assert list(first) == list(COLUMNS)
    assert (first["shape"], first["samples_s"], first["median_s"], first["logical_bytes"]) == (
        [8, 8],
        [0.1, 0.2, 0.3],
        0.2,
        2**20,
    )
    assert (second["median_s"], second["samples_s"], second["n_samples"], second["low_confidence"]) == (None,) * 4


def test_csv_reads_back(frame: pd.DataFrame, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "x.csv"
    assert export(frame, "csv", target) is None
    back = pd.read_csv(target)
    assert list(back.columns) == list(COLUMNS)
    assert (back["shape"][0], back["samples_s"][0], back["median_s"][0]) == ("8x8", "0.1 0.2 0.3", 0.2)
    assert back["samples_process"][0] == "0 0 0"
    assert back["median_s"].isna()[1]


@pytest.mark.parametrize("name", ['=HYPERLINK("http://x","y")', "+1+1", "-2-3", "@SUM(1)"])
def test_a_name_is_no_formula_in_any_csv(name: str, frame: pd.DataFrame) -> None:
    lost = {"name": name, "change_s": -0.25, "change": "-1.5e-3", "unit": "a-b"}
    of_a_figure = csv_text([lost])
    table = export(frame.assign(dataset=name, noise="a-b"), "csv") or ""
    for text in (of_a_figure, table):
        cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
        assert f"'{name}" in cells
        assert "a-b" in cells
        assert not [cell for cell in cells if cell[:1] in set("=+-@") and not re.fullmatch(r"-[\d.e-]+", cell)]
    assert list(csv.reader(io.StringIO(of_a_figure)))[1][1:3] == ["-0.25", "-1.5e-3"]


def test_markdown_is_one_line_a_row_with_escaped_pipes(frame: pd.DataFrame) -> None:
    lines = (export(frame, "markdown") or "").splitlines()
    assert len(lines) == 4
    assert "a\\|b" in lines[2]
    assert "200 ms" in lines[2]
    assert "no \\| pipes please" in lines[3]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_parquet_reads_back(frame: pd.DataFrame, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    export(frame, "parquet", tmp_path / "x.parquet")
    back = pd.read_parquet(tmp_path / "x.parquet")
    assert list(back.columns) == list(COLUMNS)
    assert list(back["samples_s"][0]) == [0.1, 0.2, 0.3]
    assert back["samples_s"][1] is None
    assert list(back["samples_process"][0]) == [0, 0, 0]
    assert back["shard_shape"].isna().all()
    assert back["logical_bytes"][0] == 2**20


def test_what_cannot_be_is_a_sentence(frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean csv"):
        export(frame, "cvs")
    with pytest.raises(UsageError, match="give a file"):
        export(frame, "parquet")
    (tmp_path / "f").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        export(frame, "csv", tmp_path / "f" / "x.csv")
    monkeypatch.setattr(export_module, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r'pip install "storebench\[parquet\]"'):
        export(frame, "parquet", tmp_path / "x.parquet")


def test_real_results_export_to_every_text(tmp_path: Path) -> None:
    frame = load_results(Path(__file__).parents[1] / "data" / "asv")
    for name in ("csv", "json", "markdown"):
        assert export(frame, name)
