"""Counts are the same every time, are what strace counts, and catch backends that do not do what they say."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from storebench.backends import BACKENDS
from storebench.backends.npy import NpyNumpy
from storebench.backends.zarr_python import Zarr3ZarrPython
from storebench.errors import MeasurementError, UnsupportedError, VerificationError
from storebench.grid import Region
from storebench.measurement import _counting_calls, _counting_checks, _counting_process, _counting_reads, counting
from storebench.measurement._thread_watch import ThreadUse, ThreadWatch
from storebench.measurement.counting import Counts, count, counts_of
from storebench.measurement.images import Image, image_of
from storebench.measurement.operations import workload_for
from storebench.measurement.workload import Workload
from storebench.records import Case, Row, to_json
from storebench.storage import Storage
from storebench.stores import Location

pytestmark = pytest.mark.slow

SHAPE = (16, 64, 64)
_VARYING = {"peak_memory_bytes": None, "threads_ran": None, "codec_bytes_per_s": None}

SETTINGS = {
    "zarr3": {"backend": "zarr3-zarrpython", "chunk_shape": (8, 32, 32), "codec": "zstd-3"},
    "sharded": {
        "backend": "zarr3-zarrpython",
        "chunk_shape": (4, 16, 16),
        "shard_shape": (8, 32, 32),
        "codec": "zstd-3",
    },
    "tiff": {"backend": "tiff-tifffile", "chunk_shape": (1, 32, 32), "codec": "zstd-3"},
    "npy": {"backend": "npy-numpy"},
    "zarr2": {"backend": "zarr2-zarrpython", "chunk_shape": (8, 32, 32), "codec": "blosc-zstd-3-shuffle"},
}


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("counts"))


@pytest.fixture(scope="session")
def image(storage: Storage) -> Image:
    return image_of(storage, "ct", SHAPE, "uint16", 0)


def _case(operation: str = "read", *, pattern: str = "whole", **settings: Any) -> Case:
    known = {"dataset": "ct", "shape": SHAPE, "dtype": "uint16", "axes": "zyx"}
    return Case(**known, operation=operation, pattern=pattern, **settings)


def _workload(storage: Storage, image: Image, case: Case, backend: Any = None) -> Workload:
    workload = workload_for(case, image, storage)
    if backend is not None:
        workload.backend = backend
    return workload


def test_counts_are_fields_of_a_row() -> None:
    assert set(asdict(Counts())) <= set(Row.__dataclass_fields__)
    assert all(value is None for value in asdict(Counts()).values())


@pytest.mark.parametrize(("operation", "pattern"), [("read", "plane_xz"), ("write", "whole")], ids=["read", "write"])
@pytest.mark.parametrize("name", SETTINGS)
def test_many_counts_are_one_count(storage: Storage, image: Image, name: str, operation: str, pattern: str) -> None:
    """Twenty of the setting that has most to go wrong: indexes, chunks and several threads; five of each other."""
    workload = _workload(storage, image, _case(operation, pattern=pattern, **SETTINGS[name]))
    found = [asdict(replace(count(workload), **_VARYING)) for _ in range(20 if name == "sharded" else 5)]
    assert {field: values for field in found[0] if len(values := {str(one[field]) for one in found}) > 1} == {}
    counts = Counts(**found[0])
    assert counts.files_opened is not None
    assert counts.read_calls is not None
    if operation == "read":
        assert counts.requests is not None
        assert counts.requests == (counts.gets or 0) + (counts.ranged_gets or 0) + (counts.misses or 0)
    elif "zarr" in SETTINGS[name]["backend"]:
        assert counts.sets == counts.renames == counts.files_opened == workload.store.n_files
        assert counts.set_bytes == workload.store.stored_bytes


_STRACED = """
import json, os, sys
from storebench.measurement.images import load_image
from storebench.measurement.operations import workload_for
from storebench.records import case_from_json
from storebench.storage import Storage
from storebench.stores import Location
storage = Storage.open(sys.argv[1])
workload = workload_for(case_from_json(json.loads(sys.argv[2])), load_image(storage, sys.argv[3]), storage)
for counted in (False, False, True):
    with storage.scratch() as folder:
        place = workload.store.location
        if workload.case.operation == "write":
            place = Location(folder / f"image{workload.backend.suffix}")
        else:
            workload.prepare()
        if counted:
            os.access("/storebench-begins", os.F_OK)
        workload.perform(place)
        if counted:
            os.access("/storebench-ends", os.F_OK)
            print(place.path)
