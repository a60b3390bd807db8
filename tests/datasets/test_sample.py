"""Samples of large images, and the one door to all datasets."""

from __future__ import annotations

import itertools
import math
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import storebench.datasets
from storebench.datasets import (
    FileDataset,
    SampleDataset,
    list_datasets,
    materialise,
    open_dataset,
    open_file,
    sample_of,
)
from storebench.errors import DataError, StorageError, UnknownNameError, UsageError
from storebench.grid import Region
from storebench.units import GIB, KIB, MIB


def sparse_file(path: Path, shape: tuple[int, ...], dtype: str = "u2") -> FileDataset:
    """Make an image of holes, which needs no room on disk."""
    np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    return open_file(path)


def coordinates(path: Path, shape: tuple[int, ...]) -> FileDataset:
    """Make an image whose voxels are their own flat index."""
    np.save(path, np.arange(math.prod(shape), dtype=np.uint32).reshape(shape))
    return open_file(path)


class TestSample:
    def test_a_small_image_is_taken_whole(self, tmp_path: Path) -> None:
        dataset = coordinates(tmp_path / "a.npy", (10, 20, 30))
        assert sample_of(dataset) is dataset
        assert sample_of(dataset, max_bytes=24000) is dataset
        assert sample_of(dataset, max_bytes=23999) is not dataset

    def test_default_tiles_of_a_volume(self, tmp_path: Path) -> None:
        sample = sample_of(sparse_file(tmp_path / "big.npy", (1024, 1024, 1024)))
        assert isinstance(sample, SampleDataset)
        assert sample.shape == (256, 256, 256)
        assert sample.tile_shape == (64, 64, 64)
        assert sample.name == "big.npy-sample64x64"
        assert "64 spread tiles of 64 x 64 x 64 voxels, 1.56 % of the 1024 x 1024 x 1024 image" in sample.source
        assert (sample.axes, sample.axes_assumed, sample.dtype, sample.seed) == ("zyx", True, np.uint16, None)

    @pytest.mark.parametrize(
        ("shape", "dtype", "tile_shape"),
        [
            ((16384, 16384), "u2", (512, 512)),
            ((10, 8192, 8192), "u1", (10, 128, 128)),
            ((3, 2, 40, 2048, 2048), "u2", (1, 1, 40, 64, 64)),
            ((1, 20000, 20000), "u1", (1, 512, 512)),
            ((4000, 100, 400), "f8", (64, 64, 64)),
            ((90, 100000, 70), "f4", (64, 64, 64)),
        ],
    )
    def test_tiles_of_other_images(
        self, tmp_path: Path, shape: tuple[int, ...], dtype: str, tile_shape: tuple[int, ...]
    ) -> None:
        sample = sample_of(sparse_file(tmp_path / "a.npy", shape, dtype))
        assert isinstance(sample, SampleDataset)
        assert sample.tile_shape == tile_shape
        assert 16 <= len(sample.starts) == math.prod(sample.grid) <= 64
        assert math.prod(sample.shape) * sample.dtype.itemsize <= 64 * MIB

    def test_tiles_are_spread_and_apart(self, tmp_path: Path) -> None:
        base = sparse_file(tmp_path / "a.npy", (600, 700, 800))
        sample = sample_of(base)
        assert isinstance(sample, SampleDataset)
        tiles = [Region(s, tuple(a + n for a, n in zip(s, sample.tile_shape, strict=True))) for s in sample.starts]
        assert all(tile.fits(base.shape) for tile in tiles)
        assert all(a.intersection(b) is None for a, b in itertools.combinations(tiles, 2))
        for corner in itertools.product((0, 1), repeat=3):  # every octant has its tiles
            half = Region(
                tuple(c * n // 2 for c, n in zip(corner, base.shape, strict=True)),
                tuple((c + 1) * n // 2 for c, n in zip(corner, base.shape, strict=True)),
            )
            assert sum(half.intersection(tile) is not None for tile in tiles) >= 4
        for axis in (1, 2):  # neither a crop nor a stride
            starts = sorted({tile.start[axis] for tile in tiles})
            assert len({b - a for a, b in itertools.pairwise(starts)}) > 4

    def test_voxels_are_those_of_the_image(self, tmp_path: Path) -> None:
        base = coordinates(tmp_path / "a.npy", (80, 90, 100))
        whole = materialise(base)
        sample = sample_of(base, max_bytes=600_000, tile=16)
        assert isinstance(sample, SampleDataset)
        mosaic = materialise(sample)
        assert len(np.unique(mosaic)) == mosaic.size
        for index, start in zip(np.ndindex(*sample.grid), sample.starts, strict=True):
            tile = tuple(slice(i * 16, (i + 1) * 16) for i in index)
            image = tuple(slice(a, a + 16) for a in start)
            np.testing.assert_array_equal(mosaic[tile], whole[image])
        for region in (
            Region((3, 5, 7), (4, 6, 8)),
            Region((10, 15, 1), (40, 33, 47)),
            Region((16, 16, 16), (32, 32, 32)),
        ):
            np.testing.assert_array_equal(sample.read(region), mosaic[region.slices])
        with pytest.raises(UsageError, match="does not lie"):
            sample.read(Region((0, 0, 0), base.shape))

    def test_seeds(self, tmp_path: Path) -> None:
        base = coordinates(tmp_path / "a.npy", (80, 90, 100))
        first, again, other = (sample_of(base, max_bytes=600_000, tile=16, seed=s) for s in (0, 0, 1))
        assert first == again == pickle.loads(pickle.dumps(first))
        assert first != other
        assert first.name != other.name
        assert isinstance(first, SampleDataset)
        assert first.starts[:2] == ((9, 3, 5), (9, 6, 32))  # the same on every Python

    def test_a_synthetic_image(self) -> None:
        base = open_dataset("ct", shape=(256, 256, 256))
        sample = sample_of(base, max_bytes=4 * MIB)
        assert isinstance(sample, SampleDataset)
        assert sample.tile_shape == (32, 32, 32)
        start = sample.starts[-1]
        np.testing.assert_array_equal(
            sample.read(Region(tuple(n - 32 for n in sample.shape), sample.shape)),
            base.read(Region(start, tuple(a + 32 for a in start))),
        )

    def test_planes_are_decoded_once(self, tmp_path: Path) -> None:
        for z in range(40):
            Image.fromarray(np.full((200, 200), z, np.uint8)).save(tmp_path / f"{z}.png")
        base = open_file(tmp_path)
        sample = sample_of(base, max_bytes=200_000, tile=16)
        assert isinstance(sample, SampleDataset)
        assert len({start[0] for start in sample.starts}) == sample.grid[0]
        mosaic = materialise(sample)
        expected = {start[0] + i for start in sample.starts for i in range(16)}
        assert set(np.unique(mosaic)) == expected

    def test_larger_than_memory(self, tmp_path: Path) -> None:
        base = sparse_file(tmp_path / "huge.npy", (2048, 2048, 8192))  # 64 GiB
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert materialise(sample_of(base)).sum() == 0
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * KIB < 4 * GIB

    @pytest.mark.parametrize("settings", [{"max_bytes": 0}, {"tile": 0}, {"min_tiles": 0}, {"max_bytes": 30}])
    def test_settings_that_cannot_be(self, tmp_path: Path, settings: dict[str, int]) -> None:
        with pytest.raises(UsageError):
            sample_of(coordinates(tmp_path / "a.npy", (80, 90, 100)), **settings)

    @pytest.mark.parametrize("shape", [(127, 127, 127), (2, 3, 5, 40, 50), (33, 1000), (1, 1, 5000)])
    @pytest.mark.parametrize("max_bytes", [200, 5000, 19999])
    def test_small_budgets(self, tmp_path: Path, shape: tuple[int, ...], max_bytes: int) -> None:
        sample = sample_of(coordinates(tmp_path / "a.npy", shape), max_bytes=max_bytes)
        assert isinstance(sample, SampleDataset)
        assert len(sample.starts) >= 16
        assert materialise(sample).nbytes <= max_bytes


class TestDoor:
    def test_names(self) -> None:
        dataset = open_dataset("random", shape=(3, 4, 5), dtype="u1", seed=7)
        assert (dataset.name, dataset.shape, dataset.dtype, dataset.seed) == ("random", (3, 4, 5), np.uint8, 7)
        with pytest.raises(UsageError, match="no axes"):
            open_dataset("random", axes="zyx")

    def test_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        coordinates(tmp_path / "a.npy", (3, 4, 5))
        monkeypatch.chdir(tmp_path)
        for path in (tmp_path / "a.npy", "a.npy", "./a.npy"):
            assert open_dataset(path, axes="tyx").axes == "tyx"
        (tmp_path / "a.npy").rename("plain")
        assert open_dataset("plain").name == "plain.npy"

    def test_a_name_comes_before_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        coordinates(tmp_path / "a.npy", (3, 4, 5))
        (tmp_path / "a.npy").rename("ct")
        assert open_dataset("ct").name == "ct"
        assert open_dataset("./ct").name == "ct.npy"

    @pytest.mark.parametrize("settings", [{"shape": (1, 2, 3)}, {"dtype": "u1"}])
    @pytest.mark.parametrize("name", ["heart", "scan.tif"])
    def test_only_made_images_are_made_to_measure(self, name: str, settings: dict) -> None:
        with pytest.raises(UsageError, match="synthetic"):
            open_dataset(name, **settings)

    def test_neither_name_nor_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(
            UnknownNameError, match=r"no dataset or file called 'hart'\. Did you mean heart.*list datasets"
        ):
            open_dataset("hart")
        for path in ("hart.tif", "./hart"):
            with pytest.raises(DataError, match="no such file"):
                open_dataset(path)

    def test_published_volumes_go_to_their_own_door(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []
        monkeypatch.setattr(storebench.datasets, "open_reference", lambda *args: asked.append(args))
        open_dataset("heart", cache_dir=tmp_path)
        open_dataset("dense")
        assert asked[0] == ("heart", tmp_path)
        assert asked[1][1].name == "storebench"

    def test_the_table(self) -> None:
        entries = {entry.name: entry for entry in list_datasets()}
        assert {"random", "ct", "em", "fluorescence", "labels_dense", "chapter2d"} <= entries.keys()
        assert {"heart", "dense", "sparse"} <= entries.keys()
        assert entries["chapter2d"].shape == (32, 32)
        assert entries["heart"].kind == "published"
        assert all(entry.reason for entry in entries.values())

    def test_no_more_than_memory_holds(self, tmp_path: Path) -> None:
        huge = sparse_file(tmp_path / "huge.npy", (2**15, 2**15, 2**10))  # 2 TiB
        with pytest.raises(StorageError, match=r"2\.00 TiB.*sample"):
            materialise(huge)

    def test_importing_loads_no_format_library(self) -> None:
        heavy = ("zarr", "tifffile", "pooch", "h5py", "imagecodecs", "glymur", "PIL", "numcodecs")
        code = f"import sys, storebench.datasets; print([m for m in {heavy} if m in sys.modules])"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert result.stdout.strip() == "[]"
