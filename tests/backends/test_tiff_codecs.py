"""What is particular to TIFF's compressions: which voxels each takes, what is read back, and readers that are not ours."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from storebench.backends import Backend, StoredAs, WriteRequest, check_stored, get_backend, write_array
from storebench.backends._tiff_codecs import TIFF_CODECS
from storebench.backends._tiff_writer import needs_bigtiff
from storebench.codecs import EXAMPLES, parse_codec
from storebench.errors import DataError, UnsupportedError, VerificationError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location, RequestLog

BACKEND, BY_STORE = get_backend("tiff-tifffile"), get_backend("tiff-tifffilezarr")
NOWHERE = Location(Path("a.tiff"))
FLAT: tuple[Shape | None, ...] = (None, (1, 16, 32), (1, 7, 50), (1, 64, 64))
DEEP: Shape = (4, 16, 32)


def volume(dtype: str, shape: Shape = (6, 40, 50)) -> NDArray:
    """Return noise over the whole range of an integer, over three decades of a float."""
    rng = np.random.default_rng(4)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1000, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def asked(values: NDArray, codec: str, chunk: Shape | None = None) -> WriteRequest:
    """Return a request to store `values`."""
    return WriteRequest(
        shape=values.shape,
        dtype=values.dtype,
        axes="zyx"[-values.ndim :],
        codec=parse_codec(codec),
        layout=None if chunk is None else Layout(chunk_shape=chunk),
    )


def store(folder: Path, values: NDArray, codec: str, chunk: Shape | None = None) -> tuple[Location, StoredAs]:
    """Store `values`; return where, and what is there."""
    location = Location(folder / "image.tiff")
    location.delete()
    return location, write_array(BACKEND, location, asked(values, codec, chunk), (values,))


_LOSSLESS = [
    (codec, dtype)
    for codec in ("jp2-lossless", "jxl-lossless-2", "jxl-lossless-7", "jxr-lossless", "lerc-lossless", "png-6")
    for dtype in TIFF_CODECS[parse_codec(codec).kind].dtypes.split()
]


@pytest.mark.parametrize(("codec", "dtype"), _LOSSLESS)
def test_noise_comes_back_from_strips_tiles_and_volumes_by_both_read_paths(
    codec: str, dtype: str, tmp_path: Path
) -> None:
    values, able = volume(dtype), TIFF_CODECS[parse_codec(codec).kind]
    for chunk in (*FLAT, *((DEEP, (16, 16, 16)) if able.volumes else ())):
        location, stored = store(tmp_path, values, codec, chunk)
        with tifffile.TiffFile(location.path) as file:
            assert file.pages.first.compression == able.tag
            np.testing.assert_array_equal(file.asarray(), values, strict=True)
        part = Region((1, 5, 3), (5, 33, 40))
        for backend in (BACKEND, BY_STORE):
            with backend.open(location) as reader:
                np.testing.assert_array_equal(reader.read(part), values[part.slices], strict=True)
                assert reader.stored_as() == stored


@pytest.mark.parametrize(
    ("codec", "found"),
    [
        ("jp2-lossless", "jp2-??[!y]*"),  # the wavelet is told, not where bits were cut off
        ("jxl-lossless-3", "jxl-lossless-*"),
        ("jxl-distance-2.5", "jxl-distance-*"),
        ("jxr-lossless", "jxr-lossless"),
        ("png-1", "png-*"),
        ("jpeg-90", "jpeg-*"),
        ("lerc-lossless", "lerc-lossless"),
        ("lerc-error-10", "lerc-error-10"),
    ],
)
def test_what_is_read_back_is_what_the_file_tells(codec: str, found: str, tmp_path: Path) -> None:
    assert store(tmp_path, volume("uint8"), codec, (1, 16, 32))[1].codec == found


@pytest.mark.parametrize("error", ["0.01", "2.5", "1000"])
def test_lerc_tells_the_bound_of_floats(error: str, tmp_path: Path) -> None:
    values = volume("float32")
    location, stored = store(tmp_path, values, f"lerc-error-{error}", DEEP)
    assert stored.codec == f"lerc-error-{error}"
    with BACKEND.open(location) as reader:
        off = np.abs(reader.read(Region.whole(values.shape)).astype(float) - values)
    assert off.max() <= float(error) + np.spacing(np.abs(values).max())  # what is within it is rounded to a float32


@pytest.mark.parametrize(
    ("codec", "other"),
    [("jxl-distance-1", "jxl-lossless-3"), ("jxl-lossless-3", "jxl-distance-1"), ("lerc-error-10", "lerc-error-1")],
)
def test_what_loses_voxels_is_never_mistaken(codec: str, other: str, tmp_path: Path) -> None:
    values = volume("uint16")
    _, stored = store(tmp_path, values, codec)
    check_stored(stored, asked(values, codec))
    with pytest.raises(VerificationError):
        check_stored(stored, asked(values, other))


@pytest.mark.parametrize(
    "codec", ["jxl-distance-1", "lerc-error-10", "jpeg-90", "jxl-lossless-1", "jp2-lossless", "png-1"]
)
def test_the_block_codec_makes_what_is_in_the_file(codec: str, tmp_path: Path) -> None:
    values, chunk = volume("uint8", (1, 32, 48)), (1, 32, 48)
    location, _ = store(tmp_path, values, codec, chunk)
    block = BACKEND.block_codec(asked(values, codec, chunk))
    assert not isinstance(block, str)
    with tifffile.TiffFile(location.path) as file:
        page = file.pages.first
        file.filehandle.seek(page.dataoffsets[0])
        data = file.filehandle.read(page.databytecounts[0])
    assert block.encode(values) == data
    with BACKEND.open(location) as reader:
        np.testing.assert_array_equal(block.decode(data), reader.read(Region.whole(values.shape)), strict=True)


@pytest.mark.parametrize(
    ("codec", "dtype", "chunk", "words"),
    [
        ("jp2-lossless", "uint32", None, "cannot compress uint32 by jp2"),
        ("jp2-psnr-45", "uint16", None, "missed by some dB"),
        ("jp2-ratio-10", "uint16", None, "missed by some dB"),
        ("jp2-layers-20-10-1", "uint16", None, "one quality layer"),
        ("jp2-lossless", "uint16", DEEP, "no jp2 for tiles of volumes"),
        ("png-1", "uint16", DEEP, "no png for tiles of volumes"),
        ("jxr-lossless", "uint16", DEEP, "no jxr for tiles of volumes"),
        ("jxr-lossless", "float32", None, "cannot compress float32 by jxr"),
        ("jxl-lossless-3", "float32", None, "cannot compress float32 by jxl"),
        ("jxl-distance-0.01", "uint16", None, "distances of 0.05 to 25"),
        ("jxl-distance-26", "uint8", None, "distances of 0.05 to 25"),
        ("jpeg-90", "uint16", None, "cannot compress uint16 by jpeg"),
        ("lerc-error-1.5", "uint16", None, "whole numbers"),
        ("lerc-lossless", "float16", None, "cannot compress float16 by lerc"),
        ("jls-lossless", "uint16", None, "no codec jls-lossless"),
        ("htj2k-lossless", "uint16", None, "no codec htj2k-lossless"),
    ],
)
def test_refusals(codec: str, dtype: str, chunk: Shape | None, words: str) -> None:
    for name in ("tiff-tifffile", "tiff-tifffilezarr"):
        assert words in (get_backend(name).why_unsupported(NOWHERE, asked(volume(dtype), codec, chunk)) or "")


def test_ometiff_has_the_same_compressions_at_every_level(tmp_path: Path) -> None:
    backend, values = get_backend("ometiff-tifffile"), volume("uint16")
    smaller = np.ascontiguousarray(values[:, ::2, ::2])
    for codec in ("jp2-lossless", "jxl-lossless-2", "jxr-lossless", "lerc-lossless", "png-1"):
        request = WriteRequest(
            shape=values.shape,
            dtype=values.dtype,
            axes="zyx",
            codec=parse_codec(codec),
            layout=Layout(chunk_shape=(1, 16, 16)),
            level_factors=((1, 2, 2),),
        )
        location = Location(tmp_path / f"{codec}.ome.tiff")
        write_array(backend, location, request, (values, smaller))
        with tifffile.TiffFile(location.path) as file:
            for level, expected in zip(file.series[0].levels, (values, smaller), strict=True):
                np.testing.assert_array_equal(level.asarray(), expected)


def test_nan_in_lerc_is_refused_before_it_becomes_0(tmp_path: Path) -> None:
    values = volume("float32")
    values[2, 3, 4] = np.nan
    with pytest.raises(UnsupportedError, match="NaN"):
        store(tmp_path, values, "lerc-lossless")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("codec", ["none", "deflate-6-predictor", "lzw", "zstd-3-predictor", "lerc-lossless"])
@pytest.mark.parametrize("chunk", [(16, 32), (7, 50), None])
def test_libtiff_reads_planes(codec: str, chunk: Shape | None, tmp_path: Path) -> None:
    """A reader in C that is nobody's here; it has no JPEG 2000, JPEG XL, JPEG XR and PNG."""
    values = volume("uint16", (40, 50))
    location, _ = store(tmp_path, values, codec, chunk)
    np.testing.assert_array_equal(imagecodecs.tiff_decode(location.path.read_bytes()), values, strict=True)


