"""`storebench generate`, `convert`, `verify`: from a name to a verified OME-Zarr, with what is said on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import Result

Run = Callable[..., Result]

_ZARR = ("--backend", "zarr3-zarrpython", "--chunks", "16,16,16", "--shards", "32,32,32", "--codec", "zstd-3")
_OME = ("--backend", "omezarr-0.5-zarrpython", "--chunks", "16,16,16", "--levels", "3", "--spacing", "2,1,1")


def test_from_a_name_to_a_verified_image(run: Run, tmp_path: Path) -> None:
    made = run("generate", "ct", "a.zarr", "--shape", "40,48,56", *_ZARR, "--threads", "2")
    assert made.exit_code == 0
    assert made.stdout.splitlines()[0].startswith("a.zarr: ")
    assert "2 threads" in made.stdout
    assert "peak memory" in made.stdout
    converted = run("convert", "a.zarr", "a.ome.zarr", *_OME, "--threads", "1", "--json")
    told = json.loads(converted.stdout)
    assert (told["target"], told["workers"], told["n_resumed"]) == ("a.ome.zarr", "1 thread", 0)
    assert told["logical_bytes"] == 2 * (40 * 48 * 56 + 40 * 24 * 28 + 20 * 12 * 14)
    assert told["total_peak_bytes"] == told["client_peak_bytes"] > 0
    verified = run("verify", "a.ome.zarr", "--against", "a.zarr", "--threads", "1")
    assert verified.exit_code == 0
    lines = verified.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["level", str(n)] for n in range(3)]
    assert all("equal to the bit  sha256 " in line for line in lines[:3])
    other = json.loads(run("verify", "a.zarr", "--against", "ct", "--threads", "1", "--json").stdout)
    assert other["levels"][0]["digest"] == lines[0].split()[-1]


def test_an_unfinished_image_is_not_verified(run: Run) -> None:
    run("generate", "ct", "a.zarr", "--shape", "20,20,20", *_ZARR, "--threads", "1")
    Path("a.zarr.progress.jsonl").touch()  # as a killed run leaves it
    for arguments in (("a.zarr",), ("ct", "--against", "a.zarr")):
        result = run("verify", *arguments)
        assert result.exit_code == 3
        assert "a.zarr is unfinished" in result.stderr
        assert "--resume" in result.stderr


def test_what_differs_ends_with_4_and_says_where(run: Run) -> None:
    run("generate", "ct", "a.zarr", "--shape", "20,20,20", *_ZARR, "--threads", "1")
    told = run("verify", "a.zarr", "--against", "ct", "--seed", "1", "--threads", "1")
    assert told.exit_code == 4
    assert "voxels differ by up to" in told.stdout
    assert "Error: level 0: " in told.stderr
    assert "the first at (0, 0, 0)" in " ".join(told.stderr.split())


@pytest.mark.parametrize(
    ("backend", "words", "is_kept"),
    [
        ("zarr3-zarrpython", "What is done is kept: go on with the same command and --resume", True),
        ("hdf5-h5py", "Nothing is kept, as HDF5 keeps its tables of chunks in memory", False),
        ("tiff-tifffile", "Nothing is kept, as tiff-tifffile writes its file from the beginning to the end", False),
    ],
)
def test_after_an_interrupt_it_is_said_what_is_left(
    run: Run, monkeypatch: pytest.MonkeyPatch, backend: str, words: str, is_kept: bool
) -> None:
    @contextmanager
    def interrupted(_: object) -> Iterator[Callable[[object], None]]:
        def show(_: object) -> None:
            raise KeyboardInterrupt

        yield show

    monkeypatch.setattr("storebench.cli.volumes.progress_shown", interrupted)
    told = run("generate", "ct", "a", "--shape", "20,20,20", "--backend", backend, "--threads", "1")
    assert told.exit_code == 130
    assert f"Interrupted. {words}" in " ".join(told.stderr.split())
    assert Path("a").exists() == is_kept


def test_nothing_is_converted_into_its_own_source(run: Run) -> None:
    Path("scan").mkdir()
    for z in range(2):
        tifffile.imwrite(Path("scan") / f"{z}.tif", np.zeros((8, 8), "uint8"))
    told = run("convert", "scan", "scan/b.zarr", *_ZARR)
    assert told.exit_code == 2
    assert "choose a target outside of the source" in " ".join(told.stderr.split())
    assert sorted(file.name for file in Path("scan").iterdir()) == ["0.tif", "1.tif"]


def test_errors_name_what_to_type_next(run: Run) -> None:
    for arguments, code, words in (
        (("generate", "cta", "a.zarr", *_ZARR), 2, "Did you mean ct"),
        (
            ("generate", "ct", "a.h5", "--backend", "hdf5-h5py", "--threads", "1", "--workers", "1"),
            2,
            "exclude each other",
        ),
        (("generate", "ct", "a.zarr", *_ZARR, "--resume"), 5, "leave out --resume"),
        (("convert", "a.zarr", "b.zarr", *_ZARR), 3, "check the spelling"),
        (("convert", "ct", "b.zarr", *_OME[:-1], "1,1"), 2, "different numbers of axes"),
        (("convert", "ct", "b.zarr", *_OME[:-1], "a"), 2, "is no spacing"),
        (("generate", "ct", "b.zarr", "--backend", "zarr3-zarrpython", "--shards", "8,8,8"), 2, "without --chunks"),
        (("generate", "ct", "b.zarr", *_OME, "--level-method", "mea", "--threads", "1"), 2, "Did you mean mean"),
    ):
        told = run(*arguments)
        assert (told.exit_code, words in " ".join(told.stderr.split())) == (code, True), told.stderr
        assert not Path("b.zarr").exists()
