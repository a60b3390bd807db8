"""Counts are exact: what is done is known, and nothing of the probe's own is in them."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storebench.errors import MeasurementError
from storebench.measurement import counters
from storebench.measurement.cache import evict, why_not_cold
from storebench.measurement.counters import Counted, Probe

PAGE = mmap.PAGESIZE


def _in_a_process(code: str) -> object:
    """Run a script in a process of its own, which has the threads that it starts and no others; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(100_000))
    return path


# calls and bytes


def test_nothing_is_counted_where_nothing_is_done() -> None:
    probe = Probe()
    for _ in range(20):
        probe.start()
        counted = probe.stop()
        assert (counted.read_calls, counted.read_chars, counted.write_calls, counted.write_chars) == (0, 0, 0, 0)
        assert (counted.device_read_bytes, counted.device_written_bytes) == (0, 0)


def _calls_and_bytes(file: Path, new: Path) -> set[tuple[int | None, ...]]:
    probe, found = Probe(), set()
    reading, writing = os.open(file, os.O_RDONLY), os.open(new, os.O_WRONLY | os.O_CREAT)
    for _ in range(20):
        probe.start()
        for size in (1, 1000, 12_345):
            os.pread(reading, size, 7)
        os.pread(reading, 10, 1_000_000)  # beyond the end: a call, and no bytes
        os.pwrite(writing, b"x" * 300, 0)
        os.pwrite(writing, b"x", 0)
        counted = probe.stop()
        found.add((counted.read_calls, counted.read_chars, counted.write_calls, counted.write_chars))
    return found


def test_calls_and_bytes_are_exact_every_time(file: Path, tmp_path: Path, alone: Callable[..., Any]) -> None:
    assert alone(_calls_and_bytes, file, tmp_path / "new") == {(4, 13_346, 2, 301)}


