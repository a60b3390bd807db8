"""The page of changes: one object in sentence, tables, figure and CSV; machines apart; hostile names; the same bytes."""

from __future__ import annotations

import csv
import html
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from storebench.errors import ResultsError
from storebench.report import build_report
from storebench.report.changes import (
    Changes,
    ResultSet,
    build_changes,
    find_changes,
    forest,
    history,
    tables,
    trend_figure,
)
from storebench.report.changes import page as page_of_changes
from storebench.report.changes.names import case_names
from storebench.report.changes.sides import differences, differences_text, headline
from storebench.report.section import Section, Studio
from storebench.report.style import house_style
from storebench.results.frame import load_results
from storebench.results.importers import keep, read_file
from storebench.results.journal import JournalContent, read_journal
from storebench.trends import steps

from ._histories import Planted, commit_name, plant
from ._histories import history as planted_history
from ._press import PageAlone

NASTY = "</script><b>x | a[b] `c` $y_1$"
SLOWED = "zarr3-zarrpython/chunks-16x16x16/zstd-3/plane_xz"
OLDER = Planted(commit=commit_name(1))
NEWER = Planted(
    commit=commit_name(2),
    day=2,
    libraries={"zarr": "3.4.0"},
    factors={"16x16x16/zstd-3/plane_xz": 1.25, "write/tiff": 0.7, "jp2-ratio-10/roi16": None},
    bytes_more={"16x16x16/zstd-3/roi16": 1},
)


def _zarr16(case_id: str) -> bool:
    return "chunks-16x16x16" in case_id


def _built(changes: Changes | None, folder: Path) -> str:
    assert changes is not None
    return build_changes(changes, folder, press=PageAlone()).page.read_text(encoding="utf-8")


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)).split())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResultSet, ResultSet]:
    folder = tmp_path_factory.mktemp("sides")
    return plant(folder / "older", [OLDER]), plant(folder / "newer", [NEWER], seed=5)


@pytest.fixture(scope="module")
def changes(sides: tuple[ResultSet, ResultSet]) -> Changes:
    found = find_changes(sides[1], sides[0])
    assert found is not None
    return found


@pytest.fixture(scope="module")
def built(changes: Changes, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("page")
    return build_changes(changes, folder).page.read_text(encoding="utf-8"), folder


def test_a_slowed_case_is_in_sentence_tally_figure_table_and_csv(built: tuple[str, Path], changes: Changes) -> None:
    page, folder = built
    text = _text(page)
    assert changes.sentence == "1 slower, 1 faster, 32 the same, 0 undecided of 34 cases"
    assert f'<h2 id="answer-h">{changes.sentence}' in page
    assert '<li class="slower"><b>1</b> slower</li>' in page
    (row,) = changes.rows("slower")
    assert SLOWED in row["case_id"]
    figure = page.partition('<section id="forest"')[2].partition("</section>")[0]
    assert "read XZ plane (+2" not in figure  # the label, and its numbers beside it
    assert "zarr3-zarrpython chunks-16x16x16 zstd-3</text>" in figure
    assert re.search(
        r"The newer takes up to 2\d\.\d % more time \(read XZ plane\) and up to \d+\.\d % less time \(", figure
    )
    slower = page.partition("<summary>Slower: 1 case</summary>")[2].partition("</details>")[0]
    assert "zarr3-zarrpython chunks-16x16x16 zstd-3" in slower
    assert slower.count('class="mark slower"') == 1
    assert "<summary>The same: 32 cases</summary>" in page
    data = _rows(folder / "figures" / "changes.csv")
    assert [entry["verdict"] for entry in data if SLOWED in entry["case_id"]] == ["slower"]
    assert float(data[0]["ratio"]) != 1
    assert len(data) == 34
    for said in ("more than 5 %", "the 99 % interval", "at most 5 % are false alarms", "The machine was quiet"):
        assert said in text


def test_versions_commits_and_machine_are_named(built: tuple[str, Path], changes: Changes) -> None:
    page, _ = built
    assert headline(changes) == "What changed: zarr 3.1.6 → 3.4.0"
    assert f"<h1>{headline(changes)}</h1>" in page
    for said in ("machine lab-1", f"{OLDER.commit[:8]} → {NEWER.commit[:8]}", "2026-09-23", "clean", "test processor"):
        assert said in _text(page)
    versions = page.partition('<section id="sides"')[2]
    assert versions.index("zarr") < versions.index("numpy"), "what differs comes first"
    assert "sides" in page.partition("<nav")[2].partition("</nav>")[0]


def test_counts_are_exact_and_what_was_lost_has_its_reason(built: tuple[str, Path], changes: Changes) -> None:
    page, _ = built
    assert changes.counts_sentence == "Counts, compared exactly, changed: fetched bytes in 1 case."
    counts = _text(page.partition('<section id="counts"')[2].partition("</section>")[0])
    assert "read roi16 zarr3-zarrpython chunks-16x16x16 zstd-3 fetched bytes 40,960 B 40,961 B" in counts
    lost = _text(page.partition('<section id="lost"')[2].partition("</section>")[0])
    assert "Lost: 1 case" in lost
    assert "failed: voxel 3 differs" in lost


def test_it_needs_no_script_and_no_network_and_has_words_for_pictures(built: tuple[str, Path]) -> None:
    page, folder = built
    assert "<script" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert not re.search(r"url\((?!#)", page)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"', page):
        assert target in ids
    pictures = re.findall(r"<svg[^>]*>", page)
    assert pictures
    assert all('role="img"' in tag and "aria-label=" in tag for tag in pictures)
    for href in re.findall(r'href="(figures/[^"]+)"', page):
        assert (folder / href).is_file()
    assert len("".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))) < 60_000


