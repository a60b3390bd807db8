"""The journal: many writers, merged lines, damage that is named, compaction that loses nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from storebench.errors import ResultsError, StorageError
from storebench.records import (
    SCHEMA_VERSION,
    Case,
    Conditions,
    Crop,
    Environment,
    Limits,
    Row,
    Sample,
    crop_from_json,
    pack_values,
    to_json,
)
from storebench.results import lines as lines_module
from storebench.results.journal import Journal, read_journal, write_compact

OLD = Path(__file__).parents[1] / "data" / "journals" / "v1.jsonl"
"""20 lines of results/intel-xeon-2cpu as storebench of schema version 1 wrote them."""
OLD_2 = OLD.with_name("v2.jsonl")
"""23 lines of a smoke run as storebench of schema version 2 wrote them: no RMSE, PSNR and SSIM, no crops."""
OLD_3 = OLD.with_name("v3.jsonl")
"""13 lines of results/amd-epyc-2cpu as storebench of schema version 3 wrote them: no sample has parts."""

CASE = Case(dataset="ct", shape=(8, 8, 8), dtype="uint16", axes="zyx", operation="read", backend="npy-numpy")
ROW = Row(case=CASE, status="ok", format="npy", library="numpy", logical_bytes=1024)
ENVIRONMENT = Environment(python="3.11.7", libraries={}, builds={}, machine={}, storebench="0.1.0", commit="c" * 40)
KEY = (ENVIRONMENT.id, CASE.id)


@dataclass(frozen=True)
class Asker:
    run: str | None = "r1"
    benchmark: str | None = "b.time_x"
    params: tuple[str, ...] | None = ("'a'",)


def sample(number: float, process: str = "p") -> Sample:
    return Sample(wall_s=number, open_s=None, cpu_s=0.0, started_at=number, process_id=process)


def test_lines_of_one_case_are_merged(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "x.jsonl")
    journal.append_environment(ENVIRONMENT)
    journal.append_sample(*KEY[:1], "r1", CASE.id, sample(1))
    journal.append_row(ENVIRONMENT, replace(ROW, stored_bytes=10, n_files=3), Asker())
    journal.append_row(
        ENVIRONMENT, replace(ROW, status="failed", reason="why", stored_bytes=20), Asker(benchmark="b.time_y")
    )
    journal.append_row(ENVIRONMENT, replace(ROW, samples=(sample(2),)), Asker(run=None))
    journal.append_sample(ENVIRONMENT.id, "r1", CASE.id, sample(3))
    content = read_journal(journal.path)
    entry = content.rows[KEY]
    assert content.environments == {ENVIRONMENT.id: ENVIRONMENT}
    assert (entry.row.status, entry.row.reason) == ("ok", None)
    assert (entry.row.stored_bytes, entry.row.n_files, entry.row.logical_bytes) == (20, 3, 1024)
    assert [s.wall_s for s in entry.row.samples] == [1, 2, 3]
    assert (entry.run, entry.commit) == ("r1", "c" * 40)
    assert entry.measured_as == (("b.time_y", ("'a'",)), ("b.time_x", ("'a'",)))
    assert (entry.benchmark, entry.params) == ("b.time_x", ("'a'",))

    compact = tmp_path / "y.jsonl"
    write_compact(content, compact)
    assert read_journal(compact) == content
    assert read_journal(compact, journal.path).rows[KEY].row.samples == entry.row.samples
    assert len(compact.read_text().splitlines()) == 3
    text = compact.read_bytes()
    write_compact(read_journal(compact), compact)
    assert compact.read_bytes() == text


def test_a_cut_off_last_line_is_reported_left_out_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    Journal(path).append_row(ENVIRONMENT, ROW)
    with path.open("a") as file:
        file.write('{"schema_version": 1, "kind": "samp')
    content = read_journal(path)
    assert list(content.rows) == [KEY]
    assert "line 2" in str(content.warnings[0])
    Journal(path).append_sample(ENVIRONMENT.id, None, CASE.id, sample(1))
    content = read_journal(path)
    assert content.warnings == ()
    assert len(content.rows[KEY].row.samples) == 1


def test_a_file_of_one_cut_off_line_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"kind"')
    Journal(path).append_row(ENVIRONMENT, ROW)
    assert list(read_journal(path).rows) == [KEY]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "damaged"),
        ("7", "object with kind"),
        ('{"kind": "row", "schema_version": 99}', "newer storebench.*pip install"),
        ('{"kind": "row", "schema_version": 0}', "not known"),
        ('{"kind": "pear", "schema_version": 1}', "pear"),
        ('{"kind": "sample", "schema_version": 1}', "environment_id.*missing"),
        (
            '{"kind": "sample", "schema_version": 1, "environment_id": "a", "case_id": "b", "sample": {"x": 1}}',
            "x.jsonl, line 2",
        ),
    ],
)
def test_a_bad_line_in_the_middle_is_an_error_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "x.jsonl"
    journal = Journal(path)
    journal.append_environment(ENVIRONMENT)
    with path.open("a") as file:
        file.write(line + "\n")
    journal.append_row(ENVIRONMENT, ROW)
    with pytest.raises(ResultsError, match=message) as caught:
        read_journal(path)
    assert "x.jsonl, line 2" in str(caught.value)


def test_an_upgrade_step_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    Journal(path).append_row(ENVIRONMENT, replace(ROW, n_files=3))
    old = (
        path.read_text()
        .replace(f'"schema_version":{SCHEMA_VERSION}', '"schema_version":1')
        .replace('"n_files"', '"files"')
    )
    path.write_text(old)
    step = {1: lambda line: line | {"row": {("n_files" if k == "files" else k): v for k, v in line["row"].items()}}}
    monkeypatch.setattr(lines_module, "_UPGRADES", {**lines_module._UPGRADES, **step})
    assert read_journal(path).rows[KEY].row.n_files == 3


def test_samples_without_a_row_are_a_warning(tmp_path: Path) -> None:
    Journal(tmp_path / "x.jsonl").append_sample("e", None, "case", sample(1))
    content = read_journal(tmp_path / "x.jsonl")
    assert content.rows == {}
    assert "samples of case" in str(content.warnings[0])


def test_several_processes_write_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    Journal(path).append_row(ENVIRONMENT, ROW)
    code = (
        "import sys; from pathlib import Path; from storebench.records import Sample\n"
        "from storebench.results.journal import Journal\n"
        "j = Journal(Path(sys.argv[1]))\n"
        "for i in range(200): j.append_sample(sys.argv[2], None, sys.argv[3], "
        "Sample(wall_s=i, open_s=None, cpu_s=0.0, started_at=i, process_id=sys.argv[4]))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), *KEY, str(n)]) for n in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(read_journal(path).rows[KEY].row.samples) == 600


def test_what_cannot_be_written_or_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        Journal(tmp_path / "file" / "x.jsonl").append_environment(ENVIRONMENT)
    with pytest.raises(ResultsError, match="cannot be read"):
        read_journal(tmp_path / "no.jsonl")


def test_every_line_says_its_schema(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.jsonl")
    journal.append_environment(ENVIRONMENT)
    assert json.loads(journal.path.read_text()).keys() == {"kind", "schema_version", "id", "environment"}


def test_a_file_of_schema_version_1_still_reads(tmp_path: Path) -> None:
    raw = [json.loads(line) for line in OLD.read_text().splitlines()]
    assert {line["schema_version"] for line in raw} == {1}
    content = read_journal(OLD)
    rows = [line for line in raw if line["kind"] == "row"]
    assert (len(content.environments), len(content.datasets), len(content.rows)) == (1, 3, 16)
    for line in rows:
        entry = next(
            e for e in content.rows.values() if e.params == tuple(line["params"]) and e.benchmark == line["benchmark"]
        )
        assert [s.wall_s for s in entry.row.samples] == [s["wall_s"] for s in line["row"]["samples"]]
        assert all(s.kind == "timed" and s.verified is None and s.sync_s is None for s in entry.row.samples)
        assert entry.row.stored_bytes == line["row"].get("stored_bytes")
        assert entry.row.engine == "asv"  # there was no other engine
        assert (entry.row.gets, entry.row.converged) == (None, None)
    compact = tmp_path / "v2.jsonl"
    write_compact(content, compact)
    assert read_journal(compact) == content
    assert {json.loads(line)["schema_version"] for line in compact.read_text().splitlines()} == {SCHEMA_VERSION}


def test_a_file_of_schema_version_2_still_reads(tmp_path: Path) -> None:
    raw = [json.loads(line) for line in OLD_2.read_text().splitlines()]
    assert {line["schema_version"] for line in raw} == {2}
    content = read_journal(OLD_2)
    rows = {line["row"]["case"]["codec"]: line["row"] for line in raw if line["kind"] == "row"}
    assert {"jp2-lossless", "jp2-ratio-10"} <= set(rows)
    for entry in content.rows.values():
        exact = rows[entry.row.case.codec]["max_abs_error"] == 0
        assert entry.row.max_abs_error == rows[entry.row.case.codec]["max_abs_error"]
        assert (entry.row.rmse, entry.row.ssim) == ((0.0, 1.0) if exact else (None, None))
        assert entry.row.psnr_db is None
    assert content.crops == {}
    write_compact(content, tmp_path / "v3.jsonl")
    assert read_journal(tmp_path / "v3.jsonl") == content


def test_a_file_of_schema_version_3_still_reads(tmp_path: Path) -> None:
    raw = [json.loads(line) for line in OLD_3.read_text().splitlines()]
    assert {line["schema_version"] for line in raw} == {3}
    content = read_journal(OLD_3)
    samples = [sample for entry in content.rows.values() for sample in entry.row.samples]
    assert len(samples) == sum(len(line["row"]["samples"]) for line in raw if line["kind"] == "row") > 0
    assert {sample.frame_s for sample in samples} == {None}
    assert {entry.row.case.level_method for entry in content.rows.values()} == {"mean"}
    write_compact(content, tmp_path / "v4.jsonl")
    assert read_journal(tmp_path / "v4.jsonl") == content


def test_parts_of_a_sample_and_of_a_row_come_back_as_they_were(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.jsonl")
    row = replace(ROW, frame_requests=(3, 1), frame_bytes=(30, 10), samples=(replace(sample(1), frame_s=(0.5, 0.25)),))
    journal.append_row(ENVIRONMENT, row)
    (entry,) = read_journal(journal.path).rows.values()
    assert entry.row == row


def crop(**fields: object) -> Crop:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    known = {"dataset": "ct", "shape": (8, 8, 8), "dtype": "uint16", "seed": 0, "sha256": "a" * 64, "start": (4, 0, 2)}
    return Crop(**{**known, "extent": (1, 3, 4), "packed": pack_values(values), **fields})


DECODED = {"backend": "jp2-glymur", "codec": "jp2-ratio-10", "chunk_shape": (8, 8)}


def test_crops_are_kept_once_each_by_every_writer_and_reader(tmp_path: Path) -> None:
    first, second = Journal(tmp_path / "x.jsonl"), Journal(tmp_path / "x.jsonl")
    mine = crop(seed=None, dataset="mine")
    for journal in (first, second, first):
        for kept in (crop(), crop(**DECODED), mine):
            journal.append_crop(kept)
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 3
    later = crop(**DECODED, packed=pack_values(np.ones((3, 4), np.uint16)))
    first.append_crop(later)  # a newer library decodes otherwise
    content = read_journal(tmp_path / "x.jsonl")
    assert content.crops == {crop().key: crop(), later.key: later, mine.key: mine}
    write_compact(content, tmp_path / "y.jsonl")
    assert read_journal(tmp_path / "y.jsonl") == content
    assert read_journal(tmp_path / "y.jsonl", tmp_path / "x.jsonl") == content
    text = (tmp_path / "y.jsonl").read_bytes()
    write_compact(read_journal(tmp_path / "y.jsonl"), tmp_path / "y.jsonl")
    assert (tmp_path / "y.jsonl").read_bytes() == text


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", ">u2", "float32", "complex64"])
def test_a_crop_comes_back_to_the_bit(dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 2, (5, 7)).astype(dtype)
    found = crop_from_json(
        json.loads(json.dumps(to_json(crop(dtype=dtype, extent=(5, 7), packed=pack_values(values)))))
    )
    assert (found.values() == values).all()
    assert found.values().dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    "fields",
    [
        {"packed": "no base64!"},
        {"packed": "AAAA"},
        {"packed": pack_values(np.zeros(11, np.uint16))},
        {"packed": pack_values(np.zeros(13, np.uint16))},
        {"packed": crop().packed[:-12]},
        {"packed": pack_values(np.zeros(10_000_000, np.uint8))},
        {"extent": (1 << 20, 1 << 20)},
        {"extent": (12,)},
        {"dtype": "object"},
        {"dtype": "u2,u2"},
        {"dtype": "pear"},
    ],
)
def test_a_damaged_crop_is_an_error_with_its_place(tmp_path: Path, fields: dict[str, object]) -> None:
    path = tmp_path / "x.jsonl"
    Journal(path).append_crop(crop())
    Journal(path).append_crop(crop(**fields))
    with pytest.raises(ResultsError, match=re.escape("x.jsonl, line 2")):
        read_journal(path)


def test_conditions_and_limits_are_kept_once_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.jsonl")
    spans = [Conditions(started_at=float(i), ended_at=i + 1.0, cpu_pressure=0.5, busiest_other="cc1") for i in range(3)]
    found = [Limits(taken_at=float(i), memcpy_bytes_per_s={"4096": 1e9 + i}, sync_s=0.001) for i in range(2)]
    for span in (spans[2], spans[0], spans[2], spans[1]):
        journal.append_conditions("e", "r1", span)
    for limits in (*found, found[0]):
        journal.append_limits("e", None, limits)
    journal.append_conditions("f", None, spans[0])
    content = read_journal(journal.path)
    assert content.conditions == {"e": (spans[2], spans[0], spans[1]), "f": (spans[0],)}
    assert content.limits == {"e": tuple(found)}
    write_compact(content, tmp_path / "y.jsonl")
    assert read_journal(tmp_path / "y.jsonl") == content
    assert read_journal(tmp_path / "y.jsonl", journal.path).limits == content.limits
    assert "null" not in (tmp_path / "y.jsonl").read_text()


def test_a_sample_is_written_without_what_says_nothing_and_reads_back_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.jsonl")
    full = Sample(
        wall_s=0.5, open_s=0.1, cpu_s=0.4, started_at=2.0, process_id="p", kind="first_touch", verified=False,
        unverified_reason="why", sync_s=0.2, resident_fraction=0.0, device_read_bytes=0, involuntary_switches=0,
    )  # fmt: skip
    journal.append_row(ENVIRONMENT, replace(ROW, samples=(sample(1),)))
    journal.append_sample(ENVIRONMENT.id, None, CASE.id, full)
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert lines[0]["row"]["samples"][0].keys() == {"wall_s", "open_s", "cpu_s", "started_at", "process_id"}
    assert lines[1]["sample"].keys() >= {
        "kind",
        "verified",
        "resident_fraction",
        "device_read_bytes",
    }  # a 0 was measured
    assert "write_calls" not in lines[1]["sample"]
    content = read_journal(journal.path)
    assert content.rows[KEY].row.samples == (sample(1), full)
    write_compact(content, tmp_path / "y.jsonl")
    assert read_journal(tmp_path / "y.jsonl") == content


def test_new_facts_merge_and_converged_is_the_last_word(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.jsonl")
    journal.append_row(ENVIRONMENT, replace(ROW, gets=3, engine="paired", converged=True))
    journal.append_row(ENVIRONMENT, replace(ROW, instructions=7, converged=False))
    row = read_journal(journal.path).rows[KEY].row
    assert (row.gets, row.instructions, row.engine, row.converged) == (3, 7, "paired", False)


def test_the_docs_know_every_kind_of_line() -> None:
    text = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    table = text.split("| `kind` | fields |")[1].split("\n\n")[0]
    documented = {line.split("`")[1] for line in table.splitlines()[2:]}
    folder = Path(lines_module.__file__).parent
    source = "".join((folder / name).read_text() for name in ("journal.py", "_journal_content.py", "imported.py"))
    assert documented == set(re.findall(r'line\["kind"\] == "(\w+)"', source))
    assert documented == set(re.findall(r'"kind": "(\w+)"', source))
    assert f"`schema_version` (now {SCHEMA_VERSION}" in text
