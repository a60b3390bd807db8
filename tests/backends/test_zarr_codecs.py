"""Zarr's codecs beyond its own, by zarr-python: names, what plain zarr-python reads, what is refused and why, damage."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from storebench.backends import WriteRequest, get_backend, write_array
from storebench.backends._zarr_codecs import neutral_name, v2_codecs, v3_codecs
from storebench.backends.jxl_imagecodecs import why_not_jxl
from storebench.codecs import EXAMPLES, parse_codec
from storebench.errors import DataError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location
from storebench.zarr_codecs import FILTERS, MORE_KINDS

HAS_V3_IMAGE_CODECS = importlib.util.find_spec("imagecodecs.zarr") is not None
"""imagecodecs has codecs of Zarr v3 since 2026.8, which needs Python 3.12."""
BOTH = pytest.mark.parametrize("name", ["zarr2-zarrpython", "zarr3-zarrpython"])
_MORE = [*EXAMPLES, "jls-error-3+crc32c", "zstd-3-fixedscale-0.3", "zfp-error-0.000001", "pcodec-0", "jxl-distance-0.5"]
CODECS = [
    codec
    for codec in _MORE
    if (kind := parse_codec(codec).kind) in MORE_KINDS or (kind == "zstd" and parse_codec(codec).filter in FILTERS)
    if (kind != "jp2" or codec == "jp2-lossless") and (kind not in ("jls", "sz3") or codec.endswith("+crc32c"))
]


def _dtype(codec: str) -> np.dtype:
    lossy_floats = parse_codec(codec).filter in ("bitround", "fixedscale")
    return np.dtype("float32" if lossy_floats or parse_codec(codec).kind in ("zfp", "sz3") else "uint16")


def _values(codec: str, shape: Shape = (4, 24, 20)) -> NDArray:
    rng = np.random.default_rng(3)
    return (np.cumsum(rng.normal(0, 20, shape), axis=-1) + 1000).clip(0, 4000).astype(_dtype(codec))


def _request(name: str, codec: str, values: NDArray, layout: Layout | None = None) -> WriteRequest:
    chunk = Layout(chunk_shape=(*(1,) * (values.ndim - 2), *values.shape[-2:]))
    request = WriteRequest(
        shape=values.shape,
        dtype=values.dtype,
        axes="tczyx"[-values.ndim :],
        codec=parse_codec(codec),
        layout=layout or chunk,
    )
    return request


def _why_not(name: str, codec: str, values: NDArray, layout: Layout | None = None) -> str | None:
    return get_backend(name).why_unsupported(Location(Path("x.zarr")), _request(name, codec, values, layout))


def _is_taken(name: str, codec: str) -> bool:
    if why_not_jxl(name, _request(name, codec, _values(codec))) is not None:
        return False  # of older versions of libjxl
    made_by_imagecodecs = parse_codec(codec).kind not in ("zstd", "pcodec", "zfp")
    return HAS_V3_IMAGE_CODECS or name.startswith("zarr2") or not made_by_imagecodecs


def test_there_are_such_codecs() -> None:
    assert {parse_codec(codec).kind for codec in CODECS} == {*MORE_KINDS, "zstd"}


@BOTH
@pytest.mark.parametrize("codec", [*CODECS, "pcodec-8+crc32c", "zstd-3-delta+crc32c", "jxl-lossless-3+crc32c"])
def test_what_is_stored_has_the_name_that_was_asked_for(name: str, codec: str, tmp_path: Path) -> None:
    values, location = _values(codec), Location(tmp_path / "image.zarr")
    why = _why_not(name, codec, values)
    if not _is_taken(name, codec):
        assert re.search("Python 3.12|libjxl", str(why))
        return
    assert why is None
    stored = write_array(get_backend(name), location, _request(name, codec, values), (values,))
    assert stored.codec == codec
    assert stored.note == ""


@BOTH
def test_plain_zarr_python_reads_them_all(name: str, tmp_path: Path) -> None:
    """In a process that knows nothing of storebench: the entry points of the codecs' distributions are enough."""
    taken = [codec for codec in CODECS if _is_taken(name, codec)]
    for codec in taken:
        values = _values(codec)
        write_array(get_backend(name), Location(tmp_path / codec), _request(name, codec, values), (values,))
        with get_backend(name).open(Location(tmp_path / codec)) as reader:
            np.save(tmp_path / f"{codec}.npy", reader.read(Region.whole(values.shape)))
    code = (
        "import sys, numpy, zarr, warnings\n"
        "warnings.simplefilter('ignore')\n"  # zarr 3.1 warns of each codec that Zarr's specification does not have
        "for path in sys.argv[1:]:\n"
        "    assert numpy.array_equal(zarr.open_array(path, mode='r')[...], numpy.load(path + '.npy')), path\n"
        "assert 'storebench' not in sys.modules\n"
    )
    paths = [str(tmp_path / codec) for codec in taken]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("codec", CODECS)
