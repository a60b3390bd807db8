"""The installed wheel, away from any clone: it carries the suites and the baseline, and measures a user's file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import storebench
from storebench.assets import clone_root

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    root = clone_root()
    assert root is not None, "the tests run from a clone"
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(root)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(folder / "site"),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    return folder / "site"


def run(site: Path, folder: Path, *arguments: str) -> dict:
    """Run the wheel's command in a folder and return the one JSON document it prints."""
    environ = os.environ | {"PYTHONPATH": str(site), "STOREBENCH_ROOT": str(folder / "root")}
    command = [sys.executable, "-m", "storebench", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_quick_measures_a_file_in_an_empty_folder(site: Path, tmp_path: Path) -> None:
    volume = np.random.Generator(np.random.Philox(1)).integers(0, 300, (24, 40, 36), dtype=np.uint16)
    np.save(tmp_path / "mine.npy", volume)
    found = run(site, tmp_path, "quick", "mine.npy", "--budget", "1")  # one pass
    assert found["n_failed"] == 0
    assert found["rows"]
    assert {row["status"] for row in found["rows"]} == {"ok"}
    assert {row["commit"] for row in found["rows"]} == {None}, "a wheel has a version, not a commit"
    assert {row["dataset"] for row in found["rows"]} == {"mine.npy"}
    files = [path for path in (tmp_path / "results").rglob("*") if path.name.startswith(f"{storebench.__version__}-py")]
    assert {path.suffix for path in files} == {".json", ".jsonl"}
    assert (tmp_path / "reports" / "index.html").stat().st_size > 10_000


def test_the_baseline_is_reported_without_any_results(site: Path, tmp_path: Path) -> None:
    found = run(site, tmp_path, "report")
    assert found
    assert (tmp_path / "reports" / "index.html").stat().st_size > 10_000


def test_the_suites_come_along(site: Path, tmp_path: Path) -> None:
    plan = run(site, tmp_path, "run", "--dry-run", "--tier", "core")
    assert plan["n_cases"] >= 300
