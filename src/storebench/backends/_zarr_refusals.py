"""What zarr-python's further codecs cannot do, or do wrongly without an error: sentences for refusals, each found by trying."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import numpy as np

from storebench.backends._backend import WriteRequest
from storebench.backends._refusals import missing_distributions
from storebench.backends.jxl_imagecodecs import why_not_jxl
from storebench.grid import Shape
from storebench.zarr_codecs import FILTERS, ArrayCodec, array_codec

_JLS_MOST_ERROR: Final = {"uint8": 127, "uint16": 255}
"""Largest error that JPEG-LS can be told: half of the largest value, and what a byte holds."""

_missing = functools.cache(missing_distributions)


def why_not_more(name: str, request: WriteRequest, *, zarr_format: int, chunk_shape: Callable[[], Shape]) -> str | None:
    """Return the sentence for what these codecs cannot do, or None; also None for a codec that is none of them.

    Parameters
    ----------
    name : str
        The backend's name.
    request : WriteRequest
        What is asked.
    zarr_format : int
        2 or 3.
    chunk_shape : callable
        Tells the chunk shape, also where zarr is to choose it.
    """
    codec, dtype = request.codec, request.dtype
    if codec.filter is not None:
        filtered = FILTERS[codec.filter]
        if dtype.name not in filtered.dtypes.split():
            return f"{name} has the filter {codec.filter} for {_listed(filtered.dtypes)}, not for {dtype.name}: {filtered.why}"
        if codec.keep_bits is not None and codec.keep_bits > np.finfo(dtype).nmant:
            return (
                f"{dtype.name} has {np.finfo(dtype).nmant} bits of mantissa, {codec.name} asks to keep more; keep fewer"
            )
        return None
    made_by = array_codec(codec)
    return None if made_by is None else _why_not_array_codec(name, request, made_by, zarr_format, chunk_shape)


def _why_not_array_codec(  # noqa: PLR0911 (one line per reason)
    name: str, request: WriteRequest, made_by: ArrayCodec, zarr_format: int, chunk_shape: Callable[[], Shape]
) -> str | None:
    codec, dtype = request.codec, request.dtype
    missing = _missing((made_by.distribution_for(zarr_format),), made_by.extra)
    if missing is not None:
        also = "; imagecodecs has no codecs of Zarr v3 before Python 3.12: zarr2-zarrpython has them of v2"
        return f"{name} has no {codec.kind} here: {missing}{also if missing.startswith('imagecodecs-zarr') else ''}"
    if codec.ratio is not None or codec.psnr_db is not None or codec.layer_ratios:
        return f"{name} has JPEG 2000 without loss and without layers only, not {codec.name}; use jp2-lossless"
    if dtype.name not in made_by.dtypes.split():
        return f"{name} has {codec.kind} for {_listed(made_by.dtypes)}, not for {dtype.name}; use zstd-3-shuffle"
    if codec.kind == "jls" and (codec.max_error or 0) > _JLS_MOST_ERROR[dtype.name]:
        return f"JPEG-LS of {dtype.name} takes an error of at most {_JLS_MOST_ERROR[dtype.name]}, not {codec.name}"
    unsafe = why_not_jxl(name, request)
    if unsafe is not None:
        return unsafe
    if made_by.danger and not codec.crc32c:
        return f"a chunk of {codec.name} that is cut off {made_by.danger}; use {codec.name}+crc32c"
    if len(request.shape) > made_by.most_axes:
        return f"{codec.kind} takes chunks of up to {made_by.most_axes} axes, these have {len(request.shape)}; use pcodec-8"
    if codec.kind == "sz3" and zarr_format == 2 and request.layout is None:
        return f"{name} keeps the chunk's shape among the settings of {codec.name}, so it has to be given"
    if not made_by.planes:
        return None
    chunk = chunk_shape()
    if any(n != 1 for n in chunk[:-2]):
        what = "an image codec takes a third axis for colours, or gives it back wrong without an error"
        return f"{codec.name} takes chunks of one plane each, as (1, 256, 256), not {chunk}: {what}"
    if codec.kind == "htj2k" and 1 in chunk[-2:]:
        return f"{codec.name} writes wrong voxels where chunks are one voxel high or wide, as {chunk}; choose others"
    return None


def _listed(dtypes: str) -> str:
    return ", ".join(dtypes.split())
