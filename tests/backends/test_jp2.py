"""What is particular to JPEG 2000: the bounds of its lossy codecs, its own levels, tiles, and where OpenJPEG comes from."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from storebench.backends import WriteRequest, check_stored, write_array
from storebench.backends.jp2_glymur import Jp2Glymur, load_glymur
from storebench.backends.jp2_imagecodecs import Jp2Imagecodecs
from storebench.backends.jp2_imageio import Jp2Imageio
from storebench.codecs import parse_codec
from storebench.errors import DataError, VerificationError
from storebench.grid import Layout, Region, wavelet_levels
from storebench.stores import Location, RequestLog

BACKENDS = (Jp2Imageio(), Jp2Glymur(), Jp2Imagecodecs())
every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)


def smooth_image(dtype: str, shape: tuple[int, int] = (200, 170)) -> np.ndarray:
    """Slow waves and 1 % of noise over most of the dtype's range."""
    peak = np.iinfo(dtype).max
    y, x = np.mgrid[: shape[0], : shape[1]]
    noise = np.random.default_rng(0).standard_normal(shape) * 0.01
    return np.clip((np.sin(y / 30) * np.cos(x / 20) * 0.24 + 0.4 + noise) * peak, 0, peak).astype(dtype)


def request_for(values: np.ndarray, codec: str, tile: tuple[int, int] | None = None) -> WriteRequest:
    """A request to store `values`."""
    layout = None if tile is None else Layout(chunk_shape=tile)
    return WriteRequest(shape=values.shape, dtype=values.dtype, axes="yx", codec=parse_codec(codec), layout=layout)


def store(backend, folder: Path, values: np.ndarray, codec: str, tile: tuple[int, int] | None = None) -> Location:
    """Store `values` and return where."""
    location = Location(folder / "image.jp2")
    write_array(backend, location, request_for(values, codec, tile), (values,))
    return location


def read(backend, location: Location) -> np.ndarray:
    """Read the whole image."""
    with backend.open(location) as reader:
        return reader.read(Region.whole(reader.levels[0]))


@every_backend
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("psnr_db", [30, 45, 60, 90])
def test_the_psnr_is_reached(tmp_path, backend, dtype, psnr_db):
    values = smooth_image(dtype)
    back = read(backend, store(backend, tmp_path, values, f"jp2-psnr-{psnr_db}"))
    error = np.square(back.astype(float) - values).mean()
    assert error <= np.iinfo(dtype).max ** 2 / 10 ** (psnr_db / 10)


@pytest.mark.parametrize("backend", BACKENDS[:2], ids=lambda backend: backend.name)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("ratio", [2, 10, 40])
def test_the_ratio_is_reached(tmp_path, backend, dtype, ratio):
    values = smooth_image(dtype)
    location = store(backend, tmp_path, values, f"jp2-ratio-{ratio}")
    assert location.size()[0] <= 1.03 * values.nbytes / ratio


def test_the_chapters_lossy_image_has_the_chapters_size(tmp_path):
    """`quality_layers=[2]` of the seed is jp2-ratio-2: 1029 bytes for 32 × 32 random voxels of 16 bits."""
    values = np.random.default_rng(0).integers(0, 65535, (32, 32)).astype("uint16")
    assert store(BACKENDS[0], tmp_path, values, "jp2-ratio-2").size()[0] == pytest.approx(1029, abs=15)


def test_a_ratio_of_one_is_refused(tmp_path):
    request = request_for(smooth_image("uint8"), "jp2-ratio-1")
    assert "jp2-lossless" in BACKENDS[0].why_unsupported(Location(tmp_path / "a.jp2"), request)


@every_backend
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 4), (31, 40), (32, 32)])
def test_images_smaller_than_the_default_levels_need(tmp_path, backend, shape):
    values = np.random.default_rng(0).integers(0, 65535, shape, endpoint=True).astype("uint16")
    np.testing.assert_array_equal(read(backend, store(backend, tmp_path, values, "jp2-lossless")), values)


@pytest.mark.parametrize("tile", [(17, 17), (16, 32), (33, 31), (34, 30), (50, 48), (35, 35)])
def test_glymurs_tiles_are_right_up_to_the_smallest_corner(tmp_path, tile):
    values = np.random.default_rng(0).integers(0, 65535, (35, 35) if max(tile) < 36 else (51, 49)).astype("uint16")
    tile = tuple(min(t, n) for t, n in zip(tile, values.shape, strict=True))
    location = store(BACKENDS[1], tmp_path, values, "jp2-lossless", tile)
    for backend in BACKENDS:
        np.testing.assert_array_equal(read(backend, location), values)


def test_levels_stop_before_a_tile_becomes_empty():
    assert wavelet_levels((512, 512), (64, 64)) == 5
    assert wavelet_levels((35, 35), (17, 17)) == 1  # the corner tile 34:35 has no voxel at level 2
    assert wavelet_levels((333, 277), (332, 276)) == 2
    assert wavelet_levels((1, 1), (1, 1)) == 0


def test_tiles_that_would_be_garbage_are_refused(tmp_path):
    location = Location(tmp_path / "a.jp2")
    imageio, _, imagecodecs = BACKENDS
    wide, narrow = smooth_image("uint16"), smooth_image("uint8")
    assert "16-bit tiles" in imageio.why_unsupported(location, request_for(wide, "jp2-lossless", (64, 64)))
    assert imageio.why_unsupported(location, request_for(narrow, "jp2-lossless", (64, 64))) is None
    assert "one tile" in imagecodecs.why_unsupported(location, request_for(narrow, "jp2-lossless", (64, 64)))
    assert "ratio" in imagecodecs.why_unsupported(location, request_for(narrow, "jp2-ratio-10"))


