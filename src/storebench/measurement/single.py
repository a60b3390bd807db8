"""One case from a notebook or the shell, through the same path as every suite."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from storebench.datasets import open_dataset
from storebench.errors import MissingDependencyError, UnsupportedError, UsageError
from storebench.measurement.images import Image, stored_image
from storebench.measurement.session import Session
from storebench.records import Case, Operation, Row, Sample
from storebench.results.tidy import tidy_row
from storebench.storage import Storage


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
    storage: Storage | None = None,
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
        read, write, encode, decode or open.
    pattern : str
        Access pattern of a read, as in "plane_xz".
    samples : int
        Timed calls, at least 1, all in this process, after one untimed and checked call.
    shape, dtype, seed
        Of a synthetic dataset; shape in voxels, slowest axis first.
    axes : str, optional
        Axis names of a file that does not name them, as in "zyx".
    n_levels : int
        Resolution levels to store.
    stack_axis : int
        Axis along which a stack of 2-D files is cut.
    storage : Storage, optional
        Where stores are kept; else the default root.

    Returns
    -------
    dict
        One row of the tidy table (docs/results.md), JSON values. Where the backend cannot do exactly that, `status` is
        "skipped" and `reason` says why.

    Raises
    ------
    UsageError, DataError, StorageError, VerificationError
        For settings, files, places and values that are wrong.

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
    )
    session, row = measure_case(case, image, storage, samples)
    return tidy_row(row, session.environment) | {"axes_assumed": image.axes_assumed}


def measure_case(case: Case, image: Image, storage: Storage, n_samples: int) -> tuple[Session, Row]:
    """Measure one case in this process; a backend that cannot do it gives a row with status "skipped"."""
    session = Session(case, image, storage)
    try:
        row = session.start()
    except (UnsupportedError, MissingDependencyError) as error:
        return session, session.empty_row("skipped", str(error))
    return session, replace(row, samples=_timed_calls(session, n_samples))


def _timed_calls(session: Session, n_samples: int) -> tuple[Sample, ...]:
    taken: list[Sample] = []
    was_enabled = gc.isenabled()
    for _ in range(n_samples):
        session.prepare()
        gc.collect()
        gc.disable()
        try:
            session.run()
        finally:
            if was_enabled:
                gc.enable()
            sample = session.conclude()
        if sample is not None:
            taken.append(sample)
    return tuple(taken)


def _tuple(values: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if values is None else tuple(int(v) for v in values)
