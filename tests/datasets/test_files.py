"""The user's own files: every kind, written by the plain libraries and not by storebench."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import sys
import zlib
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from PIL import Image

from storebench.datasets import FileDataset, materialise, open_file
from storebench.errors import DataError, MissingDependencyError, UsageError
from storebench.grid import Region

VOLUME = (np.arange(5 * 70 * 90, dtype=np.uint32) * 2654435761 >> 16).astype(np.uint16).reshape(5, 70, 90)
FIVE_AXES = np.arange(2 * 3 * 4 * 20 * 30, dtype=np.uint16).reshape(2, 3, 4, 20, 30)
COLOUR = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


def check(dataset: FileDataset, expected: NDArray) -> None:
    """Compare the whole image and some regions of it, also after pickling, with what was written."""
    assert dataset.shape == expected.shape
    assert dataset.dtype == expected.dtype.newbyteorder("=")
    assert dataset.dtype.isnative
    assert len(dataset.axes) == expected.ndim
    assert os.sep not in dataset.source
    reopened = pickle.loads(pickle.dumps(dataset))
    for start, stop in (
        ((0,) * expected.ndim, expected.shape),
        (tuple(n // 3 for n in expected.shape), tuple(n // 3 + 1 for n in expected.shape)),
        (tuple(n // 4 for n in expected.shape), tuple(n - n // 5 for n in expected.shape)),
    ):
        region = Region(start, stop)
        for image in (dataset, reopened):
            voxels = image.read(region)
            assert voxels.dtype == dataset.dtype
            assert type(voxels) is np.ndarray
            assert voxels.flags.c_contiguous
            assert voxels.flags.owndata
            assert voxels.flags.writeable
            np.testing.assert_array_equal(voxels, expected[region.slices])


class TestNpy:
    @pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", ">f4", "i8", "f2"])
    def test_types(self, tmp_path: Path, dtype: str) -> None:
        voxels = (VOLUME[:, :20, :30] // 4).astype(dtype)
        np.save(tmp_path / "a.npy", voxels)
        dataset = open_file(tmp_path / "a.npy")
        check(dataset, voxels)
        assert (dataset.axes, dataset.axes_assumed, dataset.seed, dataset.name) == ("zyx", True, None, "a.npy")
        assert "taken for zyx" in dataset.source

    def test_fortran_order(self, tmp_path: Path) -> None:
        np.save(tmp_path / "f.npy", np.asfortranarray(VOLUME))
        check(open_file(tmp_path / "f.npy"), VOLUME)

    def test_bool_is_read_as_uint8(self, tmp_path: Path) -> None:
        np.save(tmp_path / "mask.npy", VOLUME > 30000)
        dataset = open_file(tmp_path / "mask.npy")
        check(dataset, (VOLUME > 30000).astype(np.uint8))
        assert "uint8" in dataset.source

    @pytest.mark.parametrize(
        "voxels",
        [
            np.zeros((4, 5), "c8"),
            np.zeros((4, 5), "U3"),
            np.zeros((4, 5), "M8[s]"),
            np.zeros((4, 5), [("a", "u1"), ("b", "f4")]),
        ],
        ids=["complex", "text", "time", "structured"],
    )
    def test_no_numbers_are_refused(self, tmp_path: Path, voxels: NDArray) -> None:
        np.save(tmp_path / "odd.npy", voxels)
        with pytest.raises(DataError, match=r"odd\.npy: its voxels are"):
            open_file(tmp_path / "odd.npy")

    def test_pickled_objects_are_never_loaded(self, tmp_path: Path) -> None:
        np.save(tmp_path / "object.npy", np.array([[{}, []]], dtype=object))
        with pytest.raises(DataError, match=r"object\.npy"):
            open_file(tmp_path / "object.npy")

    @pytest.mark.parametrize("shape", [(), (7,), (1,) * 6])
    def test_number_of_axes(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        np.save(tmp_path / "n.npy", np.zeros(shape))
        with pytest.raises(DataError, match="2 to 5"):
            open_file(tmp_path / "n.npy")

    def test_no_voxels(self, tmp_path: Path) -> None:
        np.save(tmp_path / "n.npy", np.zeros((3, 0, 4)))
        with pytest.raises(DataError, match="no voxels"):
            open_file(tmp_path / "n.npy")

    def test_truncated(self, tmp_path: Path) -> None:
        np.save(tmp_path / "t.npy", VOLUME)
        cut(tmp_path / "t.npy", 0.5)
        with pytest.raises(DataError, match=r"t\.npy.*damaged") as caught:
            open_file(tmp_path / "t.npy")
        assert isinstance(caught.value.__cause__, ValueError)

    def test_larger_than_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "sparse.npy"
        shape = (2048, 2048, 8192)  # 64 GiB of holes
        voxels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=shape)
        voxels[1000, 1000, 4000:4010] = 7
        del voxels
        dataset = open_file(path)
        region = Region((999, 1000, 3990), (1001, 1002, 4020))
        assert dataset.read(region).sum() == 70


def cut(path: Path, share: float) -> None:
    """Keep the first part of a file."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