@every_backend
def test_every_level_and_area_is_part_of_its_whole(tmp_path, backend):
    values = smooth_image("uint16", (133, 96))
    location = store(BACKENDS[1], tmp_path, values, "jp2-lossless", (64, 32))
    with backend.open(location) as reader:
        for level, shape in enumerate(reader.levels):
            assert shape == tuple(-(-n // 2**level) for n in values.shape)
            whole = reader.read(Region.whole(shape), level)
            region = Region(tuple(n // 3 for n in shape), tuple(n // 3 + 1 + n // 4 for n in shape))
            np.testing.assert_array_equal(reader.read(region, level), whole[region.slices])
            if level < 3:  # a low-pass band keeps the brightness (but is no mean of voxels)
                assert abs(float(whole.mean()) - float(values.mean())) < 0.02 * values.mean()


@pytest.mark.parametrize("backend", BACKENDS[:2], ids=lambda backend: backend.name)
def test_layers_are_in_the_file_and_the_last_one_is_lossless(tmp_path, backend):
    values = np.random.default_rng(0).integers(0, 65535, (200, 170)).astype("uint16")
    values[:100] = smooth_image("uint16", (100, 170))
    location = store(backend, tmp_path, values, "jp2-layers-20-4-1", (64, 64) if backend is BACKENDS[1] else None)
    np.testing.assert_array_equal(read(backend, location), values)
    with backend.open(location) as reader:
        assert "3 quality layers" in reader.stored_as().note
        with pytest.raises(VerificationError, match="codec"):
            check_stored(reader.stored_as(), request_for(values, "jp2-lossless"))
    image = load_glymur().Jp2k(location.path)
    image.layer = 1  # glymur's own way to fewer layers; storebench reads all
    assert not np.array_equal(image[:], values)


def test_layers_must_refine():
    request = request_for(smooth_image("uint16"), "jp2-layers-10-20-1")
    assert "must get smaller" in BACKENDS[1].why_unsupported(Location(Path("a.jp2")), request)


def test_tiles_come_with_a_table_of_their_lengths(tmp_path):
    location = store(BACKENDS[1], tmp_path, smooth_image("uint16"), "jp2-lossless", (64, 64))
    segments = [s.marker_id for s in load_glymur().Jp2k(location.path).get_codestream().segment]
    assert ("TLM" in segments) == (load_glymur().version.openjpeg_version_tuple >= (2, 5))


def test_pillow_offers_the_levels_that_it_can_decode(tmp_path):
    values = smooth_image("uint8", (100, 100))
    location = store(BACKENDS[0], tmp_path, values, "jp2-lossless")
    with BACKENDS[0].open(location) as reader:
        assert reader.levels == ((100, 100), (50, 50), (25, 25), (13, 13))
    with BACKENDS[1].open(location) as reader:
        assert len(reader.levels) == 6


@pytest.mark.parametrize("backend", [BACKENDS[0], BACKENDS[2]], ids=lambda backend: backend.name)
def test_a_read_fetches_the_whole_file(tmp_path, backend):
    location = store(backend, tmp_path, smooth_image("uint16"), "jp2-lossless")
    log = RequestLog()
    with backend.open(location.counted(log)) as reader:
        reader.read(Region((0, 0), (1, 1)))
    assert log.fetched_bytes == location.size()[0]


@every_backend
def test_what_is_stored_comes_from_the_file(tmp_path, backend):
    import glymur

    glymur.Jp2k(tmp_path / "lossy.jp2", data=smooth_image("uint16"), irreversible=True, tilesize=(64, 96))
    with backend.open(Location(tmp_path / "lossy.jp2")) as reader:
        stored = reader.stored_as()
    assert (stored.layout, stored.codec) == (Layout(chunk_shape=(64, 96)), "jp2-[pr]*")
    assert "9-7" in stored.note


@every_backend
@pytest.mark.parametrize("n_bytes", [0, 10, 60, 100, 300, 5000])
def test_a_cut_file_is_a_sentence(tmp_path, backend, n_bytes):
    location = store(backend, tmp_path, smooth_image("uint16"), "jp2-lossless")
    location.path.write_bytes(location.path.read_bytes()[:n_bytes])
    with pytest.raises(DataError, match=r"image\.jp2"), backend.open(location) as reader:
        reader.read(Region((0, 0), (50, 50)))


@every_backend
def test_a_missing_folder_is_said_by_the_system(tmp_path, backend):
    values = smooth_image("uint8")
    with pytest.raises(FileNotFoundError):
        store(backend, tmp_path / "no such folder", values, "jp2-lossless")


LOAD = """
import ctypes.util, os, sys
from pathlib import Path
before = set(os.listdir())
find = ctypes.util.find_library
from storebench.backends.jp2_glymur import Jp2Glymur
print(Jp2Glymur().facts()["openjpeg"])
assert ctypes.util.find_library is find and set(os.listdir()) == before
"""


def run(code: str, folder: Path) -> str:
    """Run code in a fresh interpreter in `folder`, without anybody's glymur settings."""
    environment = os.environ | {"XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_glymur_gets_an_openjpeg_without_a_trace(tmp_path):
    said = run(LOAD, tmp_path)
    assert said.endswith("(Pillow's wheel)" if ctypes.util.find_library("openjp2") is None else ")")


def test_without_any_openjpeg_there_is_a_sentence(tmp_path):
    code = """
import ctypes.util
ctypes.util.find_library = lambda name: None
from storebench.backends import jp2_glymur
jp2_glymur._bundled_openjpeg = lambda: None
print(jp2_glymur.Jp2Glymur().why_unavailable())
assert jp2_glymur.Jp2Glymur().facts() == {}
"""
    assert "found none; install with: pip install pillow" in run(code, tmp_path)
