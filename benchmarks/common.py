"""Turns the grids of `storebench.suites` into asv classes.

Environment variables, all set by `storebench run` and all optional:

- STOREBENCH_TIER: smoke (the default), core, full or quick; a larger tier adds classes and changes none.
- STOREBENCH_SUBJECT: key of a dataset in the storage root that is measured instead of the grids' own.
- STOREBENCH_ROOT: the storage root.
- STOREBENCH_JOURNAL: the file that facts and samples are appended to.
- STOREBENCH_RUN: the name of the run, written beside them.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from pathlib import Path

from storebench.backends import get_backend
from storebench.errors import MissingDependencyError, UnsupportedError
from storebench.measurement.environment import record_environment
from storebench.measurement.images import image_of, load_image
from storebench.measurement.session import Origin, Session
from storebench.storage import Storage
from storebench.suites import COUNTED, Grid, grids_of

# asv's fork server imports this once and forks a process per combination: what is imported and found out here is not paid
# for again in each of them, and no library's import can slip into a first call.
ENVIRONMENT = record_environment(Storage.open().root)


def classes(suite: str) -> dict[str, type]:
    """Return the asv classes of a suite, by name; grids whose library is not installed make none."""
    tier = os.environ.get("STOREBENCH_TIER", "smoke")
    key = os.environ.get("STOREBENCH_SUBJECT")
    subject = load_image(Storage.open(), key).subject if key else None
    grids = grids_of(tier, suites=(suite,), subject=subject)
    return {grid.name: _class(grid) for grid in grids if get_backend(grid.backend).why_unavailable() is None}


class _Case:
    """One class per grid; asv makes an instance and a process for each combination of parameters."""

    grid: Grid
    number = 1
    warmup_time = 0
    rounds = 5
    repeat = (1, 2, 2.0)
    timeout = 600
    version = "1"
    method: str

    def _session(self, params: tuple[str, ...]) -> Session:
        """Return the session of these parameters; it lives as long as the instance."""
        if getattr(self, "_open", None) is None or self._open[0] != params:
            subject, storage = self.grid.subject, Storage.open()
            image = (
                load_image(storage, subject.key)
                if subject.key
                else image_of(storage, subject.name, subject.shape, subject.dtype, subject.seed)
            )
            benchmark = f"{self.grid.suite}.{self.grid.name}.{self.method}"
            origin = Origin(run=os.environ.get("STOREBENCH_RUN"), benchmark=benchmark, params=tuple(map(repr, params)))
            session = Session(self.grid.case(*params), image, storage, journal=_journal(), origin=origin)
            self._open = (params, session)
        return self._open[1]


class _Timed(_Case):
    def setup(self, *params: str) -> None:
        try:
            self._session(params).prepare()
        except (UnsupportedError, MissingDependencyError) as error:
            raise NotImplementedError(str(error)) from error

    def teardown(self, *params: str) -> None:
        self._session(params).conclude()


def _time(self: _Timed, *params: str) -> None:
    self._open[1].run()


class _Counted(_Case):
    """Deterministic: one call says it all."""

    rounds = 1
    repeat = 1

    def setup(self, *params: str) -> None:
        try:
            row = self._session(params).count()
        except (UnsupportedError, MissingDependencyError) as error:
            raise NotImplementedError(str(error)) from error
        self.counted = {
            "stored_bytes": row.stored_bytes,
            "compression_ratio": row.logical_bytes / row.stored_bytes,
            "n_files": row.n_files,
            "chunks_touched": row.chunks_touched,
            "read_amplification": row.voxels_decoded / row.voxels_asked if row.voxels_decoded else None,
            "fetched_bytes": row.fetched_bytes,
        }


def _tracker(metric: str, unit: str):
    def track(self: _Counted, *params: str) -> float:
        value = self.counted[metric]
        return float("nan") if value is None else value  # asv: None is "failed", NaN is "not there"

    track.__name__ = f"track_{metric}"
    track.unit = unit
    return track


def _class(grid: Grid) -> type:
    values = {"grid": grid, "params": [list(names) for names in grid.params.values()], "param_names": list(grid.params)}
    values["__doc__"] = grid.question
    metrics = COUNTED.get(grid.suite)
    if metrics:
        methods = {f"track_{metric}": _tracker(metric, unit) for metric, unit in metrics.items()}
        return type(grid.name, (_Counted,), values | methods | {"method": "track"})
    if grid.slow:
        values |= {"rounds": 3, "repeat": 1}
    (method,) = grid.methods
    return type(grid.name, (_Timed,), values | {method: _time, "method": method})


def _journal() -> Path:
    """Return the journal that a campaign named, or for a plain `asv run` the one beside asv's own file, named like it."""
    named = os.environ.get("STOREBENCH_JOURNAL")
    if named:
        return Path(named)
    existing = re.sub(
        r"[<>:\"/\\^|?*]", "_", f"existing-py{sys.executable}"
    )  # as asv 0.6.6 names an existing environment
    name = f"{(ENVIRONMENT.commit or 'unknown')[:8]}-{os.environ.get('ASV_ENV_NAME') or existing}.jsonl"
    return Path(__file__).resolve().parents[1] / "results" / _asv_machine() / name


def _asv_machine() -> str:
    """Return the name that asv gives this machine: its host name, or the only one in ~/.asv-machine.json."""
    try:
        machines = json.loads((Path.home() / ".asv-machine.json").read_text())
    except (OSError, json.JSONDecodeError):
        return platform.node()
    names = [name for name in machines if name != "version"]
    return names[0] if len(names) == 1 else platform.node()
