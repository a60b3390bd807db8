"""Of all backends: lossy codecs keep their bound, and a real volume comes back from each."""

from __future__ import annotations

import functools
import itertools
import math
import uuid
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import BACKENDS, Backend, WriteRequest, get_backend, write_array
from storebench.codecs import EXAMPLES, Codec, parse_codec
from storebench.datasets.synthetic import FAMILIES, make
from storebench.grid import Layout, Region, Shape
from storebench.measurement.fidelity import error_bound, largest_error, verified
from storebench.stores import Location

from .contract_requests import accepts


def _available(name: str) -> Backend:
    backend = get_backend(name)
    why = backend.why_unavailable()
    if why is not None:
        pytest.skip(why)
    return backend


def _new_location(folder: Path, backend: Backend) -> Location:
    return Location(folder / f"{uuid.uuid4().hex}{backend.suffix}")


# 7 lossy codecs keep what they promise (lossless ones are compared to the bit wherever anything is written)

_LOSSY = [(b.name, codec) for b in BACKENDS.values() for codec in EXAMPLES if not parse_codec(codec).lossless]
_LOSSY_ALONE = [(name, codec) for name, codec in _LOSSY if not BACKENDS[name].format.startswith("ome-zarr")]
"""OME-Zarr holds arrays of Zarr, whose codecs are the same."""
_DTYPES = ("uint8", "uint16", "float32", "float64")
_PSNR_FLOORS_DB = {"jp2-ratio-2": 60.0, "jp2-ratio-10": 30.0}
"""Pinned for the image below, whose noise decides them."""


def _blurred_noise(dtype: np.dtype) -> NDArray:
    """Return a 2-D image like a tomogram's: smooth structure over half of the range, and noise of 1 % of it."""
    y, x = np.mgrid[0:256, 0:256] / 256
    smooth = 0.5 + 0.2 * np.sin(9 * x + 3 * y) + 0.1 * np.cos(25 * y * x)
    noisy = smooth + np.random.default_rng(2).normal(0, 0.01, smooth.shape)
    largest = np.iinfo(dtype).max if dtype.kind == "u" else 1000
    return np.clip(noisy * largest, 0, largest).astype(dtype)


@functools.cache
def _lossy_request(backend: Backend, shape: Shape, dtype: np.dtype, axes: str, codec: Codec) -> WriteRequest | None:
    """Return the request for an image as it is, or in chunks of one plane; None where the backend takes neither."""
    for layout in (None, Layout(chunk_shape=(*(1,) * (len(shape) - 2), *shape[-2:]))):
        request = WriteRequest(shape=shape, dtype=dtype, axes=axes, codec=codec, layout=layout)
        if backend.why_unsupported(Location(Path("x")), request) is None:
            return request
    return None


def _stored_and_decoded(backend: Backend, request: WriteRequest, image: NDArray, folder: Path) -> tuple[NDArray, int]:
    location = _new_location(folder, backend)
    write_array(backend, location, request, (image,))
    with backend.open(location) as reader:
        found = reader.read(Region.whole(image.shape))
    n_bytes = location.size()[0]
    location.delete()
    return found, n_bytes


def _allowed_rmse(codec: Codec, image: NDArray) -> float:
    """Return the largest RMSE that what a codec promises leaves room for; 0 where it promises none."""
    if codec.psnr_db is not None:
        least_db = codec.psnr_db - 0.5  # rate control stops at whole passes
        return float(np.iinfo(image.dtype).max) / 10 ** (least_db / 20)
    return error_bound(codec, image) or 0.0


@functools.cache
def _family_image(family: str, dtype: str) -> NDArray:
    shape = (32, 32) if FAMILIES[family].axes == "yx" else (8, 48, 40)
    image = make(family, shape=shape, dtype=dtype).read(Region.whole(shape))
    image.flags.writeable = False  # it is shared
    return image


