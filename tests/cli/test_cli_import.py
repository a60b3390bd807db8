"""`import`: what is said of a file, exit codes, and that report, export and compare read what it wrote."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import Result

from storebench.cli.quick import _of_this_run
from storebench.results.columns import COLUMNS
from storebench.results.frame import load_results, tidy_frame

Run = Callable[..., Result]

DATA = Path(__file__).parents[1] / "data" / "imports"
SMALL = str(DATA / "0007_zarr-fast.json")
ASV = str(DATA / "asv" / "jane-laptop" / "abcdef01-virtualenv-py3.12-numpy2.1.json")
SET = tuple(f"--set={text}" for text in ("dataset=em", "shape=64x64x64", "dtype=uint8", "pattern=whole"))
HEART = tuple(f"--set={text}" for text in ("dataset=heart", "shape=806x629x629", "dtype=uint16", "pattern=whole"))


def words(text: str) -> str:
    return " ".join(text.split())


def test_it_says_what_was_read_and_what_is_missing(run: Run, tmp_path: Path) -> None:
    done = run("import", SMALL, ASV, "--set", "dataset=em")
    assert done.exit_code == 0, done.output
    said = words(done.stdout)
    assert "0007_zarr-fast.json: pytest-benchmark 5.1.0, 3 rows, 0 to 5 samples each." in said
    assert "Measured on amd-ryzen-7-7840u-16cpu, Python 3.12.4, 2026-02-03, volume-tests 01234567, uncommitted" in said
    assert "Set by hand: dataset em." in said
    assert "Not in the file: shape, dtype, format (in 2 rows), library" in said
    assert "asv, 5 rows (3 without a number)" in said
    assert "Left out: 1 result that is no time." in said
    assert said.endswith("Next: storebench report results")
    assert sorted(path.name for path in tmp_path.glob("results/*/*")) == [
        "0007_zarr-fast.jsonl", "abcdef01-virtualenv-py3.12-numpy2.1.jsonl",
    ]  # fmt: skip


def test_json_has_the_same(run: Run) -> None:
    (file,) = json.loads(run("import", SMALL, "--json", *SET).stdout)["files"]
    assert (file["tool"], file["n_rows"], file["n_ok"], file["written"]) == ("pytest-benchmark", 3, 3, True)
    assert file["set"] == {"dataset": "em", "shape": [64, 64, 64], "dtype": "uint8", "pattern": "whole"}
    assert file["missing"] == {
        "format": 2, "library": 3, "chunk_shape": 1, "codec": 1, "operation": 1, "cache": 2, "durability": 2,
    }  # fmt: skip
    again = json.loads(run("import", SMALL, "--json", *SET).stdout)
    assert (again["kind"], again["files"][0]["written"]) == ("storebench-import", False)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("none.json",), 3, "none.json cannot be read"),
        ((str(DATA),), 3, "is a folder"),
        ((SMALL, "--from", "asv"), 3, "it looks like pytest-benchmark"),
        ((SMALL, "--from", "hyperfine"), 2, "hyperfine"),
        ((SMALL, "--set", "shpe=2x2"), 2, "Did you mean shape"),
        ((SMALL, "--set", "backend=zarr3-zarrpyton"), 2, "zarr3-zarrpython"),
        ((), 2, "FILE"),
    ],
)
def test_exit_codes(run: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = run("import", *arguments)
    assert (done.exit_code, said in words(done.stderr)) == (code, True), done.stderr
    assert not (tmp_path / "results").exists()


def test_own_results_are_not_imported(run: Run, tmp_path: Path) -> None:
    assert run("import", SMALL).exit_code == 0
    (journal,) = (tmp_path / "results").glob("*/*.jsonl")
    own = tmp_path / "my own" / "lab-1" / "0123-py3.json"
    own.parent.mkdir(parents=True)
    own.write_bytes(Path(ASV).read_bytes())
    assert run("import", str(own), "-o", "fine").exit_code == 0
    own.with_suffix(".jsonl").write_bytes(journal.read_bytes())
    for path in (own, own.with_suffix(".jsonl")):
        done = run("import", str(path), "-o", "other")
        assert done.exit_code == 2, done.output
        assert f"storebench's own results; show them with: storebench report '{own.parent}'" in words(done.stderr)
    assert not (tmp_path / "other").exists()


def test_another_number_of_axes_than_the_file_says_is_refused(run: Run, tmp_path: Path) -> None:
    data = json.loads(Path(SMALL).read_text())
    data["benchmarks"] = data["benchmarks"][:1]
    for chunks, code in (([64, 64, 64], 2), ([64, 64], 0), (64, 0)):
        data["benchmarks"][0]["params"] = {"chunks": chunks}
        (tmp_path / "file.json").write_text(json.dumps(data))
        done = run("import", "file.json", "-o", str(code), "--replace", "--set", "shape=806x629")
        assert done.exit_code == code, done.output
        refused = "shape was set with 2 axes, and file.json says chunk_shape with 3 axes"
        assert (refused in words(done.stderr)) is (code == 2)
    assert run("import", "file.json", "-o", "0", "--replace", "--set", "axes=zyx").exit_code == 0


def test_one_bad_file_of_two_writes_none(run: Run, tmp_path: Path) -> None:
    assert run("import", SMALL, "none.json").exit_code == 3
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("replace", [(), ("--replace",)], ids=["", "replace"])
def test_two_files_for_one_place_write_none(run: Run, tmp_path: Path, replace: tuple[str, ...]) -> None:
    other = tmp_path / "elsewhere" / Path(SMALL).name
    other.parent.mkdir()
    data = json.loads(Path(SMALL).read_text())
    data["benchmarks"] = data["benchmarks"][:1]
    other.write_text(json.dumps(data))
    done = run("import", SMALL, str(other), *replace)
    assert (done.exit_code, "two of the files would become" in words(done.stderr)) == (2, True), done.stderr
    assert not (tmp_path / "results").exists()
    twin = tmp_path / "twin.json"
    twin.write_bytes(Path(SMALL).read_bytes())
    done = run("import", SMALL, str(twin), *replace)
    assert (done.exit_code, "have the same content" in words(done.stderr)) == (2, True), done.stderr
    assert not (tmp_path / "results").exists()
    assert run("import", SMALL, SMALL).exit_code == 0, "the same file twice is one"


def test_quick_picks_its_own_rows_from_beside_imported_ones(run: Run, tmp_path: Path) -> None:
    run("import", SMALL)
    frame = load_results(tmp_path / "results")
    assert frame["shape"].isna().all()
    image = SimpleNamespace(name="ct", dtype=np.dtype("uint16"), shape=(8, 8))
    plan = SimpleNamespace(workspace=SimpleNamespace(machine="here"), environment=SimpleNamespace(id="e1"))
    own = {"dataset": "ct", "machine": "here", "environment_id": "e1", "dtype": "uint16", "shape": (8, 8)}
    both = tidy_frame([*frame.to_dict("records"), dict.fromkeys(COLUMNS) | own])
    for table, n_own in ((frame, 0), (both, 1)):
        assert len(_of_this_run(table, plan, image)) == n_own


def test_another_import_is_not_overwritten_without_saying_so(run: Run) -> None:
    assert run("import", SMALL).exit_code == 0
    refused = run("import", SMALL, *SET)
    assert (refused.exit_code, "--replace" in refused.stderr) == (2, True)
    assert run("import", SMALL, *SET, "--replace").exit_code == 0
    assert "Nothing new" in run("import", SMALL, *SET).stdout


@pytest.mark.usefixtures("page_alone")
@pytest.mark.parametrize("given", [(), SET], ids=["nothing-set", "set"])
def test_report_and_export_read_it(run: Run, tmp_path: Path, given: tuple[str, ...]) -> None:
    run("import", SMALL, *given)
    done = run("report", "--json")
    assert done.exit_code == 0, done.output
    page = Path(json.loads(done.stdout)["report"]).read_text()
    assert "Imported: zarr-fast" in page
    assert "pytest-benchmark measured the imported results" in page
    shown = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"\b[Nn]a[Nn]\b|\bNone<", shown)
    exported = json.loads(run("export", "--format", "json").stdout)["rows"]
    assert len(exported) == 3
    assert {row["dataset"] for row in exported} == {"em" if given else None}


@pytest.fixture
def heftie(test_data: Path) -> tuple[Path, Path]:
    paths = tuple(test_data / "heftie-heart" / name for name in ("0002_zarr-python-v3.json", "0003_tensorstore.json"))
    for path in paths:
        if not path.is_file():
            pytest.skip(
                f"no test data: {path} is missing; set STOREBENCH_TEST_DATA to the folder that holds heftie-heart"
            )
    return paths[0], paths[1]


def test_compare_counts_who_is_faster_in_published_results(run: Run, heftie: tuple[Path, Path]) -> None:
    for path, name in zip(heftie, ("a", "b"), strict=True):
        assert run("import", str(path), "-o", name, *HEART, "--set", f"library={name}").exit_code == 0
    document = json.loads(run("compare", "a", "b", "--json").stdout)
    medians = [
        {
            test["name"]: (test["group"], test["params"]["zarr_spec"], statistics.median(test["stats"]["data"]))
            for test in tests
        }
        for tests in (json.loads(path.read_text())["benchmarks"] for path in heftie)
    ]
    expected: Counter[tuple[str, str, str]] = Counter()
    for case, (operation, spec, a_s) in medians[0].items():
        b_s = medians[1][case][2]
        expected[operation, f"zarr{spec}", "a" if a_s < b_s else "b"] += 1
    shown = Counter(
        (row["operation"], row["format"], {"slower": "a", "faster": "b"}[row["verdict"]])
        for row in document["rows"]
        if row["verdict"] in ("slower", "faster")
    )
    groups = {(group["operation"], group["format"]): group for group in document["summary"]["by_operation_and_format"]}
    assert sorted(groups) == [("read", "zarr2"), ("read", "zarr3"), ("write", "zarr2"), ("write", "zarr3")]
    for (operation, spec), group in groups.items():
        assert group["n"] == 219
        for side in "ab":
            assert group[f"{side}_faster"] == expected[operation, spec, side]
            assert group[f"{side}_shown"] == shown[operation, spec, side] <= group[f"{side}_faster"]
    assert sum(group["a_shown"] + group["b_shown"] for group in groups.values()) < 876
    summary = document["summary"]
    assert summary["n_matched"] == 876
    assert summary["n_undecided"] > 0
    assert "in every case a side has fewer than 8 samples (the fewest: 5)" in summary["caution"]
    assert "it is not known how many processes" in summary["caution"]
    said = words(run("compare", "a", "b").stdout)
    assert summary["caution"] in said
    assert "pytest --benchmark-min-rounds" in said
    assert f"read zarr2 219 {groups['read', 'zarr2']['a_faster']} " in said


@pytest.mark.usefixtures("page_alone")
def test_both_published_files_stand_in_one_report(run: Run, heftie: tuple[Path, Path], tmp_path: Path) -> None:
    assert run("import", *map(str, heftie)).exit_code == 0
    assert run("report", "-o", "bare").exit_code == 0
    assert "dataset not recorded" in (tmp_path / "bare" / "index.html").read_text()
    assert run("import", *map(str, heftie), *HEART, "--replace").exit_code == 0
    done = run("report", "-o", "page", "--json")
    assert (done.exit_code, json.loads(done.stdout)["n_rows"]) == (0, 1752)
