"""When a write ends is the same for each backend: by return none syncs, and its own fsync is switched on or refused."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from storebench.backends import ALWAYS_SYNCED, BACKENDS, Backend, OwnFsync, why_no_own_fsync, write_array
from storebench.errors import UnsupportedError
from storebench.stores import Location

from .contract_requests import images, some_accepted

ROOT = Path(__file__).resolve().parents[2]
_SYNCS = "fsync,fdatasync,sync_file_range,syncfs"
_OWN = [name for name, backend in BACKENDS.items() if isinstance(backend, OwnFsync)]


@dataclass(frozen=True)
class _Traced:
    """The folder with every backend's images, and how often each of its subfolders was named in a call that syncs."""

    folder: Path
    syncs: Counter[str]


@pytest.fixture(scope="session")
def traced(tmp_path_factory: pytest.TempPathFactory) -> _Traced:
    """What every backend that can work here has synced, as the system saw it."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; apt-get install strace")
    folder = tmp_path_factory.mktemp("traced")
    trace = folder / "trace"
    names = [name for name, backend in BACKENDS.items() if backend.why_unavailable() is None]
    watch = ["strace", "-f", "-y", "-qq", "-e", f"trace={_SYNCS},msync,sync", "-o", str(trace)]
    command = [sys.executable, "-m", "tests.contract.written_under_trace", str(folder), *names]
    done = subprocess.run([*watch, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip(
            f"strace may not trace here ({done.stderr.splitlines()[0]}); allow ptrace, as in --cap-add SYS_PTRACE"
        )
    assert done.returncode == 0, done.stderr
    text = trace.read_text()
    assert not re.search(r"^\d+ +(msync|sync)\(", text, re.MULTILINE)  # these name no file: nobody knows whose it was
    called = re.findall(r"^\d+ +\w+\(\d+<([^>]*)>", text, re.MULTILINE)
    inside = [Path(path).relative_to(folder).parts[0] for path in called if Path(path).is_relative_to(folder)]
    return _Traced(folder, Counter(inside))


@pytest.mark.slow
def test_a_write_that_is_to_return_syncs_nothing(backend: Backend, traced: _Traced) -> None:
    assert (traced.folder / f"{backend.name}.returned").is_dir()
    n_syncs = traced.syncs[f"{backend.name}.returned"]
    if isinstance(backend, OwnFsync) and backend.own_fsync == ALWAYS_SYNCED:  # marked: it cannot be held to equal terms
        assert n_syncs > 0
    else:
        assert n_syncs == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", _OWN)
def test_an_own_fsync_syncs_every_file(name: str, traced: _Traced) -> None:
    backend = BACKENDS[name]
    if (why := backend.why_unavailable()) is not None:
        pytest.skip(why)
    _, n_files = Location(traced.folder / f"{name}.own").size()
    assert traced.syncs[f"{name}.own"] >= n_files > 0


def test_who_has_no_own_fsync_says_so_and_writes_nothing(backend: Backend, tmp_path: Path) -> None:
    why_not = why_no_own_fsync(backend)
    if why_not is None:
        assert isinstance(backend, OwnFsync)
        assert backend.own_fsync
        return
    (request,) = some_accepted(backend, 1, lossless=True)
    location = Location(tmp_path / f"image{backend.suffix}", own_fsync=True)
    with pytest.raises(UnsupportedError, match="use durability durable") as caught:
        write_array(backend, location, request, images(request))
    assert str(caught.value) == why_not
    assert not list(tmp_path.iterdir())
