"""HDF5's filters: what a file says of them, what is in its chunks by readers that are not HDF5, and what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import StoredAs, WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.errors import DataError, MissingDependencyError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location

h5py = pytest.importorskip("h5py", reason='h5py is not installed; pip install "storebench[hdf5]"')
hdf5plugin = pytest.importorskip(
    "hdf5plugin", reason='hdf5plugin is not installed; pip install "storebench[hdf5plugin]"'
)
HDF5 = get_backend("hdf5-h5py")
SHAPE, CHUNK = (8, 16, 32), (4, 16, 32)
CHUNK_BYTES = 4 * 16 * 32 * 2


def _smooth(dtype: str = "uint16") -> NDArray:
    """Return voxels that every codec makes smaller."""
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE) // 7 % 250).astype(dtype)


def _request(codec: str, dtype: str = "uint16", chunk: Shape | None = CHUNK) -> WriteRequest:
    layout = None if chunk is None else Layout(chunk_shape=chunk)
    return WriteRequest(shape=SHAPE, dtype=np.dtype(dtype), axes="zyx", codec=parse_codec(codec), layout=layout)


def _written(folder: Path, codec: str, values: NDArray) -> tuple[Location, StoredAs]:
    location = Location(folder / "image.h5")
    return location, write_array(HDF5, location, _request(codec, values.dtype.name), (values,))


def _filters(path: Path) -> list[tuple[int, tuple[int, ...]]]:
    with h5py.File(path) as file:
        made = file["image"].id.get_create_plist()
        return [(made.get_filter(i)[0], tuple(made.get_filter(i)[2])) for i in range(made.get_nfilters())]


def _first_chunk(path: Path) -> bytes:
    with h5py.File(path) as file:
        mask, data = file["image"].id.read_direct_chunk((0, 0, 0))
    assert mask == 0
    return bytes(data)


# what the file says

_FILTERS: tuple[tuple[str, list[tuple[int, tuple[int, ...]]]], ...] = (
    ("deflate-4-shuffle", [(2, (2,)), (1, (4,))]),
    ("lzf", [(32000, (4, 261, CHUNK_BYTES))]),
    ("lzf-shuffle", [(2, (2,)), (32000, (4, 261, CHUNK_BYTES))]),
    ("zstd-1", [(32015, (1,))]),
    ("zstd-22", [(32015, (22,))]),
    ("zstd-3-shuffle", [(2, (2,)), (32015, (3,))]),
    ("blosc-blosclz-0-noshuffle", [(32001, (2, 2, 2, CHUNK_BYTES, 0, 0, 0))]),
    ("blosc-lz4-5-bitshuffle", [(32001, (2, 2, 2, CHUNK_BYTES, 5, 2, 1))]),
    ("blosc-lz4hc-9-shuffle", [(32001, (2, 2, 2, CHUNK_BYTES, 9, 1, 2))]),
    ("blosc-zlib-3-shuffle", [(32001, (2, 2, 2, CHUNK_BYTES, 3, 1, 4))]),
    ("blosc-zstd-3-shuffle", [(32001, (2, 2, 2, CHUNK_BYTES, 3, 1, 5))]),
    ("blosc2-zstd-5-shuffle", [(32026, (1, 0, 2, CHUNK_BYTES, 5, 1, 5, 3, *CHUNK))]),
    ("blosc2-lz4-5-bitshuffle", [(32026, (1, 0, 2, CHUNK_BYTES, 5, 2, 1, 3, *CHUNK))]),
    ("bitshuffle-lz4", [(32008, (0, 4, 2, 0, 2))]),
    ("bitshuffle-zstd-3", [(32008, (0, 4, 2, 0, 3, 3))]),
)


@pytest.mark.parametrize(("codec", "filters"), _FILTERS, ids=[codec for codec, _ in _FILTERS])
def test_the_file_holds_the_numbers_of_the_filters(
    codec: str, filters: list[tuple[int, tuple[int, ...]]], tmp_path: Path
) -> None:
    values = _smooth()
    location, stored = _written(tmp_path, codec, values)
    assert _filters(location.path) == filters
    assert stored.codec == codec
    with HDF5.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(SHAPE)), values, strict=True)


_UNNAMED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"compression": 32001, "compression_opts": (0, 0, 0, 0, 5)}, "blosc"),  # less than Blosc's own settings
    ({"compression": 32001, "compression_opts": (0, 0, 0, 0, 5, 1, 3)}, "blosc"),  # Snappy
    ({"compression": 32026, "compression_opts": (0, 0, 0, 0, 5, 4, 1)}, "blosc2"),  # rounds
    ({"compression": 32008, "compression_opts": (64, 2)}, "bitshuffle"),  # blocks of its writer's choice
    ({"compression": 32008, "compression_opts": (0, 0)}, "bitshuffle"),  # not compressed
    ({"compression": 32015, "compression_opts": (2**32 - 5,)}, "zstd"),  # a negative level
    ({"compression": "gzip", "fletcher32": True}, "deflate"),
    ({"shuffle": True}, "shuffle"),
    ({"compression": 32001, "compression_opts": (0, 0, 0, 0, 5, 1, 1), "shuffle": True}, "blosc"),  # shuffled twice
    ({"compression": 32004, "compression_opts": (0,)}, "lz4"),
)


@pytest.mark.parametrize(("settings", "name"), _UNNAMED)
def test_settings_that_no_neutral_name_has_are_told_as_they_are(
    settings: dict[str, Any], name: str, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("image", SHAPE, "f4", chunks=CHUNK, **settings)
        assert made.chunks == CHUNK
    with HDF5.open(Location(tmp_path / "a.h5")) as reader:
        stored = reader.stored_as()
    assert stored.codec == "?"
    assert stored.note.startswith("filters: ")
    assert name in stored.note


def test_a_chunk_that_gets_no_smaller_is_stored_without_its_filter_and_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2**16, SHAPE).astype(np.uint16)
    location, stored = _written(tmp_path, "lzf", noise)
    assert stored.codec == "lzf"
    assert "2 chunks are stored without their filter" in stored.note
    assert stored.chunk_bytes == noise.nbytes
    with HDF5.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(SHAPE)), noise)


# what is in the chunks, by other libraries


@pytest.mark.parametrize("codec", ["blosc-lz4-5-bitshuffle", "blosc-zstd-3-shuffle", "zstd-3"])
def test_numcodecs_reads_a_chunk(codec: str, tmp_path: Path) -> None:
    import numcodecs

    location, _ = _written(tmp_path, codec, _smooth())
    decoder = numcodecs.Zstd() if codec.startswith("zstd") else numcodecs.Blosc()
    assert bytes(decoder.decode(_first_chunk(location.path))) == _smooth()[:4].tobytes()


def test_blosc2_chunks_are_arrays_of_blosc2(tmp_path: Path) -> None:
    blosc2 = pytest.importorskip("blosc2", reason="python-blosc2 is not installed; pip install blosc2")
    location, _ = _written(tmp_path, "blosc2-zstd-5-shuffle", _smooth())
    array = blosc2.ndarray_from_cframe(_first_chunk(location.path))
    assert array.shape == CHUNK
    assert array[:].tobytes() == _smooth()[:4].tobytes()
    assert array.schunk.cparams.codec == blosc2.Codec.ZSTD
    assert array.schunk.cparams.clevel == 5


def test_bitshuffle_is_lz4_of_shuffled_bits(tmp_path: Path) -> None:
    """A chunk is its size and a block's, both big-endian, then each block behind its own size."""
    import imagecodecs

    location, _ = _written(tmp_path, "bitshuffle-lz4", _smooth())
    data = _first_chunk(location.path)
    n_bytes, block_bytes = int.from_bytes(data[:8], "big"), int.from_bytes(data[8:12], "big")
    assert n_bytes == CHUNK_BYTES
    found, at = b"", 12
    while len(found) < n_bytes:
        size = int.from_bytes(data[at : at + 4], "big")
        block = imagecodecs.lz4_decode(data[at + 4 : at + 4 + size], out=min(block_bytes, n_bytes - len(found)))
        found += bytes(imagecodecs.bitshuffle_decode(block, itemsize=2))
        at += 4 + size
    assert at == len(data)
    assert found == _smooth()[:4].tobytes()