def test_the_pages_link_to_each_other(sides: tuple[ResultSet, ResultSet], changes: Changes, tmp_path: Path) -> None:
    newer = sides[1]
    index = build_report(
        newer.frame.head(3), newer.journal.environments, tmp_path, changes=changes.sentence, press=PageAlone()
    ).index
    page = index.read_text(encoding="utf-8")
    assert page.count('href="changes.html"') == 2
    assert changes.sentence in page
    assert 'href="index.html"' in _built(changes, tmp_path)


def test_same_input_same_bytes(sides: tuple[ResultSet, ResultSet], built: tuple[str, Path], tmp_path: Path) -> None:
    page, folder = built
    again = find_changes(sides[1], sides[0])
    assert again is not None
    files = build_changes(again, tmp_path)
    assert files.page.read_text(encoding="utf-8") == page
    for path in files.figures:
        assert path.read_bytes() == (folder / "figures" / path.name).read_bytes(), path.name


def test_flipping_the_sides_flips_the_verdicts(sides: tuple[ResultSet, ResultSet], tmp_path: Path) -> None:
    flipped = find_changes(sides[0], sides[1])
    assert flipped is not None
    assert [SLOWED in row["case_id"] for row in flipped.rows("faster")] == [True]
    assert "measured after the newer ones" in flipped.choice
    page = _built(flipped, tmp_path)
    assert "zarr 3.4.0 → 3.1.6" in page
    assert "zarr3-zarrpython" in page.partition("<summary>Faster: 1 case</summary>")[2].partition("</details>")[0]


def test_without_older_results_the_newest_two_runs_are_compared(tmp_path: Path) -> None:
    runs = [Planted(commit=commit_name(n), day=n, keep=_zarr16) for n in range(3)]
    results = plant(tmp_path, runs)
    found = find_changes(results)
    assert found is not None
    assert found.older is not None
    assert found.newer is not None
    assert [found.older.commit, found.newer.commit] == [commit_name(1), commit_name(2)]
    assert "the newest two of 3 runs" in found.choice
    assert "by the first sample" in found.choice


