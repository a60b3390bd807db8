"""What is particular to stacks of 2-D files: names, the stack axis, which files a read opens, folders that are no stack."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from storebench.backends import WriteRequest, write_array, writing
from storebench.backends.jp2_glymur import Jp2Glymur
from storebench.backends.jp2_imageio import Jp2Imageio
from storebench.backends.png import PngImageio
from storebench.backends.stack import Stack
from storebench.backends.tiff import TiffTifffile
from storebench.codecs import parse_codec
from storebench.errors import DataError, UnsupportedError, UsageError
from storebench.grid import Layout, Region
from storebench.stores import Location, RequestLog

VALUES = np.arange(12 * 40 * 50).reshape(12, 40, 50).astype("uint16")
STACK = Stack(TiffTifffile())


def request_for(codec: str = "zstd-3", axis: int = 0, chunk: tuple[int, ...] | None = None, **other) -> WriteRequest:
    """A request to store `VALUES`."""
    layout = None if chunk is None else Layout(chunk_shape=chunk)
    shape, axes = other.get("shape", VALUES.shape), other.get("axes", "zyx")
    return WriteRequest(
        shape=shape, dtype=VALUES.dtype, axes=axes, codec=parse_codec(codec), layout=layout, stack_axis=axis
    )


def test_names():
    assert (STACK.name, STACK.format, STACK.suffix) == ("tiffstack-tifffile", "tiffstack", ".tiffstack")
    assert Stack(Jp2Glymur()).name == "jp2stack-glymur"


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("inner", [TiffTifffile(), PngImageio(), Jp2Imageio()], ids=lambda inner: inner.name)
def test_any_axis_can_be_the_stack_axis(tmp_path, inner, axis):
    stack = Stack(inner)
    location = Location(tmp_path / f"a{stack.suffix}")
    codec = {"tiff": "deflate-6", "png": "png-6", "jp2": "jp2-lossless"}[inner.format]
    stored = write_array(stack, location, request_for(codec, axis), (VALUES,))
    assert (stored.shape, stored.axes, stored.layout.chunk_shape[axis]) == (VALUES.shape, "zyx", 1)
    names = sorted(file.name for file in location.path.iterdir())
    assert len(names) == VALUES.shape[axis]
    assert names[0] == f"zyx-{'zyx'[axis]}0000{inner.suffix}"
    region = Region((3, 10, 20), (5, 30, 21))
    with stack.open(location) as reader:
        np.testing.assert_array_equal(reader.read(region), VALUES[region.slices])
        np.testing.assert_array_equal(reader.read(Region.whole(VALUES.shape)), VALUES)


def test_names_sort_beyond_ten_thousand_planes(tmp_path):
    request = request_for(shape=(10001, 2, 2))
    location = Location(tmp_path / "a.tiffstack")
    location.path.mkdir()
    from storebench.backends._stack_writers import StackNames

    assert StackNames.for_request(request, ".tiff").name(7) == "zyx-z00007.tiff"


def test_a_read_opens_the_files_that_it_touches(tmp_path):
    location = Location(tmp_path / "a.tiffstack")
    write_array(STACK, location, request_for("none", chunk=(1, 16, 16)), (VALUES,))
    log = RequestLog()
    region = Region((4, 0, 0), (6, 10, 10))
    with STACK.open(location.counted(log)) as reader:
        np.testing.assert_array_equal(reader.read(region), VALUES[region.slices])
    assert [request.kind for request in log.requests].count("list") == 1
    assert {r.key for r in log.requests if r.kind != "list"} == {f"zyx-z000{i}.tiff" for i in (0, 4, 5)}
    voxels = [r for r in log.requests if r.n_bytes == 16 * 16 * 2]
    assert len(voxels) == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"chunk": (2, 16, 16)}, "must be 1 along z"),
        ({"axis": 1, "chunk": (1, 1, 8)}, "multiples of 16"),
        ({"shape": (40, 50), "axes": "yx"}, "use tiff-tifffile for one plane"),
        ({"shape": (2, 12, 40, 50), "axes": "czyx"}, "one by one"),
        ({"codec": "gzip-6"}, "no codec gzip-6"),
        ({"axis": 3}, "axis 0, 1 or 2"),
    ],
)
def test_refusals(tmp_path, settings, words):
    assert words in STACK.why_unsupported(Location(tmp_path / "a.tiffstack"), request_for(**settings))


def test_planes_come_in_any_number_but_whole(tmp_path):
    location = Location(tmp_path / "a.tiffstack")
    with writing(STACK, location, request_for()) as writer:
        writer.write(Region((0, 0, 0), (5, 40, 50)), VALUES[:5])
        with pytest.raises(UsageError, match="whole planes"):
            writer.write(Region((5, 0, 0), (6, 40, 20)), VALUES[5:6, :, :20])
        writer.write(Region((5, 0, 0), (12, 40, 50)), VALUES[5:])
    with STACK.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(VALUES.shape)), VALUES)


def test_an_interrupted_stream_keeps_its_planes(tmp_path):
    location = Location(tmp_path / "a.tiffstack")

    def write_and_stop() -> None:
        with writing(STACK, location, request_for()) as writer:
            writer.write(Region((0, 0, 0), (5, 40, 50)), VALUES[:5])
            writer.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()
    with STACK.open(location) as reader:
        assert reader.levels == ((5, 40, 50),)
        np.testing.assert_array_equal(reader.read(Region.whole((5, 40, 50))), VALUES[:5])


def test_somebodys_folder_is_read_in_natural_order(tmp_path):
    for i, plane in enumerate(VALUES):
        tifffile.imwrite(tmp_path / f"slice{i}.tif", plane)
    with STACK.open(Location(tmp_path)) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(VALUES.shape)), VALUES)
        assert reader.stored_as().axes is None


def test_folders_that_are_no_stack(tmp_path):
    with pytest.raises(DataError, match=r"no \.tiff files"), STACK.open(Location(tmp_path)):
        pass
    location = Location(tmp_path / "a.tiffstack")
    write_array(STACK, location, request_for(), (VALUES,))
    (location.path / "zyx-z0003.tiff").rename(tmp_path / "gone")
    with pytest.raises(DataError, match="lacks plane 3 along z"), STACK.open(location):
        pass
    tifffile.imwrite(location.path / "zyx-z0003.tiff", VALUES[0, :7])
    with STACK.open(location) as reader, pytest.raises(DataError, match=r"zyx-z0003\.tiff has the shape"):
        reader.read(Region.whole(VALUES.shape))


def test_levels_halve_the_planes_only(tmp_path):
    stack = Stack(Jp2Glymur())
    location = Location(tmp_path / "a.jp2stack")
    write_array(stack, location, request_for("jp2-lossless", axis=1), (VALUES,))
    with stack.open(location) as reader:
        assert reader.levels[:2] == ((12, 40, 50), (6, 40, 25))
        assert reader.read(Region.whole((6, 40, 25)), 1).shape == (6, 40, 25)


def test_blocks_are_one_plane_thick():
    blocks = STACK.block_codec(request_for("zstd-3", axis=1, chunk=(12, 1, 50)))
    np.testing.assert_array_equal(blocks.decode(blocks.encode(VALUES[:, 3:4])), VALUES[:, 3:4])
    with pytest.raises(UsageError, match="1 voxel thick"):
        blocks.encode(VALUES[:, 3:5])
    assert "no codec in memory" in Stack(Jp2Glymur()).block_codec(request_for("jp2-lossless"))


def _names(location: Location) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in location.path.iterdir()}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("chunk", [None, (16, 16)], ids=["strips", "tiles"])
def test_a_reopened_stack_replaces_planes_by_renaming_and_adds_others(tmp_path, chunk, axis):
    location = Location(tmp_path / "a.tiffstack")
    first, _ = np.split(VALUES, [5], axis)
    layout = chunk and (*chunk[:axis], 1, *chunk[axis:])
    request = request_for("none", axis, layout, shape=first.shape)
    write_array(STACK, location, request, (first,))
    before, values = _names(location), VALUES.copy()
    np.moveaxis(values, axis, 0)[2] += 1
    with STACK.reopen(location) as writer:
        for start, stop in ((2, 3), (5, VALUES.shape[axis])):
            region = Region(
                tuple(start * (i == axis) for i in range(3)), (*VALUES.shape[:axis], stop, *VALUES.shape[axis + 1 :])
            )
            writer.write(region, values[region.slices])
    after = _names(location)
    assert len(after) == VALUES.shape[axis]
    assert sorted(name[:9] for name in before if before[name] != after[name]) == [f"zyx-{'zyx'[axis]}0002"]
    with STACK.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(VALUES.shape)), values)
        stored = reader.stored_as()
        assert (stored.codec, stored.layout.chunk_shape[axis]) == ("none", 1)


def test_what_a_killed_process_left_beside_a_plane_is_no_plane_and_is_replaced(tmp_path):
    location = Location(tmp_path / "a.tiffstack")
    write_array(STACK, location, request_for("none"), (VALUES,))
    (location.path / ".zyx-z0003.tiff").write_bytes(b"half a file")
    with STACK.reopen(location) as writer:
        writer.write(Region((3, 0, 0), (4, 40, 50)), VALUES[:1])
    assert len(_names(location)) == 12
    with STACK.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region((3, 0, 0), (4, 40, 50))), VALUES[:1])


@pytest.mark.parametrize(
    ("inner", "codec", "words"),
    [
        (PngImageio(), "png-6", r"do not tell exactly how they are compressed \(png-\*\)"),
        (TiffTifffile(), "zstd-3", r"do not tell exactly how they are compressed \(zstd-"),
        (Jp2Imageio(), "jp2-lossless", r"do not tell exactly how they are compressed \(jp2-"),
    ],
)
def test_a_stack_whose_files_do_not_tell_their_codec_takes_nothing(tmp_path, inner, codec, words):
    stack = Stack(inner)
    location = Location(tmp_path / f"a{stack.suffix}")
    write_array(stack, location, request_for(codec), (VALUES,))
    with pytest.raises(UnsupportedError, match=words), stack.reopen(location):
        pass
    other = Location(tmp_path / f"b{stack.suffix}")
    location.path.rename(other.path)
    for path in list(other.path.iterdir()):
        path.rename(path.with_name(path.name.replace("zyx-z", "plane")))
    with pytest.raises(UnsupportedError, match="other names than storebench gives"), stack.reopen(other):
        pass


def test_a_reopened_stack_takes_whole_planes_of_its_own_type(tmp_path):
    location = Location(tmp_path / "a.tiffstack")
    write_array(STACK, location, request_for("none"), (VALUES,))
    with STACK.reopen(location) as writer:
        with pytest.raises(UsageError, match="cuts planes"):
            writer.write(Region((0, 0, 0), (1, 10, 50)), VALUES[:1, :10])
        with pytest.raises(UsageError, match="cannot take float32"):
            writer.write(Region((0, 0, 0), (1, 40, 50)), VALUES[:1].astype("float32"))
