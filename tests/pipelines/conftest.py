"""Small volumes in small blocks: everything that a large one does, in a second."""

from __future__ import annotations

import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storebench.backends import WriteRequest
from storebench.codecs import parse_codec
from storebench.datasets import Dataset, open_dataset
from storebench.grid import Layout, Region
from storebench.levels import level_factors
from storebench.pipelines import Target

SHAPE = (40, 52, 70)
"""Ragged for all chunks and shards here."""

Make = Callable[..., Target]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storebench.pipelines._blocks.BLOCK_BYTES", 1 << 15)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return open_dataset("labels_dense", shape=SHAPE, dtype="uint16")


@pytest.fixture
def target(tmp_path: Path, dataset: Dataset) -> Make:
    """Return a function that makes a target; settings as of `WriteRequest`."""

    def make(name: str, backend: str, **settings: Any) -> Target:
        return Target(backend=backend, path=tmp_path / name, request=request_for(dataset, **settings))

    return make


def request_for(
    dataset: Dataset,
    *,
    chunks: tuple[int, ...] | None = (16, 16, 16),
    shards: tuple[int, ...] | None = None,
    codec: str = "none",
    levels: int = 1,
    method: str = "mean",
) -> WriteRequest:
    return WriteRequest(
        shape=dataset.shape,
        dtype=dataset.dtype,
        axes=dataset.axes,
        codec=parse_codec(codec),
        layout=None if chunks is None else Layout(chunk_shape=chunks, shard_shape=shards),
        level_factors=level_factors(dataset.axes, dataset.shape, levels),
        level_method=method,
    )


def differing(one: Path, other: Path) -> list[str]:
    """Return the files that two folders do not have in common, byte by byte."""
    names = {str(p.relative_to(root)) for root in (one, other) for p in root.rglob("*") if p.is_file()}
    _, mismatch, errors = filecmp.cmpfiles(one, other, sorted(names), shallow=False)
    return mismatch + errors


class Broken:
    """A dataset whose disk has gone."""

    def __init__(self, dataset: Dataset) -> None:
        self.name, self.shape, self.dtype, self.axes = dataset.name, dataset.shape, dataset.dtype, dataset.axes
        self.seed = dataset.seed

    def read(self, region: Region) -> np.ndarray:
        raise OSError("gone")
