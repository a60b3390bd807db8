"""What is particular to TIFF: how pages are cut, what a read touches, BigTIFF, files of other programs."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from storebench.backends import WriteRequest, _tiff_writer, check_stored, get_backend, write_array
from storebench.backends.tiff import TiffTifffile
from storebench.codecs import parse_codec
from storebench.errors import DataError, UnsupportedError, UsageError
from storebench.grid import Layout, Region
from storebench.stores import Location, RequestLog

BACKEND = TiffTifffile()


def index_image(shape: tuple[int, ...], dtype: str = "uint16") -> np.ndarray:
    """An image whose voxels are their own flat index."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def request_for(values: np.ndarray, codec: str = "none", chunk: tuple[int, ...] | None = None) -> WriteRequest:
    """A request to store `values`."""
    return WriteRequest(
        shape=values.shape,
        dtype=values.dtype,
        axes="tczyx"[-values.ndim :],
        codec=parse_codec(codec),
        layout=None if chunk is None else Layout(chunk_shape=chunk),
    )


def store(folder: Path, values: np.ndarray, codec: str = "none", chunk: tuple[int, ...] | None = None) -> Location:
    """Store `values` and return where."""
    location = Location(folder / "image.tiff")
    write_array(BACKEND, location, request_for(values, codec, chunk), (values,))
    return location


@pytest.mark.parametrize("shape", [(3, 5, 1), (3, 5, 3), (3, 5, 4), (1, 1, 1), (2, 1, 1, 4), (1, 7), (5, 1)])
@pytest.mark.parametrize("codec", ["none", "zstd-3-predictor"])
def test_pages_are_grey_planes_also_where_the_last_axis_looks_like_colour(tmp_path, shape, codec):
    values = index_image(shape)
    location = store(tmp_path, values, codec)
    with tifffile.TiffFile(location.path) as file:
        assert len(file.pages) == np.prod(shape[:-2])
        assert file.pages.first.shape == shape[-2:]
        assert file.pages.first.samplesperpixel == 1
        np.testing.assert_array_equal(file.asarray(), values)  # tifffile finds shape and axes by itself
        assert file.series[0].axes == "TCZYX"[-len(shape) :]


@pytest.mark.parametrize(
    ("chunk", "tile", "rows"),
    [((1, 16, 32), (16, 32), None), ((1, 7, 50), None, 7), ((4, 16, 16), (4, 16, 16), None), ((1, 40, 50), None, 40)],
)
def test_a_chunk_becomes_a_tile_a_strip_or_a_volumetric_tile(tmp_path, chunk, tile, rows):
    location = store(tmp_path, index_image((6, 40, 50)), "deflate-6", chunk)
    with tifffile.TiffFile(location.path) as file:
        page = file.pages.first
        assert page.tile == tile
        if rows is not None:
            assert page.rowsperstrip == rows


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        ((1, 20, 20), "multiples of 16"),
        ((2, 16, 8), "multiples of 16"),
        ((1, 41, 50), "higher than the image"),
        ((1, 1, 10), "multiples of 16"),
    ],
)
def test_chunks_that_tiff_cannot_cut_are_refused(tmp_path, chunk, words):
    request = request_for(index_image((6, 40, 50)), "none", chunk)
    assert words in BACKEND.why_unsupported(Location(tmp_path / "a.tiff"), request)


def test_only_the_last_three_axes_are_cut(tmp_path):
    request = request_for(index_image((2, 3, 40, 50)), "none", (2, 1, 16, 16))
    assert "last three axes" in BACKEND.why_unsupported(Location(tmp_path / "a.tiff"), request)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_there_is_no_predictor_for_64_bit_integers(tmp_path, dtype):
    request = request_for(index_image((6, 40, 50), dtype), "lzw-predictor")
    assert "predictor" in BACKEND.why_unsupported(Location(tmp_path / "a.tiff"), request)


