"""Why a backend cannot do what is asked: sentences that several backends say, in one place."""

from __future__ import annotations

import importlib.metadata
import itertools
from collections.abc import Collection, Sequence
from typing import Final

from storebench.backends._backend import Backend, OwnFsync, WriteRequest
from storebench.codecs import LIST_COMMAND, examples_of
from storebench.errors import UnsupportedError, UsageError
from storebench.grid import Region

_IN_PARTS: Final = "use a format that takes regions: zarr3-zarrpython, hdf5-h5py, npy-numpy"


def missing_distributions(distributions: Collection[str], extra: str | None) -> str | None:
    """Return None where all distributions are installed, else a sentence with the command that installs them."""
    missing = []
    for name in distributions:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if not missing:
        return None
    what = f'"storebench[{extra}]"' if extra else " ".join(missing)
    return f"{', '.join(missing)} not installed; install with: pip install {what}"


def refusal(  # noqa: PLR0911 (one line per reason)
    backend: Backend,
    request: WriteRequest,
    *,
    n_axes: range,
    dtypes: str | None = None,
    kinds: Collection[str],
    filters: Collection[str] = (),
    levels: bool = False,
    shards: bool = False,
) -> str | None:
    """Return the sentence for what a format can never hold, or None.

    Parameters
    ----------
    backend : Backend
        Who refuses.
    request : WriteRequest
        What is asked.
    n_axes : range
        Numbers of axes that the format holds.
    dtypes : str, optional
        numpy's names of the dtypes that it holds, separated by blanks; None: all that storebench makes.
    kinds : collection of str
        Codec families that it holds.
    filters : collection of str
        What it can do before compression (`Codec.filter`).
    levels, shards : bool
        Whether it holds several resolution levels, and shards.
    """
    name, ndim = backend.name, len(request.shape)
    if ndim not in n_axes:
        hold = f"{n_axes[0]}" if len(n_axes) == 1 else f"{n_axes[0]} to {n_axes[-1]}"
        advice = (
            "; store the volume as a stack (tiffstack-…, pngstack-…, jp2stack-…) or one plane of it" if ndim > 2 else ""
        )
        return f"{name} holds images of {hold} axes, this one has {ndim} ({request.axes}){advice}"
    if dtypes is not None and request.dtype.name not in dtypes.split():
        return f"{name} cannot hold {request.dtype.name}; it holds {', '.join(dtypes.split())}"
    if request.codec.filter is not None and request.codec.filter not in filters:
        return f"{name} has no filter {request.codec.filter}; take a codec without it: storebench list codecs"
    if request.codec.kind not in kinds:
        return f"{name} has no codec {request.codec.name}; it has {', '.join(examples_of(kinds))} and the like: {LIST_COMMAND}"
    if request.level_factors and not levels:
        return f"{name} holds one resolution level; use omezarr-0.5-zarrpython or omezarr-0.4-zarrpython for several"
    for fine, coarse in itertools.pairwise(((1,) * ndim, *request.level_factors)):
        if fine == coarse or any(a > b for a, b in zip(fine, coarse, strict=True)):
            return f"{name} orders levels from fine to coarse; level factors {coarse} do not follow {fine}"
    layout = request.layout
    if layout is not None and layout.shard_shape is not None and not shards:
        return f"{name} has no shards; leave them out or use zarr3-zarrpython or omezarr-0.5-zarrpython"
    if layout is not None and len(layout.chunk_shape) != ndim:
        return f"chunk shape {layout.chunk_shape} has {len(layout.chunk_shape)} axes, the image has {ndim} ({request.axes})"
    return None


def no_reopening(backend: Backend) -> UnsupportedError:
    """Return the error for a format that is written once."""
    return UnsupportedError(
        f"{backend.name} writes an image once and changes nothing in it; write it anew, or {_IN_PARTS}"
    )


def why_not_in_parts(backend: Backend, request: WriteRequest, parts: Sequence[Region]) -> str | None:
    """Return None where a writer takes these regions of level 0 one after the other, else a sentence.

    Parameters
    ----------
    backend : Backend
        Who writes.
    request : WriteRequest
        What is stored; its stack axis is the one along which planes are whole.
    parts : sequence of Region
        In order.
    """
    order, axis = backend.write_order(request), request.stack_axis
    if order == "any" or list(parts) == [Region.whole(request.shape)]:
        return None
    if order == "whole":
        return f"{backend.name} takes an image in one piece, not in {len(parts)}; {_IN_PARTS}"
    cut = [i for part in parts for i, n in enumerate(request.shape) if i != axis and part.shape[i] != n]
    if cut:
        along, name = request.axes[axis], request.axes[cut[0]]
        return f"{backend.name} takes whole planes along {along}, and these regions are cut along {name}; {_IN_PARTS}"
    return None


def why_no_own_fsync(backend: Backend) -> str | None:
    """Return None where a backend's library can wait for the device by itself, else the sentence."""
    if isinstance(backend, OwnFsync):
        return None
    return (
        f"{backend.library} has no fsync of its own that {backend.name} could switch on; "
        "use durability durable, where storebench has the file system synced after the call"
    )


def check_thread_limit(threads: int) -> None:
    """Refuse a number of threads that nothing can work with.

    Raises
    ------
    UsageError
        If it is less than 1.
    """
    if threads < 1:
        raise UsageError(f"a library needs at least 1 thread, not {threads}; use --threads 1 or more")
