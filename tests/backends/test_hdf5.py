"""HDF5: what is in the file, which requests are made, and what is left of a file that could not be written."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import StoredAs, WriteRequest, get_backend, write_array, writing
from storebench.codecs import parse_codec
from storebench.errors import DataError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location, RequestLog

h5py = pytest.importorskip("h5py", reason='h5py is not installed; pip install "storebench[hdf5]"')
HDF5 = get_backend("hdf5-h5py")
CHUNKS = Layout(chunk_shape=(4, 5, 8))


def _noise(shape: Shape = (9, 10, 16), dtype: str = "uint16") -> NDArray:
    return np.random.default_rng(5).integers(0, 200, shape).astype(dtype)


def _request(values: NDArray, codec: str = "none", layout: Layout | None = None) -> WriteRequest:
    return WriteRequest(
        shape=values.shape,
        dtype=values.dtype,
        axes="tczyx"[-values.ndim :],
        codec=parse_codec(codec),
        layout=layout,
    )


def _written(folder: Path, values: NDArray, codec: str, layout: Layout | None) -> tuple[Location, StoredAs]:
    location = Location(folder / "image.h5")
    return location, write_array(HDF5, location, _request(values, codec, layout), (values,))


# what is in the file


@pytest.mark.parametrize("codec", ["none", "deflate-0", "deflate-1", "deflate-5", "deflate-9"])
def test_the_block_codec_makes_the_bytes_of_the_file(codec: str, tmp_path: Path) -> None:
    values = _noise((8, 8, 8))
    location, _ = _written(tmp_path, values, codec, Layout(chunk_shape=(8, 8, 8)))
    block_codec = HDF5.block_codec(_request(values, codec))
    assert not isinstance(block_codec, str)
    with h5py.File(location.path) as file:
        _, on_disk = file["image"].id.read_direct_chunk((0, 0, 0))
    assert block_codec.encode(values) == on_disk


@pytest.mark.parametrize("codec", ["none", "deflate-5"])
def test_the_file_tells_how_it_is_stored(codec: str, tmp_path: Path) -> None:
    values = _noise()
    location, stored = _written(tmp_path, values, codec, CHUNKS)
    with h5py.File(location.path) as file:
        dataset = file["image"]
        assert dataset.chunks == CHUNKS.chunk_shape
        assert (dataset.compression, dataset.compression_opts) == ((None, None) if codec == "none" else ("gzip", 5))
        sizes = [dataset.id.get_chunk_info(i).size for i in range(dataset.id.get_num_chunks())]
        n_slots, n_bytes, _ = dataset.id.get_access_plist().get_chunk_cache()
    assert len(sizes) == 3 * 2 * 2
    assert (stored.layout, stored.codec, stored.axes) == (CHUNKS, codec, "zyx")
    assert stored.chunk_bytes == sum(sizes)
    assert stored.decode_shape == CHUNKS.chunk_shape
    assert stored.note == f"read through a chunk cache of {n_bytes} bytes in {n_slots} slots (HDF5's default)"
    assert HDF5.facts()["chunk cache"] == f"{n_bytes} bytes in {n_slots} slots (HDF5's default)"
    assert HDF5.facts()["hdf5"] == h5py.version.hdf5_version


def test_without_a_layout_it_is_contiguous_and_a_filter_brings_h5pys_chunks(tmp_path: Path) -> None:
    values = _noise((20, 300, 400))
    (tmp_path / "filtered").mkdir()
    _, plain = _written(tmp_path, values, "none", None)
    assert (plain.layout, plain.decode_shape, plain.chunk_bytes) == (None, (1, 1, 1), values.nbytes)
    assert "sieve buffer of 65536 bytes" in plain.note
    _, filtered = _written(tmp_path / "filtered", values, "deflate-3", None)
    with h5py.File(tmp_path / "guess.h5", "w") as file:
        guess = file.create_dataset("a", values.shape, values.dtype, compression="gzip").chunks
    assert filtered.layout == Layout(chunk_shape=guess)


def test_every_chunk_is_written_also_where_all_is_zero(tmp_path: Path) -> None:
    values = np.zeros((8, 8, 8), np.uint16)
    _, stored = _written(tmp_path, values, "none", Layout(chunk_shape=(4, 4, 4)))
    assert stored.chunk_bytes == values.nbytes
    assert "are there" not in stored.note


def test_a_chunk_that_is_not_there_is_told(tmp_path: Path) -> None:
    values, location = _noise((8, 8, 8)), Location(tmp_path / "a.h5")
    with writing(HDF5, location, _request(values, "none", Layout(chunk_shape=(4, 4, 4)))) as writer:
        writer.write(Region((0, 0, 0), (4, 8, 8)), values[:4])
    with HDF5.open(location) as reader:
        assert "4 of 8 chunks are there, the others read as 0" in reader.stored_as().note
        assert not reader.read(Region((4, 0, 0), (8, 8, 8))).any()


@pytest.mark.parametrize("layout", [Layout(chunk_shape=(10, 5, 8)), Layout(chunk_shape=(4, 5, 17))])
def test_chunks_larger_than_the_image_are_refused(layout: Layout, tmp_path: Path) -> None:
    sentence = HDF5.why_unsupported(Location(tmp_path / "a.h5"), _request(_noise(), "none", layout))
    assert "larger than the image of (9, 10, 16); use (" in str(sentence)


def test_chunks_of_4_gib_are_refused(tmp_path: Path) -> None:
    asked = [
        WriteRequest(
            shape=(2**17, 2**16),
            dtype=np.dtype("uint8"),
            axes="yx",
            codec=parse_codec("none"),
            layout=Layout(chunk_shape=(n, 2**16)),
        )
        for n in (2**16, 2**16 - 1)
    ]
    first, second = (HDF5.why_unsupported(Location(tmp_path / "a.h5"), request) for request in asked)
    assert "less than 4 GiB" in str(first)
    assert second is None


# somebody else's files, and damaged ones


def test_somebodys_file_is_described_as_it_is(tmp_path: Path) -> None:
    values = _noise((6, 8), ">u2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("deep/inside", data=values, chunks=(3, 4), compression="gzip", fletcher32=True)
    with HDF5.open(Location(tmp_path / "a.h5")) as reader:
        stored, found = reader.stored_as(), reader.read(Region.whole((6, 8)))
    assert (stored.codec, stored.axes) == ("?", None)
    assert "filters: fletcher32 [], deflate [4]" in stored.note
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_a_file_without_the_one_image_is_a_sentence(names: tuple[str, ...], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in names:
            file[name] = np.zeros((2, 2))
    with pytest.raises(DataError, match=f"holds {len(names)} datasets"), HDF5.open(Location(tmp_path / "a.h5")):
        pass


def test_text_is_no_image(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"] = ["one", "two"]
    with pytest.raises(DataError, match="no image of integers or floats"), HDF5.open(Location(tmp_path / "a.h5")):
        pass


@pytest.mark.parametrize("left", [0, 7, 100, 2000, -1])
def test_a_cut_off_file_is_a_sentence(left: int, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _noise(), "none", CHUNKS)
    location.path.write_bytes(location.path.read_bytes()[:left])
    with pytest.raises(DataError, match="cannot be read as an HDF5 file"), HDF5.open(location):
        pass


def test_a_damaged_chunk_is_a_sentence(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _noise(), "deflate-5", CHUNKS)
    with h5py.File(location.path) as file:
        chunk = file["image"].id.get_chunk_info(3)
    with location.path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(bytes(chunk.size))
    with HDF5.open(location) as reader, pytest.raises(DataError, match=r"image\.h5.*filter returned failure"):
        reader.read(Region.whole((9, 10, 16)))


def test_what_the_system_says_passes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file or directory"), HDF5.open(Location(tmp_path / "a.h5")):
        pass
    values = _noise()
    with pytest.raises(FileNotFoundError, match="No such file"):
        write_array(HDF5, Location(tmp_path / "no" / "a.h5"), _request(values), (values,))


@pytest.mark.parametrize("mode", ["read", "write"])
def test_an_error_of_the_caller_passes_as_it_is(mode: str, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _noise(), "none", CHUNKS)
    new = Location(tmp_path / "new.h5")
    opened = HDF5.open(location) if mode == "read" else HDF5.create(new, _request(_noise()))
    with pytest.raises(RuntimeError, match="mine, errno = 28"), opened:
        raise RuntimeError("mine, errno = 28")


# requests


@pytest.mark.parametrize("layout", [None, CHUNKS, Layout(chunk_shape=(9, 10, 16))], ids=["run", "chunks", "one"])
def test_the_log_has_the_requests_of_the_driver_that_is_timed(layout: Layout | None, tmp_path: Path) -> None:
    """strace sees what HDF5 asks of the system where nothing is counted: the same, request by request."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; apt-get install strace")
    script = tmp_path / "use.py"
    script.write_text(_USE)
    wanted = str(layout and layout.chunk_shape)
    traced = [sys.executable, str(script), str(tmp_path / "traced.h5"), wanted]
    trace = tmp_path / "trace.txt"
    done = subprocess.run(
        ["strace", "-f", "-y", "-e", "trace=read,pread64,write,pwrite64", "-o", str(trace), *traced],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip(
            f"strace may not trace here ({done.stderr.splitlines()[0]}); allow ptrace, as in --cap-add SYS_PTRACE"
        )
    assert done.returncode == 0, done.stderr
    asked = r"p(read|write)64\(\d+<[^>]*/traced\.h5>, .*, (\d+), \d+\) += \d+$"
    seen = re.findall(asked, trace.read_text(), re.MULTILINE)
    counted = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "counted.h5"), wanted, "counted"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [f"{'set' if call == 'write' else 'ranged_get'} {n_bytes}" for call, n_bytes in seen] == counted
    assert {line.split()[0] for line in counted} == {"set", "ranged_get"}


