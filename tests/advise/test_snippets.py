"""Every snippet runs, and stores what it says: layout, codec, levels and values, as the backend itself finds them."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storebench.advise.candidates import Candidate
from storebench.advise.snippets import snippet_of
from storebench.backends import BACKENDS, Backend, WriteRequest, check_stored, get_backend, write_array
from storebench.backends.jp2_glymur import load_glymur
from storebench.codecs import parse_codec
from storebench.grid import Layout, Region, Shape
from storebench.levels import build_levels, level_factors
from storebench.stores import Location

_CODECS = (
    "none",
    "gzip-5",
    "zstd-3",
    "zstd-3+crc32c",
    "blosc-zstd-3-shuffle",
    "blosc-lz4-5-bitshuffle",
    "blosc-zstd-1-bitshuffle",
    "deflate-6",
    "deflate-6-predictor",
    "lzw-predictor",
    "png-6",
    "jp2-lossless",
    "jp2-ratio-2",
    "jp2-layers-20-10-1",
    "htj2k-lossless",
    "jxl-lossless-3",
    "jxl-distance-1",
    "jls-lossless",
    "jls-error-10",
    "jxr-lossless",
    "lerc-lossless",
    "lerc-error-10",
    "pcodec-8",
    "jxl-lossless-1+crc32c",
)
_IMAGES: tuple[tuple[Shape, str], ...] = (
    ((96, 80), "yx"),
    ((96, 96), "yx"),
    ((9, 64, 80), "zyx"),
    ((2, 3, 5, 40, 3), "tczyx"),
)
_LAYOUTS: dict[int, tuple[Layout | None, ...]] = {
    2: (None, Layout(chunk_shape=(32, 32)), Layout(chunk_shape=(24, 80))),
    3: (
        None,
        Layout(chunk_shape=(8, 16, 16)),
        Layout(chunk_shape=(1, 32, 32)),
        Layout(chunk_shape=(1, 7, 80)),
        Layout(chunk_shape=(4, 16, 16), shard_shape=(8, 32, 32)),
    ),
    5: (None, Layout(chunk_shape=(1, 1, 2, 16, 3))),
}


def _cases() -> list[Any]:
    """Every backend on each image: its first codec in every layout, each other codec in its first layout of one image."""
    found, seen = [], set()
    requests = [(axes, [*_requests(shape, axes)]) for shape, axes in _IMAGES]
    for backend, (axes, asked) in itertools.product(BACKENDS.values(), requests):
        takes = [request for request in asked if _is_taken(backend, request)]
        for request in takes:
            first, codec = takes[0], (backend.name, request.codec)
            if request.codec == first.codec or (replace(request, codec=first.codec) == first and codec not in seen):
                seen.add(codec)
                layout = request.layout
                words = [axes, request.codec.name, layout and layout.chunk_shape, layout and layout.shard_shape]
                name = "-".join(
                    map(str, [backend.name, *words, len(request.level_shapes), request.stack_axis])
                ).replace(" ", "")
                found.append(pytest.param(backend.name, request, id=name))
    return found


def _requests(shape: Shape, axes: str) -> Iterator[WriteRequest]:
    for layout, codec, n_levels in itertools.product(_LAYOUTS[len(shape)], _CODECS, (1, 3)):
        for stack_axis in (0, 2) if len(shape) == 3 else (0,):
            yield WriteRequest(
                shape=shape,
                dtype=np.dtype("uint16"),
                axes=axes,
                codec=parse_codec(codec),
                layout=layout,
                level_factors=level_factors(axes, shape, n_levels),
                stack_axis=stack_axis,
            )


def _is_taken(backend: Backend, request: WriteRequest) -> bool:
    if request.stack_axis and "stack" not in backend.name:
        return False
    return backend.why_unsupported(Location(Path(f"image{backend.suffix}")), request) is None


def _candidate(backend: str, request: WriteRequest, **more: str) -> Candidate:
    layout = request.layout
    asked = {
        "shape": request.shape,
        "axes": request.axes,
        "n_levels": 1 + len(request.level_factors),
        "stack_axis": request.stack_axis,
        **more,
    }
    return Candidate(
        name=backend,
        backend=backend,
        library=None,
        codec=request.codec.name,
        chunk_shape=layout and layout.chunk_shape,
        shard_shape=layout and layout.shard_shape,
        extras=(),
        asked=asked,
    )


_ALL = _cases()


def test_every_backend_has_cases() -> None:
    assert {case.values[0] for case in _ALL} == set(BACKENDS)


@pytest.mark.parametrize(("name", "request_"), _ALL)
def test_a_snippet_stores_what_it_says(
    name: str, request_: WriteRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, code = get_backend(name), snippet_of(_candidate(name, request_)).code
    if (why := backend.why_unavailable()) is not None:
        pytest.skip(why)
    assert code is not None
    assert re.findall(r"<<\w+>>", code) == []
    assert max(map(len, code.splitlines())) <= 88
    load_glymur()  # so that a machine without the system's OpenJPEG runs its snippets too
    rng = np.random.default_rng(0)
    image = np.cumsum(rng.integers(0, 9, request_.shape), axis=-1).astype(request_.dtype)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "snippet", "exec"), {"image": image.copy()})  # noqa: S102
    assert len(list(tmp_path.iterdir())) == 1
    location = Location(tmp_path / f"image{backend.suffix}")
    with backend.open(location) as reader:
        check_stored(reader.stored_as(), request_)
        if request_.layout is None and not request_.level_factors:
            assert reader.stored_as() == _stored_by_storebench(name, request_, image, tmp_path)
        values = [reader.read(Region.whole(shape), level) for level, shape in enumerate(request_.level_shapes)]
    if request_.codec.lossless:
        np.testing.assert_array_equal(values[0], image)
    for value, level in zip(values[1:], build_levels(image, request_.level_factors)[1:], strict=True):
        assert (
            np.abs(value.astype(float) - level.astype(float)).max() <= 1
        )  # halves round differently when means are of means


@pytest.mark.parametrize("name", ["ometiff-tifffile", "omezarr-0.5-zarrpython", "precomputed-tensorstore"])
def test_code_that_makes_means_is_not_shown_for_other_levels(name: str) -> None:
    request = replace(next(_requests((9, 64, 80), "zyx")), level_factors=((1, 2, 2),))
    found = snippet_of(_candidate(name, request, level_axes="yx", level_method="mode"))
    assert found.code is None
    assert "no code to show for levels by mode" in found.why_not


def test_gzip_stands_in_neuroglancers_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = WriteRequest(
        shape=(9, 64, 80),
        dtype=np.dtype("uint16"),
        axes="zyx",
        codec=parse_codec("gzip-9"),
        layout=Layout(chunk_shape=(4, 16, 16), shard_shape=(8, 32, 32)),
        level_factors=level_factors("zyx", (9, 64, 80), 3),
    )
    test_a_snippet_stores_what_it_says("precomputed-tensorstore", request, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("codec", "dtype"), [("jpeg-90", "uint8"), ("png-1", "uint8"), ("compressed-segmentation", "uint32")]
)
@pytest.mark.parametrize("shard_shape", [None, (8, 32, 32)])
def test_neuroglancers_encodings_of_a_chunk(
    codec: str, dtype: str, shard_shape: Shape | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = WriteRequest(
        shape=(9, 64, 80),
        dtype=np.dtype(dtype),
        axes="zyx",
        codec=parse_codec(codec),
        layout=Layout(chunk_shape=(4, 16, 16), shard_shape=shard_shape),
    )
    test_a_snippet_stores_what_it_says("precomputed-tensorstore", request, tmp_path, monkeypatch)
    code = snippet_of(_candidate("precomputed-tensorstore", request)).code
    assert ('"type": "segmentation"' in (code or "")) == (codec == "compressed-segmentation")


def test_blosc_of_z5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has one level, which the codecs above do not name together with a filter that it can do."""
    request = WriteRequest(
        shape=(9, 64, 80), dtype=np.dtype("uint16"), axes="zyx", codec=parse_codec("blosc-zstd-5-bitshuffle")
    )
    for name in ("n5-z5py", "n5-tensorstore"):
        folder = tmp_path / name
        folder.mkdir()
        test_a_snippet_stores_what_it_says(name, request, folder, monkeypatch)


