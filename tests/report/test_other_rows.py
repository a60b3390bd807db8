"""Rows that are no plain read or write: they stand in the table of all results, in plain words, and change no ranking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from storebench.advise.ranking import Answer
from storebench.advise.words import operation_text, pattern_text
from storebench.analysis import verdict
from storebench.records import Row
from storebench.report.answer import answers
from storebench.report.changes.names import case_names
from storebench.report.results_table import all_results
from storebench.report.views import clean_frame, clean_records, make_views
from storebench.results.export import export
from storebench.results.settings import extras_of, summarise_settings

from ._tables import rows, table


def _faster(row: Row, factor: float, frames: int = 0, **case: Any) -> Row:
    samples = tuple(
        replace(s, wall_s=s.wall_s / factor, frame_s=(s.wall_s / factor / frames,) * frames if frames else None)
        for s in row.samples
    )
    return replace(row, case=replace(row.case, **case), samples=samples)


def _others() -> Iterator[Row]:
    """Yield what was done otherwise with the settings of the table, all of it much faster than the plain reads and writes."""
    for row in rows():
        case = row.case
        if row.status != "ok" or case.codec == "jp2-ratio-10":
            continue
        if case.operation == "write":
            yield _faster(row, 90, 4, operation="append", pattern="stream16", durability="durable")
            yield _faster(row, 90, 64, operation="append", pattern="stream1", durability="durable")
            yield _faster(row, 90, operation="overwrite", pattern="roi16")
            yield from (_faster(row, 90, operation=name) for name in ("build_levels", "list", "delete"))
            yield _faster(row, 90, concurrency="workers-2")
        elif case.pattern == "whole":
            yield _faster(row, 90, concurrency="threads-2")
            yield _faster(row, 90, 20, pattern="viewer")


def _answer_of(some: list[Row]) -> Answer:
    (found,) = answers(make_views(clean_frame(table(some))))
    assert isinstance(found, Answer)
    return found


@pytest.fixture(scope="module")
def both() -> tuple[list[Row], list[Row]]:
    plain = list(rows())
    return plain, [*plain, *_others()]


def test_they_change_no_ranking(both: tuple[list[Row], list[Row]]) -> None:
    plain, mixed = map(_answer_of, both)
    assert [(r.candidate.label, r.score) for r in mixed.ranked] == [(r.candidate.label, r.score) for r in plain.ranked]
    assert mixed.standing == plain.standing
    assert mixed.priorities.read_shares | {"viewer": 0} == plain.priorities.read_shares | {"viewer": 0}
    assert mixed.priorities.reads["viewer"] == 0, "a reader can give it a weight"


def test_where_nothing_but_traces_was_read_they_are_ranked() -> None:
    traces = [_faster(row, 1, 20, pattern="viewer") for row in rows() if row.case.pattern == "whole" and row.samples]
    found = _answer_of([row for row in traces if row.case.operation == "read"])
    assert dict(found.priorities.reads) == {"viewer": 1}
    assert found.ranked


def test_several_at_once_share_no_mean_with_one_alone(both: tuple[list[Row], list[Row]]) -> None:
    key = ["backend", "codec", "chunk_shape"]
    plain, mixed = (
        summarise_settings(table([row for row in some if row.case.pattern != "viewer"])).set_index(key) for some in both
    )
    alone = mixed[mixed["concurrency"].isna()]["relative_read"].dropna()
    assert len(alone) == 7
    assert alone.to_dict() == pytest.approx(plain["relative_read"].dropna().to_dict())


def test_each_has_its_words(both: tuple[list[Row], list[Row]]) -> None:
    frame = table(both[1])
    levels = {"n_levels": 4, "level_axes": "yx", "level_method": "mode"}
    row = {"stack_axis": 0, "store": "local", "threads": None, "concurrency": "workers-2", **levels}
    assert extras_of(row) == ("levels 4", "along yx", "by mode", "2 workers at once")
    assert operation_text("append", "stream1") == "append plane by plane"
    assert operation_text("build_levels") == "build levels"
    assert pattern_text("viewer832x1280-from0") == "trace of a viewer, 832x1280 voxels, all from full resolution"
    assert pattern_text("viewer_roi128") == "trace of a viewer in 3-D, 128 voxels"
    titles = {name.title for name in case_names(frame)[0].values()}
    assert {"append 16 planes at a time", "overwrite roi16", "read trace of a viewer", "build levels"} <= titles
    tasks = {finding.about for finding in verdict(frame).findings}
    assert {"append stream16 (durable)", "read whole (warm)", "read whole (warm, 2 threads at once)"} <= tasks
    assert {"write (2 workers at once)", "build levels", "list", "delete"} <= tasks


def test_the_table_of_all_results_tells_them_apart(both: tuple[list[Row], list[Row]]) -> None:
    plain, mixed = (all_results(clean_records(clean_frame(table(some)))) for some in both)
    assert "At once" not in plain.columns
    assert [text for _, text in mixed.columns["At once"].choices] == ["2 threads at once", "2 workers at once", "none"]
    markdown = [(export(table(some), "markdown") or "").splitlines()[0] for some in both]
    assert ["at once" in heading for heading in markdown] == [False, True]
    assert not any("levels" in heading for heading in markdown), "all have one level: nothing to tell apart"
