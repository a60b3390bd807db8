"""Where a measurement was made: enough to compare, nothing that names a person, a host or a path."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import platform
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import storebench
from storebench.measurement import environment
from storebench.measurement.environment import record_environment
from storebench.records import Environment, environment_from_json, to_json


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return record_environment(tmp_path_factory.mktemp("root"))


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    return [str(value)]


def test_it_names_no_path_person_or_host(recorded: Environment) -> None:
    text = json.dumps(to_json(recorded))
    for private in (
        str(Path.home()),
        os.environ.get("HOME", "~"),
        platform.node(),
        str(Path(storebench.__file__).parent),
    ):
        assert not private or private not in text
    words = re.findall(r"\w+", text)
    assert getpass.getuser() not in words
    assert [part for part in _texts(to_json(recorded)) if re.search(r"(^|[\s(=])(/|~|[A-Za-z]:\\)\w", part)] == []


def test_it_says_what_measured(recorded: Environment) -> None:
    assert recorded.python == platform.python_version()
    assert recorded.libraries["numpy"] == np.__version__
    assert {"zarr", "numcodecs", "tifffile", "imagecodecs", "asv", "asv_runner"} <= recorded.libraries.keys()
    assert recorded.storebench == storebench.__version__
    assert any(name.startswith("c-blosc") for name in recorded.builds)
    assert set(recorded.machine) == {"cpu", "n_cpu", "ram_bytes", "os", "kernel", "arch", "virtual", "file_system"} | {
        "read_ahead_bytes"
    } | (set(environment._THREAD_VARIABLES) & os.environ.keys())
    assert recorded.machine["virtual"] in ("true", "false", None)


def test_json_brings_it_back(recorded: Environment) -> None:
    again = environment_from_json(json.loads(json.dumps(to_json(recorded))))
    assert (again, again.id, again.name) == (recorded, recorded.id, recorded.name)


def test_its_name_is_a_file_name_without_commas(recorded: Environment) -> None:
    clean = dataclasses.replace(recorded, dirty=False)
    assert re.fullmatch(r"py3\.\d+\.\w+-numpy[\w.]+-zarr[\w.]+-numcodecs[\w.]+-tifffile[\w.]+-[0-9a-f]{6}", clean.name)
    assert dataclasses.replace(recorded, dirty=True).name == f"{clean.name}-dirty"
    assert dataclasses.replace(recorded, dirty=None).name == clean.name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("python", "3.0"),
        ("libraries", {"numpy": "0"}),
        ("builds", {"zstd": "0"}),
        ("machine", {"cpu": "abacus"}),
        ("commit", "0" * 40),
        ("dirty", None),
    ],
)
def test_its_id_differs_where_anything_differs(recorded: Environment, field: str, value: object) -> None:
    base = dataclasses.replace(recorded, dirty=False)
    assert dataclasses.replace(base, **{field: value}).id != base.id


@pytest.mark.parametrize(("field", "value"), [("libraries", {"numpy": "0"}), ("builds", {"zstd": "0"})])
def test_its_name_differs_with_the_software_alone(recorded: Environment, field: str, value: object) -> None:
    assert dataclasses.replace(recorded, **{field: value}).name != recorded.name
    assert dataclasses.replace(recorded, machine={"cpu": "abacus"}, commit="0" * 40).name == recorded.name


# the commit


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make a clone with one commit and take it for the one that runs; call it for git."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text("1")

    def git(*arguments: str) -> str:
        settings = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *settings, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "m")
    monkeypatch.setattr(environment, "clone_root", lambda: tmp_path)
    return git


def test_a_clean_clone(clone: Callable[..., str]) -> None:
    assert environment._commit() == (clone("rev-parse", "HEAD"), False)


@pytest.mark.parametrize(("name", "dirty"), [("src/code.py", True), ("src/new.py", True), ("results/r.json", False)])
def test_only_changes_to_what_is_measured_with_make_it_dirty(
    clone: Callable[..., str], tmp_path: Path, name: str, dirty: bool
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("changed")
    assert environment._commit() == (clone("rev-parse", "HEAD"), dirty)


def test_an_installed_wheel_has_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "clone_root", lambda: None)
    assert environment._commit() == (None, None)


def test_without_git_the_commit_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "clone_root", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment._commit() == (None, None)


def test_a_folder_that_is_no_repository_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "clone_root", lambda: tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment._commit() == (None, None)


# the machine


@pytest.mark.parametrize(
    ("cpuinfo", "virtual"),
    [({"flags": "fpu sse"}, "false"), ({"flags": "fpu hypervisor"}, "true"), ({}, None)],
)
def test_a_virtual_machine_is_said_to_be_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: dict[str, str], virtual: str | None
) -> None:
    monkeypatch.setattr(environment, "_proc_cpuinfo", lambda: cpuinfo)
    assert environment._machine(tmp_path)["virtual"] == virtual


def test_the_file_system_is_that_of_the_storage_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "file_system_of", lambda folder: SimpleNamespace(kind=f"fs of {folder.name}"))
    (tmp_path / "x").mkdir()
    assert environment._machine(tmp_path / "x")["file_system"] == "fs of x"
