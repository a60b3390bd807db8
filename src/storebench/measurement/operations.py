"""The table of operations, and the one door from a case to something that can be timed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from storebench.errors import UsageError
from storebench.measurement.blocks import DecodeWorkload, EncodeWorkload
from storebench.measurement.images import Image
from storebench.measurement.workload import OpenWorkload, ReadWorkload, Workload, WriteWorkload
from storebench.records import Case, Operation
from storebench.storage import Storage

_WORKLOADS: Final[Mapping[Operation, type[Workload]]] = MappingProxyType(
    {
        "read": ReadWorkload,
        "write": WriteWorkload,
        "encode": EncodeWorkload,
        "decode": DecodeWorkload,
        "open": OpenWorkload,
    }
)


def workload_for(case: Case, image: Image, storage: Storage) -> Workload:
    """Return the workload of a case; its store is written and verified where that was not done before.

    Raises
    ------
    UsageError
        If the operation is unknown, or a pattern is named for an operation that has none.
    MissingDependencyError, UnsupportedError, VerificationError
        As `Workload`.
    """
    if case.operation not in _WORKLOADS:
        raise UsageError(f"there is no operation {case.operation!r}; operations are {', '.join(_WORKLOADS)}")
    if case.operation != "read" and case.pattern != "whole":
        raise UsageError(f"pattern {case.pattern} goes with the operation read, not with {case.operation}")
    return _WORKLOADS[case.operation](case, image, storage)
