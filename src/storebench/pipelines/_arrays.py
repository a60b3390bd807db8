"""Voxels as dask arrays: the work on one block as a small graph.

A block's graph is built when its turn comes and forgotten when it is done, so that the memory of the process that hands
out blocks does not grow with the volume.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.grid import Region, Shape
from storebench.pipelines._volumes import Target, Voxels

if TYPE_CHECKING:
    import dask.array as da

_NAMES: Final = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a finished block says of itself.

    Attributes
    ----------
    index : int
        Of the block.
    value : object
        The work's result: small.
    process : str
        Who did it: host and process number.
    peak_bytes : int or None
        The most memory that this process has held so far; None where the system does not tell.
    """

    index: int
    value: Any
    process: str
    peak_bytes: int | None


def peak_bytes() -> int | None:
    """Return the most resident memory that this process has had, bytes (VmHWM); None where the system does not tell."""
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE) if status.exists() else None
    return None if found is None else int(found[1]) * 1024


def process_name() -> str:
    """Return host and number of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def region_array(voxels: Voxels, region: Region, piece: Shape | None = None) -> da.Array:
    """Return a region as a dask array that is read when it is computed.

    Parameters
    ----------
    voxels : Voxels
        Where it is read.
    region : Region
        Which voxels.
    piece : tuple of int, optional
        Read in pieces of this shape, each a task of its own, then put together; None: at once.
    """
    import dask.array as da

    pieces = da.core.normalize_chunks(region.shape if piece is None else piece, region.shape)
    array = da.map_blocks(
        functools.partial(_read_piece, voxels, region.start),
        name=_name("read"),
        chunks=pieces,
        dtype=voxels.dtype,
        meta=np.empty((0,) * len(region.shape), voxels.dtype),
    )
    # "tasks": the other way needs the cluster's shuffle, and moves nothing less.
    return array.rechunk(region.shape, method="tasks")


def block_work(index: int, work: Callable[..., Any], *arrays: da.Array) -> da.Array:
    """Return an array of one element: `Done` with what the work makes of the voxels of one block.

    Parameters
    ----------
    index : int
        Of the block.
    work : callable
        Takes one array of voxels per array.
    *arrays : dask.array.Array
        Of one chunk each.
    """
    import dask.array as da

    ndim = arrays[0].ndim
    return da.map_blocks(
        functools.partial(_finish, index, work),
        *arrays,
        name=_name("work"),
        chunks=((1,),) * ndim,
        dtype=object,
        meta=np.empty((0,) * ndim, object),
    )


def store_block(target: Target, region: Region, level: int, values: NDArray) -> int:
    """Write one block; return its bytes, uncompressed."""
    target.write(region, values, level)
    return int(values.nbytes)


def _name(what: str) -> str:
    """Return a name that no other array of this process has: dask takes arrays of one name for the same."""
    return f"{what}-storebench-{os.getpid()}-{next(_NAMES)}"


def _read_piece(voxels: Voxels, origin: Shape, block_info: Any = None) -> NDArray:
    bounds = block_info[None]["array-location"]
    start = tuple(o + low for o, (low, _) in zip(origin, bounds, strict=True))
    stop = tuple(o + high for o, (_, high) in zip(origin, bounds, strict=True))
    return voxels.read(Region(start, stop))


def _finish(index: int, work: Callable[..., Any], *values: NDArray) -> NDArray:
    done = Done(index=index, value=work(*values), process=process_name(), peak_bytes=peak_bytes())
    result = np.empty((1,) * values[0].ndim, object)
    result.flat[0] = done
    return result
