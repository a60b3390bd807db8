"""tensorstore on local files: its settings, threads, counts and errors, the same for each of its formats.

What is set differently from tensorstore's own defaults, so that writes end as those of other libraries do:

- **no fsync**: by default tensorstore waits for the disk after each file, and no other library here does. A write that is
  to be durable is synced by storebench, for all alike. Where a location asks for the library's own fsync it is left on.
- **chunks of nothing but 0 are written**, where the format leaves a choice.

No cache is kept between reads (tensorstore's own default), but a chunk of the last read is gone only when the thread that decoded
it lets go: of reads that follow each other at once about one in a thousand finds one still there. Each opened array has settings of
its own, so that nothing is shared with what was opened before. Whole files are renamed into place, never changed: other
processes may write others.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from storebench.backends._backend import BlockCodec, ParallelWrites, WriteOrder, WriteRequest
from storebench.backends._refusals import check_thread_limit, missing_distributions
from storebench.errors import DataError
from storebench.stores import Location, RequestKind, RequestLog

_METRICS: Final = "/tensorstore/kvstore/file/"
_LIVE: Final = "/tensorstore/futures/live"
_POLL_S, _QUIET_POLLS, _MOST_POLLS = 0.02, 5, 1500

_limits: dict[str, Any] = {}


@functools.cache
def _pools() -> Any:
    """Return the context whose pools of threads all arrays of this process share."""
    import tensorstore as ts

    return ts.Context(_limits)


def new_context(location: Location) -> Any:
    """Return settings for what is opened next: fsync where the location asks for it, and no cache that anything else sees."""
    import tensorstore as ts

    return ts.Context({"file_io_sync": location.own_fsync, "cache_pool": {"total_bytes_limit": 0}}, _pools())


def folder_store(path: Path) -> dict[str, str]:
    """Return tensorstore's name for a folder."""
    return {"driver": "file", "path": f"{path}/"}


@contextmanager
def counted(log: RequestLog | None, kind: RequestKind) -> Iterator[None]:
    """Write what tensorstore does meanwhile into a log.

    It waits an instant first, so that nothing of the last read is there any more.

    tensorstore counts what this process asks of files, and tells sums only. A read that found no file has opened one more
    than it has read; a shard that is missing may hide behind one that took two reads, so of shards this is the least.

    Parameters
    ----------
    log : RequestLog or None
        None: nothing is counted.
    kind : str
        Of the reads: "get" where they can be of whole files only, else "read".
    """
    if log is None:
        yield
        return
    time.sleep(_POLL_S)
    before = _totals()
    try:
        yield
    finally:
        now = _totals()
        done = {name: now[name] - before.get(name, 0) for name in now}
        n_reads = done.get("batch_read", 0)
        log.add_sum("miss", max(0, done.get("open_read", 0) - n_reads), 0)
        log.add_sum(kind, n_reads, done.get("bytes_read", 0))
        log.add_sum("set", done.get("write_latency_ms", 0), done.get("bytes_written", 0))


def _totals() -> dict[str, int]:
    """Return the counters of tensorstore's files; of a histogram the number of its entries."""
    import tensorstore as ts

    found = {}
    for metric in ts.experimental_collect_matching_metrics(_METRICS):
        (value,) = metric["values"]
        found[metric["name"].rpartition("/")[2]] = int(value.get("value", value.get("count", 0)))
    return found


def open_array(spec: Mapping[str, Any], location: Location, metadata_file: Path, *, what: str) -> Any:
    """Open one stored array.

    Parameters
    ----------
    spec : mapping
        Driver, place and options.
    location : Location
        The image.
    metadata_file : pathlib.Path
        What the array is not without.
    what : str
        What is not there without it, as in "Zarr v3 array".

    Raises
    ------
    DataError
        If there is none, or its metadata cannot be understood.
    """
    import tensorstore as ts

    try:
        with counted(location.log, "get"):
            return ts.open(spec, context=new_context(location), open=True).result()
    except ValueError as error:
        if not metadata_file.is_file():
            raise no_metadata(metadata_file, what) from error
        raise damaged_metadata(metadata_file, error) from error


def no_metadata(file: Path, what: str) -> DataError:
    """Build the error for a path where there is no such image."""
    return DataError(f"{file.parent} is no {what}: it has no {file.name}; check the path")


