"""`run`, `quick`, and what is made of their results: `report` and `export`. A whole `quick` is run by test_wheel."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from storebench import campaign
from storebench.campaign import Outcome, Plan, Progress
from storebench.records import Case, Conditions, Environment, Row, Sample
from storebench.results.journal import Journal

Run = Callable[..., Result]


def test_a_dry_run_shows_the_plan_and_makes_nothing(run: Run, tmp_path: Path) -> None:
    result = run("run", "--suite", "open", "--dry-run")
    assert result.exit_code == 0
    assert "measurements of" in " ".join(result.stderr.split())
    assert re.search(r"^open\.\w+\.time_open: \d+ cases?$", result.stdout, re.MULTILINE)
    plan = json.loads(run("run", "--suite", "open", "--suite", "size", "--passes", "2", "--dry-run", "--json").stdout)
    assert plan["suites"] == ["open", "size"]
    assert plan["n_measurements"] > plan["n_cases"] > 0
    assert all(name.split(".")[0] in ("open", "size") for name in plan["benchmarks"])
    assert not (tmp_path / "results").exists()


def test_the_paired_engine_is_planned_with_what_ends_it(run: Run) -> None:
    options = ("--engine", "paired", "--half-width", "3%", "--budget", "60", "--passes", "4")
    result = run("run", "--suite", "open", *options, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    assert (plan["engine"], plan["half_width"], plan["budget_s"], plan["passes"]) == ("paired", 0.03, 60.0, 4)
    assert "in rounds, until each median is known to 3 % or 60.0 s are over" in " ".join(result.stderr.split())


def fake(n_failed: int = 0, *, interrupted: bool = False) -> Callable[..., Outcome]:
    def run_campaign(plan: Plan, *, on_progress: Callable[[Progress], None], resume: bool = False) -> Outcome:
        on_progress(Progress(1, 4, None, "read[zarr,64^3]"))
        failures = (("read/npy[x]", "voxel 3 differs"),) * n_failed
        return Outcome(
            result_files=(), n_ok=3, n_failed=n_failed, n_skipped=0, interrupted=interrupted, failures=failures
        )

    return run_campaign


def test_a_failed_case_is_told_and_ends_with_4(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "run_campaign", fake(7))
    result = run("run", "--suite", "open", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["n_failed"] == 7
    assert "Failed: read/npy[x]: voxel 3 differs" in result.stderr
    assert "2 more" in result.stderr
    assert "read[zarr,64^3]" in result.stderr


def test_ctrl_c_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "run_campaign", fake(interrupted=True))
    result = run("run", "--suite", "open", "--suite", "size", "--passes", "2", "--machine", "my lab")
    assert result.exit_code == 130
    assert "storebench run --suite open --suite size --passes 2 --machine 'my lab' --resume" in " ".join(
        result.stderr.split()
    )


def test_the_command_that_goes_on_reads_as_it_was_typed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "run_campaign", fake(interrupted=True))
    options = ("--engine", "paired", "--half-width", "7%", "--budget", "60")
    result = run("run", "--suite", "open", *options)
    assert result.exit_code == 130
    again = "storebench run --suite open --engine paired --half-width 7% --budget 60.0 --resume"
    assert again in " ".join(result.stderr.split())


def test_a_noisy_run_says_so_at_its_end(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "results" / "lab" / "0123abcd-py3.jsonl"
    environment = Environment(python="3.11.7", libraries={}, builds={}, machine={"n_cpu": 2}, storebench="0.1.0")
    case = Case(dataset="ct", shape=(9, 9, 9), dtype="uint16", axes="zyx", operation="open", backend="npy-numpy")
    samples = [
        Sample(wall_s=0.02, open_s=None, cpu_s=0.01, started_at=100.0 + number, process_id="p") for number in range(5)
    ]
    busy = Conditions(started_at=90.0, ended_at=200.0, cpu_pressure=0.5, other_cpus=1.5, busiest_other="chromium")
    kept = Journal(journal)
    kept.append_environment(environment)
    kept.append_row(environment, Row(case=case, status="ok", format="npy", library="numpy", samples=tuple(samples)))
    kept.append_conditions(environment.id, "run", busy)

    def measured(plan: Plan, **_: object) -> Outcome:
        return Outcome(result_files=(journal,), n_ok=1, n_failed=0, n_skipped=0, interrupted=False, failures=())

    monkeypatch.setattr(campaign, "run_campaign", measured)
    result = run("run", "--suite", "open")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "Warning: 1 case is noisy" in said
    assert case.id in said
    assert "chromium" in said


def test_run_report_export(run: Run, tmp_path: Path) -> None:
    done = run("run", "--suite", "durable", "--passes", "1", "--machine", "lab", "--json")
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert outcome["n_ok"] == outcome["plan"]["n_cases"]
    assert all((tmp_path / path).is_file() for path in outcome["result_files"])

    report = json.loads(run("report", "-o", "page", "--json").stdout)
    assert report["n_rows"] == outcome["n_ok"]
    assert (tmp_path / report["report"]).read_text().startswith("<!doctype html>")
    assert all((tmp_path / file).is_file() for file in report["files"])

    table = json.loads(run("export", "results", "--format", "json").stdout)
    assert len(table["rows"]) == outcome["n_ok"]
    assert run("export", "--format", "csv").stdout.count("\n") == outcome["n_ok"] + 1
    assert run("export", "--format", "csv", "-o", "t.csv").stdout == ""
    assert (tmp_path / "t.csv").read_text().startswith("case_id,")


def test_a_large_image_is_sampled(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "run_campaign", fake(interrupted=True))
    np.lib.format.open_memmap(tmp_path / "large.npy", mode="w+", dtype="uint16", shape=(300, 500, 500)).flush()
    result = run("quick", "large.npy", "--machine", "lab")
    assert "spread tiles" in " ".join(result.stderr.split())
    assert "% of the voxels" in " ".join(result.stderr.split())
