"""Fixtures of the tests that measure: an own storage root, an image of the module's shape in it, and a journal beside it."""

from __future__ import annotations

from pathlib import Path

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
