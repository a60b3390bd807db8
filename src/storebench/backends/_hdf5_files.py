"""HDF5 files: opening them so that requests can be counted, and closing them also where the disk is full."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from storebench.stores import Location, RequestLog

if TYPE_CHECKING:
    import h5py

FAILURES: Final = (OSError, RuntimeError)
"""What h5py raises where HDF5 fails: an `OSError` with a number for most calls, words alone from flushing and closing."""

_DRIVER: Final = "storebench-log"
_LOGGED: Final = re.compile(rb" *\d+- *\d+ \( *(\d+) bytes\) \(\w+\) (Read|Written)")
_NUMBER: Final = re.compile(r"\berrno = (\d+)")


@contextmanager
def system_errors(location: Location, otherwise: AbstractContextManager[None]) -> Iterator[None]:
    """Let the operating system speak where HDF5 quotes it: h5py has its number in the words only, or amid a page of them.

    Parameters
    ----------
    location : Location
        The file.
    otherwise : context manager
        Where all that is not the operating system's goes.

    Raises
    ------
    OSError
        With that number, its words and the path.
    """
    with otherwise:
        try:
            yield
        except FAILURES as error:
            found = _NUMBER.search(str(error))
            if found is None:
                raise
            number = int(found[1])
            raise OSError(number, os.strerror(number), str(location.path)) from error


@contextmanager
def open_file(location: Location, mode: str) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Open an HDF5 file by h5py's defaults, and close it whatever happens.

    Where requests are counted, HDF5's own logging driver writes down each of them. It makes the requests of the driver
    that is used otherwise, to the byte (strace, HDF5 2.0.0). A file object of Python would not: h5py's driver for those
    has no sieve buffer, so that a column of a contiguous dataset was 4096 reads of 2 bytes instead of 8 of 64 KiB. The
    log has the bytes that were asked for, also where a file that is being written ends before them.

    Parameters
    ----------
    location : Location
        The file.
    mode : str
        "r", or "x" for a new file.

    Yields
    ------
    tuple of h5py.File and callable
        The second brings the location's log up to date.
    """
    import h5py

    close = _closing_written if mode == "x" else contextlib.closing
    if location.log is None:
        with close(h5py.File(location.path, mode)) as file:
            yield file, _nothing
        return
    h5py.register_driver(_DRIVER, _set_log_driver)
    with tempfile.TemporaryDirectory(prefix="storebench-hdf5-") as folder:
        logged = _LoggedRequests(Path(folder) / "requests.txt", location.path.name, location.log)
        try:
            with close(h5py.File(location.path, mode, driver=_DRIVER, logfile=bytes(logged.path))) as file:
                yield file, logged.collect
        finally:
            logged.collect()


def _nothing() -> None:
    """Bring no log up to date."""


@contextmanager
def _closing_written(file: h5py.File) -> Iterator[h5py.File]:
    """Close a file that was written for good.

    HDF5 writes what is in its caches when it closes a file. On a full disk that fails, the file stays open, and the
    process is killed by a segmentation fault later (HDF5 2.0.0). So it is asked to write before; if it cannot, its file
    descriptor is led to the null device, which takes everything, and the file can be closed.
    """
    try:
        yield file
        file.flush()
    except BaseException:
        try:
            file.flush()
        except FAILURES:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, file.id.get_vfd_handle())
            os.close(null)
        with contextlib.suppress(*FAILURES):
            file.close()
        raise
    file.close()


def _set_log_driver(access: Any, *, logfile: bytes) -> None:
    """Tell HDF5 to log where it reads and writes; nothing is kept in memory for it (size 0)."""
    from h5py import h5fd

    access.set_fapl_log(logfile, h5fd.LOG_LOC_READ | h5fd.LOG_LOC_WRITE, 0)


class _LoggedRequests:
    """What HDF5's logging driver wrote, line by line, turned into a location's log."""

    def __init__(self, path: Path, key: str, log: RequestLog) -> None:
        self.path = path
        self._key, self._log, self._position = key, log, 0

    def collect(self) -> None:
        """Add what has come since the last time."""
        if sys.platform != "win32":  # there, all comes when the file is closed
            ctypes.CDLL(None).fflush(None)  # the driver writes through a buffered stream of C
        if not self.path.exists():  # the image's file could not be opened
            return
        with self.path.open("rb") as file:
            file.seek(self._position)
            text = file.read()
        self._position += len(text)
        for found in _LOGGED.finditer(text):
            self._log.add("ranged_get" if found[2] == b"Read" else "set", self._key, int(found[1]))