class TestTiff:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"byteorder": ">"},
            {"bigtiff": True},
            {"metadata": None},
            {"metadata": None, "compression": "zlib", "rowsperstrip": 16},
            {"compression": "zstd", "predictor": True, "byteorder": ">"},
            {"tile": (32, 32)},
            {"tile": (32, 32), "compression": "lzw"},
            {"tile": (16, 32, 32), "volumetric": True, "compression": "zstd"},
        ],
        ids=str,
    )
    def test_layouts(self, tmp_path: Path, options: dict) -> None:
        path = tmp_path / "stack.tif"
        tifffile.imwrite(path, VOLUME, photometric="minisblack", **options)
        dataset = open_file(path)
        check(dataset, VOLUME)
        assert dataset.axes == "zyx"

    def test_plain_pages_are_assumed_to_be_z(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", VOLUME, photometric="minisblack", metadata=None)
        assert open_file(tmp_path / "a.tif").axes_assumed
        dataset = open_file(tmp_path / "a.tif", axes="tyx")
        assert (dataset.axes, dataset.axes_assumed) == ("tyx", False)

    def test_one_page_is_yx(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", VOLUME[0], photometric="minisblack")
        dataset = open_file(tmp_path / "a.tif")
        check(dataset, VOLUME[0])
        assert (dataset.axes, dataset.axes_assumed) == ("yx", False)

    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_ome_five_axes(self, tmp_path: Path, compression: str | None) -> None:
        path = tmp_path / "a.ome.tif"
        tifffile.imwrite(path, FIVE_AXES, photometric="minisblack", metadata={"axes": "TCZYX"}, compression=compression)
        dataset = open_file(path)
        check(dataset, FIVE_AXES)
        assert (dataset.axes, dataset.axes_assumed) == ("tczyx", False)

    def test_imagej_hyperstack_is_brought_into_order(self, tmp_path: Path) -> None:
        path = tmp_path / "hyper.tif"
        tifffile.imwrite(path, FIVE_AXES, imagej=True, metadata={"axes": "TZCYX"})
        dataset = open_file(path)
        check(dataset, FIVE_AXES.transpose(0, 2, 1, 3, 4))
        assert (dataset.axes, dataset.axes_assumed) == ("tczyx", False)
        assert "from tzcyx into the order tczyx" in dataset.source
        asked = open_file(path, axes="tzcyx")
        check(asked, FIVE_AXES)
        assert asked.axes == "tzcyx"

    def test_imagej_stack(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", VOLUME, imagej=True, metadata={"axes": "ZYX"})
        dataset = open_file(tmp_path / "a.tif")
        check(dataset, VOLUME)
        assert (dataset.axes, dataset.axes_assumed) == ("zyx", False)

    def test_pyramid_gives_level_0(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "p.tif") as writer:
            writer.write(VOLUME, tile=(32, 32), subifds=1, photometric="minisblack")
            writer.write(VOLUME[:, ::2, ::2], subfiletype=1, tile=(32, 32), photometric="minisblack")
        dataset = open_file(tmp_path / "p.tif")
        check(dataset, VOLUME)
        assert "level 0 of 2" in dataset.source

    @pytest.mark.parametrize("planarconfig", ["contig", "separate"])
    def test_colours_are_channels(self, tmp_path: Path, planarconfig: str) -> None:
        channels = np.moveaxis(COLOUR, -1, 0)
        written = COLOUR if planarconfig == "contig" else np.ascontiguousarray(channels)
        tifffile.imwrite(tmp_path / "rgb.tif", written, photometric="rgb", planarconfig=planarconfig)
        dataset = open_file(tmp_path / "rgb.tif")
        check(dataset, channels)
        assert (dataset.axes, dataset.axes_assumed) == ("cyx", False)
        assert "channels" in dataset.source

    def test_stack_of_colours(self, tmp_path: Path) -> None:
        stack = np.stack([COLOUR, COLOUR + 1])
        tifffile.imwrite(tmp_path / "rgb.tif", stack, photometric="rgb", metadata=None, compression="zlib")
        dataset = open_file(tmp_path / "rgb.tif")
        check(dataset, np.moveaxis(stack, -1, 0))
        assert (dataset.axes, dataset.axes_assumed) == ("czyx", True)

    def test_bool(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "mask.tif", VOLUME[0] > 9, photometric="minisblack")
        check(open_file(tmp_path / "mask.tif"), (VOLUME[0] > 9).astype(np.uint8))

    def test_complex_is_refused(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "c.tif", VOLUME[0].astype("c8"), photometric="minisblack")
        with pytest.raises(DataError, match="complex64"):
            open_file(tmp_path / "c.tif")

    @pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.95])
    @pytest.mark.parametrize(
        "options",
        [{}, {"metadata": None}, {"tile": (32, 32), "compression": "zstd"}, {"metadata": None, "compression": "zlib"}],
        ids=str,
    )
    def test_truncated_is_never_read_as_a_smaller_image(self, tmp_path: Path, options: dict, share: float) -> None:
        tifffile.imwrite(tmp_path / "t.tif", VOLUME, photometric="minisblack", **options)
        cut(tmp_path / "t.tif", share)
        with pytest.raises(DataError, match=r"t\.tif"):
            materialise(open_file(tmp_path / "t.tif"))


class TestPng:
    @pytest.mark.parametrize("dtype", ["u1", "u2"])
    def test_grey(self, tmp_path: Path, dtype: str) -> None:
        Image.fromarray(VOLUME[0].astype(dtype)).save(tmp_path / "a.png")
        dataset = open_file(tmp_path / "a.png")
        check(dataset, VOLUME[0].astype(dtype))
        assert (dataset.axes, dataset.axes_assumed) == ("yx", False)

    @pytest.mark.parametrize("dtype", ["u1", "u2"])
    def test_colours_are_channels(self, tmp_path: Path, dtype: str) -> None:
        (tmp_path / "rgb.png").write_bytes(imagecodecs.png_encode(COLOUR.astype(dtype)))
        dataset = open_file(tmp_path / "rgb.png")
        check(dataset, np.moveaxis(COLOUR, -1, 0).astype(dtype))
        assert dataset.axes == "cyx"

    def test_one_bit(self, tmp_path: Path) -> None:
        mask = VOLUME[0] > 30000
        Image.fromarray(mask).save(tmp_path / "mask.png")
        dataset = open_file(tmp_path / "mask.png")
        check(dataset, mask.astype(np.uint8) * 255)
        assert "1 bits, scaled to 8" in dataset.source

    def test_transparent_colour(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR).save(tmp_path / "t.png", transparency=(0, 1, 2))
        assert open_file(tmp_path / "t.png").shape == (4, 20, 30)
        assert materialise(open_file(tmp_path / "t.png")).shape == (4, 20, 30)

    def test_palette_is_refused(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR).quantize(4).save(tmp_path / "p.png")
        with pytest.raises(DataError, match="palette"):
            open_file(tmp_path / "p.png")

    def test_animation_is_refused(self, tmp_path: Path) -> None:
        frames = [Image.fromarray(plane.astype(np.uint8)) for plane in VOLUME]
        frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
        with pytest.raises(DataError, match="animated"):
            open_file(tmp_path / "a.png")

    @pytest.mark.parametrize("share", [0.001, 0.002, 0.5, 0.99])
    def test_truncated(self, tmp_path: Path, share: float) -> None:
        Image.fromarray(VOLUME[0]).save(tmp_path / "t.png")
        cut(tmp_path / "t.png", share)
        with pytest.raises(DataError, match=r"t\.png"):
            materialise(open_file(tmp_path / "t.png"))

    def test_an_invented_size_allocates_nothing(self, tmp_path: Path) -> None:
        header = struct.pack(">II5B", 2**31 - 1, 2**31 - 1, 16, 0, 0, 0, 0)
        chunk = b"IHDR" + header
        data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / "bomb.png").write_bytes(data)
        with pytest.raises(DataError, match=r"bomb\.png"):
            open_file(tmp_path / "bomb.png").read(Region((0, 0), (1, 1)))


