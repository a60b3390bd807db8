"""One case from a notebook or the shell, through the same path as every suite."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from storebench.datasets import open_dataset
from storebench.errors import MissingDependencyError, UnsupportedError, UsageError
from storebench.measurement.conditions import ConditionsRecorder
from storebench.measurement.environment import record_environment
from storebench.measurement.images import Image, stored_image
from storebench.measurement.instructions import count_instructions, why_no_instructions
from storebench.measurement.limits import measure_limits
from storebench.measurement.sampler import SamplingProgress, SamplingRule, sample_cases
from storebench.measurement.session import Origin, Session
from storebench.records import Case, Operation, Row, Sample
from storebench.results.limits import merge_best
from storebench.results.tidy import tidy_row
from storebench.storage import Storage

MeasureEngine = Literal["direct", "paired"]

_QUIET_S: Final = 2.0
"""What takes less is there before anybody has read how far it is."""
_LIMITS_S: Final = 0.5
"""Seconds for this machine's limits beside one case."""


def measure(
    data: str | os.PathLike[str],
    *,
    backend: str,
    chunks: Sequence[int] | None = None,
    shards: Sequence[int] | None = None,
    codec: str = "none",
    operation: Operation = "read",
    pattern: str = "whole",
    samples: int = 10,
    shape: Sequence[int] | None = None,
    dtype: str | None = None,
    seed: int = 0,
    axes: str | None = None,
    n_levels: int = 1,
    stack_axis: int = 0,
    cache: str = "warm",
    durability: str = "returned",
    threads: int | None = None,
    level_axes: str | None = None,
    level_method: str = "mean",
    concurrency: str | None = None,
    engine: MeasureEngine = "direct",
    half_width: float = 0.05,
    budget_s: float | None = None,
    instructions: bool = False,
    storage: Storage | None = None,
    on_progress: Callable[[SamplingProgress], None] | None = None,
) -> dict[str, Any]:
    """Measure one case and return its row.

    Parameters
    ----------
    data : str or path
        A dataset's name (``storebench list datasets``) or a file.
    backend : str
        As in "zarr3-zarrpython" (``storebench list backends``).
    chunks, shards : sequence of int, optional
        Voxels per axis, slowest axis first; left out: the format's or the library's default.
    codec : str
        Neutral name, as in "zstd-3".
    operation : str
        One of `OPERATIONS`.
    pattern : str
        Access pattern of a read, an append or an overwrite, as in "plane_xz".
    samples : int
        Engine direct: timed calls that count, at least 1, all in this process, after two untimed and checked ones. A call whose
        cache was not in the state asked for is repeated, up to as often again.
    shape, dtype, seed
        Of a synthetic dataset; shape in voxels, slowest axis first.
    axes : str, optional
        Axis names of a file that does not name them, as in "zyx".
    n_levels : int
        Resolution levels to store.
    stack_axis : int
        Axis along which a stack of 2-D files is cut.
    cache : str
        State of the page cache before a read or an open, as in `Case`: warm, cold, cold-dropped.
    durability : str
        When a write ends, as in `Case`: returned or durable.
    threads : int, optional
        Thread budget; left out: as the library comes. A library's limit holds for a whole process: with the engine direct the
        first one of a process stays.
    level_axes, level_method, concurrency : str, optional
        As in `Case`.
    engine : str
        "direct": all samples in this process. "paired": rounds over fresh processes until the interval of the median is as narrow
        as `half_width` says; `samples` is not looked at.
    half_width : float
        Engine paired: half of the 95 % interval ÷ median to stop at, as in 0.05.
    budget_s : float, optional
        Engine paired: seconds after which to stop in any case.
    instructions : bool
        Count machine instructions of one call too; needs valgrind and gcc.
    storage : Storage, optional
        Where stores are kept; else the default root.
    on_progress : callable, optional
        Is told how far it is, once it takes more than two seconds.

    Returns
    -------
    dict
        One row of the tidy table (docs/results.md), JSON values. Where the backend cannot do exactly that, `status` is
        "skipped" and `reason` says why.

    Raises
    ------
    UsageError, DataError, StorageError, VerificationError
        For settings, files, places and values that are wrong.
    MissingDependencyError
        If instructions are asked for and cannot be counted here.

    Examples
    --------
    >>> row = measure("ct", shape=(64, 64, 64), backend="zarr3-zarrpython", chunks=(32, 32, 32), codec="zstd-3",
    ...               pattern="plane_xz", samples=3)
    >>> row["status"], row["voxels_asked"], row["voxels_decoded"]
    ('ok', 4096, 131072)
    """
    if samples < 1:
        raise UsageError(f"samples is {samples}; at least 1 call must be timed")
    storage = storage or Storage.open()
    image = stored_image(storage, open_dataset(data, shape=_tuple(shape), dtype=dtype, seed=seed, axes=axes))
    case = Case(
        dataset=image.name,
        shape=image.shape,
        dtype=image.dtype.name,
        axes=image.axes,
        seed=image.seed,
        operation=operation,
        backend=backend,
        codec=codec,
        chunk_shape=_tuple(chunks),
        shard_shape=_tuple(shards),
        n_levels=n_levels,
        stack_axis=stack_axis,
        pattern=pattern,
        cache=cache,
        durability=durability,
        threads=threads,
        level_axes=level_axes,
        level_method=level_method,
        concurrency=concurrency,
    )
    why_not = why_no_instructions() if instructions else None
    if why_not is not None:
        raise MissingDependencyError(why_not)
    recorder = ConditionsRecorder()
    limits = merge_best([measure_limits(storage, budget_s=_LIMITS_S)])
    if engine == "direct":
        row = measure_case(case, image, storage, samples, on_progress)
    else:
        rule = SamplingRule(half_width=half_width, budget_s=budget_s)
        row = sample_cases([(case, image.key)], storage, rule, on_progress=on_progress)[case.id]
    if instructions and row.status == "ok":
        row = replace(row, instructions=count_instructions(case, image.key, storage))
    told = tidy_row(row, record_environment(storage.root), conditions=[recorder.take()], limits=limits)
    return told | {"axes_assumed": image.axes_assumed}


def measure_case(
    case: Case,
    image: Image,
    storage: Storage,
    n_samples: int,
    on_progress: Callable[[SamplingProgress], None] | None = None,
) -> Row:
    """Measure one case in this process; a backend that cannot do it gives a row with status "skipped"."""
    session = Session(case, image, storage, origin=Origin(engine="direct"))
    try:
        row = session.start()
    except (UnsupportedError, MissingDependencyError) as error:
        return session.empty_row("skipped", str(error))
    samples = (session.first_touch, *_timed_calls(session, n_samples, on_progress))
    return replace(row, samples=tuple(sample for sample in samples if sample is not None))


def _timed_calls(
    session: Session, n_samples: int, on_progress: Callable[[SamplingProgress], None] | None
) -> list[Sample]:
    """Take samples until enough of them count, or as many again were lost to a cache in the wrong state."""
    taken: list[Sample] = []
    began = time.monotonic()
    for n_calls in range(1, 2 * n_samples + 1):
        sample = session.sample()
        if sample is not None:
            taken.append(sample)
        n_good = sum(sample.counts for sample in taken)
        if n_good == n_samples:
            break
        elapsed = time.monotonic() - began
        if on_progress is not None and elapsed > _QUIET_S:
            eta_s = (n_samples - n_good) * elapsed / n_calls
            on_progress(SamplingProgress(n_good, n_samples, eta_s, session.case.id))
    return taken


def _tuple(values: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if values is None else tuple(int(v) for v in values)
