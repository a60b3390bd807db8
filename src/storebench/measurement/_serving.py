"""The inside of a worker process: what it answers to each line. See `worker`, which asks."""

from __future__ import annotations

import faulthandler
import gc
import json
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from numpy.typing import NDArray

import storebench
from storebench.errors import MeasurementError, StorebenchError
from storebench.measurement.environment import record_environment
from storebench.measurement.images import Image, load_image
from storebench.measurement.session import Origin, Session
from storebench.records import SCHEMA_VERSION, case_from_json, to_json
from storebench.storage import Storage

_VOXELS: Final[weakref.WeakValueDictionary[str, NDArray]] = weakref.WeakValueDictionary()


class _SharedImage(Image):
    """An image whose voxels are in this process's memory once, however many sessions hold them."""

    def voxels(self) -> NDArray:
        """Return all voxels, in memory; not to be changed."""
        found = _VOXELS.get(self.key)
        if found is None:
            _VOXELS[self.key] = found = super().voxels()
        return found


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer each line with a line until there are no more; the first one says where and for whom.

    Parameters
    ----------
    questions, answers : binary file
        One JSON object per line.
    """
    faulthandler.enable()
    first = questions.readline()
    if not first:
        return  # nobody asked
    desk = _Desk(json.loads(first))
    _write(answers, desk.hello())
    for line in questions:
        _write(answers, desk.answer(json.loads(line)))


def _write(answers: BinaryIO, line: Mapping[str, Any]) -> None:
    answers.write(json.dumps(line).encode() + b"\n")
    answers.flush()


class _Desk:
    """The open sessions, and what can be asked of them."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._storage = Storage.open(told["storage"], told["limit_bytes"])
        self._journal = Path(told["journal"]) if told["journal"] else None
        self._origin = Origin(run=told["run"], engine=told["engine"])
        self._sessions: dict[str, Session] = {}

    def hello(self) -> dict[str, Any]:
        """Say who is here. The environment loads the libraries: several workers do so at once while they start."""
        return {
            "storebench": storebench.__version__,
            "schema_version": SCHEMA_VERSION,
            "environment": to_json(record_environment(self._storage.root)),
        }

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Do what is asked; an error is an answer too."""
        actions = {"open": self._open, "call": self._call, "close": self._close}
        try:
            return {"answer": actions[question["do"]](question)}
        except Exception as error:  # noqa: BLE001 (of any library: it is raised again on the other side)
            own = isinstance(error, StorebenchError | OSError)
            return {"error": type(error).__name__, "text": str(error) if own else f"{type(error).__name__}: {error}"}

    def _open(self, question: Mapping[str, Any]) -> dict[str, Any]:
        case, image = case_from_json(question["case"]), load_image(self._storage, question["image_key"])
        shared = _SharedImage(image.key, image.record, image.path)
        session = Session(case, shared, self._storage, journal=self._journal, origin=self._origin)
        row = session.start()
        self._sessions[case.id] = session
        # What is alive now stays alive: out of the collector's sight, a collection before each call costs no 10 ms.
        gc.collect()
        gc.freeze()
        touched = () if session.first_touch is None else (to_json(session.first_touch),)
        return to_json(row) | {"samples": touched}

    def _call(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        session = self._sessions.get(question["case_id"])
        if session is None:
            raise MeasurementError(f"{question['case_id']} is not open in this worker")
        sample = session.sample()
        return None if sample is None else to_json(sample)

    def _close(self, question: Mapping[str, Any]) -> None:
        self._sessions.pop(question["case_id"], None)
        gc.unfreeze()
        gc.collect()
        gc.freeze()
