"""One case in one process: what is in the journal afterwards, and what is noticed before a clock runs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storebench.backends import BACKENDS, get_backend
from storebench.errors import (
    DataError,
    MeasurementError,
    MissingDependencyError,
    StorebenchError,
    UnsupportedError,
    VerificationError,
)
from storebench.grid import Region
from storebench.measurement import _counting_calls
from storebench.measurement.images import Image, image_of
from storebench.measurement.session import Origin, Session
from storebench.measurement.workload import ReadWorkload, process_id
from storebench.records import Case, Row
from storebench.results.journal import JournalRow, read_journal
from storebench.storage import Storage
from storebench.stores import Location

SHAPE = (10, 10, 20)
CASE = Case(
    dataset="random",
    shape=SHAPE,
    dtype="uint16",
    axes="zyx",
    operation="read",
    backend="zarr3-zarrpython",
    chunk_shape=(10, 10, 1),
)
NOT_POSSIBLE = dataclasses.replace(CASE, backend="png-imageio", codec="png-6", chunk_shape=None)


def _only_row(journal: Path) -> JournalRow:
    content = read_journal(journal)
    assert content.warnings == ()
    ((key, entry),) = content.rows.items()
    assert key[0] in content.environments
    return entry


def _files_of(storage: Storage) -> list[Path]:
    """Return the chunk files of the stored Zarr."""
    return sorted(path for path in (storage.root / "stores").glob("*/image.zarr/c/**/*") if path.is_file())


def test_samples_follow_their_row_with_the_process_that_took_them(
    storage: Storage, image: Image, journal: Path
) -> None:
    origin = Origin(run="r1", benchmark="read.X.time_read", params=("'a'",))
    session = Session(CASE, image, storage, journal=journal, origin=origin)
    row = session.start()
    taken = []
    for _ in range(3):
        session.prepare()
        session.run()
        taken.append(session.conclude())
    entry = _only_row(journal)
    assert entry.row == dataclasses.replace(row, samples=(session.first_touch, *taken))
    assert [sample.kind for sample in entry.row.samples] == ["first_touch", "timed", "timed", "timed"]
    assert {sample.process_id for sample in entry.row.samples} == {process_id()}
    assert [sample.started_at for sample in taken] == sorted(sample.started_at for sample in taken)
    assert (entry.run, entry.benchmark, entry.params) == ("r1", "read.X.time_read", ("'a'",))
    assert entry.row.peak_memory_bytes is None or entry.row.peak_memory_bytes >= 0


def test_preparing_starts_the_case(storage: Storage, image: Image, journal: Path) -> None:
    Session(CASE, image, storage, journal=journal).prepare()
    assert _only_row(journal).row.status == "ok"


def test_without_a_journal_nothing_is_written(storage: Storage, image: Image, tmp_path: Path) -> None:
    Session(CASE, image, storage).start()
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_counting_gives_the_facts_without_a_call(
    storage: Storage, image: Image, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReadWorkload, "run", lambda self: pytest.fail("counting needs no clock"))
    row = Session(CASE, image, storage, journal=journal).count()
    assert row.chunks_touched == 20
    assert row.gets == 21
    assert row.samples == ()
    assert _only_row(journal).row == row


def test_running_before_the_start_is_refused(storage: Storage, image: Image) -> None:
    with pytest.raises(MeasurementError, match="is not ready: start it first"):
        Session(CASE, image, storage).run()


def test_concluding_without_a_call_gives_no_sample(storage: Storage, image: Image, journal: Path) -> None:
    session = Session(CASE, image, storage, journal=journal)
    assert session.conclude() is None
    session.prepare()
    assert session.conclude() is None
    assert _only_row(journal).row.samples == (session.first_touch,)


def test_a_call_that_fails_gives_no_sample_and_leaves_nothing(
    storage: Storage, image: Image, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = dataclasses.replace(CASE, operation="write")
    session = Session(case, image, storage, journal=journal)
    session.prepare()
    session.run()
    session.conclude()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    session.prepare()
    monkeypatch.setattr(type(get_backend(CASE.backend)), "create", full)
    with pytest.raises(OSError, match="No space left"):
        session.run()
    assert session.conclude() is None
    assert [sample.kind for sample in _only_row(journal).row.samples] == ["first_touch", "timed"]
    assert list((storage.root / "scratch").iterdir()) == []


def test_the_first_failure_is_the_one_that_is_told(
    storage: Storage, image: Image, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Session(CASE, image, storage).start()  # the verified store is there

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(get_backend(CASE.backend)), "create", full)
    with pytest.raises(OSError, match="No space left"):
        Session(dataclasses.replace(CASE, operation="write"), image, storage, journal=journal).start()
    row = _only_row(journal).row
    assert (row.status, row.reason) == ("failed", "[Errno 28] No space left on device")


def test_the_first_call_of_a_slow_case_is_timed_and_checked_after_its_clock(
    storage: Storage, image: Image, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[ReadWorkload] = []
    check = ReadWorkload.check
    monkeypatch.setattr(ReadWorkload, "check", lambda workload: (checked.append(workload), check(workload)))
    session = Session(CASE, image, storage, journal=journal, slow=True)
    session.start()
    assert (session.first_touch, checked) == (None, [])
    taken = [session.sample() for _ in range(2)]
    assert len(checked) == 1
    assert _only_row(journal).row.samples == tuple(taken)


@pytest.mark.parametrize(
    ("backend", "pattern", "touched"), [("tiff-tifffile", "whole", 1), ("png-imageio", "whole", 0)]
)
def test_a_library_is_loaded_before_the_first_call_of_a_slow_read(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, backend: str, pattern: str, touched: int
) -> None:
    image = image_of(storage, "random", (20, 30), "uint16", 0)
    known = {"backend": backend, "codec": "png-6" if touched == 0 else "none", "chunk_shape": None, "pattern": pattern}
    case = dataclasses.replace(CASE, shape=image.shape, axes="yx", **known)
    Session(case, image, storage).count()
    monkeypatch.setattr(_counting_calls, "SLOW_S", -1.0)  # what is decoded whole takes long
    asked: list[Region] = []
    backend_class = type(get_backend(backend))
    open_ = backend_class.open

    @contextlib.contextmanager
    def noted(self: object, location: Location) -> Iterator[object]:
        with open_(self, location) as reader:
            read = reader.read
            reader.read = lambda region, level=0: (asked.append(region), read(region, level))[1]
            yield reader

    monkeypatch.setattr(backend_class, "open", noted)
    Session(case, image, storage, slow=True).start()
    assert [region.n_voxels for region in asked] == [1] * touched


def test_a_slow_case_that_gives_other_voxels_gives_no_sample(storage: Storage, image: Image, journal: Path) -> None:
    Session(CASE, image, storage).count()
    wrong = _files_of(storage)[0]
    session = Session(CASE, image, storage, journal=journal, slow=True)
    session.start()
    other = _files_of(storage)[1].read_bytes()
    wrong.write_bytes(other)
    with pytest.raises(VerificationError, match="is not what was written"):
        session.sample()
    row = _only_row(journal).row
    assert (row.status, row.samples) == ("failed", ())


# refusals


def _failing_start(session: Session, kind: type[Exception], journal: Path) -> Row:
    with pytest.raises(kind):
        session.start()
    return _only_row(journal).row


def test_what_a_backend_cannot_store_is_skipped_with_its_sentence(
    storage: Storage, image: Image, journal: Path
) -> None:
    row = _failing_start(Session(NOT_POSSIBLE, image, storage, journal=journal), UnsupportedError, journal)
    assert row.status == "skipped"
    assert row.reason == BACKENDS["png-imageio"].why_unsupported(None, _request(image))  # type: ignore[arg-type]
    assert (row.format, row.library, row.stored_bytes, row.samples) == ("png", "imageio", None, ())
    assert storage.n_entries() == 1  # the image


def _request(image: Image) -> object:
    from storebench.measurement.stored import write_request

    return write_request(NOT_POSSIBLE, image)


def test_a_missing_library_is_skipped_with_what_installs_it(
    storage: Storage, image: Image, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = "zarr not installed; install with: pip install zarr"
    monkeypatch.setattr(BACKENDS[CASE.backend], "why_unavailable", lambda: sentence, raising=False)
    row = _failing_start(Session(CASE, image, storage, journal=journal), MissingDependencyError, journal)
    assert (row.status, row.reason) == ("skipped", sentence)


# damage between two processes


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x55
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_flip, "zarr3-zarrpython: region .* is not what was written"),
        (Path.unlink, "zarr3-zarrpython: region .* is not what was written"),
        (_cut, "chunk file .* is damaged"),
    ],
    ids=["flipped bits", "missing chunk", "cut chunk"],
)
def test_damage_is_noticed_before_anything_is_timed(
    storage: Storage, image: Image, journal: Path, damage: Callable[[Path], None], words: str
) -> None:
    Session(CASE, image, storage).start()
    damage(_files_of(storage)[7])
    with pytest.raises(StorebenchError, match=words):
        Session(CASE, image, storage, journal=journal).start()
    row = _only_row(journal).row
    assert row.status == "failed"
    assert row.samples == ()


def test_a_case_that_failed_to_start_cannot_be_timed(storage: Storage, image: Image) -> None:
    Session(CASE, image, storage).start()
    _flip(_files_of(storage)[7])
    session = Session(CASE, image, storage)
    for _ in range(2):
        with pytest.raises(VerificationError):
            session.prepare()
    with pytest.raises(MeasurementError):
        session.run()


def test_damage_in_a_checked_chunk_is_found_by_its_checksum(storage: Storage, image: Image, journal: Path) -> None:
    case = dataclasses.replace(CASE, codec="zstd-3+crc32c")
    Session(case, image, storage).start()
    _flip(_files_of(storage)[0])
    row = _failing_start(Session(case, image, storage, journal=journal), DataError, journal)
    assert "checksum" in (row.reason or "")


def test_a_reason_holds_no_path(storage: Storage, image: Image, journal: Path) -> None:
    Session(CASE, image, storage).start()
    _cut(_files_of(storage)[0])
    row = _failing_start(Session(CASE, image, storage, journal=journal), DataError, journal)
    assert "<storage root>/stores/" in (row.reason or "")
    assert str(storage.root) not in journal.read_text()


def test_clean_mends_a_damaged_store(storage: Storage, image: Image) -> None:
    Session(CASE, image, storage).start()
    _flip(_files_of(storage)[0])
    storage.clean()
    again = image_of(storage, "random", SHAPE, "uint16", 0)
    assert Session(CASE, again, storage).start().status == "ok"
