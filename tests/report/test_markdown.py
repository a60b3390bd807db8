"""Markdown for README and pull request: short, made from the page's own objects, and every name shows as written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from storebench.records import DatasetRecord, FileForm
from storebench.report.changes import Changes, ResultSet, find_changes
from storebench.report.markdown import changes_markdown, summary_markdown
from storebench.report.markdown.text import code, escaped
from storebench.results.frame import tidy_frame

from ._histories import Planted, commit_name, plant
from ._tables import ENVIRONMENT, SHAPE, rows, table

ENVIRONMENTS = {ENVIRONMENT.id: ENVIRONMENT}
NAMES = (
    "a|b",
    "`code` and ``more``",
    "</script><b>x",
    "a[b](c) ![d](e)",
    "_x_ *y* ~~z~~ $m$",
    "back\\slash|pipe`tick",
    "&amp; <!-- -->",
    "# heading @someone",
    "line\nbreak\ttab",
)


def _parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def _plain(token: Token) -> str:
    """Return what a reader sees of an inline token."""
    kept = [child.content for child in token.children or () if child.type in ("text", "code_inline", "text_special")]
    return "".join(kept)


def _html(text: str) -> list[str]:
    """Return the HTML elements that the Markdown has, without the one that holds odd names."""
    tokens = [*_parsed(text), *(child for token in _parsed(text) for child in token.children or ())]
    found = [token.content for token in tokens if token.type.startswith("html")]
    return [tag for tag in found if tag not in ("<code>", "</code>")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("write", [escaped, code])
def test_a_name_shows_as_written(name: str, write: object) -> None:
    assert callable(write)
    shown = " ".join(name.split())
    (inline,) = [token for token in _parsed(f"x {write(name)} y") if token.type == "inline"]
    assert _plain(inline) == f"x {shown} y"
    cells = [token for token in _parsed(f"| A | B |\n| --- | --- |\n| {write(name)} | y |\n") if token.type == "inline"]
    assert [_plain(cell) for cell in cells] == ["A", "B", shown, "y"]
    assert _html(f"x {write(name)} y") == []


def test_a_long_name_is_cut() -> None:
    assert len(code("x" * 5000)) <= 202


def _cells(text: str) -> list[list[str]]:
    """Return the rows of all tables as a reader sees them."""
    found: list[list[str]] = []
    for token in _parsed(text):
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline" and token.level > 3 and found:
            found[-1].append(_plain(token))
    return found


def _within_limits(text: str) -> None:
    assert text.count("\n") <= 60
    assert len(text) < 65_536
    assert text.endswith("\n")


def test_the_summary_has_answer_settings_machine_and_code() -> None:
    text = summary_markdown(table(), ENVIRONMENTS)
    _within_limits(text)
    assert text.startswith("## ct: how to store it\n")
    assert "64x64x64 uint16" in text
    head, *settings = _cells(text)
    assert head == ["Setting", "Cost", "Size", "Write", "Mean read"]
    assert len(settings) == 5
    assert settings[0][0].startswith("≈ ")
    assert re.search(r"Measured on lab-1, test processor, .*zarr 3\.1\.6.*at 3f2a91c0 with uncommitted changes", text)
    fence = [token for token in _parsed(text) if token.type == "fence"]
    assert [token.info for token in fence] == ["python"]
    compile(fence[0].content, "snippet", "exec")


def test_the_winner_is_the_same_in_sentence_ranking_and_code() -> None:
    for codec in ("zstd-3", "none"):
        kept = [
            row for row in rows() if row.case.backend == "zarr3-zarrpython" and row.case.chunk_shape == (32, 32, 32)
        ]
        fast = [
            replace(
                row,
                samples=tuple(replace(s, wall_s=s.wall_s / (9 if row.case.codec == codec else 1)) for s in row.samples),
            )
            for row in kept
        ]
        text = summary_markdown(table(fast), ENVIRONMENTS)
        words = "no codec" if codec == "none" else codec
        assert f"**Store as Zarr 3 with zarr-python, chunks 32x32x32, {words}.**" in text
        assert _cells(text)[1][0] == f"≈ zarr3-zarrpython 32x32x32 {codec}"
        assert ("zstd" in text.partition("```python")[2].partition("```")[0].lower()) == (codec == "zstd-3")


def test_the_file_as_it_is_is_among_what_it_stands_beside() -> None:
    frame = table().assign(seed=None)
    form = FileForm(backend="zarr3-zarrpython", codec="zstd-3", chunk_shape=(16, 16, 16))
    record = DatasetRecord(
        name="ct",
        shape=SHAPE,
        dtype="uint16",
        axes="zyx",
        seed=None,
        axes_assumed=False,
        source="a file",
        sha256="0" * 64,
        bits_used=12,
        entropy_bits=7.0,
        autocorrelation=(0.9, 0.9, 0.9),
        file_form=form,
    )
    text = summary_markdown(frame, ENVIRONMENTS, datasets=[record])
    assert "- beside The file as it is (zarr3-zarrpython 16x16x16 zstd-3): " in text
    assert "The file as it is" not in summary_markdown(frame, ENVIRONMENTS)


def test_priorities_change_the_answer() -> None:
    small = summary_markdown(table(), ENVIRONMENTS, weights={"size": 1.0})
    quick = summary_markdown(table(), ENVIRONMENTS, weights={"read": 1.0}, reads={"plane_xy": 1.0})
    assert "reads weighed: XY plane" in quick
    assert _cells(small)[1] != _cells(quick)[1]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(tidy_frame([]), id="empty"),
        pytest.param(pd.DataFrame(), id="no columns"),
        pytest.param(table().assign(status="failed", median_s=float("nan")), id="all failed"),
        pytest.param(table()[lambda t: t["operation"] == "write"], id="only writes"),
        pytest.param(table(list(rows(n_samples=1))), id="one sample each"),
    ],
)
def test_odd_tables_say_what_they_can(frame: pd.DataFrame) -> None:
    text = summary_markdown(frame, {})
    _within_limits(text)
    words = re.sub(r"```python.*?```", "", text, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|inf)\b", words)
    assert "environment not recorded" in text


def test_names_in_the_summary_are_only_names() -> None:
    frame = table()
    frame["dataset"] = NAMES[2]
    frame["machine"] = NAMES[0]
    frame["backend"] = NAMES[5]
    text = summary_markdown(frame, ENVIRONMENTS, title=NAMES[7])
    _within_limits(text)
    assert _html(text) == []
    head, *settings = _cells(text)
    assert all(len(cells) == len(head) for cells in settings)
    assert all(NAMES[5] in cells[0] for cells in settings)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResultSet, ResultSet]:
    folder = tmp_path_factory.mktemp("sides")
    newer = Planted(
        commit=commit_name(2),
        day=2,
        libraries={"zarr": "3.4.0"},
        factors={"16x16x16/zstd-3/plane_xz": 1.25, "write/tiff": 0.7, "jp2-ratio-10/roi16": None},
        bytes_more={"16x16x16/zstd-3/roi16": 1},
    )
    return plant(folder / "older", [Planted(commit=commit_name(1))]), plant(folder / "newer", [newer], seed=5)


def _changes(newer: ResultSet, older: ResultSet) -> Changes:
    found = find_changes(newer, older)
    assert found is not None
    return found


def test_changes_are_counts_then_changed_rows_then_what_it_rests_on(sides: tuple[ResultSet, ResultSet]) -> None:
    changes = _changes(sides[1], sides[0])
    text = changes_markdown(changes)
    _within_limits(text)
    assert text.startswith(
        "## What changed: zarr 3.1.6 → 3.4.0\n\n**1 slower, 1 faster, 32 the same, 0 undecided of 34 cases**\n"
    )
    order = [
        "Counts, compared exactly",
        "40,961 B",
        "slower |",
        "faster |",
        "lost: ",
        "Machine lab-1; zarr 3.1.6 → 3.4.0",
        "99 %",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    counts, (head, *changed) = _cells(text)[:2], _cells(text)[2:]
    assert counts[1] == ["read roi16, zarr3-zarrpython chunks-16x16x16 zstd-3", "fetched bytes", "40,960 B", "40,961 B"]
    assert head[-1] == "Verdict"
    assert [cells[-1] for cells in changed] == ["slower", "faster"]
    assert changed[0][0] == "read XZ plane, zarr3-zarrpython chunks-16x16x16 zstd-3"
    assert "voxel 3 differs" in text


def test_nothing_changed_has_no_table(sides: tuple[ResultSet, ResultSet]) -> None:
    text = changes_markdown(_changes(sides[0], sides[0]), title="A/A")
    _within_limits(text)
    assert text.startswith(
        "## A/A\n\n**Nothing is shown to be slower or faster: 35 the same, 0 undecided of 35 cases**"
    )
    assert _cells(text) == []
    assert "are all equal" in text
    assert "the same versions on both sides" in text


def test_versions_that_nobody_recorded_are_not_called_the_same(sides: tuple[ResultSet, ResultSet]) -> None:
    bare = ResultSet(
        frame=sides[0].frame.assign(library=None, library_version=None),
        journal=replace(sides[0].journal, environments={}),
    )
    text = changes_markdown(_changes(bare, bare))
    assert "the same versions" not in text
    assert "versions of libraries are not recorded" in text


def test_no_overlap_is_a_sentence(sides: tuple[ResultSet, ResultSet], tmp_path: Path) -> None:
    other = plant(tmp_path, [Planted(commit=commit_name(1), machine=NAMES[0], keep=lambda c: "npy" in c)])
    text = changes_markdown(_changes(sides[0], other))
    assert "Nothing is compared: the older results are of a\\|b, these are of lab-1" in text
    assert text.count("\n") == 3


def test_many_changes_are_cut_and_counted(sides: tuple[ResultSet, ResultSet], tmp_path: Path) -> None:
    all_slower = Planted(commit=commit_name(3), day=3, factors={"": 1.5}, bytes_more={"": 7})
    text = changes_markdown(_changes(plant(tmp_path, [all_slower]), sides[0]))
    _within_limits(text)
    assert "**35 slower, 0 faster" in text
    assert "and 15 more" in text
    assert "and 20 more" in text
