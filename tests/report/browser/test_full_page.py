"""A page of 5,000 rows, as a browser shows it."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from storebench.report import build_report
from storebench.report.results_table import Results, all_results
from storebench.report.views import clean_frame, clean_records
from storebench.results.frame import load_with_journals
from storebench.results.journal import JournalContent

from .._many import HOSTILE_BACKEND, HOSTILE_DATASET, HOSTILE_REASON, write_results
from .._press import PageAlone
from .conftest import Opened, PageOf

pytestmark = pytest.mark.slow

Axe = Callable[[Any], list[str]]
N_ROWS = 5000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("many") / "results", N_ROWS)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[pd.DataFrame, JournalContent]:
    return load_with_journals(folder)


@pytest.fixture(scope="module")
def full(loaded: tuple[pd.DataFrame, JournalContent], folder: Path) -> Path:
    rows, journal = loaded
    return build_report(rows, journal.environments, folder.parent / "report", press=PageAlone()).index


@pytest.fixture(scope="module")
def frame(loaded: tuple[pd.DataFrame, JournalContent]) -> pd.DataFrame:
    return clean_frame(loaded[0])


@pytest.fixture(scope="module")
def results(frame: pd.DataFrame) -> Results:
    return all_results(clean_records(frame))


def _cells(opened: Opened) -> list[list[str]]:
    """Return the texts of the rows shown."""
    rows: list[list[str]] = opened.page.evaluate(
        "[...document.querySelectorAll('#all tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return rows


def _choose(page: Any, column: str, text: str) -> None:
    page.locator(f'#controls select[name="{column}"]').select_option(label=text)


def _count(opened: Opened) -> str:
    return opened.page.locator("#count").inner_text()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_it_is_quiet_accessible_and_fits(full: Path, page_of: PageOf, axe: Axe, scheme: Any, width: int) -> None:
    opened = page_of(full, scheme, width)
    assert axe(opened.page) == []
    assert not opened.has_sideways_scroll
    assert opened.complaints == []


def test_it_is_small(full: Path) -> None:
    raw = full.read_bytes()
    page = raw.decode()
    assert len(raw) <= 1_000_000
    assert len(gzip.compress(raw)) <= 400_000
    assert page.count("<tr") < 2000
    own = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert 1000 < sum(len(script.encode()) for script in own) <= 15_000
    figures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(figures) >= 10
    assert max(len(figure.encode()) for figure in figures) <= 60_000


def test_filters_sorting_and_pages(full: Path, page_of: PageOf, frame: pd.DataFrame, results: Results) -> None:
    opened = page_of(full)
    page = opened.page
    assert _count(opened) == "Rows 1 to 25 of 5,000"
    assert _cells(opened) == [results.row(index) for index in range(25)]

    for _ in ("ascending", "descending"):
        page.locator("#all thead button", has_text="Median").click()
    slowest = frame["median_s"].sort_values(ascending=False, kind="stable").index[:25]
    shown = [row[list(results.columns).index("Median")] for row in _cells(opened)]
    assert shown == [results.columns["Median"].text(index) for index in slowest]
    assert page.locator('[aria-sort="descending"]').inner_text() == "Median"

    _choose(page, "Codec", "gzip-1")
    page.locator("#search").fill("COLD tensorstore")
    expected = frame[
        (frame["codec"] == "gzip-1") & (frame["cache"] == "cold") & frame["backend"].str.contains("tensorstore")
    ].sort_values("median_s", ascending=False, na_position="last", kind="stable")
    assert len(expected) > 25
    assert _count(opened) == f"Rows 1 to 25 of {len(expected)}, filtered from 5,000"
    page.get_by_role("button", name="Next").click()
    rows = _cells(opened)
    assert rows == [results.row(index) for index in expected.index[25:50]]
    page.get_by_role("button", name="Clear").click()
    assert _count(opened) == "Rows 1 to 25 of 5,000"

    _choose(page, "Status", "skipped")
    place = list(results.columns).index("Reason")
    assert all(HOSTILE_REASON in row[place] for row in _cells(opened))
    assert opened.complaints == []


def test_the_rows_shown_become_a_csv_file(full: Path, page_of: PageOf, frame: pd.DataFrame, results: Results) -> None:
    opened = page_of(full)
    _choose(opened.page, "Dataset", HOSTILE_DATASET)
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Save these rows as CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    head, *rows = csv.reader(io.StringIO(text))
    chosen = frame.index[frame["dataset"] == HOSTILE_DATASET]
    assert head == list(results.columns)
    assert rows == [["" if text == "–" else text for text in results.row(index)] for index in chosen]


def test_points_know_their_rows(full: Path, page_of: PageOf, results: Results) -> None:
    opened = page_of(full)
    page = opened.page
    figures = page.locator("figure[data-points]")
    assert figures.count() >= 8
    wrong = page.evaluate("""[...document.querySelectorAll("figure[data-points]")].flatMap((figure) =>
        Object.entries(JSON.parse(figure.dataset.points)).filter(([id, rows]) =>
            rows.length !== document.querySelectorAll(`#${id} use`).length).map(([id]) => id))""")
    assert wrong == [], "groups with another number of points than rows"

    figure = page.locator("#tradeoff figure")
    point = figure.locator("use").nth(30)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator("#tip")
    rows = _rows_at_the_ring(opened)
    assert any(results.columns["95 % interval"].text(row) in tip.inner_text() for row in rows)
    inside = page.evaluate("""(() => { const box = document.getElementById("tip").getBoundingClientRect();
        return box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight; })()""")
    assert inside
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    found = page.locator('#all [aria-current="true"] td').all_inner_texts()
    assert found in [results.row(row) for row in rows]
    assert page.evaluate("document.activeElement.getAttribute('aria-current')") == "true"
    page.mouse.move(0, 0)
    assert tip.inner_text() == ""


def _rows_at_the_ring(opened: Opened) -> list[int]:
    """Return the rows of the points that are where the marked one is: points may lie on each other."""
    rows: list[int] = opened.page.evaluate("""(() => {
        const ring = document.getElementById("ring"), figure = ring.closest("figure");
        const at = (item, name) => Number(item.getAttribute(name));
        return Object.entries(JSON.parse(figure.dataset.points)).flatMap(([id, rows]) => rows.filter((row, n) => {
            const use = document.querySelectorAll(`#${id} use`)[n];
            return Math.hypot(at(use, "x") - at(ring, "cx"), at(use, "y") - at(ring, "cy")) < 0.001;
        }));
    })()""")
    return rows


def test_every_point_is_reached_by_arrow_keys(full: Path, page_of: PageOf) -> None:
    opened = page_of(full)
    page = opened.page
    figure = page.locator("#scaling_threads figure")
    rows = figure.evaluate("(f) => Object.values(JSON.parse(f.dataset.points)).flat().filter((row) => row !== null)")
    figure.focus()
    seen: set[int] = set()
    for _ in rows:
        page.keyboard.press("ArrowRight")
        seen |= {*_rows_at_the_ring(opened)}
    assert seen == {*rows}
    page.keyboard.press("Escape")
    assert page.locator("#tip").inner_text() == ""
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator('#all [aria-current="true"]').count() == 1


def test_points_of_rows_that_are_filtered_out_fade(full: Path, page_of: PageOf, frame: pd.DataFrame) -> None:
    opened = page_of(full)
    _choose(opened.page, "Codec", "zstd-9")
    faded, clear = opened.page.evaluate("""["faded", "clear"].map((name) =>
        [...document.querySelectorAll("figure[data-points]")].flatMap((figure) =>
            Object.entries(JSON.parse(figure.dataset.points)).flatMap(([id, rows]) =>
                rows.filter((row, n) => row !== null && document.querySelectorAll(`#${id} use`)[n].classList
                    .contains("faded") === (name === "faded")))))""")
    assert set(frame["codec"].iloc[clear]) == {"zstd-9"}
    assert "zstd-9" not in set(frame["codec"].iloc[faded])
    assert len(faded) > 100
    opened.page.get_by_role("button", name="Clear").click()
    assert opened.page.locator("use.faded").count() == 0


def test_every_control_is_reached_by_tab(full: Path, page_of: PageOf) -> None:
    opened = page_of(full)
    wanted = opened.page.evaluate("""(() => {
        const all = document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']");
        const shown = [...all].filter((item) => item.checkVisibility() && !item.disabled);
        shown.forEach((item, n) => { item.dataset.stop = n; });
        return shown.length; })()""")
    stops, unmarked = set(), []
    for _ in range(wanted + 5):
        opened.page.keyboard.press("Tab")
        stop, outline, tag = opened.page.evaluate("""(() => { const at = document.activeElement;
            const style = getComputedStyle(at);
            const marked = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
            return [at.dataset.stop, marked, at.outerHTML.slice(0, 80)]; })()""")
        stops.add(stop)
        if stop is not None and not outline:
            unmarked.append(tag)
    assert {str(n) for n in range(wanted)} <= stops
    assert unmarked == []


def test_names_appear_as_written(full: Path, page_of: PageOf) -> None:
    opened = page_of(full)
    page = opened.page
    page.locator("#search").fill(HOSTILE_DATASET)
    _choose(page, "Backend", HOSTILE_BACKEND)
    assert all(HOSTILE_DATASET in row and HOSTILE_BACKEND in row for row in _cells(opened))
    assert page.locator("#formats svg").get_by_text(HOSTILE_BACKEND, exact=True).count() >= 1
    page.get_by_role("button", name="Clear").click()
    _choose(page, "Backend", HOSTILE_BACKEND)
    page.locator("#formats figure").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#tip b").inner_text().startswith(HOSTILE_BACKEND)
    assert page.evaluate("document.title") != "1"
    assert page.locator("b", has_text=re.compile("^x")).count() == 0
    assert opened.complaints == []


def test_it_works_without_scripts(full: Path, page_of: PageOf, results: Results) -> None:
    opened = page_of(full, javascript=False)
    page = opened.page
    assert [row.all_inner_texts() for row in map(_tds, page.locator("#all tbody tr").all())] == [
        results.row(index) for index in range(25)
    ]
    assert page.locator("#answer h2").first.is_visible()
    assert page.locator("#top tbody tr").count() == 5
    assert page.locator("svg.plot").count() >= 10
    assert not page.locator("#controls").is_visible()
    assert page.get_by_text("storebench export").is_visible()


def _tds(row: Any) -> Any:
    return row.locator("td")


def test_it_prints(full: Path, page_of: PageOf) -> None:
    page = page_of(full).page
    assert page.pdf().count(b"/Type /Page\n") > 3
    page.emulate_media(media="print")
    for name in ("#controls", "#pager", "nav", "#tip", ".files"):
        assert not page.locator(name).first.is_visible(), name
    assert page.locator("#tradeoff svg").is_visible()
