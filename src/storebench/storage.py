"""The storage root: made datasets, written stores and scratch targets, in one explicit folder that is kept below a size.

Entries are content-addressed: their folder's name is a hash of everything that decides what is inside, versions included.
A half-made entry is never seen: it is made beside its place and renamed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from storebench.errors import StorageError
from storebench.units import GIB, bytes_text

MARKER: Final = "storebench-storage.json"
_BYTES: Final = ".bytes"
"""Of an entry: its size. Entries never change."""
DEFAULT_LIMIT: Final = 20 * GIB
_NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph", "glusterfs", "lustre"}
)
_KINDS: Final = ("datasets", "stores", "counts")


def content_key(facts: Mapping[str, Any]) -> str:
    """Return 16 hex digits that differ where any of the facts differs."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def chosen_root(root: Path | str | None = None) -> Path:
    """Return the folder that would be the storage root, without making it (see `Storage.open`)."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root or os.environ.get("STOREBENCH_ROOT") or Path(cache_home) / "storebench").absolute()


@dataclass(frozen=True, slots=True)
class FileSystem:
    """The file system below a folder: its kind, as in "ext4", and the bytes free for this user."""

    kind: str
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage root.

    Attributes
    ----------
    root : pathlib.Path
        The folder.
    limit_bytes : int
        Entries that were not used for longest are removed to stay below it.
    """

    root: Path
    limit_bytes: int = DEFAULT_LIMIT

    @classmethod
    def open(cls, root: Path | str | None = None, limit_bytes: int = DEFAULT_LIMIT) -> Storage:
        """Open a storage root, and make it where it is not there yet.

        Parameters
        ----------
        root : pathlib.Path, optional
            The folder; else the environment variable STOREBENCH_ROOT, else ``$XDG_CACHE_HOME/storebench``.
        limit_bytes : int
            Size to stay below, bytes.

        Raises
        ------
        StorageError
            If the folder cannot be made or written, or holds something else.
        """
        path = chosen_root(root)
        marker = path / MARKER
        try:
            if not marker.exists():
                if (
                    path.is_dir() and any(path.iterdir()) and not marker.exists()
                ):  # another process may be opening it too
                    raise StorageError(
                        f"{path} holds other files, so it cannot be a storage root; name an empty or new folder "
                        "(--storage or STOREBENCH_ROOT)"
                    )
                path.mkdir(parents=True, exist_ok=True)
                marker.write_text('{"schema_version": 1}\n')
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise StorageError(
                f"the storage root {path} cannot be used ({error.strerror}); name another with --storage or STOREBENCH_ROOT"
            ) from error
        return cls(path, limit_bytes)

    def entry(self, kind: str, key: str) -> Path | None:
        """Return the folder of an entry and note that it was used; None where there is none."""
        path = self.root / kind / key
        if not path.is_dir():
            return None
        os.utime(path)
        return path

    @contextmanager
    def making(self, kind: str, key: str) -> Iterator[Path]:
        """Make an entry: gives a folder to fill, which takes its place when the block ends without an error.

        Where another process was faster, its entry stays and this one is thrown away.
        """
        self.evict()
        parent = self.root / kind
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=parent))
        try:
            yield folder
            (folder / _BYTES).write_text(str(folder_bytes(folder)))
            try:
                folder.rename(parent / key)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give an empty folder that is removed afterwards."""
        parent = self.root / "scratch"
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="w", dir=parent) as folder:
            yield Path(folder)

    def entries(self) -> list[tuple[float, int, Path]]:
        """Return last use (seconds since 1970), size in bytes and folder of each entry, the oldest first."""
        found = []
        for kind in _KINDS:
            for folder in (self.root / kind).glob("[!.]*"):
                try:
                    used_at = folder.stat().st_mtime
                except FileNotFoundError:  # another process has just removed it
                    continue
                found.append((used_at, _entry_bytes(folder), folder))
        return sorted(found)

    def n_entries(self) -> int:
        """Return the number of stored entries."""
        return len(self.entries())

    def usage_bytes(self) -> int:
        """Return the size of everything in the root, bytes."""
        return folder_bytes(self.root)

    def evict(self) -> int:
        """Remove the entries that were not used for longest until the limit is kept; return the bytes freed."""
        return self._remove_oldest(self.limit_bytes)

    def clean(self, keep_bytes: int = 0) -> int:
        """Remove what interrupted runs left behind, then old entries until no more than `keep_bytes` are kept.

        Interrupted campaigns can then no longer be resumed; their results are published all the same.

        Parameters
        ----------
        keep_bytes : int
            Bytes of datasets and stores to keep, those used last.

        Returns
        -------
        int
            Bytes freed.
        """
        freed = 0
        for passing in ("scratch", "campaigns"):
            freed += folder_bytes(self.root / passing)
            shutil.rmtree(self.root / passing, ignore_errors=True)
        for kind in _KINDS:
            for half_made in (self.root / kind).glob(".*"):
                freed += folder_bytes(half_made)
                shutil.rmtree(half_made, ignore_errors=True)
        return freed + self._remove_oldest(keep_bytes)

    def _remove_oldest(self, keep_bytes: int) -> int:
        entries = self.entries()
        excess, freed = sum(size for _, size, _ in entries) - keep_bytes, 0
        for _, size, folder in entries:
            if freed >= excess:
                break
            _remove_entry(folder)
            freed += size
        return freed

    def file_system(self) -> FileSystem:
        """Return the file system that holds the root."""
        return file_system_of(self.root)

    def warnings(self) -> tuple[str, ...]:
        """Return a sentence for each thing about this place that makes its numbers say less than they seem to."""
        kind = self.file_system().kind
        advice = "choose another folder with --storage or STOREBENCH_ROOT"
        if kind in ("tmpfs", "ramfs"):
            return (
                f"the storage root {self.root} is in memory ({kind}), so times here are not those of a disk; {advice}",
            )
        if kind in _NETWORK_FILE_SYSTEMS:
            return (f"the storage root {self.root} is on a network mount ({kind}), so times depend on it; {advice}",)
        return ()

    def require_free(self, n_bytes: int) -> None:
        """Check that so many bytes are free.

        Raises
        ------
        StorageError
            If they are not.
        """
        free = self.file_system().free_bytes
        if free < n_bytes:
            raise StorageError(
                f"{self.root}: {bytes_text(n_bytes)} are needed and {bytes_text(free)} are free; "
                "make room (storebench clean) or name another folder with --storage"
            )


def _remove_entry(folder: Path) -> None:
    """Take an entry out of sight in one step, then remove it: what an interruption leaves is no entry any more."""
    doomed = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    with suppress(FileNotFoundError):  # another process was faster
        folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _entry_bytes(folder: Path) -> int:
    """Return the bytes of an entry as noted when it was made: to look at the million files of one takes half a minute."""
    try:
        return int((folder / _BYTES).read_text())
    except (FileNotFoundError, ValueError):  # made by an earlier version
        return folder_bytes(folder)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder; files that vanish meanwhile count as nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(path, name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def file_system_of(folder: Path) -> FileSystem:
    """Return the file system below a folder: the mount with the longest matching path."""
    import psutil

    place = folder.resolve()
    mounts = [m for m in psutil.disk_partitions(all=True) if place.is_relative_to(m.mountpoint)]
    # Of two mounts on one folder the later one is seen: autofs lies below the network mount that it made.
    kind = max(reversed(mounts), key=lambda m: len(m.mountpoint)).fstype if mounts else "unknown"
    return FileSystem(kind, shutil.disk_usage(folder).free)
