"""Blosc2's .b2nd: its two-level partition, what its header tells, what a read fetches, and what damage looks like."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import StoredAs, WriteRequest, get_backend, write_array
from storebench.codecs import BLOSC_COMPRESSORS, SHUFFLES, parse_codec
from storebench.errors import DataError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location

blosc2 = pytest.importorskip("blosc2", reason='blosc2 is missing; install with: pip install "storebench[blosc2]"')

BACKEND = get_backend("b2nd-blosc2")
SHAPE = (20, 30, 45)
BLOCKS = Layout(chunk_shape=(8, 8, 8))
CHUNKS = Layout(chunk_shape=(8, 8, 8), shard_shape=(16, 32, 24))


def _request(shape: Shape = SHAPE, codec: str = "none", layout: Layout | None = BLOCKS) -> WriteRequest:
    return WriteRequest(
        shape=shape, dtype=np.dtype("uint16"), axes="zyx"[-len(shape) :], codec=parse_codec(codec), layout=layout
    )


def _noise(shape: Shape = SHAPE) -> NDArray:
    return np.random.default_rng(5).integers(0, 200, shape).astype("uint16")


def _written(folder: Path, request: WriteRequest) -> tuple[Location, StoredAs]:
    location = Location(folder / "image.b2nd")
    return location, write_array(BACKEND, location, request, (_noise(request.shape),))


# how it is cut


@pytest.mark.parametrize(("layout", "chunks"), [(BLOCKS, (8, 8, 8)), (CHUNKS, (16, 32, 24))])
def test_chunks_are_blosc2s_blocks_and_shards_its_chunks(layout: Layout, chunks: Shape, tmp_path: Path) -> None:
    location, stored = _written(tmp_path, _request(layout=layout))
    array = blosc2.open(str(location.path))
    assert (array.chunks, array.blocks) == (chunks, (8, 8, 8))
    assert stored.layout == layout
    assert stored.decode_shape == (8, 8, 8)
    assert array.schunk.contiguous
    np.testing.assert_array_equal(array[...], _noise())


def test_a_chunk_of_one_block_is_no_shard() -> None:
    layout = Layout(chunk_shape=(8, 8, 8), shard_shape=(8, 8, 8))
    assert "leave the shards out" in str(BACKEND.why_unsupported(Location(Path("x")), _request(layout=layout)))


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout(chunk_shape=(1024, 1024, 512)), "block has at most 536866816 bytes"),
        (Layout(chunk_shape=(512, 512, 512), shard_shape=(1024, 1024, 1024)), "chunk has at most 2147483615 bytes"),
    ],
)
def test_blocks_and_chunks_have_a_limit(layout: Layout, words: str) -> None:
    assert words in str(BACKEND.why_unsupported(Location(Path("x")), _request((2048,) * 3, layout=layout)))
    assert blosc2.MAX_BLOCKSIZE == 536866816
    assert blosc2.MAX_BUFFERSIZE == 2147483615


@pytest.mark.parametrize("shape", [(64, 64), (20, 300, 300), (40, 629, 629)])
def test_without_a_layout_the_library_chooses(shape: Shape, tmp_path: Path) -> None:
    location, stored = _written(tmp_path, _request(shape, "blosc2-lz4-1-shuffle", None))
    array = blosc2.open(str(location.path))
    assert stored.layout is not None
    assert stored.layout.chunk_shape == array.blocks
    even = not any(c % b for c, b in zip(array.chunks, array.blocks, strict=True))
    assert stored.layout.shard_shape == (array.chunks if even and array.chunks != array.blocks else None)
    assert ("do not come out even" in stored.note) == (not even)


def test_blocks_that_do_not_divide_their_chunk_are_said_in_a_note(tmp_path: Path) -> None:
    path = tmp_path / "others.b2nd"
    blosc2.asarray(_noise(), urlpath=str(path), mode="w", chunks=(10, 30, 45), blocks=(4, 7, 45))
    with BACKEND.open(Location(path)) as reader:
        stored = reader.stored_as()
        np.testing.assert_array_equal(reader.read(Region.whole(SHAPE)), _noise())
    assert stored.layout == Layout(chunk_shape=(4, 7, 45))
    assert "Blosc2 chunks of (10, 30, 45)" in stored.note


# what the header tells


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("compressor", BLOSC_COMPRESSORS)
def test_the_header_tells_compressor_level_and_filter(compressor: str, shuffle: str, tmp_path: Path) -> None:
    name = f"blosc2-{compressor}-4-{shuffle}"
    location, stored = _written(tmp_path, _request(codec=name, layout=CHUNKS))
    assert stored.codec == name
    settings = blosc2.open(str(location.path)).schunk.cparams
    assert (settings.codec.name, settings.clevel) == (compressor.upper(), 4)


def test_what_has_no_neutral_name_is_described(tmp_path: Path) -> None:
    path = tmp_path / "others.b2nd"
    filters = [blosc2.Filter.DELTA, blosc2.Filter.SHUFFLE]
    settings = blosc2.CParams(codec=blosc2.Codec.ZSTD, clevel=2, filters=filters, filters_meta=[0, 0])
    blosc2.asarray(_noise(), urlpath=str(path), mode="w", cparams=settings)
    with BACKEND.open(Location(path)) as reader:
        stored = reader.stored_as()
    assert stored.codec == "?"
    assert stored.note.startswith("Blosc2's zstd at level 2 behind the filters DELTA, SHUFFLE")


@pytest.mark.parametrize(
    ("codec", "words"),
    [("blosc2-zstd-0-shuffle", "use none"), ("blosc2-lz4-5-shuffle+crc32c", "no CRC-32C"), ("zstd-3", "has no codec")],
)
def test_what_it_cannot_do_is_a_sentence(codec: str, words: str) -> None:
    assert words in str(BACKEND.why_unsupported(Location(Path("x")), _request(codec=codec)))


@pytest.mark.parametrize(("codec", "chunk_bytes"), [("none", 8 * 65568), ("blosc2-lz4-1-noshuffle", None)])
def test_chunks_of_zeros_lie_in_the_index_where_anything_is_compressed(
    codec: str, chunk_bytes: int | None, tmp_path: Path
) -> None:
    request = _request((64, 64, 64), codec, Layout(chunk_shape=(32, 32, 32)))
    location = Location(tmp_path / "image.b2nd")
    stored = write_array(BACKEND, location, request, (np.zeros(request.shape, np.uint16),))
    assert stored.chunk_bytes == chunk_bytes
    with BACKEND.open(location) as reader:
        assert not reader.read(Region.whole(request.shape)).any()


def test_voxels_that_were_never_written_are_zeros(tmp_path: Path) -> None:
    location = Location(tmp_path / "image.b2nd")
    with BACKEND.create(location, _request()) as writer:
        writer.write(Region((3, 3, 3), (5, 9, 9)), np.ones((2, 6, 6), np.uint16))
    with BACKEND.open(location) as reader:
        found = reader.read(Region.whole(SHAPE))
    assert found.sum() == found[3:5, 3:9, 3:9].sum() == 72


# what a read fetches


def _read_bytes() -> int:
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="bytes read are told by Linux alone")
@pytest.mark.parametrize("codec", ["none", "blosc2-zstd-1-bitshuffle"])
def test_a_read_fetches_blocks_and_not_chunks(codec: str, tmp_path: Path) -> None:
    layout = Layout(chunk_shape=(8, 32, 32), shard_shape=(64, 128, 128))
    location, stored = _written(tmp_path, _request((64, 128, 128), codec, layout))
    assert stored.chunk_bytes is not None
    block_bytes = stored.chunk_bytes / 128
    fetched = []
    for region in (Region((3, 3, 3), (4, 4, 4)), Region((3, 0, 0), (4, 128, 128))):
        with BACKEND.open(location) as reader:
            before = _read_bytes()
            reader.read(region)
            fetched.append(_read_bytes() - before)
    assert block_bytes * 0.9 < fetched[0] < block_bytes * 1.1 + 3000  # the header, the index, the places of 128 blocks
    assert block_bytes * 16 * 0.9 < fetched[1] < block_bytes * 16 * 1.1 + 3000


# threads


_COUNTED = """
import sys, tempfile
from pathlib import Path
import numpy as np, blosc2
from storebench.backends import WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.grid import Layout
from storebench.stores import Location
backend = get_backend("b2nd-blosc2")
if sys.argv[1] != "0":
    assert backend.limit_threads(int(sys.argv[1])) is None
