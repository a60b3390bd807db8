"""acquire-zarr: what it is given and refused, when planes are really there, what it does that no setting turns off."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import WriteRequest, get_backend, write_array, writing
from storebench.codecs import parse_codec
from storebench.errors import StorageError, UnsupportedError, UsageError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location, RequestLog

pytest.importorskip(
    "acquire_zarr", reason='acquire-zarr is missing; install with: pip install "storebench[acquire-zarr]"'
)

BACKEND = get_backend("zarr3-acquirezarr")
SHAPE = (12, 40, 48)
PLANES = Layout(chunk_shape=(1, 16, 16), shard_shape=(1, 32, 48))
CUBES = Layout(chunk_shape=(4, 16, 16), shard_shape=(8, 32, 32))


def _request(codec: str = "none", layout: Layout | None = CUBES, shape: Shape = SHAPE) -> WriteRequest:
    axes = "tczyx"[-len(shape) :]
    return WriteRequest(shape=shape, dtype=np.dtype("uint16"), axes=axes, codec=parse_codec(codec), layout=layout)


def _noise(shape: Shape = SHAPE) -> NDArray:
    return np.random.default_rng(5).integers(1, 2000, shape).astype("uint16")


def _why_not(request: WriteRequest) -> str:
    return str(BACKEND.why_unsupported(Location(Path("x.zarr")), request))


# what it takes


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (_request(layout=Layout(chunk_shape=(4, 16, 16))), "writes shards always; name them, at least 4x16x16"),
        (_request("blosc-zlib-5-shuffle"), "has Blosc with lz4 and zstd, not blosc-zlib-5-shuffle"),
        (_request("zstd-3"), "has no codec zstd-3"),
        (_request("blosc-lz4-5-shuffle+crc32c"), "has no CRC-32C checksum"),
        (_request(layout=None, shape=(40, 48)), "holds images of 3 to 5 axes"),
        (replace(_request(), dtype=np.dtype("float16")), "cannot hold float16"),
        (replace(_request(), level_factors=((1, 2, 2),)), "holds one resolution level"),
    ],
)
def test_what_it_does_not_do_is_a_sentence(request_: WriteRequest, words: str) -> None:
    assert words in _why_not(request_)


@pytest.mark.parametrize("codec", ["none", "blosc-lz4-0-noshuffle", "blosc-lz4-9-bitshuffle", "blosc-zstd-3-shuffle"])
@pytest.mark.parametrize("shape", [SHAPE, (3, 2, 9, 17, 19)])
def test_codec_and_shards_are_stored_as_asked(codec: str, shape: Shape, tmp_path: Path) -> None:
    layout = CUBES if len(shape) == 3 else Layout(chunk_shape=(1, 1, 4, 8, 16), shard_shape=(2, 1, 4, 16, 32))
    location = Location(tmp_path / "image.zarr")
    stored = write_array(BACKEND, location, _request(codec, layout, shape), (_noise(shape),))
    assert (stored.layout, stored.codec, stored.axes) == (layout, codec, "tczyx"[-len(shape) :])
    assert json.loads((location.path / "zarr.json").read_text())["fill_value"] == 0
    with get_backend("zarr3-zarrpython").open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(shape)), _noise(shape))


def test_without_a_layout_each_plane_is_a_chunk_and_a_shard(tmp_path: Path) -> None:
    stored = write_array(BACKEND, Location(tmp_path / "image.zarr"), _request(layout=None), (_noise(),))
    assert stored.layout == Layout(chunk_shape=(1, 40, 48), shard_shape=(1, 40, 48))


def test_it_is_read_by_zarr_python_and_counted(tmp_path: Path) -> None:
    location, log = Location(tmp_path / "image.zarr"), RequestLog()
    write_array(BACKEND, location, _request(), (_noise(),))
    with BACKEND.open(location.counted(log)) as reader:
        reader.read(Region.whole(SHAPE))
    assert log.fetched_bytes == location.size()[0]
    assert BACKEND.facts()["acquire-zarr is read by"] == "zarr-python"


# planes, in order


def test_planes_are_taken_where_each_completes_its_shards() -> None:
    assert BACKEND.write_order(_request(layout=PLANES)) == "planes"
    assert BACKEND.write_order(_request(layout=None)) == "planes"
    assert BACKEND.write_order(_request(layout=CUBES)) == "whole"
    assert BACKEND.write_order(replace(_request(layout=PLANES), stack_axis=1)) == "whole"


def test_voxels_are_checked_since_it_takes_any_bytes(tmp_path: Path) -> None:
    """docs/findings/acquire-zarr-takes-any-bytes.md."""
    location, plane = Location(tmp_path / "image.zarr"), Region((0, 0, 0), (1, 40, 48))
    with BACKEND.create(location, _request(layout=PLANES)) as writer:
        for values in (np.ones((1, 40, 48), np.float32), np.ones((1, 40, 48), ">u2"), np.ones((1, 48, 40), np.uint16)):
            with pytest.raises(UsageError, match="cannot take"):
                writer.write(plane, values)
        with pytest.raises(UsageError, match="plane 0 comes next"):
            writer.write(Region((1, 0, 0), (2, 40, 48)), _noise()[1:2])
        with pytest.raises(UsageError, match="cuts planes"):
            writer.write(Region((0, 0, 0), (1, 20, 48)), _noise()[:1, :20])
        for z in range(12):  # of every other voxel in memory
            values = np.repeat(_noise()[z : z + 1], 2, axis=2)[:, :, ::2]
            writer.write(Region((z, 0, 0), (z + 1, 40, 48)), values)
    with BACKEND.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(SHAPE)), _noise())


def test_what_was_flushed_is_there_while_the_stream_goes_on(tmp_path: Path) -> None:
    location = Location(tmp_path / "image.zarr")
    with BACKEND.create(location, _request("blosc-zstd-9-shuffle", PLANES)) as writer:
        for z in range(0, 12, 3):
            writer.write(Region((z, 0, 0), (z + 3, 40, 48)), _noise()[z : z + 3])
            writer.flush()
            with BACKEND.open(location) as reader:
                np.testing.assert_array_equal(
                    reader.read(Region((0, 0, 0), (z + 3, 40, 48))), _noise()[: z + 3], strict=True
                )


def test_everything_is_there_when_the_write_of_the_whole_returns(tmp_path: Path) -> None:
    location = Location(tmp_path / "image.zarr")
    with BACKEND.create(location, _request()) as writer:
        with pytest.raises(UsageError, match="written whole"):
            writer.write(Region((0, 0, 0), (4, 40, 48)), _noise()[:4])
        writer.write(Region.whole(SHAPE), _noise())
        with BACKEND.open(location) as reader:
            np.testing.assert_array_equal(reader.read(Region.whole(SHAPE)), _noise())
        writer.flush()


def test_a_flush_amid_a_shard_is_refused(tmp_path: Path) -> None:
    from storebench.backends.zarr_acquire import _Stream

    stream = _Stream(Location(tmp_path / "image.zarr"), _request(layout=PLANES), "planes")
    stream.write(Region((0, 0, 0), (1, 40, 48)), _noise()[:1])
    stream._order = "whole"
    with pytest.raises(UnsupportedError, match="flush after the last plane"):
        stream.flush()
    stream.close()


def test_an_image_is_begun_once(tmp_path: Path) -> None:
    location = Location(tmp_path / "image.zarr")
    write_array(BACKEND, location, _request(), (_noise(),))
    with pytest.raises(UnsupportedError, match="writes an image once"), BACKEND.reopen(location):
        pass


def test_a_write_that_fails_is_raised_and_leaves_nothing(tmp_path: Path) -> None:
    location, request = Location(tmp_path / "image.zarr"), _request()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(StorageError, match="could not be written"), writing(BACKEND, location, request) as writer:
            writer.write(Region.whole(SHAPE), _noise())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


# what no setting turns off


def test_chunks_of_zeros_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    """docs/findings/acquire-zarr-fsync-and-zeros.md."""
    location = Location(tmp_path / "image.zarr")
    stored = write_array(BACKEND, location, _request(), (np.zeros(SHAPE, np.uint16),))
    n_shards, index_bytes = 2 * 2 * 2, 2 * 2 * 2 * 16 + 4
    assert stored.chunk_bytes == n_shards * index_bytes
    assert BACKEND.facts()["empty chunks"] == "left out of shards (no setting)"
    with BACKEND.open(location) as reader:
        assert not reader.read(Region.whole(SHAPE)).any()


_WRITE = """
import sys
from pathlib import Path
import numpy as np
from storebench.backends import WriteRequest, get_backend
from storebench.codecs import parse_codec
from storebench.grid import Layout, Region
from storebench.stores import Location
backend, values = get_backend("zarr3-acquirezarr"), np.ones((16, 16, 16), np.uint16)
layout = Layout(chunk_shape=(8, 8, 8), shard_shape=(8, 8, 8))
request = WriteRequest(shape=values.shape, dtype=values.dtype, axes="zyx", codec=parse_codec("none"), layout=layout)
with backend.create(Location(Path(sys.argv[1])), request) as writer:
    writer.write(Region.whole(values.shape), values)
"""


def test_each_shard_is_synced_and_said_to_be(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; apt-get install strace")
    trace, target = tmp_path / "trace", tmp_path / "image.zarr"
    watch = ["strace", "-f", "-qq", "-e", "trace=fsync", "-o", str(trace)]
    done = subprocess.run(
        [*watch, sys.executable, "-c", _WRITE, str(target)], capture_output=True, text=True, check=False
    )
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip(f"strace may not trace here ({done.stderr.splitlines()[0]}); allow ptrace")
    assert done.returncode == 0, done.stderr
    assert trace.read_text().count("fsync(") == 8 + 1
    assert BACKEND.facts()["acquire-zarr fsync"].startswith("of each shard")


def test_a_stream_has_three_threads_at_least() -> None:
    code = "from storebench.backends import get_backend; print(get_backend('zarr3-acquirezarr').limit_threads({}))"
    told = {
        n: subprocess.run([sys.executable, "-c", code.format(n)], capture_output=True, text=True, check=True).stdout
        for n in (1, 2, 3)
    }
    assert "use --threads 3 or more" in told[1]
    assert told[1] == told[2]
    assert told[3].strip() == "None"