@pytest.mark.parametrize("codec", ["none", "zstd-3"])
@pytest.mark.parametrize("chunk", [(1, 16, 16), (1, 8, 96), (2, 32, 32)])
def test_a_region_reads_its_tiles_or_strips_and_the_tags_of_its_pages(tmp_path, codec, chunk):
    values = index_image((6, 80, 96))
    location = store(tmp_path, values, codec, chunk)
    region = Region((0, 17, 20), (1, 30, 40))
    log = RequestLog()
    with BACKEND.open(location.counted(log)) as reader:
        opened_bytes = log.fetched_bytes
        np.testing.assert_array_equal(reader.read(region), values[region.slices])
    touched = -(-30 // chunk[1]) - 17 // chunk[1], -(-40 // chunk[2]) - 20 // chunk[2]
    grid = -(-80 // chunk[1]), -(-96 // chunk[2])
    with tifffile.TiffFile(location.path) as file:
        page = file.pages.first
        segments = [
            (17 // chunk[1] + i) * grid[1] + 20 // chunk[2] + j for i in range(touched[0]) for j in range(touched[1])
        ]
        predicted = sum(page.databytecounts[s] for s in segments)
        n_tag_bytes = 16 * len(page.databytecounts) + 2000
    assert predicted <= log.fetched_bytes - opened_bytes <= predicted + n_tag_bytes
    assert opened_bytes < n_tag_bytes


def test_a_whole_read_fetches_the_file_once(tmp_path):
    values = index_image((6, 80, 96))
    for codec, chunk in (("none", None), ("none", (1, 16, 16)), ("zstd-3", (1, 16, 16))):
        folder = tmp_path / f"{codec}{chunk is None}"
        folder.mkdir()
        location = store(folder, values, codec, chunk)
        log = RequestLog()
        with BACKEND.open(location.counted(log)) as reader:
            np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)
            payload = reader.stored_as().chunk_bytes
        assert payload <= log.fetched_bytes
        with BACKEND.open(location.counted(log := RequestLog())) as reader:
            reader.read(Region.whole(values.shape))
        assert payload <= log.fetched_bytes < location.size()[0] + 4000  # tags may be read twice, voxels are not


def test_bigtiff_is_chosen_by_size(tmp_path, monkeypatch):
    values = index_image((4, 64, 64))
    assert not _tiff_writer.needs_bigtiff(request_for(values))
    monkeypatch.setattr(_tiff_writer, "CLASSIC_TIFF_BYTES", values.nbytes)
    location = store(tmp_path, values, "zstd-3")
    with BACKEND.open(location) as reader:
        assert reader.stored_as().note == "BigTIFF"
        np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)


@pytest.mark.parametrize(("codec", "big"), [("none", False), ("lzw", True)])
def test_lzw_may_need_half_as_much_again(codec, big):
    shape = (1024, 1024, 2**32 * 3 // 4 // 2**20)  # 3 GiB of uint8, never made
    request = WriteRequest(shape=shape, dtype=np.dtype("uint8"), axes="zyx", codec=parse_codec(codec))
    assert _tiff_writer.needs_bigtiff(request) is big


@pytest.mark.parametrize("codec", ["none", "deflate-6", "zstd-3", "lzw", "zstd-3-predictor"])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_the_block_codec_makes_what_is_in_the_file(tmp_path, codec, dtype):
    values = index_image((1, 32, 48), dtype)
    location = store(tmp_path, values, codec, (1, 32, 48))
    block = BACKEND.block_codec(request_for(values, codec, (1, 32, 48))).encode(values)
    with tifffile.TiffFile(location.path) as file:
        page = file.pages.first
        file.filehandle.seek(page.dataoffsets[0])
        assert block == file.filehandle.read(page.databytecounts[0])


def test_a_predictor_is_never_mistaken_for_none(tmp_path):
    from storebench.errors import VerificationError

    values = index_image((6, 40, 50))
    location = store(tmp_path, values, "deflate-6")
    with BACKEND.open(location) as reader:
        stored = reader.stored_as()
    check_stored(stored, request_for(values, "deflate-9"))  # the level is not in the file
    with pytest.raises(VerificationError):
        check_stored(stored, request_for(values, "deflate-6-predictor"))


@pytest.mark.parametrize(
    "settings",
    [
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"photometric": "minisblack", "byteorder": ">", "compression": "zlib"},
        {"photometric": "minisblack", "metadata": None, "tile": (16, 16)},
        {"photometric": "minisblack", "truncate": True},
        {"photometric": "minisblack", "compression": "packbits"},
    ],
)
def test_other_programs_files_are_read(tmp_path, settings):
    values = index_image((6, 40, 50))
    tifffile.imwrite(tmp_path / "foreign.tif", values, **settings)
    with BACKEND.open(Location(tmp_path / "foreign.tif")) as reader:
        assert reader.levels == (values.shape,)
        region = Region((2, 10, 20), (4, 30, 50))
        np.testing.assert_array_equal(reader.read(region), values[region.slices])
        np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)
        assert reader.stored_as().dtype == values.dtype


