"""What is particular to .npy and PNG, and whether the counting file counts each byte once."""

from __future__ import annotations

import io

import numpy as np
import pytest

from storebench.backends import WriteRequest, write_array, writing
from storebench.backends.npy import NpyNumpy
from storebench.backends.png import PngImageio
from storebench.codecs import parse_codec
from storebench.errors import DataError, UsageError
from storebench.grid import Layout, Region
from storebench.stores import Location, RequestLog

VALUES = np.arange(6 * 40 * 50).reshape(6, 40, 50).astype("uint16")


def request_for(values: np.ndarray, codec: str) -> WriteRequest:
    """A request to store `values`."""
    return WriteRequest(shape=values.shape, dtype=values.dtype, axes="zyx"[-values.ndim :], codec=parse_codec(codec))


def read_buffered(file: io.RawIOBase) -> None:
    """Read as Python's own buffer reads, which calls `readall`."""
    with io.BufferedReader(file) as buffered:
        buffered.read()


@pytest.fixture
def npy(tmp_path) -> Location:
    """`VALUES` as .npy."""
    location = Location(tmp_path / "a.npy")
    write_array(NpyNumpy(), location, request_for(VALUES, "none"), (VALUES,))
    return location


@pytest.mark.parametrize(
    ("stop", "n_runs", "n_bytes"),
    [((6, 40, 50), 1, 24000), ((2, 40, 50), 1, 8000), ((2, 3, 50), 2, 300), ((2, 3, 4), 6, 8), ((1, 1, 1), 1, 2)],
)
def test_npy_logs_its_header_and_the_runs_of_a_region(npy, stop, n_runs, n_bytes):
    log = RequestLog()
    region = Region((0, 0, 0), stop)
    with NpyNumpy().open(npy.counted(log)) as reader:
        np.testing.assert_array_equal(reader.read(region), VALUES[region.slices])
    header, *runs = log.requests
    assert (header.kind, header.n_bytes) == ("get", npy.size()[0] - VALUES.nbytes)
    assert [(run.kind, run.n_bytes) for run in runs] == [("ranged_get", n_bytes)] * n_runs


def test_npy_takes_any_region_in_any_order(tmp_path):
    location = Location(tmp_path / "b.npy")
    with writing(NpyNumpy(), location, request_for(VALUES, "none")) as writer:
        for region in (Region((3, 0, 0), (6, 40, 50)), Region((0, 0, 7), (3, 40, 50)), Region((0, 0, 0), (3, 40, 7))):
            writer.write(region, VALUES[region.slices])
        with pytest.raises(UsageError, match="cannot take"):
            writer.write(Region((0, 0, 0), (1, 1, 1)), np.zeros((1, 1, 1)))
    np.testing.assert_array_equal(np.load(location.path), VALUES)


def test_somebodys_fortran_file_is_read_and_counted(tmp_path):
    np.save(tmp_path / "f.npy", np.asfortranarray(VALUES))
    log = RequestLog()
    with NpyNumpy().open(Location(tmp_path / "f.npy").counted(log)) as reader:
        region = Region((0, 3, 4), (6, 4, 5))
        values = reader.read(region)
    np.testing.assert_array_equal(values, VALUES[region.slices])
    assert values.flags.c_contiguous
    assert [r.n_bytes for r in log.requests[1:]] == [12]


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no image at all, but long enough to be read"])
def test_npy_that_is_none(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npy"), NpyNumpy().open(Location(tmp_path / "a.npy")):
        pass


def test_npy_of_objects_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy"), NpyNumpy().open(Location(tmp_path / "a.npy")):
        pass


def test_png_is_read_whole_and_anew_each_time(tmp_path):
    location = Location(tmp_path / "a.png")
    stored = write_array(PngImageio(), location, request_for(VALUES[0], "png-6"), (VALUES[0],))
    assert stored.chunk_bytes < location.size()[0]
    assert stored.decode_shape == VALUES[0].shape
    log = RequestLog()
    with PngImageio().open(location.counted(log)) as reader:
        for n_reads in (1, 2):
            reader.read(Region((0, 0), (1, 1)))
            assert n_reads * (location.size()[0] - 12) <= log.fetched_bytes <= n_reads * location.size()[0] + 1000


@pytest.mark.parametrize("level", [0, 1, 9])
def test_png_takes_levels(tmp_path, level):
    location = Location(tmp_path / "a.png")
    write_array(PngImageio(), location, request_for(VALUES[0], f"png-{level}"), (VALUES[0],))
    assert (location.size()[0] > VALUES[0].nbytes) == (level == 0)


def test_png_has_no_chunks_but_the_whole(tmp_path):
    request = request_for(VALUES[0], "png-6")
    tiled = WriteRequest(
        shape=request.shape, dtype=request.dtype, axes="yx", codec=request.codec, layout=Layout(chunk_shape=(16, 16))
    )
    assert "no chunks" in PngImageio().why_unsupported(Location(tmp_path / "a.png"), tiled)


@pytest.mark.parametrize("n_bytes", [0, 4, 20, 60, 300])
def test_a_cut_png_is_a_sentence(tmp_path, n_bytes):
    location = Location(tmp_path / "a.png")
    write_array(PngImageio(), location, request_for(VALUES[0], "png-0"), (VALUES[0],))
    location.path.write_bytes(location.path.read_bytes()[:n_bytes])
    with pytest.raises(DataError, match=r"a\.png"), PngImageio().open(location) as reader:
        reader.read(Region((0, 0), (1, 1)))


@pytest.mark.parametrize(
    "read",
    [
        lambda file: file.read(),
        lambda file: file.read(None),
        lambda file: file.readall(),
        lambda file: [file.read(1000) for _ in range(30)],
        lambda file: file.readinto(bytearray(100_000)),
        read_buffered,
    ],
)
def test_the_counting_file_counts_each_byte_once(npy, read):
    log = RequestLog()
    with npy.counted(log).open_file() as file:
        read(file)
    assert log.fetched_bytes == npy.size()[0]
