"""OME-Zarr: two validators, the check of scales that neither of them makes, and two readers that know nothing of storebench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr.io
import ome_zarr.reader
import ome_zarr_models
import pytest
import yaozarrs
import zarr
from numpy.typing import NDArray

from storebench.backends import BACKENDS, WriteRequest, get_backend, write_array
from storebench.backends._omezarr import valid_axes
from storebench.codecs import parse_codec
from storebench.errors import DataError
from storebench.grid import Layout, Region, grid_shape, iter_blocks
from storebench.levels import METHODS, bin_mean, build_levels, level_factors
from storebench.stores import Location, RequestLog

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
_SHAPES = {"t": 3, "c": 2, "z": 9, "y": 20, "x": 17}


def _store(
    folder: Path,
    version: str,
    axes: str = "zyx",
    spacing: tuple[float, ...] | None = None,
    *,
    method: str = "mean",
    library: str = "zarrpython",
) -> Location:
    backend = get_backend(f"omezarr-{version}-{library}")
    if (why := backend.why_unavailable()) is not None:
        pytest.skip(why)
    shape = tuple(_SHAPES[axis] for axis in axes)
    request = WriteRequest(
        shape=shape,
        dtype=np.dtype("uint16"),
        axes=axes,
        codec=parse_codec("blosc-zstd-1-bitshuffle" if library == "iohub" else "zstd-3"),
        layout=Layout(chunk_shape=tuple(8 if axis in "zyx" else 1 for axis in axes)),
        level_factors=level_factors(axes, shape, 3, spacing),
        level_method=method,
    )
    location = Location(folder / f"cells-{axes}.ome.zarr")
    levels = build_levels(_values(shape), request.level_factors, method)
    write_array(backend, location, request, levels)
    return location


def _values(shape: tuple[int, ...]) -> NDArray:
    """Return voxels with few different values, so that blocks have a most frequent one; no plane is like another."""
    n_voxels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    return n_voxels % 7 + n_voxels // 400


def _attributes(location: Location, version: str) -> dict[str, Any]:
    if version == "0.4":
        found: dict[str, Any] = json.loads((location.path / ".zattrs").read_text())
        return found
    return dict(json.loads((location.path / "zarr.json").read_text())["attributes"]["ome"])


def wrong_scales(location: Location, version: str, method: str = "mean") -> list[str]:
    """Return what no validator looks at: a scale that is no ratio of shapes, or a centre that lies elsewhere."""
    group = zarr.open_group(zarr.storage.LocalStore(location.path, read_only=True), mode="r")
    wrong, shape_0 = [], None
    for dataset in _attributes(location, version)["multiscales"][0]["datasets"]:
        array = group[dataset["path"]]
        assert isinstance(array, zarr.Array)
        shape_0 = shape_0 or array.shape
        transforms = {t["type"]: t[t["type"]] for t in dataset["coordinateTransformations"]}
        factors = transforms["scale"]
        # A last block that is not full counts as a voxel: the factor is the one whose grid has this shape.
        if any(-(-n // f) != m for n, f, m in zip(shape_0, factors, array.shape, strict=True)):
            wrong.append(f"{dataset['path']}: scale {factors}, shapes {shape_0} and {array.shape}")
        further_on = [0.0 if method == "nearest" else (f - 1) / 2 for f in factors]  # a first voxel lies where it lay
        if transforms.get("translation", [0.0] * array.ndim) != further_on:
            wrong.append(f"{dataset['path']}: translation {transforms.get('translation')}")
    return wrong


@VERSIONS
@pytest.mark.parametrize("axes", ["yx", "zyx", "cyx", "tyx", "tcyx", "czyx", "tzyx", "tczyx"])
def test_both_validators_and_the_check_of_scales_pass(version: str, axes: str, tmp_path: Path) -> None:
    location = _store(tmp_path, version, axes)
    yaozarrs.validate_zarr_store(str(location.path))
    image = ome_zarr_models.open_ome_zarr(zarr.open_group(str(location.path), mode="r"))
    assert image.ome_zarr_version == version
    assert wrong_scales(location, version) == []


@VERSIONS
def test_anisotropic_levels_have_their_scales(version: str, tmp_path: Path) -> None:
    location = _store(tmp_path, version, spacing=(4.0, 1.0, 1.0))
    assert wrong_scales(location, version) == []
    datasets = _attributes(location, version)["multiscales"][0]["datasets"]
    assert [d["coordinateTransformations"][0]["scale"] for d in datasets] == [
        [1.0, 1.0, 1.0],
        [1.0, 2.0, 2.0],
        [1.0, 4.0, 4.0],
    ]
    assert datasets[2]["coordinateTransformations"][1]["translation"] == [0.0, 1.5, 1.5]


@VERSIONS
@pytest.mark.parametrize("library", ["zarrpython", "tensorstore"])
def test_a_spacing_becomes_the_scale_and_the_method_is_read_back(version: str, library: str, tmp_path: Path) -> None:
    backend, location = get_backend(f"omezarr-{version}-{library}"), Location(tmp_path / "a.ome.zarr")
    request = WriteRequest(
        shape=(4, 8, 8),
        dtype=np.dtype("uint8"),
        axes="zyx",
        codec=parse_codec("none"),
        level_factors=((1, 2, 2),),
        level_method="mode",
        spacing=(5.0, 0.5, 0.25),
    )
    write_array(backend, location, request, build_levels(np.zeros(request.shape, "uint8"), request.level_factors))
    found = [d["coordinateTransformations"] for d in _attributes(location, version)["multiscales"][0]["datasets"]]
    assert [level[0]["scale"] for level in found] == [[5.0, 0.5, 0.25], [5.0, 1.0, 0.5]]
    assert found[1][1]["translation"] == [0.0, 0.25, 0.125]  # half a voxel of level 0
    yaozarrs.validate_zarr_store(str(location.path))
    with backend.open(location) as reader:
        assert reader.stored_as().level_method == "mode"


def _by_blocks(values: NDArray, factors: tuple[int, ...], method: str) -> NDArray:
    """Return a level by the plainest way there is: one block after the other."""
    level = np.empty(grid_shape(values.shape, factors), values.dtype)
    for index, block in zip(np.ndindex(level.shape), iter_blocks(values.shape, factors), strict=True):
        inside = values[block.slices]
        reduced = {
            "mean": np.rint(inside.mean(dtype=np.float64)),
            "mode": np.bincount(inside.ravel()).argmax(),
            "nearest": inside.flat[0],
        }
        level[index] = reduced[method]
    return level


def _by_ome_zarr_py(location: Location) -> list[NDArray]:
    (image,) = ome_zarr.reader.Reader(ome_zarr.io.parse_url(str(location.path), mode="r"))()
    return [np.asarray(level) for level in image.data]


def _by_tensorstore(location: Location, version: str, paths: list[str]) -> list[NDArray]:
    tensorstore = pytest.importorskip("tensorstore", reason='install with: pip install "storebench[tensorstore]"')
    driver = "zarr" if version == "0.4" else "zarr3"
    specs = [{"driver": driver, "kvstore": {"driver": "file", "path": str(location.path / path)}} for path in paths]
    return [tensorstore.open(spec, read=True).result().read().result() for spec in specs]


@pytest.mark.parametrize("library", sorted({name.split("-")[2] for name in BACKENDS if name.startswith("omezarr-")}))
@pytest.mark.parametrize("spacing", [None, (4.0, 1.0, 1.0)], ids=["isotropic", "anisotropic"])
@pytest.mark.parametrize("method", METHODS)
@VERSIONS
def test_levels_are_the_plain_ones_valid_and_the_same_for_other_readers(
    version: str, method: str, spacing: tuple[float, ...] | None, library: str, tmp_path: Path
) -> None:
    location = _store(tmp_path, version, spacing=spacing, method=method, library=library)
    yaozarrs.validate_zarr_store(str(location.path))
    ome_zarr_models.open_ome_zarr(zarr.open_group(str(location.path), mode="r"))
    assert wrong_scales(location, version, method) == []
    (multiscale,) = _attributes(location, version)["multiscales"]
    assert multiscale.get("type", method) == method  # not every library can say it
    values = _values((9, 20, 17))
    expected = [values, *(_by_blocks(values, f, method) for f in level_factors("zyx", values.shape, 3, spacing))]
    paths = [dataset["path"] for dataset in multiscale["datasets"]]
    for found in (_by_ome_zarr_py(location), _by_tensorstore(location, version, paths)):
        for level, plain in zip(found, expected, strict=True):
            np.testing.assert_array_equal(level, plain, strict=True)


@VERSIONS
def test_a_planted_wrong_scale_is_found(version: str, tmp_path: Path) -> None:
    location = _store(tmp_path, version)
    file = location.path / (".zattrs" if version == "0.4" else "zarr.json")
    everything = json.loads(file.read_text())
    multiscale = (everything if version == "0.4" else everything["attributes"]["ome"])["multiscales"][0]
    multiscale["datasets"][1]["coordinateTransformations"][0]["scale"] = [1.0, 1.0, 1.0]
    file.write_text(json.dumps(everything))
    yaozarrs.validate_zarr_store(str(location.path))  # does not notice
    assert [text.partition(":")[0] for text in wrong_scales(location, version)] == ["1", "1"]


@VERSIONS
def test_the_metadata_say_what_they_know_and_no_more(version: str, tmp_path: Path) -> None:
    location = _store(tmp_path, version, "tczyx")
    attributes = _attributes(location, version)
    (multiscale,) = attributes["multiscales"]
    assert multiscale["name"] == "cells-tczyx"
    assert multiscale["axes"] == [
        {"name": "t", "type": "time"},
        {"name": "c", "type": "channel"},
        *({"name": axis, "type": "space"} for axis in "zyx"),
    ]
    if version == "0.4":
        assert multiscale["version"] == "0.4"
        assert json.loads((location.path / "0/.zarray").read_text())["dimension_separator"] == "/"
    else:
        assert attributes["version"] == "0.5"
        assert json.loads((location.path / "0/zarr.json").read_text())["dimension_names"] == list("tczyx")


def test_a_sharded_image_is_valid(tmp_path: Path) -> None:
    request = WriteRequest(
        shape=(20, 20, 20),
        dtype=np.dtype("uint8"),
        axes="zyx",
        codec=parse_codec("blosc-zstd-3-shuffle"),
        layout=Layout(chunk_shape=(4, 4, 4), shard_shape=(8, 8, 8)),
        level_factors=((2, 2, 2),),
    )
    location = Location(tmp_path / "sharded.ome.zarr")
    values = np.random.default_rng(0).integers(0, 255, request.shape).astype(np.uint8)
    stored = write_array(
        get_backend("omezarr-0.5-zarrpython"), location, request, build_levels(values, request.level_factors)
    )
    assert stored.layout == request.layout
    yaozarrs.validate_zarr_store(str(location.path))
    refused = get_backend("omezarr-0.4-zarrpython").why_unsupported(location, request)
    assert "no shards" in str(refused)


def test_every_choice_of_axes_that_is_taken_is_valid(tmp_path: Path) -> None:
    for axes in sorted(valid_axes()):
        location = _store(tmp_path, "0.5", axes)
        yaozarrs.validate_zarr_store(str(location.path))
    assert len(valid_axes()) == 4 * (3 + 1)


@VERSIONS
@pytest.mark.parametrize("axes", ["xy", "xyz", "yxc", "cty", "zc", "abc"])
def test_other_axes_are_refused(version: str, axes: str) -> None:
    request = WriteRequest(shape=(4,) * len(axes), dtype=np.dtype("uint8"), axes=axes, codec=parse_codec("none"))
    sentence = get_backend(f"omezarr-{version}-zarrpython").why_unsupported(Location(Path("x")), request)
    assert f"these are {axes!r}" in str(sentence)


@VERSIONS
@pytest.mark.parametrize("factors", [((1, 1),), ((2, 2), (1, 4)), ((2, 2), (2, 2))])
def test_levels_that_do_not_get_coarser_are_refused(version: str, factors: tuple[tuple[int, ...], ...]) -> None:
    request = WriteRequest(
        shape=(9, 9), dtype=np.dtype("uint8"), axes="yx", codec=parse_codec("none"), level_factors=factors
    )
    sentence = get_backend(f"omezarr-{version}-zarrpython").why_unsupported(Location(Path("x")), request)
    assert "from fine to coarse" in str(sentence)


@VERSIONS
def test_a_level_is_read_without_the_others(version: str, tmp_path: Path) -> None:
    location, log = _store(tmp_path, version), RequestLog()
    with get_backend(f"omezarr-{version}-zarrpython").open(location.counted(log)) as reader:
        found = reader.read(Region((0, 0, 0), (3, 5, 5)), level=2)
    np.testing.assert_array_equal(found, bin_mean(_values((9, 20, 17)), (4, 4, 4))[:3, :5, :5])
    keys = [r.key for r in log.requests if r.kind == "get"]
    assert {key.partition("/")[0] for key in keys} == {"zarr.json", "2"} or {key.partition("/")[0] for key in keys} == {
        ".zgroup",
        ".zattrs",
        "2",
    }
    assert log.fetched_bytes == sum((location.path / key).stat().st_size for key in keys)


@VERSIONS
def test_what_is_no_image_is_a_sentence(version: str, tmp_path: Path) -> None:
    backend = get_backend(f"omezarr-{version}-zarrpython")
    with pytest.raises(DataError, match="is no OME-Zarr"), backend.open(Location(tmp_path / "nothing.ome.zarr")):
        pass
    location = _store(tmp_path, version)
    file = location.path / (".zattrs" if version == "0.4" else "zarr.json")
    good = json.loads(file.read_text())
    for damaged in (
        "{",
        "[]",
        json.dumps(good).replace("multiscales", "plate"),
        json.dumps(good).replace('"datasets"', '"data"'),
    ):
        file.write_text(damaged)
        with pytest.raises(DataError, match=r"cannot be understood|is no OME-Zarr"), backend.open(location):
            pass
    file.write_text(json.dumps(good).replace('"path": "0"', '"path": "7"'))
    with backend.open(location) as reader, pytest.raises(DataError, match="is no Zarr v"):
        reader.read(Region((0, 0, 0), (1, 1, 1)))
