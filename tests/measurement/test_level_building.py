"""Building levels: what is in the clock, that levels come out right, and that a wrong one is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import get_backend
from storebench.errors import UnsupportedError, UsageError, VerificationError
from storebench.grid import Region
from storebench.levels import METHODS
from storebench.measurement.counting import count
from storebench.measurement.images import Image, image_of
from storebench.measurement.level_building import BuildLevelsWorkload
from storebench.measurement.operations import workload_for
from storebench.records import Case
from storebench.storage import Storage
from storebench.stores import RequestLog

SHAPE = (9, 40, 34)


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("levels"))


@pytest.fixture(scope="session")
def image(storage: Storage) -> Image:
    return image_of(storage, "labels_dense", SHAPE, "uint16", 0)


def _workload(storage: Storage, image: Image, **settings: Any) -> BuildLevelsWorkload:
    known = {"dataset": "labels_dense", "shape": SHAPE, "dtype": "uint16", "axes": "zyx", "n_levels": 3}
    known |= {"backend": "omezarr-0.5-zarrpython", "chunk_shape": (4, 16, 16), "codec": "zstd-3"}
    found = workload_for(Case(**(known | settings), operation="build_levels"), image, storage)
    assert isinstance(found, BuildLevelsWorkload)
    return found


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level_axes", [None, "yx"])
def test_levels_are_those_that_are_written_at_once(
    storage: Storage, image: Image, version: str, method: str, level_axes: str | None
) -> None:
    workload = _workload(
        storage, image, backend=f"omezarr-{version}-zarrpython", level_method=method, level_axes=level_axes
    )
    workload.prepare()
    try:
        workload.run()
        workload.check()
    finally:
        sample = workload.conclude()
    assert sample.wall_s > 0
    assert sample.sync_s is not None


def test_the_clock_holds_one_read_of_level_0_and_the_writes_of_the_others(storage: Storage, image: Image) -> None:
    workload, log = _workload(storage, image), RequestLog()
    with workload.fresh() as location:
        before = {path.name for path in location.path.iterdir()}
        assert before == {"zarr.json", "0", "1", "2"}
        assert [path.name for path in (location.path / "1").iterdir()] == ["zarr.json"]
        workload.perform(location.counted(log))
    chunks = [r for r in log.requests if "/c/" in r.key]
    assert {r.key[0] for r in chunks if r.kind == "get"} == {"0"}
    assert len([r for r in chunks if r.kind == "get"]) == 3 * 3 * 3
    sets = [r.key[0] for r in chunks if r.kind == "set"]
    assert (sets.count("0"), sets.count("1"), sets.count("2")) == (0, 2 * 2 * 2, 1)


def test_what_is_read_and_set_is_counted(storage: Storage, image: Image) -> None:
    workload = _workload(storage, image, codec="none")
    counts = count(workload)
    metadata = 2 + 4  # group and level 0 to read it; group and three levels to write into them
    assert counts.requests == 3 * 3 * 3 + metadata
    assert counts.sets == 2 * 2 * 2 + 1
    assert counts.set_bytes == counts.sets * 4 * 16 * 16 * 2
    assert counts.fetched_bytes is not None
    assert counts.fetched_bytes > 3 * 3 * 3 * 4 * 16 * 16 * 2


def test_a_format_that_is_written_whole_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    own = Storage.open(tmp_path / "root")
    image = image_of(own, "labels_dense", SHAPE, "uint16", 0)
    with pytest.raises(UnsupportedError, match="ometiff-tifffile writes an image in one piece"):
        _workload(own, image, backend="ometiff-tifffile", codec="none", chunk_shape=None, level_axes="yx")
    assert not (own.root / "stores").exists() or not any((own.root / "stores").iterdir())


class _ForgetsLevels:
    """A backend whose levels stay as they were made: full of zeros."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    @contextmanager
    def reopen(self, location: Any) -> Iterator[Any]:
        with self._backend.reopen(location) as writer:

            class Writer:
                def write(self, region: Region, values: NDArray, level: int = 0) -> None:
                    writer.write(region, values if level == 1 else np.ones_like(values), level)

            yield Writer()


def test_a_level_that_is_not_what_it_should_be_is_noticed(storage: Storage, image: Image) -> None:
    workload = _workload(storage, image)
    workload.backend = _ForgetsLevels(get_backend("omezarr-0.5-zarrpython"))  # type: ignore[assignment]
    workload.prepare()
    try:
        workload.run()
        with pytest.raises(VerificationError, match="level 2 is not what was written at once"):
            workload.check()
    finally:
        workload.conclude()


def test_levels_that_cannot_be_built_are_a_sentence(storage: Storage, image: Image) -> None:
    with pytest.raises(UsageError, match="use --levels 2 or more"):
        _workload(storage, image, n_levels=1)
    with pytest.raises(UnsupportedError, match="holds one resolution level"):
        _workload(storage, image, backend="zarr3-zarrpython")
