"""Streams that end by SIGKILL: for each backend named, a process that writes two pieces, flushes the first alone, and is killed.

Run as `python -m tests.contract.killed_writers FOLDER NAME …`. One process forks one for each backend, before any library has
threads.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from storebench.backends import BACKENDS
from storebench.stores import Location

from .contract_requests import own_index, pieces, streamed_request


def write_and_die(name: str, folder: Path) -> None:
    """Write, flush, write on, and be killed: nothing is closed, no handler runs."""
    backend, request = BACKENDS[name], streamed_request(name)
    values = own_index(request.shape, request.dtype)
    with backend.create(Location(folder / f"{name}{backend.suffix}"), request) as writer:
        flushed, lost, *_ = pieces(backend, request, 1)
        writer.write(flushed, values[flushed.slices])
        writer.flush()
        writer.write(lost, values[lost.slices])
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    for each in sys.argv[2:]:
        child = os.fork()
        if child == 0:
            write_and_die(each, Path(sys.argv[1]))
        _, status = os.waitpid(child, 0)
        if os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{each} was not killed but ended with {status}")