@pytest.mark.parametrize("n_bytes", [0, 4, 100, 3000])
def test_a_cut_file_is_a_sentence(tmp_path, n_bytes):
    values = index_image((6, 40, 50))
    location = store(tmp_path, values, "zstd-3", (1, 16, 16))
    location.path.write_bytes(location.path.read_bytes()[:n_bytes])
    with pytest.raises(DataError, match=r"image\.tiff .*fetch or write it again"), BACKEND.open(location) as reader:
        reader.read(Region.whole(values.shape))


def test_regions_and_levels_that_are_not_there(tmp_path):
    location = store(tmp_path, index_image((6, 40, 50)))
    with BACKEND.open(location) as reader:
        with pytest.raises(UsageError, match="outside"):
            reader.read(Region((0, 0, 0), (7, 40, 50)))
        with pytest.raises(UsageError, match="no level 1"):
            reader.read(Region.whole((3, 20, 25)), 1)


# plane by plane

STREAMED = index_image((9, 40, 50))


def stream(place: Location, codec: str, chunk, n_planes: int):
    """Write the first planes of `STREAMED`, flush, and return the writer's context, still open."""
    context = BACKEND.create(place, request_for(STREAMED, codec, chunk))
    writer = context.__enter__()
    for i in range(n_planes):
        writer.write(Region((i, 0, 0), (i + 1, 40, 50)), STREAMED[i : i + 1])
    writer.flush()
    return context, writer


@pytest.mark.parametrize(
    ("codec", "chunk"), [("none", None), ("none", (1, 16, 16)), ("zstd-3", None), ("deflate-6-predictor", (1, 7, 50))]
)
def test_planes_of_a_stream_are_pages_that_tifffile_reads_as_one_volume(tmp_path, codec, chunk):
    location = Location(tmp_path / "a.tiff")
    context, writer = stream(location, codec, chunk, 4)
    writer.write(Region((4, 0, 0), (9, 40, 50)), STREAMED[4:])
    context.__exit__(None, None, None)
    with BACKEND.open(location) as reader:
        check_stored(reader.stored_as(), request_for(STREAMED, codec, chunk))
        assert reader.stored_as().note == ""
        np.testing.assert_array_equal(reader.read(Region.whole(STREAMED.shape)), STREAMED)
    np.testing.assert_array_equal(tifffile.imread(location.path), STREAMED)


