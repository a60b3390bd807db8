"""The facts around measurements: where and with what, how busy the machine was, what it can do, which image. Frozen.

What was not measured is None (null in JSON), never 0.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from storebench.grid import Shape


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
        cpu, n_cpu, ram_bytes, os, kernel, arch, virtual ("true" under a hypervisor), file_system (of the storage root),
        read_ahead_bytes (of its block device), and the variables that set numbers of threads, where they are set.
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
class FileForm:
    """How a file stores its image, where a backend stores exactly that: what a case of it would be.

    Attributes
    ----------
    backend, codec : str
        Names.
    chunk_shape, shard_shape : tuple of int or None
        Voxels; None: not chunked.
    """

    backend: str
    codec: str
    chunk_shape: Shape | None = None
    shard_shape: Shape | None = None


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
    file_form : FileForm or None
        How the user's file stores it; None: it is no file, or no backend stores exactly that.
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
    file_form: FileForm | None = None

    @property
    def key(self) -> tuple[str, Shape, str, int | None]:
        """What a case names its image by."""
        return self.name, self.shape, self.dtype, self.seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How busy the machine was over a span, whoever kept it busy. None: this system does not tell.

    Attributes
    ----------
    started_at, ended_at : float
        Seconds since 1970-01-01 UTC.
    cpu_pressure, io_pressure, memory_pressure : float or None
        Share of the span in which some task waited for it (Linux PSI, "some"), 0 to 1.
    steal_share : float or None
        Share of processor time that the hypervisor gave to others, 0 to 1.
    load_1m : float or None
        Load average at the end.
    other_cpus : float or None
        Processors that other processes than the measuring ones kept busy, mean over the span.
    busiest_other : str or None
        Name of the executable that used most of that; no arguments, no path.
    """

    started_at: float
    ended_at: float
    cpu_pressure: float | None = None
    io_pressure: float | None = None
    memory_pressure: float | None = None
    steal_share: float | None = None
    load_1m: float | None = None
    other_cpus: float | None = None
    busiest_other: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What this machine can do at best, measured beside the cases. Keys of mappings are bytes, as text: of a block, of a request.

    Attributes
    ----------
    taken_at : float
        Seconds since 1970-01-01 UTC.
    memcpy_bytes_per_s : mapping of str to float
        Copying memory, one thread, by size of the block.
    warm_read_bytes_per_s, cold_read_bytes_per_s : mapping of str to float
        Sequential buffered reads of a file, by size of the request; cold ones evicted before and shown to be.
    random_read_s : mapping of str to float
        Seconds of one cold read at a random place, by size of the request.
    write_bytes_per_s, durable_write_bytes_per_s : mapping of str to float
        Sequential buffered writes of a new file, until return, and until synced, by size of the request.
    open_s, create_s, sync_s : float or None
        Seconds to open and close a file, to create a small one, to sync a file of 4 KiB.
    """

    taken_at: float
    memcpy_bytes_per_s: Mapping[str, float] = field(default_factory=dict)
    warm_read_bytes_per_s: Mapping[str, float] = field(default_factory=dict)
    cold_read_bytes_per_s: Mapping[str, float] = field(default_factory=dict)
    random_read_s: Mapping[str, float] = field(default_factory=dict)
    write_bytes_per_s: Mapping[str, float] = field(default_factory=dict)
    durable_write_bytes_per_s: Mapping[str, float] = field(default_factory=dict)
    open_s: float | None = None
    create_s: float | None = None
    sync_s: float | None = None
