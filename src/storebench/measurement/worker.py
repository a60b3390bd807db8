"""One fresh process that holds cases open and makes one call at a time: JSON lines over pipes.

No multiprocessing: a spawned process would import the user's own program again, and a pickled error may not come back.
The child ends when its standard input does, so none outlives the one who asked.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import storebench
from storebench import errors
from storebench.errors import MeasurementError, MissingDependencyError, StorebenchError, UsageError
from storebench.records import (
    SCHEMA_VERSION,
    Case,
    Environment,
    Row,
    Sample,
    environment_from_json,
    row_from_json,
    sample_from_json,
    to_json,
)
from storebench.storage import Storage

ENTRY: Final = ("-m", "storebench.measurement.worker")
"""What the interpreter is told to run."""

ENGINE: Final = "paired"
_ANSWER_S: Final = 600.0
_START_S: Final = 120.0
_GRACE_S: Final = 2.0
_TAIL_BYTES: Final = 4000


class Worker:
    """A process that measures, and the side of it that asks. A context manager closes it.

    It is started at once and waited for at the first question, so that several can start at the same time. One serves
    one backend and thread budget: pools of threads belong to a process.

    Parameters
    ----------
    storage : Storage
        Where stores are kept.
    python : str, optional
        Another interpreter, with the same version of storebench in it; else this one.
    journal : Path, optional
        File that the child appends facts and samples to.
    run : str, optional
        Name of the run, written beside them.
    entry : sequence of str
        What the interpreter runs; tests and proofs have a script that makes calls slower before it calls `main`.
    answer_s : float
        Seconds after which a worker that gives no answer is ended.

    Raises
    ------
    UsageError
        If there is no such interpreter.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        python: str | None = None,
        journal: Path | None = None,
        run: str | None = None,
        entry: Sequence[str] = ENTRY,
        answer_s: float = _ANSWER_S,
    ) -> None:
        self.held: set[str] = set()
        self._python, self._answer_s = python or sys.executable, answer_s
        self._environment: Environment | None = None
        self._serves: tuple[str, int | None] | None = None
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        try:
            # -P: a file of the user's called random.py must not be imported. Own process group: Ctrl-C is not for the child.
            self._process = subprocess.Popen(
                [self._python, "-P", *entry],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                process_group=0 if os.name == "posix" else -1,
            )
        except OSError as error:
            self._words.close()
            raise UsageError(
                f"the interpreter {self._python} cannot be started ({error.strerror}); name one as in .venv/bin/python"
            ) from error
        self._send(
            {
                "storage": str(storage.root.absolute()),
                "limit_bytes": storage.limit_bytes,
                "journal": str(journal.absolute()) if journal else None,
                "run": run,
                "engine": ENGINE,
            }
        )

    @property
    def environment(self) -> Environment:
        """Where the child runs; waits until it is ready.

        Raises
        ------
        MissingDependencyError
            If its interpreter has no storebench, or another version.
        MeasurementError
            If it does not start.
        """
        if self._environment is None:
            hello = self._hello()
            told = (hello.get("storebench"), hello.get("schema_version"))
            if told != (storebench.__version__, SCHEMA_VERSION):
                raise MissingDependencyError(
                    f"{self._python} has storebench {told[0]} (schema version {told[1]}), this one is {storebench.__version__} "
                    f"({SCHEMA_VERSION}), and two versions do not measure alike; {self._how_to_install()}"
                )
            self._environment = environment_from_json(hello["environment"])
        return self._environment

    def _hello(self) -> Mapping[str, Any]:
        try:
            return self._receive("its start", _START_S)
        except MeasurementError as error:
            if "No module named" in self._last_words():
                raise MissingDependencyError(f"{self._python} has no storebench; {self._how_to_install()}") from error
            raise

    def _how_to_install(self) -> str:
        return f"install it there with: {self._python} -m pip install storebench=={storebench.__version__}"

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def open(self, case: Case, image_key: str) -> Row:
        """Have a case's store written and verified, and two checked calls made.

        Parameters
        ----------
        case : Case
            Of the backend and thread budget that this worker serves: those of the first one.
        image_key : str
            Of the voxels, in the storage root.

        Returns
        -------
        Row
            With status "ok"; its one sample is the first touch.

        Raises
        ------
        StorebenchError
            The same class with the same sentence as in the child; MeasurementError for any other error and where it died.
        """
        pool = (case.backend, case.threads)
        self._serves = self._serves or pool
        if pool != self._serves:
            raise MeasurementError(f"a worker serves one backend and thread budget: {self._serves}, not {pool}")
        answer = self._ask({"do": "open", "case": to_json(case), "image_key": image_key}, case.id)
        self.held.add(case.id)
        return row_from_json(answer)

    def call(self, case_id: str) -> Sample | None:
        """Make one call of a case that is open; None where there was no sample.

        Raises
        ------
        StorebenchError
            As `open`.
        """
        answer = self._ask({"do": "call", "case_id": case_id}, case_id)
        return None if answer is None else sample_from_json(answer)

    def close_case(self, case_id: str) -> None:
        """Let go of a case."""
        self.held.discard(case_id)
        self._ask({"do": "close", "case_id": case_id}, case_id)

    def dismiss(self) -> None:
        """Tell it to end, without waiting."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def close(self) -> None:
        """End it: kindly, then by force."""
        self.dismiss()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.held.clear()
        self._stdout.close()
        self._words.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    @property
    def _stdout(self) -> Any:
        return self._process.stdout

    def _ask(self, question: Mapping[str, Any], case_id: str) -> Any:
        _ = self.environment  # it is ready from here on
        self._send(question)
        answer = self._receive(case_id, self._answer_s)
        if "error" in answer:
            raise _same_error(answer["error"], answer["text"])
        return answer["answer"]

    def _send(self, line: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # it died: reading its answer says so, and of what
            self._stdin.write(json.dumps(line).encode() + b"\n")
            self._stdin.flush()

    def _receive(self, subject: str, within_s: float) -> Mapping[str, Any]:
        with self._time_limit(within_s) as late:
            line = self._stdout.readline()
        if not line.endswith(b"\n"):
            raise self._death(subject, f"gave no answer in {within_s:g} s and was ended" if late.is_set() else None)
        answer: Mapping[str, Any] = json.loads(line)
        return answer

    @contextlib.contextmanager
    def _time_limit(self, within_s: float) -> Iterator[threading.Event]:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(within_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _death(self, subject: str, how: str | None) -> MeasurementError:
        """Return the error of a child that is no more. Its last words name paths, so they are a note and no result."""
        code = self._process.wait()
        if how is None:
            how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
            if code == -getattr(signal, "SIGKILL", 9):
                how += ": often memory that ran out, so try a smaller shape"
        error = MeasurementError(f"the worker process died on {subject}: it {how}")
        if words := self._last_words():
            error.add_note(f"the last words of the worker:\n{words}")
        return error

    def _last_words(self) -> str:
        self._words.seek(max(0, self._words.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return self._words.read().decode(errors="replace").strip()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@functools.cache
def _error_classes() -> Mapping[str, type[StorebenchError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StorebenchError)]
    return {kind.__name__: kind for kind in kinds}


def _same_error(name: str, sentence: str) -> StorebenchError:
    return _error_classes().get(name, MeasurementError)(sentence)


def main() -> None:
    """Be the child: serve what comes in until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked decides when to end
    # What a library prints must not come between the lines, nor may it read them: both ends are moved away first.
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    from storebench.measurement._serving import serve  # heavy: the format libraries

    serve(questions, answers)
    os._exit(0)  # nothing is left to tidy, and an interpreter with all libraries in it takes 0.1 s to come down


if __name__ == "__main__":
    main()
