"""The commands that look and count: list, measure, clean, doctor, report, export; and what they say when something is wrong."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import Result

from storebench.backends import BACKENDS
from storebench.cli import _group
from storebench.cli._errors import explain_error
from storebench.cli._output import Output
from storebench.errors import (
    DataError,
    MissingDependencyError,
    NothingSelectedError,
    StorageError,
    UnsupportedError,
    VerificationError,
)
from storebench.records import SCHEMA_VERSION

Run = Callable[..., Result]

CASE = ("measure", "ct", "--shape", "24,24,24", "--samples", "3", "--backend")


def words(text: str) -> str:
    return " ".join(text.split())


def test_list_backends_has_the_promised_keys(run: Run) -> None:
    document = json.loads(run("list", "backends", "--json").stdout)
    assert [entry["name"] for entry in document] == list(BACKENDS)
    for entry in document:
        assert {
            "name",
            "format",
            "library",
            "version",
            "available",
            "why_not",
            "extra",
            "partial_read",
            "facts",
        } <= set(entry)
        assert entry["available"] == (entry["why_not"] is None)


def test_list_backends_takes_less_than_two_seconds(cpu_seconds: Callable[..., float]) -> None:
    assert cpu_seconds("list", "backends") < 2.0
    assert cpu_seconds("list", "backends", "--json") < 2.0


def test_list_backends_imports_no_format_library() -> None:
    code = (
        "import sys\nfrom storebench.cli import app\n"
        "try: app.main(['list', 'backends'], 'storebench')\nexcept SystemExit: pass\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # glymur is imported: only then it is known whether it finds an OpenJPEG.
    assert not {"zarr", "numcodecs", "tifffile", "imagecodecs", "imageio", "h5py"} & set(
        done.stdout.partition("MODULES")[2].split()
    )


@pytest.mark.parametrize("what", ["backends", "datasets", "formats"])
def test_lists_are_arrays_and_keep_to_80_columns(run: Run, what: str) -> None:
    document = json.loads(run("list", what, "--json").stdout)
    assert all(entry["name"] for entry in document)
    assert max(map(len, run("list", what, env={"COLUMNS": "80"}).stdout.splitlines())) <= 80


def test_measure_prints_what_was_found(run: Run) -> None:
    result = run(*CASE, "zarr3-zarrpython", "--chunks", "16,16,16", "--codec", "zstd-3", "--pattern", "plane_xz")
    assert result.exit_code == 0, result.output
    text = words(result.stdout)
    for expected in (
        "ct, 24x24x24 uint16, axes zyx",
        "chunks 16x16x16, zstd-3",
        "Read plane_xz",
        "576 voxels asked",
        "in 9 files",
        "came back equal",
    ):
        assert expected in text


def test_measure_json_is_the_row(run: Run) -> None:
    row = json.loads(run(*CASE, "npy-numpy", "--json").stdout)
    assert row["schema_version"] == SCHEMA_VERSION
    assert row["status"] == "ok"
    assert row["shape"] == [24, 24, 24]
    assert row["chunk_shape"] is None
    assert row["threads"] is None
    assert len(row["samples_s"]) == 3


def test_measure_says_which_axes_are_assumed(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "my [image].npy", np.arange(8 * 9 * 10, dtype="uint16").reshape(8, 9, 10))
    result = run("measure", "my [image].npy", "--backend", "npy-numpy", "--samples", "1")
    assert result.exit_code == 0, result.output
    assert "axes zyx (assumed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((*CASE, "zarr3-zarrpython", "--codec", "zsdt-3"), 2, "Did you mean zstd-3"),
        ((*CASE, "zarr3-zarpython"), 2, "Did you mean zarr3-zarrpython"),
        (
            (*CASE, "zarr3-zarrpython", "--chunks", "8,8,8", "--shards", "12,12,12"),
            2,
            "must be a multiple of the chunk shape",
        ),
        ((*CASE, "zarr3-zarrpython", "--pattern", "plain_xz"), 2, "Did you mean plane_xz"),
        ((*CASE, "png-imageio", "--codec", "png-6"), 2, "holds images of 2 axes"),
        ((*CASE, "npy-numpy", "--codec", "zstd-3"), 2, "no codec zstd-3"),
        (("measure", "missing.tif", "--backend", "npy-numpy"), 3, "missing.tif"),
        (("measure", "cta", "--backend", "npy-numpy"), 2, "Did you mean"),
        (("measure", "broken.tif", "--backend", "npy-numpy"), 3, "broken.tif"),
        (
            ("measure", "ct", "--backend", "npy-numpy", "--shape", "8,8,8", "--storage", "full"),
            3,
            "cannot be a storage root",
        ),
        ((*CASE, "npy-numpy", "--operation", "write", "--cache", "cold"), 2, "cache cold is for reads and opens"),
        ((*CASE, "npy-numpy", "--durability", "durable"), 2, "add --operation write"),
        ((*CASE, "npy-numpy", "--half-width", "3%"), 2, "add --engine paired"),
        ((*CASE, "npy-numpy", "--engine", "paired"), 2, "--samples is for the engine direct"),
        (("run", "--budget", "60"), 2, "add --engine paired"),
        (("run", "--engine", "paired", "--half-width", "0.03"), 2, "write it as in 5%"),
        (("run", "--suite", "raed"), 2, "Did you mean read"),
        (("run", "--tier", "smok"), 2, "Did you mean smoke"),
        (("run", "--suite", "open", "--resume"), 5, "leave out --resume"),
        (("run", "--suite", "open", "--results", "broken.tif"), 2, "is a file"),
        (("run", "--suite", "open", "--results", "/proc/storebench"), 3, "cannot be written"),
        (("export", "nowhere"), 3, "nowhere"),
        (("export", "--format", "parquet"), 2, "name a file with -o"),
        (("clean", "--storage", "full"), 3, "nothing in it is removed"),
        (("clean", "--all", "--keep", "1GiB"), 2, "give one of them"),
        (("clean", "--keep", "lots"), 2, "no number of bytes"),
    ],
)
def test_what_is_wrong_is_a_sentence_with_an_exit_code(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    (tmp_path / "broken.tif").write_bytes(b"II*\0 this is no TIFF")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert sentence in words(result.stderr)
    assert result.stdout == ""
    assert "Traceback" not in result.output
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk is full: /x/y. Make room"),
        (errno.EDQUOT, "quota is used up: /x/y"),
        (errno.EROFS, "read-only: /x/y. Name another folder"),
        (errno.EACCES, "no permission: /x/y"),
        (errno.EPERM, "no permission: /x/y"),
        (errno.ENOENT, "no such file or folder: /x/y"),
        (errno.EIO, "Check the file and the disk"),
    ],
)
def test_errors_of_the_system_say_what_to_do(number: int, sentence: str) -> None:
    explained = explain_error(OSError(number, os.strerror(number), "/x/y"), "measure")
    assert sentence in explained.text
    assert explained.exit_code == 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_of_a_volume_says_how_to_go_on(number: int) -> None:
    explained = explain_error(OSError(number, "", "/x/y"), "convert")
    assert "is full: /x/y. Make room and give the same command again with --resume" in explained.text


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnsupportedError("no"), 2),
        (MissingDependencyError("no"), 3),
        (DataError("no"), 3),
        (StorageError("no"), 3),
        (VerificationError("no"), 4),
        (NothingSelectedError("no"), 5),
        (ModuleNotFoundError("no", name="h5py"), 3),
        (MemoryError(), 4),
        (ZeroDivisionError("no"), 4),
        (click.FileError("x"), 3),
        (click.UsageError("x"), 2),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert explain_error(error, None).exit_code == code


def test_the_unexpected_says_how_to_get_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("one [by] zero")

    monkeypatch.setattr(_group.StorebenchGroup, "get_command", broken)
    result = run("doctor")
    assert result.exit_code == 4
    assert "one [by] zero" in result.stderr
    assert "--debug" in result.stderr
    assert isinstance(run("--debug", "doctor").exception, ZeroDivisionError)


def test_ctrl_c_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object, ctx: click.Context, __: str) -> None:
        ctx.ensure_object(Output).after_interrupt = "Go on with: storebench run --resume"
        raise KeyboardInterrupt

    monkeypatch.setattr(_group.StorebenchGroup, "get_command", interrupted)
    result = run("run")
    assert result.exit_code == 130
    assert "storebench run --resume" in result.stderr


def test_a_full_disk_behind_stdout_is_a_sentence() -> None:
    code = "from storebench.cli import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, "list", "codecs"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_clean(run: Run) -> None:
    assert "Nothing to remove" in words(run("clean").stdout)
    assert run(*CASE, "npy-numpy").exit_code == 0
    seen = json.loads(run("clean", "--dry-run", "--json").stdout)
    assert seen["entries_before"] == seen["entries_after"] >= 1
    kept = json.loads(run("clean", "--keep", "1GiB", "--json").stdout)
    assert kept["freed_bytes"] == 0
    done = json.loads(run("clean", "--all", "--json").stdout)
    assert done["entries_after"] == 0
    assert done["freed_bytes"] > 24**3 * 2
