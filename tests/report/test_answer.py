"""The first screen: card, ranking, figure's title and code come from one result object."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from storebench.advise.ranking import Answer
from storebench.advise.snippets import snippet_of
from storebench.analysis import verdict
from storebench.errors import UnknownNameError
from storebench.report import build_report
from storebench.report import page as page_of_results
from storebench.report.answer import answers
from storebench.report.markdown.summary import summary_markdown
from storebench.report.sections import tradeoff
from storebench.report.views import clean_frame, clean_records, make_views
from storebench.results.intervals import MIN_FOR_INTERVAL
from storebench.results.settings import own_twins
from storebench.units import bytes_text, seconds_text, times_interval_text

from ._press import PageAlone
from ._tables import ENVIRONMENT, rows, table

ENVIRONMENTS = {ENVIRONMENT.id: ENVIRONMENT}


@pytest.fixture(autouse=True)
def _no_figure_but_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw only the figure that names the first setting: the others are four fifths of a page's time."""
    monkeypatch.setattr(page_of_results, "SECTIONS", (tradeoff.make,))


def _answer(frame: pd.DataFrame) -> Answer:
    found = answers(make_views(clean_frame(frame)))[0]
    assert isinstance(found, Answer)
    return found


def _page(frame: pd.DataFrame, folder: Path) -> str:
    return build_report(frame, ENVIRONMENTS, folder, press=PageAlone()).index.read_text(encoding="utf-8")


def _text(page: str, pattern: str) -> str:
    match = re.search(pattern, page, re.DOTALL)
    assert match, pattern
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", match[1])).split())


def _shown(page: str) -> dict[str, str]:
    """Return the four places that name the first setting."""
    return {
        "card": _text(page, r'<h2 id="answer-h"[^>]*>(.*?)</h2>'),
        "ranking": _text(page, r'<table id="top">.*?<tbody>\s*<tr>(.*?)</tr>'),
        "figure": _text(page, r'<h2 id="tradeoff-h">(.*?)</h2>'),
        "code": _text(page, r'<code data-live="snippet">(.*?)</code>'),
    }


def _faster(frame: pd.DataFrame, codec: str, backend: str, chunk_shape: tuple[int, ...], factor: float) -> pd.DataFrame:
    """Divide every time of one setting."""
    frame = frame.copy()
    same = (frame["codec"] == codec) & (frame["backend"] == backend) & (frame["chunk_shape"] == chunk_shape)
    assert same.any()
    for name in ("median_s", "ci95_low_s", "ci95_high_s"):
        frame.loc[same, name] /= factor
    frame["samples_s"] = [
        tuple(s / factor for s in samples) if chosen else samples
        for samples, chosen in zip(frame["samples_s"], same, strict=True)
    ]
    return frame


def test_another_winner_stands_in_card_ranking_figure_and_code(tmp_path: Path) -> None:
    before = _answer(table())
    other = before.ranked[-1].candidate
    assert other.codec is not None
    assert other.backend is not None
    assert other.chunk_shape is not None
    frame = _faster(table(), other.codec, other.backend, other.chunk_shape, 1000)
    assert _answer(frame).first.label == other.label
    shown = {"before": _shown(_page(table(), tmp_path / "a")), "after": _shown(_page(frame, tmp_path / "b"))}
    for when, first in (("before", before.first), ("after", other)):
        code = snippet_of(first).code
        assert code is not None
        assert first.title in shown[when]["card"]
        assert f"1 {first.label} " in shown[when]["ranking"]
        assert first.label in shown[when]["figure"]
        assert shown[when]["code"] == " ".join(code.split())
    assert all(shown["before"][place] != shown["after"][place] for place in shown["before"])


def test_the_card_shows_the_tables_own_numbers(tmp_path: Path) -> None:
    frame = table()
    found = _answer(frame)
    figures = _text(_page(frame, tmp_path), r'<tr data-row="-1" class="first">(.*?)</tr>')
    first = found.first
    assert bytes_text(first.stored_bytes) in figures
    assert first.write is not None
    assert seconds_text(first.write["median_s"]) in figures
    assert found.read is not None
    mean = sum(row["median_s"] for row in first.reads.values()) / len(first.reads)
    assert found.read.median == pytest.approx(mean, rel=1e-5)
    assert seconds_text(mean) in figures


def test_below_five_samples_nothing_is_shown_and_confidence_is_not_known(tmp_path: Path) -> None:
    """The same number of samples ends both: the card never calls settings worse while it knows no confidence."""
    page = _page(table(list(rows(n_samples=MIN_FOR_INTERVAL - 1))), tmp_path)
    shown = _shown(page)
    assert shown["card"].startswith("Nothing is shown to be better")
    assert shown["figure"].startswith("Nothing is shown to be better")
    assert "not known" in _text(page, r'<dl class="decisions"[^>]*>(.*?)</dl>')
    assert "shown to be worse;" not in page
    enough = _answer(table(list(rows(n_samples=MIN_FOR_INTERVAL))))
    assert "shown to be worse;" in enough.standing
    assert {decision.confidence for decision in enough.decisions} & {"medium", "high"}


