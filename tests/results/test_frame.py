"""The tidy table: the documented columns, asv's rows joined with the journal's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from storebench.errors import ResultsError
from storebench.records import Case, Environment, Row, Sample
from storebench.results.asv import publish_asv_result
from storebench.results.columns import FLAGS, FLOATS, INTS, TEXT, TUPLES
from storebench.results.frame import COLUMNS, has_results, load_results, tidy_frame, tidy_row
from storebench.results.journal import Journal

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "asv"
RAW = DATA / "lab-1" / "99314dc2-existing-py_home_jane_venv_bin_python3.11.json"
READ = "bench_tiny.Read.time_read"
CASE = Case(
    dataset="ct",
    shape=(8, 8, 8),
    dtype="uint16",
    axes="zyx",
    operation="read",
    backend="zarr3-zarrpython",
    chunk_shape=(4, 4, 4),
    codec="zstd-3",
    pattern="plane_xz",
)
ROW = Row(
    case=CASE,
    status="ok",
    format="zarr3",
    library="zarr",
    logical_bytes=1024,
    stored_bytes=512,
    voxels_asked=64,
    voxels_decoded=256,
    chunk_shape=(4, 4, 4),
)
ENVIRONMENT = Environment(
    python="3.11.7", libraries={"zarr": "3.1.6"}, builds={}, machine={}, storebench="0.1.0", dirty=False
)


@dataclass(frozen=True)
class Asker:
    params: tuple[str, ...]
    run: str | None = None
    benchmark: str | None = READ


def samples(n: int, processes: int = 4) -> tuple[Sample, ...]:
    return tuple(
        Sample(wall_s=0.001 * (i + 1), open_s=0.0001, cpu_s=0.002, started_at=float(i), process_id=str(i % processes))
        for i in range(n)
    )


def test_columns_are_those_of_the_docs() -> None:
    table = (ROOT / "docs" / "results.md").read_text().split("| column |")[1]
    first_cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    assert tuple(name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)) == COLUMNS
    assert sorted([*TEXT, *INTS, *FLOATS, *FLAGS, *TUPLES]) == sorted(COLUMNS)


def test_one_row_as_plain_values() -> None:
    values = tidy_row(replace(ROW, samples=samples(8)), ENVIRONMENT)
    assert tuple(values) == COLUMNS
    assert (values["shape"], values["chunk_shape"], values["shard_shape"]) == ([8, 8, 8], [4, 4, 4], None)
    assert (values["n_samples"], values["n_processes"], values["low_confidence"]) == (8, 4, False)
    assert values["median_s"] == pytest.approx(0.0045)
    assert values["ci95_low_s"] < values["median_s"] < values["ci95_high_s"]
    assert (values["open_s"], values["cpu_s"]) == (0.0001, 0.002)
    assert (values["compression_ratio"], values["read_amplification"], values["asked_bytes"]) == (2.0, 4.0, 128)
    assert values["throughput_mib_s"] == pytest.approx(128 / 2**20 / 0.0045)
    assert (values["environment"], values["environment_id"], values["dirty"]) == (
        ENVIRONMENT.name,
        ENVIRONMENT.id,
        False,
    )


def test_what_was_not_measured_is_missing_and_a_refused_row_tells_what_was_asked() -> None:
    values = tidy_row(replace(ROW, status="skipped", reason="no", chunk_shape=None, logical_bytes=None, stored_bytes=0))
    assert values["chunk_shape"] == [4, 4, 4]
    for name in (
        "median_s",
        "n_samples",
        "low_confidence",
        "samples_s",
        "compression_ratio",
        "throughput_mib_s",
        "environment",
    ):
        assert values[name] is None


def test_an_open_moves_no_bytes_and_an_unknown_layout_stays_missing() -> None:
    case = replace(CASE, operation="open", chunk_shape=None)
    values = tidy_row(Row(case=case, status="ok", format="npy", library="numpy", logical_bytes=5, samples=samples(1)))
    assert (values["asked_bytes"], values["throughput_mib_s"], values["chunk_shape"]) == (None, None, None)


def test_asv_alone() -> None:
    frame = load_results(RAW)
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == 8 + 2 + 1  # track_ benchmarks are no times
    row = frame.set_index("case_id").loc[f"{READ}/npy-numpy/plane_xz"]
    assert (row["status"], row["machine"], row["n_samples"]) == ("ok", "lab-1", 4)
    assert len(row["samples_s"]) == 4
    assert bool(row["low_confidence"])
    assert frame["status"].value_counts().to_dict() == {"ok": 5, "failed": 4, "skipped": 2}
    assert frame.loc[frame["status"] != "ok", "median_s"].isna().all()
    assert frame["dataset"].isna().all()
    pd.testing.assert_frame_equal(frame, load_results(DATA))
    pd.testing.assert_frame_equal(frame, load_results(DATA / "lab-1"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A results folder: a neutral asv file with the journal that belongs to it."""
    asv_file = publish_asv_result(RAW, tmp_path / "lab-1", env_name="py3.11.7-x")
    shutil.copy(DATA / "benchmarks.json", tmp_path)
    shutil.copy(DATA / "lab-1" / "machine.json", tmp_path / "lab-1")
    journal = Journal(asv_file.with_suffix(".jsonl"))
    journal.path = asv_file.with_name(asv_file.name + "l")
    journal.append_environment(ENVIRONMENT)
    cases = {
        ("'zarr3-zarrpython'", "'plane_xz'"): replace(ROW, samples=samples(8)),
        ("'npy-numpy'", "'whole'"): replace(ROW, case=replace(CASE, backend="npy-numpy", chunk_shape=None)),
        ("'jp2-glymur'", "'plane_xz'"): replace(ROW, case=replace(CASE, backend="jp2-glymur")),
        ("'png-imageio'", "'whole'"): replace(
            ROW, case=replace(CASE, backend="png-imageio"), status="skipped", reason="2-D only"
        ),
    }
    for params, row in cases.items():
        journal.append_row(ENVIRONMENT, row, Asker(params))
    return tmp_path


