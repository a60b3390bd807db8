"""What is asked of every backend: generated requests, and images whose voxels hold their own flat index."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray

from storebench.backends import BACKENDS, Backend, WriteRequest
from storebench.codecs import EXAMPLES, parse_codec
from storebench.grid import Layout, Region, Shape, iter_blocks
from storebench.levels import build_levels
from storebench.stores import Location

AXES = ("yx", "zyx", "czyx", "tczyx")
DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int64", "uint64", "float16", "float32", "float64")
CODECS = (*EXAMPLES, "blosc-lz4-5-bitshuffle+crc32c", "gzip-0", "zstd-22", "jp2-ratio-1")
_FIXED_SHAPES = {"yx": (20, 33), "zyx": (3, 20, 33), "czyx": (2, 3, 17, 18), "tczyx": (2, 1, 2, 17, 3)}
_NOWHERE = Location(Path("nowhere"))


def own_index(shape: Shape, dtype: np.dtype) -> NDArray:
    """Return an image whose voxels hold their own flat index, as far as the dtype counts."""
    index = np.arange(np.prod(shape)).reshape(shape)
    if dtype.kind == "b":
        return index % 3 == 0
    if dtype.kind == "f":
        index = index % 2048  # exact in a float16
    return index.astype(dtype)


def images(request: WriteRequest) -> tuple[NDArray, ...]:
    """Return the levels of an image that fits a request."""
    return build_levels(own_index(request.shape, request.dtype), request.level_factors)


def _layouts(shape: Shape) -> Iterator[Layout | None]:
    """Yield the library's choice, tiles as of TIFF, odd chunks, shards, a chunk larger than the image, tiles of volumes."""
    leading = len(shape) - 2
    yield None
    yield Layout(chunk_shape=(1,) * leading + (16, 16))
    yield Layout(chunk_shape=(2,) * leading + (5, 7))
    yield Layout(chunk_shape=(1,) * leading + (5, 7), shard_shape=(2,) * leading + (10, 7))
    yield Layout(chunk_shape=tuple(n + 2 for n in shape))
    yield Layout(chunk_shape=(*((1,) * (leading - 1) + (2,) * leading)[:leading], 16, 16))


@functools.cache
def fixed_requests(dtypes: tuple[str, ...] = DTYPES) -> tuple[WriteRequest, ...]:
    """Return every combination of dtype, axes, codec, layout and levels, of one shape per axes: made once for all backends."""
    return tuple(_fixed_requests(dtypes))


def _fixed_requests(dtypes: tuple[str, ...]) -> Iterator[WriteRequest]:
    for axes, codec, dtype in itertools.product(AXES, CODECS, dtypes):
        shape = _FIXED_SHAPES[axes]
        two_levels = ((1,) * (len(shape) - 2) + (2, 2),)
        for layout, factors in itertools.product(_layouts(shape), ((), two_levels)):
            yield WriteRequest(
                shape=shape,
                dtype=np.dtype(dtype),
                axes=axes,
                codec=parse_codec(codec),
                layout=layout,
                level_factors=factors,
            )


def _takes(backend: Backend, request: WriteRequest) -> bool:
    return backend.why_unsupported(_NOWHERE, request) is None


@functools.cache
def _shuffled() -> tuple[WriteRequest, ...]:
    return tuple(random.Random(7).sample(fixed_requests(), len(fixed_requests())))


@functools.cache
def _supply(backend: Backend, lossless: bool | None) -> tuple[list[WriteRequest], Iterator[WriteRequest]]:
    """Return what was found so far, and what finds more: of 30,000 requests most are never asked for."""
    fitting = (request for request in _shuffled() if lossless in (None, request.codec.lossless))
    return [], (request for request in fitting if _takes(backend, request))


def some_accepted(backend: Backend, n: int, *, lossless: bool | None = None) -> list[WriteRequest]:
    """Return up to `n` of the fixed requests that a backend says it can store, spread by a fixed seed."""
    found, more = _supply(backend, lossless)
    found += itertools.islice(more, max(0, n - len(found)))
    return found[:n]


@functools.cache
def _by_codec() -> dict[str, list[WriteRequest]]:
    found: dict[str, list[WriteRequest]] = {}
    for request in fixed_requests():
        found.setdefault(request.codec.name, []).append(request)
    return found


def accepts(backend: Backend, codec: str, dtype: str | None = None) -> bool:
    """Tell whether a backend says it can store any of the fixed requests of a codec, and of a dtype."""
    return any(_takes(backend, request) for request in _by_codec()[codec] if dtype in (None, request.dtype.name))


