"""Fixtures of the tests that measure: an own storage root, an image of the module's shape in it, and a journal beside it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from storebench.measurement.images import Image, image_of
from storebench.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(tmp_path / "root")


@pytest.fixture
def image(storage: Storage, request: pytest.FixtureRequest) -> Image:
    return image_of(storage, "random", request.module.SHAPE, "uint16", 0)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def alone() -> Iterator[Callable[..., Any]]:
    """Return what calls a module's function in a process of its own: what the test runner does meanwhile is not counted."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *args: pool.submit(function, *args).result()
