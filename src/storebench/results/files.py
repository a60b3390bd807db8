"""Writing result files: whole, or not at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path


def write_atomically(target: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: into a temporary file beside it, then one rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    raw = content.encode() if isinstance(content, str) else content
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False
    ) as part:
        path = Path(part.name)
        try:
            part.write(raw)
            part.close()
            path.chmod(0o644)  # temporary files are private, results are for everyone
            path.replace(target)
        except BaseException:  # Ctrl-C too leaves nothing behind
            path.unlink(missing_ok=True)
            raise


def mend_end(descriptor: int) -> None:
    """Drop a line that a crash cut off at the end, so that what is appended now does not stick to it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # two processes that begin together; closing the descriptor unlocks
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return
    end, block = size, 1 << 16
    while end > 0:
        begin = max(0, end - block)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            os.ftruncate(descriptor, begin + found + 1)
            return
        end = begin
    os.ftruncate(descriptor, 0)
