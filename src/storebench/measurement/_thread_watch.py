"""Which threads use the processor during a call, those that end within it included, and how many processors they keep busy."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

_TASKS: Final = Path("/proc/self/task")
_PAUSE_S: Final = 0.0005


class _Use(NamedTuple):
    """Nanoseconds of one thread on a processor, and ready for one."""

    cpu_ns: int
    delay_ns: int

    def __sub__(self, other: _Use) -> _Use:
        # the kernel brings the delay up to date late, so that it may seem to go back
        return _Use(max(0, self.cpu_ns - other.cpu_ns), max(0, self.delay_ns - other.delay_ns))


_NOTHING: Final = _Use(0, 0)


@dataclass(frozen=True, slots=True)
class ThreadUse:
    """What one call did.

    Attributes
    ----------
    threads_ran : int or None
        Threads seen to use the processor; None off Linux. One that lives less than half a millisecond may be missed.
    cpu_s, wall_s : float
        Processor time of all threads, and the time that went by, seconds.
    wanted_s : float
        Processor time, and the time that threads were ready and waited for a processor: what they would have used had the
        machine been theirs.
    """

    threads_ran: int | None
    cpu_s: float
    wall_s: float
    wanted_s: float = 0.0


class ThreadWatch:
    """Looks at this process's threads all through its `with` block.

    Attributes
    ----------
    use : ThreadUse
        What was seen; after the block.
    read_chars : int
        Bytes that looking on read, which the system counts as this process's.
    """

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._monitor_s = 0.0
        self._monitor_id = 0
        self.read_chars = 0
        self._seen: dict[int, _Use] = {}
        began = threading.Event()
        self._monitor = threading.Thread(target=self._look_on, args=[began], daemon=True, name="storebench-threads")
        self._monitor.start()
        began.wait()
        self._before, _ = _uses()
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wall_s, cpu_s = time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s
        self._ended.set()
        self._monitor.join()
        self._seen |= _uses()[0]
        self._seen.pop(self._monitor_id, None)
        grown = {thread: use - self._before.get(thread, _NOTHING) for thread, use in self._seen.items()}
        ran = {thread for thread, use in grown.items() if use.cpu_ns} | {threading.get_native_id()}
        self.use = ThreadUse(
            len(ran) if self._before else None,
            max(0.0, cpu_s - self._monitor_s),
            wall_s,
            max(0.0, cpu_s - self._monitor_s) + sum(use.delay_ns for use in grown.values()) / 1e9,
        )

    def _look_on(self, began: threading.Event) -> None:
        self._monitor_id = threading.get_native_id()
        began.set()
        began_s = time.thread_time()
        while not self._ended.wait(_PAUSE_S):
            seen, n_chars = _uses()
            self._seen |= seen
            self.read_chars += n_chars
        self._monitor_s = time.thread_time() - began_s


def _uses() -> tuple[dict[int, _Use], int]:
    """Return what each living thread of this process has used so far, and the bytes read for it; nothing where it is not told."""
    found, n_chars = {}, 0
    with suppress(OSError):
        for thread in _TASKS.iterdir():
            with suppress(OSError):  # it has just ended
                text = (thread / "schedstat").read_bytes()
                n_chars += len(text)
                cpu_ns, delay_ns, _ = text.split()
                found[int(thread.name)] = _Use(int(cpu_ns), int(delay_ns))
    return found, n_chars
