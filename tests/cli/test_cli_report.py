"""`report --against` and `report --format markdown`: which files, what is said, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ..report._histories import Planted, commit_name, plant

Run = Callable[..., Result]

SLOWED = "1 slower, 0 faster, 4 the same, 0 undecided of 5 cases"


def _few(case_id: str) -> bool:
    return "chunks-16x16x16" in case_id


@pytest.fixture
def older(tmp_path: Path) -> str:
    plant(tmp_path / "older", [Planted(commit=commit_name(1), keep=_few)])
    return str(tmp_path / "older")


@pytest.fixture
def newer(tmp_path: Path) -> str:
    slower = Planted(commit=commit_name(2), day=1, factors={"plane_xz": 1.3}, keep=_few)
    plant(tmp_path / "newer", [slower], seed=1)
    return str(tmp_path / "newer")


def test_against_writes_the_page_beside_the_report(run: Run, older: str, newer: str, tmp_path: Path) -> None:
    done = run("report", newer, "--against", older, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["changes"] == {"page": "reports/changes.html", "sentence": SLOWED}
    assert {"reports/index.html", "reports/changes.html", "reports/figures/changes.csv"} <= set(document["files"])
    assert all((tmp_path / file).is_file() for file in document["files"])
    assert SLOWED in (tmp_path / "reports" / "changes.html").read_text()
    assert f'<a href="changes.html">{SLOWED}</a>' in (tmp_path / "reports" / "index.html").read_text()


@pytest.mark.usefixtures("page_alone")
def test_two_runs_in_one_folder_are_compared_unasked_and_one_is_not(run: Run, tmp_path: Path) -> None:
    runs = [Planted(commit=commit_name(n), day=n, factors={"plane_xz": 1.0 + 0.3 * n}, keep=_few) for n in range(2)]
    plant(tmp_path / "both", runs)
    done = run("report", "both", "-o", "two")
    assert done.exit_code == 0, done.output
    assert f"What changed: two/changes.html. {SLOWED}." in " ".join(done.stdout.split())
    plant(tmp_path / "one", runs[:1])
    document = json.loads(run("report", "one", "-o", "single", "--json").stdout)
    assert document["changes"] is None
    assert not (tmp_path / "single" / "changes.html").exists()
    assert "changes.html" not in (tmp_path / "single" / "index.html").read_text()


@pytest.mark.usefixtures("page_alone")
def test_why_nothing_is_compared_ends_with_one_full_stop(run: Run, newer: str, tmp_path: Path) -> None:
    plant(tmp_path / "other", [Planted(commit=commit_name(1), machine="lab-9", keep=_few)])
    done = run("report", newer, "--against", str(tmp_path / "other"))
    assert done.exit_code == run("compare", "other", newer).exit_code == 3, done.output
    said = " ".join(done.stdout.split())
    assert "Nothing is compared: the older results are of lab-9" in said
    assert "slower at everything. Its figures" in said
    assert " ".join(done.stderr.split()).endswith("slower at everything")
    assert (tmp_path / "reports" / "changes.html").is_file()


@pytest.mark.usefixtures("page_alone")
@pytest.mark.parametrize("form", [(), ("--json",), ("--format", "markdown")], ids=["text", "json", "markdown"])
def test_no_case_in_both_ends_with_five_after_writing(
    run: Run, newer: str, tmp_path: Path, form: tuple[str, ...]
) -> None:
    plant(tmp_path / "other", [Planted(commit=commit_name(1), dataset="other", keep=_few)])
    done = run("report", newer, "--against", "other", *form)
    assert done.exit_code == run("compare", "other", newer).exit_code == 5, done.output
    said = " ".join(done.stderr.split())
    assert "Error: nothing is compared: no case has a time on both sides" in said
    assert said.endswith("operation and pattern")
    assert done.stdout
    assert (tmp_path / "reports" / "changes.html").is_file() is ("markdown" not in form)


def test_what_is_no_results_says_what_makes_some(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my scan.tif").write_bytes(b"II*\0")
    for name, said in (("nowhere", "make some results with: storebench quick"), ("my scan.tif", "quick 'my scan.tif'")):
        done = run("report", name)
        assert (done.exit_code, said in " ".join(done.stderr.split())) == (3, True), done.stderr


def test_markdown_goes_to_stdout_and_writes_nothing(run: Run, older: str, newer: str, tmp_path: Path) -> None:
    done = run("report", newer, "--format", "markdown", "--title", "My image")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("## My image\n")
    assert "| Setting | Cost |" in done.stdout
    changed = run("report", newer, "--format", "markdown", "--against", older)
    assert changed.exit_code == 0, changed.output
    assert f"**{SLOWED}**" in changed.stdout
    assert "| Setting |" not in changed.stdout
    assert done.stderr == changed.stderr == ""
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("options", "exit_code", "said"),
    [
        (("--format", "markdown", "--json"), 2, "leave out --json"),
        (("--format", "markdown", "-o", "x"), 2, "leave out -o"),
        (("--format", "markdown", "--against", "older", "--reads", "whole=1"), 2, "what changed has no priorities"),
        (("--format", "markdown", "--reads", "nowhere=1"), 2, "nowhere"),
        (("--against", "nowhere"), 3, "there is no nowhere"),
        (("--format", "pdf"), 2, "pdf"),
        (("--priority", "speed=1"), 2, "All of them: size, write, read, files"),
        (("--priority", "reed=1"), 2, "Did you mean read?"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    run: Run, newer: str, options: tuple[str, ...], exit_code: int, said: str
) -> None:
    done = run("report", newer, *options)
    assert done.exit_code == exit_code
    assert said in " ".join(done.output.split())


def test_the_summary_answers_by_the_priorities(run: Run, newer: str) -> None:
    done = run("report", newer, "--format", "markdown", "--priority", "read=1", "--reads", "plane_xz=1")
    assert done.exit_code == 0, done.output
    assert "(reads weighed: XZ plane)" in done.stdout


def test_another_machine_is_said_and_not_compared(run: Run, newer: str, tmp_path: Path) -> None:
    plant(tmp_path / "other", [Planted(commit=commit_name(1), machine="lab-9", keep=_few)])
    done = run("report", newer, "--format", "markdown", "--against", "other")
    assert done.exit_code == 3
    assert "the older results are of lab-9, these are of lab-1" in done.stdout