"""


@pytest.mark.parametrize("operation", ["read", "write"])
@pytest.mark.parametrize("name", SETTINGS)
def test_counts_are_those_of_strace(storage: Storage, image: Image, tmp_path: Path, name: str, operation: str) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is missing; install with: apt-get install strace")
    case = _case(operation, pattern="plane_xz" if operation == "read" else "whole", **SETTINGS[name])
    counts = count(_workload(storage, image, case))
    trace = tmp_path / "trace"
    calls = "openat,open,creat,read,pread64,readv,preadv,preadv2,write,pwrite64,writev,rename,renameat,renameat2,access,faccessat2"
    command = ["strace", "-f", "-s", "0", "-e", f"trace={calls}", "-o", str(trace), sys.executable, "-c", _STRACED]
    done = subprocess.run(
        [*command, str(storage.root), json.dumps(to_json(case)), image.key], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    place = done.stdout.strip()
    seen = _calls_between(trace.read_text())
    opened = [line for line in seen if line.startswith("open") and f'"{place}' in line and "O_DIRECTORY" not in line]
    assert counts.files_opened == sum("= -1" not in line for line in opened)
    assert counts.renames == sum(line.startswith("rename") and "= 0" in line for line in seen)
    assert counts.read_calls == sum(line.startswith(("read(", "pread", "readv(")) for line in seen)
    assert counts.write_calls == sum(line.startswith(("write(", "pwrite", "writev(")) for line in seen)


def _calls_between(trace: str) -> list[str]:
    """Return the calls between the two marks, each on one line, those that another thread interrupted put together."""
    pending: dict[str, str] = {}
    calls: list[str] = []
    for line in trace.splitlines():
        thread, _, said = line.partition(" ")
        said = said.strip()
        if said.endswith("<unfinished ...>"):
            pending[thread] = said.removesuffix("<unfinished ...>").strip()
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", said)
        calls.append(pending.pop(thread, "") + resumed[1] if resumed else said)
    begin = next(i for i, call in enumerate(calls) if "storebench-begins" in call)
    end = next(i for i, call in enumerate(calls) if "storebench-ends" in call)
    return calls[begin + 1 : end]


# in processes of their own


def test_counts_of_a_case_are_kept_and_found_again(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _case(pattern="voxel", **SETTINGS["zarr3"])
    first = counts_of(case, image, storage)
    assert replace(first, **_VARYING) == replace(count(_workload(storage, image, case)), **_VARYING)
    assert first.peak_memory_bytes is not None

    def nobody(question: object) -> None:
        raise AssertionError(f"asked again: {question}")

    monkeypatch.setattr(counting, "ask", nobody)
    assert counts_of(case, image, storage) == first
    assert counts_of(replace(case, cache="cold", durability="durable"), image, storage) == first


@pytest.mark.parametrize(
    "name", ["backends/npy.py", "measurement/counting.py", "access/_traces.py", "grid.py", "levels.py", "stores.py"]
)
def test_counts_made_by_other_code_are_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    package = Path(counting.storebench.__file__).parent
    for path in [
        *package.glob("*.py"),
        *(path for part in ("access", "backends", "measurement") for path in package.glob(f"{part}/*.py")),
    ]:
        copy = tmp_path / path.relative_to(package)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(counting.storebench, "__file__", str(tmp_path / "__init__.py"))
    before = counting._code_hash.__wrapped__()
    with (tmp_path / name).open("a") as file:
        file.write("\n")
    assert counting._code_hash.__wrapped__() != before


def test_peak_memory_is_that_of_the_result(storage: Storage) -> None:
    large = image_of(storage, "random", (64, 512, 512), "uint16", 0)  # 32 MiB
    case = Case(
        dataset="random", shape=large.shape, dtype="uint16", axes="zyx", operation="read", backend="tiff-tifffile"
    )
    found = counts_of(case, large, storage).peak_memory_bytes
    assert found is not None
    assert 32 << 20 <= found < 48 << 20


def test_a_refusal_comes_back_as_it_was_raised(storage: Storage, image: Image) -> None:
    case = _case(backend="npy-numpy", codec="zstd-3")
    with pytest.raises(UnsupportedError) as here:
        workload_for(case, image, storage)
    with pytest.raises(UnsupportedError) as there:
        counts_of(case, image, storage)
    assert str(there.value) == str(here.value)


def _server() -> psutil.Process:
    server = _counting_process._DESK._server
    assert server is not None
    return psutil.Process(server._process.pid)


def test_the_server_has_one_thread_and_is_started_again_when_it_died(storage: Storage, image: Image) -> None:
    counts_of(_case("open", **SETTINGS["npy"]), image, storage)
    first = _server()
    assert first.num_threads() == 1
    first.kill()
    first.wait()
    counts_of(_case("open", **SETTINGS["tiff"]), image, storage)
    assert _server().pid != first.pid


def test_the_server_has_one_thread_with_every_library_loaded(storage: Storage) -> None:
    for name in BACKENDS:
        question = {"do": "count", "case": to_json(_case(backend=name)), "image_key": "of no image"}
        reply = _counting_process._DESK.ask({**question, "storage": str(storage.root), "limit_bytes": None})
        assert "of no image" in reply["text"], name
        assert _server().num_threads() == 1, name


def test_a_process_that_dies_is_named_with_its_signal(storage: Storage) -> None:
    image = image_of(storage, "random", (4, 1024, 1024), "uint16", 0)
    case = Case(
        dataset="random", shape=image.shape, dtype="uint16", axes="zyx", operation="write",
        backend="jp2stack-imagecodecs", codec="jp2-lossless",
    )  # fmt: skip
    workload_for(case, image, storage)
    counts_of(replace(case, operation="open"), image, storage)
    server = _server()

    def kill() -> None:
        while not (found := server.children()):
            time.sleep(0.001)
        found[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(
        MeasurementError, match=r"counting jp2stack-imagecodecs \(write\) ended its process with signal SIGKILL"
    ):
        counts_of(case, image, storage)
    killer.join()


_FORKING = """
import os, sys
from storebench.measurement.counting import counts_of
from storebench.measurement.images import image_of
from storebench.records import Case
from storebench.storage import Storage
storage = Storage.open(sys.argv[1])
image = image_of(storage, "random", (8, 8, 8), "uint8", 0)
def opened(backend):
    print("a word that is no answer")
    case = Case(dataset="random", shape=(8, 8, 8), dtype="uint8", axes="zyx", operation="open", backend=backend)
    return counts_of(case, image, storage).requests
