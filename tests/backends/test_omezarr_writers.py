"""ome-zarr-py, ngff-zarr and iohub as backends: what is peculiar to each, and what each makes of levels by itself."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from storebench.backends import BACKENDS, WriteRequest, get_backend, write_array, writing
from storebench.backends._omezarr import valid_axes
from storebench.codecs import DEFAULT_CODECS, parse_codec
from storebench.errors import DataError, UnsupportedError, UsageError
from storebench.grid import Layout, Region, Shape
from storebench.levels import build_levels, level_factors
from storebench.stores import Location

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("omezarrpy", "ngffzarr", "iohub")
NAMES = [f"omezarr-{version}-{library}" for version in ("0.4", "0.5") for library in LIBRARIES]
_IOHUB: dict[str, Any] = {"layout": "fov", "mode": "w-", "channel_names": ["a"]}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    why = get_backend(request.param).why_unavailable()
    if why is not None:
        pytest.skip(why)
    return str(request.param)


@pytest.fixture(autouse=True)
def _settings_are_kept() -> Iterator[None]:
    """No backend leaves zarr another configuration than it found."""
    before = zarr.config.get("codec_pipeline.path"), zarr.config.get("array.write_empty_chunks")
    yield
    assert (zarr.config.get("codec_pipeline.path"), zarr.config.get("array.write_empty_chunks")) == before


def _request(name: str, shape: Shape = (9, 20, 17), layout: Layout | None = None, **more: Any) -> WriteRequest:
    codec = parse_codec("blosc-zstd-1-bitshuffle")
    axes = "zyx" if len(shape) == 3 else "yx"
    return WriteRequest(shape=shape, dtype=np.dtype("uint16"), axes=axes, codec=codec, layout=layout, **more)


def _values(shape: Shape) -> NDArray:
    return np.arange(1, 1 + np.prod(shape), dtype=np.uint16).reshape(shape)


CUBES = Layout(chunk_shape=(4, 8, 8))


def test_chunks_of_zeros_are_stored(name: str, tmp_path: Path) -> None:
    """zarrs and ngff-zarr leave them out, and have no switch for it that works."""
    request = _request(name, layout=CUBES, level_factors=((2, 2, 2),))
    values = _values(request.shape)
    values[:4] = 0
    stored = write_array(
        get_backend(name), Location(tmp_path / "a.ome.zarr"), request, build_levels(values, request.level_factors)
    )
    assert "chunk files are there" not in stored.note


def test_chunks_of_zeros_are_stored_inside_of_shards(name: str, tmp_path: Path) -> None:
    layout = Layout(chunk_shape=(4, 8, 8), shard_shape=(8, 16, 16))
    request, sizes = _request(name, layout=layout), []
    if get_backend(name).why_unsupported(Location(tmp_path), request) is not None:
        assert "0.4" in name
        return
    values = _values(request.shape)
    values[:4] = 0
    for writer in (name, "omezarr-0.5-zarrpython"):
        location = Location(tmp_path / f"{writer}.ome.zarr")
        write_array(get_backend(writer), location, request, (values,))
        shard = location.path / ("s0" if "omezarrpy" in writer else "0") / "c/0/0/0"
        index = np.frombuffer(shard.read_bytes()[-8 * 16 - 4 : -4], "<u8")
        sizes.append(int((index == np.iinfo("u8").max).sum()))  # a chunk that is not there
    assert sizes[0] == sizes[1] == 0


def test_voxels_lie_where_the_metadata_say(name: str, tmp_path: Path) -> None:
    """ome-zarr-py itself would write a scale of 1.8 for 9 voxels that became 5."""
    request = _request(name, layout=CUBES, level_factors=((2, 2, 2),), spacing=(2.0, 0.5, 0.5))
    location = Location(tmp_path / "a.ome.zarr")
    write_array(get_backend(name), location, request, build_levels(_values(request.shape), request.level_factors))
    file = location.path / (".zattrs" if "0.4" in name else "zarr.json")
    attributes = json.loads(file.read_text())
    (multiscale,) = (attributes if "0.4" in name else attributes["attributes"]["ome"])["multiscales"]
    full, half = multiscale["datasets"]
    assert [step[step["type"]] for step in full["coordinateTransformations"]] == [[2.0, 0.5, 0.5]]
    assert [step[step["type"]] for step in half["coordinateTransformations"]] == [[4.0, 1.0, 1.0], [1.0, 0.25, 0.25]]


@pytest.mark.parametrize("axes", ["yx", "cyx", "tczyx"])
def test_axes_are_those_that_were_given(name: str, axes: str, tmp_path: Path) -> None:
    shape = tuple({"t": 2, "c": 3}.get(axis, 6) for axis in axes)
    request = WriteRequest(
        shape=shape, dtype=np.dtype("uint8"), axes=axes, codec=parse_codec("blosc-zstd-1-bitshuffle")
    )
    stored = write_array(
        get_backend(name), Location(tmp_path / "a.ome.zarr"), request, (_values(shape).astype("uint8"),)
    )
    assert stored.axes == axes
    assert axes in valid_axes()
    wrong = WriteRequest(shape=(4, 4), dtype=np.dtype("uint8"), axes="xy", codec=request.codec)
    assert "these are 'xy'" in str(get_backend(name).why_unsupported(Location(tmp_path), wrong))


def test_what_cannot_be_opened_is_a_sentence(name: str, tmp_path: Path) -> None:
    backend = get_backend(name)
    with pytest.raises(DataError, match="is no OME-Zarr"), backend.open(Location(tmp_path / "nothing.ome.zarr")):
        pass
    other = next(n for n in NAMES if n.split("-")[2] == "omezarrpy" and n.split("-")[1] not in name)
    location, request = Location(tmp_path / "other.ome.zarr"), _request(other)
    write_array(get_backend(other), location, request, (_values(request.shape),))
    with pytest.raises(DataError, match="is no OME-Zarr"), backend.open(location):
        pass


@pytest.mark.parametrize("how", ["shorter", "empty"])
def test_a_damaged_chunk_is_named(name: str, how: str, tmp_path: Path) -> None:
    backend, location, request = get_backend(name), Location(tmp_path / "a.ome.zarr"), _request(name, layout=CUBES)
    values = np.random.default_rng(0).integers(0, 60000, request.shape).astype("uint16")
    write_array(backend, location, request, (values,))
    chunk = max((Path(f) for f in location.files() if "zarr" not in f.name and not f.name.startswith(".")), key=str)
    data = chunk.read_bytes()
    chunk.write_bytes(data[: len(data) // 2] if how == "shorter" else b"")
    with pytest.raises(DataError) as caught, backend.open(location) as reader:
        reader.read(Region.whole(request.shape))
    assert chunk.name in str(caught.value)


def test_damaged_metadata_are_named(name: str, tmp_path: Path) -> None:
    backend, location, request = get_backend(name), Location(tmp_path / "a.ome.zarr"), _request(name, layout=CUBES)
    write_array(backend, location, request, (_values(request.shape),))
    level = location.path / ("s0" if "omezarrpy" in name else "0")
    (level / (".zarray" if "0.4" in name else "zarr.json")).write_text("{")
    with pytest.raises(DataError, match=level.name), backend.open(location) as reader:
        reader.read(Region.whole(request.shape))


@pytest.mark.parametrize("name", [name for name in NAMES if "iohub" not in name])
def test_all_levels_come_before_anything_is_stored(name: str, tmp_path: Path) -> None:
    backend, request = get_backend(name), _request(name, level_factors=((2, 2, 2),))
    levels = build_levels(_values(request.shape), request.level_factors)
    whole = [Region.whole(values.shape) for values in levels]
    with pytest.raises(UsageError, match=r"levels \[1\] were not written"):
        with writing(backend, Location(tmp_path / "a.ome.zarr"), request) as writer:
            writer.write(whole[0], levels[0])
    for region, values, level in (
        (Region((0, 0, 0), (1, 20, 17)), levels[0][:1], 0),
        (whole[0], levels[0].astype("uint8"), 0),
        (whole[1], levels[1], 2),
    ):
        with pytest.raises(UsageError), writing(backend, Location(tmp_path / "a.ome.zarr"), request) as writer:
            writer.write(region, values, level)
    with writing(backend, Location(tmp_path / "a.ome.zarr"), request) as writer:  # in any order
        writer.write(whole[1], levels[1], 1)
        writer.write(whole[0], levels[0])
    with backend.open(Location(tmp_path / "a.ome.zarr")) as reader:
        for level, values in enumerate(levels):
            np.testing.assert_array_equal(reader.read(whole[level], level), values)


@pytest.mark.parametrize(
    ("version", "layout", "words"),
    [
        ("0.5", Layout(chunk_shape=(16, 8, 8)), "cuts chunks to the image: ask for (9, 8, 8)"),
        ("0.5", Layout(chunk_shape=(4, 8, 8), shard_shape=(16, 8, 8)), "cuts shards to the image: ask for (12, 8, 8)"),
        ("0.4", Layout(chunk_shape=(4, 8, 8), shard_shape=(8, 8, 8)), "has no shards"),
    ],
)
def test_ngff_zarr_refuses_what_it_would_cut(version: str, layout: Layout, words: str, tmp_path: Path) -> None:
    name = f"omezarr-{version}-ngffzarr"
    assert words in str(get_backend(name).why_unsupported(Location(tmp_path), _request(name, layout=layout)))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("codec", ["none", "zstd-3", "blosc-lz4-5-shuffle", "blosc-zstd-1-bitshuffle+crc32c"])
def test_iohub_refuses_codecs_that_it_would_not_store(version: str, codec: str, tmp_path: Path) -> None:
    request = WriteRequest(shape=(4, 4), dtype=np.dtype("uint8"), axes="yx", codec=parse_codec(codec))
    sentence = get_backend(f"omezarr-{version}-iohub").why_unsupported(Location(tmp_path), request)
    if codec == "blosc-lz4-5-shuffle" and version == "0.4":
        assert sentence is None
    else:
        assert "blosc-zstd-1-bitshuffle" in str(sentence)


def test_iohub_says_why_it_is_not_there_on_an_older_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storebench.backends.omezarr_iohub.sys", type("sys", (), {"version_info": (3, 11, 7)}))
    sentence = get_backend("omezarr-0.5-iohub").why_unavailable()
    assert "needs Python 3.12 or newer" in str(sentence)
    assert "omezarr-0.5-zarrpython" in str(sentence)


_ASKED_NOTHING = {
    "omezarrpy": """
