"""Sliders re-rank as Python does; what they do not recompute is marked; code can be copied."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storebench.advise.candidates import costs_of
from storebench.advise.priorities import GOALS, Priorities
from storebench.advise.ranking import Answer
from storebench.advise.scoring import in_order, read_mix, scores
from storebench.advise.snippets import snippet_of
from storebench.report import build_report
from storebench.report.answer import answers
from storebench.report.views import clean_frame, make_views
from storebench.results.frame import load_results
from storebench.units import seconds_text, times_text

from .._many import write_results
from .._press import PageAlone
from .._tables import ENVIRONMENT
from .conftest import Opened, PageOf

Axe = Callable[[Any], list[str]]


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_results(write_results(tmp_path_factory.mktemp("results"), 1500))


@pytest.fixture(scope="module")
def answer(frame: Any) -> Answer:
    found = answers(make_views(clean_frame(frame)))[0]
    assert isinstance(found, Answer)
    return found


@pytest.fixture(scope="module")
def built(frame: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_report(
        frame, {ENVIRONMENT.id: ENVIRONMENT}, tmp_path_factory.mktemp("answer"), press=PageAlone()
    ).index


def _slide(opened: Opened, name: str, value: int) -> None:
    """Move one slider as a hand does: the value changes, the page is told."""
    opened.page.locator(f'#priorities input[data-of="{name}"]').evaluate(
        "(e, value) => { e.value = value; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value)
    )


def _top(opened: Opened) -> list[list[str]]:
    rows: list[list[str]] = opened.page.evaluate(
        "[...document.querySelectorAll('#top tbody tr')].map((tr) => [...tr.cells].map((td) => td.textContent.trim()))"
    )
    return rows


def test_the_script_ranks_as_python_does(built: Path, page_of: PageOf, answer: Answer) -> None:
    opened = page_of(built)
    able = [index for index, candidate in enumerate(answer.candidates) if candidate.why_not_ranked is None]
    candidates = [answer.candidates[index] for index in able]
    names, rng = list(answer.priorities.reads), random.Random(0)
    assert len(candidates) > 30
    for trial in range(60):
        goals = [rng.choice([0, 0, 1, rng.randrange(1, 121)]) for _ in GOALS]
        reads = {name: rng.choice([0, rng.randrange(0, 121)]) for name in names}
        if trial < len(GOALS):
            goals = [int(index == trial) for index in range(len(GOALS))]
        priorities = Priorities(**dict(zip(GOALS, map(float, goals), strict=True)), reads=reads)
        costs = costs_of(candidates, names)
        values, mix = scores(costs, priorities), read_mix(costs, reads)
        ours = [(able[index], float(values[index])) for index in in_order(values)]
        ranked = opened.page.evaluate(
            "([goals, reads]) => document.getElementById('priorities').rank(goals, reads)",
            [goals, list(reads.values())],
        )
        assert [index for index, *_ in ranked] == [index for index, _ in ours]
        assert [score for _, score, _ in ranked] == pytest.approx([score for _, score in ours], rel=1e-10)
        by_place = dict(zip(able, mix, strict=True))
        for index, _, row_costs in ranked:
            assert row_costs[2] is None or row_costs[2] == pytest.approx(by_place[index], rel=1e-12)


def test_every_setting_gets_its_own_code_and_label(built: Path, page_of: PageOf, answer: Answer) -> None:
    opened = page_of(built)
    told = opened.page.evaluate(
        """() => {
          const {rows, parts, templates, gaps} = JSON.parse(document.getElementById('answer-data').textContent);
          return rows.map((row) => [
            row[0].map((at, i) => parts[i][at][0]).filter(Boolean).join(' '),
            templates[row[1][0]].replace('<<layout>>', () => gaps[row[1][1]]).replace('<<codec>>', () => gaps[row[1][2]]),
          ]);
        }"""
    )
    for (label, code), candidate in zip(told, answer.candidates, strict=True):
        snippet = snippet_of(candidate)
        assert label == candidate.label
        assert code == (snippet.code or snippet.why_not)


def test_a_slider_changes_card_table_and_code_and_marks_the_rest(
    built: Path, page_of: PageOf, answer: Answer, axe: Axe
) -> None:
    opened = page_of(built)
    page = opened.page
    before = page.locator("#answer").inner_text()
    assert not page.locator(".old").is_visible()
    for name in ("write", "read", "files"):
        _slide(opened, name, 0)
    priorities = Priorities(size=1, write=0, read=0, files=0, reads=answer.priorities.reads)
    able = [candidate for candidate in answer.candidates if candidate.why_not_ranked is None]
    values = scores(costs_of(able, priorities.reads), priorities)
    order = in_order(values)
    first = able[order[0]]
    assert first.label != answer.first.label
    assert page.locator("#answer-h").inner_text() == f"Store as {first.title}"
    assert page.locator('[data-live="snippet"]').text_content() == snippet_of(first).code
    assert first.label in page.locator('[data-live="status"]').inner_text()
    top = _top(opened)
    assert [row[1] for row in top] == [able[index].label for index in order[:5]]
    assert [row[-1] for row in top] == [times_text(float(values[index])) for index in order[:5]]
    assert [row[3] for row in top] == [seconds_text(able[index].write_s) for index in order[:5]]
    mix = read_mix(costs_of(able, priorities.reads), priorities.reads)
    assert [row[4] for row in top] == [seconds_text(float(mix[index])) for index in order[:5]]
    assert page.locator(".old").is_visible()
    for hidden in (".decisions", ".flips", "#figures tr[data-row]:not(.first)"):
        assert page.locator(f"#answer {hidden}").count() > 0
        assert not any(one.is_visible() for one in page.locator(f"#answer {hidden}").all())
    assert (
        page.locator('[data-live="command"]')
        .inner_text()
        .startswith("storebench report --priority 'size=60' --reads '")
    )
    assert page.locator("#priorities output").first.inner_text() == "100 %"
    assert axe(page) == []
    page.locator("#priorities button[type=reset]").click()
    assert page.locator("#answer").inner_text() == before
    assert opened.complaints == []


def test_without_a_weight_no_setting_is_shown(built: Path, page_of: PageOf) -> None:
    opened = page_of(built)
    page = opened.page
    for name in GOALS:
        _slide(opened, name, 0)
    assert page.locator("#answer-h").inner_text() == "Give at least one goal a weight."
    assert page.locator('[data-live="status"]').inner_text() == "Give at least one goal a weight."
    for hidden in ("#figures", ".paste", ".standing", ".old", "#top"):
        assert not page.locator(f"#answer {hidden}").is_visible()
    _slide(opened, "size", 1)
    assert page.locator("#figures").is_visible()
    assert opened.complaints == []


def test_where_no_pattern_has_a_weight_the_command_gives_reads_none(
    built: Path, page_of: PageOf, answer: Answer
) -> None:
    opened = page_of(built)
    for name in answer.priorities.reads:
        _slide(opened, name, 0)
    assert opened.page.locator('[data-live="command"]').text_content() == (
        "storebench report --priority 'size=60,write=60'"
    )


def test_where_the_same_setting_is_first_its_baselines_stay(built: Path, page_of: PageOf) -> None:
    opened = page_of(built)
    _slide(opened, "size", 61)
    assert opened.page.locator("#figures tr[data-row]:not(.first)").first.is_visible()
    assert not opened.page.locator(".decisions").is_visible()


def test_usual_code_is_whole_and_long_code_scrolls_in_its_box(built: Path, page_of: PageOf, answer: Answer) -> None:
    opened = page_of(built)
    code = opened.page.locator(".paste pre")
    assert answer.snippet.code is not None
    assert len(answer.snippet.code.splitlines()) > 30, "tensorstore's: all of it would fill the first screen"
    assert code.evaluate("(e) => e.scrollHeight > e.clientHeight && getComputedStyle(e).overflowY === 'auto'")
    code.focus()
    opened.page.keyboard.press("End")
    opened.page.wait_for_function(
        "(() => { const e = document.querySelector('.paste pre'); return e.scrollTop + e.clientHeight >= e.scrollHeight - 1; })()"
    )
    code.evaluate("(e) => { e.firstChild.textContent = Array(16).fill('a line').join('\\n'); }")
    assert code.evaluate("(e) => e.scrollHeight <= e.clientHeight"), "as many lines as zarr-python's code has"


def test_keys_move_a_slider_and_copy_copies(built: Path, page_of: PageOf, answer: Answer) -> None:
    opened = page_of(built)
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    slider = page.locator('#priorities input[data-of="size"]')
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "61"
    page.locator("#priorities button[type=reset]").click()
    page.locator("#copy").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.getElementById('copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == answer.snippet.code
    assert opened.complaints == []


def test_the_first_screen_is_the_answer(built: Path, page_of: PageOf) -> None:
    opened = page_of(built)
    bottom = opened.page.locator(".card").evaluate("(e) => e.getBoundingClientRect().bottom")
    assert bottom <= 900


def test_without_scripts_the_answer_is_whole(built: Path, page_of: PageOf, answer: Answer) -> None:
    page = page_of(built, javascript=False).page
    assert answer.headline in page.locator("#answer-h").inner_text()
    assert page.locator("#top tbody tr").count() == 5
    assert not page.locator("#priorities").is_visible()
    assert not page.locator("#copy").is_visible()
    assert "import" in page.locator("#answer pre").inner_text()