def test_jpeg_with_tables_of_its_own_is_read_strip_by_strip(tmp_path: Path) -> None:
    """libtiff, here in Pillow, keeps JPEG's tables once for all strips."""
    y, x = np.mgrid[:600, :300]
    Image.fromarray((100 + 50 * np.sin(y / 9) + x / 4).astype("uint8")).save(tmp_path / "a.tif", compression="jpeg")
    expected, location = tifffile.imread(tmp_path / "a.tif"), Location(tmp_path / "a.tif")
    with tifffile.TiffFile(location.path) as file:
        assert file.pages.first.jpegtables is not None
        n_strips = len(file.pages.first.dataoffsets)
    assert n_strips > 1
    region, log = Region((1, 0), (2, 9)), RequestLog()
    with BACKEND.open(location.counted(log)) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole((600, 300))), expected)
        log.requests.clear()
        np.testing.assert_array_equal(reader.read(region), expected[region.slices])
        assert log.n_requests == 1
        assert reader.stored_as().codec == "jpeg-*"


def test_somebodys_image_in_a_strip_that_no_name_fits_is_a_question_mark(tmp_path: Path) -> None:
    values = volume("uint16", (40, 50))
    location, _ = store(tmp_path, values, "jp2-lossless")
    with tifffile.TiffFile(location.path) as file:
        start = file.pages.first.dataoffsets[0]
    data = bytearray(location.path.read_bytes())
    data[start : start + 2] = b"\0\0"  # no codestream any more
    location.path.write_bytes(data)
    with BACKEND.open(location) as reader:
        assert reader.stored_as().codec == "?"
        with pytest.raises(DataError, match="fetch or write it again"):
            reader.read(Region.whole(values.shape))