@pytest.mark.parametrize(("codec", "chunk"), [("none", None), ("zstd-3", (1, 16, 16))])
def test_wherever_a_stream_ends_what_was_flushed_is_readable(tmp_path, codec, chunk):
    """Plane 4 is cut after each few bytes, and left as the hole that a file system shows where nothing came."""
    location, cut = Location(tmp_path / "a.tiff"), Location(tmp_path / "cut.tiff")
    context, writer = stream(location, codec, chunk, 4)
    n_flushed = location.size()[0]
    writer.write(Region((4, 0, 0), (5, 40, 50)), STREAMED[4:5])
    writer.flush()
    data = location.path.read_bytes()
    context.__exit__(None, None, None)
    assert n_flushed < len(data)
    cuts = [data[:n] for n in (*range(n_flushed, len(data), len(data) // 60), len(data) - 1)]
    for content in (*cuts, data[:n_flushed] + bytes(len(data) - n_flushed)):
        cut.path.write_bytes(content)
        with BACKEND.open(cut) as reader:
            assert reader.levels == (STREAMED.shape,)
            flushed = Region((0, 0, 0), (4, 40, 50))
            np.testing.assert_array_equal(reader.read(flushed), STREAMED[:4])
            assert reader.stored_as().note == "4 of 9 planes are there"
            with pytest.raises(DataError, match=r"has 4 of 9 planes, 5 are missing: .*interrupted"):
                reader.read(Region((4, 0, 0), (5, 40, 50)))
            with pytest.raises(DataError, match=r"4 of 9 planes"):
                reader.read(Region.whole(STREAMED.shape))


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from storebench.backends import WriteRequest, get_backend, writing
from storebench.codecs import parse_codec
from storebench.grid import Region
from storebench.stores import Location
values = np.arange(9 * 40 * 50).reshape(9, 40, 50).astype("uint16")
request = WriteRequest(shape=values.shape, dtype=values.dtype, axes="zyx", codec=parse_codec(sys.argv[2]))
with writing(get_backend(sys.argv[3]), Location(Path(sys.argv[1])), request) as writer:
    for i in range(9):
        writer.write(Region((i, 0, 0), (i + 1, 40, 50)), values[i : i + 1])
        if i == 5:
            writer.flush()
        if i == 7:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("codec", ["none", "zstd-3"])
@pytest.mark.parametrize("name", ["tiff-tifffile", "ometiff-tifffile"])
def test_a_killed_writer_leaves_what_it_flushed(tmp_path, codec, name):
    backend = get_backend(name)
    location = Location(tmp_path / f"a{backend.suffix}")
    done = subprocess.run([sys.executable, "-c", KILLED, location.path, codec, name], check=False)
    assert done.returncode == -signal.SIGKILL
    with backend.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region((0, 0, 0), (6, 40, 50))), STREAMED[:6])
        assert reader.stored_as().shape == STREAMED.shape
        with pytest.raises(DataError, match="of 9 planes"):
            reader.read(Region((8, 0, 0), (9, 40, 50)))


def test_planes_come_whole_and_in_order(tmp_path):
    context, writer = stream(Location(tmp_path / "a.tiff"), "zstd-3", None, 2)
    for start, stop, words in (
        ((3, 0, 0), (4, 40, 50), "plane 2 of level 0 comes next"),
        ((1, 0, 0), (2, 40, 50), "out of order"),
        ((2, 0, 0), (3, 20, 50), "cuts planes"),
    ):
        region = Region(start, stop)
        with pytest.raises(UsageError, match=words):
            writer.write(region, STREAMED[region.slices])
    context.__exit__(None, None, None)
    volumes = request_for(STREAMED, "zstd-3", (4, 16, 16))
    assert BACKEND.write_order(volumes) == "whole"
    with BACKEND.create(Location(tmp_path / "b.tiff"), volumes) as writer, pytest.raises(UsageError, match="whole"):
        writer.write(Region((0, 0, 0), (4, 40, 50)), STREAMED[:4])


# changing what is stored


@pytest.mark.parametrize("chunk", [None, (1, 16, 16), (1, 7, 50), (2, 16, 16)])
def test_any_region_of_an_uncompressed_file_is_changed_in_place(tmp_path, chunk):
    values = index_image((6, 40, 50))
    location = store(tmp_path, values, "none", chunk)
    n_bytes = location.size()
    with BACKEND.reopen(location) as writer:
        for region in (
            Region((1, 5, 7), (4, 33, 42)),
            Region((0, 39, 49), (6, 40, 50)),
            Region((2, 0, 0), (3, 40, 50)),
        ):
            values[region.slices] += 7
            writer.write(region, values[region.slices])
        writer.flush()
        with pytest.raises(UsageError, match="cannot take"):
            writer.write(region, values[region.slices].astype("int16"))
    assert location.size() == n_bytes
    with BACKEND.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)
    np.testing.assert_array_equal(tifffile.imread(location.path), values)


def test_another_byte_order_is_kept(tmp_path):
    values = index_image((6, 40, 50))
    tifffile.imwrite(tmp_path / "big.tif", values, byteorder=">", photometric="minisblack")
    region = Region((1, 5, 7), (4, 33, 42))
    values[region.slices] += 7
    with BACKEND.reopen(Location(tmp_path / "big.tif")) as writer:
        writer.write(region, values[region.slices])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "big.tif"), values)


@pytest.mark.parametrize("codec", ["zstd-3", "lzw"])
def test_a_compressed_file_is_not_changed(tmp_path, codec):
    location = store(tmp_path, index_image((6, 40, 50)), codec)
    with pytest.raises(UnsupportedError, match="may not fit"), BACKEND.reopen(location):
        pass


def test_what_an_interrupted_file_lacks_is_not_made_up(tmp_path):
    location = Location(tmp_path / "a.tiff")
    context, _ = stream(location, "none", None, 4)
    context.__exit__(None, None, None)
    with BACKEND.reopen(location) as writer:
        writer.write(Region((3, 0, 0), (4, 40, 50)), STREAMED[3:4] + 1)
        with pytest.raises(DataError, match="4 of 9 planes"):
            writer.write(Region((4, 0, 0), (5, 40, 50)), STREAMED[4:5])
        with pytest.raises(DataError, match="4 of 9 planes"):  # and what is there of the region stays as it is
            writer.write(Region((2, 0, 0), (5, 40, 50)), STREAMED[2:5] + 2)
    with BACKEND.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region((2, 0, 0), (3, 40, 50))), STREAMED[2:3])


def test_a_region_whose_strips_are_cut_off_is_not_changed_in_part(tmp_path):
    values = index_image((4, 40, 50))
    location = store(tmp_path, values, "none", (1, 10, 50))
    location.path.write_bytes(location.path.read_bytes()[:-1500])  # the last strips are at the end
    before = location.path.read_bytes()
    with BACKEND.reopen(location) as writer, pytest.raises(DataError):
        writer.write(Region.whole(values.shape), values + 1)
    assert location.path.read_bytes() == before
