"""Cold is cold and warm is warm, or it is said that it was not: with real files, and a real second process that reads them."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storebench.errors import UnsupportedError, UsageError
from storebench.measurement import cache, pages
from storebench.measurement.cache import (
    CacheKeeper,
    Residency,
    evict,
    fill,
    read_ahead_bytes,
    residency,
    sync_file_system,
    why_not_cold,
)
from storebench.measurement.counters import Probe
from storebench.storage import file_system_of

PAGE = mmap.PAGESIZE
SIZE = 256 * PAGE

# The second process reads the whole file: once for each line that comes in, or again and again.
READER = """
import sys
path, once = sys.argv[1], sys.argv[2] == "once"
def read():
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
while True:
    if once and not sys.stdin.readline():
        break
    read()
    if once:
        print("read", flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk: where temporary files are kept in memory, one beside the tests."""
    if file_system_of(tmp_path).kind not in ("tmpfs", "ramfs"):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as other:
        yield Path(other)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shared:
        yield Path(shared)


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "file"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def reader(file: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start a second process that reads the file. It is reaped afterwards: its reads would then count as this process's."""
    started = []

    def start(how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", READER, str(file), how]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _read(path: Path, n_bytes: int = SIZE) -> None:
    with path.open("rb", buffering=0) as file:
        file.read(n_bytes)


def _verdict(keeper: CacheKeeper, call: Callable[[], object]) -> tuple[bool | None, str | None]:
    """Take one sample and judge it."""
    probe = Probe()
    before = keeper.prepare()
    probe.start()
    call()
    return keeper.judge(before, probe.stop().device_read_bytes)


# what is resident


def test_evicted_filled_and_in_part(file: Path) -> None:
    fill([file])
    assert residency([file]) == Residency(SIZE, SIZE)
    evict([file])  # it was dirty until now
    assert residency([file]) == Residency(0, SIZE)
    with file.open("rb", buffering=0) as open_file:
        os.posix_fadvise(open_file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # no read-ahead
        os.pread(open_file.fileno(), 1, 10 * PAGE)
        os.pread(open_file.fileno(), PAGE + 1, 20 * PAGE)
    assert residency([file]) == Residency(3 * PAGE, SIZE)


@pytest.mark.parametrize(("size", "total"), [(0, 0), (1, PAGE), (PAGE, PAGE), (PAGE + 1, 2 * PAGE)])
def test_sizes_are_in_whole_pages(folder: Path, size: int, total: int) -> None:
    path = folder / "small"
    path.write_bytes(b"x" * size)
    fill([path])
    assert residency([path]) == Residency(total, total)


def test_no_files_are_all_resident() -> None:
    assert residency([]) == Residency(0, 0)
    assert Residency(0, 0).fraction == 1
    assert Residency(PAGE, 4 * PAGE).fraction == 0.25


def test_both_system_calls_tell_the_same(file: Path) -> None:
    with file.open("rb", buffering=0) as open_file:
        descriptor = open_file.fileno()
        if pages._by_cachestat(descriptor, SIZE) is None:
            pytest.skip("cachestat(2) needs Linux 6.5 and a container that allows it: apt install linux-image-generic")
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        found = []
        for prepare in (
            lambda: fill([file]),
            lambda: evict([file]),
            lambda: [os.pread(descriptor, 1, page * PAGE) for page in range(0, 100, 7)],
        ):
            prepare()
            found.append((pages._by_cachestat(descriptor, SIZE), pages._by_mincore(descriptor, SIZE)))
    assert found == [(256, 256), (0, 0), (15, 15)]


def test_an_overlay_is_asked_in_the_other_way(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_by_cachestat", lambda _descriptor, _size: 0)  # as an overlay answers
    monkeypatch.setattr(pages, "_HIDING", {file.stat().st_dev: True})
    fill([file])
    assert residency([file]) == Residency(SIZE, SIZE)


def test_what_is_anothers_is_not_told_where_it_would_be_wrong(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_by_cachestat", lambda _descriptor, _size: None)  # as an old kernel answers
    monkeypatch.setattr(pages.os, "geteuid", lambda: file.stat().st_uid + 1)
    assert residency([file]) is not None
    monkeypatch.setattr(pages.os, "access", lambda _path, _mode: False)
    assert residency([file]) is None


# cold


def test_a_cold_sample_is_verified(file: Path) -> None:
    keeper = CacheKeeper("cold", [file])
    for call in (lambda: _read(file), lambda: _read(file, 1), file.read_bytes):
        assert _verdict(keeper, call) == (True, None)


def test_many_files_and_a_part_of_them(folder: Path) -> None:
    files = [folder / str(number) for number in range(50)]
    for number, path in enumerate(files):
        path.write_bytes(os.urandom(number * 1000))
    keeper = CacheKeeper("cold", files)
    for some in (files, files[10:30], files[-1:]):
        assert _verdict(keeper, lambda some=some: [path.read_bytes() for path in some]) == (True, None)


def test_a_memory_map_of_a_cold_file_is_verified(file: Path) -> None:
    def touch() -> None:
        with file.open("rb") as open_file, mmap.mmap(open_file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert len({mapped[page * PAGE] for page in range(256)}) > 1

    keeper = CacheKeeper("cold", [file])
    assert [_verdict(keeper, touch) for _ in range(3)] == [(True, None)] * 3


def test_holes_come_from_no_device(folder: Path) -> None:
    path = folder / "holes"
    with path.open("wb") as file:
        file.write(b"x" * PAGE)
        file.truncate(SIZE)
    assert _verdict(CacheKeeper("cold", [path]), lambda: _read(path)) == (True, None)


def test_a_mapped_file_cannot_be_cold_and_that_is_said(file: Path) -> None:
    keeper = CacheKeeper("cold", [file])
    with file.open("rb") as open_file, mmap.mmap(open_file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert len({mapped[page * PAGE] for page in range(256)}) > 1
        expected = (False, f"{SIZE} of {SIZE} bytes were in the page cache before")
        assert _verdict(keeper, lambda: _read(file)) == expected
    assert _verdict(keeper, lambda: _read(file)) == (True, None)


def test_pages_on_their_way_are_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with file.open("rb") as open_file:
        mapped = mmap.mmap(open_file.fileno(), 0, access=mmap.ACCESS_READ)
    assert len({mapped[page * PAGE] for page in range(256)}) > 1  # these stay, as those that are being read do
    monkeypatch.setattr(cache.time, "sleep", lambda _seconds: mapped.close())
    assert _verdict(CacheKeeper("cold", [file]), lambda: _read(file)) == (True, None)


def test_a_call_that_reads_nothing_is_not_cold(file: Path) -> None:
    assert _verdict(CacheKeeper("cold", [file]), lambda: None) == (False, "nothing came from the device")


def test_what_another_process_brings_in_is_noticed(file: Path, reader: Callable[[str], subprocess.Popen[str]]) -> None:
    process = reader("once")

    def let_it_read() -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "read\n"

    def both() -> None:
        with file.open("rb", buffering=0) as open_file:
            os.posix_fadvise(open_file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            open_file.read(PAGE)
        let_it_read()

    def it_first() -> None:
        let_it_read()
        _read(file)

    keeper = CacheKeeper("cold", [file])
    let_it_read()  # its interpreter has started
    verified, reason = _verdict(keeper, both)
    assert verified is False
    assert reason is not None
    assert reason.startswith(f"{SIZE} bytes are in the page cache and this process fetched {PAGE}: another one")
    assert _verdict(keeper, it_first) == (False, "nothing came from the device")
    assert _verdict(keeper, lambda: _read(file)) == (True, None)


def test_a_process_that_reads_all_the_time_is_noticed(
    file: Path, reader: Callable[[str], subprocess.Popen[str]]
) -> None:
    keeper = CacheKeeper("cold", [file])
    process = reader("ever")
    found: list[tuple[bool | None, str | None]] = []
    give_up_at = time.monotonic() + 60  # it may have to wait for a processor
    while sum(verified is False for verified, _ in found) < 3 and time.monotonic() < give_up_at:
        found.append(_verdict(keeper, lambda: _read(file)))
    reasons = [reason for verified, reason in found if verified is False]
    assert len(reasons) >= 3
    assert all(
        (reason is not None and "bytes" in reason) or reason == "nothing came from the device" for reason in reasons
    )
    process.kill()
    process.wait()
    assert [_verdict(keeper, lambda: _read(file)) for _ in range(3)] == [(True, None)] * 3


# warm


def test_a_warm_sample_is_verified(file: Path) -> None:
    evict([file])
    keeper = CacheKeeper("warm", [file])
    assert keeper.prepare() == Residency(SIZE, SIZE)
    assert _verdict(keeper, lambda: _read(file)) == (True, None)


def test_what_was_lost_in_between_is_noticed(file: Path) -> None:
    keeper = CacheKeeper("warm", [file])

    def lose() -> None:
        evict([file])
        _read(file)

    verified, reason = _verdict(keeper, lose)
    assert (verified, reason) == (False, f"{SIZE} bytes came from the device")
    for n_bytes in (PAGE, None):
        assert keeper.judge(Residency(PAGE, SIZE), n_bytes) == (
            False,
            f"only {PAGE} of {SIZE} bytes were in the page cache before",
        )
    assert _verdict(keeper, lambda: _read(file)) == (True, None)


def test_what_is_not_there_and_not_needed_is_no_matter(file: Path) -> None:
    """As of a million chunks, of which some are put out again while the last ones are read, where opening reads none."""
    assert CacheKeeper("warm", [file]).judge(Residency(PAGE, SIZE), 0) == (True, None)


def test_a_page_of_a_library_beside_a_large_image_is_not_the_image(file: Path) -> None:
    keeper, n_bytes = CacheKeeper("warm", [file]), 1000 * PAGE
    assert keeper.judge(Residency(n_bytes, n_bytes), PAGE) == (True, None)
    assert keeper.judge(Residency(n_bytes, n_bytes), PAGE + 1) == (False, f"{PAGE + 1} bytes came from the device")


def test_memory_is_warm(memory: Path) -> None:
    path = memory / "file"
    path.write_bytes(b"x" * SIZE)
    assert _verdict(CacheKeeper("warm", [path]), lambda: _read(path)) == (True, None)


def test_a_state_that_is_none() -> None:
    with pytest.raises(UsageError, match="'tepid'; choose one of warm, cold, cold-dropped"):
        CacheKeeper("tepid", [])


# where it cannot be


def test_cold_is_possible_on_a_disk(folder: Path) -> None:
    assert why_not_cold(folder) is None
    assert why_not_cold(folder / "not yet there") is None
    assert list(folder.iterdir()) == []


def test_nothing_in_memory_is_cold(memory: Path) -> None:
    assert why_not_cold(memory) == (
        "tmpfs keeps its files in memory: nothing there is ever cold; name a folder on a disk with --storage"
    )


def test_directory_entries_need_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_DROP", folder / "no" / "drop_caches")
    assert "run as root, or choose --cache cold" in str(why_not_cold(folder, dropped=True))
    with pytest.raises(UnsupportedError, match="run as root, or choose --cache cold"):
        evict([], dropped=True)


def test_directory_entries_are_dropped(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = file.with_name("drop_caches")
    switch.write_text("")
    monkeypatch.setattr(cache, "_DROP", switch)  # the real one would make the whole machine cold
    assert why_not_cold(file, dropped=True) is None
    assert _verdict(CacheKeeper("cold-dropped", [file]), lambda: _read(file)) == (True, None)
    assert switch.read_text() == "3"
    switch.write_text("")
    assert _verdict(CacheKeeper("cold", [file]), lambda: _read(file)) == (True, None)
    assert switch.read_text() == ""


def test_a_system_without_advice(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    assert "no posix_fadvise(2)" in str(why_not_cold(file))
    with pytest.raises(UnsupportedError, match="choose --cache warm"):
        evict([file])


def test_a_system_that_does_not_tell(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "c_library", lambda: None)
    cache._why_not_shown.cache_clear()
    assert residency([file]) is None
    assert "does not tell which pages" in str(why_not_cold(file))
    for state in ("warm", "cold"):
        keeper = CacheKeeper(state, [file])
        before = keeper.prepare()
        assert before is None
        assert keeper.judge(before, None) == (None, None)
    assert CacheKeeper("warm", [file]).judge(None, PAGE) == (False, f"{PAGE} bytes came from the device")
    monkeypatch.setattr(cache, "c_library", lambda: None)
    with pytest.raises(UnsupportedError, match="no syncfs"):
        sync_file_system(file)


def test_a_file_system_whose_reads_do_not_show(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "fill", lambda _paths: None)
    cache._why_not_shown.cache_clear()
    assert "0 bytes came from a device: cold cannot be shown" in str(why_not_cold(folder))
    cache._why_not_shown.cache_clear()


# the rest


def test_a_sync_puts_everything_on_the_device(file: Path) -> None:
    assert sync_file_system(file) >= 0
    with file.open("rb") as open_file:
        os.posix_fadvise(open_file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # dirty pages would stay
    assert residency([file]) == Residency(0, SIZE)


@pytest.mark.parametrize("place", ["dev/block/{}/queue", "dev/block/queue", "class/bdi/{}"])
def test_read_ahead_is_that_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    device = tmp_path.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    (tmp_path / "dev/block" / name).mkdir(parents=True)
    (tmp_path / place.format(name)).mkdir(parents=True)
    monkeypatch.setattr(cache, "_SYS", tmp_path)
    assert read_ahead_bytes(tmp_path) is None
    (tmp_path / place.format(name) / "read_ahead_kb").write_text("128\n")
    assert read_ahead_bytes(tmp_path) == 128 * 1024


def test_memory_has_no_read_ahead(memory: Path) -> None:
    assert read_ahead_bytes(memory) is None