@pytest.mark.parametrize(
    ("runs", "what"),
    [
        ([Planted(commit=commit_name(1), keep=_zarr16)], "one run"),
        ([Planted(commit=commit_name(n), day=n, machine=f"lab-{n}", keep=_zarr16) for n in (1, 2)], "two machines"),
    ],
)
def test_where_nothing_can_be_compared_there_is_no_page(runs: list[Planted], what: str, tmp_path: Path) -> None:
    assert find_changes(plant(tmp_path, runs)) is None, what


@pytest.mark.parametrize(
    ("older", "sentence"),
    [
        (Planted(commit=commit_name(1), dataset="other", keep=_zarr16), "no case has a time on both sides"),
        (
            Planted(commit=commit_name(1), machine="lab-9", keep=_zarr16),
            "the older results are of lab-9, these are of lab-1",
        ),
    ],
)
def test_no_overlap_is_a_sentence(older: Planted, sentence: str, tmp_path: Path) -> None:
    newer = plant(tmp_path / "newer", [Planted(commit=commit_name(2), day=1, keep=_zarr16)])
    found = find_changes(newer, plant(tmp_path / "older", [older]))
    assert found is not None
    assert found.comparison is None
    page = _built(found, tmp_path / "page")
    assert sentence in _text(page)
    assert 'class="tally"' not in page
    assert not list((tmp_path / "page" / "figures").glob("changes.*"))


def test_several_rows_of_one_case_are_no_empty_selection(sides: tuple[ResultSet, ResultSet]) -> None:
    """What `compare` ends with there, `report --against` does too: the results are at fault, not the selection."""
    newer, older = sides[1], sides[0]
    twice = replace(newer, frame=pd.concat([newer.frame, newer.frame], ignore_index=True))
    found = find_changes(twice, older)
    assert found is not None
    assert found.comparison is None
    assert isinstance(found.error, ResultsError)
    assert found.sentence.startswith("Nothing is compared: B has 2 rows of ")


def test_few_samples_decide_nothing(tmp_path: Path) -> None:
    older = plant(tmp_path / "older", [Planted(commit=commit_name(1), n_samples=3, keep=_zarr16)])
    slow = Planted(commit=commit_name(2), day=1, n_samples=3, factors={"": 2.0}, keep=_zarr16)
    found = find_changes(plant(tmp_path / "newer", [slow]), older)
    assert found is not None
    assert found.sentence == "Nothing is shown to be slower or faster: 0 the same, 5 undecided of 5 cases"
    text = _text(_built(found, tmp_path / "page"))
    assert "No case is decided" in text
    assert "5 cases with fewer than five samples" in text
    assert text.count("too few samples") == 5


def test_a_busy_machine_is_said_beside_the_verdicts(sides: tuple[ResultSet, ResultSet], tmp_path: Path) -> None:
    busy = replace(sides[1], frame=sides[1].frame.assign(noisy=True, noise="others kept 1.9 of 2 processors busy"))
    found = find_changes(busy, sides[0])
    assert found is not None
    assert found.sentence == "1 slower, 1 faster, 32 the same, 0 undecided of 34 cases (2 of the changed noisy)"
    page = _built(found, tmp_path)
    assert "All of the 2 cases called slower or faster were measured while the machine was busy" in _text(page)
    assert "34 of 34 cases are noisy: others kept 1.9 of 2 processors busy" in _text(page)
    assert 'class="doubt"' in page
    quiet = find_changes(sides[1], sides[0])
    assert quiet is not None
    assert quiet.doubt == ""


def _history_of(folder: Path, changes: Changes | None) -> Section:
    assert changes is not None
    with house_style():
        (section,) = history.make(changes, Studio(folder))
    return section


