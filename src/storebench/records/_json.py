"""Records as JSON, both ways."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from storebench.errors import ResultsError
from storebench.grid import Shape
from storebench.records._crops import Crop
from storebench.records._facts import SCHEMA_VERSION, Case, Row, Sample
from storebench.records._surroundings import Conditions, DatasetRecord, Environment, FileForm, Limits

_T = TypeVar("_T")


def to_json(record: Any) -> dict[str, Any]:
    """Return a record as plain JSON values: tuples become arrays, None stays null."""
    return json.loads(json.dumps(_plain(record), allow_nan=False))  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


_FRAMES: Final = ("frame_requests", "frame_bytes", "predicted_frame_requests", "predicted_frame_bytes")


def _shape_or_none(value: Any) -> Shape | None:
    return None if value is None else tuple(value)


def case_from_json(data: Mapping[str, Any]) -> Case:
    """Return the case that `to_json` wrote.

    Raises
    ------
    ResultsError
        If a field is missing or unknown.
    """
    shapes = {name: _shape_or_none(data.get(name)) for name in ("shape", "chunk_shape", "shard_shape")}
    return _build(Case, {**data, **shapes})


def sample_from_json(data: Mapping[str, Any]) -> Sample:
    """Return the sample that `to_json` wrote.

    Raises
    ------
    ResultsError
        If a field is missing or unknown.
    """
    frame_s = data.get("frame_s")
    return _build(Sample, data if frame_s is None else {**data, "frame_s": tuple(frame_s)})


def row_from_json(data: Mapping[str, Any]) -> Row:
    """Return the row that `to_json` wrote.

    Raises
    ------
    ResultsError
        If a field is missing or unknown.
    """
    shapes = {name: _shape_or_none(data.get(name)) for name in ("chunk_shape", "shard_shape", *_FRAMES)}
    samples = tuple(sample_from_json(sample) for sample in data.get("samples", ()))
    return _build(Row, {**data, **shapes, "case": case_from_json(data["case"]), "samples": samples})


def dataset_from_json(data: Mapping[str, Any]) -> DatasetRecord:
    """Return the dataset's record that `to_json` wrote.

    Raises
    ------
    ResultsError
        If a field is missing or unknown.
    """
    lists = {name: tuple(data.get(name) or ()) for name in ("shape", "autocorrelation")}
    form = data.get("file_form")
    return _build(DatasetRecord, {**data, **lists, "file_form": None if form is None else _file_form(form)})


def _file_form(data: Mapping[str, Any]) -> FileForm:
    shapes = {name: _shape_or_none(data.get(name)) for name in ("chunk_shape", "shard_shape")}
    return _build(FileForm, {**data, **shapes})


def environment_from_json(data: Mapping[str, Any]) -> Environment:
    """Return the environment that `to_json` wrote.

    Raises
    ------
    ResultsError
        If a field is missing or unknown.
    """
    return _build(Environment, data)


def conditions_from_json(data: Mapping[str, Any]) -> Conditions:
    """Return the conditions that `to_json` wrote.

    Raises
    ------
    ResultsError
        If a field is missing or unknown.
    """
    return _build(Conditions, data)


def limits_from_json(data: Mapping[str, Any]) -> Limits:
    """Return the limits that `to_json` wrote.

    Raises
    ------
    ResultsError
        If a field is missing or unknown.
    """
    return _build(Limits, data)


def crop_from_json(data: Mapping[str, Any]) -> Crop:
    """Return the crop that `to_json` wrote.

    Raises
    ------
    ResultsError
        If a field is missing or unknown, or its values are damaged.
    """
    names = ("shape", "start", "extent", "chunk_shape", "shard_shape")
    crop = _build(Crop, {**data, **{name: _shape_or_none(data.get(name)) for name in names}})
    crop.values()
    return crop


def _build(kind: type[_T], data: Mapping[str, Any]) -> _T:
    try:
        return kind(**data)
    except TypeError as error:
        raise ResultsError(f"this is no {kind.__name__} of schema version {SCHEMA_VERSION}: {error}") from error
