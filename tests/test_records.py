"""Case, Sample, Row, Environment: readable ids, and JSON both ways."""

from __future__ import annotations

import dataclasses
import json

import pytest

from storebench.errors import ResultsError
from storebench.records import (
    Case,
    Conditions,
    Environment,
    Limits,
    Row,
    Sample,
    case_from_json,
    conditions_from_json,
    environment_from_json,
    limits_from_json,
    row_from_json,
    sample_from_json,
    to_json,
)

CASE = Case(dataset="ct", shape=(8, 9, 10), dtype="uint16", axes="zyx", operation="read", backend="npy-numpy")
SAMPLE = Sample(wall_s=0.25, open_s=None, cpu_s=0.2, started_at=1.5, process_id="a")
ENVIRONMENT = Environment(
    python="3.11.7",
    libraries={"zarr": "3.1.6", "numpy": "2.4.6"},
    builds={"zstd": "1.5"},
    machine={"n_cpu": 2},
    storebench="0.1.0",
)


def test_id_leaves_out_what_has_its_default_and_names_the_rest() -> None:
    assert CASE.id == "read/npy-numpy/none/ct-8x9x10-uint16"
    other = dataclasses.replace(
        CASE,
        backend="zarr3-zarrpython",
        chunk_shape=(4, 4, 4),
        shard_shape=(8, 8, 8),
        codec="zstd-3",
        pattern="plane_xz",
        cache="cold",
        threads=1,
        seed=None,
    )
    assert other.id == (
        "read/zarr3-zarrpython/chunks-4x4x4/shards-8x8x8/zstd-3/plane_xz/cache-cold/threads-1/ct-8x9x10-uint16"
    )
    assert "," not in other.id


def test_each_field_that_is_set_apart_gives_another_id() -> None:
    values = {
        "n_levels": 2,
        "stack_axis": 1,
        "seed": 3,
        "store": "zip",
        "cache": "cold",
        "durability": "durable",
        "threads": 4,
    }
    ids = {dataclasses.replace(CASE, **{name: value}).id for name, value in values.items()}
    assert len(ids | {CASE.id}) == len(values) + 1


def test_json_both_ways() -> None:
    row = Row(
        case=CASE, status="ok", format="npy", library="numpy", chunk_shape=(1, 9, 10), samples=(SAMPLE,), n_files=1
    )
    text = json.dumps(to_json(row))
    assert row_from_json(json.loads(text)) == row
    assert case_from_json(json.loads(json.dumps(to_json(CASE)))) == CASE
    assert environment_from_json(json.loads(json.dumps(to_json(ENVIRONMENT)))) == ENVIRONMENT
    assert to_json(row)["stored_bytes"] is None


def test_unknown_field_is_a_results_error() -> None:
    with pytest.raises(ResultsError, match="no Case"):
        case_from_json(to_json(CASE) | {"colour": "red"})


def test_environment_id_and_name() -> None:
    assert ENVIRONMENT.id == dataclasses.replace(ENVIRONMENT, libraries={"numpy": "2.4.6", "zarr": "3.1.6"}).id
    assert ENVIRONMENT.id != dataclasses.replace(ENVIRONMENT, builds={}).id
    assert ENVIRONMENT.name.startswith("py3.11.7-numpy2.4.6-zarr3.1.6-")
    assert dataclasses.replace(ENVIRONMENT, dirty=True).name == ENVIRONMENT.name + "-dirty"


def test_conditions_and_limits_both_ways() -> None:
    conditions = Conditions(started_at=1.0, ended_at=2.5, cpu_pressure=0.1, busiest_other="cc1")
    limits = Limits(taken_at=1.0, memcpy_bytes_per_s={"4096": 1e9}, open_s=1e-5)
    assert conditions_from_json(json.loads(json.dumps(to_json(conditions)))) == conditions
    assert limits_from_json(json.loads(json.dumps(to_json(limits)))) == limits
    with pytest.raises(ResultsError, match="no Conditions"):
        conditions_from_json({"started_at": 1.0})
    with pytest.raises(ResultsError, match="no Limits"):
        limits_from_json({"taken_at": 1.0, "colour": 1})


def test_which_samples_count() -> None:
    def counts(**more: object) -> bool:
        return dataclasses.replace(SAMPLE, **more).counts  # type: ignore[arg-type]

    assert [counts(verified=verdict) for verdict in (None, True, False)] == [True, True, False]
    assert not counts(kind="first_touch", verified=True)
    full = dataclasses.replace(SAMPLE, verified=False, unverified_reason="warm", sync_s=0.1, device_read_bytes=0)
    assert sample_from_json(json.loads(json.dumps(to_json(full)))) == full