def test_trends_break_at_a_change_of_machine_and_name_the_upgrade(tmp_path: Path) -> None:
    runs = planted_history(
        18, slower_from=13, upgrade_at=13, machines=((0, "lab-1"), (6, "lab-2")), keep=lambda c: SLOWED in c
    )
    section = _history_of(tmp_path / "figures", find_changes(plant(tmp_path / "results", runs)))
    data = _rows(tmp_path / "figures" / "trends.csv")
    assert [row["machine"] for row in data] == ["lab-1"] * 6 + ["lab-2"] * 12
    levels = [row["level_s"] for row in data]
    assert len(set(levels[:6])) == 1
    assert len(set(levels[6:13])) == 1
    assert len(set(levels[13:])) == 1
    assert len(set(levels)) == 3
    name = runs[13].commit[:8]
    assert re.fullmatch(
        rf"1 of 1 case changed level on the way, the furthest by \+\d+\.\d % at {name} on lab-2 .*", section.finding
    )
    assert section.svg is not None
    assert "a: lab-2: zarr 3.1.6 → 3.4.0" in section.svg
    assert "lab-1</text>" in section.svg
    points, order = section.tables
    assert [cell.text for cell in points.rows[0]][-1] == "lab-2: zarr 3.1.6 → 3.4.0"
    assert len(order.rows) == 18


def test_a_long_history_stays_small_and_draws_every_run(tmp_path: Path) -> None:
    upgrades = planted_history(40, machines=((0, "lab-1"), (12, "lab-2")), keep=lambda case: "zstd-3" in case)
    runs = [replace(run, libraries={"zarr": f"3.{number // 3}"}) for number, run in enumerate(upgrades)]
    section = _history_of(tmp_path / "figures", find_changes(plant(tmp_path / "results", runs)))
    assert section.svg is not None
    assert len(section.svg.encode()) <= 60_000
    assert "Drawn are 8 of 15 cases" in section.about
    assert section.svg.count("<use") >= 8 * 40
    assert trend_figure.panels_that_fit(3) == 12
    assert trend_figure.panels_that_fit(500) == 6
    assert "and 4 more changes of the environment" in section.svg


def test_noise_alone_has_no_change_point(tmp_path: Path) -> None:
    runs = planted_history(10, slower_from=99, upgrade_at=99, keep=_zarr16)
    section = _history_of(tmp_path / "figures", find_changes(plant(tmp_path / "results", runs)))
    assert section.finding == "No change point in 5 cases over 10 runs"
    assert len(section.tables) == 1


def test_few_runs_say_that_they_are_few(tmp_path: Path) -> None:
    runs = planted_history(4, keep=_zarr16)
    results = plant(tmp_path / "results", runs)
    section = _history_of(tmp_path / "figures", find_changes(results))
    assert section.finding == "Too few runs for change points: they need 6 of one machine, a case has 4 at most"


def test_without_asv_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = plant(tmp_path / "results", planted_history(8, slower_from=4, keep=_zarr16))
    monkeypatch.setattr(steps, "find_spec", lambda _: None)
    section = _history_of(tmp_path / "figures", find_changes(results))
    assert "change points were not looked for" in section.finding
    assert "pip install asv" in section.about


def test_names_stay_names(tmp_path: Path) -> None:
    def named(planted: Planted, folder: Path) -> ResultSet:
        return plant(folder, [planted])

    older = named(Planted(commit=commit_name(1), dataset=NASTY, machine="a[b]", keep=_zarr16), tmp_path / "older")
    slow = Planted(
        commit=commit_name(2),
        day=1,
        dataset=NASTY,
        machine="a[b]",
        libraries={NASTY: "1"},
        factors={"": 1.5},
        keep=_zarr16,
    )
    page = _built(find_changes(named(slow, tmp_path / "newer"), older), tmp_path / "page")
    assert "<script" not in page
    assert "<b>x" not in page
    assert html.escape(NASTY) in page
    assert "a[b]" in page


def test_thousands_of_cases_stay_reachable_and_the_page_small(
    sides: tuple[ResultSet, ResultSet], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tables, "MOST_STATIC", 20)
    monkeypatch.setattr(forest, "FEW_ROWS", 10)
    found = find_changes(sides[1], sides[0])
    page = _built(found, tmp_path)
    assert "The same: 32 cases, the first 18 shown" in page
    assert "14 more are in the" in page
    assert len(_rows(tmp_path / "figures" / "changes.csv")) == 34
    assert "the tables have the other 24 cases" in page


