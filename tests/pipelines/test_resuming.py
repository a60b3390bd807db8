"""Interrupted runs: what is done is kept, what is missing is done, the result is the same to the bit."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storebench.datasets import Dataset
from storebench.errors import DataError, NothingSelectedError, UsageError
from storebench.pipelines import Progress, Threads, engine_for, progress_path, source_of, verify_volume, write_volume

from .conftest import SHAPE, Broken, Make, differing

_LEVELS = {"chunks": (16, 16, 16), "shards": (32, 32, 32), "codec": "zstd-3", "levels": 3}

_KILLED = """
import os, pickle, signal, sys
import storebench.pipelines._blocks as blocks
from storebench.datasets import open_dataset
from storebench.pipelines import Threads, source_of, write_volume

blocks.BLOCK_BYTES = 1 << 15
target = pickle.loads(sys.stdin.buffer.read())

def die(progress):
    if progress.done == 5:
        os.kill(os.getpid(), signal.SIGKILL)

write_volume(source_of(open_dataset("labels_dense", shape=target.request.shape, dtype="uint16")), target, Threads(2), shown=die)
"""


def _killed_half_way(dataset: Dataset, target: Make) -> Path:
    """Start a run that is killed after its fifth block; return its target."""
    import pickle

    place = target("killed.ome.zarr", "omezarr-0.5-zarrpython", **_LEVELS)
    done = subprocess.run([sys.executable, "-c", _KILLED], input=pickle.dumps(place), check=False)
    assert done.returncode == -signal.SIGKILL
    return place.path


def test_after_a_kill_only_what_is_missing_is_written(dataset: Dataset, target: Make) -> None:
    whole = target("whole.ome.zarr", "omezarr-0.5-zarrpython", **_LEVELS)
    write_volume(source_of(dataset), whole, Threads(2))
    path = _killed_half_way(dataset, target)
    killed = target(path.name, "omezarr-0.5-zarrpython", **_LEVELS)
    progress = progress_path(path)
    with progress.open("a") as file:
        file.write('{"blo')  # what a line looks like that was being written
    (path / "0" / "0.0123456789abcdef0123456789abcdef.partial").write_text("cut off")

    with pytest.raises(UsageError, match="is unfinished; go on with the same command and --resume"):
        write_volume(source_of(dataset), killed, Threads(2))
    other = target(path.name, "omezarr-0.5-zarrpython", **_LEVELS | {"codec": "zstd-5"})
    with pytest.raises(UsageError, match=r"begun with other settings \(--codec\)"):
        write_volume(source_of(dataset), other, Threads(2), resume=True)

    times = {p: p.stat().st_mtime_ns for p in path.rglob("c/*/*/*")}
    seen: list[int] = []
    written = write_volume(
        source_of(dataset), killed, Threads(2), resume=True, shown=lambda progress: seen.append(progress.done)
    )
    assert written.n_resumed == 5
    assert seen == list(range(6, written.n_blocks + 1))
    assert sum(p.stat().st_mtime_ns == time for p, time in times.items() if p.exists()) >= 5
    assert not progress.exists()
    renamed = (whole.path / "zarr.json").read_text().replace("whole", "killed")
    (whole.path / "zarr.json").write_text(renamed)
    assert differing(whole.path, path) == []


def test_an_image_that_was_not_even_created_is_begun_again(dataset: Dataset, target: Make) -> None:
    place = target("a.zarr", "zarr3-zarrpython")
    progress_path(place.path).write_text("")
    place.path.mkdir()
    (place.path / "zarr.json").write_text("{")  # of that run, or of somebody else
    with pytest.raises(UsageError, match=r"somebody else's; move or remove it, then go on with --resume"):
        write_volume(source_of(dataset), place, Threads(2), resume=True)
    assert (place.path / "zarr.json").read_text() == "{"
    (place.path / "zarr.json").unlink()
    written = write_volume(source_of(dataset), place, Threads(2), resume=True)
    assert written.n_resumed == 0
    verify_volume(source_of(_opened(place.path)), Threads(2), against=source_of(dataset)).require_equal()


def _opened(path: Path) -> Dataset:
    from storebench.datasets import open_file

    return open_file(path)


def test_only_one_run_writes_an_image(dataset: Dataset, target: Make) -> None:
    """A second one is refused in the middle of the first, and takes nothing away."""
    refused = []

    def second(progress: Progress) -> None:
        if progress.done == 2:
            for resume in (False, True):
                with pytest.raises(UsageError, match=r"another run is writing .*a\.zarr"):
                    write_volume(source_of(dataset), place, Threads(1), resume=resume)
                refused.append(resume)

    place = target("a.zarr", "zarr3-zarrpython")
    write_volume(source_of(dataset), place, Threads(1), shown=second)
    assert refused == [False, True]
    verify_volume(source_of(_opened(place.path)), Threads(1), against=source_of(dataset)).require_equal()


def test_a_run_that_cannot_go_on_takes_nothing_away(dataset: Dataset, target: Make) -> None:
    """The image was created, and no block was done; then the source fails."""
    place = target("a.zarr", "zarr3-zarrpython")
    with pytest.raises(KeyboardInterrupt):
        write_volume(source_of(dataset), place, Threads(1), shown=_interrupt)
    progress = progress_path(place.path)
    progress.write_text("".join(progress.read_text().splitlines(keepends=True)[:2]))
    broken = dataclasses.replace(source_of(dataset), dataset=Broken(dataset))
    before = sorted(place.path.rglob("*"))
    with pytest.raises(OSError, match="gone"):
        write_volume(broken, place, Threads(1), resume=True)
    assert sorted(place.path.rglob("*")) == before
    assert write_volume(source_of(dataset), place, Threads(1), resume=True).n_resumed == 0


def test_nothing_to_go_on_with(dataset: Dataset, target: Make) -> None:
    place = target("a.zarr", "zarr3-zarrpython")
    with pytest.raises(NothingSelectedError, match="there is no such image"):
        write_volume(source_of(dataset), place, Threads(1), resume=True)
    place.path.mkdir()
    with pytest.raises(NothingSelectedError, match="it is finished, or storebench did not begin it"):
        write_volume(source_of(dataset), place, Threads(1), resume=True)


def test_a_damaged_progress_file_is_an_error(dataset: Dataset, target: Make) -> None:
    place = target("a.zarr", "zarr3-zarrpython")
    progress_path(place.path).write_text("no json\n")
    with pytest.raises(DataError, match=r"is damaged .* start again without --resume"):
        write_volume(source_of(dataset), place, Threads(1), resume=True)
    assert progress_path(place.path).read_text() == "no json\n"


def test_a_file_that_may_be_torn_is_not_gone_on_with(dataset: Dataset, target: Make) -> None:
    place = target("a.h5", "hdf5-h5py")
    progress_path(place.path).write_text('{"plan": {}}\n')
    with pytest.raises(UsageError, match="cannot be gone on with: HDF5 keeps its tables"):
        write_volume(source_of(dataset), place, Threads(1), resume=True)


def _interrupt(progress: Progress) -> None:
    if progress.done == 3:
        raise KeyboardInterrupt


def test_an_interrupt_keeps_what_is_done_or_nothing_that_is_torn(dataset: Dataset, target: Make) -> None:
    zarr = target("a.zarr", "zarr3-zarrpython")
    with pytest.raises(KeyboardInterrupt):
        write_volume(source_of(dataset), zarr, Threads(1), shown=_interrupt)
    lines = [json.loads(line) for line in progress_path(zarr.path).read_text().splitlines()]
    assert [next(iter(line)) for line in lines] == ["plan", "created", "block", "block", "block"]
    assert write_volume(source_of(dataset), zarr, Threads(1), resume=True).n_resumed == 3
    hdf5 = target("a.h5", "hdf5-h5py")
    with pytest.raises(KeyboardInterrupt):
        write_volume(source_of(dataset), hdf5, Threads(1), shown=_interrupt)
    assert not hdf5.path.exists()
    assert not progress_path(hdf5.path).exists()


def test_a_source_that_changed_in_place_is_another(dataset: Dataset, target: Make) -> None:
    source, place = target("source.zarr", "zarr3-zarrpython"), target("a.zarr", "zarr3-zarrpython")
    write_volume(source_of(dataset), source, Threads(1))
    with pytest.raises(KeyboardInterrupt):
        write_volume(source_of(_opened(source.path)), place, Threads(1), shown=_interrupt)
    chunk = source.path / "c" / "2" / "3" / "4"
    folder_times = [folder.stat().st_mtime_ns for folder in (source.path, *chunk.parents[:3])]
    with chunk.open("r+b") as file:
        file.write(b"other")
    assert [folder.stat().st_mtime_ns for folder in (source.path, *chunk.parents[:3])] == folder_times
    with pytest.raises(UsageError, match=r"begun with other settings \(the source was changed since\)"):
        write_volume(source_of(_opened(source.path)), place, Threads(1), resume=True)


def test_a_killed_worker_loses_nothing(dataset: Dataset, target: Make) -> None:
    """Two worker processes; one is killed after the first block, and the scheduler gives its blocks to others."""
    whole, place = (target(name, "zarr3-zarrpython", shards=(32, 32, 32)) for name in ("whole.zarr", "killed.zarr"))
    write_volume(source_of(dataset), whole, Threads(2))
    with engine_for(workers=2) as engine:
        pids = list(engine._client.run(os.getpid).values())
        assert len({*pids, os.getpid()}) == 3
        assert engine.limit_threads("zarr3-zarrpython", 1) is None  # in fresh processes, before zarr's pools are made

        def kill(progress: Progress) -> None:
            if progress.done == 1:
                os.kill(pids[0], signal.SIGKILL)

        written = write_volume(source_of(dataset), place, engine, shown=kill)
        verify_volume(source_of(_opened(place.path)), engine, against=source_of(dataset)).require_equal()
    assert written.n_blocks == 12
    assert differing(whole.path, place.path) == []
    assert written.total_peak_bytes > sum(written.worker_peak_bytes[:2]) > 0
    assert dataset.shape == SHAPE


_MEMORY = """
import sys
import storebench.pipelines._blocks as blocks
from pathlib import Path
from storebench.backends import WriteRequest
from storebench.codecs import parse_codec
from storebench.datasets import open_dataset, open_file
from storebench.grid import Layout
from storebench.levels import level_factors
from storebench.pipelines import Target, Threads, source_of, verify_volume, write_volume