def damaged_metadata(file: Path, error: Exception) -> DataError:
    """Build the error for metadata that are damaged, or that only other libraries understand."""
    return DataError(
        f"the metadata {file} cannot be understood by tensorstore ({brief(error)}); "
        "read them with another library, restore them from a copy or write the image anew"
    )


def create_array(spec: Mapping[str, Any], location: Location) -> Any:
    """Create one empty array.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    import tensorstore as ts

    try:
        with counted(location.log, "get"):
            return ts.open(spec, context=new_context(location), create=True).result()
    except ValueError as error:
        raise OSError(f"{location.path} cannot be created: {brief(error)}") from error


def write_file(location: Location, file: Path, data: bytes) -> None:
    """Store one small file by the same means as the arrays.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    import tensorstore as ts

    try:
        with counted(location.log, "get"):
            store = ts.KvStore.open(folder_store(file.parent), context=new_context(location)).result()
            store.write(file.name, data).result()
    except ValueError as error:
        raise OSError(f"{file} cannot be written: {brief(error)}") from error


def read_file(location: Location, file: Path, *, what: str) -> bytes:
    """Return one small file by the same means as the arrays.

    Raises
    ------
    DataError
        If it is not there, or cannot be read.
    """
    import tensorstore as ts

    try:
        with counted(location.log, "get"):
            store = ts.KvStore.open(folder_store(file.parent), context=new_context(location)).result()
            found = store.read(file.name).result()
    except ValueError as error:
        raise damaged_metadata(file, error) from error
    if found.state != "value":
        raise no_metadata(file, what)
    return bytes(found.value)


def brief(error: Exception) -> str:
    """Return the kind of an error and what it is about, without the settings that tensorstore lists behind it."""
    text = " ".join(str(error).partition(" [tensorstore_spec=")[0].split())
    return re.sub(r'Error opening "\w+" driver: ', "", text)[:300]


def file_of(error: Exception) -> str | None:
    """Return the file that an error is about."""
    found = re.search(r'local file "([^"]+)"', str(error))
    return found[1] if found else None


def wait_for_other_chunks() -> None:
    """Wait until tensorstore writes nothing more: when one chunk fails it raises at once, and goes on with the others.

    Whoever removes what is there would otherwise see files come back. It tells nothing but the number of results that are
    still to come, so this waits until that stays as it is.
    """
    import tensorstore as ts

    seen: list[Any] = []
    while len(seen) < _MOST_POLLS and (len(seen) < _QUIET_POLLS or any(s != seen[-1] for s in seen[-_QUIET_POLLS:])):
        seen.append([metric["values"] for metric in ts.experimental_collect_matching_metrics(_LIVE)])
        time.sleep(_POLL_S)


class Tensorstore:
    """What every backend on tensorstore has in common."""

    name: str
    format: str
    suffix: str
    library = "tensorstore"
    distributions = ("tensorstore",)
    extra = "tensorstore"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "processes"
    counts_reads = True
    counts_writes = True
    own_fsync = "file_io_sync"

    def why_unavailable(self) -> str | None:
        """Return None where tensorstore is installed."""
        return missing_distributions(self.distributions, self.extra)

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Any region."""
        return "any"

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """There is none."""
        return "tensorstore compresses inside of arrays only; use a zarrpython backend for the codec alone"

    def limit_threads(self, threads: int) -> str | None:
        """Hold the threads of arrays opened from now on: one that reads and writes files, all others code and copy.

        Both pools have a thread at least, and work at the same time: where nothing is compressed they keep two busy.
        """
        check_thread_limit(threads)
        _limits.update(file_io_concurrency={"limit": 1}, data_copy_concurrency={"limit": max(1, threads - 1)})
        _pools.cache_clear()
        if threads == 1:
            return "tensorstore reads files in one thread and decodes them in another at the same time; use --threads 2 or more"
        return None

    def facts(self) -> Mapping[str, str]:
        """Return the settings that results depend on."""
        return {
            "tensorstore file_io_sync": "false but where durability is own-fsync (its own default: true)",
            "tensorstore cache_pool": "0 bytes",
            "tensorstore empty chunks": "written",
            "tensorstore gap between ranges of a file that is read along": "up to 255 bytes",
        }