print([opened("npy-numpy")], flush=True)
child = os.fork()
if child == 0:
    print([opened("zarr3-zarrpython")], flush=True)
    sys.exit()
print(os.waitpid(child, 0)[1], [opened("zarr2-zarrpython")])
"""


def test_a_forked_process_counts_for_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", _FORKING, str(tmp_path / "root")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    said = [line for line in done.stdout.splitlines() if "[" in line]
    assert said[:2] == ["[1]", "[1]"]
    assert ast.literal_eval(said[2].replace(" ", ",")) == (0, [2])


# where a call takes long


def _slow(monkeypatch: pytest.MonkeyPatch, *, very: bool = False) -> None:
    """Take every call for a slow one, or a very slow one."""
    monkeypatch.setattr(_counting_calls, "SLOW_S", -1.0)
    monkeypatch.setattr(_counting_calls, "VERY_SLOW_S", -1.0 if very else 1e9)


_ONLY_WHERE_FAST = ("files_opened", "renames", "read_calls", "write_calls")


@pytest.mark.parametrize("very", [False, True], ids=["slow", "very-slow"])
@pytest.mark.parametrize("operation", ["read", "open", "write"])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_slow_call_is_made_twice_or_once_and_asks_for_the_same(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch, *, name: str, operation: str, very: bool
) -> None:
    case = _case(operation, pattern="plane_xz" if operation == "read" else "whole", **SETTINGS[name])
    fast = count(_workload(storage, image, case))
    workload = _workload(storage, image, case)
    monkeypatch.setattr(_counting_checks, "check_memory_map", lambda *_, **__: None)  # has a call of its own
    _slow(monkeypatch, very=very)
    made: list[Location] = []
    perform = workload.perform
    monkeypatch.setattr(workload, "perform", lambda location: (made.append(location), perform(location)))
    counts = count(workload)
    shown = operation == "write" or counts.requests is None or counts.predicted_requests is not None
    assert len(made) == (1 if very else 2 if shown else 3)
    assert counts.peak_memory_bytes is not None
    assert (counts.threads_ran is None) == very
    assert replace(counts, **_VARYING) == replace(fast, **_VARYING, **dict.fromkeys(_ONLY_WHERE_FAST))


_SLOW_MEMORY = """
import json, sys
from storebench.measurement import _counting_calls, counting
from storebench.measurement.images import load_image
from storebench.measurement.operations import workload_for
from storebench.records import case_from_json
from storebench.storage import Storage
storage = Storage.open(sys.argv[1])
_counting_calls.SLOW_S = -1.0
workload = workload_for(case_from_json(json.loads(sys.argv[2])), load_image(storage, sys.argv[3]), storage)
print(counting.count(workload).peak_memory_bytes)
"""


def test_memory_of_a_slow_call_is_that_of_the_result(storage: Storage) -> None:
    image = image_of(storage, "random", (64, 512, 512), "uint16", 0)  # 32 MiB
    case = Case(
        dataset="random", shape=image.shape, dtype="uint16", axes="zyx", operation="read", backend="tiff-tifffile"
    )
    workload_for(case, image, storage)
    command = [sys.executable, "-c", _SLOW_MEMORY, str(storage.root), json.dumps(to_json(case)), image.key]
    found = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 32 << 20 <= found < 48 << 20


def test_where_counting_told_the_memory_no_other_process_is_asked(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question["do"])
        return asdict(Counts(peak_memory_bytes=7))

    monkeypatch.setattr(counting, "ask", answer)
    case = _case(pattern="tile256", **SETTINGS["tiff"])
    assert counts_of(case, image, storage).peak_memory_bytes == 7
    assert asked == ["count"]


@pytest.fixture(params=["fast", "slow", "very slow"])
def any_pace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count as for a call that takes that long."""
    if request.param != "fast":
        _slow(monkeypatch, very=request.param == "very slow")


