"""The table of operations, and the one door from a case to something that can be timed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from storebench.errors import UsageError, unknown_name
from storebench.measurement.blocks import DecodeWorkload, EncodeWorkload
from storebench.measurement.concurrent import ConcurrentReadWorkload, ConcurrentWriteWorkload
from storebench.measurement.images import Image
from storebench.measurement.level_building import BuildLevelsWorkload
from storebench.measurement.objects import DeleteWorkload, ListWorkload
from storebench.measurement.streams import AppendWorkload, OverwriteWorkload
from storebench.measurement.workload import OpenWorkload, ReadWorkload, Workload
from storebench.measurement.writes import WriteWorkload
from storebench.records import CACHE_STATES, DURABILITIES, PATTERNED, WRITING, Case, Operation
from storebench.storage import Storage

_WORKLOADS: Final[Mapping[Operation, type[Workload]]] = MappingProxyType(
    {
        "read": ReadWorkload,
        "write": WriteWorkload,
        "encode": EncodeWorkload,
        "decode": DecodeWorkload,
        "open": OpenWorkload,
        "append": AppendWorkload,
        "overwrite": OverwriteWorkload,
        "list": ListWorkload,
        "delete": DeleteWorkload,
        "build_levels": BuildLevelsWorkload,
    }
)

_CONCURRENT: Final[Mapping[Operation, type[Workload]]] = MappingProxyType(
    {"read": ConcurrentReadWorkload, "write": ConcurrentWriteWorkload}
)
"""What several workers do at once, where a case names a concurrency."""


def workload_for(case: Case, image: Image, storage: Storage) -> Workload:
    """Return the workload of a case; its store is written and verified where that was not done before.

    Raises
    ------
    UsageError
        If the operation is unknown, or a pattern, a state of the cache or a durability is named for an operation that has none.
    MissingDependencyError, UnsupportedError, VerificationError
        As `Workload`.
    """
    if case.operation not in _WORKLOADS:
        raise UsageError(f"there is no operation {case.operation!r}; operations are {', '.join(_WORKLOADS)}")
    if case.operation not in PATTERNED and case.pattern != "whole":
        raise UsageError(f"pattern {case.pattern} goes with {_named(PATTERNED)}, not with {case.operation}")
    if case.cache not in CACHE_STATES:
        raise unknown_name("state of the cache", case.cache, CACHE_STATES)
    if case.durability not in DURABILITIES:
        raise unknown_name("durability", case.durability, DURABILITIES)
    if case.cache != "warm" and case.operation not in ("read", "open"):
        raise UsageError(f"cache {case.cache} goes with the operations read and open, not with {case.operation}")
    if case.durability != "returned" and case.operation not in WRITING:
        raise UsageError(f"durability {case.durability} goes with {_named(WRITING)}, not with {case.operation}")
    if case.concurrency is not None:
        if case.operation not in _CONCURRENT or case.pattern != "whole":
            raise UsageError(
                f"concurrency goes with {_named(_CONCURRENT)} of a whole image; leave {case.concurrency} out"
            )
        return _CONCURRENT[case.operation](case, image, storage)
    return _WORKLOADS[case.operation](case, image, storage)


def _named(names: Iterable[str]) -> str:
    """Write operations as in "the operations append, overwrite and read"."""
    *first, last = sorted(names)
    return f"the operations {', '.join(first)} and {last}"