def _stored_by_storebench(name: str, request: WriteRequest, image: np.ndarray, folder: Path) -> Any:
    """Return what the backend itself stores."""
    return write_array(get_backend(name), Location(folder / f"own{get_backend(name).suffix}"), request, (image,))


@pytest.mark.parametrize(
    "name", ["ometiff-tifffile", "omezarr-0.5-zarrpython", "omezarr-0.4-tensorstore", "precomputed-tensorstore"]
)
def test_a_volumes_levels_get_smaller_along_the_axes_that_were_asked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request above asks for some: levels are made along all of space there, which OME-TIFF refuses."""
    request = next(_requests((9, 64, 80), "zyx"))
    request = replace(
        request, layout=Layout(chunk_shape=(1, 32, 32)), level_factors=level_factors("zyx", (9, 64, 80), 3, along="yx")
    )
    image = np.random.default_rng(0).integers(0, 9, request.shape).astype("uint16")
    monkeypatch.chdir(tmp_path)
    exec(snippet_of(_candidate(name, request, level_axes="yx")).code or "", {"image": image})  # noqa: S102
    with get_backend(name).open(Location(tmp_path / f"image{get_backend(name).suffix}")) as reader:
        check_stored(reader.stored_as(), request)
        for level, expected in enumerate(build_levels(image, request.level_factors)):
            np.testing.assert_allclose(reader.read(Region.whole(expected.shape), level), expected, atol=1)


@pytest.mark.parametrize(
    ("backend", "codec", "words"),
    [
        ("n5-other", "zstd-3", "does not write that itself"),
        ("jp2-glymur", "jp2-psnr-45", "a loop of storebench"),
        (None, "zstd-3", "no code to show"),
        ("zarr3-zarrpython", None, "not known"),
        ("zarr3-zarrpython", "own-codec-7", "not known"),
        ("hdf5-h5py", "gzip-6", "no code to show for gzip-6 in hdf5-h5py"),
        ("zarr3-zarrpython", "zstd-3-predictor", "no code to show for zstd-3-predictor"),
        ("zarr3-zarrpython", "zstd-3-delta", "no code to show for zstd-3-delta"),
        ("zarr2-tensorstore", "lzw", "no code to show for lzw"),
    ],
)
def test_where_no_snippet_can_be_a_sentence_says_so(backend: str | None, codec: str | None, words: str) -> None:
    asked = {"shape": (64, 64), "axes": "yx", "n_levels": 1, "stack_axis": 0}
    snippet = snippet_of(
        Candidate(
            name=backend or "tool",
            backend=backend,
            library="tool",
            codec=codec,
            chunk_shape=None,
            shard_shape=None,
            extras=(),
            asked=asked,
        )
    )
    assert snippet.code is None
    assert words in (snippet.why_not or "")


def test_names_of_other_tools_never_become_code() -> None:
    asked = {"shape": (64, 64), "axes": 'yx"); boom("', "n_levels": 1, "stack_axis": 0}
    levels = replace(next(_requests((9, 64, 80), "zyx")), level_factors=((1, 2, 2),))
    shown = snippet_of(_candidate("omezarr-0.5-zarrpython", levels, level_axes='y" else boom() if "x')).code or ""
    assert 'if axis in "yx" else 1' in shown
    assert "boom" not in shown
    name = "zarr3-tensorstore\nboom()\r\x0cboom()"
    code = snippet_of(
        Candidate(
            name=name,
            backend=None,
            library=name.partition("-")[2],
            codec="zstd-3",
            chunk_shape=(32, 32),
            shard_shape=None,
            extras=(),
            asked=asked,
        )
    ).code
    assert code is not None
    called = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)]
    assert {node.id for node in called} == {"zarr", "image", "array"}