def test_inside_of_shards(codec: str, tmp_path: Path) -> None:
    values, layout = _values(codec), Layout(chunk_shape=(1, 12, 10), shard_shape=(2, 24, 20))
    if not _is_taken("zarr3-zarrpython", codec):
        assert re.search("Python 3.12|libjxl", str(_why_not("zarr3-zarrpython", codec, values, layout)))
        return
    request = _request("zarr3-zarrpython", codec, values, layout)
    stored = write_array(get_backend("zarr3-zarrpython"), Location(tmp_path / "image.zarr"), request, (values,))
    assert (stored.codec, stored.layout) == (codec, layout)


def test_what_storebench_never_writes_has_no_neutral_name() -> None:
    def named(**config: object) -> str:
        metadata = {"zarr_format": 2, "filters": config.pop("filters", None), "compressor": config or None}
        return neutral_name(metadata, np.dtype("float32"))[0]

    zstd = {"id": "zstd", "level": 3}
    assert named(id="pcodec", level=8) == "pcodec-8"
    assert named(id="pcodec", level=8, delta_spec="no_op") == "?"
    assert named(id="zfpy", mode=4, tolerance=0.5) == "zfp-error-0.5"
    assert named(id="zfpy", mode=2, rate=8) == "?"
    assert named(id="imagecodecs_sz3", mode="rel", abs=0.0, rel=0.1) == "?"
    assert named(id="imagecodecs_jpegxl", lossless=True, effort=3, planar=True) == "?"
    assert named(id="imagecodecs_jpeg2k", level=60, reversible=True) == "?"
    assert named(filters=[{"id": "shuffle", "elementsize": 4}], **zstd) == "zstd-3-shuffle"
    assert named(filters=[{"id": "shuffle", "elementsize": 2}], **zstd) == "?"
    assert named(filters=[{"id": "delta", "dtype": "<f4", "astype": "<f2"}], **zstd) == "?"
    assert named(filters=[{"id": "shuffle", "elementsize": 4}], id="gzip", level=3) == "?"
    assert named(filters=[{"id": "shuffle", "elementsize": 4}]) == "?"
    fixed = {"id": "fixedscaleoffset", "scale": 50.0, "offset": 0, "dtype": "<f4"}
    assert named(filters=[fixed | {"astype": "<f4"}], **zstd) == "zstd-3-fixedscale-0.01"
    assert named(filters=[fixed | {"astype": "<i2"}], **zstd) == "?"


def test_a_mode_is_zfpys_own() -> None:
    zfpy = pytest.importorskip("zfpy")
    (made,) = v2_codecs(parse_codec("zfp-lossless"), np.dtype("float32"), (4, 4))
    assert made.mode == zfpy.mode_fixed_accuracy


def test_both_versions_have_the_same_settings() -> None:
    for codec in CODECS:
        if not _is_taken("zarr3-zarrpython", codec):
            continue
        parsed, dtype = parse_codec(codec), _dtype(codec)
        v3 = v3_codecs(parsed, dtype)
        dicts = [step for steps in v3.values() for step in (steps if isinstance(steps, list) else [steps])]
        asked = next(step["configuration"] for step in dicts if isinstance(step, dict))
        config = v2_codecs(parsed, dtype, (1, 24, 20))[0].get_config()
        assert {key: config[key] for key in asked} == asked


