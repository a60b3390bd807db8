"""A limit on threads is kept or refused by every backend; one fresh process per library, since such limits are process-wide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storebench.backends import BACKENDS, Backend
from storebench.errors import UsageError

_LIBRARIES = sorted({backend.library for backend in BACKENDS.values()})
_MORE_THAN_ALLOWED = {"OPJ_NUM_THREADS": "4", "BLOSC_NTHREADS": "4", "TIFFFILE_NUM_THREADS": "4"}
"""What a user may have in the environment, and what makes these libraries use more threads than one."""


def _available(library: str) -> set[str]:
    """Return the backends of a library that can work here."""
    return {name for name, b in BACKENDS.items() if b.library == library and b.why_unavailable() is None}


def _told(library: str, *limits: str) -> dict[str, float | str]:
    """Return what each backend of a library does under limits, applied one after the other."""
    if not _available(library):
        pytest.skip(str(next(b.why_unavailable() for b in BACKENDS.values() if b.library == library)))
    script = Path(__file__).with_name("measure_threads.py")
    environment = {**os.environ, **_MORE_THAN_ALLOWED}
    done = subprocess.run(
        [sys.executable, str(script), library, *limits], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, float | str] = json.loads(done.stdout)
    return told


@pytest.mark.slow
@pytest.mark.parametrize("library", _LIBRARIES)
def test_a_thread_limit_is_kept_or_refused(library: str) -> None:
    """CPU time cannot pass wall time where one thread works, however loaded the machine is."""
    told = _told(library, "1")
    assert set(told) == _available(library)
    for name, answer in told.items():
        if isinstance(answer, str):
            assert len(answer.split()) > 3, name
        else:
            assert 0 < answer <= 1.15, f"{name} used {answer:.2f} CPU seconds per second under a limit of one thread"


@pytest.mark.slow
@pytest.mark.parametrize("library", _LIBRARIES)
def test_a_second_limit_is_kept_or_refused(library: str) -> None:
    """Pools are made once: whoever cannot make them smaller says so, and everything still works."""
    for answer in _told(library, "2", "1").values():
        assert len(answer.split()) > 3 if isinstance(answer, str) else 0 < answer <= 1.15


@pytest.mark.parametrize("threads", [0, -1])
def test_less_than_one_thread_is_refused(backend: Backend, threads: int) -> None:
    with pytest.raises(UsageError, match="at least 1 thread"):
        backend.limit_threads(threads)
