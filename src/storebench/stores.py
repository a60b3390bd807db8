"""Where the bytes live, and a count of what is asked of that place.

A `Location` with a `RequestLog` writes down every request; without one it costs nothing. Timed runs never carry a log.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from storebench.errors import UsageError

RequestKind = Literal["get", "ranged_get", "miss", "read", "set", "list"]
READ_KINDS: Final[tuple[RequestKind, ...]] = ("get", "ranged_get", "miss", "read")
"""A "read" is one of which it is not known whether it asked for a whole object or for a part."""


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """One request to a store: what kind, of which object, how many bytes moved.

    `n_requests` is above 1 where only the sum of several is known; the key is then "*".
    """

    kind: RequestKind
    key: str
    n_bytes: int
    n_requests: int = 1


@dataclass(slots=True)
class RequestLog:
    """What was asked of a store, in order."""

    requests: list[StoreRequest] = field(default_factory=list)

    def add(self, kind: RequestKind, key: str, n_bytes: int, *, times: int = 1) -> None:
        """Write one request down, or several that are alike."""
        self.requests.extend([StoreRequest(kind, key, n_bytes)] * times)

    def add_sum(self, kind: RequestKind, n_requests: int, n_bytes: int) -> None:
        """Write down requests of which a library tells the sum alone; none: nothing."""
        if n_requests:
            self.requests.append(StoreRequest(kind, "*", n_bytes, n_requests))

    def count(self, *kinds: RequestKind) -> int:
        """Return the number of requests of these kinds."""
        return sum(r.n_requests for r in self.requests if r.kind in kinds)

    def n_bytes(self, *kinds: RequestKind) -> int:
        """Return the bytes that requests of these kinds moved."""
        return sum(r.n_bytes for r in self.requests if r.kind in kinds)

    @property
    def fetched_bytes(self) -> int:
        """Bytes that reads asked for and got."""
        return self.n_bytes(*READ_KINDS)

    @property
    def n_requests(self) -> int:
        """Number of read requests, misses included."""
        return self.count(*READ_KINDS)


@dataclass(slots=True)
class RequestTally(RequestLog):
    """Sums alone: where memory is measured too, a list of a million requests would be in it."""

    _sums: dict[RequestKind, tuple[int, int]] = field(default_factory=dict)

    def add(self, kind: RequestKind, key: str, n_bytes: int, *, times: int = 1) -> None:
        """Add requests that are alike to the sums of their kind; the object's name is not kept."""
        self.add_sum(kind, times, times * n_bytes)

    def add_sum(self, kind: RequestKind, n_requests: int, n_bytes: int) -> None:
        """Add to the sums of a kind."""
        before, bytes_before = self._sums.get(kind, (0, 0))
        self._sums[kind] = (before + n_requests, bytes_before + n_bytes)

    def count(self, *kinds: RequestKind) -> int:
        """Return the number of requests of these kinds."""
        return sum(self._sums.get(kind, (0, 0))[0] for kind in kinds)

    def n_bytes(self, *kinds: RequestKind) -> int:
        """Return the bytes that requests of these kinds moved."""
        return sum(self._sums.get(kind, (0, 0))[1] for kind in kinds)


@dataclass(frozen=True, slots=True)
class Location:
    """One place for one stored image: a file or a folder.

    Attributes
    ----------
    path : pathlib.Path
        The file or folder.
    store : str
        Kind of key-value container; "local" is the local file system.
    log : RequestLog or None
        Where requests are counted; None: nowhere.
    own_fsync : bool
        Whether what is written here is to be synced by the library that writes it, file by file. Only a backend that is an
        `OwnFsync` can; `why_no_own_fsync` has the sentence for the others.
    """

    path: Path
    store: str = "local"
    log: RequestLog | None = field(default=None, compare=False, repr=False)
    own_fsync: bool = False

    def __post_init__(self) -> None:
        if self.store != "local":
            raise UsageError(f"store {self.store!r} is unknown; this version stores on local disks ('local') only")

    def counted(self, log: RequestLog) -> Location:
        """Return the same place with its requests written to `log`."""
        return replace(self, log=log)

    def child(self, name: str) -> Location:
        """Return the place `name` inside this folder, counted like this one."""
        return replace(self, path=self.path / name)

    def exists(self) -> bool:
        """Tell whether anything is there."""
        return self.path.exists()

    def delete(self) -> None:
        """Remove whatever is there."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)

    def copy_to(self, other: Location) -> None:
        """Make a copy with files of its own; nothing may be there yet."""
        if self.path.is_dir():
            shutil.copytree(self.path, other.path, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(self.path, other.path)

    def files(self) -> Iterator[os.DirEntry[str] | Path]:
        """Yield every file of the image; where requests are counted, each folder that is read is a "list"."""
        if not self.path.is_dir():
            yield self.path
            return
        folders = [str(self.path)]
        while folders:
            if self.log is not None:
                self.log.add("list", self.path.name, 0)
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield entry

    def size(self) -> tuple[int, int]:
        """Return stored bytes (metadata included) and number of files."""
        sizes = [f.stat().st_size for f in self.files()]
        return sum(sizes), len(sizes)

    def open_file(self) -> io.BufferedIOBase | io.RawIOBase:
        """Open the file for reading, counted where there is a log."""
        if self.log is None:
            return self.path.open("rb")
        return CountingFile(self.path, self.log)


class CountingFile(io.FileIO):
    """An unbuffered file that writes each read into a log: offset moves are free, bytes are not."""

    def __init__(self, path: Path, log: RequestLog) -> None:
        super().__init__(path, "rb")
        self._log = log
        self._key = path.name

    def _count(self, n_bytes: int) -> None:
        self._log.add("ranged_get", self._key, n_bytes)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read and count."""
        data = super().read(-1 if size is None else size) or b""
        self._count(len(data))
        return data

    def readall(self) -> bytes:
        """Read to the end and count; `read` without a size does not come through here."""
        data = super().readall() or b""
        self._count(len(data))
        return data

    def readinto(self, buffer, /) -> int:  # type: ignore[no-untyped-def]
        """Read into a buffer and count."""
        n_bytes = super().readinto(buffer) or 0
        self._count(n_bytes)
        return n_bytes
