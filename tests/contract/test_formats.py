"""Of all backends: lossy codecs keep their bound, and a real volume comes back from each."""

from __future__ import annotations

import math
import uuid
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import BACKENDS, Backend, WriteRequest, get_backend, write_array
from storebench.codecs import EXAMPLES, parse_codec
from storebench.grid import Region
from storebench.stores import Location

from .contract_requests import accepted


def _new_location(folder: Path, backend: Backend) -> Location:
    return Location(folder / f"{uuid.uuid4().hex}{backend.suffix}")


# 7 lossy codecs stay within their bound (lossless ones are compared to the bit wherever anything is written)

_LOSSY = [(b.name, codec) for b in BACKENDS.values() for codec in EXAMPLES if not parse_codec(codec).lossless]
_PSNR_FLOORS_DB = {"jp2-ratio-2": 60.0, "jp2-ratio-10": 30.0}
"""Pinned for the image below, whose noise decides them."""


def _blurred_noise(dtype: np.dtype) -> NDArray:
    """Return a 2-D image like a tomogram's: smooth structure over half of the range, and noise of 1 % of it."""
    y, x = np.mgrid[0:256, 0:256] / 256
    smooth = 0.5 + 0.2 * np.sin(9 * x + 3 * y) + 0.1 * np.cos(25 * y * x)
    noisy = smooth + np.random.default_rng(2).normal(0, 0.01, smooth.shape)
    return np.clip(noisy * np.iinfo(dtype).max, 0, np.iinfo(dtype).max).astype(dtype)


def _psnr_db(found: NDArray, image: NDArray) -> float:
    mse = float(np.mean((found.astype(np.float64) - image) ** 2))
    return math.inf if mse == 0 else 10 * math.log10(np.iinfo(image.dtype).max ** 2 / mse)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("name", "codec_name"), _LOSSY)
def test_a_lossy_codec_keeps_its_bound(name: str, codec_name: str, dtype: str, tmp_path: Path) -> None:
    backend, codec = get_backend(name), parse_codec(codec_name)
    image = _blurred_noise(np.dtype(dtype))
    request = WriteRequest(shape=image.shape, dtype=image.dtype, axes="yx", codec=codec)
    if backend.why_unsupported(Location(tmp_path / "x"), request) is not None:
        image, request = image[None], WriteRequest(shape=(1, *image.shape), dtype=image.dtype, axes="zyx", codec=codec)
    refused = backend.why_unsupported(Location(tmp_path / "x"), request)
    if refused is not None:
        assert codec.name not in {r.codec.name for r in accepted(backend)}, refused  # it has no such codec at all
        return
    location = _new_location(tmp_path, backend)
    write_array(backend, location, request, (image,))
    with backend.open(location) as reader:
        psnr_db = _psnr_db(reader.read(Region.whole(image.shape)), image)
    if codec.ratio is not None:
        assert location.size()[0] <= image.nbytes / codec.ratio * 1.01 + 1024  # the container's boxes come on top
        assert psnr_db >= _PSNR_FLOORS_DB[codec.name]
    if codec.psnr_db is not None:
        assert psnr_db >= codec.psnr_db - 0.5  # rate control stops at whole coding passes


# the published heart volume

_HEART_CODECS = ("zstd-3", "blosc-zstd-1-bitshuffle", "deflate-6", "png-6", "jp2-lossless", "htj2k-lossless", "none")


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