class TestJpeg2000:
    @pytest.mark.parametrize("dtype", ["u1", "u2"])
    @pytest.mark.parametrize("suffix", ["jp2", "j2k"])
    def test_grey(self, tmp_path: Path, suffix: str, dtype: str) -> None:
        data = imagecodecs.jpeg2k_encode(VOLUME[0].astype(dtype), level=0, reversible=True, codecformat=suffix)
        (tmp_path / f"a.{suffix}").write_bytes(data)
        dataset = open_file(tmp_path / f"a.{suffix}")
        check(dataset, VOLUME[0].astype(dtype))
        assert (dataset.axes, dataset.axes_assumed) == ("yx", False)

    def test_colours_are_channels(self, tmp_path: Path) -> None:
        (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(COLOUR, level=0, reversible=True))
        check(open_file(tmp_path / "a.jp2"), np.moveaxis(COLOUR, -1, 0))

    @pytest.mark.parametrize("share", [0.001, 0.005, 0.3, 0.9])
    @pytest.mark.parametrize("suffix", ["jp2", "j2k"])
    def test_truncated(self, tmp_path: Path, suffix: str, share: float) -> None:
        path = tmp_path / f"t.{suffix}"
        path.write_bytes(imagecodecs.jpeg2k_encode(VOLUME[0], level=0, reversible=True, codecformat=suffix))
        cut(path, share)
        with pytest.raises(DataError, match=r"t\.j"):
            materialise(open_file(path))


