"""The page cache: what of some files is in it, how they get out and in, and whether a call found it as it was asked to be.

Cold is shown, not hoped for: nothing of the files is in the cache before the call, and afterwards no more than this process itself
fetched from the device. In a virtual machine that is the guest's cache; the host's cannot be seen.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from storebench.errors import StorageError, UnsupportedError, UsageError
from storebench.measurement.counters import Probe
from storebench.measurement.pages import Residency, c_library, residency
from storebench.records import CACHE_STATES
from storebench.storage import file_system_of

_SYS: Final = Path("/sys")
_DROP: Final = Path("/proc/sys/vm/drop_caches")
_IN_MEMORY: Final = ("tmpfs", "ramfs")
_FILL_BYTES: Final = 1 << 20
_PROBE_BYTES: Final = 1 << 18
_EVICT_ATTEMPTS: Final = 10
_EVICT_PAUSE_S: Final = 0.01
_NO_ADVICE: Final = (
    f"{sys.platform} has no posix_fadvise(2), so no file can be put out of the page cache; "
    "run on Linux, or choose --cache warm"
)
_NO_DROP: Final = (
    f"directory entries are dropped by writing to {_DROP}, which this user may not; run as root, or choose --cache cold"
)


def evict(paths: Sequence[Path], *, dropped: bool = False) -> None:
    """Put the files out of the page cache, as far as nobody has them mapped and nothing is being read into them.

    Dirty pages stay, so each file system is synced first: once, as a sync of every file is 30 times slower.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Regular files.
    dropped : bool
        Put everything else out as well, directory entries included; needs root.

    Raises
    ------
    UnsupportedError
        If this system cannot do it.
    """
    if not hasattr(os, "posix_fadvise"):
        raise UnsupportedError(_NO_ADVICE)
    for path in {path.stat().st_dev: path for path in paths}.values():
        sync_file_system(path)
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    if dropped:
        try:
            _DROP.write_text("3")
        except OSError as error:
            raise UnsupportedError(_NO_DROP) from error


def fill(paths: Sequence[Path]) -> None:
    """Bring every page of the files into the page cache, by reading them."""
    buffer = bytearray(_FILL_BYTES)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def sync_file_system(path: Path) -> float:
    """Have everything that was written to the file system of a path put on its device; return the seconds it took.

    Raises
    ------
    UnsupportedError
        If this system has no syncfs(2).
    StorageError
        If something could not be written.
    """
    library = c_library()
    if library is None:
        raise UnsupportedError(
            f"{sys.platform} has no syncfs(2), so nothing tells when data are on the device; "
            "run on Linux, or choose --durability returned"
        )
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        started_s = time.perf_counter()
        failed = library.syncfs(descriptor)
        took_s = time.perf_counter() - started_s
    finally:
        os.close(descriptor)
    if failed:
        reason = os.strerror(ctypes.get_errno())
        raise StorageError(
            f"the file system of {path} could not be synced ({reason}); name another folder with --storage"
        )
    return took_s


def why_not_cold(path: Path, *, dropped: bool = False) -> str | None:
    """Say why files below a folder cannot be read cold and shown to be; None where they can.

    It is tried with a file of 256 KiB, written beside: some file systems (9p, NFS, FUSE …) cannot be told apart otherwise.

    Parameters
    ----------
    path : pathlib.Path
        A folder that can be written, or a file in one.
    dropped : bool
        Whether directory entries shall be cold too.
    """
    folder = path if path.is_dir() else path.parent
    if not hasattr(os, "posix_fadvise"):
        return _NO_ADVICE
    kind = file_system_of(folder).kind
    if kind in _IN_MEMORY:
        return f"{kind} keeps its files in memory: nothing there is ever cold; name a folder on a disk with --storage"
    if dropped and not os.access(_DROP, os.W_OK):
        return _NO_DROP
    return _why_not_shown(folder.resolve(), kind)


@functools.cache
def _why_not_shown(folder: Path, kind: str) -> str | None:
    """Write a file, put it out, read it, and see whether all of that shows."""
    probe = Probe()
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".storebench-cold-") as file:
        file.write(os.urandom(_PROBE_BYTES))
        file.flush()
        paths = [Path(file.name)]
        before = _evict_all(paths, dropped=False)
        probe.start()
        fill(paths)
        fetched_bytes = probe.stop().device_read_bytes
        after = residency(paths)
    otherwise = "name a folder on a local disk with --storage, or choose --cache warm"
    if before is None or after is None:
        return f"this system does not tell which pages of a file are in the page cache; {otherwise}"
    if fetched_bytes is None:
        return "/proc/self/io cannot be read, so nothing tells what came from the device; run on Linux as the owner of the process"
    if before.resident_bytes or after.fraction < 1 or fetched_bytes < _PROBE_BYTES:
        return (
            f"a file of {_PROBE_BYTES} bytes on {kind} had {before.resident_bytes} bytes in the page cache when put out, "
            f"{after.resident_bytes} when read, and {fetched_bytes} bytes came from a device: cold cannot be shown; {otherwise}"
        )
    return None


def read_ahead_bytes(path: Path) -> int | None:
    """Return how far the system reads ahead on the block device below a path, bytes; None where there is no block device."""
    if not hasattr(os, "major"):  # Windows
        return None
    device = path.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    # A partition has the queue of its disk. A file system over several disks (btrfs) has a setting of its own.
    for setting in (
        f"dev/block/{name}/queue/read_ahead_kb",
        f"dev/block/{name}/../queue/read_ahead_kb",
        f"class/bdi/{name}/read_ahead_kb",
    ):
        try:
            return int((_SYS / setting).read_text()) * 1024
        except OSError:
            continue
    return None


_OTHER_BYTES: Final = 1000
"""A warm call may fetch a thousandth of the image's bytes. Of a call of seconds the system puts out pages of libraries that were
not used for a while (DAMON's pageout, seen: 16 KiB beside 59 MiB), though the image's own stay."""


class CacheKeeper:
    """Brings the files of a stored image into a state of the page cache before each call, and tells whether it held.

    Parameters
    ----------
    state : str
        One of `CACHE_STATES`.
    paths : sequence of pathlib.Path
        The files of the stored image; none comes or goes.
    """

    def __init__(self, state: str, paths: Sequence[Path]) -> None:
        if state not in CACHE_STATES:
            raise UsageError(f"there is no cache state {state!r}; choose one of {', '.join(CACHE_STATES)}")
        self._state = state
        self._paths = tuple(paths)

    def prepare(self) -> Residency | None:
        """Bring the state about, right before a call; return what is resident then."""
        if self._state != "warm":
            return _evict_all(self._paths, dropped=self._state == "cold-dropped")
        found = residency(self._paths)
        if found is not None and found.fraction == 1:
            return found
        fill(self._paths)
        return residency(self._paths)

    def judge(self, before: Residency | None, device_read_bytes: int | None) -> tuple[bool | None, str | None]:
        """Tell whether a call found the state and nobody disturbed it, right after the call.

        Another process that brings pages in is noticed, but for as many bytes as this one fetched of other files meanwhile.

        Parameters
        ----------
        before : Residency or None
            What `prepare` returned.
        device_read_bytes : int or None
            What this process fetched from the device in the call (`Counted.device_read_bytes`).

        Returns
        -------
        verified : bool or None
            None: this system does not tell.
        reason : str or None
            What showed that it was not so.
        """
        judged = _judge_warm if self._state == "warm" else self._judge_cold
        return judged(before, device_read_bytes)

    def _judge_cold(self, before: Residency | None, device_read_bytes: int | None) -> tuple[bool | None, str | None]:
        if before is not None and before.resident_bytes > 0:
            return False, f"{before.resident_bytes} of {before.total_bytes} bytes were in the page cache before"
        after = residency(self._paths)
        if before is None or after is None or device_read_bytes is None:
            return None, None
        if before.total_bytes > 0 and device_read_bytes == 0:
            return False, "nothing came from the device"
        # Measured (NPY, TIFF, zarr of 9 to 4097 files and sharded, whole and in part, memory maps, 8 MiB of read-ahead, large
        # folios): what is resident afterwards is to the byte what was fetched. So no slack but what no device holds.
        unexplained_bytes = after.resident_bytes - device_read_bytes
        if unexplained_bytes > 0 and unexplained_bytes > _unbacked_bytes(self._paths):
            return False, (
                f"{after.resident_bytes} bytes are in the page cache and this process fetched {device_read_bytes}: "
                "another one read the same files"
            )
        return True, None


def _judge_warm(before: Residency | None, device_read_bytes: int | None) -> tuple[bool | None, str | None]:
    # Where nothing came from the device, what is not there was not needed.
    if before is not None and before.fraction < 1 and device_read_bytes != 0:
        return False, f"only {before.resident_bytes} of {before.total_bytes} bytes were in the page cache before"
    # All of the image was there: so few bytes are of something else, as code of a library that the system had put out.
    if device_read_bytes and (before is None or device_read_bytes > before.total_bytes // _OTHER_BYTES):
        return False, f"{device_read_bytes} bytes came from the device"
    return (None, None) if before is None or device_read_bytes is None else (True, None)


def _evict_all(paths: Sequence[Path], *, dropped: bool) -> Residency | None:
    """Evict until nothing is left, for a tenth of a second at most.

    Read-ahead that a call began may still be on its way when the call has ended (2 of 8 MiB were seen), and pages on their way
    stay. Pages that somebody has mapped stay too, for ever: then the call is not verified.
    """
    for attempt in range(_EVICT_ATTEMPTS):
        if attempt:
            time.sleep(_EVICT_PAUSE_S)
        evict(paths, dropped=dropped)
        left = residency(paths)
        if left is None or left.resident_bytes == 0:
            break
    return left


def _unbacked_bytes(paths: Sequence[Path]) -> int:
    """Return the bytes of pages that need no device: holes, and ends of files where blocks are smaller than pages."""
    total_bytes = 0
    for path in paths:
        facts = path.stat()
        paged_bytes = -(-facts.st_size // mmap.PAGESIZE) * mmap.PAGESIZE
        total_bytes += max(0, paged_bytes - facts.st_blocks * 512)
    return total_bytes
