"""What every backend must keep, run for each entry of the table. No backend is named: a new one is tested unedited."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storebench.backends import BACKENDS, ArrayWriter, Backend, WriteRequest, check_stored, write_array, writing
from storebench.errors import DataError, UnsupportedError
from storebench.grid import Region, grid_shape, iter_blocks
from storebench.stores import Location, RequestLog

from .contract_requests import (
    fixed_requests,
    images,
    lossless_requests,
    own_index,
    pieces,
    regions,
    some_accepted,
    streamed_request,
)

ROOT = Path(__file__).resolve().parents[2]


def new_location(folder: Path, backend: Backend) -> Location:
    """Return a place where nothing is yet."""
    return Location(folder / f"{uuid.uuid4().hex}{backend.suffix}")


# 1 round trip, 3 stored = asked (write_array compares)


@settings(max_examples=12)
@given(data=st.data())
def test_any_region_comes_back(backend: Backend, tmp_path: Path, data: st.DataObject) -> None:
    request = data.draw(lossless_requests(backend))
    location, levels = new_location(tmp_path, backend), images(request)
    stored = write_array(backend, location, request, levels)
    least = getattr(backend, "writes_empty_chunks", True)  # else an image of zeros has no chunks
    assert stored.chunk_bytes is None or least <= stored.chunk_bytes <= location.size()[0]
    with backend.open(location) as reader:
        # A format may have more levels of its own, as JPEG 2000's wavelet does.
        assert reader.levels[: len(request.level_shapes)] == request.level_shapes
        assert [reader.read(Region.whole(s), level).shape for level, s in enumerate(reader.levels)] == list(
            reader.levels
        )
        for region in [
            Region.whole(request.shape),
            *data.draw(st.lists(regions(request.shape), min_size=2, max_size=2)),
        ]:
            values = reader.read(region)
            assert values.dtype == request.dtype
            np.testing.assert_array_equal(values, levels[0][region.slices], strict=True)


@settings(max_examples=10)
@given(data=st.data())
def test_writing_region_by_region_gives_the_same_image(backend: Backend, tmp_path: Path, data: st.DataObject) -> None:
    request = data.draw(lossless_requests(backend))
    location, values = new_location(tmp_path, backend), own_index(request.shape, request.dtype)
    with writing(backend, location, request) as writer:
        for region in pieces(backend, request, data.draw(st.integers(1, 5))):
            writer.write(region, values[region.slices])
    with backend.open(location) as reader:
        check_stored(reader.stored_as(), request)
        np.testing.assert_array_equal(reader.read(Region.whole(request.shape)), values, strict=True)


# 2 honest refusal, both ways


def test_a_refusal_is_raised_and_writes_nothing(backend: Backend, tmp_path: Path) -> None:
    refused = {}
    for request in fixed_requests(dtypes=("bool", "uint16", "int64", "float32")):
        location = Location(tmp_path / f"refused{backend.suffix}")
        sentence = backend.why_unsupported(location, request)
        if sentence is None:
            continue
        refused[sentence] = refused.get(sentence, 0) + 1
        with pytest.raises(UnsupportedError) as caught:
            write_array(backend, location, request, ())
        assert str(caught.value) == sentence
    assert not list(tmp_path.iterdir())
    assert refused  # no format can do everything
    for sentence in refused:
        assert "\n" not in sentence
        assert len(sentence.split()) > 3


def test_what_is_not_refused_is_stored_as_asked(backend: Backend, tmp_path: Path) -> None:
    for request in some_accepted(backend, 40):
        location, levels = new_location(tmp_path, backend), images(request)
        write_array(backend, location, request, levels)
        with backend.open(location) as reader:
            assert reader.levels[: len(request.level_shapes)] == request.level_shapes
            for level, values in enumerate(levels):
                found = reader.read(Region.whole(values.shape), level)
                assert found.dtype == request.dtype
                assert found.shape == values.shape
                if request.codec.lossless:
                    np.testing.assert_array_equal(found, values, err_msg=str(request))
        location.delete()


# 4 the result is owned


def test_the_result_is_owned_and_outlives_the_file(backend: Backend, tmp_path: Path) -> None:
    for request in some_accepted(backend, 8, lossless=True):
        location, expected = new_location(tmp_path, backend), own_index(request.shape, request.dtype)
        write_array(backend, location, request, images(request))
        part = Region(tuple(n // 3 for n in request.shape), request.shape)
        with backend.open(location) as reader:
            results = [(region, reader.read(region)) for region in (Region.whole(request.shape), part)]
            again = reader.read(part)
        location.delete()
        for region, values in results:
            assert values.flags.writeable
            assert values.flags.c_contiguous
            assert values.dtype.isnative
            np.testing.assert_array_equal(values, expected[region.slices], strict=True)
            values[...] = 0
        np.testing.assert_array_equal(again, expected[part.slices], strict=True)


# 5 no overwrite, nothing half-written, an interrupted stream keeps what was flushed


def test_nothing_is_overwritten(backend: Backend, tmp_path: Path) -> None:
    request = some_accepted(backend, 1, lossless=True)[0]
    location = new_location(tmp_path, backend)
    write_array(backend, location, request, images(request))
    before = {Path(f): (f.stat().st_size, f.stat().st_mtime_ns) for f in location.files()}
    with pytest.raises(FileExistsError, match="overwrites nothing"):
        write_array(backend, location, request, images(request))
    assert {Path(f): (f.stat().st_size, f.stat().st_mtime_ns) for f in location.files()} == before


def test_a_failed_whole_write_leaves_nothing(backend: Backend, tmp_path: Path) -> None:
    request = some_accepted(backend, 1, lossless=True)[0]
    wrong = (np.zeros(tuple(n + 1 for n in request.shape), request.dtype), *images(request)[1:])
    with pytest.raises(ValueError, match="shape"):
        write_array(backend, new_location(tmp_path, backend), request, wrong)
    assert not list(tmp_path.iterdir())


def test_an_error_while_writing_leaves_nothing(backend: Backend, tmp_path: Path) -> None:
    class PowerCutError(Exception):
        pass

    for request in some_accepted(backend, 4, lossless=True):
        values = own_index(request.shape, request.dtype)
        with pytest.raises(PowerCutError), writing(backend, new_location(tmp_path, backend), request) as writer:  # noqa: PT012
            _write_first(writer, backend, request, values)
            raise PowerCutError
        assert not list(tmp_path.iterdir())


def test_an_interrupted_stream_keeps_what_was_flushed(backend: Backend, tmp_path: Path) -> None:
    streamed = [r for r in some_accepted(backend, 60, lossless=True) if backend.write_order(r) != "whole"]
    for request in streamed[:4]:
        location, values = new_location(tmp_path, backend), own_index(request.shape, request.dtype)
        with pytest.raises(KeyboardInterrupt), writing(backend, location, request) as writer:  # noqa: PT012
            region = _write_first(writer, backend, request, values)
            writer.flush()
            raise KeyboardInterrupt
        with backend.open(location) as reader:
            np.testing.assert_array_equal(reader.read(region), values[region.slices], strict=True)
        location.delete()


def _write_first(writer: ArrayWriter, backend: Backend, request: WriteRequest, values: np.ndarray) -> Region:
    region = pieces(backend, request, 1)[0]
    writer.write(region, values[region.slices])
    return region


def _change(backend: Backend, location: Location, parts: list[Region], values: np.ndarray) -> str | None:
    """Write regions of `values` into a stored image; return the sentence where that is not done, or a plane is not there."""
    try:
        with backend.reopen(location) as writer:
            for region in parts:
                writer.write(region, values[region.slices])
    except (UnsupportedError, DataError) as error:
        return str(error)
    return None


def test_a_reopened_image_takes_a_region_and_keeps_the_rest_or_says_why_not(backend: Backend, tmp_path: Path) -> None:
    for request in some_accepted(backend, 8, lossless=True):
        location, levels = new_location(tmp_path, backend), images(request)
        write_array(backend, location, request, levels)
        stored = {Path(file): Path(file).read_bytes() for file in location.files()}
        region, changed = pieces(backend, request, 1)[-1], levels[0].copy()
        changed[region.slices] = changed[region.slices] == 0  # another value in each voxel
        why_not = _change(backend, location, [region], changed)
        now = {Path(file): Path(file).read_bytes() for file in location.files()}
        with backend.open(location) as reader:
            check_stored(reader.stored_as(), request)
            found = [reader.read(Region.whole(values.shape), level) for level, values in enumerate(levels)]
        if why_not is None:
            np.testing.assert_array_equal(found[0], changed, strict=True)
        else:
            assert len(why_not.split()) > 3
            assert now == stored
            assert backend.write_order(request) != "any"  # what takes any region takes it later too
        for smaller, values in zip(found[1:], levels[1:], strict=True):
            np.testing.assert_array_equal(smaller, values, strict=True)
        location.delete()


STREAMED = [name for name in BACKENDS if BACKENDS[name].why_unavailable() is None and streamed_request(name)]


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images whose writers were killed by SIGKILL after a flush and another write."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.contract.killed_writers", str(folder), *STREAMED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are of POSIX: run it on Linux")
@pytest.mark.parametrize("name", STREAMED)
def test_a_killed_stream_keeps_what_was_flushed_and_can_be_finished(name: str, killed: Path) -> None:
    backend, request = BACKENDS[name], streamed_request(name)
    assert request is not None
    location, values = Location(killed / f"{name}{backend.suffix}"), own_index(request.shape, request.dtype)
    flushed, *rest = pieces(backend, request, 1)
    with backend.open(location) as reader:
        np.testing.assert_array_equal(reader.read(flushed), values[flushed.slices], strict=True)
    why_not = _change(backend, location, rest, values)
    if why_not is not None:
        assert backend.write_order(request) == "planes"
        return
    with backend.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(request.shape)), values, strict=True)


# the block codec alone


def test_a_block_comes_back_from_its_codec(backend: Backend) -> None:
    for request in some_accepted(backend, 12, lossless=True):
        codec = backend.block_codec(request)
        if isinstance(codec, str):
            assert len(codec.split()) > 3
            continue
        chunk = request.shape if request.layout is None else request.layout.chunk_shape
        if request.layout is None or np.prod(chunk) > 1 << 16:
            continue  # the library's own chunk shape is known to the file only
        block = own_index(chunk, request.dtype)
        data = codec.encode(block)
        assert isinstance(data, bytes)
        np.testing.assert_array_equal(codec.decode(data), block, strict=True)


# what is counted


def test_a_backend_says_which_requests_it_counts(backend: Backend, tmp_path: Path) -> None:
    """Where it says so, a log has at least the payload's bytes; where it does not, they are missing and nobody may use it."""
    for request in some_accepted(backend, 3, lossless=True):
        log = RequestLog()
        location = new_location(tmp_path, backend).counted(log)
        levels = images(request)
        with backend.create(location, request) as writer:
            for level, values in enumerate(levels):
                writer.write(Region.whole(values.shape), values, level)
        with backend.open(replace(location, log=None)) as reader:
            n_bytes = reader.stored_as().chunk_bytes or location.size()[0] // 2
        written = sum(r.n_bytes for r in log.requests if r.kind == "set")
        assert written >= n_bytes if backend.counts_writes else written == 0
        log.requests.clear()
        with backend.open(location) as reader:
            for level, values in enumerate(levels):
                reader.read(Region.whole(values.shape), level)
        assert (log.fetched_bytes >= n_bytes) == backend.counts_reads
        assert not [r for r in log.requests if r.kind == "set"]
        location.delete()


# 8 all-skipped is a failure


@pytest.mark.parametrize("name", list(BACKENDS))
def test_core_backends_are_available(name: str) -> None:
    found = BACKENDS[name]
    why = found.why_unavailable()
    assert why is None or found.extra is not None, f"{name} belongs to the core installation: {why}"
    assert some_accepted(found, 1), (
        f"{name} takes none of the requests that the contract tests make: nothing of it was tested"
    )


def test_the_table_is_consistent() -> None:
    assert len(BACKENDS) >= 4
    for name, found in BACKENDS.items():
        assert found.name == name
        assert found.distributions[0] == found.library
        assert all(isinstance(k, str) and isinstance(v, str) for k, v in found.facts().items())


def test_pieces_cover_the_image() -> None:
    blocks = list(iter_blocks((5, 7), (2, 3)))
    assert len(blocks) == np.prod(grid_shape((5, 7), (2, 3)))
    assert sum(b.n_voxels for b in blocks) == 35
    assert all(a.intersection(b) is None for a, b in itertools.combinations(blocks, 2))