def _read_by_three_threads(file: Path) -> list[tuple[int | None, int | None]]:
    probe, found = Probe(), []
    for _ in range(5):
        probe.start()
        threads = [threading.Thread(target=file.read_bytes) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = probe.stop()
        found.append((counted.read_chars, counted.read_calls))
    return found


def test_calls_of_other_threads_count_alive_or_not(file: Path, alone: Callable[..., Any]) -> None:
    found = alone(_read_by_three_threads, file)
    assert found == [(3 * 100_000, 3 * 2)] * 5  # the second call of each finds the end


def test_a_cold_file_comes_from_the_device_in_whole_pages(file: Path) -> None:
    if why_not_cold(file) is not None:
        pytest.skip(f"{why_not_cold(file)}: pytest --basetemp=FOLDER")
    probe = Probe()
    evict([file])
    found = []
    for _ in range(2):
        probe.start()
        file.read_bytes()
        found.append(probe.stop().device_read_bytes)
    assert found == [-(-100_000 // PAGE) * PAGE, 0]


def test_what_is_written_is_on_its_way_to_the_device(tmp_path: Path) -> None:
    if why_not_cold(tmp_path) is not None:
        pytest.skip(f"{why_not_cold(tmp_path)}: pytest --basetemp=FOLDER")
    probe = Probe()
    probe.start()
    (tmp_path / "new").write_bytes(b"x" * (64 * PAGE))
    counted = probe.stop()
    assert counted.device_written_bytes is not None
    assert counted.device_written_bytes >= 64 * PAGE


# memory and processor


def test_pages_touched_first_are_faults() -> None:
    probe = Probe()
    with mmap.mmap(-1, 200 * PAGE) as fresh:
        fresh.madvise(mmap.MADV_NOHUGEPAGE)
        probe.start()
        for page in range(200):
            fresh[page * PAGE] = 1
        counted = probe.stop()
    assert counted.minor_faults is not None
    assert counted.minor_faults >= 200
    assert counted.major_faults == 0


def test_a_neighbour_on_the_same_processor_shows() -> None:
    found = _in_a_process("""
        import dataclasses, json, os, subprocess, sys, time
        from storebench.measurement.counters import Probe
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        code = "print(flush=True)\\nwhile True: pass"
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as neighbour:
            neighbour.stdout.readline()
            probe = Probe()
            probe.start()
            until = time.thread_time() + 0.3
            while time.thread_time() < until:
                pass
            print(json.dumps(dataclasses.asdict(probe.stop())))
            neighbour.kill()
    """)
    assert isinstance(found, dict)
    assert found["run_delay_s"] > 0
    assert found["involuntary_switches"] > 0


BURNERS = """
    import json, threading, time
    from storebench.measurement.counters import Probe

    def burn():
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass

    class Burner(threading.Thread):
        def __init__(self):
            super().__init__(daemon=True)
            self.go, self.done, self.end = threading.Event(), threading.Event(), threading.Event()
        def run(self):
            self.go.wait(); burn(); self.done.set(); self.end.wait()

    probe, found = Probe(), {}
    burners = [Burner() for _ in range(4)]
    for burner in burners:
        burner.start()
    time.sleep(0.1)  # all of them wait now

    def count(name, call):
        probe.start(); call(); found[name] = probe.stop().threads_ran

    def two():
        for burner in burners[:2]: burner.go.set()
        for burner in burners[:2]: burner.done.wait()

    def ends():
        burners[2].end.set(); burners[2].go.set(); burners[2].join()

    def begins():
        burners.append(Burner()); burners[-1].start(); burners[-1].go.set(); burners[-1].done.wait()

    count("none", lambda: None)
    count("alone", burn)
    count("two", two)
    time.sleep(0.1)
    count("ends", ends)
    time.sleep(0.1)  # join returns a little before the thread is gone
    count("begins", begins)
    print(json.dumps(found))
"""


def test_threads_that_ran_are_counted() -> None:
    # The calling thread is one of them.
    assert _in_a_process(BURNERS) == {"none": 1, "alone": 1, "two": 3, "ends": 2, "begins": 2}


# where it may go wrong


def test_a_fork_counts_for_itself() -> None:
    found = _in_a_process("""
        import json, os
        from storebench.measurement.counters import Probe
        probe = Probe()
        probe.start()
        zero = os.open("/dev/zero", os.O_RDONLY)
        read, write = os.pipe()
        if os.fork() == 0:
            probe.start()
            for _ in range(3):
                os.pread(zero, 10, 0)
            counted = probe.stop()
            os.write(write, json.dumps([counted.read_calls, counted.read_chars, counted.threads_ran]).encode())
            os._exit(0)
        theirs = json.loads(os.read(read, 1000))
        probe.start()  # not before the fork: Python 3.13 reads /proc/self/stat in it
        os.read(zero, 1000)
        counted = probe.stop()
        print(json.dumps([theirs, [counted.read_calls, counted.read_chars]]))
    """)
    assert found == [[3, 30, 1], [1, 1000]]


def test_a_stop_without_a_start_is_refused() -> None:
    with pytest.raises(MeasurementError, match=r"Probe\.start\(\) before it"):
        Probe().stop()
    probe = Probe()
    thread = threading.Thread(target=probe.start)
    thread.start()
    thread.join()
    with pytest.raises(MeasurementError, match="in the same thread"):
        probe.stop()


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(counters, "_PROC", str(tmp_path))  # as without /proc
    monkeypatch.setattr(counters, "_usage", lambda: None)
    probe = Probe()
    probe.start()
    assert probe.stop() == Counted()


def test_a_kernel_without_times_of_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "task" / str(os.getpid())).mkdir(parents=True)
    (tmp_path / "task" / str(os.getpid()) / "schedstat").write_text("0 0 0\n")
    monkeypatch.setattr(counters, "_PROC", str(tmp_path))
    probe = Probe()
    probe.start()
    counted = probe.stop()
    assert (counted.run_delay_s, counted.threads_ran, counted.read_calls) == (None, None, None)
    assert counted.minor_faults is not None


def test_its_files_are_closed() -> None:
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    probe = Probe()
    probe.start()
    probe.stop()
    assert len(list(Path("/proc/self/fd").iterdir())) > n_open
    del probe
    assert len(list(Path("/proc/self/fd").iterdir())) == n_open


def test_threads_that_ended_are_forgotten() -> None:
    probe = Probe()
    probe.start()
    n_open, n_threads = (len(list(Path("/proc/self", kind).iterdir())) for kind in ("fd", "task"))
    for _ in range(5):
        thread = threading.Thread(target=probe.start)  # reads its own
        thread.start()
        thread.join()
    while len(list(Path("/proc/self/task").iterdir())) > n_threads:  # join returns a little before the thread is gone
        time.sleep(0.001)
    probe.start()
    assert len(list(Path("/proc/self/fd").iterdir())) == n_open