class TestFolder:
    def fill(self, folder: Path, suffix: str = "tif") -> Path:
        """Write the planes of VOLUME as file7 … file11: text order would put file10 first."""
        folder.mkdir()
        for number, plane in enumerate(VOLUME, start=7):
            path = folder / f"file{number}.{suffix}"
            if suffix == "tif":
                tifffile.imwrite(path, plane, photometric="minisblack")
            elif suffix == "png":
                Image.fromarray(plane).save(path)
            else:
                path.write_bytes(imagecodecs.jpeg2k_encode(plane, level=0, reversible=True))
        return folder

    @pytest.mark.parametrize("suffix", ["tif", "png", "jp2"])
    def test_natural_order(self, tmp_path: Path, suffix: str) -> None:
        dataset = open_file(self.fill(tmp_path / "heart", suffix))
        check(dataset, VOLUME)
        assert (dataset.axes, dataset.axes_assumed, dataset.name) == ("zyx", True, "heart.folder")

    def test_many_regions_equal_single_ones(self, tmp_path: Path) -> None:
        dataset = open_file(self.fill(tmp_path / "f", "png"), axes="zyx")
        regions = [Region((1, 2, 3), (4, 9, 8)), Region((0, 0, 0), (2, 70, 90)), Region((3, 50, 60), (5, 60, 61))]
        for region, voxels in zip(regions, dataset.read_many(regions), strict=True):
            np.testing.assert_array_equal(voxels, VOLUME[region.slices])

    def test_other_files_are_left_out_and_said(self, tmp_path: Path) -> None:
        folder = self.fill(tmp_path / "f")
        (folder / "notes.txt").write_text("sample 3")
        (folder / ".DS_Store").write_bytes(b"")
        assert "1 other files" in open_file(folder).source

    def test_two_kinds_are_refused(self, tmp_path: Path) -> None:
        folder = self.fill(tmp_path / "f")
        Image.fromarray(VOLUME[0]).save(folder / "thumb.png")
        with pytest.raises(DataError, match="5 TIFF files and 1 PNG files"):
            open_file(folder)

    @pytest.mark.parametrize(
        "odd", [VOLUME[0, :-1], VOLUME[0].astype(np.uint8), VOLUME], ids=["shape", "dtype", "stack"]
    )
    def test_the_odd_file_is_named(self, tmp_path: Path, odd: NDArray) -> None:
        folder = self.fill(tmp_path / "f")
        tifffile.imwrite(folder / "file9.tif", odd, photometric="minisblack")
        with pytest.raises(DataError, match=r"file9\.tif"):
            open_file(folder)

    def test_a_damaged_plane_is_named(self, tmp_path: Path) -> None:
        folder = self.fill(tmp_path / "f", "png")
        dataset = open_file(folder)
        cut(folder / "file9.png", 0.5)
        with pytest.raises(DataError, match=r"file9\.png"):
            materialise(dataset)
        dataset.read(Region((0, 0, 0), (2, 70, 90)))

    def test_a_plane_that_vanished(self, tmp_path: Path) -> None:
        folder = self.fill(tmp_path / "f")
        dataset = open_file(folder)
        (folder / "file9.tif").unlink()
        with pytest.raises(DataError, match="f: "):
            materialise(dataset)

    def test_empty(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="holds no planes"):
            open_file(tmp_path)

    def test_nothing_is_written(self, tmp_path: Path) -> None:
        folder = self.fill(tmp_path / "f")
        for path in (*folder.iterdir(), folder):
            path.chmod(0o555 if path.is_dir() else 0o444)
        before = listing(tmp_path)
        materialise(open_file(folder))
        assert listing(tmp_path) == before
        folder.chmod(0o755)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of everything below a folder."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in (folder, *folder.rglob("*"))}