@pytest.mark.parametrize("codec", ["jpeg-90", "jxr-lossless", "none", "zstd-3", "png-1", "lerc-lossless"])
@pytest.mark.parametrize("name", ["tiff-tifffile", "tiff-tifffilezarr"])
def test_wherever_a_file_is_cut_off_voxels_are_right_or_there_is_a_sentence(
    codec: str, name: str, tmp_path: Path
) -> None:
    """JPEG and JPEG XR decode what is left of a tile without an error, and tifffile shows a smaller image."""
    values, backend = volume("uint8", (3, 32, 32)), get_backend(name)
    location, _ = store(tmp_path, values, codec, (1, 16, 16))
    whole, region = location.path.read_bytes(), Region.whole(values.shape)
    with backend.open(location) as reader:
        expected = reader.read(region)
    for n_bytes in range(0, len(whole), max(1, len(whole) // 150)):
        location.path.write_bytes(whole[:n_bytes])
        found = _read_or_told(backend, location, region)
        if isinstance(found, str):
            assert "image.tiff" in found
        else:
            np.testing.assert_array_equal(found, expected)


def _read_or_told(backend: Backend, location: Location, region: Region) -> NDArray | str:
    """Return the voxels, or the sentence for why there are none."""
    try:
        with backend.open(location) as reader:
            return reader.read(region)
    except DataError as error:
        return str(error)


def test_noise_may_outgrow_a_classic_tiff() -> None:
    shape = (1024, 1024, 2**32 * 3 // 4 // 2**20)  # 3 GiB of uint8, never made
    request = WriteRequest(shape=shape, dtype=np.dtype("uint8"), axes="zyx", codec=parse_codec("jxl-lossless-1"))
    assert needs_bigtiff(request)


@pytest.mark.parametrize("codec", sorted(name for name in EXAMPLES if parse_codec(name).kind in TIFF_CODECS))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_no_compression_makes_more_of_noise_than_is_reckoned_with(codec: str, dtype: str) -> None:
    worst = TIFF_CODECS[parse_codec(codec).kind].worst
    for chunk in ((16, 16), (64, 64), (256, 256)):
        values = volume(dtype, chunk)
        request = asked(values, codec, chunk)
        if BACKEND.why_unsupported(NOWHERE, request) is not None:
            continue
        block = BACKEND.block_codec(request)
        assert not isinstance(block, str)
        assert len(block.encode(values)) <= values.nbytes * worst + 512


def test_facts_name_each_compressor_and_the_rule_of_bigtiff() -> None:
    facts = BACKEND.facts()
    assert {"libdeflate", "zstd", "openjpeg", "lerc", "libpng", "jxrlib", "libjxl", "bigtiff"} <= set(facts)


@pytest.mark.xfail(
    strict=True, reason="tifffile 2026.3 to 2026.11: a file without its second half is one plane, not six"
)
def test_tifffile_notices_that_pages_are_missing() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, volume("uint16"), photometric="minisblack", compression="zlib")
    try:
        found = tifffile.imread(io.BytesIO(file.getvalue()[: len(file.getvalue()) // 2]))
    except ValueError:
        return
    assert found.shape == (6, 40, 50)