def test_asv_and_journal_become_one_table(folder: Path) -> None:
    frame = load_results(folder)
    rows = frame[frame["dataset"] == "ct"].set_index("backend")
    assert rows.loc["zarr3-zarrpython", "n_samples"] == 8  # the journal's, not asv's 4
    assert rows.loc["npy-numpy", "n_samples"] == 4  # only asv has some
    assert rows.loc["npy-numpy", "throughput_mib_s"] > 0
    assert rows.loc["jp2-glymur", "status"] == "timeout"  # it was begun, and asv has no value
    assert "time limit" in rows.loc["jp2-glymur", "reason"]
    assert (rows.loc["png-imageio", "status"], rows.loc["png-imageio", "reason"]) == ("skipped", "2-D only")
    assert set(rows["benchmark"]) == {READ}
    asv_only = frame[frame["dataset"].isna()]
    assert len(asv_only) == 8 - 4 - 1 + 2 + 1  # beside a journal, what was never begun is no row
    assert (frame["machine"] == "lab-1").all()
    pd.testing.assert_frame_equal(frame, load_results(next(folder.glob("*/*-x.jsonl"))))


def test_types_and_a_table_without_rows(folder: Path) -> None:
    for frame in (load_results(folder), tidy_frame([])):
        assert {str(frame[name].dtype) for name in INTS} == {"Int64"}
        assert {str(frame[name].dtype) for name in FLOATS} == {"float64"}
        assert {str(frame[name].dtype) for name in FLAGS} == {"boolean"}
        assert {str(frame[name].dtype) for name in TUPLES} == {"object"}
        assert {str(frame[name].dtype) for name in TEXT} == {"str"}


def test_a_stale_row_that_only_asv_knows_is_no_number(tmp_path: Path) -> None:
    shutil.copytree(DATA, tmp_path / "r")
    path = tmp_path / "r" / "benchmarks.json"
    path.write_text(path.read_text().replace('"version": "1"', '"version": "9"'))
    assert not (load_results(tmp_path / "r")["status"] == "ok").any()


def test_two_machines_stay_apart(folder: Path) -> None:
    shutil.copytree(folder / "lab-1", folder / "lab-2")
    for path in (folder / "lab-2").glob("*.json"):
        path.write_text(path.read_text().replace("lab-1", "lab-2"))
    frame = load_results(folder)
    assert frame["machine"].value_counts().nunique() == 1
    assert set(frame["machine"]) == {"lab-1", "lab-2"}


def test_default_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("storebench.assets.bundled_results", lambda: DATA)
    assert len(load_results()) == 11
    shutil.copytree(DATA, tmp_path / "results")
    (next((tmp_path / "results").glob("*/*python*.json"))).unlink()
    assert not has_results(tmp_path / "results")
    Journal(tmp_path / "results" / "m" / "x.jsonl").append_row(ENVIRONMENT, ROW)
    assert len(load_results()) == 1


def test_nothing_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="holds no results"):
        load_results(tmp_path)
    with pytest.raises(ResultsError, match="there is no"):
        load_results(tmp_path / "x")


def test_results_and_analysis_import_no_format_library() -> None:
    code = (
        "import sys, storebench.results.frame, storebench.results.export, storebench.analysis\n"
        "formats = ('zarr', 'tifffile', 'h5py', 'imagecodecs', 'glymur', 'imageio', 'asv', 'matplotlib')\n"
        "print([name for name in formats if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    code = (
        "import sys, storebench.results.journal, storebench.results.tidy, storebench.results.asv\n"
        "print('pandas' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )
