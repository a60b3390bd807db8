"""What the tests of the command line share."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from storebench.cli import app

Shell = Callable[..., subprocess.CompletedProcess[str]]
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, in an empty folder and with a storage root of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STOREBENCH_ROOT", str(tmp_path / "storage"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def invoke(*arguments: str, env: Mapping[str, str] | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), env=dict(env or {}), prog_name="storebench")

    return invoke


@pytest.fixture
def page_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without PNG and PDF, nor the processes that write them: two thirds of a report's time."""
    monkeypatch.setattr("storebench.cli.results._press_workers", lambda: 0)
    monkeypatch.setattr("storebench.report.press.save_for_paper", lambda *_: None)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a command in a process of its own, in an empty folder, with a pipe behind it."""

    def call(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
        return subprocess.run(
            [sys.executable, "-c", "from storebench.cli import main; main()", *arguments],
            cwd=tmp_path,
            env=kept | {"STOREBENCH_ROOT": str(tmp_path / "storage")} | env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


@pytest.fixture
def cpu_seconds(shell: Shell) -> Callable[..., float]:
    """CPU seconds of a command, the least of three: wall time would tell how busy the machine is."""

    def least(*arguments: str) -> float:
        times = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert shell(*arguments).returncode == 0
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(times)

    return least