# what does not do what it says


class _Remembers(Zarr3ZarrPython):
    """Gives the last result again."""

    def __init__(self) -> None:
        self._kept: dict[Any, NDArray] = {}

    @contextmanager
    def open(self, location: Location) -> Iterator[Any]:
        kept = self._kept
        with super().open(location) as inner:

            class Reader:
                levels = inner.levels

                def read(self, region: Region, level: int = 0) -> NDArray:
                    if region not in kept:
                        kept[region] = inner.read(region, level)
                    return kept[region].copy()

            yield Reader()


def test_one_that_keeps_the_last_result(storage: Storage, image: Image) -> None:
    workload = _workload(storage, image, _case(pattern="plane_xz", **SETTINGS["zarr3"]), _Remembers())
    with pytest.raises(
        VerificationError, match=r"zarr3-zarrpython keeps the last result: the same call asked its store"
    ):
        count(workload)


@pytest.mark.usefixtures("any_pace")
def test_one_that_kept_its_result_before_it_was_counted(storage: Storage, image: Image) -> None:
    workload = _workload(storage, image, _case(pattern="plane_xz", **SETTINGS["zarr3"]), _Remembers())
    workload.perform(workload.store.location)
    with pytest.raises(VerificationError, match=r"zarr3-zarrpython asked its store for .* it keeps the last result"):
        count(workload)