values = np.random.default_rng(0).integers(0, 99, (16, 32, 32)).astype("u2")
layout = Layout(chunk_shape=(4, 16, 16), shard_shape=(8, 32, 32))
codec = parse_codec("blosc2-zstd-3-shuffle")
request = WriteRequest(shape=values.shape, dtype=values.dtype, axes="zyx", codec=codec, layout=layout)
with tempfile.TemporaryDirectory() as folder:
    location = Location(Path(folder) / "image.b2nd")
    write_array(backend, location, request, (values,))
    with backend.open(location) as reader:
        settings = reader._array.schunk
        print(settings.dparams.nthreads, settings.cparams.nthreads)
"""


def test_a_limit_reaches_every_array_and_nothing_is_set_without_one() -> None:
    for limit in (1, 3):
        done = subprocess.run([sys.executable, "-c", _COUNTED, str(limit)], capture_output=True, text=True, check=True)
        assert done.stdout.split() == [str(limit)] * 2
    done = subprocess.run([sys.executable, "-c", _COUNTED, "0"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(blosc2.nthreads)] * 2


# damage


@pytest.mark.parametrize("share", [0.0, 0.001, 0.4, 0.999])
def test_a_cut_off_file_is_named(share: float, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _request(codec="blosc2-zstd-3-shuffle", layout=CHUNKS))
    data = location.path.read_bytes()
    location.path.write_bytes(data[: int(len(data) * share)])
    for opened in (BACKEND.open, BACKEND.reopen):
        with pytest.raises(DataError, match="it is damaged or something else") as caught, opened(location):
            pass
        assert str(location.path) in str(caught.value)


_BROKEN = """
import random, sys
from pathlib import Path
from storebench.backends import get_backend
from storebench.errors import DataError
from storebench.grid import Region
from storebench.stores import Location
backend, source = get_backend("b2nd-blosc2"), Path(sys.argv[1])
data, rng, n_named = source.read_bytes(), random.Random(1), 0
for n in range(400):
    place = rng.choice([rng.randrange(300), len(data) - 1 - rng.randrange(200), rng.randrange(len(data))])
    damaged = bytearray(data)
    damaged[place : place + 4] = rng.randbytes(4)
    target = source.with_name("damaged.b2nd")
    target.write_bytes(damaged[: len(data)])
    try:
        with backend.open(Location(target)) as reader:
            reader.stored_as()
            reader.read(Region((0, 0, 0), tuple(min(n, 20) for n in reader.levels[0])))
    except DataError as error:
        assert "damaged.b2nd" in str(error)
        n_named += 1
print(n_named)
"""


def test_damaged_bytes_end_in_an_error_or_in_voxels_and_never_in_a_crash(tmp_path: Path) -> None:
    """Nothing has a checksum: damage inside of a block is not always noticed, of header and index it mostly is."""
    location, _ = _written(tmp_path, _request(codec="blosc2-lz4-5-shuffle", layout=CHUNKS))
    done = subprocess.run(
        [sys.executable, "-c", _BROKEN, str(location.path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


def test_another_kind_of_file_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "image.b2nd"
    blosc2.SChunk(chunksize=100, data=bytes(1000), urlpath=str(path), contiguous=True, mode="w")
    with pytest.raises(DataError, match="no Blosc2 array of numbers"), BACKEND.open(Location(path)):
        pass
    path.write_text("no image")
    with pytest.raises(DataError, match="cannot be read as a Blosc2 array"), BACKEND.open(Location(path)):
        pass


def test_facts_name_the_c_library_that_is_loaded() -> None:
    assert BACKEND.facts()["c-blosc2"] == blosc2.blosclib_version.split(" ")[0]
