"""Neuroglancer precomputed: the encodings of a chunk, alone and in shards, against readers that are not tensorstore."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.access import Request
from storebench.backends import StoredAs, WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.errors import DataError, UnsupportedError
from storebench.grid import Layout, Region, Shape
from storebench.levels import build_levels
from storebench.measurement.explained import allowed
from storebench.measurement.prediction import predict_read
from storebench.stores import Location, RequestLog

pytest.importorskip("tensorstore", reason='tensorstore is missing; install with: pip install "storebench[tensorstore]"')

NAME = "precomputed-tensorstore"
SHAPE = (20, 18, 21)
CHUNKS = Layout(chunk_shape=(8, 8, 8))
SHARDS = Layout(chunk_shape=(8, 8, 8), shard_shape=(16, 16, 16))
LOSSLESS = (
    ("png-1", "uint8"),
    ("png-6", "uint16"),
    ("compressed-segmentation", "uint32"),
    ("compressed-segmentation", "uint64"),
)
ENCODED = pytest.mark.parametrize(("codec", "dtype"), [*LOSSLESS, ("jpeg-90", "uint8")])


def _labels(shape: Shape, dtype: str) -> NDArray:
    """Return boxes of labels, large ones too, with a little noise between them."""
    z, y, x = np.ogrid[tuple(map(slice, shape))]
    values = (z // 5 * 7 + y // 6 * 3 + x // 4 + np.random.default_rng(1).integers(0, 2, shape)).astype(dtype)
    return values * np.array(np.iinfo(dtype).max // 100, dtype)


def _request(codec: str, dtype: str, layout: Layout | None = CHUNKS, shape: Shape = SHAPE) -> WriteRequest:
    return WriteRequest(shape=shape, dtype=np.dtype(dtype), axes="zyx", codec=parse_codec(codec), layout=layout)


def _written(folder: Path, request: WriteRequest) -> tuple[Location, StoredAs]:
    location = Location(folder / "image.precomputed")
    levels = build_levels(_labels(request.shape, request.dtype.name), request.level_factors, request.level_method)
    return location, write_array(get_backend(NAME), location, request, levels)


def _close(codec: str, found: NDArray, expected: NDArray) -> None:
    if parse_codec(codec).lossless:
        np.testing.assert_array_equal(found, expected, strict=True)
    else:
        assert np.sqrt(np.mean((found.astype(float) - expected) ** 2)) < 3


@ENCODED
@pytest.mark.parametrize("layout", [CHUNKS, SHARDS, None], ids=["chunks", "shards", "default"])
def test_an_encoding_is_stored_as_asked_on_every_level(
    codec: str, dtype: str, layout: Layout | None, tmp_path: Path
) -> None:
    request = replace(_request(codec, dtype, layout), level_factors=((2, 2, 2),), level_method="mode")
    location, stored = _written(tmp_path, request)
    assert stored.codec == codec
    assert stored.note == ""
    assert stored.level_shapes == request.level_shapes
    kind = json.loads((location.path / "info").read_text())["type"]
    assert kind == ("segmentation" if codec == "compressed-segmentation" else "image")  # how Neuroglancer shows it
    levels = build_levels(_labels(SHAPE, dtype), request.level_factors, "mode")
    with get_backend(NAME).open(location) as reader:
        for level, values in enumerate(levels):
            _close(codec, reader.read(Region.whole(values.shape), level), values)


@ENCODED
@pytest.mark.parametrize("layout", [CHUNKS, SHARDS], ids=["chunks", "shards"])
@pytest.mark.parametrize(
    "region",
    [Region.whole(SHAPE), Region((3, 0, 0), (4, 18, 21)), Region((19, 17, 20), SHAPE)],
    ids=["all", "xy", "voxel"],
)
def test_reads_ask_for_what_geometry_says(
    codec: str, dtype: str, layout: Layout, region: Region, tmp_path: Path
) -> None:
    location, _ = _written(tmp_path, _request(codec, dtype, layout))
    log = RequestLog()
    with get_backend(NAME).open(location.counted(log)) as reader:
        _close(codec, reader.read(region), _labels(SHAPE, dtype)[region.slices])
    predicted = predict_read(NAME, location, [Request(0, region)])
    assert predicted is not None
    if layout is CHUNKS:
        assert (log.count("get"), log.n_bytes("get")) == (predicted.requests, predicted.n_bytes)
        return
    for what, found in (("requests", log.n_requests), ("bytes", log.fetched_bytes)):
        least, most = allowed(NAME, "read", what, predicted)
        assert least <= found <= most


@pytest.mark.parametrize(("codec", "dtype"), [("png-1", "uint8"), ("png-6", "uint16"), ("jpeg-90", "uint8")])
def test_a_chunk_is_a_flat_image_that_others_decode(codec: str, dtype: str, tmp_path: Path) -> None:
    """Planes lie below each other: x wide, y times z high."""
    location, _ = _written(tmp_path, _request(codec, dtype))
    data = (location.path / "1_1_1" / "16-21_8-16_0-8").read_bytes()
    decode = imagecodecs.jpeg8_decode if codec.startswith("jpeg") else imagecodecs.png_decode
    flat = decode(data)
    assert flat.shape == (8 * 8, 5)
    _close(codec, flat.reshape(8, 8, 5), _labels(SHAPE, dtype)[0:8, 8:16, 16:21])


@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
def test_a_chunk_of_labels_is_what_neuroglancer_describes(dtype: str, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _request("compressed-segmentation", dtype))
    words = np.fromfile(location.path / "1_1_1" / "16-21_8-16_8-16", "<u4")
    np.testing.assert_array_equal(_decoded(words, (8, 8, 5), dtype), _labels(SHAPE, dtype)[8:16, 8:16, 16:21])


def _decoded(words: NDArray, shape: Shape, dtype: str) -> NDArray:
    """Return the voxels of a chunk of one channel and one block: `compressed_segmentation/README.md` of Neuroglancer."""
    words = words[int(words[0]) :]  # the channel's own part
    table_at, n_bits, values_at = int(words[0] & 0xFFFFFF), int(words[0] >> 24), int(words[1])
    step = np.dtype(dtype).itemsize // 4
    found = np.empty(shape, dtype)
    for z, y, x in np.ndindex(shape):
        bit = (x + 8 * (y + 8 * z)) * n_bits
        index = int(words[values_at + bit // 32]) >> bit % 32 & ((1 << n_bits) - 1) if n_bits else 0
        at = table_at + index * step
        found[z, y, x] = np.frombuffer(words[at : at + step].tobytes(), f"<u{step * 4}")[0]
    return found


@pytest.mark.parametrize(
    ("codec", "dtype", "chunk", "words"),
    [
        ("png-6", "uint32", (8, 8, 8), "has png-6 for uint8, uint16 only, not for uint32"),
        ("jpeg-90", "uint16", (8, 8, 8), "has jpeg-90 for uint8 only, not for uint16"),
        (
            "compressed-segmentation",
            "uint16",
            (8, 8, 8),
            "for uint32, uint64 only, not for uint16; use none, or gzip-9",
        ),
        ("png-6", "uint8", (1001, 1000, 8), "a PNG image of 8 x 1001000 pixels, and the most is 1000000"),
        ("jpeg-90", "uint8", (1, 8, 65501), "a JPEG image of 65501 x 8 pixels, and the most is 65500"),
        ("compressed-segmentation", "uint64", (192, 192, 192), "may need more than the 64 MiB"),
        ("compressed-segmentation", "uint32", (224, 224, 232), "may need more than the 64 MiB"),
        ("png-6+crc32c", "uint8", (8, 8, 8), "has no checksum"),
    ],
)
def test_what_an_encoding_cannot_hold_is_refused(
    codec: str, dtype: str, chunk: Shape, words: str, tmp_path: Path
) -> None:
    shape = tuple(2 * n for n in chunk)
    request = WriteRequest(
        shape=shape, dtype=np.dtype(dtype), axes="zyx", codec=parse_codec(codec), layout=Layout(chunk_shape=chunk)
    )
    with pytest.raises(UnsupportedError, match=words):
        write_array(get_backend(NAME), Location(tmp_path / "image"), request, ())


@pytest.mark.parametrize(("dtype", "edge"), [("uint32", 216), ("uint64", 184)])
def test_chunks_that_hold_any_labels_are_taken(dtype: str, edge: int) -> None:
    request = _request("compressed-segmentation", dtype, Layout(chunk_shape=(edge,) * 3))
    assert get_backend(NAME).why_unsupported(Location(Path("nowhere")), request) is None


@pytest.mark.parametrize(("codec", "dtype"), LOSSLESS)
@pytest.mark.parametrize("left", [0, 3, 60])
def test_a_cut_off_chunk_is_named(codec: str, dtype: str, left: int, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _request(codec, dtype))
    damaged = location.path / "1_1_1" / "8-16_8-16_8-16"
    damaged.write_bytes(damaged.read_bytes()[:left])
    with get_backend(NAME).open(location) as reader, pytest.raises(DataError, match="restore it from a copy") as caught:
        reader.read(Region.whole(SHAPE))
    assert str(damaged) in str(caught.value)


@pytest.mark.parametrize("left", [0, 3, 60, 360])
def test_a_cut_off_jpeg_is_named(left: int, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _request("jpeg-90", "uint8"))
    damaged = location.path / "1_1_1" / "8-16_8-16_8-16"
    assert damaged.stat().st_size > left
    damaged.write_bytes(damaged.read_bytes()[:left])
    with get_backend(NAME).open(location) as reader, pytest.raises(DataError, match="restore it from a copy") as caught:
        reader.read(Region.whole(SHAPE))
    assert str(damaged) in str(caught.value)


@pytest.mark.parametrize(
    ("codec", "dtype", "change", "note"),
    [
        ("png-1", "uint8", {"sharding": {"data_encoding": "gzip"}}, "encoding on disk: png in gzip"),
        (
            "compressed-segmentation",
            "uint32",
            {"compressed_segmentation_block_size": [8, 8, 4]},
            "encoding on disk: compressed_segmentation in blocks of [8, 8, 4]",
        ),
    ],
)
def test_an_encoding_without_a_neutral_name_is_named(
    codec: str, dtype: str, change: dict[str, object], note: str, tmp_path: Path
) -> None:
    location, _ = _written(tmp_path, _request(codec, dtype, SHARDS))
    info = json.loads((location.path / "info").read_text())
    for name, value in change.items():
        scale = info["scales"][0]
        scale[name] = scale[name] | value if isinstance(value, dict) else value
    (location.path / "info").write_text(json.dumps(info))
    with get_backend(NAME).open(location) as reader:
        stored = reader.stored_as()
    assert (stored.codec, stored.note) == ("?", note)
