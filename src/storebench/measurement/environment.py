"""Where and with what a measurement is made: versions, codec builds, machine. No path, no user's and no host's name."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Final

import storebench
from storebench.assets import clone_root
from storebench.backends import BACKENDS
from storebench.measurement.cache import read_ahead_bytes
from storebench.records import Environment
from storebench.storage import file_system_of

_ALWAYS_RECORDED: Final = ("asv", "asv_runner", "numpy", "pillow", "scikit-image")
_THREAD_VARIABLES: Final = (
    "BLOSC_NTHREADS",
    "OPJ_NUM_THREADS",
    "OMP_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TIFFFILE_NUM_THREADS",
)
"""Variables that change how many threads a library uses; recorded where they are set."""


@functools.cache
def record_environment(storage_root: Path) -> Environment:
    """Return the facts of this interpreter, this machine and the file system of the storage root.

    Parameters
    ----------
    storage_root : pathlib.Path
        Where stores are written.
    """
    commit, dirty = _commit()
    return Environment(
        python=platform.python_version(),
        libraries=_libraries(),
        builds=_builds(),
        machine=_machine(storage_root),
        storebench=storebench.__version__,
        commit=commit,
        dirty=dirty,
    )


def _libraries() -> dict[str, str]:
    names = set(_ALWAYS_RECORDED).union(*(backend.distributions for backend in BACKENDS.values()))
    versions = {}
    for name in sorted(names):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # an optional library that is not here took part in nothing
    return versions


def _builds() -> dict[str, str]:
    """Return what each library says of the codec libraries inside it: the same codec may be there in several versions."""
    builds: dict[str, str] = {}
    for backend in BACKENDS.values():
        if backend.why_unavailable() is None:
            builds |= {f"{name} ({backend.library})": value for name, value in backend.facts().items()}
    return dict(sorted(builds.items()))


def _machine(storage_root: Path) -> dict[str, str | int | None]:
    import psutil

    return {
        "cpu": _cpu_model(),
        "n_cpu": os.cpu_count(),
        "ram_bytes": psutil.virtual_memory().total,
        "os": _os_name(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "virtual": None
        if (flags := _proc_cpuinfo().get("flags")) is None
        else str("hypervisor" in flags.split()).lower(),
        "file_system": file_system_of(storage_root).kind,
        "read_ahead_bytes": read_ahead_bytes(storage_root),
    } | {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ}


def _proc_cpuinfo() -> dict[str, str]:
    """Return the first processor's entry of /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cpu_model() -> str | None:
    return _proc_cpuinfo().get("model name") or platform.processor() or None


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _commit() -> tuple[str | None, bool | None]:
    """Return commit and dirtiness of the clone that runs; a wheel has neither, unless asv built it from a commit."""
    root = clone_root()
    if root is None:
        return os.environ.get("ASV_COMMIT"), None

    def git(*arguments: str) -> str | None:
        try:
            # no lock: a user may be committing in the same clone at this moment
            command = ["git", "--no-optional-locks", *arguments]
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    # Results and reports are what measuring makes: only changes to what is measured with count.
    changes = git("status", "--porcelain", "--", "src", "benchmarks", "asv.conf.json", "pyproject.toml")
    return commit, None if changes is None else bool(changes)