def test_one_that_keeps_the_last_result_of_a_slow_read_that_nothing_predicts(
    storage: Storage, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = _workload(storage, image, _case(pattern="plane_xz", **SETTINGS["zarr3"]), _Remembers())
    monkeypatch.setattr(_counting_reads, "predict_read", lambda *_: None)
    _slow(monkeypatch)
    with pytest.raises(VerificationError, match="keeps the last result: the same call asked its store"):
        count(workload)


class _RemembersMap(NpyNumpy):
    """Says what it would ask for, and gives the last result again."""

    def __init__(self) -> None:
        self._kept: dict[Any, NDArray] = {}

    @contextmanager
    def open(self, location: Location) -> Iterator[Any]:
        kept = self._kept
        with super().open(location) as inner:

            class Reader:
                levels = inner.levels

                def read(self, region: Region, level: int = 0) -> NDArray:
                    if location.log is not None or region not in kept:
                        kept[region] = inner.read(region, level)
                    return kept[region].copy()

            yield Reader()


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
def test_one_that_keeps_what_a_memory_map_gave(storage: Storage, monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    if slow:
        _slow(monkeypatch)
    image = image_of(storage, "random", (64, 512, 512), "uint16", 0)
    case = Case(dataset="random", shape=image.shape, dtype="uint16", axes="zyx", operation="read", backend="npy-numpy")
    honest = _workload(storage, image, case)
    if (why_not := _counting_checks.cache.why_not_cold(honest.store.location.path)) is not None:
        pytest.skip(f"the page cache cannot be emptied here: {why_not}")
    count(honest)
    with pytest.raises(VerificationError, match=r"npy-numpy keeps the last result: a read of \d+ bytes brought"):
        count(_workload(storage, image, case, _RemembersMap()))


class _ReadsAll(Zarr3ZarrPython):
    """Reads everything, whatever it is asked for."""

    @contextmanager
    def open(self, location: Location) -> Iterator[Any]:
        with super().open(location) as inner:

            class Reader:
                levels = inner.levels

                def read(self, region: Region, level: int = 0) -> NDArray:
                    return inner.read(Region.whole(inner.levels[level]), level)[region.slices].copy()

            yield Reader()


class _ReadsBehind(Zarr3ZarrPython):
    """Reads all files by itself, besides."""

    @contextmanager
    def open(self, location: Location) -> Iterator[Any]:
        for file in location.files():
            Path(file).read_bytes()
        with super().open(location) as inner:
            yield inner


@pytest.mark.usefixtures("any_pace")
def test_one_that_reads_everything(storage: Storage, image: Image) -> None:
    case = _case(pattern="voxel", **SETTINGS["zarr3"])
    with pytest.raises(
        VerificationError, match=r"zarr3-zarrpython asked its store for \d+ requests, where geometry says 2"
    ):
        count(_workload(storage, image, case, _ReadsAll()))
    with pytest.raises(VerificationError, match="zarr3-zarrpython reads the whole file, by other means"):
        count(_workload(storage, image, case, _ReadsBehind()))


class _WritesOn(NpyNumpy):
    """Comes back before it has written everything."""

    @contextmanager
    def create(self, location: Location, request: Any) -> Iterator[Any]:
        with super().create(location, request) as writer:
            yield writer

        def more() -> None:
            for _ in range(10):
                time.sleep(0.02)
                with suppress(FileNotFoundError), location.path.open("r+b") as file:  # it is removed when it was caught
                    file.seek(0, os.SEEK_END)
                    file.write(b"x")

        self.thread = threading.Thread(target=more)
        self.thread.start()


@pytest.mark.usefixtures("any_pace")
def test_one_that_goes_on_writing(storage: Storage, image: Image) -> None:
    liar = _WritesOn()
    workload = _workload(storage, image, _case("write", **SETTINGS["npy"]), liar)
    with pytest.raises(
        VerificationError, match=r"npy-numpy went on writing after it returned: 1 files .* as image\.npy"
    ):
        count(workload)
    liar.thread.join()


def test_a_thread_budget_is_held() -> None:
    uses = [ThreadUse(2, 0.03, 0.03, 0.03), ThreadUse(3, 0.09, 0.05, 0.09), ThreadUse(3, 0.015, 0.001, 0.015)]
    _counting_checks.check_budget("fast", 2, uses)
    _counting_checks.check_budget("fast", None, uses)
    with pytest.raises(
        VerificationError, match=r"fast ignores the thread limit: asked for 1 thread, used 1\.80 processors"
    ):
        _counting_checks.check_budget("fast", 1, uses)


def test_on_a_busy_machine_what_threads_wanted_shows_that_a_budget_was_not_held() -> None:
    handing_over = [ThreadUse(3, 0.03, 0.06, wanted_s) for wanted_s in (0.055, 0.06, 0.09)]
    _counting_checks.check_budget("honest", 1, handing_over)
    side_by_side = [ThreadUse(3, 0.05, 0.06, wanted_s) for wanted_s in (0.06, 0.11, 0.12)]
    with pytest.raises(VerificationError, match=r"greedy .* asked for 1 thread, .* wanted 1\.83"):
        _counting_checks.check_budget("greedy", 1, side_by_side)


def _three_busy_threads() -> ThreadUse:
    def busy() -> None:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            np.ones(1 << 16).sum()

    with ThreadWatch() as watch:
        threads = [threading.Thread(target=busy) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return watch.use


def test_threads_that_end_within_the_call_are_seen(alone: Callable[..., Any]) -> None:
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this system does not tell a thread's time; run on Linux")
    use = alone(_three_busy_threads)
    assert use.threads_ran == 4
    assert use.cpu_s > 0.055, "three times 0.02 s, by clocks of threads that the process's own lags behind a little"
    assert use.wall_s > 0