blocks.BLOCK_BYTES = 1 << 20
peaks = []
for n in (64, 64, 512):
    data = open_dataset("constant", shape=(n, 256, 256), dtype="uint16")
    request = WriteRequest(shape=data.shape, dtype=data.dtype, axes="zyx", codec=parse_codec("zstd-3"),
        layout=Layout(chunk_shape=(32, 64, 64)), level_factors=level_factors("zyx", data.shape, 3))
    place = Target(backend="omezarr-0.5-zarrpython", path=Path(sys.argv[1]) / f"{len(peaks)}.ome.zarr", request=request)
    write_volume(source_of(data), place, Threads(2))
    found = verify_volume(source_of(open_file(place.path)), Threads(2), against=source_of(data))
    found.require_equal()
    peaks.append(found.client_peak_bytes)
print(peaks[1], peaks[2])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no test data: this system tells no peak of memory")
def test_memory_does_not_grow_with_the_volume(tmp_path: Path) -> None:
    """8 MiB, then 64 MiB, in blocks of 1 MiB."""
    done = subprocess.run([sys.executable, "-c", _MEMORY, str(tmp_path)], capture_output=True, text=True, check=True)
    small, large = map(int, done.stdout.split())
    assert large - small < 24 << 20, "of 56 MiB more; what two threads leave in their heaps varies"
