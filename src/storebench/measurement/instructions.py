"""Machine instructions of one call, by callgrind: the same to a percent on a busy machine and on a quiet one.

Valgrind runs one thread at a time, as a processor with AVX2 and no more, and sees nothing of the kernel: a change of what a
program does is seen, waiting is not. The call is some 100 times slower, and starting takes about ten seconds.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from storebench.backends import get_backend
from storebench.errors import MeasurementError, MissingDependencyError
from storebench.measurement.images import load_image
from storebench.measurement.operations import workload_for
from storebench.records import Case, case_from_json, to_json
from storebench.storage import Storage

_ENTRY: Final = ("-P", "-m", "storebench.measurement.instructions")
_PROGRAMS: Final = ("valgrind", "gcc")
_INSTALL: Final = "install with: apt-get install valgrind gcc"

_SWITCH: Final = """
#include <valgrind/callgrind.h>
void count_on(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void count_off(void) { CALLGRIND_DUMP_STATS; CALLGRIND_STOP_INSTRUMENTATION; }
"""
"""Requests to the valgrind around the program: they are macros, so that a compiler has to make functions of them."""


def why_no_instructions() -> str | None:
    """Return None where instructions can be counted, else a sentence with the command that installs what is missing."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"counting instructions needs {' and '.join(missing)}; {_INSTALL}"
    with tempfile.TemporaryDirectory() as folder:
        if _compiled(Path(folder)) is None:
            return (
                f"counting instructions needs valgrind's header callgrind.h and a C library to compile with; {_INSTALL}"
            )
    return None


def _compiled(folder: Path) -> Path | None:
    """Compile the switch into a folder; None where that is not possible."""
    source, library = folder / "switch.c", folder / "switch.so"
    source.write_text(_SWITCH)
    command = ["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source)]
    return library if subprocess.run(command, capture_output=True, check=False).returncode == 0 else None


def count_instructions(case: Case, image_key: str, storage: Storage) -> int:
    """Return the machine instructions of one call, the one after a first call; libraries are held to one thread.

    Parameters
    ----------
    case : Case
        What is called; its state of the cache, durability and threads do not matter.
    image_key : str
        Of the image in the storage root.
    storage : Storage
        Where stores are kept.

    Raises
    ------
    MissingDependencyError
        If valgrind or a compiler is missing.
    MeasurementError
        If the program under valgrind fails.
    StorebenchError
        Whatever stands in the way of the case.
    """
    case = replace(case, cache="warm", durability="returned", threads=None)
    workload_for(case, load_image(storage, image_key), storage)  # so that nothing is written under valgrind
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = _compiled(folder) if all(map(shutil.which, _PROGRAMS)) else None
        if library is None:
            raise MissingDependencyError(why_no_instructions() or f"the switch could not be compiled; {_INSTALL}")
        question = {
            "case": to_json(case),
            "image_key": image_key,
            "storage": str(storage.root),
            "limit_bytes": storage.limit_bytes,
            "library": str(library),
        }
        return _run(question, folder / "out")


def _run(question: Mapping[str, Any], out: Path) -> int:
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
    done = subprocess.run(
        [*valgrind, sys.executable, *_ENTRY, json.dumps(question)],
        env=os.environ | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    dumped = Path(f"{out}.1")
    totals = re.search(r"^(?:totals|summary): (\d+)", dumped.read_text(), re.MULTILINE) if dumped.exists() else None
    if done.returncode or totals is None:
        words = [line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith("==")]
        raise MeasurementError(
            f"counting instructions failed under valgrind: {words[-1] if words else 'it said nothing'}"
        )
    return int(totals[1])


def main(question: Mapping[str, Any]) -> None:
    """Make two calls, the second one counted: inside valgrind."""
    storage = Storage.open(question["storage"], question["limit_bytes"])
    case = case_from_json(question["case"])
    get_backend(case.backend).limit_threads(1)  # one that cannot be held to one is counted with its threads
    workload = workload_for(case, load_image(storage, question["image_key"]), storage)
    switch = ctypes.CDLL(question["library"])
    for counted in (False, True):
        workload.prepare()
        try:
            if counted:
                switch.count_on()
            workload.run()
            if counted:
                switch.count_off()
        finally:
            workload.conclude()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
