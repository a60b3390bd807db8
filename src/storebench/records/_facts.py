"""The facts of a measurement: case, sample, row. Frozen.

What was not measured is None (null in JSON), never 0.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final, Literal, get_args

from storebench.errors import UsageError
from storebench.grid import Layout, Shape

SCHEMA_VERSION: Final = 4
"""Version of the records' JSON. A new field of `Row` raises it, with an upgrade step in results.journal."""

Operation = Literal[
    "read", "write", "encode", "decode", "open", "append", "overwrite", "build_levels", "list", "delete"
]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
PATTERNED: Final[frozenset[Operation]] = frozenset({"read", "append", "overwrite"})
"""Operations that an access pattern belongs to; the others concern the whole image."""

WRITING: Final[frozenset[Operation]] = frozenset({"write", "append", "overwrite"})
"""Operations that a durability belongs to: they end when the library's call returns, or when the device has everything."""

Status = Literal["ok", "skipped", "failed", "timeout"]

CACHE_STATES: Final = ("warm", "cold", "cold-dropped")
"""States of the page cache before a read or an open; see `Case.cache`."""

DURABILITIES: Final = ("returned", "durable", "own-fsync")
"""When a write ends; see `Case.durability`."""

SYNCED: Final = frozenset(DURABILITIES) - {"returned"}
"""Durabilities of writes that wait for the device."""