def write_ome(path: Path, version: str, scale_path: str = "0") -> None:
    """Write an OME-Zarr image of two levels."""
    new = version == "0.5"
    group = zarr.open_group(path, mode="w", zarr_format=3 if new else 2)
    for level, voxels in (("0", FIVE_AXES), ("1", FIVE_AXES[..., ::2, ::2])):
        array = group.create_array(level, shape=voxels.shape, dtype=voxels.dtype, chunks=(1, 1, 2, 20, 30))
        array[...] = voxels
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space"} for name in "zyx"]
    multiscales = [{"axes": axes, "datasets": [{"path": scale_path}, {"path": "1"}], "version": version}]
    group.attrs.update(
        {"ome": {"version": version, "multiscales": multiscales}} if new else {"multiscales": multiscales}
    )


class TestZarr:
    @pytest.mark.parametrize(
        ("zarr_format", "dtype"), [(2, "u2"), (2, ">u2"), (2, "f4"), (2, "?"), (3, "u2"), (3, "f4"), (3, "?")]
    )
    def test_array(self, tmp_path: Path, zarr_format: int, dtype: str) -> None:
        voxels = VOLUME.astype(dtype)
        path = tmp_path / "a.zarr"
        array = zarr.create_array(path, shape=voxels.shape, dtype=dtype, chunks=(2, 32, 32), zarr_format=zarr_format)
        array[...] = voxels
        dataset = open_file(path)
        check(dataset, voxels.astype("u1") if dtype == "?" else voxels)
        assert (dataset.axes, dataset.axes_assumed) == ("zyx", True)
        assert f"Zarr {zarr_format} array" in dataset.source

    def test_dimension_names(self, tmp_path: Path) -> None:
        array = zarr.create_array(
            tmp_path / "a", shape=VOLUME.shape, dtype="u2", chunks=(5, 70, 90), dimension_names=["time", "y", "x"]
        )
        array[...] = VOLUME
        dataset = open_file(tmp_path / "a")
        check(dataset, VOLUME)
        assert (dataset.axes, dataset.axes_assumed, dataset.name) == ("tyx", False, "a.zarr")

    def test_array_dimensions_of_xarray_in_another_order(self, tmp_path: Path) -> None:
        array = zarr.create_array(tmp_path / "a", shape=VOLUME.shape, dtype="u2", chunks=(5, 70, 90), zarr_format=2)
        array[...] = VOLUME
        array.attrs["_ARRAY_DIMENSIONS"] = ["x", "y", "z"]
        dataset = open_file(tmp_path / "a")
        check(dataset, VOLUME.transpose())
        assert (dataset.axes, dataset.axes_assumed) == ("zyx", False)

    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    def test_ome(self, tmp_path: Path, version: str) -> None:
        write_ome(tmp_path / "a.ome.zarr", version)
        dataset = open_file(tmp_path / "a.ome.zarr")
        check(dataset, FIVE_AXES)
        assert (dataset.axes, dataset.axes_assumed) == ("tczyx", False)
        check(open_file(tmp_path / "a.ome.zarr" / "1"), FIVE_AXES[..., ::2, ::2])

    @pytest.mark.parametrize("level", ["../secret.zarr", "/etc", "7"])
    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    def test_ome_level_elsewhere_is_refused(self, tmp_path: Path, version: str, level: str) -> None:
        zarr.create_array(tmp_path / "secret.zarr", shape=(4, 5), dtype="u1", chunks=(4, 5))
        write_ome(tmp_path / "a.zarr", version, scale_path=level)
        with pytest.raises(DataError, match="where no array is"):
            open_file(tmp_path / "a.zarr")

    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_groups(self, tmp_path: Path, zarr_format: int) -> None:
        group = zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=zarr_format)
        with pytest.raises(DataError, match="without arrays"):
            open_file(tmp_path / "g.zarr")
        group.create_group("inner").create_array("raw", shape=VOLUME.shape, dtype="u2", chunks=(5, 70, 90))[...] = (
            VOLUME
        )
        check(open_file(tmp_path / "g.zarr"), VOLUME)
        group.create_array("labels", shape=VOLUME.shape, dtype="u2", chunks=(5, 70, 90))
        with pytest.raises(DataError, match=r"inner/raw, labels.*g\.zarr/inner/raw"):
            open_file(tmp_path / "g.zarr")
        check(open_file(tmp_path / "g.zarr" / "inner" / "raw"), VOLUME)

    @pytest.mark.parametrize(
        "metadata",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"zarr_format": 3, "node_type": "array"}',
            '{"zarr_format": 3, "node_type": "array", "shape": "abc", "data_type": "uint8"}',
            '{"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"multiscales": []}}}',
            '{"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"multiscales": [{"datasets": 3}]}}}',
        ],
    )
    def test_damaged_metadata(self, tmp_path: Path, metadata: str) -> None:
        zarr.create_array(tmp_path / "a.zarr", shape=(4, 5), dtype="u1", chunks=(4, 5))
        (tmp_path / "a.zarr" / "zarr.json").write_text(metadata)
        with pytest.raises(DataError, match=r"a\.zarr"):
            open_file(tmp_path / "a.zarr")

    @pytest.mark.parametrize("key", ["shape", "dtype", "chunks", "compressor"])
    def test_damaged_metadata_v2(self, tmp_path: Path, key: str) -> None:
        zarr.create_array(tmp_path / "a.zarr", shape=(4, 5), dtype="u1", chunks=(4, 5), zarr_format=2)
        path = tmp_path / "a.zarr" / ".zarray"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: {"id": "nonsense"}}))
        with pytest.raises(DataError, match=r"a\.zarr"):
            open_file(tmp_path / "a.zarr")

    def test_damaged_chunk(self, tmp_path: Path) -> None:
        array = zarr.create_array(tmp_path / "a.zarr", shape=VOLUME.shape, dtype="u2", chunks=VOLUME.shape)
        array[...] = VOLUME
        cut(tmp_path / "a.zarr" / "c" / "0" / "0" / "0", 0.5)
        with pytest.raises(DataError, match=r"a\.zarr"):
            materialise(open_file(tmp_path / "a.zarr"))

    def test_the_heart_is_only_read(self, heart: NDArray, test_data: Path, tmp_path: Path) -> None:
        copy = tmp_path / "hoa_heart.zarr"
        shutil.copytree(test_data / copy.name, copy)
        before = listing(tmp_path)
        dataset = open_file(copy)
        assert (dataset.shape, dataset.dtype, dataset.axes) == ((120, 120, 139), np.uint8, "zyx")
        check(dataset, heart)
        assert listing(tmp_path) == before


