"""Files of asv, read and made neutral. The fixture is a real run of asv 0.6.6 with ok, failed, skipped, timeout."""

from __future__ import annotations

import copy
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from storebench.errors import ResultsError
from storebench.results.asv import neutralise, publish_asv_result, read_asv_file, read_benchmarks, result_stem
from storebench.results.merging import merge_results

DATA = Path(__file__).parents[1] / "data" / "asv"
RAW = DATA / "lab-1" / "99314dc2-existing-py_home_jane_venv_bin_python3.11.json"
ENV = "py3.11.7-numpy2.4.6-abc123"
READ = "bench_tiny.Read.time_read"


def raw() -> dict[str, Any]:
    return json.loads(RAW.read_text())  # type: ignore[no-any-return]


def test_reads_values_samples_and_why_there_are_none() -> None:
    file = read_asv_file(RAW, read_benchmarks(DATA / "benchmarks.json"))
    assert (file.machine, file.commit_hash[:8]) == ("lab-1", "99314dc2")
    rows = {(row.benchmark, row.params): row for row in file.rows}
    ok = rows[READ, ("'npy-numpy'", "'plane_xz'")]
    assert (ok.status, len(ok.samples), ok.version, ok.stale, ok.in_seconds) == ("ok", 4, "1", False, True)
    assert min(ok.samples) <= ok.value <= max(ok.samples)
    assert rows[READ, ("'png-imageio'", "'whole'")].status == "skipped"
    assert rows[READ, ("'jp2-glymur'", "'whole'")].status == "failed"  # its setup raised
    assert rows[READ, ("'jp2-glymur'", "'plane_xz'")].status == "failed"  # ran into its time limit
    broken = [row for row in file.rows if "broken" in row.benchmark]  # asv wrote one null for both
    assert [(row.params, row.status) for row in broken] == [(("'a'",), "failed"), (("'b'",), "failed")]
    assert len(rows["bench_tiny.time_plain", ()].samples) == 3
    stored = rows["bench_tiny.Read.track_stored_bytes", ("'npy-numpy'", "'whole'")]
    assert (stored.value, stored.in_seconds) == (1009, False)
    assert math.isinf(rows["bench_tiny.track_infinite", ()].value)


def test_another_version_of_the_benchmark_makes_rows_stale() -> None:
    benchmarks = read_benchmarks(DATA / "benchmarks.json")
    benchmarks[READ] = benchmarks[READ] | {"version": "7"}
    assert {row.benchmark for row in read_asv_file(RAW, benchmarks).rows if row.stale} == {READ}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("[]", "version 2"),
        ('{"version": 1}', "says 1"),
        ('{"version": 2, "results": {}}', "complete"),
        (RAW.read_text().replace("0.0", "[0.0", 1).replace("0.0", "0.0], 1", 1), ""),
    ],
)
def test_a_file_that_is_not_understood_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match=f"x.json.*{message}"):
        read_asv_file(path)


def test_wrong_number_of_values_is_an_error(tmp_path: Path) -> None:
    data = raw()
    data["results"][READ][0].pop()
    (tmp_path / "x.json").write_text(json.dumps(data))
    with pytest.raises(ResultsError, match=r"x\.json: .*7 values for 8 combinations"):
        read_asv_file(tmp_path / "x.json")


def test_neutral_means_no_path_anywhere() -> None:
    data = raw()
    data["env_vars"] = {"ROOT": "/home/jane/scratch", "FLAGS": "-I/home/jane/include -L C:\\jane\\lib"}
    data["results"][READ][1][0][0] = "'/home/jane doe/heart.tif'"
    before = copy.deepcopy(data)
    neutral = neutralise(data, env_name=ENV, commit="a" * 40, machine="bench-1")
    text = json.dumps(neutral)
    assert "jane" not in text
    assert "home" not in text
    assert (neutral["python"], neutral["params"]["python"], neutral["params"]["machine"]) == (
        "3.11.7",
        "3.11.7",
        "bench-1",
    )
    assert neutral["results"][READ][1] == [
        ["'heart.tif'", *before["results"][READ][1][0][1:]],
        ["'whole'", "'plane_xz'"],
    ]
    assert neutral["results"]["bench_tiny.track_infinite"][0] is None  # `asv publish` never ends on Infinity
    assert json.dumps(data) == json.dumps(before)


