"""Counts of one call that are the same every time: requests, bytes, files, system calls; made apart from timed calls.

They are made once for a case, in fresh processes, and kept in the storage root.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import storebench
from storebench.measurement._counters import count
from storebench.measurement._counting_calls import Counts
from storebench.measurement._counting_process import ask
from storebench.measurement.environment import record_environment
from storebench.measurement.images import Image
from storebench.records import Case, to_json
from storebench.storage import Storage, content_key

__all__ = ["Counts", "count", "counts_of"]

_FACTS: Final = "counts.json"
_COUNTING: Final = ("backends/*.py", "measurement/*.py", "access/*.py", "grid.py", "levels.py", "stores.py")
"""Modules that counts depend on: what counts, what is counted, which regions are asked for, and the log."""


def counts_of(case: Case, image: Image, storage: Storage) -> Counts:
    """Return the counts of a case: those kept in the storage root, else made in fresh processes.

    Parameters
    ----------
    case, image, storage
        As for a workload. State of the cache and durability do not matter: counts are the same.

    Raises
    ------
    VerificationError
        As `count`.
    MeasurementError
        If the process that counts dies.
    StorebenchError
        Whatever stands in the way of the case, as in this process.
    """
    if case.concurrency is not None:
        return Counts()  # what workers ask for is in no log of this process
    case = replace(case, cache="warm", durability="returned")
    environment = record_environment(storage.root)
    stack = {name: getattr(environment, name) for name in ("python", "libraries", "builds", "machine")}
    key = content_key({"case": to_json(case), "image": image.key, "code": _code_hash(), **stack})
    folder = storage.entry("counts", key)
    if folder is not None:
        return _from_json(json.loads((folder / _FACTS).read_text()))
    question = {
        "storage": str(storage.root),
        "limit_bytes": storage.limit_bytes,
        "case": to_json(case),
        "image_key": image.key,
    }
    counted = ask({**question, "do": "count"})
    if counted["peak_memory_bytes"] is None:
        # In a process of its own: what many calls leave in the heap would hide growth.
        counted["peak_memory_bytes"] = ask({**question, "do": "memory"})
    with storage.making("counts", key) as new:
        (new / _FACTS).write_text(json.dumps(counted, indent=1))
    return _from_json(counted)


def _from_json(told: dict[str, Any]) -> Counts:
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in told.items()}
    return Counts(**fields)


@functools.cache
def _code_hash() -> str:
    """Return a hash of the code that counts and of the code that is counted."""
    package = Path(storebench.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _COUNTING for path in package.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()
