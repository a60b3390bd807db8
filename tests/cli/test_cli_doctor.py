"""`storebench doctor`: what is here, and what can be measured here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from storebench.cli import _checks
from storebench.cli._checks import Check, Measured
from storebench.measurement.environment import record_environment
from storebench.measurement.noise import CallNoise, NoiseReport
from storebench.records import SCHEMA_VERSION, Conditions, Environment, Limits
from storebench.storage import Storage

Run = Callable[..., Result]


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no longer than it takes at least."""
    monkeypatch.setattr(_checks, "NOISE_BUDGET_S", 0.1)
    monkeypatch.setattr(_checks, "LIMITS_BUDGET_S", 0.5)


def _named(document: dict[str, Any], name: str) -> list[dict[str, str]]:
    return [check for check in document["checks"] if check["name"] == name]


def test_without_measuring(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--no-measure", "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert document["schema_version"] == SCHEMA_VERSION
    assert {check["status"] for check in document["checks"]} <= {"ok", "skip", "warn", "fail"}
    names = [check["name"] for check in document["checks"]]
    assert {"python", "machine", "asv", "asv_runner", "storage", "results", "cold", "valgrind"} <= set(names)
    assert not {"noise", "limits", "busy"} & set(names)
    assert document["limits"] is document["noise"] is document["conditions"] is None
    glymur = next(entry for entry in document["backends"] if entry["name"] == "jp2-glymur")
    assert "openjpeg" in glymur["facts"]
    assert document["storage"]["root"] == str(tmp_path / "storage")
    text = run("doctor", "--no-measure").stdout
    assert "asv 0.6.6 as pinned" in text
    assert max(map(len, text.splitlines())) <= 80 or str(tmp_path) in text


@pytest.mark.usefixtures("quickly")
def test_measuring(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--json")
    assert result.exit_code == 0
    assert "--no-measure leaves it out" in " ".join(result.stderr.split())
    document = json.loads(result.stdout)
    assert set(document["limits"]) == set(Limits.__dataclass_fields__)
    assert document["limits"]["open_s"] > 0
    assert set(document["conditions"]) == set(Conditions.__dataclass_fields__)
    noise = document["noise"]
    assert [call["n_pairs"] for call in noise["calls"]] == [40, 40]
    assert noise["paired_detectable"] > 0
    assert noise["separate_detectable"] > 0
    (said,) = _named(document, "noise")
    assert "can see changes above" in said["text"]
    assert len(_named(document, "limits")) == 3
    assert len(_named(document, "busy")) == 1
    assert list((tmp_path / "storage" / "scratch").iterdir()) == []


def test_a_busy_machine_is_named(tmp_path: Path) -> None:
    """One busy loop for each processor; its process and the figure are in the line."""
    doctor = (
        "from storebench.cli import _checks, main; _checks.NOISE_BUDGET_S, _checks.LIMITS_BUDGET_S = 1.0, 0.5; main()"
    )
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", doctor, "doctor", "--json"],
            cwd=tmp_path,
            env=os.environ | {"STOREBENCH_ROOT": str(tmp_path / "storage")},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
    finally:
        for process in busy:
            process.kill()
            process.wait()
    document = json.loads(done.stdout)
    (said,) = _named(document, "busy")
    assert said["status"] == "warn"
    assert f"{document['conditions']['busiest_other']} was the busiest other process: end it, or" in said["text"]
    assert document["conditions"]["other_cpus"] > 0.25


def test_strict_is_a_gate(run: Run, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    result = run("doctor", "--no-measure", "--strict", "--storage", "full")
    assert result.exit_code == 1
    assert "fail" in result.stdout
    assert run("doctor", "--no-measure", "--storage", "full").exit_code == 0


@pytest.mark.usefixtures("quickly")
def test_without_storage_there_is_noise_and_no_limit(run: Run, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    document = json.loads(run("doctor", "--json", "--storage", "full").stdout)
    assert document["limits"] is None
    assert document["noise"]["paired_detectable"] > 0


def test_a_missing_tool_comes_with_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert shutil.which("valgrind") is None
    found = {check.name: check for check in _checks.tool_checks()}
    assert set(found) == {"valgrind", "gcc", "strace"}
    assert found["valgrind"].status == "skip"
    assert found["valgrind"].text.endswith("is not installed: sudo apt-get install valgrind")


def _environment(**machine: str | int | None) -> Environment:
    found = record_environment(Path.cwd())
    return Environment(
        python=found.python, libraries={}, builds={}, storebench=found.storebench, machine={"n_cpu": 2} | machine
    )


def test_a_disk_that_reads_far_ahead_and_a_virtual_machine_are_mentioned(tmp_path: Path) -> None:
    root = Storage.open(tmp_path / "root")
    checks = list(_checks.cold_checks(root, _environment(virtual="true", read_ahead_bytes=8 * 1024**2)))
    if checks[0].status == "warn":
        pytest.skip(f"{checks[0].text}; set TMPDIR to a folder on a local disk")
    assert "guest-cold" in checks[0].text
    assert (checks[1].status, checks[1].name) == ("ok", "read-ahead")
    assert "8.00 MiB ahead" in checks[1].text
    checks = list(_checks.cold_checks(root, _environment(virtual="false", read_ahead_bytes=128 * 1024)))
    assert [check.status for check in checks] == ["ok", "ok"]
    assert "guest" not in checks[0].text


def _noise(paired: float, **conditions: Any) -> NoiseReport:
    call = CallNoise(
        wall_s=0.02, n_pairs=200, difference=0.01, paired_detectable=paired, separate_detectable=3 * paired
    )
    return NoiseReport(calls=(call,), conditions=Conditions(started_at=0.0, ended_at=8.0, **conditions))


def test_noise_in_words() -> None:
    noise, busy = _checks.noise_checks(_noise(0.02, other_cpus=0.1, cpu_pressure=0.0), _environment())
    assert noise == Check(
        "ok",
        "noise",
        "two identical calls differ by 1.0%; a paired comparison (storebench compare) can see changes above 2.0% "
        "(it reports them from 5% on), two separate runs of 10 samples above 6.0%",
    )
    assert busy == Check("ok", "busy", "this machine is quiet: others keep 0.10 of 2 processors busy")
    noise, busy = _checks.noise_checks(_noise(0.2), _environment())
    assert noise.status == "warn"
    assert "end what else runs" in noise.text
    (noise, _) = _checks.noise_checks(_noise(0.5), _environment())
    assert (
        "changes above 50.0% (it reports them from 5% on), two separate runs of 10 samples above a factor of 2.5"
        in noise.text
    )
    assert busy.status == "skip"
    _, busy = _checks.noise_checks(_noise(0.02, other_cpus=1.5, busiest_other="chrome"), _environment())
    assert busy.status == "warn"
    assert "chrome was the busiest other process" in busy.text


def test_limits_that_are_missing_are_left_out() -> None:
    warm_only = Limits(
        taken_at=0.0,
        memcpy_bytes_per_s={"262144": 2.0**30},
        warm_read_bytes_per_s={"65536": 2.0**30},
        write_bytes_per_s={"65536": 2.0**29},
        durable_write_bytes_per_s={"65536": 2.0**28},
        open_s=2e-6,
        create_s=5e-6,
        sync_s=1e-4,
    )
    reads, writes, _ = _checks.limits_checks(Measured(limits=warm_only))
    assert reads.text == "reads at best 1.00 GiB/s from the page cache; opens a file in 2.00 us"
    assert "512 MiB/s until return, 256 MiB/s until on the disk" in writes.text
    (full,) = _checks.limits_checks(Measured(why_no_limits="the disk is full"))
    assert full.status == "fail"
    assert full.text.endswith("was not measured: the disk is full")