_USE = """
import ast, sys
from pathlib import Path
import numpy as np
from storebench.backends import WriteRequest, get_backend
from storebench.codecs import parse_codec
from storebench.grid import Layout, Region
from storebench.stores import Location, RequestLog

path, chunk, log = Path(sys.argv[1]), ast.literal_eval(sys.argv[2]), RequestLog()
backend, location = get_backend("hdf5-h5py"), Location(path, log=log if len(sys.argv) > 3 else None)
values = np.arange(9 * 10 * 16, dtype="uint16").reshape(9, 10, 16)
layout = chunk and Layout(chunk_shape=chunk)
request = WriteRequest(shape=values.shape, dtype=values.dtype, axes="zyx", codec=parse_codec("none"), layout=layout)
with backend.create(location, request) as writer:
    writer.write(Region((0, 0, 0), (5, 10, 16)), values[:5])
    writer.write(Region((5, 0, 0), (9, 10, 16)), values[5:])
with backend.open(location) as reader:
    for region in (Region((3, 3, 3), (4, 4, 4)), Region((0, 0, 5), (9, 10, 6)), Region.whole((9, 10, 16))):
        np.testing.assert_array_equal(reader.read(region), values[region.slices])
for request in log.requests:
    print(request.kind, request.n_bytes)
"""


