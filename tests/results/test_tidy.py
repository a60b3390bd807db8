"""The columns that follow from samples: which of them count, what was shown of the cache, when a write ended, noise, limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storebench.records import Case, Conditions, Environment, Limits, Row, Sample
from storebench.results.frame import load_results, tidy_frame
from storebench.results.journal import Journal
from storebench.results.limits import limit_terms
from storebench.results.sampled import autocorrelation_time
from storebench.results.tidy import tidy_row

CASE = Case(
    dataset="ct", shape=(8, 8, 8), dtype="uint16", axes="zyx", operation="read", backend="npy-numpy", cache="cold"
)
ROW = Row(
    case=CASE,
    status="ok",
    format="npy",
    library="numpy",
    logical_bytes=1024,
    stored_bytes=1152,
    n_files=1,
    fetched_bytes=1152,
    requests=1,
    files_opened=1,
    voxels_asked=512,
    voxels_decoded=512,
)
GUEST = Environment(
    python="3.11.7", libraries={}, builds={}, machine={"n_cpu": 2, "virtual": "true"}, storebench="0.1.0"
)
BARE = replace(GUEST, machine={"n_cpu": 2, "virtual": "false"})
LIMITS = Limits(
    taken_at=1.0,
    memcpy_bytes_per_s={"4096": 1e9},
    cold_read_bytes_per_s={"4096": 1e9},
    random_read_s={"4096": 1e-4},
    open_s=1e-5,
)


def sample(wall_s: float, number: int = 0, **more: Any) -> Sample:
    facts = {"cpu_s": wall_s, "open_s": None, "started_at": 100.0 + number, "process_id": str(number % 4)}
    return Sample(wall_s=wall_s, **(facts | more))


def row(*samples: Sample, **case: Any) -> Row:
    return replace(ROW, case=replace(CASE, **case), samples=samples)


def test_only_timed_samples_that_are_not_shown_to_be_wrong_count() -> None:
    good = [sample(0.010 + 0.001 * i, i, verified=True) for i in range(8)]
    bad = [sample(9.0, i, verified=False, unverified_reason="read ahead") for i in range(3)]
    touch = [sample(1.0 + i, i, kind="first_touch", verified=True) for i in range(3)]
    spoilt = sample(77.0, 3, kind="first_touch", verified=False)
    values = tidy_row(row(*touch, spoilt, *bad, *good), BARE)
    assert values["samples_s"] == [s.wall_s for s in good]
    assert values["samples_process"] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert (values["n_samples"], values["samples_verified"], values["samples_discarded"]) == (8, 8, 3)
    assert values["median_s"] == pytest.approx(0.0135)
    assert values["p10_s"] == pytest.approx(0.0107)
    assert values["first_touch_s"] == 2.0
    assert values["half_width"] == pytest.approx((values["ci95_high_s"] - values["ci95_low_s"]) / 2 / 0.0135)


def test_a_process_has_one_first_touch() -> None:
    touches = [sample(t, kind="first_touch", process_id=p) for t, p in ((1.0, "a"), (9.0, "a"), (3.0, "b"))]
    assert tidy_row(row(*touches))["first_touch_s"] == 2.0
    assert tidy_row(row(*touches))["median_s"] is None


def test_a_row_without_a_sample_that_counts_is_failed_and_says_why() -> None:
    spoilt = [sample(1.0, i, verified=False, unverified_reason=("a", "b", "b")[i]) for i in range(3)]
    touch = sample(1.0, kind="first_touch", verified=False)
    values = tidy_row(row(touch, *spoilt))
    assert (values["status"], values["reason"]) == ("failed", "0 of 3 samples were shown to be cold: b")
    assert (values["median_s"], values["samples_s"], values["limit_s"]) == (None, None, None)
    assert (values["samples_verified"], values["samples_discarded"], values["cache_shown"]) == (0, 3, None)
    assert tidy_row(row(*spoilt[:2], sample(1.0)))["status"] == "ok"
    assert tidy_row(row(touch))["status"] == "ok"  # nothing was timed yet
    assert tidy_row(replace(row(*spoilt), status="timeout", reason="late"))["reason"] == "late"


@pytest.mark.parametrize(
    ("cache", "environment", "shown"),
    [
        ("warm", GUEST, "warm"),
        ("cold", GUEST, "guest-cold"),
        ("cold", BARE, "cold"),
        ("cold-dropped", GUEST, "guest-cold-dropped"),
        ("cold-dropped", BARE, "cold-dropped"),
    ],
)
def test_what_was_shown_of_the_cache(cache: str, environment: Environment, shown: str) -> None:
    judged = [sample(1.0, i, verified=True) for i in range(2)]
    assert tidy_row(row(*judged, cache=cache), environment)["cache_shown"] == shown
    values = tidy_row(row(*judged, sample(1.0), cache=cache), environment)
    assert (values["cache_shown"], values["samples_verified"]) == (None, 2)  # one is not known
    values = tidy_row(row(sample(1.0), cache=cache), environment)
    assert (values["cache_shown"], values["samples_verified"], values["samples_discarded"]) == (None, None, None)


def test_when_a_write_ends() -> None:
    samples = [sample(1.0 + i, i, sync_s=0.5) for i in range(3)]
    write = {"operation": "write", "cache": "warm"}
    returned = tidy_row(row(*samples, **write))
    assert (returned["median_s"], returned["returned_s"], returned["durable_s"]) == (2.0, 2.0, 2.5)
    durable = tidy_row(row(*samples, **write, durability="durable"))
    assert (durable["median_s"], durable["returned_s"], durable["durable_s"]) == (2.0, 1.5, 2.0)
    unsynced = tidy_row(row(sample(1.0), **write))
    assert (unsynced["returned_s"], unsynced["durable_s"]) == (1.0, None)
    read = tidy_row(row(*samples))
    assert (read["returned_s"], read["durable_s"]) == (None, None)


def test_what_the_system_counted() -> None:
    samples = [
        sample(1.0, i, cpu_s=2.0, device_read_bytes=4096 * i, involuntary_switches=i // 3 or None) for i in range(4)
    ]
    values = tidy_row(row(*samples, sample(1.0, cpu_s=2.0, involuntary_switches=0)))
    assert (values["parallelism"], values["cpu_s"], values["device_bytes"], values["preempted_share"]) == (
        2.0,
        2.0,
        4096,
        0.5,
    )
    assert tidy_row(row(*samples, operation="write", cache="warm"))["device_bytes"] is None
    values = tidy_row(row(sample(1.0)))
    assert (values["device_bytes"], values["preempted_share"], values["autocorrelation_time"]) == (None, None, None)


def test_facts_of_the_row_are_columns() -> None:
    facts = {
        "gets": 1,
        "set_bytes": 2,
        "instructions": 3,
        "codec_bytes_per_s": 4.5,
        "engine": "paired",
        "converged": False,
    }
    values = tidy_row(replace(ROW, **facts))  # type: ignore[arg-type]
    assert {name: values[name] for name in facts} == facts
    frame = tidy_frame([values])
    assert (frame["gets"][0], frame["engine"][0], bool(frame["converged"][0])) == (1, "paired", False)


def test_autocorrelation_of_what_is_known() -> None:
    rng = np.random.default_rng(0)
    white = rng.normal(size=4000)
    assert autocorrelation_time(list(white)) == pytest.approx(1.0, abs=0.2)
    red = [0.0]
    for shock in white:
        red.append(0.5 * red[-1] + shock)
    assert autocorrelation_time(red) == pytest.approx(3.0, abs=0.4)  # (1 + 0.5) / (1 - 0.5)
    assert autocorrelation_time([float(i) for i in range(40)]) > 10  # type: ignore[operator]
    assert autocorrelation_time([1.0, 2.0] * 20) == 1.0  # never below what independent samples have
    assert autocorrelation_time([3.0] * 20) == 1.0
    assert autocorrelation_time([3.0] * 9) is None


def test_noise_is_judged_by_the_spans_in_which_samples_were_taken() -> None:
    samples = [sample(0.5, i) for i in range(8)]
    busy = Conditions(started_at=90.0, ended_at=110.0, cpu_pressure=0.9, other_cpus=1.9, busiest_other="cc1")
    before = replace(busy, started_at=10.0, ended_at=20.0)
    values = tidy_row(row(*samples), BARE, conditions=[before, busy])
    assert values["noisy"] is True
    assert "cc1" in values["noise"]
    quiet = replace(busy, cpu_pressure=0.0, other_cpus=0.0, busiest_other=None)
    values = tidy_row(row(*samples), BARE, conditions=[before, quiet])
    assert (values["noisy"], values["noise"]) == (False, None)
    values = tidy_row(row(*samples), BARE, conditions=[before])  # nothing was recorded then
    assert (values["noisy"], values["noise"]) == (None, None)


def test_the_limit_and_its_terms() -> None:
    this = row(*(sample(0.01, i) for i in range(8)))
    terms = limit_terms(this, LIMITS, 2)
    assert terms is not None
    values = tidy_row(this, BARE, limits=LIMITS)
    parts = [values[name] for name in ("limit_requests_s", "limit_bytes_s", "limit_decode_s")]
    assert parts == [terms.requests_s, terms.bytes_s, terms.decode_s]
    assert values["limit_s"] == pytest.approx(sum(parts))
    assert values["limit_fraction"] == pytest.approx(values["limit_s"] / 0.01)
    assert tidy_row(this, BARE)["limit_s"] is None


def test_the_table_gets_conditions_and_limits_from_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "lab-1" / "x.jsonl")
    journal.append_environment(BARE)
    journal.append_row(BARE, row(*(sample(0.5, i) for i in range(8))))
    values = load_results(tmp_path).iloc[0]
    assert np.isnan(values["limit_fraction"])
    journal.append_limits(BARE.id, "r", LIMITS)
    journal.append_limits(BARE.id, "r", replace(LIMITS, open_s=1.0))  # the best counts
    journal.append_conditions(
        BARE.id, "r", Conditions(started_at=0.0, ended_at=200.0, cpu_pressure=0.9, other_cpus=2.0)
    )
    values = load_results(tmp_path).iloc[0]
    assert bool(values["noisy"])
    assert 0 < values["limit_fraction"] < 0.01
    assert values["samples_process"] == (0, 1, 2, 3, 0, 1, 2, 3)


def test_samples_that_do_not_count_do_not_give_way_to_asvs(tmp_path: Path) -> None:
    """asv's file has the same samples, without a word on which were cold."""
    from storebench.results.asv import publish_asv_result

    data = Path(__file__).parents[1] / "data" / "asv"
    raw = next((data / "lab-1").glob("*python*.json"))
    published = publish_asv_result(raw, tmp_path / "lab-1", env_name="py3.11.7-x")

    class Asker:
        run, benchmark, params = None, "bench_tiny.Read.time_read", ("'npy-numpy'", "'whole'")

    journal = Journal(published.with_name(published.name + "l"))
    journal.append_environment(BARE)
    journal.append_row(BARE, row(sample(1.0, verified=False, unverified_reason="warm")), Asker())
    values = load_results(tmp_path).set_index("benchmark").loc[lambda f: f["dataset"] == "ct"].iloc[0]
    assert values["status"] == "failed"
    assert np.isnan(values["median_s"])