@pytest.mark.slow
@pytest.mark.parametrize(("name", "codec_name"), _LOSSY_ALONE)
def test_a_lossy_codec_keeps_its_promise_on_each_family_of_images(name: str, codec_name: str, tmp_path: Path) -> None:
    backend, codec, kept = _available(name), parse_codec(codec_name), []
    for family, dtype in itertools.product(FAMILIES, _DTYPES):
        image, axes = _family_image(family, dtype), FAMILIES[family].axes[-3:]
        request = _lossy_request(backend, image.shape, image.dtype, axes, codec)
        if request is None:  # another number of axes
            image, axes = (image[0].copy(), "yx") if image.ndim > 2 else (image[None], "zyx")
            request = _lossy_request(backend, image.shape, image.dtype, axes, codec)
        if request is not None and codec.ratio is None:  # of noise no ratio leaves a likeness
            found, _ = _stored_and_decoded(backend, request, image, tmp_path)
            allowed = _allowed_rmse(codec, image)
            assert codec.max_error is None or largest_error(found, image) <= allowed, (family, dtype)
            assert codec.psnr_db is None or np.sqrt(np.mean((found - image.astype(float)) ** 2)) <= allowed
            if allowed < image.std() or family == "constant":  # else a promise this loose leaves no likeness
                verified(found, image, codec)
            kept.append(family)
    assert set(kept) in (set(), set(FAMILIES))
    if codec.ratio is None and accepts(backend, codec_name):
        assert kept


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("name", "codec_name"), [pair for pair in _LOSSY if parse_codec(pair[1]).max_error is None])
def test_a_codec_with_an_aim_comes_near_to_it(name: str, codec_name: str, dtype: str, tmp_path: Path) -> None:
    backend, codec = _available(name), parse_codec(codec_name)
    image = _blurred_noise(np.dtype(dtype))
    request = _lossy_request(backend, image.shape, image.dtype, "yx", codec)
    if request is None:
        image = image[None]
        request = _lossy_request(backend, image.shape, image.dtype, "zyx", codec)
    if request is None:
        assert not accepts(backend, codec.name, dtype)
        return
    found, n_bytes = _stored_and_decoded(backend, request, image, tmp_path)
    psnr_db = verified(found, image, codec).psnr_db or math.inf
    if codec.ratio is not None:
        assert n_bytes <= image.nbytes / codec.ratio * 1.01 + 1024  # the container's boxes come on top
        assert psnr_db >= _PSNR_FLOORS_DB[codec.name]
    if codec.psnr_db is not None:
        assert psnr_db >= codec.psnr_db - 0.5  # rate control stops at whole coding passes


# the published heart volume

_HEART_CODECS = (
    "zstd-3",
    "blosc-zstd-1-bitshuffle",
    "deflate-6",
    "png-6",
    "jp2-lossless",
    "htj2k-lossless",
    "jxl-lossless-3",
    "jls-lossless",
    "jxr-lossless",
    "gzip-5",
    "none",
)


def _heart_request(backend: Backend, values: NDArray, axes: str) -> WriteRequest | str:
    """Return the first lossless request that the backend takes, or the sentence for the last that it refused."""
    sentence = ""
    for codec in _HEART_CODECS:
        request = WriteRequest(shape=values.shape, dtype=values.dtype, axes=axes, codec=parse_codec(codec))
        refused = backend.why_unsupported(Location(Path("x")), request)
        if refused is None:
            return request
        sentence = refused
    return sentence


def test_the_heart_comes_back(backend: Backend, heart: NDArray, tmp_path: Path) -> None:
    whole = _heart_request(backend, heart, "zyx")
    if isinstance(whole, str) and "cannot hold uint8" in whole:
        heart = heart.astype(np.uint16)
        whole = _heart_request(backend, heart, "zyx")
    if isinstance(whole, WriteRequest):
        cases = [(whole, heart)]
    else:
        assert "(zyx)" in whole  # says that it is about the axes
        assert "stack" in whole  # and what takes a volume
        middle = [n // 2 for n in heart.shape]
        planes = ((heart[middle[0]], "yx"), (heart[:, middle[1]], "zx"), (heart[:, :, middle[2]], "zy"))
        cases = [(_heart_request(backend, np.ascontiguousarray(plane), axes), plane) for plane, axes in planes]
    for request, values in cases:
        assert isinstance(request, WriteRequest), request
        location = _new_location(tmp_path, backend)
        write_array(backend, location, request, (values,))
        with backend.open(location) as reader:
            np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values, strict=True)
            corner = Region(tuple(n // 2 for n in values.shape), tuple(n // 2 + 9 for n in values.shape))
            np.testing.assert_array_equal(reader.read(corner), values[corner.slices], strict=True)
        location.delete()


def test_a_stack_takes_the_heart_whole() -> None:
    stacks = [b for b in BACKENDS.values() if "stack" in b.name]
    volume = np.zeros((120, 120, 139), np.uint8)
    assert stacks
    for backend in stacks:
        assert isinstance(_heart_request(backend, volume, "zyx"), WriteRequest), backend.name