@pytest.mark.parametrize("dtype", ["bool", "uint16", "float64"])
@pytest.mark.parametrize(
    "codec", ["zstd-3", "blosc-lz4-5-bitshuffle", "blosc2-zstd-5-shuffle", "bitshuffle-lz4", "bitshuffle-zstd-3"]
)
def test_the_block_codec_makes_the_bytes_of_the_file(codec: str, dtype: str, tmp_path: Path) -> None:
    values = _smooth(dtype)
    location, _ = _written(tmp_path, codec, values)
    block_codec = HDF5.block_codec(_request(codec, dtype))
    assert not isinstance(block_codec, str)
    assert block_codec.encode(values[:4]) == _first_chunk(location.path)
    np.testing.assert_array_equal(block_codec.decode(_first_chunk(location.path)), values[:4], strict=True)


def test_a_block_that_gets_no_smaller_comes_back_too() -> None:
    noise = np.random.default_rng(0).integers(0, 2**16, CHUNK).astype(np.uint16)
    block_codec = HDF5.block_codec(_request("blosc-lz4-5-shuffle"))
    assert not isinstance(block_codec, str)
    encoded = [block_codec.encode(noise), block_codec.encode(_smooth()[:4])]
    assert len(encoded[1]) < len(encoded[0]) == noise.nbytes
    for data, block in zip(encoded, (noise, _smooth()[:4]), strict=True):
        np.testing.assert_array_equal(block_codec.decode(data), block, strict=True)


@pytest.mark.parametrize("codec", ["lzf", "lzf-shuffle", "deflate-4-shuffle", "zstd-3-shuffle"])
def test_filters_that_cannot_be_called_alone_say_so(codec: str) -> None:
    assert "without a file" in str(HDF5.block_codec(_request(codec)))


def test_damaged_bytes_for_a_block_are_an_error() -> None:
    block_codec = HDF5.block_codec(_request("bitshuffle-lz4"))
    assert not isinstance(block_codec, str)
    with pytest.raises(ValueError, match="reshape"):
        block_codec.decode(b"\0" * 50)


