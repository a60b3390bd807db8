"""zarr-python's other pipelines and stores: that they are really used, and no other one; their threads; what they do to files."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.storage import LocalStore

from storebench.backends import WriteRequest, get_backend, write_array
from storebench.backends._zarr_arrays import open_store
from storebench.backends._zarr_pipelines import Pipeline
from storebench.backends.zarr_fused import Zarr3ZarrPythonFused
from storebench.backends.zarr_zarrs import Zarr3Zarrs
from storebench.codecs import parse_codec
from storebench.errors import DataError, UnsupportedError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location, RequestLog

CLASSES = {
    "zarr3-zarrpython": "BatchedCodecPipeline",
    "zarr3-zarrpythonfused": "FusedCodecPipeline",
    "zarr3-zarrs": "ZarrsCodecPipeline",
    "zarr3-obstore": "BatchedCodecPipeline",
}
SHAPE = (9, 20, 30)
LAYOUTS = {
    "chunks": Layout(chunk_shape=(4, 8, 8)),
    "shards": Layout(chunk_shape=(2, 4, 4), shard_shape=(4, 8, 8)),
}
REGIONS = (
    Region.whole(SHAPE),
    Region((5, 0, 0), (6, 20, 30)),
    Region((0, 7, 0), (9, 8, 30)),
    Region((0, 0, 29), (9, 20, 30)),
    Region((8, 19, 29), SHAPE),
)


def _named(*names: str) -> Any:
    """Return the parametrization with backends, skipped where they are not available."""
    params = []
    for name in names:
        why = get_backend(name).why_unavailable()
        params.append(pytest.param(name, marks=pytest.mark.skipif(why is not None, reason=str(why))))
    return pytest.mark.parametrize("name", params)


ALL = _named(*CLASSES)
ZARRS = pytest.mark.skipif(Zarr3Zarrs().why_unavailable() is not None, reason=str(Zarr3Zarrs().why_unavailable()))
FUSED = pytest.mark.skipif(
    Zarr3ZarrPythonFused().why_unavailable() is not None, reason=str(Zarr3ZarrPythonFused().why_unavailable())
)


def _request(shape: Shape = SHAPE, layout: Layout = LAYOUTS["chunks"], codec: str = "zstd-3") -> WriteRequest:
    axes = "tczyx"[-len(shape) :]
    return WriteRequest(shape=shape, dtype=np.dtype("uint16"), axes=axes, codec=parse_codec(codec), layout=layout)


def _values(shape: Shape = SHAPE) -> NDArray:
    return np.random.default_rng(5).integers(1, 200, shape).astype("uint16")


def _written(folder: Path, name: str, layout: Layout = LAYOUTS["chunks"], codec: str = "zstd-3") -> Location:
    location = Location(folder / f"image{get_backend(name).suffix}")
    write_array(get_backend(name), location, _request(layout=layout, codec=codec), (_values(),))
    return location


def _pipeline_of(name: str, location: Location) -> str:
    with get_backend(name).open(location) as reader:
        return type(reader.array(0).async_array.codec_pipeline).__name__  # type: ignore[attr-defined]


# pipelines


@ALL
def test_each_backend_has_its_pipeline_and_leaves_others_alone(name: str, tmp_path: Path) -> None:
    before = zarr.config.get("codec_pipeline")
    location = _written(tmp_path, name)
    with get_backend(name).open(location):
        assert _pipeline_of("zarr3-zarrpython", location) == "BatchedCodecPipeline"
        assert zarr.config.get("codec_pipeline") == before
    assert _pipeline_of(name, location) == CLASSES[name]
    assert zarr.config.get("codec_pipeline") == before


def test_threads_with_different_pipelines_get_their_own(tmp_path: Path) -> None:
    names = [name for name in CLASSES if get_backend(name).why_unavailable() is None]
    location, before = _written(tmp_path, "zarr3-zarrpython"), zarr.config.get("codec_pipeline")
    wrong: list[tuple[str, str]] = []

    def open_often(name: str) -> None:
        for _ in range(40):
            found = _pipeline_of(name, location)
            if found != CLASSES[name]:
                wrong.append((name, found))

    threads = [threading.Thread(target=open_often, args=(name,)) for name in names * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert zarr.config.get("codec_pipeline") == before


def _never(*_args: object, **_settings: object) -> None:
    raise AssertionError("zarr's own pipeline was called")


@_named("zarr3-zarrs", "zarr3-zarrpythonfused")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("counted", [False, True])
def test_no_region_falls_back_to_zarrs_own_pipeline(
    name: str, layout: str, counted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zarr.core.codec_pipeline as pipelines

    for method in ("read", "write"):
        monkeypatch.setattr(BatchedCodecPipeline, method, _never)
    for fallback in ("_async_read_fallback", "_async_write_fallback"):
        monkeypatch.setattr(pipelines, fallback, _never, raising=False)
    location, values = Location(tmp_path / "image.zarr"), _values()
    if counted:
        location = location.counted(RequestLog())
    backend = get_backend(name)
    with backend.create(location, _request(layout=LAYOUTS[layout])) as writer:
        writer.write(Region.whole(SHAPE), values)
    with backend.reopen(location) as writer:
        writer.write(REGIONS[1], values[REGIONS[1].slices])
    with backend.open(location) as reader:
        for region in REGIONS:
            np.testing.assert_array_equal(reader.read(region), values[region.slices], strict=True)


@ZARRS
def test_a_store_that_zarrs_does_not_know_is_refused_and_not_read_by_python(tmp_path: Path) -> None:
    class Wrapped(Zarr3Zarrs):
        def open_store(self, location: Location, *, read_only: bool) -> Any:
            return open_store(location, read_only=read_only)  # in a counting store, where there is a log

    location = _written(tmp_path, "zarr3-zarrs")
    with pytest.raises(UnsupportedError, match=r"fell back to .*BatchedCodecPipeline where zarrs"):
        with Wrapped().open(location.counted(RequestLog())):
            pass


@ZARRS
@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="zarrs' strict is about codecs and indices, not about stores"
)
def test_strict_zarrs_refuses_a_store_that_it_does_not_know() -> None:
    from zarr.storage import MemoryStore

    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}):
        try:
            array = zarr.create_array(MemoryStore(), shape=(4,), chunks=(2,), dtype="u1")
        except Exception:  # noqa: BLE001 (whatever it would raise, it would have refused)
            return
    assert type(array.async_array.codec_pipeline).__name__ == "ZarrsCodecPipeline"


@ZARRS
def test_a_codec_that_zarrs_lacks_is_a_sentence(tmp_path: Path) -> None:
    location = Location(tmp_path / "foreign.zarr")
    codec: Any = {"name": "numcodecs.lzma", "configuration": {"preset": 1}}
    zarr.create_array(LocalStore(location.path), shape=(4, 6), dtype="u1", chunks=(2, 3))
    document = json.loads((location.path / "zarr.json").read_bytes())
    document["codecs"][-1] = codec
    (location.path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"cannot be read by zarrs .*lzma.*read it by zarr3-zarrpython"):
        with get_backend("zarr3-zarrs").open(location):
            pass


def test_a_pipeline_that_is_configured_is_not_looked_at() -> None:
    class Anything:
        async_array = codec_pipeline = None

    Anything.async_array = Anything  # type: ignore[assignment]
    Pipeline().check(Anything)
    with pytest.raises(UnsupportedError, match="fell back"):
        Pipeline(path="a.B").check(Anything)


def test_an_old_zarr_has_no_fused_pipeline_and_says_what_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "3.2.1")
    why = Zarr3ZarrPythonFused().why_unavailable()
    assert why == (
        "the fused pipeline needs zarr 3.3 or newer, which needs Python 3.12 or newer, and here is zarr 3.2.1; "
        'there, install with: pip install "storebench[zarr-fused]"'
    )


@FUSED
def test_a_disk_that_fills_up_leaves_nothing_behind_of_the_fused_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain_set = LocalStore.set_sync

    def full_for_one(self: Any, key: str, value: Any) -> None:
        if key.endswith("c/0/0"):
            raise OSError(errno.ENOSPC, "No space left on device")
        if not key.endswith(".json"):
            time.sleep(0.05)
        plain_set(self, key, value)

    monkeypatch.setattr(LocalStore, "set_sync", full_for_one)
    values = _values((64, 64))
    request = _request(values.shape, Layout(chunk_shape=(16, 16)), "none")
    location = Location(tmp_path / "a.zarr")
    with pytest.raises(OSError, match="No space left"):
        write_array(get_backend("zarr3-zarrpythonfused"), location, request, (values,))
    time.sleep(0.2)
    assert not location.exists()


# threads


def _run(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", _USE + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


_USE = """
import os, sys, tempfile
from pathlib import Path
import numpy as np
from storebench.backends import WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.stores import Location

