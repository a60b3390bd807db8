"""Instructions are the same to a percent, more where more is read, and missing programs are named with their command."""

from __future__ import annotations

import shutil

import pytest

from storebench.errors import MissingDependencyError, UnsupportedError
from storebench.measurement.images import Image, image_of
from storebench.measurement.instructions import count_instructions, why_no_instructions
from storebench.records import Case
from storebench.storage import Storage

SHAPE = (8, 64, 64)


@pytest.fixture
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("instructions"))


@pytest.fixture
def image(storage: Storage) -> Image:
    return image_of(storage, "ct", SHAPE, "uint16", 0)


def _case(pattern: str, codec: str = "deflate-6") -> Case:
    known = {"dataset": "ct", "shape": SHAPE, "dtype": "uint16", "axes": "zyx", "backend": "tiff-tifffile"}
    return Case(**known, operation="read", pattern=pattern, codec=codec, chunk_shape=(1, 16, 16))


@pytest.mark.slow
def test_instructions_repeat_and_grow_with_the_region(storage: Storage, image: Image) -> None:
    why_not = why_no_instructions()
    if why_not is not None:
        pytest.skip(why_not)
    once, again = (count_instructions(_case("plane_xy"), image.key, storage) for _ in range(2))
    assert again == pytest.approx(once, rel=0.01)
    assert count_instructions(_case("whole"), image.key, storage) > 4 * once


def test_a_case_that_cannot_be_is_refused_before_valgrind_starts(storage: Storage, image: Image) -> None:
    with pytest.raises(UnsupportedError):
        count_instructions(_case("whole", codec="gzip-1"), image.key, storage)


@pytest.mark.parametrize("missing", ["valgrind", "gcc"])
def test_a_missing_program_is_named(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else found(name) or f"/usr/bin/{name}")
    why_not = why_no_instructions()
    assert why_not == f"counting instructions needs {missing}; install with: apt-get install valgrind gcc"
    with pytest.raises(MissingDependencyError, match=f"needs {missing}; install with"):
        count_instructions(_case("voxel"), image.key, storage)
