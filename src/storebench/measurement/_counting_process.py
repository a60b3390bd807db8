"""Fresh processes to count in, 10 to 40 ms each: one server that has loaded every library and used none forks for each question.

JSON lines over pipes. No multiprocessing: its processes would import the user's own program again. The server has one
thread, so that a fork of it is whole, and ends when its standard input does.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from typing import IO, Any, BinaryIO, Final

from storebench import errors
from storebench.errors import MeasurementError, StorebenchError

_ENTRY: Final = ("-P", "-m", "storebench.measurement._counting_process")
_SETTINGS: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""So that numpy, and pandas through numexpr and pyarrow, start no threads when they are imported."""
_SLOW_TO_LOAD: Final = ("tifffile", "nibabel", "pydicom", "nrrd")
_SLOWEST_TO_LOAD: Final = {
    "ome-zarr": ("ome_zarr.writer", "distributed"),  # dask, that both compute with, asks whether there is a cluster
    "ngff-zarr": ("ngff_zarr", "distributed"),
    "iohub": ("iohub.ngff",),
}
"""What takes a second and more: loaded for the first case of that library."""
_GRACE_S: Final = 2.0
_TAIL_BYTES: Final = 2000


def ask(question: Mapping[str, Any]) -> Any:
    """Return the answer of a fresh process.

    Parameters
    ----------
    question : mapping
        "do" ("count" or "memory"), "storage", "limit_bytes", "case", "image_key".

    Raises
    ------
    MeasurementError
        If the process dies, or a library raises what storebench has no word for.
    StorebenchError
        What was raised there, as the same class with the same sentence.
    """
    reply = _DESK.ask(question)
    if "error" in reply:
        kind = getattr(errors, reply["error"], MeasurementError)
        raise kind(reply["text"])
    return reply["answer"]


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise MeasurementError("the process that counts has no pipes")
    return pipe


class _Desk:
    """The one server of this process. A process forked from it starts its own, and leaves this one alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._inherited: list[_Server] = []
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_a_fork)

    def _in_a_fork(self) -> None:
        self._lock = threading.Lock()
        if self._server is not None:
            self._inherited.append(self._server)  # kept, as its end would look like ours to Python
            self._server = None

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the server's answer; it is started where there is none."""
        with self._lock:
            if self._server is not None and not self._server.alive:
                self._server.close(at_once=True)
                self._server = None
            if self._server is None:
                self._server = _Server()
            return self._server.ask(question)

    def close(self) -> None:
        """End the server where there is one."""
        with self._lock:
            if self._server is not None:
                self._server.close()
                self._server = None


class _Server:
    """The side of the server that asks."""

    def __init__(self) -> None:
        # What libraries say there is no part of the caller's output.
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the server)
        # A group of its own: an interrupt from the terminal is for the one who asks, who then ends it.
        self._process = subprocess.Popen(
            [sys.executable, *_ENTRY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            env=os.environ | _SETTINGS,
            start_new_session=True,
        )
        self._questions: IO[bytes] = _there(self._process.stdin)
        self._answers: IO[bytes] = _there(self._process.stdout)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return its answer."""
        try:
            self._questions.write(json.dumps(question).encode() + b"\n")
            self._questions.flush()
            line = self._answers.readline()
        except BrokenPipeError:
            line = b""
        except BaseException:  # an interrupt: the answer that will come belongs to no question
            self.close(at_once=True)
            raise
        if not line:
            words = self._last_words()
            self.close(at_once=True)
            raise MeasurementError(f"the process that counts ended: {words}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _last_words(self) -> str:
        self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, self._words.tell() - _TAIL_BYTES))
        lines = self._words.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def close(self, *, at_once: bool = False) -> None:
        """End it, and a call that it may be in."""
        with contextlib.suppress(OSError):  # what it was told last may be on its way still
            self._questions.close()
        try:
            self._process.wait(0 if at_once else _GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._answers.close()
        self._words.close()


_DESK: Final = _Desk()


def main() -> None:
    """Answer each line of standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    questions: BinaryIO = sys.stdin.buffer
    for line in questions:
        question = json.loads(line)
        try:
            _load(question)
            reply = _in_a_fork(question)
        except Exception as error:  # noqa: BLE001 (it is raised again on the other side)
            reply = _refused(error)
        answers.write(json.dumps(reply).encode() + b"\n")
        answers.flush()


def _load(question: Mapping[str, Any]) -> None:
    """Load the libraries and none of their threads, so that each fork finds them loaded."""
    for name in ("backends._zarr_counting", "measurement._counters", "measurement.operations"):
        importlib.import_module(f"storebench.{name}")
    from storebench.backends import get_backend
    from storebench.measurement.environment import record_environment
    from storebench.storage import Storage

    backend = get_backend(question["case"]["backend"])
    own = _SLOWEST_TO_LOAD.get(backend.library, ()) if backend.why_unavailable() is None else ()
    for name in (*_SLOW_TO_LOAD, *own):
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)
    record_environment(Storage.open(question["storage"]).root)  # it asks each library for its version; kept


def _in_a_fork(question: Mapping[str, Any]) -> dict[str, Any]:
    receiver, sender = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        _be_the_child(question, sender)
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if not told:
        code = os.waitstatus_to_exitcode(status)
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        case = question["case"]
        raise MeasurementError(f"counting {case['backend']} ({case['operation']}) ended its process with {how}")
    reply: dict[str, Any] = json.loads(told)
    return reply


def _be_the_child(question: Mapping[str, Any], sender: int) -> None:
    """Answer, and never come back."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)  # the questions are the server's
        with os.fdopen(sender, "wb") as pipe:
            pipe.write(json.dumps(_answer(question)).encode())
        code = 0
    finally:
        os._exit(code)


def _answer(question: Mapping[str, Any]) -> dict[str, Any]:
    from storebench.measurement._counters import answer
    from storebench.measurement.images import load_image
    from storebench.measurement.memory import give_back_what_is_freed
    from storebench.measurement.operations import workload_for
    from storebench.records import case_from_json
    from storebench.storage import Storage

    give_back_what_is_freed()
    try:
        storage = Storage.open(question["storage"], question["limit_bytes"])
        case, image = case_from_json(question["case"]), load_image(storage, question["image_key"])
        return {"answer": answer(workload_for(case, image, storage), question["do"])}
    except Exception as error:  # noqa: BLE001 (of any library: it is raised again on the other side)
        return _refused(error)


def _refused(error: Exception) -> dict[str, Any]:
    own = isinstance(error, StorebenchError)
    return {
        "error": type(error).__name__ if own else MeasurementError.__name__,
        "text": str(error) if own else f"counting failed ({type(error).__name__}: {error})",
    }


if __name__ == "__main__":
    main()
