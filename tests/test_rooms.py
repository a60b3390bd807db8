"""DESIGN's rooms: a module imports only what stands above it, and light modules stay light."""

from __future__ import annotations

import ast
import graphlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import storebench

_SOURCE = Path(storebench.__file__).parent

ROOMS = (
    "errors",
    "units",
    "grid",
    "names",  # the grammar that codecs and access patterns share
    "records",
    "codecs",
    "zarr_codecs",  # what is written in Zarr's metadata, also by the code that is shown
    "stores",
    "backends",
    "levels",
    "datasets",
    "access",
    "assets",
    "storage",
    "pipelines",  # above what is measured with it: a case with several workers runs on the same engines
    "suites",
    "results",  # DESIGN has it below measurement. A measurement appends to the journal and answers as a tidy row: it
    # writes the form that results define, and results know of no measuring, so they stand above.
    "measurement",
    "asv_commit",
    "asv_calls",
    "asv_results",
    "campaign",
    "analysis",
    "trends",  # runs in order, and change points: DESIGN has them in analysis
    "advise",  # DESIGN has it below the report; the report's first screen is its ranking's answer
    "report",
    "cli",
    "__main__",
)
"""The order of DESIGN.md, with the rooms that it does not name yet (assets, storage, asv_commit, asv_calls, asv_results)."""

_FORMAT_LIBRARIES = ("zarr", "numcodecs", "tensorstore", "tifffile", "h5py", "imagecodecs", "glymur", "imageio", "z5py")


def _modules() -> dict[str, Path]:
    """Return every module's dotted name below storebench; "" is the package itself."""
    found = {}
    for path in _SOURCE.rglob("*.py"):
        *parts, last = path.relative_to(_SOURCE).with_suffix("").parts
        found[".".join([*parts, *([] if last == "__init__" else [last])])] = path
    return found


def _imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """Return the modules of storebench that a file imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = {name for name in names if name.removeprefix("storebench.") in modules}
            found |= inner | ({node.module or ""} if inner != names else set())
    return {name.removeprefix("storebench").removeprefix(".") for name in found if name.split(".")[0] == "storebench"}


_MODULES = _modules()
_GRAPH = {name: _imports(path, _MODULES) for name, path in _MODULES.items()}


def _room(module: str) -> str:
    return module.partition(".")[0]


def test_the_graph_is_read() -> None:
    assert "errors" in _GRAPH["grid"]
    assert "results.journal" in _GRAPH["measurement.session"]
    assert len(_GRAPH) > 50


def test_every_module_stands_in_a_room() -> None:
    assert {_room(name) for name in _MODULES if name} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_stands_above_it(room: str) -> None:
    above = set(ROOMS[: ROOMS.index(room) + 1]) | {""}  # the package itself, for its version
    wrong = {
        f"{name} imports {other}"
        for name, imported in _GRAPH.items()
        for other in imported
        if _room(name) == room and _room(other) not in above
    }
    assert wrong == set()


def test_no_module_imports_itself_round_a_corner() -> None:
    graph = {name: imported - {""} for name, imported in _GRAPH.items() if name}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the modules


def _loaded_by(statement: str, names: tuple[str, ...]) -> list[str]:
    code = f"{statement}\nimport json, sys\nprint(json.dumps([name for name in {names!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


_RESULTS = ", ".join(
    f"storebench.{name}" for name in sorted(_MODULES) if _room(name) in ("results", "analysis", "trends", "report")
)


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        pytest.param(f"import {_RESULTS}", (*_FORMAT_LIBRARIES, "storebench.backends", "asv"), id="results-and-report"),
        pytest.param(
            "import storebench",
            (*_FORMAT_LIBRARIES, "numpy", "pandas", "matplotlib", "asv", "rich", "psutil", "pooch"),
            id="storebench",
        ),
        pytest.param(
            "import storebench.suites, storebench.datasets", (*_FORMAT_LIBRARIES, "pandas", "pooch"), id="suites"
        ),
    ],
)
def test_an_import_stays_light(statement: str, names: tuple[str, ...]) -> None:
    assert _loaded_by(statement, names) == []


def test_the_probe_sees_what_is_loaded() -> None:
    assert _loaded_by("import numpy, zarr", ("numpy", "zarr", "h5py")) == ["numpy", "zarr"]
