"""Starting: what is imported, what the help says, names that do not exist."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import Result

from storebench.cli import COMMANDS

Run = Callable[..., Result]
Shell = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = ("pandas", "matplotlib", "zarr", "asv", "rich", "numpy", "tifffile", "imagecodecs", "psutil")
NAMES = [entry.name for entry in COMMANDS]


def imported_by(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom storebench.cli import app\n"
        f"try: app.main({list(arguments)!r}, 'storebench')\n"
        "except SystemExit: pass\n"
        "print('MODULES', *sorted(m for m in sys.modules if '.' not in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.partition("MODULES")[2].split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("completion", "bash"), *((name, "--help") for name in NAMES)]
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not imported_by(*arguments) & set(HEAVY)


def test_explain_without_bytes_imports_nothing_heavy() -> None:
    arguments = ("explain", "--shape", "9,9", "--chunks", "2,2", "--region", "0:1,0:1")
    assert not imported_by(*arguments) & set(HEAVY)


def test_help_starts_quickly(cpu_seconds: Callable[..., float]) -> None:
    assert cpu_seconds("--help") < 0.35


@pytest.mark.parametrize("name", NAMES)
def test_every_help_has_examples_and_keeps_to_80_columns(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"storebench {name}" in result.stdout.partition("Examples:")[2]
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_commands_stand_in_the_help_in_the_order_of_use(run: Run) -> None:
    text = run("--help").stdout
    places = [text.index(f"\n  {name} ") for name in NAMES]
    assert places == sorted(places)


def test_without_a_command_the_help_is_shown_and_the_exit_code_is_2(run: Run) -> None:
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("quik",), "Did you mean quick"),
        (("xyzzy",), "no command called 'xyzzy'"),
        (("measure", "ct", "--bckend", "npy-numpy"), "--backend"),
        (("list", "backend"), "backends"),
    ],
)
def test_a_typo_gets_the_nearest_name(run: Run, arguments: tuple[str, ...], expected: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert "Help: storebench" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(run: Run, kind: str) -> None:
    result = run("completion", kind)
    assert result.exit_code == 0
    assert "_STOREBENCH_COMPLETE" in result.stdout


def test_completion_knows_the_commands(shell: Shell) -> None:
    done = shell(_STOREBENCH_COMPLETE="bash_complete", COMP_WORDS="storebench me", COMP_CWORD="1")
    assert "measure" in done.stdout
    done = shell(_STOREBENCH_COMPLETE="bash_complete", COMP_WORDS="storebench compare --fail", COMP_CWORD="2")
    assert {"plain,--fail-on", "plain,--fail-on-undecided"} <= set(done.stdout.split())


def test_options_come_from_the_environment(run: Run) -> None:
    env = {"STOREBENCH_EXPLAIN_SHAPE": "4,4", "STOREBENCH_EXPLAIN_CHUNKS": "2,2", "STOREBENCH_EXPLAIN_JSON": "1"}
    result = run("explain", "--region", "0:1,0:1", env=env)
    assert result.exit_code == 0
    assert '"chunks_touched": 1' in result.stdout
