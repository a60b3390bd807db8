"""The facts of a measurement: case, sample, row, environment, dataset, crop, conditions, limits. Frozen, and JSON both ways.

What was not measured is None (null in JSON), never 0.
"""

from storebench.records._crops import Crop, CropKey, pack_values
from storebench.records._facts import (
    CACHE_STATES,
    DURABILITIES,
    OPERATIONS,
    PATTERNED,
    SCHEMA_VERSION,
    SYNCED,
    WRITING,
    Case,
    Operation,
    Row,
    Sample,
    SampleKind,
    Status,
)
from storebench.records._json import (
    case_from_json,
    conditions_from_json,
    crop_from_json,
    dataset_from_json,
    environment_from_json,
    limits_from_json,
    row_from_json,
    sample_from_json,
    to_json,
)
from storebench.records._surroundings import Conditions, DatasetRecord, Environment, FileForm, Limits

__all__ = [
    "CACHE_STATES",
    "DURABILITIES",
    "OPERATIONS",
    "PATTERNED",
    "SCHEMA_VERSION",
    "SYNCED",
    "WRITING",
    "Case",
    "Conditions",
    "Crop",
    "CropKey",
    "DatasetRecord",
    "Environment",
    "FileForm",
    "Limits",
    "Operation",
    "Row",
    "Sample",
    "SampleKind",
    "Status",
    "case_from_json",
    "conditions_from_json",
    "crop_from_json",
    "dataset_from_json",
    "environment_from_json",
    "limits_from_json",
    "pack_values",
    "row_from_json",
    "sample_from_json",
    "to_json",
]