def pieces(backend: Backend, request: WriteRequest, thickness: int) -> list[Region]:
    """Return regions that the backend takes without hidden buffering, in order; "any" gets pieces that fit no chunk."""
    order = backend.write_order(request)
    if order == "any":
        return list(iter_blocks(request.shape, tuple(max(1, n - thickness) for n in request.shape)))
    if order == "planes":
        block = tuple(thickness if axis == request.stack_axis else n for axis, n in enumerate(request.shape))
        return list(iter_blocks(request.shape, block))
    return [Region.whole(request.shape)]


@functools.cache
def streamed_request(name: str) -> WriteRequest | None:
    """Return the first volume of one level that a backend takes in parts; None where it takes none."""
    backend = BACKENDS[name]
    for request in fixed_requests(dtypes=("uint16",)):
        if request.axes != "zyx" or request.level_factors or not request.codec.lossless:
            continue
        if _takes(backend, request) and backend.write_order(request) != "whole":
            return request
    return None


@functools.cache
def _choices(backend: Backend) -> tuple[tuple[str, str, str, int], ...]:
    """Return the lossless (axes, dtype, codec, kind of layout) that a backend takes, at least for the fixed shapes."""
    found = {
        (r.axes, r.dtype.name, r.codec.name, kind)
        for r in fixed_requests()
        if r.codec.lossless and _takes(backend, r)
        for kind, layout in enumerate(_layouts(r.shape))
        if layout == r.layout
    }
    return tuple(sorted(found))


def _extent(kind: int, axis_from_last: int) -> st.SearchStrategy[int]:
    largest = 40 if kind in (0, 1, 5) and axis_from_last < 2 else 4 if kind in (1, 5) else 7
    return st.one_of(st.just(1), st.integers(1, largest), *([st.sampled_from((3, 4))] if axis_from_last == 0 else []))


def _chunk_extent(kind: int, axis_from_last: int) -> st.SearchStrategy[int]:
    if kind in (1, 5):
        deep = kind == 5 and axis_from_last == 2
        return st.sampled_from((16, 32)) if axis_from_last < 2 else st.integers(1, 3) if deep else st.just(1)
    return st.integers(1, 9)


@st.composite
def lossless_requests(draw: st.DrawFn, backend: Backend) -> WriteRequest:
    """Draw a request that the backend takes: axes, shape, dtype, codec, chunks and shards of its own choice."""
    axes_seen = sorted({choice[0] for choice in _choices(backend)})
    axes = draw(st.sampled_from(axes_seen))
    kinds = sorted({choice[3] for choice in _choices(backend) if choice[0] == axes})
    kind = draw(st.sampled_from(kinds))
    rest = [(d, c) for a, d, c, k in _choices(backend) if a == axes and k == kind]
    dtype, codec = draw(st.sampled_from(rest))
    from_last = range(len(axes))[::-1]
    shape = tuple(draw(_extent(kind, i)) for i in from_last)
    layout = None
    if kind:
        chunk = tuple(draw(_chunk_extent(kind, i)) for i in from_last)
        times = tuple(draw(st.integers(1, 3)) for _ in axes) if kind == 3 else None
        shard = times and tuple(c * t for c, t in zip(chunk, times, strict=True))
        layout = Layout(chunk_shape=chunk, shard_shape=shard)
    request = WriteRequest(
        shape=shape,
        dtype=np.dtype(dtype),
        axes=axes,
        codec=parse_codec(codec),
        layout=layout,
        stack_axis=draw(st.integers(0, len(axes) - 1)),
    )
    assume(backend.why_unsupported(_NOWHERE, request) is None)
    return request


@st.composite
def regions(draw: st.DrawFn, shape: Shape) -> Region:
    """Draw a box inside an image of `shape`."""
    start = tuple(draw(st.integers(0, n - 1)) for n in shape)
    return Region(start, tuple(draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)))


def noise(shape: Shape, dtype: str = "uint16") -> NDArray:
    """Return voxels of about 200 values, the same for each call."""
    return np.random.default_rng(5).integers(0, 200, shape).astype(dtype)


def layout_request(shape: Shape, codec: str, layout: Layout, dtype: str = "uint16") -> WriteRequest:
    """Return a request with the usual names for the last axes."""
    return WriteRequest(
        shape=shape, dtype=np.dtype(dtype), axes="tczyx"[-len(shape) :], codec=parse_codec(codec), layout=layout
    )