from ome_zarr.format import format_from_version
from ome_zarr.writer import write_image
write_image(image, path, axes="zyx", fmt=format_from_version(version))
""",
    "ngffzarr": """
import ngff_zarr
made = ngff_zarr.to_multiscales(ngff_zarr.to_ngff_image(image), scale_factors=[], method=ngff_zarr.Methods.DASK_BIN_SHRINK)
ngff_zarr.to_ngff_zarr(path, made, version=version)
""",
    "iohub": """
from iohub import open_ome_zarr
with open_ome_zarr(path, layout="fov", mode="w-", channel_names=["a"], version=version) as position:
    position.create_image("0", image[None, None])
""",
}


def test_a_library_asked_nothing_takes_the_chunks_and_the_codec_of_its_backend(name: str, tmp_path: Path) -> None:
    image, (_, version, library) = _values((40, 64, 150)), name.split("-")
    location = Location(tmp_path / "library.ome.zarr")
    with zarr.config.set({"codec_pipeline.path": zarr.config.get("codec_pipeline.path")}):
        exec(_ASKED_NOTHING[library], {"image": image, "path": str(location.path), "version": version})  # noqa: S102
    request = WriteRequest(shape=image.shape, dtype=image.dtype, axes="zyx", codec=parse_codec(DEFAULT_CODECS[name]))
    own = write_array(get_backend(name), Location(tmp_path / "own.ome.zarr"), request, (image,))
    with get_backend(f"omezarr-{version}-zarrpython").open(location) as reader:
        stored = reader.stored_as()
    assert stored.codec == own.codec
    assert stored.layout is not None
    assert own.layout is not None
    assert stored.layout.chunk_shape[-3:] == own.layout.chunk_shape


# what the libraries do by themselves: each a finding in docs/findings


@pytest.mark.xfail(
    strict=True, reason="iohub drops the compressor for OME-Zarr 0.5: docs/findings/iohub-compressor-ignored.md"
)
def test_iohub_stores_the_compressor_that_it_is_given(tmp_path: Path) -> None:
    pytest.importorskip("iohub", reason=str(get_backend("omezarr-0.5-iohub").why_unavailable()))
    from iohub import open_ome_zarr
    from iohub.core.config import CompressorConfig, ZarrConfig

    config = ZarrConfig(compressor=CompressorConfig(cname="lz4", clevel=9, shuffle="shuffle"))
    with zarr.config.set({"codec_pipeline.path": zarr.config.get("codec_pipeline.path")}):
        with open_ome_zarr(tmp_path / "a.zarr", version="0.5", **_IOHUB, implementation_config=config) as position:
            position.create_zeros("0", (1, 1, 4, 4, 4), "uint16")
    codecs = json.loads((tmp_path / "a.zarr/0/zarr.json").read_text())["codecs"]
    assert codecs[-1]["configuration"]["cname"] == "lz4"


@pytest.mark.xfail(strict=True, raises=IndexError, reason="levels by mode: docs/findings/iohub-levels-by-mode.md")
def test_iohub_makes_levels_by_mode(tmp_path: Path) -> None:
    pytest.importorskip("iohub", reason=str(get_backend("omezarr-0.5-iohub").why_unavailable()))
    from iohub import open_ome_zarr

    with zarr.config.set({"codec_pipeline.path": zarr.config.get("codec_pipeline.path")}):
        with open_ome_zarr(tmp_path / "a.zarr", version="0.5", **_IOHUB) as position:
            position.create_image("0", np.ones((1, 1, 8, 8, 8), "uint16"))
            position.compute_pyramid(levels=2, method="mode")


@pytest.mark.xfail(strict=True, reason="the last plane is 0: docs/findings/omezarr-zoom-ends-in-zeros.md")
def test_ome_zarr_py_zooms_to_the_edge(tmp_path: Path) -> None:
    from ome_zarr.format import FormatV05
    from ome_zarr.scale import Methods
    from ome_zarr.writer import write_image

    write_image(np.ones((64, 64), "uint16"), str(tmp_path), axes="yx", fmt=FormatV05(), method=Methods.ZOOM)
    assert np.asarray(zarr.open_group(tmp_path, mode="r")["s2"][...]).all()  # type: ignore[index]


# their own levels: docs/omezarr-writers.md


def _levels_script() -> ModuleType:
    path = ROOT / "tests" / "proof" / "omezarr_levels.py"
    spec = importlib.util.spec_from_file_location("omezarr_levels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_tables_of_levels_are_what_the_libraries_make() -> None:
    """But for the times, and for what takes a minute to begin; of other versions than those of the page only that it works."""
    script = _levels_script()
    page = (ROOT / "docs" / "omezarr-writers.md").read_text()
    if sys.version_info < (3, 12):
        pytest.skip("iohub needs Python 3.12 or newer")
    missing = [name for name in ("ngff_zarr", "iohub", "bioio_ome_zarr") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed; install with: pip install ngff-zarr iohub bioio-ome-zarr")
    same_versions = script.versions() in page
    for writer in script.WRITERS:
        if not writer.is_slow:
            rows = [script.levels_row(writer), *([script.places_row(writer)] if writer.is_linear else [])]
            assert not same_versions or [row for row in rows if row not in page] == []


def test_the_page_has_a_row_for_each_writer() -> None:
    script, page = _levels_script(), (ROOT / "docs" / "omezarr-writers.md").read_text()
    for writer in script.WRITERS:
        assert page.count(f"| {writer.name} |") == 2 + writer.is_linear, writer.name


def test_level_factors_of_a_backend_are_those_of_storebench(name: str, tmp_path: Path) -> None:
    """Levels that storebench made are taken as they are, three of them and along y and x alone."""
    request = _request(name, level_factors=level_factors("zyx", (9, 20, 17), 3, along="yx"))
    levels = build_levels(_values(request.shape), request.level_factors)
    stored = write_array(get_backend(name), Location(tmp_path / "a.ome.zarr"), request, levels)
    assert stored.level_shapes == ((9, 20, 17), (9, 10, 9), (9, 5, 5))


def test_written_once(name: str, tmp_path: Path) -> None:
    backend, location, request = get_backend(name), Location(tmp_path / "a.ome.zarr"), _request(name, layout=CUBES)
    write_array(backend, location, request, (_values(request.shape),))
    if backend.write_order(request) == "any":
        return
    with pytest.raises(UnsupportedError, match="writes an image once"), backend.reopen(location):
        pass
    assert BACKENDS[name].parallel_writes == "none"


def test_dask_computes_here_whatever_cluster_there_is(name: str, tmp_path: Path) -> None:
    """A cluster that this process works with would else get the work: its workers are not what is measured."""
    distributed = pytest.importorskip("distributed", reason="install with: pip install storebench[dask]")
    request = _request(name, layout=CUBES)
    values, location = _values(request.shape), Location(tmp_path / "image.ome.zarr")
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        with distributed.Client(cluster):
            write_array(get_backend(name), location, request, (values,))
            with get_backend(name).open(location) as reader:
                np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)
        assert len(cluster.scheduler.transition_log) == 0  # of a sum of zeros there are 9
