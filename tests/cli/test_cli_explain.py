"""`storebench explain`: the chapter's numbers, and sentences for what cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from storebench.records import SCHEMA_VERSION

Run = Callable[..., Result]


CHAPTER = ("explain", "--shape", "10,10,20", "--region", "2:4,3:5,2:4")


@pytest.mark.parametrize(
    ("chunks", "touched", "decoded", "amplification"),
    [("2,2,3", 4, 48, 6.0), ("10,10,1", 2, 200, 25.0), ("10x10x20", 1, 2000, 250.0)],
)
def test_chapter(run: Run, chunks: str, touched: int, decoded: int, amplification: float) -> None:
    document = json.loads(run(*CHAPTER, "--chunks", chunks, "--json").stdout)
    assert document["schema_version"] == SCHEMA_VERSION
    assert document["chunks_touched"] == touched
    assert document["voxels_asked"] == 8
    assert document["voxels_decoded"] == decoded
    assert document["read_amplification"] == amplification
    assert document["shape"] == [10, 10, 20]
    assert document["shards_touched"] is None


def test_words(run: Run) -> None:
    text = " ".join(run(*CHAPTER, "--chunks", "2,2,3").stdout.split())
    assert "You asked for 8 voxels; 4 of 175 chunks hold them; 48 voxels are decoded: 6.00 times as many." in text


def test_shards_and_bytes(run: Run) -> None:
    document = json.loads(run(*CHAPTER, "--chunks", "2,2,3", "--shards", "4,4,6", "--dtype", "uint16", "--json").stdout)
    assert document["shards_touched"] == 2
    assert document["asked_bytes"] == 16
    assert document["decoded_bytes"] == 96


def test_pattern(run: Run) -> None:
    document = json.loads(
        run("explain", "--shape", "64,64,64", "--chunks", "32,32,32", "--pattern", "plane_xz", "--json").stdout
    )
    assert document["chunks_touched"] == 4
    assert document["voxels_asked"] == 64 * 64


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--chunks", "2,2,3", "--region", "2:4,3:5,2:44"), "reaches outside the image"),
        (("--chunks", "2,2,3", "--region", "2:4,3:5"), "has 2 axes"),
        (("--chunks", "2,2", "--region", "2:4,3:5,2:4"), "has 2 axes"),
        (("--chunks", "2,2,0", "--region", "2:4,3:5,2:4"), "is no shape"),
        (("--chunks", "2,2,3", "--region", "4:2,3:5,2:4"), "start < stop"),
        (("--chunks", "2,2,3", "--region", "a,b"), "is no region"),
        (("--chunks", "2,2,3"), "--region"),
        (("--chunks", "2,2,3", "--region", "2:4,3:5,2:4", "--pattern", "whole"), "either --region"),
        (("--chunks", "2,2,3", "--shards", "4,4,4", "--region", "2:4,3:5,2:4"), "must be a multiple"),
        (("--chunks", "2,2,3", "--region", "2:4,3:5,2:4", "--dtype", "uint17"), "no type of numpy"),
        (("--chunks", "2,2,3", "--pattern", "plne_xz"), "Did you mean plane_xz"),
        (("--chunks", "2,2,3", "--pattern", "plane_xz", "--axes", "yx"), "names 2 axes"),
    ],
)
def test_impossible_settings_are_a_sentence(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    result = run("explain", "--shape", "10,10,20", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert result.stdout == ""