class TestHdf5:
    def test_one_dataset(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("entry/data", data=VOLUME.astype(">u2"), chunks=(2, 32, 32), compression="gzip")
        dataset = open_file(tmp_path / "a.h5")
        check(dataset, VOLUME)
        assert (dataset.axes, dataset.axes_assumed, dataset.name) == ("zyx", True, "a.h5")

    def test_two_datasets(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["raw"] = VOLUME
            file["seg/labels"] = VOLUME > 9
            file["raw"].dims[0].label, file["raw"].dims[1].label, file["raw"].dims[2].label = "t", "y", "x"
        with pytest.raises(DataError, match=r"2 datasets \(raw, seg/labels\); choose one, as in a\.h5::/raw"):
            open_file(tmp_path / "a.h5")
        labels = open_file(f"{tmp_path / 'a.h5'}::/seg/labels")
        check(labels, (VOLUME > 9).astype(np.uint8))
        assert labels.name == "a.h5-seg-labels"
        raw = open_file(f"{tmp_path / 'a.h5'}::raw")
        assert (raw.axes, raw.axes_assumed) == ("tyx", False)
        for wrong in ("/nothing", "/seg"):
            with pytest.raises(DataError, match=f"no dataset '{wrong}'"):
                open_file(f"{tmp_path / 'a.h5'}::{wrong}")

    def test_no_dataset(self, tmp_path: Path) -> None:
        h5py.File(tmp_path / "a.h5", "w").close()
        with pytest.raises(DataError, match="0 datasets"):
            open_file(tmp_path / "a.h5")

    def test_truncated(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["raw"] = VOLUME
        cut(tmp_path / "a.h5", 0.5)
        with pytest.raises(DataError, match=r"a\.h5"):
            open_file(tmp_path / "a.h5")

    def test_without_h5py(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["raw"] = VOLUME
        monkeypatch.setitem(sys.modules, "h5py", None)
        with pytest.raises(MissingDependencyError, match=r'pip install "storebench\[hdf5\]"'):
            open_file(tmp_path / "a.h5")


class TestRecognition:
    def test_content_beats_suffix(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", VOLUME, photometric="minisblack")
        (tmp_path / "a.tif").rename(tmp_path / "a.png")
        check(open_file(tmp_path / "a.png"), VOLUME)

    @pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.png", "a.jp2", "a.h5"])
    @pytest.mark.parametrize("content", [b"", b"\0" * 100])
    def test_nonsense_behind_a_known_suffix(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=r"is named like"):
            open_file(tmp_path / name)

    def test_unknown_lists_the_kinds(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("hello")
        with pytest.raises(DataError, match=r"\.npy, TIFF, PNG, JPEG 2000, HDF5, Zarr.*folder"):
            open_file(tmp_path / "a.txt")

    def test_archive(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", VOLUME)
        with pytest.raises(DataError, match="unpack it first"):
            open_file(tmp_path / "a.npz")

    @pytest.mark.parametrize("name", ["missing.tif", "missing/folder", "dangling.tif"])
    def test_missing(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "dangling.tif").symlink_to(tmp_path / "nowhere")
        with pytest.raises(DataError, match="no such file"):
            open_file(tmp_path / name)

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        np.save(tmp_path / "a.npy", VOLUME)

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)  # root may read everything, so that chmod would test nothing
        with pytest.raises(DataError, match="no permission"):
            open_file(tmp_path / "a.npy")

    @pytest.mark.parametrize("axes", ["zy", "zxy", "zzyx", "qyx", "ZYX", "", "z,y,x"])
    def test_axes_that_are_none(self, tmp_path: Path, axes: str) -> None:
        np.save(tmp_path / "a.npy", VOLUME)
        with pytest.raises(UsageError, match="axes"):
            open_file(tmp_path / "a.npy", axes=axes)

    @pytest.mark.parametrize("axes", ["yx", "czyx"])
    def test_wrong_number_of_axes(self, tmp_path: Path, axes: str) -> None:
        np.save(tmp_path / "a.npy", VOLUME)
        with pytest.raises(UsageError, match="the image has 3"):
            open_file(tmp_path / "a.npy", axes=axes)

    def test_a_path_inside_what_has_none(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", VOLUME)
        with pytest.raises(UsageError, match="no HDF5"):
            open_file(f"{tmp_path / 'a.npy'}::/raw")

    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("my scan, final (2).npy", "my-scan-final-2-.npy"),
            ("$(rm -rf).npy", "rm-rf-.npy"),
            ("größe.npy", "gr-e.npy"),
            ("ct", "ct.npy"),
            (".hidden", "hidden.npy"),
            ("日本", "image.npy"),
            ("n" * 200 + ".npy", "n" * 76 + ".npy"),
        ],
    )
    def test_names_are_harmless(self, tmp_path: Path, name: str, slug: str) -> None:
        with (tmp_path / name).open("wb") as file:
            np.save(file, VOLUME)
        dataset = open_file(tmp_path / name)
        assert dataset.name == slug
        assert str(tmp_path) not in dataset.source

    def test_regions_outside(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", VOLUME)
        with pytest.raises(UsageError, match="does not lie in"):
            open_file(tmp_path / "a.npy").read(Region((0, 0, 0), (6, 70, 90)))

    def test_a_file_that_changed(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", VOLUME)
        dataset = open_file(tmp_path / "a.npy")
        np.save(tmp_path / "a.npy", VOLUME[:, :10])
        with pytest.raises(DataError, match="has changed"):
            materialise(dataset)
