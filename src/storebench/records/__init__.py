"""The facts of a measurement: case, sample, row, environment, dataset. Frozen, and JSON both ways.

What was not measured is None (null in JSON), never 0.
"""

from storebench.records._facts import (
    OPERATIONS,
    SCHEMA_VERSION,
    Case,
    DatasetRecord,
    Environment,
    Operation,
    Row,
    Sample,
    Status,
)
from storebench.records._json import (
    case_from_json,
    dataset_from_json,
    environment_from_json,
    row_from_json,
    sample_from_json,
    to_json,
)

__all__ = [
    "OPERATIONS",
    "SCHEMA_VERSION",
    "Case",
    "DatasetRecord",
    "Environment",
    "Operation",
    "Row",
    "Sample",
    "Status",
    "case_from_json",
    "dataset_from_json",
    "environment_from_json",
    "row_from_json",
    "sample_from_json",
    "to_json",
]