def test_names_that_look_a_bit_like_paths_stay() -> None:
    data = raw() | {"env_vars": {"A": "n/a", "B": "read/npy/none", "C": "1 MiB/s", "D": "x86_64"}}
    assert neutralise(data, env_name=ENV, commit="b")["env_vars"] == data["env_vars"]


def test_environment_name_must_tell_the_python() -> None:
    with pytest.raises(ResultsError, match="must begin with py"):
        neutralise(raw(), env_name="existing", commit="b")


def test_stem_keeps_eight_digits_of_a_commit_and_a_whole_version() -> None:
    assert result_stem("0123456789" * 4, ENV) == f"01234567-{ENV}"
    assert result_stem("0.1.0.dev123", ENV) == f"0.1.0.dev123-{ENV}"


def test_publish_twice_is_the_same_file(tmp_path: Path) -> None:
    first = publish_asv_result(RAW, tmp_path / "lab-1", env_name=ENV)
    text = first.read_text()
    assert first.name == f"99314dc2-{ENV}.json"
    assert publish_asv_result(RAW, tmp_path / "lab-1", env_name=ENV) == first
    assert read_asv_file(first).rows[0] == read_asv_file(RAW).rows[0]
    assert json.loads(text)["results"].keys() == json.loads(first.read_text())["results"].keys()
    assert text == first.read_text()
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_a_kept_file_that_is_damaged_is_not_overwritten(tmp_path: Path) -> None:
    kept = publish_asv_result(RAW, tmp_path, env_name=ENV)
    kept.write_text("{")
    with pytest.raises(ResultsError, match="damaged"):
        publish_asv_result(RAW, tmp_path, env_name=ENV)
    assert kept.read_text() == "{"


def _file(params: list[list[str]], result: Any, samples: Any, version: str = "1") -> dict[str, Any]:
    columns = ["result", "params", "version", "started_at", "stats_repeat", "samples"]
    return {"result_columns": columns, "results": {"b": [result, params, version, 5, None, samples]}}


def _merged(kept: dict[str, Any], new: dict[str, Any]) -> list[Any]:
    return merge_results(kept, new)["results"]["b"]  # type: ignore[no-any-return]


def test_merge_takes_each_combination_from_the_side_that_says_more() -> None:
    nan = float("nan")
    kept = _file([["1", "2", "3", "4"]], [1.0, 2.0, None, 4.0], [[1.0, 1.0], [2.0], None, [4.0]])
    new = _file([["1", "2", "3", "4"]], [1.5, 2.5, nan, None], [[1.5], [2.5], None, None])
    result, params, *_, samples = _merged(kept, new)
    assert result == [1.0, 2.5, None, 4.0]
    assert samples == [[1.0, 1.0], [2.5], None, [4.0]]
    assert params == [["1", "2", "3", "4"]]


def test_merge_keeps_benchmarks_and_parameters_of_either_side() -> None:
    kept, new = _file([["1", "2"]], [1.0, 2.0], None), _file([["3", "1"]], [3.0, 1.5], None)
    kept["results"]["old"] = [[9.0], [], "1"]
    merged = merge_results(kept, new)["results"]
    assert merged["b"][:2] == [[3.0, 1.5, 2.0], [["3", "1", "2"]]]
    assert merged["old"] == [[9.0], [], "1"]


def test_merge_with_another_version_is_the_new_one() -> None:
    kept = _file([["1"]], [1.0], [[1.0, 1.0]])
    assert _merged(kept, _file([["1"]], [2.0], [[2.0]], version="2"))[0] == [2.0]


def test_unreadable_benchmarks_are_an_error(tmp_path: Path) -> None:
    shutil.copy(RAW, tmp_path)
    with pytest.raises(ResultsError, match="cannot be read"):
        read_benchmarks(tmp_path / "benchmarks.json")
