"""The facts of a measurement: case, sample, row, environment, dataset. Frozen.

What was not measured is None (null in JSON), never 0.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from storebench.errors import UsageError
from storebench.grid import Layout, Shape

SCHEMA_VERSION: Final = 1
"""Version of the records' JSON. A new field of `Row` raises it, with an upgrade step in results.journal."""

Operation = Literal["read", "write", "encode", "decode", "open"]
OPERATIONS: Final[tuple[Operation, ...]] = ("read", "write", "encode", "decode", "open")
Status = Literal["ok", "skipped", "failed", "timeout"]


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
        One of `OPERATIONS`: read or write (open and close included), encode or decode (codec alone, in memory), open.
    backend : str
        Name of the backend.
    codec : str
        Neutral name.
    chunk_shape, shard_shape : tuple of int or None
        Voxels; None leaves them to the format or the library.
    n_levels : int
        Resolution levels stored, by binning with 2 on each spatial axis.
    stack_axis : int
        Axis along which a stack of 2-D files is cut.
    pattern : str
        Access pattern of a read; "whole" for the other operations.
    store : str
        Kind of key-value container.
    cache : str
        State of the page cache before the read. "warm": after an untimed read of the same.
    durability : str
        "returned": until the library's call returns.
    threads : int or None
        Thread budget; None: as each library comes.
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
    "stack_axis": "axis",
    "seed": "seed",
    "store": "store",
    "cache": "cache",
    "durability": "durability",
    "threads": "threads",
}
_DEFAULTS: Final = {f.name: f.default for f in dataclasses.fields(Case)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One timing, raw.

    Attributes
    ----------
    wall_s : float
        Seconds of the whole operation, the open included.
    open_s : float or None
        Seconds of its open; None where the operation opens nothing.
    cpu_s : float
        CPU seconds of this process in the same span, all threads.
    started_at : float
        Seconds since 1970-01-01 UTC.
    process_id : str
        The same for samples of one process; says nothing else.
    """

    wall_s: float
    open_s: float | None
    cpu_s: float
    started_at: float
    process_id: str


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
        Largest difference from the source, in the dataset's units; 0.0 was checked to be lossless.
    peak_memory_bytes : int or None
        Growth of resident memory during one untimed call; coarse below 64 MiB.
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
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where and with what a measurement was made. Holds no path, no user's and no host's name.

    Attributes
    ----------
    python : str
        Version.
    libraries : mapping of str to str
        Distribution name to version, of everything that results depend on.
    builds : mapping of str to str
        Codec libraries inside the wheels: c-blosc, zstd, OpenJPEG …
    machine : mapping of str to (str or int or None)
        cpu, n_cpu, ram_bytes, os, kernel, arch, virtual ("true" under a hypervisor), file_system (of the storage root).
    storebench : str
        Version.
    commit : str or None
        Commit of the clone that ran; None for an installed wheel.
    dirty : bool or None
        Whether that clone had uncommitted changes; None for an installed wheel.
    """

    python: str
    libraries: Mapping[str, str]
    builds: Mapping[str, str]
    machine: Mapping[str, str | int | None]
    storebench: str
    commit: str | None = None
    dirty: bool | None = None

    @property
    def id(self) -> str:
        """Ten hex digits that differ where anything above differs."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @property
    def name(self) -> str:
        """Neutral, stable name for files: Python and library versions, and "dirty" where code was not committed."""
        stack = [
            f"{name}{self.libraries[name]}"
            for name in ("numpy", "zarr", "numcodecs", "tifffile")
            if name in self.libraries
        ]
        rest = hashlib.sha256(
            json.dumps([dict(self.libraries), dict(self.builds)], sort_keys=True).encode()
        ).hexdigest()[:6]
        return "-".join([f"py{self.python}", *stack, rest, *(["dirty"] if self.dirty else [])])


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecord:
    """What makes an image comparable with another of the same name: kept once beside the results.

    Attributes
    ----------
    name, shape, dtype, axes, seed
        As in `Case`.
    axes_assumed : bool
        True where no metadata named the axes and the trailing ones were taken for zyx.
    source : str
        Where the voxels come from.
    sha256 : str
        Of the voxels in C order, little-endian.
    bits_used, entropy_bits, autocorrelation
        As in `datasets.Fingerprint`.
    """

    name: str
    shape: Shape
    dtype: str
    axes: str
    seed: int | None
    axes_assumed: bool
    source: str
    sha256: str
    bits_used: int | None
    entropy_bits: float
    autocorrelation: tuple[float | None, ...]

    @property
    def key(self) -> tuple[str, Shape, str, int | None]:
        """What a case names its image by."""
        return self.name, self.shape, self.dtype, self.seed