SampleKind = Literal["timed", "first_touch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One cell of a benchmark, everything by name.

    Attributes
    ----------
    dataset : str
        Name of the dataset.
    shape, dtype, axes : tuple of int, str, str
        Of the image, slowest axis first.
    seed : int or None
        Of a synthetic dataset and of the pattern's positions (None counts as 0 there).
    operation : str
        One of `OPERATIONS`: read or write (open and close included), encode or decode (codec alone, in memory), open; append
        (write slab after slab, as a camera gives them), overwrite (a region of a stored image), build_levels (from the stored
        level 0), list (find every file), delete.
    backend : str
        Name of the backend.
    codec : str
        Neutral name.
    chunk_shape, shard_shape : tuple of int or None
        Voxels; None leaves them to the format or the library.
    n_levels : int
        Resolution levels stored, each half of the one before on the axes of `level_axes`.
    level_axes : str or None
        Axes that levels are smaller on, as in "yx"; None: all spatial ones.
    level_method : str
        How levels are made, one of `levels.METHODS`.
    stack_axis : int
        Axis along which a stack of 2-D files is cut.
    pattern : str
        Access pattern of an operation of `PATTERNED`; "whole" for the others.
    store : str
        Kind of key-value container.
    cache : str
        State of the page cache before a read or an open, one of `CACHE_STATES`. "warm": every page of the stored files is in
        it; "cold": none is (directory entries may be); "cold-dropped": nor is any directory entry (needs root).
    durability : str
        When a write ends, one of `DURABILITIES`. "returned": when the library's call returns; "durable": when the file
        system has been told to put everything on the device after that, and has done so; "own-fsync": when the library's call
        returns that was told to sync its files by itself, for backends that are an `OwnFsync`.
    threads : int or None
        Thread budget: at most so many at once; None: as each library comes.
    concurrency : str or None
        Who works on separate blocks of the image at the same time: "threads-2" (of one process), "workers-2" (processes);
        None: nobody, one call moves all.
    """

    dataset: str
    shape: Shape
    dtype: str
    axes: str
    operation: Operation
    backend: str
    codec: str = "none"
    seed: int | None = 0
    chunk_shape: Shape | None = None
    shard_shape: Shape | None = None
    n_levels: int = 1
    stack_axis: int = 0
    pattern: str = "whole"
    store: str = "local"
    cache: str = "warm"
    durability: str = "returned"
    threads: int | None = None
    level_axes: str | None = None
    level_method: str = "mean"
    concurrency: str | None = None

    @property
    def layout(self) -> Layout | None:
        """Chunks and shards as asked; None where they are left open.

        Raises
        ------
        UsageError
            If there are shards and no chunks to fill them with, or one is no multiple of the other.
        """
        if self.chunk_shape is None and self.shard_shape is not None:
            raise UsageError(f"shard shape {self.shard_shape} is given without a chunk shape; give both, or neither")
        return None if self.chunk_shape is None else Layout(chunk_shape=self.chunk_shape, shard_shape=self.shard_shape)

    @property
    def id(self) -> str:
        """Readable, stable and comma-free; leaves out what has its default."""
        parts: list[str] = [self.operation, self.backend]
        if self.chunk_shape is not None:
            parts.append("chunks-" + "x".join(map(str, self.chunk_shape)))
        if self.shard_shape is not None:
            parts.append("shards-" + "x".join(map(str, self.shard_shape)))
        parts.append(self.codec)
        if self.pattern != "whole":
            parts.append(self.pattern)
        for name, key in _ID_KEYS.items():
            value = getattr(self, name)
            if value is not None and value != _DEFAULTS[name]:
                parts.append(f"{key}-{value}")
        parts.append(f"{self.dataset}-{'x'.join(map(str, self.shape))}-{self.dtype}")
        return "/".join(parts)


_ID_KEYS: Final = {
    "n_levels": "levels",
    "level_axes": "levels-along",
    "level_method": "levels-by",
    "stack_axis": "axis",
    "seed": "seed",
    "store": "store",
    "cache": "cache",
    "durability": "durability",
    "threads": "threads",
    "concurrency": "at-once",
}
_DEFAULTS: Final = {f.name: f.default for f in dataclasses.fields(Case)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One timing, raw, with what the system counted in the same span. None: this system does not tell.

    Attributes
    ----------
    wall_s : float
        Seconds of the whole operation, the open included; of a durable case the sync too.
    open_s : float or None
        Seconds of its open; None where the operation opens nothing.
    cpu_s : float
        CPU seconds of this process in the same span, all threads.
    started_at : float
        Seconds since 1970-01-01 UTC.
    process_id : str
        The same for samples of one process; says nothing else.
    kind : str
        "timed"; "first_touch": the first call of its process, which no median holds.
    verified : bool or None
        Whether counters show the state of the cache that the case names; False: the sample is kept here and discarded from every
        statistic.
    unverified_reason : str or None
        What showed that it was not.
    sync_s : float or None
        Of a write: seconds of the sync after its return. It is part of `wall_s` in a durable case, and follows it otherwise.
    resident_fraction : float or None
        Pages of the stored files in the page cache before, 0 to 1.
    device_read_bytes, device_written_bytes : int or None
        What the disk moved for this process, read-ahead included.
    read_chars, write_chars : int or None
        Bytes asked of the system by read and write calls; blind to memory maps.
    read_calls, write_calls : int or None
        Such calls.
    minor_faults, major_faults, involuntary_switches : int or None
        Page faults without and with the disk; times the system took the processor away.
    run_delay_s : float or None
        Seconds the calling thread was ready and waited for a processor.
    threads_ran : int or None
        Threads that used the processor in the span and were alive before or after it.
    frame_s : tuple of float or None
        Seconds of each part in order, where a sample has parts: the views of a trace, the slabs of a stream.
    """

    wall_s: float
    open_s: float | None
    cpu_s: float
    started_at: float
    process_id: str
    kind: SampleKind = "timed"
    verified: bool | None = None
    unverified_reason: str | None = None
    sync_s: float | None = None
    resident_fraction: float | None = None
    device_read_bytes: int | None = None
    device_written_bytes: int | None = None
    read_chars: int | None = None
    write_chars: int | None = None
    read_calls: int | None = None
    write_calls: int | None = None
    minor_faults: int | None = None
    major_faults: int | None = None
    involuntary_switches: int | None = None
    run_delay_s: float | None = None
    threads_ran: int | None = None
    frame_s: tuple[float, ...] | None = None

    @property
    def counts(self) -> bool:
        """Whether statistics may hold it: timed, and not shown to be in another cache state than asked."""
        return self.kind == "timed" and self.verified is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of one case in one environment: the columns of the tidy table (docs/results.md lists them).

    Attributes
    ----------
    case : Case
        What was asked.
    status, reason : str, str or None
        "ok", or why there is no number.
    format, library, library_version : str
        What did the work.
    chunk_shape, shard_shape : tuple of int or None
        As found in the store, voxels; None: not chunked.
    samples : tuple of Sample
        Raw, in the order taken.
    logical_bytes : int or None
        Uncompressed bytes of the image (all of it, level 0).
    chunk_bytes, stored_bytes : int or None
        On disk: payload alone, and with all metadata; for encode the compressed blocks.
    n_files : int or None
        Files on disk.
    fetched_bytes, requests : int or None
        Bytes asked of the store by one read, and in how many requests (misses included); counted apart from timed runs.
    voxels_asked, voxels_decoded : int or None
        Of one read; padded edge chunks count whole.
    max_abs_error : float or None
        Largest difference from the source over all voxels of level 0, in the dataset's units; 0.0 was checked to be lossless.
    rmse, psnr_db, ssim : float or None
        Root of the mean squared difference; peak signal-to-noise ratio; structural similarity: see `measurement.fidelity`. Where
        nothing differs they are 0.0, None (there is no noise to compare with) and 1.0.
    peak_memory_bytes : int or None
        Growth of resident memory during one untimed call in a process of its own; coarse below 64 MiB.
    gets, ranged_gets, misses, sets, lists : int or None
        Requests to the store by kind.
    set_bytes : int or None
        Bytes handed to the store by one write.
    predicted_requests, predicted_bytes : int or None
        What geometry says of `requests` and `fetched_bytes` (of a write: of `sets` and `set_bytes`).
    files_opened, renames, read_calls, write_calls : int or None
        Of one call: files of the image opened, renames in it, read and write calls to the system.
    instructions : int or None
        Machine instructions of one call, by callgrind.
    threads_ran : int or None
        Threads that used the processor in one call, short-lived ones included.
    frame_requests, frame_bytes : tuple of int or None
        `requests` and `fetched_bytes` of each view of a trace, in order; the open is in none of them.
    predicted_frame_requests, predicted_frame_bytes : tuple of int or None
        What geometry says of them.
    codec_bytes_per_s : float or None
        Uncompressed bytes per second of the codec alone on voxels of this image, one thread: decoded for reads, encoded for
        writes.
    engine : str or None
        What took the samples: "asv", "paired" (fresh processes, rounds), "direct" (one process).
    converged : bool or None
        Whether the interval became as narrow as asked before the time was up; None where nothing was asked.
    """

    case: Case
    status: Status
    reason: str | None = None
    format: str
    library: str
    library_version: str | None = None
    chunk_shape: Shape | None = None
    shard_shape: Shape | None = None
    samples: tuple[Sample, ...] = ()
    logical_bytes: int | None = None
    chunk_bytes: int | None = None
    stored_bytes: int | None = None
    n_files: int | None = None
    fetched_bytes: int | None = None
    requests: int | None = None
    chunks_touched: int | None = None
    voxels_asked: int | None = None
    voxels_decoded: int | None = None
    max_abs_error: float | None = None
    rmse: float | None = None
    psnr_db: float | None = None
    ssim: float | None = None
    peak_memory_bytes: int | None = None
    gets: int | None = None
    ranged_gets: int | None = None
    misses: int | None = None
    sets: int | None = None
    lists: int | None = None
    set_bytes: int | None = None
    predicted_requests: int | None = None
    predicted_bytes: int | None = None
    files_opened: int | None = None
    renames: int | None = None
    read_calls: int | None = None
    write_calls: int | None = None
    instructions: int | None = None
    threads_ran: int | None = None
    frame_requests: tuple[int, ...] | None = None
    frame_bytes: tuple[int, ...] | None = None
    predicted_frame_requests: tuple[int, ...] | None = None
    predicted_frame_bytes: tuple[int, ...] | None = None
    codec_bytes_per_s: float | None = None
    engine: str | None = None
    converged: bool | None = None