def test_a_baseline_has_its_ratio_with_an_interval_on_the_card_as_in_markdown(tmp_path: Path) -> None:
    frame = _faster(table(), "zstd-3", "zarr3-zarrpython", (32, 32, 32), 10)
    found = _answer(frame)
    page, markdown = _page(frame, tmp_path), summary_markdown(frame, ENVIRONMENTS)
    held = [baseline for baseline in found.baselines if baseline.candidate is not None and not baseline.is_first]
    assert held
    for baseline in held:
        assert baseline.candidate is not None
        row = _text(page, rf'<tr data-row="{found.candidates.index(baseline.candidate)}"[^>]*>(.*?)</tr>')
        for ratio in (baseline.write_ratio, baseline.read_ratio):
            assert ratio is not None
            text = times_interval_text(*ratio)
            assert re.fullmatch(r"[\d.]+x \([\d.]+–[\d.]+x\)", text)
            assert text in row
            assert text in markdown


def test_baselines_that_are_missing_are_said_to_be(tmp_path: Path) -> None:
    page = html.unescape(_page(table(), tmp_path))
    assert "not measured: <code>storebench measure ct --shape 64,64,64" in page


def test_priorities_change_the_answer_and_unknown_patterns_are_refused(tmp_path: Path) -> None:
    weights = {"size": 1, "write": 0, "read": 0, "files": 0}
    files = build_report(table(), ENVIRONMENTS, tmp_path, weights=weights, press=PageAlone())
    assert "Weighed: size 100 %." in files.index.read_text(encoding="utf-8")
    views = make_views(clean_frame(table()))
    with pytest.raises(UnknownNameError, match="Did you mean plane_xy"):
        answers(views, reads={"plane_xyy": 1})


def test_two_cases_of_one_setting_are_one_setting(tmp_path: Path) -> None:
    """What a library chose by itself is what another case asked for: it neither vanishes nor competes with itself."""
    measured = list(rows())
    best = _answer(table(measured)).first
    own = [row for row in measured if (row.case.backend, row.case.chunk_shape) == (best.backend, best.chunk_shape)]
    own = [row for row in own if row.case.codec == best.codec]
    assert len(own) == 5
    twins = [replace(row, case=replace(row.case, chunk_shape=None), samples=row.samples[:4]) for row in own]
    frame = table([*twins, *measured])
    assert len(frame) == len(measured) + len(own)
    found = _answer(frame)
    assert found.first.label == best.label
    assert all(row["n_samples"] == 8 for row in found.first.rows)
    assert found.first.is_left_to_library
    assert not best.is_left_to_library
    labels = [candidate.label for candidate in found.candidates]
    assert len(labels) == len(set(labels)) == len(_answer(table(measured)).candidates)
    assert verdict(frame).sentences == verdict(table(measured)).sentences
    assert best.title in _shown(_page(frame, tmp_path))["card"]


def test_of_equal_twins_the_first_case_stands_and_other_tools_rows_stay() -> None:
    first = next(row for row in rows() if row.case.chunk_shape == (16, 16, 16))
    twin = replace(first, case=replace(first.case, chunk_shape=None))
    records = clean_records(table([twin, first]))
    assert [records[place]["case_id"] for place in own_twins(records)] == [twin.case.id]
    assert own_twins([row | {"case_id": f"test_{index}"} for index, row in enumerate(records)]) == []


def test_a_busy_machine_is_said_first_and_only_where_it_was(tmp_path: Path) -> None:
    frame = table()
    assert "busy machine" not in _text(_page(frame, tmp_path / "a"), r'<p class="facts">(.*?)</p>')
    n_ok = int((frame["status"] == "ok").sum())
    frame.loc[frame["operation"] == "write", "noisy"] = True
    n_noisy = int(((frame["status"] == "ok") & (frame["operation"] == "write")).sum())
    said = f"{n_noisy} of {n_ok} measured on a busy machine"
    assert f'<a href="#method">{said}</a>' in _page(frame, tmp_path / "b")
    assert said in summary_markdown(frame, ENVIRONMENTS)


def test_of_several_environments_the_card_says_which_is_ranked(tmp_path: Path) -> None:
    frame = table()
    assert "Ranked: results of" not in _page(frame, tmp_path / "a")
    other = frame.iloc[:-10].assign(environment="tensorstore", environment_id="0" * 10)
    page = _page(pd.concat([frame, other], ignore_index=True), tmp_path / "b")
    name = frame["environment"].iloc[0]
    assert f"Ranked: results of {name}; others are under" in _text(page, r'<p class="weighed">(.*?)</p>')
    same = other.assign(environment=name)
    page = _page(pd.concat([frame, same], ignore_index=True), tmp_path / "c")
    assert f"{name} ({ENVIRONMENT.id}, commit 3f2a91c0)" in _text(page, r'<p class="weighed">(.*?)</p>')
