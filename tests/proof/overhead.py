"""What storebench's own machinery adds to a time: against a bare loop around the same calls, interleaved."""

from __future__ import annotations

import gc
import math
import random
import statistics
import time

from sections import Section, image_for, read_case, table

from storebench.grid import Region
from storebench.measurement.operations import workload_for
from storebench.measurement.session import Session
from storebench.results.intervals import ratio_interval

_EDGES = {"1 ms": (22, 1500), "10 ms": (104, 300), "100 ms": (272, 60)}
"""Edge of a cube of deflated TIFF that takes about so long to read, and calls of either kind."""


def overhead() -> Section:
    """Compare medians; a ratio of 1.00 ± 0.01 is asked for."""
    rows, holds = [], True
    for name, (edge, n_calls) in _EDGES.items():
        ours, bare, ratio = _ratio(edge, n_calls)
        holds &= abs(ratio - 1) <= 0.01
        low, high = ratio_interval([a - b for a, b in zip(_logs(ours), _logs(bare), strict=True)], range(n_calls))[1:]
        medians = f"{1e3 * statistics.median(ours):.3f}", f"{1e3 * statistics.median(bare):.3f}"
        rows.append((name, n_calls, *medians, f"{ratio:.4f}", f"{low:.4f} to {high:.4f}"))
    header = (
        "operation of about",
        "calls of either",
        "storebench, ms",
        "bare loop, ms",
        "ratio",
        "95 % interval, paired",
    )
    return Section(table(header, rows), holds)


def _logs(values: list[float]) -> list[float]:
    return [math.log(value) for value in values]


def _ratio(edge: int, n_calls: int) -> tuple[list[float], list[float], float]:
    case = read_case("tiff-tifffile", edge, codec="deflate-6")
    storage, image = image_for(case)
    session = Session(case, image, storage)
    session.start()
    workload = workload_for(case, image, storage)
    backend, location, region = workload.backend, workload.store.location, Region.whole(image.shape)
    order = random.Random(0)
    ours: list[float] = []
    bare: list[float] = []

    def with_storebench() -> None:
        sample = session.sample()
        assert sample is not None
        ours.append(sample.wall_s)

    def in_a_bare_loop() -> None:
        gc.disable()  # as timeit does
        start = time.perf_counter()
        with backend.open(location) as reader:
            values = reader.read(region)
        bare.append(time.perf_counter() - start)
        gc.enable()
        assert values.shape == region.shape  # kept until here: freeing it is no part of reading

    for _ in range(n_calls):
        for call in order.sample([with_storebench, in_a_bare_loop], 2):
            call()
    return ours, bare, statistics.median(ours) / statistics.median(bare)
