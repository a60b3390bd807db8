"""What a grid is: parameter values for one backend and one operation on one image; and how a layout's name fits an image."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from storebench.grid import Shape
from storebench.records import Case, FileForm, Operation, Row

Tier = Literal["smoke", "core", "full", "quick"]
TIERS: Final[tuple[Tier, ...]] = ("smoke", "core", "full")
"""Size classes that are run by name; each holds the ones before it. "quick" is for `storebench quick` alone."""

SUITES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "read": "What does a read cost, by format, chunk shape, codec and access pattern?",
        "write": "What does writing everything cost?",
        "codec": "What does the codec alone cost, in memory?",
        "open": "What does opening cost before the first voxel comes?",
        "size": "How many bytes and files? (counted, free of noise)",
        "traffic": "How many chunks, voxels and bytes does a read touch? (counted, free of noise)",
        "memory": "How much does a process grow at its peak, where the image is large enough to tell?",
        "cold": "What does a first read from the disk cost, shown to be cold?",
        "durable": "What does a write cost until it is on the device?",
        "threads": "What do more threads buy?",
        "large-plane": "How long does one large plane take, whole, in part and smaller: JPEG 2000 beside all others?",
        "multiscale": "How long does a viewer wait, view by view, and what do levels cost?",
        "streaming": "What do writes cost that come plane by plane, in parallel, or into what is there?",
        "parallel": "What do more threads and more processes buy a reader and a writer of one image?",
        "growth": "What grows with the volume, and what with the number of objects?",
        "formats": "What does every format and library take, on one small volume at one sensible setting each?",
    }
)


COUNTED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "size": {"stored_bytes": "bytes", "compression_ratio": "x", "n_files": "files"},
        "traffic": {"chunks_touched": "chunks", "read_amplification": "x", "fetched_bytes": "bytes"},
        "memory": {"peak_memory_bytes": "bytes"},
    }
)
"""Suites that count instead of timing: metric and unit. Memory is measured, once, in a process of its own."""


TILE_MULTIPLE: Final = {"tiff-tifffile": 16}
"""TIFF 6.0, page 67: tile width and length are multiples of 16."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The image of a grid: a synthetic dataset by name, or one that lies in the storage root under `key`.

    `form` is how the user's own file stores it, where a backend stores exactly that.
    """

    name: str
    shape: Shape
    dtype: str
    axes: str = "zyx"
    seed: int | None = 0
    key: str | None = None
    form: FileForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A product of parameter values for one backend and one operation: one asv class.

    Attributes
    ----------
    name : str
        Class name, unique in its suite.
    suite : str
        Key of `SUITES`: the asv module.
    tier : str
        First tier that holds it.
    question : str
        Why it is here.
    operation, backend : str
        What is done, by whom.
    subject : Subject
        The image.
    params : mapping of str to tuple of str
        Values per parameter: `layout` ("64x64x64", "32x32x32-in-128x128x128", "default"), `codec`, `pattern`, `concurrency`.
    n_levels : int
        Resolution levels stored.
    slow : bool
        Whether one call is expected to take over 2 s: 3 samples instead of 10, marked low-confidence.
    cache, durability : str
        As in `Case`.
    threads : int or None
        Thread budget; None: as each library comes.
    level_axes, level_method, concurrency
        As in `Case`.
    """

    name: str
    suite: str
    tier: Tier
    question: str
    operation: Operation
    backend: str
    subject: Subject
    params: Mapping[str, tuple[str, ...]]
    n_levels: int = 1
    slow: bool = False
    cache: str = "warm"
    durability: str = "returned"
    threads: int | None = None
    level_axes: str | None = None
    level_method: str = "mean"
    concurrency: str | None = None

    @property
    def n_cases(self) -> int:
        """Number of parameter combinations."""
        return len(list(self.combinations()))

    @property
    def is_timed(self) -> bool:
        """Whether its numbers are seconds."""
        return self.suite not in COUNTED

    @property
    def own_loop(self) -> bool:
        """Whether storebench takes the samples, not asv: a sample counts only where its state was shown, which asv cannot ask."""
        return self.cache != "warm" or self.durability != "returned"

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the asv benchmarks of the class."""
        if not self.is_timed:
            return tuple(f"track_{metric}" for metric in COUNTED[self.suite])
        if not self.own_loop:
            return (f"time_{self.operation}",)
        state = self.cache if self.cache != "warm" else self.durability
        return (f"track_{self.operation}_{state.replace('-', '_')}",)

    @property
    def module(self) -> str:
        """Name of asv's module: the suite's, as Python takes it."""
        return self.suite.replace("-", "_")

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Full names of its asv benchmarks, as in "read.SmokeNpyNumpy.time_read"."""
        return tuple(f"{self.module}.{self.name}.{method}" for method in self.methods)

    @property
    def noted_as(self) -> str:
        """What the journal calls its benchmark: one name where several count in one call."""
        return f"{self.module}.{self.name}.{self.methods[0] if self.is_timed else 'track'}"

    def combinations(self) -> Iterator[tuple[str, ...]]:
        """Yield the parameter values of each case, in asv's order."""
        return itertools.product(*self.params.values())

    def case(self, *values: str) -> Case:
        """Return the case of one combination of parameter values."""
        given = dict(zip(self.params, values, strict=True))
        chunk_shape, shard_shape = fit_layout(
            given.get("layout", "default"), self.subject.shape, multiple=TILE_MULTIPLE.get(self.backend, 1)
        )
        return Case(
            dataset=self.subject.name,
            shape=self.subject.shape,
            dtype=self.subject.dtype,
            axes=self.subject.axes,
            seed=self.subject.seed,
            operation=self.operation,
            backend=self.backend,
            codec=given.get("codec", "none"),
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            pattern=given.get("pattern", "whole"),
            n_levels=self.n_levels,
            cache=self.cache,
            durability=self.durability,
            threads=self.threads,
            level_axes=self.level_axes,
            level_method=self.level_method,
            concurrency=given.get("concurrency", self.concurrency),
        )

    def on(self, subject: Subject) -> Grid:
        """Return the same grid on another image, under a name of its own, so that no result of this one is replaced."""
        suffix = re.sub(
            r"\W+", "_", f"{subject.name}_{'x'.join(map(str, subject.shape))}_{subject.dtype}_{(subject.key or '')[:6]}"
        )
        return replace(self, name=f"{self.name}__{suffix}".rstrip("_"), subject=subject)


