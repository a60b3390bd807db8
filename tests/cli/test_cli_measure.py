"""`measure`: states of the cache, ends of writes, threads, engines, instructions, and what is said of each."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from storebench.cli._measured import _limit_lines, row_lines
from storebench.measurement import single
from storebench.measurement.cache import why_not_cold
from storebench.records import Case, Conditions, Environment, Limits, Row, Sample
from storebench.results.tidy import tidy_row

pytestmark = pytest.mark.slow

Run = Callable[..., Result]

CASE = ("measure", "ct", "--shape", "24,24,24", "--backend", "zarr3-zarrpython", "--chunks", "16,16,16")
NO_VALGRIND = pytest.mark.skipif(
    shutil.which("valgrind") is None or shutil.which("gcc") is None,
    reason="needs valgrind and gcc: apt-get install valgrind gcc",
)


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_cold_read_says_how_many_samples_were_shown_to_be_cold(run: Run, tmp_path: Path) -> None:
    result = run(*CASE, "--cache", "cold", "--samples", "3", "--json")
    row = json.loads(result.stdout)
    assert row["cache"] == "cold"
    why_not = why_not_cold(tmp_path)
    if why_not is not None:  # in memory, as a tmpfs: refused, never silently warm
        assert result.exit_code == 2
        assert row["reason"] == why_not
        return
    assert result.exit_code == 0, result.output
    assert row["samples_verified"] == 3
    assert row["device_bytes"] > 0
    assert row["cache_shown"] in ("cold", "guest-cold")


def test_a_durable_write_says_both_ends(run: Run) -> None:
    result = run(*CASE, "--operation", "write", "--durability", "durable", "--samples", "3", "--json")
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)
    assert row["durability"] == "durable"
    assert row["returned_s"] < row["durable_s"]
    text = words(run(*CASE, "--operation", "write", "--samples", "3").stdout)
    assert "(returned)" in text
    assert "on the disk after" in text


def test_rounds_over_fresh_processes_end_with_the_budget(run: Run) -> None:
    result = run(*CASE, "--engine", "paired", "--half-width", "0.01%", "--budget", "5", "--threads", "1", "--json")
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)
    assert row["engine"] == "paired"
    assert row["threads"] == 1
    assert row["converged"] is False
    assert row["n_samples"] >= 1


@NO_VALGRIND
def test_instructions_are_counted(run: Run) -> None:
    result = run(*CASE, "--samples", "1", "--instructions", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["instructions"] > 1000


def test_without_valgrind_instructions_are_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        single, "why_no_instructions", lambda: "counting instructions needs valgrind; apt-get install it"
    )
    result = run(*CASE, "--samples", "1", "--instructions")
    assert result.exit_code == 3
    assert "counting instructions needs valgrind" in words(result.stderr)


def taken(operation: str = "read", *, verified: bool | None = True, **changes: Any) -> dict[str, Any]:
    """Return a tidy row of 20 samples of which 2 were discarded, with everything known."""
    case = Case(
        dataset="ct",
        shape=(64, 64, 64),
        dtype="uint16",
        axes="zyx",
        operation=operation,  # type: ignore[arg-type]
        backend="zarr3-zarrpython",
        codec="zstd-3",
        chunk_shape=(32, 32, 32),
        pattern="plane_xz" if operation == "read" else "whole",
        cache="cold" if operation == "read" else "warm",
    )
    samples = tuple(
        Sample(
            wall_s=0.010 + 0.0001 * number,
            open_s=0.001,
            cpu_s=0.008,
            started_at=100.0 + number,
            process_id=f"p{number % 4}",
            verified=verified and number >= 2,
            unverified_reason=None if number >= 2 else "3 pages were in the cache",
            sync_s=0.005 if operation == "write" else None,
            device_read_bytes=8192,
        )
        for number in range(20)
    )
    facts = {
        "requests": 5,
        "fetched_bytes": 5 * 65536,
        "stored_bytes": 400_000,
        "n_files": 9,
        "logical_bytes": 524_288,
        "voxels_asked": 4096,
        "voxels_decoded": 131_072,
        "codec_bytes_per_s": 1e9,
        "instructions": 1_234_567,
        "threads_ran": 2,
    }
    row = Row(
        case=case, status="ok", format="zarr3", library="zarr-python", library_version="3.1.6", samples=samples, **facts
    )
    environment = Environment(python="3.11.7", libraries={}, builds={}, machine={"n_cpu": 2}, storebench="0.1.0")
    limits = Limits(
        taken_at=100.0,
        memcpy_bytes_per_s={"4194304": 1e10},
        warm_read_bytes_per_s={"65536": 5e9},
        cold_read_bytes_per_s={"65536": 1e9},
        random_read_s={"65536": 1e-4},
        write_bytes_per_s={"65536": 1e9},
        durable_write_bytes_per_s={"65536": 5e8},
        open_s=2e-6,
        create_s=5e-6,
        sync_s=1e-4,
    )
    conditions = [Conditions(started_at=90.0, ended_at=200.0, other_cpus=1.2, busiest_other="chromium")]
    return tidy_row(row, environment, limits=limits, conditions=conditions) | changes


def test_everything_that_is_known_is_said() -> None:
    lines = dict(row_lines(taken(converged=True)))
    assert "(cold, verified 18/20)" in lines["Read plane_xz"]
    assert lines["Interval"].endswith("18 samples of 4 processes: as narrow as asked")
    assert lines["Quickest"].startswith("a tenth took at most 10.")
    assert lines["CPU"] == "8.00 ms: 0.724 processors busy, 2 threads ran"
    assert "% of what this machine could do at best: requests" in lines["Limit"]
    assert "bytes" in lines["Limit"]
    assert "decoding" in lines["Limit"]
    assert lines["Fetched"] == "320 KiB in 5 requests"
    assert lines["Disk"] == "8.00 KiB read, read-ahead included"
    assert lines["Instructions"] == "1,234,567 in one call"


def test_a_budget_that_ended_first_is_said() -> None:
    assert dict(row_lines(taken(converged=False)))["Interval"].endswith("the budget ended first")


def test_a_write_says_when_it_returned_and_when_it_was_on_the_disk() -> None:
    lines = dict(row_lines(taken("write", verified=None)))
    assert "(returned)" in lines["Write"]
    assert lines["Ends"].startswith("returned after 10.")
    assert "on the disk after 15." in lines["Ends"]


def test_what_is_missing_is_left_out() -> None:
    known = taken()
    names = ("p10_s", "first_touch_s", "cpu_s", "limit_fraction", "device_bytes", "instructions", "samples_verified")
    lines = dict(row_lines(known | dict.fromkeys(names)))
    assert not {"Quickest", "CPU", "Limit", "Disk", "Instructions"} & set(lines)
    assert "(cold, not shown)" in lines["Read plane_xz"]
    assert "None" not in str(lines)


@pytest.mark.parametrize("operation", ["read", "write", "open", "encode"])
def test_lines_keep_to_80_columns(run: Run, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    monkeypatch.setattr(
        single, "measure", lambda *_, **__: taken(operation, verified=True if operation == "read" else None)
    )
    result = run(*CASE, "--operation", operation, env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80
    assert "chromium" in words(result.stderr), "a busy machine is told"


PYRAMID = (
    "measure",
    "ct",
    "--shape",
    "48,64",
    "--backend",
    "omezarr-0.5-zarrpython",
    "--chunks",
    "16,16",
    "--levels",
    "3",
)


def test_a_trace_says_how_long_a_viewer_waits_and_what_each_view_asks_for(run: Run) -> None:
    result = run(*PYRAMID, "--pattern", "viewer12x16", "--samples", "2", "--json")
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)
    assert row["n_frames"] == len(row["frames_s"]) == len(row["frame_bytes"]) == 15
    assert row["frame_bytes"] == row["predicted_frame_bytes"]
    assert row["frame_requests"] == row["predicted_frame_requests"]
    assert row["open_s"] < row["first_view_s"] <= row["median_s"]
    text = words(run(*PYRAMID, "--pattern", "viewer12x16", "--samples", "2").stdout)
    assert "Views 15 views: the first after" in text
    assert "95 % within" in text
    assert "at the median" in text


def test_building_levels_is_an_operation(run: Run) -> None:
    result = run(*PYRAMID, "--operation", "build_levels", "--level-method", "nearest", "--samples", "2")
    assert result.exit_code == 0, result.output
    assert "Build levels" in result.stdout
    refused = run(*PYRAMID[:-2], "--operation", "build_levels")
    assert refused.exit_code == 2
    assert "use --levels 2 or more" in words(refused.stderr)


CUBE = "measure ct --shape 8,16,16 --backend zarr3-zarrpython --chunks 4,8,8 --samples 2".split()


def test_a_stream_says_slabs_a_second_stalls_and_what_it_moves(run: Run) -> None:
    result = run(*CUBE, "--operation", "append", "--pattern", "stream1", "--json")
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)
    assert row["n_frames"] == len(row["frames_s"]) == 8
    assert row["frame_p99_s"] <= row["frame_max_s"]
    assert row["write_amplification"] == pytest.approx(
        4 + 3, abs=0.3
    )  # each chunk written four times and read three times
    text = words(run(*CUBE, "--operation", "append", "--pattern", "stream1", "--durability", "durable").stdout)
    assert "Append stream1" in text
    assert re.search(r"Slabs 8 slabs: the first after .* a second, median .* 99 % within .*, slowest", text)
    assert re.search(r"with what is read 7\.\d+x the bytes given", text)


def test_an_overwrite_says_what_it_moves(run: Run) -> None:
    text = words(run(*CUBE, "--operation", "overwrite", "--pattern", "roi4-misaligned4").stdout)
    assert "(returned)" in text
    assert "Slabs" not in text
    assert "Written 2.00 KiB in 4 requests; with what is read 36.6x the bytes given" in text
    refused = run(
        "measure",
        "ct",
        "--shape",
        "8,16,16",
        "--backend",
        "pngstack-imageio",
        "--codec",
        "png-1",
        "--operation",
        "overwrite",
    )
    assert refused.exit_code == 2
    assert "do not tell exactly how they are compressed" in words(refused.stderr)
    no_write = run(*CUBE, "--operation", "list", "--durability", "durable")
    assert no_write.exit_code == 2
    assert "durability durable is for writes" in words(no_write.stderr)


def test_a_limit_that_was_passed_is_said_not_to_hold() -> None:
    row = {"limit_fraction": 1.25, "limit_requests_s": 2e-6, "limit_bytes_s": 0.0, "limit_decode_s": 0.0}
    ((label, text),) = _limit_lines(row)
    assert label == "Limit"
    assert text.startswith(
        "1.25x as fast as what was measured as this machine's best, so it does not hold here: requests"
    )