def test_a_partial_read_fetches_the_chunks_that_it_touches_and_is_counted_at_once(tmp_path: Path) -> None:
    values, log = _noise(), RequestLog()
    location, _ = _written(tmp_path, values, "none", CHUNKS)
    with HDF5.open(location.counted(log)) as reader:
        n_opening = len(log.requests)
        assert n_opening > 0
        reader.read(Region((0, 0, 0), (9, 1, 1)))
        fetched = [r.n_bytes for r in log.requests[n_opening:]]
        assert fetched.count(4 * 5 * 8 * 2) == 3
        reader.read(Region((0, 0, 0), (1, 1, 1)))  # from the chunk cache
        assert len(log.requests) == n_opening + len(fetched)
    assert {(r.kind, r.key) for r in log.requests} == {("ranged_get", "image.h5")}


# closing


@pytest.mark.parametrize("counted", [False, True])
def test_nothing_stays_open(counted: bool, tmp_path: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not list open files; run on Linux, or mount /proc")
    values = _noise()
    location = Location(tmp_path / "a.h5", log=RequestLog() if counted else None)
    before = h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE | h5py.h5f.OBJ_DATASET)
    write_array(HDF5, location, _request(values, "deflate-1", CHUNKS), (values,))
    with HDF5.open(location) as reader:
        reader.read(Region.whole(values.shape))
        assert str(location.path) in _open_paths()
    assert str(location.path) not in _open_paths()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    assert h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE | h5py.h5f.OBJ_DATASET) == before


def _open_paths() -> set[str]:
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


_FULL = """
import gc, resource, sys
from pathlib import Path
import numpy as np
from storebench.backends import WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.grid import Layout
from storebench.stores import Location, RequestLog

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
values = np.random.default_rng(0).integers(0, 60000, (64, 64, 64)).astype("uint16")
for chunk, codec in ((None, "none"), ((16,) * 3, "none"), ((16,) * 3, "deflate-3"), ((64,) * 3, "none")):
    layout = chunk and Layout(chunk_shape=chunk)
    request = WriteRequest(shape=(64,) * 3, dtype=values.dtype, axes="zyx", codec=parse_codec(codec), layout=layout)
    for log in (None, RequestLog()):
        location = Location(Path(sys.argv[1]), log=log)
        try:
            write_array(get_backend("hdf5-h5py"), location, request, (values,))
        except OSError as error:
            links = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
            print(error.errno, error.strerror, location.exists(), *[link for link in links if link.suffix == ".h5"])
        gc.collect()
"""


def test_a_disk_that_fills_up_is_an_error_of_the_system_and_leaves_nothing(tmp_path: Path) -> None:
    """In a process of its own, with a limit on file sizes: HDF5 used to be killed when such a file was let go of."""
    pytest.importorskip("resource", reason="file sizes cannot be limited on this system; run on Linux")
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path / "full.h5")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["27 File too large False"] * 8
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


_KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from storebench.backends import WriteRequest, get_backend
from storebench.codecs import parse_codec
from storebench.grid import Layout, Region
from storebench.stores import Location

chunk = None if sys.argv[2] == "None" else Layout(chunk_shape=(4, 4, 4))
values = np.arange(16 * 16 * 16, dtype="uint16").reshape(16, 16, 16)
request = WriteRequest(shape=values.shape, dtype=values.dtype, axes="zyx", codec=parse_codec("none"), layout=chunk)
with get_backend("hdf5-h5py").create(Location(Path(sys.argv[1])), request) as writer:
    writer.write(Region((0, 0, 0), (7, 16, 16)), values[:7])
    writer.flush()
    writer.write(Region((7, 0, 0), (16, 16, 16)), values[7:])
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes cannot be killed so here; run on Linux")
@pytest.mark.parametrize("layout", ["None", "chunks"])
def test_what_was_flushed_survives_a_kill(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "killed.h5"
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path), layout], check=False)
    assert done.returncode == -signal.SIGKILL
    region = Region((0, 0, 0), (7, 16, 16))
    with HDF5.open(Location(path)) as reader:
        np.testing.assert_array_equal(reader.read(region).ravel(), np.arange(7 * 16 * 16))
