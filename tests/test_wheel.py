"""The installed wheel, away from any clone: it carries the suites and the baseline, and measures a user's file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import storebench
from storebench.assets import bundled_results, clone_root
from storebench.results.frame import load_results

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


def run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the wheel's command in a folder."""
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    environ |= {"PYTHONPATH": str(site), "STOREBENCH_ROOT": str(folder / "root")}
    command = [sys.executable, "-m", "storebench", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def told(site: Path, folder: Path, *arguments: str) -> dict:
    """Return the one JSON document that it prints."""
    document: dict = json.loads(run(site, folder, *arguments, "--json").stdout)
    return document


def test_quick_measures_a_users_image(site: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "img[1].npy", np.arange(40 * 41 * 42, dtype="uint16").reshape(40, 41, 42))
    others = next(path for path in bundled_results().iterdir() if path.is_dir())
    shutil.copytree(others, tmp_path / "results" / "other")
    done = run(
        site, tmp_path, "quick", "img[1].npy", "--machine", "lab", "--budget", "1"
    )  # it ends after the first pass
    said = " ".join(done.stderr.split())
    assert "40x41x42 uint16" in said
    assert "assumed" in said
    assert "Plan:" in said
    assert "Setting" in done.stdout
    assert "blosc-zstd-3-shuffle" in done.stdout
    assert "*" in done.stdout
    assert "storebench run --dataset 'img[1].npy' --tier core" in done.stdout
    table = [line for line in done.stdout.splitlines() if "/" not in line]
    assert max(map(len, table)) <= 80
    rows = load_results(tmp_path / "results" / "lab")
    assert set(rows["status"]) == {"ok"}
    assert set(rows["dataset"]) == {"img-1-.npy"}
    assert rows["commit"].isna().all(), "a wheel has a version, not a commit"
    kept = {path.suffix for path in (tmp_path / "results" / "lab").glob(f"{storebench.__version__}-py*")}
    assert kept == {".json", ".jsonl"}
    page = (tmp_path / "reports" / "index.html").read_text()
    assert "img" in page
    assert "labels_dense" not in page, "the report is about this image, whatever else lies in the results folder"


def test_the_baseline_comes_along(site: Path, tmp_path: Path) -> None:
    table = json.loads(run(site, tmp_path, "export", "--format", "json").stdout)
    assert len(table["rows"]) > 500


def test_the_suites_come_along(site: Path, tmp_path: Path) -> None:
    plan = told(site, tmp_path, "run", "--dry-run", "--tier", "core")
    assert plan["n_cases"] >= 300
