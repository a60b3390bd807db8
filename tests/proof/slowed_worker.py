"""A worker whose timed calls take 10 % longer, by work that is really done inside the clock."""

from __future__ import annotations

import time

from storebench.measurement import worker
from storebench.measurement.blocks import DecodeWorkload, EncodeWorkload
from storebench.measurement.workload import Workload
from storebench.measurement.writes import WriteWorkload

_SHARE = 0.10


def _slow(workload: type[Workload]) -> None:
    honest = workload._call

    def call(self: Workload) -> None:
        start = time.perf_counter()
        honest(self)
        until = time.perf_counter() + _SHARE * (time.perf_counter() - start)
        while time.perf_counter() < until:
            pass

    workload._call = call


for one in (Workload, WriteWorkload, EncodeWorkload, DecodeWorkload):
    _slow(one)
worker.main()
