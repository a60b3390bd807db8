"""Volumes written block by block: equal to the dataset, whatever the format; what cannot be is refused."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from storebench.backends import BACKENDS, get_backend
from storebench.datasets import Dataset, open_dataset, open_file
from storebench.errors import MissingDependencyError, StorageError, UnsupportedError, UsageError
from storebench.grid import Region, iter_blocks
from storebench.levels import METHODS, build_levels
from storebench.pipelines import Threads, engine_for, progress_path, source_of, verify_volume, write_volume
from storebench.pipelines._blocks import grown, piece_of
from storebench.pipelines._plans import block_shapes, require_writable

from .conftest import SHAPE, Broken, Make

_SHARDED = {"chunks": (16, 16, 16), "shards": (32, 32, 32), "codec": "zstd-3"}


@pytest.mark.parametrize("method", METHODS)
def test_levels_are_those_of_the_whole_image(dataset: Dataset, target: Make, method: str) -> None:
    place = target("a.ome.zarr", "omezarr-0.5-zarrpython", **_SHARDED, levels=4, method=method)
    written = write_volume(source_of(dataset), place, Threads(2))
    assert written.n_blocks > 8
    stored = source_of(open_file(place.path))
    expected = build_levels(dataset.read(Region.whole(SHAPE)), place.request.level_factors, method)
    for level, values in zip(stored.levels, expected, strict=True):
        np.testing.assert_array_equal(level.read(Region.whole(values.shape)), values)
    assert not progress_path(place.path).exists()


def test_from_format_to_format_the_digest_stays(dataset: Dataset, target: Make) -> None:
    """Synthetic → Zarr → HDF5 → a stack → a TIFF → raw voxels."""
    source, digests = source_of(dataset), set()
    for backend, settings in (
        ("zarr3-zarrpython", _SHARDED),
        ("hdf5-h5py", {"codec": "deflate-1"}),
        ("tiffstack-tifffile", {"chunks": None, "codec": "deflate-6"}),
        ("tiff-tifffile", {"chunks": None}),
        ("npy-numpy", {"chunks": None}),
    ):
        place = target(f"volume{backend}", backend, **settings)
        engine = Threads(1 if backend == "tiff-tifffile" else 2)
        written = write_volume(source, place, engine)
        source = source_of(open_file(place.path, axes="zyx"))
        verified = verify_volume(source, engine, against=source_of(dataset))
        verified.require_equal()
        digests.add(verified.levels[0].digest)
        assert written.n_blocks > 4
        assert not progress_path(place.path).exists()
    assert len(digests) == 1
    assert source.dataset.read(Region.whole(SHAPE)).tobytes() == dataset.read(Region.whole(SHAPE)).tobytes()


@pytest.mark.parametrize("unit", [(1, 1, 70), (8, 8, 8), (64, 64, 64), (1, 52, 70), (3, 5, 7)])
@pytest.mark.parametrize("n_voxels", [1, 4000, 10**9])
def test_blocks_are_whole_units_and_cover_the_image_once(unit: tuple[int, ...], n_voxels: int) -> None:
    block = grown(unit, SHAPE, n_voxels)
    assert all(b % u == 0 for b, u in zip(block, unit, strict=True))
    assert math.prod(block) <= max(n_voxels, math.prod(unit))
    assert sum(region.n_voxels for region in iter_blocks(SHAPE, block)) == math.prod(SHAPE)


def test_blocks_grow_first_to_what_the_source_decodes() -> None:
    assert grown((8, 8, 8), (64, 64, 64), 8 * 64 * 64, first=(1, 64, 64)) == (8, 64, 64)
    assert grown((8, 8, 8), (64, 64, 64), 32**3) == (32, 32, 32)


def test_a_block_of_a_small_level_is_made_in_pieces() -> None:
    """A block of 16³ at level 3 lies over 128³ voxels, which are 4 MiB of uint16: here 32 KiB are read at once."""
    piece = piece_of((16, 16, 16), (8, 8, 8), 2)
    assert math.prod(piece) * 8**3 * 2 <= 1 << 15


def test_what_is_there_is_never_touched(dataset: Dataset, target: Make) -> None:
    place = target("a.zarr", "zarr3-zarrpython")
    place.path.mkdir()
    with pytest.raises(UsageError, match=r"a\.zarr exists, and storebench overwrites nothing"):
        write_volume(source_of(dataset), place, Threads(1))
    link = place.path.with_name("link.zarr")
    link.symlink_to("nothing.zarr")
    with pytest.raises(UsageError, match=r"link\.zarr is a link to what is not there"):
        write_volume(source_of(dataset), dataclasses.replace(place, path=link), Threads(1))
    assert link.is_symlink()
    away = dataclasses.replace(place, path=place.path.parent / "nowhere" / "a.zarr")
    with pytest.raises(UsageError, match=r"there is no folder .*mkdir -p"):
        write_volume(source_of(dataset), away, Threads(1))


def test_a_failure_before_the_first_block_leaves_nothing(dataset: Dataset, target: Make) -> None:
    place = target("a.zarr", "zarr3-zarrpython")
    broken = dataclasses.replace(source_of(dataset), dataset=Broken(dataset))
    with pytest.raises(OSError, match="gone"):
        write_volume(broken, place, Threads(1))
    assert list(place.path.parent.iterdir()) == []


@dataclasses.dataclass
class _Processes:
    """An engine that is never asked to work."""

    name: str = "2 workers"
    n_workers: int = 2
    one_process: bool = False
    one_machine: bool = True


@pytest.mark.parametrize(
    ("backend", "engine", "sentence"),
    [
        ("hdf5-h5py", _Processes(), "several processes must not write one hdf5 file"),
        ("npy-numpy", _Processes(), "several processes must not write one npy file"),
        ("tiff-tifffile", _Processes(), "written from its beginning to its end"),
        ("tiff-tifffile", Threads(2), "2 threads cannot write one tiff file"),
        ("png-imageio", Threads(1), "png-imageio holds images of 2 axes"),
    ],
)
def test_unsafe_writes_are_refused_with_a_sentence(
    target: Make, backend: str, engine: _Processes, sentence: str
) -> None:
    chunks = (16, 16, 16) if backend == "hdf5-h5py" else None
    with pytest.raises(UnsupportedError, match=sentence):
        require_writable(target("a", backend, chunks=chunks), engine)


def test_formats_that_take_an_image_whole_are_refused(tmp_path: Path) -> None:
    plane = open_dataset("ct", shape=(64, 64), dtype="uint16")
    from storebench.pipelines import Target

    from .conftest import request_for

    place = Target(
        backend="jp2-glymur", path=tmp_path / "a.jp2", request=request_for(plane, chunks=None, codec="jp2-lossless")
    )
    with pytest.raises(UnsupportedError, match="writes an image as a whole, so that it cannot be larger than memory"):
        require_writable(place, Threads(1))


def test_a_disk_or_a_memory_that_is_too_small_is_found_before(tmp_path: Path) -> None:
    from storebench.pipelines import Target

    from .conftest import request_for

    huge = open_dataset("ct", shape=(100_000, 100_000, 100_000), dtype="uint16")
    place = Target(
        backend="zarr3-zarrpython", path=tmp_path / "a.zarr", request=request_for(huge, chunks=(1000, 1000, 1000))
    )
    with pytest.raises(StorageError, match=r"are needed and .* are free"):
        write_volume(source_of(huge), place, Threads(1))
    request = request_for(huge, chunks=(1000, 1000, 1000), shards=(20_000, 20_000, 20_000), codec="zstd-3")
    with pytest.raises(StorageError, match=r"1 thread need about .* of memory .* use smaller shards"):
        write_volume(source_of(huge), dataclasses.replace(place, request=request), Threads(1))
    assert list(tmp_path.iterdir()) == []


def test_engines_exclude_each_other_and_need_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="exclude each other"), engine_for(threads=2, workers=2):
        pass
    with pytest.raises(UsageError, match="--memory-limit is for the processes"), engine_for(threads=2, memory_limit=1):
        pass
    too_small = engine_for(workers=1, memory_limit=64 << 20)
    with pytest.raises(UsageError, match=r"--memory-limit 64.0 MiB is less than .* give 384 MiB or more"), too_small:
        pass
    monkeypatch.setattr(
        "storebench.pipelines._engines.missing_distributions",
        lambda names, extra: f'{", ".join(names)} not installed; install with: pip install "storebench[{extra}]"',
    )
    with pytest.raises(MissingDependencyError, match=r'pip install "storebench\[dask\]"'), engine_for():
        pass


_CODEC = {"omezarr-0.4-iohub": "blosc-zstd-1-bitshuffle", "omezarr-0.5-iohub": "blosc-zstd-1-bitshuffle"}
"""Of those that refuse "none"."""
_WITH_LEVELS = [backend.name for backend in BACKENDS.values() if getattr(backend, "several_levels", False)]


@pytest.mark.parametrize("backend", [*_WITH_LEVELS, "precomputed-tensorstore"])
def test_the_librarys_own_chunks_are_those_of_level_0_on_every_level(
    target: Make, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left to themselves, zarr and tensorstore choose others for each level: two workers would then change one chunk."""
    if (why := get_backend(backend).why_unavailable()) is not None:
        pytest.skip(why)
    place = target("a.zarr", backend, codec=_CODEC.get(backend, "none"), chunks=None, levels=3)
    place.create()
    with get_backend(backend).open(place.location) as reader:
        stored = reader.stored_as()
    chunks = [stored.decode_shape_of(level) for level in range(3)]
    assert chunks == [stored.layout.chunk_shape] * 3
    for block, chunk in zip(block_shapes(place, None), chunks, strict=True):
        assert all(n % c == 0 for n, c in zip(block, chunk, strict=True))
    monkeypatch.setattr("storebench.pipelines._plans.grown", lambda *_, first: (8, 8, 8))
    with pytest.raises(UnsupportedError, match=r"on level 0, which blocks of .* would cut"):
        block_shapes(place, None)