def test_a_difference_is_named_whichever_side_lacks_it() -> None:
    found = differences({"zarr": "1", "gone": "2", "same": "0"}, {"new": "3", "zarr": "2", "same": "0"})
    assert differences_text(found) == "zarr 1 → 2, new 3 added, gone 2 removed"
    assert differences_text(found, most=1) == "zarr 1 → 2 and 2 more"
    assert differences_text([]) == ""


def test_results_that_know_no_environment_name_what_their_rows_name(sides: tuple[ResultSet, ResultSet]) -> None:
    nothing = JournalContent(environments={}, datasets={}, rows={})
    older, newer = (
        ResultSet(frame=side.frame.assign(library_version=version), journal=nothing)
        for side, version in zip(sides, ("1.0", "2.0"), strict=True)
    )
    found = find_changes(newer, older)
    assert found is not None
    assert headline(found).startswith("What changed: glymur 1.0 → 2.0")
    assert found.history == []
    assert found.n_unplaced == 2


def test_cases_share_what_all_have(sides: tuple[ResultSet, ResultSet]) -> None:
    names, image = case_names(sides[0].frame)
    assert image == "ct-64x64x64-uint16"
    assert all(image not in name.line for name in names.values())
    mixed = sides[0].frame.copy()
    mixed.loc[0, "case_id"] = "time_read/64/zstd"
    mixed.loc[0, "operation"] = None
    names, image = case_names(mixed)
    assert image == ""
    assert names["time_read/64/zstd"].line == "time_read, 64 zstd"


def test_either_verdict_is_drawn_where_only_some_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "MOST_ROWS", 4)
    monkeypatch.setattr(forest, "FEW_ROWS", 4)
    monkeypatch.setattr(page_of_changes, "MOST_OPEN", 4)
    monkeypatch.setattr(tables, "MOST_OPEN", 4)
    factors = {"/plane_xz/": 1.3, "/plane_xy/": 0.5, "/roi16/": 0.9, "/whole/": 0.2}
    newer = plant(tmp_path / "newer", [Planted(commit=commit_name(2), day=1, factors=factors, bytes_more={"": 1})])
    found = find_changes(newer, plant(tmp_path / "older", [Planted(commit=commit_name(1))], seed=3))
    assert found is not None
    drawn, n_left_out = forest._chosen(found)
    assert [row["verdict"] for row in drawn] == ["slower"] * 2 + ["faster"] * 2
    assert {row["case_id"] for row in drawn} == {
        row["case_id"] for verdict in ("slower", "faster") for row in found.rows(verdict)[:2]
    }
    assert n_left_out == found.summary["n_matched"] - 4
    page = _built(found, tmp_path / "page")
    assert "The most extreme 2 slower and 2 faster are drawn" in page
    assert not re.search(r"by up to|up to [+-]", page)
    assert "<details><summary>Faster: " in page, "long, so closed"
    assert "<details><summary>Counts that changed" in page


def test_sides_of_other_tools_are_named_by_environment_and_date(tmp_path: Path) -> None:
    small = Path(__file__).parents[1] / "data" / "imports" / "0007_zarr-fast.json"
    sides = []
    for name, day in (("zarr-fast", "03"), ("other", "04")):
        file = tmp_path / f"0001_{name}.json"
        file.write_text(small.read_text().replace("2026-02-03", f"2026-02-{day}"))
        keep(read_file(file).imported, tmp_path / name)
        journal = read_journal(*(tmp_path / name).rglob("*.jsonl"))
        sides.append(ResultSet(frame=load_results(tmp_path / name), journal=journal))
    found = find_changes(sides[1], sides[0])
    assert found is not None
    assert headline(found) == "What changed: zarr-fast → other"
    assert "Compared are zarr-fast (measured 2026-02-03) and other (measured 2026-02-04)" in found.choice
    text = _text(_built(found, tmp_path / "page"))
    assert "zarr-fast of 2026-02-03 → other of 2026-02-04" in text
    assert "noisy – –" in text, "not recorded"
    assert "it is not known how many processes the samples come from" in text
