"""Manners: colour, width, ASCII, tables, progress, JSON."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import click
import pytest
from click.testing import Result

from storebench.cli import _progress
from storebench.cli._output import Output, plain
from storebench.cli._progress import progress_line, progress_shown
from storebench.cli._table import Column, table_text

Run = Callable[..., Result]
Shell = Callable[..., subprocess.CompletedProcess[str]]

BRACKETS = "read.xz[zarr,64^3,zstd]"


@dataclass(frozen=True)
class Progress:
    done: int
    total: int
    eta_s: float | None
    label: str


def table(width: int = 80, *, color: bool = False) -> list[str]:
    columns = [
        Column(title="Setting", cells=[BRACKETS, "zarr3 32x32x32 in 128x128x128 blosc-zstd-3-shuffle"], wraps=True),
        Column(title="Write", cells=["630 ms", "7.73 s"], align=">", best={0}),
        Column(title="Size", cells=["20.8 MiB", "–"], align=">"),
    ]
    return table_text(columns, width=width, color=color).splitlines()


def test_table_marks_the_best_with_a_star_where_there_is_no_colour() -> None:
    lines = table()
    assert lines[2].endswith("630 ms* 20.8 MiB")
    assert lines[3].endswith("7.73 s         –")
    assert BRACKETS in lines[2]


def test_table_colours_the_best() -> None:
    text = "\n".join(table(color=True))
    assert click.style("630 ms", fg="green", bold=True) in text
    assert "*" not in text


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_table_breaks_between_words_and_cuts_nothing(width: int) -> None:
    lines = [click.unstyle(line) for line in table(width)]
    assert max(map(len, lines)) <= max(width, 45)
    for word in (BRACKETS, "zarr3", "32x32x32", "128x128x128", "blosc-zstd-3-shuffle", "7.73 s"):
        assert any(word in line for line in lines)


def test_progress_in_a_pipe_is_one_line_at_most_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter(range(100))
    with progress_shown(Output(), clock=lambda: float(next(now))) as show:
        for done in range(1, 31):
            show(Progress(done, 30, 60.0, BRACKETS))
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert [line.split()[0] for line in lines] == ["1", "11", "21", "30"]
    assert all(BRACKETS in line for line in lines)
    assert "\r" not in captured.err


def test_the_estimate_is_shown_from_the_third_on() -> None:
    assert "left" not in progress_line(Progress(2, 9, 60.0, "read"))
    assert "about 60.0 s left" in progress_line(Progress(3, 9, 60.0, "read"))
    assert "left" not in progress_line(Progress(3, 9, None, "read"))


def test_the_bar_keeps_names_with_brackets(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with _progress.progress_shown(Output()) as show:
        show(Progress(3, 9, 30.0, BRACKETS))
    assert BRACKETS in capsys.readouterr().err


@pytest.mark.parametrize(
    ("color", "env", "expected"),
    [
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour(shell: Shell, color: str, env: dict[str, str], expected: bool) -> None:
    done = shell("list", "suites", "--color", color, **env)
    assert done.returncode == 0
    assert ("\x1b[" in done.stdout) == expected


def test_colour_may_stand_before_the_command(shell: Shell) -> None:
    assert "\x1b[" in shell("--color", "always", "list", "suites").stdout
    assert "\x1b[" in shell("list", "suites", STOREBENCH_COLOR="always").stdout


@pytest.mark.parametrize(
    "env", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "POSIX"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_no_locale_stops_a_line(shell: Shell, env: dict[str, str]) -> None:
    done = shell("explain", "--shape", "9,9", "--chunks", "2,2", "--pattern", "größe–µ", **env)
    assert done.returncode == 2
    assert "UnicodeEncodeError" not in done.stderr
    assert done.stderr.isascii()
    assert "-" in done.stderr


@pytest.mark.parametrize("what", ["codecs", "patterns", "suites"])
@pytest.mark.parametrize("columns", [{}, {"COLUMNS": "80"}])
def test_lists_keep_to_80_columns(shell: Shell, what: str, columns: dict[str, str]) -> None:
    done = shell("list", what, **columns)
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_closed_pipe_is_no_error(shell: Shell) -> None:
    pipe = f"{sys.executable} -c 'from storebench.cli import main; main()' list codecs --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_json_has_null_for_what_was_not_measured() -> None:
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    values = {
        "a": math.nan,
        "b": np.int64(3),
        "c": (1, 2),
        "d": np.float32("nan"),
        "e": pd.NA,
        "f": np.array([1, 2]),
        "g": True,
        "h": math.inf,
    }
    assert plain(values) == {"a": None, "b": 3, "c": [1, 2], "d": None, "e": None, "f": [1, 2], "g": True, "h": None}


@pytest.mark.parametrize("what", ["codecs", "patterns", "suites"])
def test_list_json_is_one_array(run: Run, what: str) -> None:
    result = run("list", what, "--json")
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert isinstance(document, list)
    assert all(entry["name"] for entry in document)
