"""The table of all results: coded ranks, what tells rows apart, what stays small."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np

from storebench.report.results_table import ALPHABET, Column, all_results
from storebench.report.views import clean_frame, clean_records

from ._tables import table


def _records() -> list[dict[str, Any]]:
    return [dict(record) for record in clean_records(clean_frame(table()))]


def test_codes_hold_every_rank() -> None:
    for n_texts in (1, 2, len(ALPHABET) - 1, len(ALPHABET), len(ALPHABET) ** 2 - 1, len(ALPHABET) ** 2):
        ranks = [None, *range(n_texts)]
        column = Column(texts=[str(n) for n in range(n_texts)], ranks=ranks, is_number=True, is_filtered=False)
        n_digits = next(n for n in itertools.count(1) if n_texts + 1 <= len(ALPHABET) ** n)
        assert column.digits == n_digits
        coded = column.coded
        pieces = [coded[at : at + n_digits] for at in range(0, len(coded), n_digits)]
        values = [sum(ALPHABET.index(c) * len(ALPHABET) ** k for k, c in enumerate(reversed(p))) for p in pieces]
        assert values == [0, *range(1, n_texts + 1)]
    assert Column(texts=["all"], ranks=[0, 0], is_number=False, is_filtered=True).coded == ""


def test_the_scripts_digits_are_the_tables() -> None:
    # static/results.js computes a digit from its character code alone
    assert [ord(c) - 35 - (ord(c) > 60) - (ord(c) > 92) for c in ALPHABET] == list(range(90))


def test_columns_that_tell_rows_apart_appear_where_there_are_several() -> None:
    records = _records()
    assert not {"Machine", "Threads", "Seed", "Commit"} & {*all_results(records).columns}
    records[3] |= {"machine": "lab-2", "threads": 2}
    assert {"Machine", "Threads"} <= {*all_results(records).columns}


def test_what_is_written_alike_shares_a_rank_and_order_is_by_number() -> None:
    records = _records()[:4]
    for record, median_s in zip(records, (0.0120011, 0.0120012, 0.9, None), strict=True):
        record["median_s"] = median_s
    column = all_results(records).columns["Median"]
    assert column.texts == ["12.0 ms", "900 ms"]
    assert list(column.ranks) == [0, 0, 1, None]


def test_doubts_are_marked_and_nothing_is_left_out() -> None:
    records = _records()
    records[0] |= {"noisy": True, "low_confidence": True}
    records[1] |= {"noisy": False, "low_confidence": False}
    results = all_results(records)
    assert results.n_rows == len(records)
    doubts = results.columns["Doubt"]
    assert (doubts.text(0), doubts.text(1), results.marks(0), results.marks(1)) == (
        "noisy, few samples",
        "–",
        "doubtful",
        "",
    )
    skipped = next(index for index, record in enumerate(records) if record["status"] == "skipped")
    assert results.marks(skipped) == "bad"
    assert results.columns["Reason"].text(skipped) == records[skipped]["reason"]


def test_fifty_thousand_rows_fit() -> None:
    rng = np.random.default_rng(0)
    some = [record for record in _records() if record["status"] == "ok"]
    records = []
    for number in range(50_000):
        times = {name: float(rng.lognormal(-4, 2)) for name in ("median_s", "throughput_mib_s", "limit_fraction")}
        sizes = {"stored_bytes": int(rng.integers(10**6, 10**8)), "compression_ratio": float(rng.uniform(1, 30))}
        records.append({**some[number % len(some)], **times, **sizes, "half_width": float(rng.uniform(0, 0.1))})
    text = all_results(records).json
    assert json.loads(text)["n_rows"] == 50_000
    assert len(text.encode()) < 2_500_000