# refusals


@BOTH
@pytest.mark.parametrize(
    ("codec", "dtype", "words"),
    [
        ("pcodec-8", "uint8", "has pcodec for int16"),
        ("zfp-error-1", "int32", "has zfp for float32, float64"),
        ("zfp-lossless", "float16", "has zfp for"),
        ("sz3-error-1", "uint16", "has sz3 for"),
        ("sz3-error-1", "float32", "ends the whole process (SZ3 3.3.2); use sz3-error-1+crc32c"),
        ("zstd-3-delta", "float32", "one NaN"),
        ("zstd-3-delta", "bool", "of bool they come back wrong"),
        ("zstd-3-bitround-10", "uint16", "has the filter bitround for"),
        ("zstd-3-bitround-24", "float32", "23 bits of mantissa"),
        ("zstd-3-bitround-11", "float16", "10 bits of mantissa"),
        ("zstd-3-fixedscale-0.01", "float16", "has the filter fixedscale for"),
        ("jp2-lossless", "uint32", "has jp2 for uint8, uint16"),
        ("jp2-ratio-2", "uint16", "without loss and without layers"),
        ("jls-error-200", "uint8", "at most 127"),
        ("jls-error-300", "uint16", "at most 255"),
        ("jls-lossless", "uint16", "can keep its reader busy for ever (CharLS 2.4); use jls-lossless+crc32c"),
        ("lerc-lossless", "float16", "has lerc for"),
        ("jxr-lossless", "uint16", "has no codec jxr-lossless"),
        ("deflate-4-shuffle", "uint16", "has no codec deflate-4-shuffle"),
    ],
)
def test_what_would_come_back_otherwise_is_refused(name: str, codec: str, dtype: str, words: str) -> None:
    if not _is_taken(name, codec) and parse_codec(codec).kind in MORE_KINDS:
        words = "Python 3.12"
    assert words in str(_why_not(name, codec, np.zeros((1, 24, 20), dtype)))


def test_image_codecs_take_one_plane_a_chunk() -> None:
    volume = np.zeros((8, 24, 20), np.uint16)
    for codec in ("htj2k-lossless", "jp2-lossless", "jxl-lossless-3", "jls-lossless+crc32c", "lerc-lossless"):
        why = _why_not("zarr2-zarrpython", codec, volume, Layout(chunk_shape=(2, 24, 20)))
        assert "one plane each" in str(why)
        request = WriteRequest(shape=volume.shape, dtype=volume.dtype, axes="zyx", codec=parse_codec(codec))
        assert "not (8, 24, 20)" in str(get_backend("zarr2-zarrpython").why_unsupported(Location(Path("x")), request))
    thin = _why_not("zarr2-zarrpython", "htj2k-lossless", volume, Layout(chunk_shape=(1, 24, 1)))
    assert "one voxel high or wide" in str(thin)


def test_zfp_takes_four_axes() -> None:
    values = np.zeros((2, 2, 2, 8, 8), np.float32)
    assert "up to 4 axes" in str(_why_not("zarr3-zarrpython", "zfp-lossless", values))
    assert _why_not("zarr3-zarrpython", "pcodec-8", values) is None


# why: what the libraries do where storebench refuses


def test_differences_of_bool_come_back_wrong_in_numcodecs() -> None:
    mask = np.array([True, False, True, True])
    delta = numcodecs.Delta(dtype="bool")
    assert delta.decode(delta.encode(mask)).tolist() == [True, True, True, True]


def test_one_nan_takes_all_behind_it_along_in_numcodecs() -> None:
    values = np.linspace(0, 1, 1000, dtype=np.float32)
    values[10] = np.nan
    delta = numcodecs.Delta(dtype="float32")
    assert np.isnan(delta.decode(delta.encode(values))).sum() == 990


