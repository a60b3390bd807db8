"""What is particular to OME-TIFF: which levels it holds, what a level's read touches, and that others read it the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from storebench.access import Request
from storebench.backends import WriteRequest, check_stored, write_array
from storebench.backends.ometiff import OmeTiffTifffile
from storebench.codecs import parse_codec
from storebench.errors import UnsupportedError, UsageError, VerificationError
from storebench.grid import Layout, Region, Shape
from storebench.levels import build_levels
from storebench.measurement.explained import allowed
from storebench.measurement.prediction import predict_read
from storebench.stores import Location, RequestLog

BACKEND = OmeTiffTifffile()
SHAPES: dict[str, Shape] = {"yx": (70, 96), "zyx": (5, 70, 96), "zcyx": (2, 3, 40, 50), "tczyx": (2, 1, 3, 40, 1)}


def request_for(
    axes: str, codec: str = "zstd-3", tile: Shape | None = (16, 16), n_levels: int = 3, shape: Shape | None = None
) -> WriteRequest:
    """A request for an image with levels reduced along y and x."""
    shape = shape or SHAPES[axes]
    lead = (1,) * (len(axes) - 2)
    return WriteRequest(
        shape=shape,
        dtype=np.dtype("uint16"),
        axes=axes,
        codec=parse_codec(codec),
        layout=tile and Layout(chunk_shape=lead + tile),
        level_factors=tuple((*lead, 2**k, min(2**k, shape[-1])) for k in range(1, n_levels)),
    )


def stored(folder: Path, request: WriteRequest) -> tuple[Location, tuple[NDArray, ...]]:
    """Store noise and return where, and its levels."""
    values = np.random.default_rng(0).integers(0, 60000, request.shape).astype("uint16")
    location, levels = Location(folder / "image.ome.tiff"), build_levels(values, request.level_factors)
    write_array(BACKEND, location, request, levels)
    return location, levels


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize(("codec", "tile"), [("none", None), ("none", (16, 16)), ("deflate-6-predictor", (32, 16))])
def test_tifffile_itself_finds_image_axes_and_levels(tmp_path: Path, axes: str, codec: str, tile: Shape | None) -> None:
    location, levels = stored(tmp_path, request_for(axes, codec, tile))
    with BACKEND.open(location) as reader:
        assert reader.stored_as().axes == axes
        for level, values in enumerate(levels):
            np.testing.assert_array_equal(reader.read(Region.whole(values.shape), level), values, strict=True)
    with tifffile.TiffFile(location.path) as file:
        assert file.is_ome
        assert len(file.series[0].levels) == len(levels)
        for found, values in zip(file.series[0].levels, levels, strict=True):
            np.testing.assert_array_equal(found.asarray().reshape(values.shape), values)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("plane", [0, 3])
def test_a_level_is_read_by_its_tiles_as_predicted(tmp_path: Path, level: int, plane: int) -> None:
    location, levels = stored(tmp_path, request_for("zyx", shape=(5, 256, 320)))
    n = 256 // 2**level
    region = Region((plane, n // 4, n // 4), (plane + 1, n // 2, n // 2))
    log = RequestLog()
    with BACKEND.open(location.counted(log)) as reader:
        np.testing.assert_array_equal(reader.read(region, level), levels[level][region.slices])
    predicted = predict_read(BACKEND.name, location, [Request(level, region)])
    assert predicted is not None
    n_tiles = (-(-(n // 2) // 16) - (n // 4) // 16) ** 2
    assert predicted.requests == 1 + n_tiles + predicted.n_parts
    for what, counted in (("requests", log.n_requests), ("bytes", log.fetched_bytes)):
        least, most = allowed(BACKEND.name, "read", what, predicted)
        assert least <= counted <= most, what
    tiles_bytes = n_tiles * 512
    assert tiles_bytes <= log.fetched_bytes < tiles_bytes + 0.15 * location.size()[0]


def test_a_stack_of_planes_is_taken_in_order_and_levels_after_all_of_it(tmp_path: Path) -> None:
    request = request_for("zyx")
    assert BACKEND.write_order(request) == "whole"
    assert BACKEND.write_order(request_for("zyx", n_levels=1)) == "planes"
    with BACKEND.create(Location(tmp_path / "a.ome.tiff"), request) as writer:
        with pytest.raises(UsageError, match="plane 0 of level 0 comes next"):
            writer.write(Region.whole((5, 35, 48)), np.zeros((5, 35, 48), "uint16"), 1)
        writer.write(Region.whole((5, 70, 96)), np.zeros((5, 70, 96), "uint16"))
        with pytest.raises(UnsupportedError, match="once its last level is written"):
            writer.flush()


def test_levels_that_were_never_written_are_not_there(tmp_path: Path) -> None:
    location = Location(tmp_path / "a.ome.tiff")
    with BACKEND.create(location, request_for("yx")) as writer:
        writer.write(Region.whole((70, 96)), np.zeros((70, 96), "uint16"))
        writer.write(Region.whole((35, 48)), np.ones((35, 48), "uint16"), 1)
    with BACKEND.open(location) as reader:
        assert reader.levels == ((70, 96), (35, 48))
        assert reader.stored_as().level_shapes == reader.levels
        assert reader.stored_as().note == "2 of 3 levels are there"
        with pytest.raises(VerificationError, match="levels: asked"):
            check_stored(reader.stored_as(), request_for("yx"))


def test_levels_of_what_only_tifffile_decodes_are_not_offered(tmp_path: Path) -> None:
    values = np.arange(64 * 64, dtype="uint16").reshape(64, 64)
    settings: dict[str, Any] = {"metadata": None, "photometric": "minisblack"}
    with tifffile.TiffWriter(tmp_path / "odd.tiff") as writer:  # shaped as no page of it is
        writer.write(values, description=json.dumps({"shape": [1, 4096], "axes": "YX"}), subifds=1, **settings)
        writer.write(values[::2, ::2], subfiletype=1, **settings)
    with BACKEND.open(Location(tmp_path / "odd.tiff")) as reader:
        assert reader.levels == ((1, 4096),)
        np.testing.assert_array_equal(reader.read(Region((0, 60), (1, 70)))[0], np.arange(60, 70))
        with pytest.raises(UsageError, match="has no level 1"):
            reader.read(Region((0, 0), (1, 1)), 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level_factors": ((2, 2, 2),)}, "along y and x only"),
        ({"axes": "yxz"}, "planes of y and x"),
        ({"layout": Layout(chunk_shape=(2, 16, 16))}, "no tiles of volumes"),
        ({"dtype": np.dtype("float16")}, "cannot hold float16"),
    ],
)
def test_what_ome_tiff_cannot_hold_is_refused(change: dict[str, object], words: str) -> None:
    from dataclasses import replace

    request = replace(request_for("zyx", n_levels=1), **change)  # type: ignore[arg-type]
    assert words in (BACKEND.why_unsupported(Location(Path("a.ome.tiff")), request) or "")


@pytest.mark.parametrize("axes", ["ZYX", "TCYX", "YX"])
def test_other_programs_files_with_levels_are_read(tmp_path: Path, axes: str) -> None:
    values = np.random.default_rng(1).integers(0, 255, (2, 3, 64, 80)[-len(axes) :]).astype("uint8")
    with tifffile.TiffWriter(tmp_path / "foreign.ome.tif", ome=True) as writer:
        settings = {"photometric": "minisblack", "tile": (16, 16)}
        writer.write(values, subifds=1, metadata={"axes": axes}, **settings)
        writer.write(values[..., ::2, ::2], subfiletype=1, **settings)
    with BACKEND.open(Location(tmp_path / "foreign.ome.tif")) as reader:
        assert reader.stored_as().axes == axes.lower()
        part = Region(tuple(n // 2 for n in values.shape), values.shape)
        np.testing.assert_array_equal(reader.read(part), values[part.slices])
        np.testing.assert_array_equal(reader.read(Region.whole(reader.levels[1]), 1), values[..., ::2, ::2])


def test_no_name_of_this_machine_is_in_the_file(tmp_path: Path) -> None:
    import uuid

    location, _ = stored(tmp_path, request_for("yx"))
    text = tifffile.tiffcomment(location.path)
    assert uuid.UUID(text.partition("urn:uuid:")[2][:36]).version == 4