def is_timed(benchmark: str) -> bool:
    """Tell by its full name in asv whether a benchmark's numbers are seconds."""
    return benchmark.partition(".")[0] not in COUNTED


def counted_values(row: Row) -> dict[str, int | float | None]:
    """Return what the counting suites say of a case, by metric of `COUNTED`; None where it is not known."""
    known_ratio = row.logical_bytes is not None and bool(row.stored_bytes)
    return {
        "stored_bytes": row.stored_bytes,
        "compression_ratio": row.logical_bytes / row.stored_bytes if known_ratio else None,  # type: ignore[operator]
        "n_files": row.n_files,
        "chunks_touched": row.chunks_touched,
        "read_amplification": row.voxels_decoded / row.voxels_asked
        if row.voxels_decoded and row.voxels_asked
        else None,
        "fetched_bytes": row.fetched_bytes,
        "peak_memory_bytes": row.peak_memory_bytes,
    }


def fit_layout(text: str, shape: Shape, *, multiple: int = 1) -> tuple[Shape | None, Shape | None]:
    """Fit a layout's name to an image.

    Parameters
    ----------
    text : str
        "64x64x64": chunks; "32x32x32-in-128x128x128": chunks in shards; "plane": whole planes of the last two axes;
        "default": the library's choice. Extents are those of the last axes; leading axes get 1.
    shape : tuple of int
        Voxels, slowest axis first.
    multiple : int
        What extents along the last two axes must be multiples of.

    Returns
    -------
    tuple
        Chunk shape and shard shape, or None each. A chunk never sticks out of the image where it is alone on an axis.
    """
    if text == "default":
        return None, None
    if text == "plane":
        return (*(1,) * (len(shape) - 2), *shape[-2:]), None
    chunk, _, shard = text.partition("-in-")
    chunk_shape = _fit(chunk, _rounded_up(shape, (*(1,) * (len(shape) - 2), multiple, multiple)))
    if not shard:
        return chunk_shape, None
    whole = _fit(shard, _rounded_up(shape, chunk_shape))
    return chunk_shape, tuple(max(s // c, 1) * c for s, c in zip(whole, chunk_shape, strict=True))


def _rounded_up(shape: Shape, multiples: Shape) -> Shape:
    return tuple(-(-n // m) * m for n, m in zip(shape, multiples, strict=True))


def _fit(text: str, shape: Shape) -> Shape:
    """Return the extents of the last axes, 1 on the others, none larger than the image."""
    edges = [int(n) for n in text.split("x")][-len(shape) :]
    padded = (*(1,) * (len(shape) - len(edges)), *edges)
    return tuple(min(edge, n) for edge, n in zip(padded, shape, strict=True))