def test_whole_steps_that_do_not_fit_come_back_as_others_in_numcodecs() -> None:
    fixed = numcodecs.FixedScaleOffset(offset=0, scale=50, dtype="float32", astype="int16")
    assert fixed.decode(fixed.encode(np.array([700], np.float32))) == pytest.approx(-610.72)
    (ours,) = v2_codecs(parse_codec("zstd-3-fixedscale-0.01"), np.dtype("float32"), None)[:1]
    found = ours.decode(ours.encode(np.array([700, np.nan, np.inf, -3e30], np.float32)))
    np.testing.assert_allclose(found, [700, np.nan, np.inf, -3e30], rtol=1e-6)


# damage


def _written(name: str, codec: str, folder: Path) -> tuple[Location, Path]:
    values, location = _values(codec), Location(folder / "image.zarr")
    write_array(get_backend(name), location, _request(name, codec, values), (values,))
    return location, location.path / ("1.0.0" if name.startswith("zarr2") else "c/1/0/0")


@BOTH
@pytest.mark.parametrize("share", [0, 0.3, 0.9])
@pytest.mark.parametrize("codec", [codec for codec in CODECS if "zfp" not in codec])
def test_a_cut_off_chunk_is_named(name: str, codec: str, share: float, tmp_path: Path) -> None:
    if not _is_taken(name, codec):
        return
    location, chunk = _written(name, codec, tmp_path)
    data = chunk.read_bytes()
    chunk.write_bytes(data[: int(len(data) * share)])
    with get_backend(name).open(location) as reader:
        if codec == "htj2k-lossless" and share:  # without its end it is decoded to other voxels, so it is looked at
            call = reader.stored_as
        else:
            call = functools.partial(reader.read, Region.whole((4, 24, 20)))
        with pytest.raises(DataError, match="restore it from a copy") as caught:
            call()
    assert str(chunk) in str(caught.value)


@pytest.mark.xfail(
    strict=True, reason="zfp's stream has no end: what is missing is decoded as if it were 0; add +crc32c"
)
@BOTH
def test_a_cut_off_chunk_of_zfp_is_noticed(name: str, tmp_path: Path) -> None:
    location, chunk = _written(name, "zfp-lossless", tmp_path)
    chunk.write_bytes(chunk.read_bytes()[:-40])
    with get_backend(name).open(location) as reader, pytest.raises(DataError):
        reader.read(Region.whole((4, 24, 20)))


@BOTH
def test_a_checksum_finds_it(name: str, tmp_path: Path) -> None:
    location, chunk = _written(name, "zfp-lossless+crc32c", tmp_path)
    chunk.write_bytes(chunk.read_bytes()[:-40])
    with get_backend(name).open(location) as reader, pytest.raises(DataError, match="restore it from a copy"):
        reader.read(Region.whole((4, 24, 20)))


def test_a_library_without_the_codec_names_it(tmp_path: Path) -> None:
    for name in ("zarr2", "zarr3"):
        reader = get_backend(f"{name}-tensorstore")
        if reader.why_unavailable() is not None:
            pytest.skip(str(reader.why_unavailable()))
        for codec in ("pcodec-8", "zstd-3-delta", "zfp-error-0.01"):
            folder = tmp_path / name / codec
            location, _ = _written(f"{name}-zarrpython", codec, folder)
            with pytest.raises(DataError, match=rf"tensorstore has no codec {codec} of Zarr v") as caught:
                with reader.open(location):
                    pass
            assert str(location.path) in str(caught.value)


def test_metadata_of_version_2_are_numcodecs_own(tmp_path: Path) -> None:
    location, _ = _written("zarr2-zarrpython", "zstd-3-delta", tmp_path)
    metadata = json.loads((location.path / ".zarray").read_text())
    assert metadata["filters"] == [{"id": "delta", "dtype": "<u2", "astype": "<u2"}]
    assert zarr.open_array(str(location.path), mode="r").filters[0] == numcodecs.Delta("<u2")
