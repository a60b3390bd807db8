"""Engines: what a failure leaves running."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import dask
import distributed
import numpy as np
import pytest
from distributed import LocalCluster

from storebench.datasets import open_dataset
from storebench.errors import StorageError
from storebench.grid import Region
from storebench.pipelines import block_work, engine_for, region_array


@pytest.mark.parametrize("workers", [{"threads": 2}, {"workers": 2}], ids=str)
def test_nobody_works_any_more_when_one_has_failed(tmp_path: Path, workers: dict[str, Any]) -> None:
    """One block fails while another is being written: that is over when the failure is told."""

    def work(index: int, values: np.ndarray) -> int:
        if index == 0:
            while not (tmp_path / "begun-1").exists():
                time.sleep(0.01)
            raise OSError("disk gone")
        (tmp_path / f"begun-{index}").touch()
        time.sleep(0.5)
        (tmp_path / f"ended-{index}").touch()
        return index

    def works() -> Any:
        for index in range(4):
            voxels = region_array(open_dataset("constant", shape=(2, 2), dtype="uint8"), Region((0, 0), (2, 2)))
            yield block_work(index, lambda values, index=index: work(index, values), voxels)

    with engine_for(**workers) as engine:
        with pytest.raises(OSError, match="disk gone"):
            engine.run(works(), lambda done: None)
        names = [sorted(p.name[-1] for p in tmp_path.glob(f"{what}-*")) for what in ("begun", "ended")]
        time.sleep(0.1)
        assert names[0] == names[1] == sorted(p.name[-1] for p in tmp_path.glob("begun-*"))
        assert "1" in names[0]


def test_a_scheduler_that_no_worker_comes_to_says_how_to_start_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storebench.pipelines._engines._CONNECT_S", 1)
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(StorageError, match=rf"{address} has no workers.* dask worker {address}"):
            with engine_for(scheduler=address):
                pass


def test_what_else_this_process_computes_with_dask_stays_here() -> None:
    """A cluster that became the default would take the work of a user's notebook, and of a library that is measured."""
    with engine_for(workers=1):
        assert dask.config.get("scheduler", None) is None
        with pytest.raises(ValueError, match="No clients found"):
            distributed.default_client()
