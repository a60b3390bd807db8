"""Published volumes: nothing at import, a clear error without network, and the right file out of the record."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from storebench.datasets.reference import DOI, REFERENCES, open_reference
from storebench.datasets.synthetic import make
from storebench.errors import DataError, UnknownNameError
from storebench.grid import Region


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("the network is off in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


class FakeRecord:
    """What `pooch.create` gives, with a record that exists only here."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.files = files
        self.registry: dict[str, str] = {}
        self.asked = 0

    def load_registry_from_doi(self) -> None:
        self.asked += 1
        self.registry = dict.fromkeys(self.files, "md5:0")

    def fetch(self, name: str) -> str:
        return str(self.files[name])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replace `open_file` and note what it is given."""
    paths: list[Path] = []

    def open_file(path: Path, *, axes: str | None = None) -> object:
        paths.append(path)
        return make("chapter2d")

    module = types.ModuleType("storebench.datasets.files")
    module.open_file = open_file  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "storebench.datasets.files", module)
    return paths


def record(monkeypatch: pytest.MonkeyPatch, files: dict[str, Path]) -> FakeRecord:
    import pooch

    fake = FakeRecord(files)
    monkeypatch.setattr(pooch, "create", lambda **_: fake)
    return fake


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_without_network_a_sentence_says_what_to_do(name: str, tmp_path: Path, no_network: None) -> None:
    with pytest.raises(DataError, match=f"doi.org/{DOI}") as caught:
        open_reference(name, tmp_path)
    assert name in str(caught.value)
    assert "synthetic" in str(caught.value)
    assert not list(tmp_path.iterdir()), "nothing half-written"


def test_importing_loads_neither_pooch_nor_a_network_library() -> None:
    code = (
        "import sys, storebench.datasets.reference; print(sorted({'pooch', 'requests', 'urllib3'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"


def test_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean heart"):
        open_reference("hart", "unused")


def test_archive_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Path]) -> None:
    file_name = REFERENCES["dense"].file_name
    folder = file_name.removesuffix(".zip")
    archive = zipped(tmp_path / file_name, {f"{folder}/.zarray": "{}", f"{folder}/0.0.0": "voxels"})
    fake = record(monkeypatch, {file_name: archive, "other_heart.zip": archive})
    for _ in range(2):
        dataset = open_reference("dense", tmp_path)
    assert fake.asked == 1, "the record is asked once; afterwards the cache works without network"
    assert opened == [tmp_path / folder] * 2
    assert (tmp_path / folder / "0.0.0").read_text() == "voxels"
    assert {entry.name for entry in tmp_path.iterdir()} == {file_name, folder, "zenodo-15544055.json"}
    assert (dataset.name, dataset.seed, dataset.shape, dataset.axes) == ("dense", None, (32, 32), "yx")
    assert DOI in dataset.source
    np.testing.assert_array_equal(dataset.read(Region((1, 2), (3, 4))), make("chapter2d").read(Region((1, 2), (3, 4))))


def test_archive_without_a_top_folder_is_the_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Path]
) -> None:
    archive = zipped(tmp_path / "sparse.zarr.zip", {".zarray": "{}", "0/0/0": "voxels"})
    record(monkeypatch, {"H01-PROOFREAD.zarr.zip": archive})
    open_reference("sparse", tmp_path)
    assert (opened[0] / ".zarray").exists()


def test_renamed_file_is_found_by_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Path]) -> None:
    image = tmp_path / "New_Heart.tif"
    image.write_bytes(b"II")
    record(monkeypatch, {"New_Heart.tif": image, "readme.md": image})
    open_reference("heart", tmp_path)
    assert opened == [image]


def test_ambiguous_or_missing_file_lists_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(monkeypatch, {"heart_a.zip": tmp_path, "heart_b.zip": tmp_path})
    with pytest.raises(DataError, match=r"heart_a\.zip, heart_b\.zip"):
        open_reference("heart", tmp_path)
    with pytest.raises(DataError, match="0 with 'proofread'"):
        open_reference("sparse", tmp_path)


def test_damaged_archive_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "x.zip"
    broken.write_bytes(b"this is no archive")
    record(monkeypatch, {REFERENCES["heart"].file_name: broken})
    with pytest.raises(DataError, match="could not be downloaded"):
        open_reference("heart", tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"x.zip", "zenodo-15544055.json"}
