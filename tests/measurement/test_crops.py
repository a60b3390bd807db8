"""The part of an image that is kept for pictures: where it lies, and that every path from a case to the journal keeps it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from storebench.backends import BACKENDS
from storebench.grid import Region
from storebench.measurement.crops import crop_edge, crop_of, crop_region, original_crop
from storebench.measurement.images import Image, image_of
from storebench.measurement.operations import workload_for
from storebench.measurement.session import Session
from storebench.measurement.stored import stored_image_of
from storebench.measurement.worker import Worker
from storebench.records import Case, Crop
from storebench.results.journal import JournalContent, read_journal
from storebench.storage import Storage

SHAPE = (200, 180)
LOSSLESS = Case(
    dataset="ct", shape=SHAPE, dtype="uint16", axes="yx", operation="read", backend="jp2-glymur", codec="jp2-lossless"
)
LOSSY = dataclasses.replace(LOSSLESS, codec="jp2-ratio-10")


@pytest.fixture
def image(storage: Storage) -> Image:
    return image_of(storage, "ct", SHAPE, "uint16", 0)


def test_a_crop_lies_where_there_is_something_to_see() -> None:
    volume = np.zeros((7, 300, 400), np.uint16)
    volume[3, 160:200, 240:300] = np.arange(60) * 7  # middle plane; tiles begin at multiples of 40
    volume[0, :80, :80] = np.random.default_rng(0).integers(0, 60000, (80, 80))  # another plane is not looked at
    region = crop_region(volume)
    assert region == Region((3, 120, 240), (4, 200, 320))
    assert crop_region(volume) == region


def test_a_crop_reaches_the_edge_of_an_image_and_is_never_larger() -> None:
    plane = np.zeros((100, 90), np.uint8)
    plane[-2:, -2:] = 255
    assert crop_region(plane) == Region((4, 0), (100, 90))
    assert crop_region(np.zeros((5, 300), np.uint16)) == Region((0, 0), (5, 80))
    assert crop_region(np.full((9, 9), np.nan)) == Region((0, 0), (9, 9))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "complex128"])
def test_a_crop_of_noise_stays_small(dtype: str, storage: Storage) -> None:
    edge = crop_edge(np.dtype(dtype).itemsize)
    assert edge % 8 == 0
    noise = np.random.default_rng(0).bytes(edge * edge * np.dtype(dtype).itemsize)
    record = image_of(storage, "random", (8, 8), "uint16", 0).record
    voxels = np.frombuffer(noise, dtype).reshape(edge, edge)
    assert len(crop_of(voxels, original_crop(record, np.zeros((edge, edge), dtype)))) < 17_500


def _decoded(image: Image, storage: Storage, crop: Crop) -> np.ndarray:
    with BACKENDS[LOSSY.backend].open(workload_for(LOSSY, image, storage).store.location) as reader:
        whole = reader.read(Region.whole(SHAPE))
    (y, x), (height, width) = crop.start, crop.extent
    return whole[y : y + height, x : x + width]


def _check(content: JournalContent, image: Image, storage: Storage) -> None:
    """Hold that the journal has the image's own crop and the decoded one, at the same place, each to the bit."""
    original, decoded = sorted(content.crops.values(), key=lambda crop: crop.codec or "")
    assert original.is_original
    assert (decoded.backend, decoded.codec, decoded.chunk_shape) == ("jp2-glymur", "jp2-ratio-10", SHAPE)
    assert (decoded.start, decoded.extent, decoded.sha256) == (original.start, original.extent, image.record.sha256)
    (y, x), (height, width) = original.start, original.extent
    assert (original.values() == image.voxels()[y : y + height, x : x + width]).all()
    assert (decoded.values() == _decoded(image, storage, decoded)).all()
    assert (decoded.values() != original.values()).any()


def test_a_session_notes_each_crop_once(storage: Storage, image: Image, journal: Path) -> None:
    Session(LOSSLESS, image, storage, journal=journal).start()
    assert [crop.is_original for crop in read_journal(journal).crops.values()] == [True]
    for _ in range(2):
        Session(LOSSY, image, storage, journal=journal).start()
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert sum(line["kind"] == "crop" for line in lines) == 2
    _check(read_journal(journal), image, storage)


def test_workers_note_them_too(storage: Storage, image: Image, journal: Path) -> None:
    with Worker(storage, journal=journal) as worker:
        assert [worker.open(case, image.key).status for case in (LOSSLESS, LOSSY)] == ["ok", "ok"]
    _check(read_journal(journal), image, storage)


def test_a_store_with_older_facts_is_verified_anew(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = workload_for(LOSSY, image, storage)
    asked = (storage, first.backend, first.store.request, image, {})
    monkeypatch.setattr("storebench.measurement.stored._FACTS_VERSION", 1)
    old = stored_image_of(*asked).location.path.parent / "store.json"
    old.write_text('{"stored_bytes": 1, "n_files": 1, "max_abs_error": 0.0}')  # as version 1 wrote it
    monkeypatch.undo()
    again = stored_image_of(*asked)
    assert again.location.path.parent != old.parent
    assert again.fidelity == first.store.fidelity