# what cannot be had


@pytest.mark.parametrize("codec", ["blosc-lz4-5-shuffle", "blosc2-zstd-5-shuffle"])
def test_chunks_that_blosc_would_leave_as_they_are_are_refused(codec: str) -> None:
    shape = (2, 2**15, 2**15)
    request = WriteRequest(
        shape=shape,
        dtype=np.dtype("uint8"),
        axes="zyx",
        codec=parse_codec(codec),
        layout=Layout(chunk_shape=shape),
    )
    assert "less than 2 GiB" in str(HDF5.why_unsupported(Location(Path("a.h5")), request))


def test_a_damaged_chunk_is_a_sentence(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, "blosc-zstd-3-shuffle", _smooth())
    with h5py.File(location.path) as file:
        chunk = file["image"].id.get_chunk_info(1)
    with location.path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(bytes(chunk.size))
    with HDF5.open(location) as reader, pytest.raises(DataError, match=r"image\.h5"):
        reader.read(Region.whole(SHAPE))


def test_a_filter_that_nobody_has_is_a_sentence(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk(CHUNK)
        made.set_filter(32768, h5py.h5z.FLAG_OPTIONAL, (1, 2))
        space = h5py.h5s.create_simple(SHAPE)
        h5py.h5d.create(file.id, b"image", h5py.h5t.NATIVE_UINT16, space, dcpl=made)
    with (
        pytest.raises(DataError, match=r"a\.h5 .*number 32768 .*HDF5_PLUGIN_PATH"),
        HDF5.open(Location(tmp_path / "a.h5")),
    ):
        pass


_WITHOUT_PLUGIN = """
import importlib.metadata, sys
from pathlib import Path
import numpy as np

installed = importlib.metadata.version
def version(name):
    if name == "hdf5plugin":
        raise importlib.metadata.PackageNotFoundError(name)
    return installed(name)
importlib.metadata.version = version

from storebench.backends import WriteRequest, get_backend
from storebench.codecs import parse_codec
from storebench.errors import MissingDependencyError
from storebench.stores import Location

backend, location = get_backend("hdf5-h5py"), Location(Path(sys.argv[1]))
assert backend.why_unavailable() is None
assert "hdf5plugin" not in backend.facts()
for codec in ("none", "lzf-shuffle", "deflate-4-shuffle", "zstd-3", "blosc-lz4-5-shuffle", "blosc2-zstd-5-shuffle",
              "bitshuffle-lz4", "zstd-3-shuffle"):
    request = WriteRequest(shape=(4, 4), dtype=np.dtype("uint8"), axes="yx", codec=parse_codec(codec))
    print(codec, backend.why_unsupported(location, request))
try:
    with backend.open(location):
        pass
except MissingDependencyError as error:
    print(error)
assert "hdf5plugin" not in sys.modules
"""


def test_without_hdf5plugin_its_codecs_are_refused_and_its_files_name_the_extra(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, "blosc-lz4-5-shuffle", _smooth())
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_PLUGIN, str(location.path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *codecs, unreadable = done.stdout.splitlines()
    advice = 'hdf5plugin not installed; install with: pip install "storebench[hdf5plugin]"'
    assert unreadable == f"{location.path} is compressed by HDF5's plugin number 32001 (blosc): {advice}"
    taken = {line.split()[0] for line in codecs if line.endswith(" None")}
    assert taken == {"none", "lzf-shuffle", "deflate-4-shuffle"}
    for line in codecs:
        assert line.endswith((" None", advice))
    assert issubclass(MissingDependencyError, ImportError)


# threads


def test_bloscs_threads_are_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The filters look into the environment with every chunk, and leave their threads behind in the process."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("this system does not list threads; run on Linux, or mount /proc")
    monkeypatch.setenv("BLOSC_NTHREADS", "3")
    script = tmp_path / "threads.py"
    script.write_text(_THREADS)
    told = {
        limit: subprocess.run(
            [sys.executable, str(script), str(tmp_path / f"{limit}.h5"), limit],
            capture_output=True,
            text=True,
            check=True,
            env=dict(os.environ),
        ).stdout.split()
        for limit in ("-", "1", "2")
    }
    assert told == {"-": ["3"], "1": ["0"], "2": ["2"]}


_THREADS = """
import os, sys
from pathlib import Path
import numpy as np
from storebench.backends import WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.stores import Location
from storebench.grid import Layout

backend = get_backend("hdf5-h5py")
if sys.argv[2] != "-":
    assert backend.limit_threads(int(sys.argv[2])) is None
import hdf5plugin
values = np.random.default_rng(0).integers(0, 2000, (64, 64, 128)).astype("uint16")
request = WriteRequest(shape=values.shape, dtype=values.dtype, axes="zyx", codec=parse_codec("blosc-zstd-5-shuffle"),
                       layout=Layout(chunk_shape=values.shape))
before = len(os.listdir("/proc/self/task"))
write_array(backend, Location(Path(sys.argv[1])), request, (values,))
print(len(os.listdir("/proc/self/task")) - before)
"""
