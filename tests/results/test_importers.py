"""Results of other tools: what a file says, what a person adds, what stays missing, and what is refused."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from storebench.errors import ResultsError, UnknownNameError, UsageError
from storebench.results import files, sampled
from storebench.results.columns import COLUMNS
from storebench.results.frame import load_results
from storebench.results.imported import EDGES, OWN, SAID, Imported, imported_rows
from storebench.results.importers import IMPORTERS, keep, parse_given, read_file
from storebench.results.importers._parameters import columns_of_parameters, operation_of
from storebench.results.intervals import _medians_of_many, drawn_medians, median_interval
from storebench.results.journal import read_journal, write_compact
from storebench.results.machines import machine_name
from storebench.results.sampled import autocorrelation_time

DATA = Path(__file__).parents[1] / "data" / "imports"
SMALL = DATA / "0007_zarr-fast.json"
ASV = DATA / "asv" / "jane-laptop" / "abcdef01-virtualenv-py3.12-numpy2.1.json"

Edit = Callable[[dict[str, Any]], None]


def edited(tmp_path: Path, edit: Edit, name: str = "x.json") -> Path:
    """Return a copy of the small file with something changed."""
    data = json.loads(SMALL.read_text())
    edit(data)
    path = tmp_path / name
    path.write_text(json.dumps(data))
    return path


def table(folder: Path, path: Path = SMALL, *given: str) -> pd.DataFrame:
    keep(read_file(path, given=parse_given(given)).imported, folder)
    return load_results(folder)


def known(row: Any) -> dict[str, Any]:
    return {name: value for name, value in dict(row).items() if isinstance(value, tuple) or not pd.isna(value)}


def test_numbers_that_no_machine_can_hold_are_refused_in_a_sentence(tmp_path: Path) -> None:
    def huge(data: dict[str, Any]) -> None:
        data["benchmarks"][0]["stats"]["data"] = [10**400]

    with pytest.raises(ResultsError, match="no complete file of pytest-benchmark: OverflowError"):
        read_file(edited(tmp_path, huge))


def test_every_column_is_somebodys_to_fill() -> None:
    assert sorted((*OWN, *SAID)) == sorted(COLUMNS)
    assert set(EDGES.values()) < set(SAID)


def test_what_the_file_says_is_in_the_table_and_the_rest_is_missing(tmp_path: Path) -> None:
    frame = table(tmp_path)
    assert tuple(frame.columns) == COLUMNS
    rows = frame.set_index("case_id")
    samples = (0.014, 0.011, 0.012, 0.013, 0.01)
    median, low, high = median_interval(samples, None)
    row = known(rows.loc["test_blosc[32-zstd-3-shuffle-3]"])
    assert row.pop("half_width") == pytest.approx((high - low) / 2 / median)  # type: ignore[operator]
    assert row.pop("p10_s") == pytest.approx(0.0104)
    assert row == {
        "operation": "read", "format": "zarr3", "codec": "blosc-zstd-3-shuffle", "status": "ok", "samples_s": samples,
        "engine": "pytest-benchmark", "n_samples": 5, "low_confidence": True, "median_s": 0.012, "ci95_low_s": low,
        "ci95_high_s": high, "compression_ratio": 2.0, "machine": "amd-ryzen-7-7840u-16cpu", "environment": "zarr-fast",
        "environment_id": read_file(SMALL).imported.id, "commit": "0123456789abcdef0123456789abcdef01234567", "dirty": True,
    }  # fmt: skip
    row = known(rows.loc["test_write_gzip[chunks0-5]"])
    assert (row["operation"], row["chunk_shape"], row["codec"], row["stored_bytes"]) == (
        "write",
        (8, 16, 32),
        "gzip-5",
        4096,
    )
    assert (row["median_s"], row["n_samples"]) == (0.5, 2)  # 10 iterations a round: the samples are of one each
    assert "ci95_low_s" not in row
    row = known(rows.loc["test_write_then_read[in.zarr]"])  # the path of a machine is no part of a name
    assert (row["median_s"], row["low_confidence"]) == (1.5, True)
    assert not {"operation", "samples_s", "n_samples", "ci95_low_s"} & set(row)


def test_what_is_set_by_hand_fills_gaps_and_stands_apart(tmp_path: Path) -> None:
    given = ("dataset=heart", "shape=64x64x64", "dtype=u2", "pattern=whole", "library=zarrs", "cache=warm")
    frame = table(tmp_path, SMALL, *given).set_index("case_id")
    row = known(frame.loc["test_blosc[32-zstd-3-shuffle-3]"])
    assert (row["dataset"], row["shape"], row["dtype"], row["library"]) == ("heart", (64, 64, 64), "uint16", "zarrs")
    assert (row["chunk_shape"], row["chunks_touched"], row["read_amplification"]) == ((32, 32, 32), 8, 1.0)
    assert (row["logical_bytes"], row["asked_bytes"], row["stored_bytes"]) == (524288, 524288, 262144)
    assert row["throughput_mib_s"] == pytest.approx(0.5 / 0.012)
    assert frame.loc["test_write_gzip[chunks0-5]", "compression_ratio"] == 128.0
    assert frame.loc["test_write_gzip[chunks0-5]", "chunk_shape"] == (8, 16, 32)  # the file's own shape is kept
    (line,) = [json.loads(text) for text in next(tmp_path.glob("*/*.jsonl")).read_text().splitlines()]
    assert line["set"] == {
        "dataset": "heart", "shape": [64, 64, 64], "dtype": "uint16", "pattern": "whole", "library": "zarrs",
        "cache": "warm",
    }  # fmt: skip
    assert not any(name in row for row in line["rows"] for name in line["set"])
    assert line["rows"][0]["chunk_edge"] == 32


@pytest.mark.parametrize(
    ("given", "chunks"),
    [
        ((), None),
        (("axes=zyx",), (32, 32, 32)),
        (("shape=8x30x30",), None),  # longer than the image on every axis: no edge of a chunk
        (("shape=8x64x64",), (32, 32, 32)),
        (("chunk_shape=1x64x64",), (1, 64, 64)),
    ],
)
def test_a_single_edge_becomes_a_shape_where_the_axes_are_known(
    tmp_path: Path, given: tuple[str, ...], chunks: tuple[int, ...] | None
) -> None:
    found = table(tmp_path, SMALL, *given).set_index("case_id").loc["test_blosc[32-zstd-3-shuffle-3]", "chunk_shape"]
    assert found == chunks or (chunks is None and found is None)


def test_bytes_need_shape_and_dtype_and_voxels_a_read_of_everything(tmp_path: Path) -> None:
    without = table(tmp_path / "a", SMALL, "shape=64x64x64")
    assert without[["logical_bytes", "asked_bytes", "chunks_touched"]].isna().all(axis=None)
    some = table(tmp_path / "b", SMALL, "shape=64x64x64", "dtype=uint8")
    assert some["logical_bytes"].eq(64**3).all()
    assert some[["asked_bytes", "chunks_touched", "voxels_asked"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("texts", "error", "words"),
    [
        (["shape"], UsageError, "no column=value"),
        (["shpe=1x2"], UnknownNameError, "Did you mean shape"),
        (["median_s=1"], UsageError, "cannot be set"),
        (["shape=0x4"], UsageError, "no shape"),
        (["dtype=uint17"], UsageError, "no dtype"),
        (["dtype=S3"], UsageError, "no dtype of voxels"),
        (["pattern=hole"], UnknownNameError, "whole"),
        (["codec=zstd"], UnknownNameError, "zstd-3"),
        (["cache=hot"], UnknownNameError, "cache"),
        (["operation=raed"], UnknownNameError, "read"),
        (["axes=zyz"], UsageError, "no axes"),
        (["threads=two"], UsageError, "whole number"),
        (["n_files=-1"], UsageError, "from 0 on"),
        (["cpu_s=nan"], UsageError, "from 0 on"),
        (["library="], UsageError, "no value"),
        (["shape=8x8", "axes=zyx"], UsageError, "same number of axes"),
        (["dataset=a", "dataset=b"], UsageError, "twice"),
    ],
)
def test_what_cannot_be_set_is_said(texts: list[str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        parse_given(texts)


def test_what_every_row_says_itself_cannot_be_set(tmp_path: Path) -> None:
    def all_zarr3(data: dict[str, Any]) -> None:
        for test in data["benchmarks"]:
            test["params"] = {"zarr_format": 3}

    with pytest.raises(UsageError, match=r"says format of every row itself \(zarr3\)"):
        read_file(edited(tmp_path, all_zarr3), given={"format": "zarr2"})
    assert read_file(SMALL, given={"format": "zarr2"}).imported.given == {"format": "zarr2"}  # one row says it


@pytest.mark.parametrize(
    ("params", "columns"),
    [
        ({"codec": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 2}, {"codec": "blosc-lz4-5-bitshuffle"}),
        ({"codec": "blosc", "cname": "lz4", "clevel": 5}, {}),  # without its shuffle no whole codec
        ({"compressor": "zstd", "level": 3}, {"codec": "zstd-3"}),
        ({"compressor": "ZSTD", "level": 0}, {}),
        ({"compression": "none"}, {"codec": "none"}),
        ({"no_compressor": True, "chunks": "16x16"}, {"codec": "none", "chunk_shape": (16, 16)}),
        ({"no_compressor": False}, {}),
        ({"codec": "blosc-zstd-3-shuffle"}, {"codec": "blosc-zstd-3-shuffle"}),
        ({"gzip_level": 5, "zstd_level": 3}, {}),  # two codecs are none
        ({"compressor": None}, {}),  # none, or the default: not known
        ({"compressor": "brotli", "level": 3}, {}),
        ({"level": 2}, {}),  # of resolution, or of effort
        ({"chunks": [64, 64], "shards": (128, 128)}, {"chunk_shape": (64, 64), "shard_shape": (128, 128)}),
        ({"chunk_size": 64, "shard_size": "128"}, {"chunk_edge": 64, "shard_edge": 128}),
        ({"chunks": "auto"}, {}),
        ({"chunks": True}, {}),
        ({"zarr_version": "2"}, {"format": "zarr2"}),
        ({"zarr_version": 4}, {}),
        ({"pattern": "plane_xz", "n_threads": 4, "cache": True}, {"pattern": "plane_xz", "threads": 4}),
        ({"pattern": "diagonal", "dtype": "<u2", "shape": [2, 3]}, {"dtype": "uint16", "shape": (2, 3)}),
        ({"requests": 10}, {}),  # what a test was told is no count
    ],
)
def test_parameters_say_columns_or_nothing(params: dict[str, Any], columns: dict[str, Any]) -> None:
    assert columns_of_parameters(params) == columns


@pytest.mark.parametrize(
    ("names", "operation"),
    [
        (("read",), "read"),
        (("Reading", "test_write"), "read"),
        ((None, "test_write_blosc"), "write"),
        (("zarr", "time_encode"), "encode"),
        (("io", "ReadSuite"), "read"),
        (("write_read",), None),
        (("read_write", "test_read"), None),
        (("ready", "bread"), None),
        ((None, ""), None),
    ],
)
def test_an_operation_is_a_verb_in_a_name(names: tuple[str | None, ...], operation: str | None) -> None:
    assert operation_of(*names) == operation


def test_asv_of_another_project(tmp_path: Path) -> None:
    found = read_file(ASV)
    assert (found.imported.tool, found.n_left_out) == ("asv", 1)  # memory is no time
    frame = table(tmp_path, ASV, "dataset=em").set_index("case_id")
    assert frame["machine"].unique().tolist() == ["intel-core-i7-8700k-12cpu"]
    ok = known(frame.loc["io.Zarr.time_read/(16, 16, 16)/zstd/3"])
    assert (ok["operation"], ok["chunk_shape"], ok["codec"]) == ("read", (16, 16, 16), "zstd-3")
    assert (ok["samples_s"], ok["median_s"], ok["engine"]) == ((0.03, 0.01, 0.02), 0.02, "asv")
    assert known(frame.loc["io.Zarr.time_read/(16, 16, 16)/brotli/3"])["median_s"] == 0.03
    said = {name: (row["status"], row["reason"]) for name, row in frame.iterrows() if row["status"] != "ok"}
    assert said == {
        "io.Zarr.time_read/64/zstd/3": ("failed", "asv has no value: failed, timed out or crashed"),
        "io.Zarr.time_read/64/brotli/3": ("skipped", "asv: skipped or not selected"),
        "io.time_open": (
            "skipped", "measured with version v1 of the benchmark, which benchmarks.json has another version of",
        ),
    }  # fmt: skip
    alone = tmp_path / "alone.json"
    alone.write_bytes(ASV.read_bytes())
    assert {row.get("codec") for row in read_file(alone).imported.rows} == {None}  # parameters without names


def test_no_host_and_no_path_is_kept(tmp_path: Path) -> None:
    for path in (SMALL, ASV):
        keep(read_file(path).imported, tmp_path)
    texts = [file.read_text() for file in tmp_path.glob("*/*.jsonl")]
    assert len(texts) == 2
    for text in (*texts, *map(str, tmp_path.glob("*/*"))):
        assert "jane" not in text
        assert str(DATA) not in text


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda data: data["benchmarks"].clear(), "holds no times"),
        (lambda data: data["benchmarks"].append(data["benchmarks"][0]), "1 name twice"),
        (lambda data: data["benchmarks"][0].pop("name"), "test 1 has no name"),
        (lambda data: data["benchmarks"][1].pop("stats"), "has no stats"),
        (lambda data: data["benchmarks"][0]["stats"].update(median=0.013), "is not that of its samples"),
        (lambda data: data["benchmarks"][0]["stats"].update(data=[0.1, float("nan")]), "a time that is none"),
        (lambda data: data["benchmarks"][0]["stats"].update(data=["0.1"]), "a time that is none"),
        (lambda data: data.pop("machine_info"), "no kind that can be imported: JSON of pytest-benchmark"),
    ],
)
def test_damage_is_named(tmp_path: Path, edit: Edit, words: str) -> None:
    with pytest.raises(ResultsError, match=words) as caught:
        read_file(edited(tmp_path, edit))
    assert "x.json" in str(caught.value)


def test_what_is_no_file_of_a_tool_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.json"
    for content, words in (("[1]", "no kind"), ("{", "no JSON"), ("{}", "no kind")):
        text.write_text(content)
        with pytest.raises(ResultsError, match=words):
            read_file(text)
    with pytest.raises(ResultsError, match="is a folder"):
        read_file(tmp_path)
    with pytest.raises(ResultsError, match="No such file"):
        read_file(tmp_path / "none.json")
    with pytest.raises(ResultsError, match="looks like pytest-benchmark"):
        read_file(SMALL, kind="asv")
    text.write_text('{"benchmarks": 1}')
    with pytest.raises(ResultsError, match="no complete file of pytest-benchmark"):
        read_file(text, kind="pytest-benchmark")
    with pytest.raises(ResultsError, match="storebench import"):
        load_results(SMALL)  # not imported yet


def test_a_test_that_failed_has_a_row(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda data: data["benchmarks"][0].update(stats={}))
    assert read_file(path).imported.rows[0]["status"] == "failed"


def test_tests_of_one_name_are_told_apart_by_their_file(tmp_path: Path) -> None:
    def twice(data: dict[str, Any]) -> None:
        data["benchmarks"].append(data["benchmarks"][1] | {"fullname": "tests/test_b.py::test_write_gzip[chunks0-5]"})

    names = [row["case_id"] for row in read_file(edited(tmp_path, twice)).imported.rows]
    assert names[1::2] == ["tests/test_a.py::test_write_gzip[chunks0-5]", "tests/test_b.py::test_write_gzip[chunks0-5]"]


def test_the_same_import_twice_is_there_once_and_another_is_not_overwritten(tmp_path: Path) -> None:
    first, again = (keep(read_file(SMALL).imported, tmp_path / "r") for _ in range(2))
    assert (first[0], first[1], again[1]) == (again[0], True, False)
    assert len(load_results(tmp_path / "r")) == 3
    kept = first[0].read_bytes()
    changed = read_file(SMALL, given={"dataset": "em"}).imported
    with pytest.raises(UsageError, match="--replace"):
        keep(changed, tmp_path / "r")
    assert first[0].read_bytes() == kept
    keep(changed, tmp_path / "r", replace=True)
    assert load_results(tmp_path / "r")["dataset"].tolist() == ["em"] * 3
    renamed = tmp_path / "0008_other.json"
    renamed.write_bytes(SMALL.read_bytes())
    with pytest.raises(UsageError, match="made of the same file"):
        keep(read_file(renamed).imported, tmp_path / "r", replace=True)


def test_results_of_storebench_are_never_overwritten(tmp_path: Path) -> None:
    imported = read_file(SMALL).imported
    target, _ = keep(imported, tmp_path)
    target.write_text(
        '{"schema_version":2,"kind":"sample","environment_id":"e","run":null,"case_id":"c","sample":{}}\n'
    )
    with pytest.raises(UsageError, match="holds other results"):
        keep(imported, tmp_path, replace=True)
    target.unlink()
    target.with_suffix(".json").write_text("{}")
    with pytest.raises(UsageError, match="belongs to other results"):
        keep(imported, tmp_path, replace=True)


def test_an_interrupted_import_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        keep(read_file(SMALL).imported, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_compacted_journal_keeps_it_and_names_are_safe(tmp_path: Path) -> None:
    imported = read_file(SMALL, given={"dataset": "</script><b>x", "shape": (4, 4, 4)}, machine="../lab 1").imported
    assert imported.machine_name == "lab-1"
    path, _ = keep(imported, tmp_path)
    assert path.parent.parent == tmp_path
    before = load_results(tmp_path)
    write_compact(read_journal(path), path)
    pd.testing.assert_frame_equal(load_results(tmp_path), before)
    line = json.loads(path.read_text())
    line["rows"][0]["colour"] = "red"
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(ResultsError, match="no columns called colour"):
        load_results(tmp_path)


def test_two_unknown_machines_are_not_one(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda data: data["machine_info"].pop("cpu"))
    imported = read_file(path).imported
    assert imported.machine_name is None
    assert keep(imported, tmp_path)[0].parent.name == "unknown-machine"
    assert load_results(tmp_path / "unknown-machine")["machine"].isna().all()


@pytest.mark.parametrize(
    ("cpu", "name"),
    [
        ("Intel(R) Xeon(R) w9-3475X", "intel-xeon-w9-3475x-72cpu"),
        ("Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", "intel-core-i7-8700k-72cpu"),
        ("13th Gen Intel(R) Core(TM) i7-1365U", "intel-core-i7-1365u-72cpu"),
        ("AMD EPYC 7763 64-Core Processor", "amd-epyc-7763-72cpu"),
        ("AMD Ryzen 7 7840U w/ Radeon 780M Graphics", "amd-ryzen-7-7840u-72cpu"),
        ("Intel(R) Xeon(R) Processor @ 2.80GHz", "intel-xeon-72cpu"),
        ("", None),
        (None, None),
    ],
)
def test_machines_are_named_after_their_processor(cpu: str | None, name: str | None) -> None:
    assert machine_name({"cpu": cpu, "n_cpu": 72}) == name


def test_every_importer_says_what_it_reads() -> None:
    assert {name for name, importer in IMPORTERS.items() if not importer.about} == set()
    data = [json.loads(path.read_text()) for path in (SMALL, ASV)]
    assert [[name for name, i in IMPORTERS.items() if i.recognises(one)] for one in data] == [
        ["pytest-benchmark"],
        ["asv"],
    ]


# --- the published results of HEFTIE zarr-benchmarks

HEART = ("dataset=heart", "shape=806x629x629", "dtype=uint16", "pattern=whole")


@pytest.fixture(scope="module", params=["0002_zarr-python-v3.json", "0003_tensorstore.json"])
def published(request: pytest.FixtureRequest, test_data: Path) -> Path:
    path = test_data / "heftie-heart" / request.param
    if not path.is_file():
        pytest.skip(f"no test data: {path} is missing; set STOREBENCH_TEST_DATA to the folder that holds heftie-heart")
    return path


def test_published_results_are_read_to_the_last_digit(published: Path, tmp_path: Path) -> None:
    tests = {test["name"]: test for test in json.loads(published.read_text())["benchmarks"]}
    frame = table(tmp_path, published, *HEART).set_index("case_id")
    assert len(frame) == len(tests) == 876
    for name, row in frame.iterrows():
        assert row["samples_s"] == tuple(tests[name]["stats"]["data"])
        assert row["median_s"] == statistics.median(row["samples_s"]) == tests[name]["stats"]["median"]
        assert row["operation"] == tests[name]["group"]
    assert frame["low_confidence"].all()
    assert frame["codec"].notna().all()
    assert frame["n_processes"].isna().all()
    assert frame[["cache", "durability", "backend", "threads"]].isna().all(axis=None)
    row = frame.loc["test_read_blosc[60-3-shuffle-zstd-2]"]
    assert (row["operation"], row["format"], row["codec"]) == ("read", "zarr2", "blosc-zstd-3-shuffle")
    assert row["chunk_shape"] == (60, 60, 60)


def test_published_ratios_of_uncompressed_arrays_are_their_padding(published: Path, tmp_path: Path) -> None:
    frame = table(tmp_path, published, *HEART)
    plain = frame[(frame["codec"] == "none") & (frame["operation"] == "read")]
    found = {row["chunk_shape"][0]: row for _, row in plain.iterrows()}
    assert {edge: row["chunks_touched"] for edge, row in found.items()} == {64: 1300, 128: 175}
    for edge, ratio in ((64, 0.935735), (128, 0.868897)):
        assert found[edge]["compression_ratio"] == pytest.approx(ratio, abs=1e-6)
        assert found[edge]["compression_ratio"] * found[edge]["read_amplification"] == pytest.approx(1, abs=1e-5)
        n_chunks = math.prod(-(-n // edge) for n in (806, 629, 629))
        assert found[edge]["voxels_decoded"] == n_chunks * edge**3


def test_published_results_say_where_they_come_from(published: Path) -> None:
    imported = read_file(published).imported
    assert imported.sha256 == hashlib.sha256(published.read_bytes()).hexdigest()
    assert (imported.machine_name, imported.python, imported.tool_version) == (
        "intel-xeon-w9-3475x-72cpu", "3.13.3", "5.1.0",
    )  # fmt: skip
    assert imported.environment == published.stem.partition("_")[2]
    assert (imported.project, imported.commit) == ("zarr-benchmarks", "5fa2528a353612cac076628203452b33b4af8dbb")
    assert not any(row["chunk_shape"] for row in imported_rows(imported))  # the file does not say how many axes


def test_an_imported_line_is_frozen() -> None:
    with pytest.raises(AttributeError):
        read_file(SMALL).imported.tool = "x"  # type: ignore[misc]
    assert isinstance(read_file(SMALL).imported, Imported)


@pytest.mark.parametrize("n", [401, 400])
def test_medians_of_many_samples_are_distributed_as_those_that_are_drawn_singly(n: int) -> None:
    samples = np.random.default_rng(n).lognormal(0, 0.3, n)
    singly, of_many = drawn_medians(samples, None, 0, 4000), _medians_of_many(samples, 0, 4000)
    for share in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert np.quantile(of_many, share) == pytest.approx(np.quantile(singly, share), rel=0.01)
    assert (_medians_of_many(samples, 0, 9) == _medians_of_many(samples[::-1], 0, 9)).all()


def test_a_hundred_thousand_rounds_of_one_test_take_no_gigabytes() -> None:
    samples = np.random.default_rng(0).lognormal(0, 0.1, 100_000)
    tracemalloc.start()
    found = median_interval(samples.tolist())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20
    assert found.low is not None
    assert found.high is not None
    assert found.low < 1.0 < found.high
    assert found.high / found.low < 1.01


@pytest.mark.parametrize("n", [2001, 2002])
def test_neighbours_of_many_samples_resemble_each_other_as_much_as_lag_by_lag(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(n).standard_normal(n + 9)
    samples = np.convolve(noise, np.ones(10) / 10, mode="valid") + 9
    quick = autocorrelation_time(samples.tolist())
    monkeypatch.setattr(sampled, "_MOST_CORRELATED", n)
    assert quick == pytest.approx(autocorrelation_time(samples.tolist()))
    assert quick is not None
    assert quick > 5
