"""Which files below a folder are opened and renamed during a call, whatever library does it and in whatever language.

The kernel tells by inotify, without root and without slowing the call down. It tells of one folder at a time and not of
those that are made during the call; Python's audit hook says when one is made, and it is watched before anything is opened
in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import struct
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_ACCESS, _MODIFY, _CLOSE_WRITE, _CLOSE_NOWRITE, _OPEN = 0x1, 0x2, 0x8, 0x10, 0x20
_MOVED_TO, _CREATE, _OVERFLOW, _IS_FOLDER = 0x80, 0x100, 0x4000, 0x40000000
_MASK: Final = _ACCESS | _MODIFY | _CLOSE_WRITE | _CLOSE_NOWRITE | _OPEN | _MOVED_TO | _CREATE
_NONBLOCK_CLOEXEC: Final = 0o4000 | 0o2000000
_HEAD: Final = struct.Struct("iIII")
_MOST_SEPARATORS: Final = 1024  # watches are limited for each user; 8192 on small machines

_listening: list[FileEvents] = []
_hooks: list[object] = []


class FileEvents:
    """Counts within its `with` block.

    Parameters
    ----------
    path : pathlib.Path
        A folder: everything below it; a file: that file.

    Attributes
    ----------
    files_opened, renames : int or None
        None before the end, and where this system does not tell everything.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = None if path.is_dir() else path.name.encode()
        self._pending: list[str] = []
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._events = bytearray()
        self._folders: set[int] = set()
        self.files_opened: int | None = None
        self.renames: int | None = None

    def __enter__(self) -> Self:
        self._libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._queue: int = self._libc.inotify_init1(_NONBLOCK_CLOEXEC) if self._libc else -1
        self._complete = self._queue >= 0
        if not self._complete:
            return self
        self._watch_all()
        self._drain = threading.Thread(target=self._read_on, name="storebench-file-events", daemon=True)
        self._drain.start()
        if not _hooks:  # it cannot be taken away again
            _hooks.append(_heard)
            sys.addaudithook(_heard)
        _listening.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._queue < 0:
            return
        _listening.remove(self)
        self._done.set()
        self._drain.join()
        self._read()
        os.close(self._queue)
        if self._complete and not self._pending:
            self._count()

    def _watch_all(self) -> None:
        if self._name is not None:
            self._folders.add(self._watch(str(self._path.parent)))
            self._watch(str(self._path))
            return
        files: list[str] = []
        for folder, _, names in os.walk(self._path):
            self._folders.add(self._watch(folder))
            files += (f"{folder}/{name}" for name in names[: _MOST_SEPARATORS - len(files)])
        # The kernel joins equal events that follow each other. An event of the file beside each one of its folder keeps
        # them apart, so that a file that is opened twice is counted twice.
        for file in files:
            self._watch(file)

    def _watch(self, path: str) -> int:
        number: int = self._libc.inotify_add_watch(self._queue, os.fsencode(path), _MASK)
        if number < 0:
            self._complete = False
        return number

    def _read_on(self) -> None:
        """Keep the kernel's queue short: it holds 16384 events and then forgets."""
        while not self._done.is_set():
            if select.select([self._queue], [], [], 0.005)[0]:
                self._read()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._events += os.read(self._queue, 1 << 18)

    def expect(self, folder: str) -> None:
        """Note a folder that is about to be made below the watched one."""
        if self._name is None and Path(folder).is_relative_to(self._path):
            with self._lock:
                self._pending.append(folder)

    def look(self) -> None:
        """Empty the queue, so that the next event is joined with none, and watch the folders that were made meanwhile."""
        self._read()
        if not self._pending:
            return
        with self._lock:
            for folder in list(self._pending):
                number = self._libc.inotify_add_watch(self._queue, os.fsencode(folder), _MASK)
                if number >= 0:
                    self._folders.add(number)
                    self._pending.remove(folder)

    def _count(self) -> None:
        opened = renamed = at = 0
        while at < len(self._events):
            number, mask, _, n_bytes = _HEAD.unpack_from(self._events, at)
            name = bytes(self._events[at + _HEAD.size : at + _HEAD.size + n_bytes]).rstrip(b"\0")
            at += _HEAD.size + n_bytes
            if mask & _OVERFLOW:
                return
            if number in self._folders and not mask & _IS_FOLDER and self._name in (None, name):
                opened += bool(mask & _OPEN)
                renamed += bool(mask & _MOVED_TO)
        self.files_opened, self.renames = opened, renamed


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    """Python is about to do something: the hook of the interpreter."""
    if not _listening or event not in ("open", "os.mkdir", "os.rename", "os.link"):
        return
    for events in _listening:
        events.look()
        if event == "os.mkdir" and isinstance(arguments[0], str | bytes | os.PathLike):
            events.expect(os.fsdecode(arguments[0]))
