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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storebench.backends import get_backend
from storebench.errors import MeasurementError, MissingDependencyError, UnsupportedError
from storebench.measurement.environment import record_environment
from storebench.measurement.images import image_of, load_image
from storebench.measurement.session import Origin, Session
from storebench.storage import Storage
from storebench.suites import COUNTED, Grid, counted_values, grids_of

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

    def _session(self, params: tuple[str, ...]) -> Session:
        """Return the session of these parameters; it lives as long as the instance."""
        if getattr(self, "_open", None) is None or self._open[0] != params:
            subject, storage = self.grid.subject, Storage.open()
            image = (
                load_image(storage, subject.key)
                if subject.key
                else image_of(storage, subject.name, subject.shape, subject.dtype, subject.seed)
            )
            origin = Origin(
                run=os.environ.get("STOREBENCH_RUN"),
                benchmark=self.grid.noted_as,
                params=tuple(map(repr, params)),
                engine="asv" if self.grid.is_timed else None,
            )
            case = self.grid.case(*params)
            session = Session(case, image, storage, journal=_journal(), origin=origin, slow=self.grid.slow)
            self._open = (params, session)
        return self._open[1]


class _Timed(_Case):
    """asv holds the clock: set up, call, tear down, for every sample."""

    def setup(self, *params: str) -> None:
        with _skips():
            self._session(params).prepare()

    def teardown(self, *params: str) -> None:
        self._session(params).conclude()


def _time(self: _Timed, *params: str) -> None:
    self._open[1].run()


class _Sampled(_Case):
    """storebench holds the clock: a sample of a cold read or a durable write counts only where that was shown."""

    n_samples = 2

    def setup(self, *params: str) -> None:
        with _skips():
            self._session(params).start()


def _sample(self: _Sampled, *params: str) -> dict[str, object]:
    session, taken, good = self._open[1], [], []
    while (
        len(good) < self.n_samples and len(taken) < 2 * self.n_samples
    ):  # a disturbed one is taken again, not for ever
        taken.append(session.sample())
        good += [taken[-1].wall_s] if taken[-1].counts else []
    if not good:
        why = taken[-1].unverified_reason
        raise MeasurementError(f"{session.case.id}: none of {len(taken)} samples counts: {why}; the journal has them")
    return {"samples": good, "number": 1}  # asv gives these the treatment of its own samples (asv_runner 0.3.2)


class _Counted(_Case):
    """Deterministic: one call says it all."""

    rounds = 1
    repeat = 1

    def setup(self, *params: str) -> None:
        with _skips():
            self.counted = counted_values(self._session(params).count())


def _tracker(metric: str, unit: str):
    def track(self: _Counted, *params: str) -> float:
        value = self.counted[metric]
        return float("nan") if value is None else value  # asv: None is "failed", NaN is "not there"

    track.__name__ = f"track_{metric}"
    track.unit = unit
    return track


_sample.unit = "seconds"


@contextmanager
def _skips() -> Iterator[None]:
    """Turn what cannot be into what asv takes for a skip; the reason is in the journal."""
    try:
        yield
    except (UnsupportedError, MissingDependencyError) as error:
        raise NotImplementedError(str(error)) from error


def _class(grid: Grid) -> type:
    values = {"grid": grid, "params": [list(names) for names in grid.params.values()], "param_names": list(grid.params)}
    values["__doc__"] = grid.question
    if not grid.is_timed:
        methods = {f"track_{metric}": _tracker(metric, unit) for metric, unit in COUNTED[grid.suite].items()}
        return type(grid.name, (_Counted,), values | methods)
    (method,) = grid.methods
    if grid.own_loop:
        values |= {"n_samples": 1} if grid.slow else {}
        return type(grid.name, (_Sampled,), values | {method: _sample})
    values |= {"rounds": 3, "repeat": 1, "timeout": 4 * 3600} if grid.slow else {}  # a million files take that
    return type(grid.name, (_Timed,), values | {method: _time})


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