def use(name, folder=None):
    values = np.ones((8, 8), np.uint16)
    request = WriteRequest(shape=(8, 8), dtype=values.dtype, axes="yx", codec=parse_codec("zstd-3"))
    with tempfile.TemporaryDirectory() as elsewhere:
        location = Location(Path(folder or elsewhere) / f"{name}.zarr")
        write_array(get_backend(name), location, request, (values,))

zarrs = get_backend("zarr3-zarrs")
"""


@ZARRS
def test_zarrs_pool_is_held_by_the_environment_before_it_is_loaded() -> None:
    printed = _run("""
zarrs.facts(), zarrs.why_unavailable()
print(zarrs.limit_threads(2), os.environ["RAYON_NUM_THREADS"], "zarrs" in sys.modules)
use("zarr3-zarrs")
print(zarrs.limit_threads(2))
print(zarrs.limit_threads(1))
""")
    assert printed[:2] == ["None 2 False", "None"]
    assert re.fullmatch(r"this process has loaded zarrs already, .* start a fresh process to hold it to 1", printed[2])


@ZARRS
def test_zarrs_that_is_loaded_cannot_be_held_any_more() -> None:
    """zarr loads every pipeline that is installed with its first array, also for its own."""
    printed = _run("""
use("zarr3-zarrpython")
print("zarrs" in sys.modules, "RAYON_NUM_THREADS" in os.environ)
print(zarrs.limit_threads(1))
""")
    assert printed[0] == "True False"
    assert "start a fresh process" in printed[1]


# files


def test_no_file_is_synced_and_who_renames_chunks_into_place(tmp_path: Path) -> None:
    """Of zarrs alone it is not so: whoever is killed while it writes leaves less than was there before."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; apt-get install strace")
    names = [name for name in CLASSES if get_backend(name).why_unavailable() is None]
    trace, code = tmp_path / "trace", "".join(f"use({name!r}, {str(tmp_path)!r})\n" for name in names)
    watch = "strace -f -qq --seccomp-bpf -e trace=fsync,fdatasync,sync_file_range,rename,renameat,renameat2 -o".split()
    done = subprocess.run(
        [*watch, str(trace), sys.executable, "-c", _USE + code], capture_output=True, text=True, check=False
    )
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip(
            f"strace may not trace here ({done.stderr.splitlines()[0]}); allow ptrace, as in --cap-add SYS_PTRACE"
        )
    assert done.returncode == 0, done.stderr
    calls = re.findall(r"^\d+ +(\w+)\((.*)$", trace.read_text(), re.MULTILINE)
    assert {name for name, _ in calls} <= {"rename", "renameat", "renameat2"}
    renamed = {name for name in names if any(f"{tmp_path}/{name}.zarr/c/0/0" in paths for _, paths in calls)}
    assert renamed == set(names) - {"zarr3-zarrs"}


@_named("zarr3-obstore")
def test_obstore_does_not_make_folders_where_it_reads(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="check the path"), get_backend(name).open(Location(tmp_path / "nothing")):
        pass
    with pytest.raises(DataError, match="check the path"), get_backend(name).reopen(Location(tmp_path / "nothing")):
        pass
    assert list(tmp_path.iterdir()) == []


@_named("zarr3-zarrs", "zarr3-obstore")
def test_what_the_system_refuses_rust_has_its_number_and_the_path(name: str, tmp_path: Path) -> None:
    location = Location(tmp_path / "image.zarr")
    with pytest.raises(NotADirectoryError) as caught, get_backend(name).create(location, _request()) as writer:  # noqa: PT012
        (location.path / "c").write_text("where folders of chunks should be")
        writer.write(Region.whole(SHAPE), _values())
    assert (caught.value.errno, caught.value.filename) == (errno.ENOTDIR, str(location.path))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotADirectoryError), get_backend(name).create(Location(tmp_path / "file" / "a"), _request()):
        pass
