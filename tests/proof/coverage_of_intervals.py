"""Whether the 95 % interval of the difference of two runs of the same holds no difference, quiet and beside busy loops."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator

from sections import Section, image_for, read_case, table

from storebench.measurement.sampler import SamplingRule, sample_cases
from storebench.records import Case, Sample
from storebench.results.intervals import median_ratio_interval

_RUNS = 12
_CASES: tuple[Case, ...] = (
    read_case("zarr3-zarrpython", chunk_shape=(32, 32, 32), codec="zstd-3"),
    read_case("zarr3-zarrpython", chunk_shape=(32, 32, 32), codec="zstd-3", pattern="plane_xz"),
    read_case("zarr3-zarrpython", chunk_shape=(32, 32, 32), codec="zstd-3", operation="write"),
    read_case("zarr3-zarrpython", chunk_shape=(16, 16, 16), shard_shape=(64, 64, 64), codec="none"),
    read_case("tiff-tifffile", codec="deflate-6"),
    read_case("tiff-tifffile", codec="deflate-6", operation="write"),
    read_case("npy-numpy", pattern="plane_xz"),
    read_case("hdf5-h5py", chunk_shape=(32, 32, 32), codec="deflate-5"),
)


def coverage() -> Section:
    """Count how often; 90 % is asked for."""
    quiet, loaded = _counted(), None
    with _two_busy_loops():
        loaded = _counted()
    rows = [
        (name, n, inside, f"{100 * inside / n:.1f} %")
        for name, (n, inside) in {"as it was": quiet, "two busy loops beside": loaded}.items()
    ]
    holds = all(inside / n >= 0.9 for n, inside in (quiet, loaded))
    return Section(table(("machine", "pairs of runs", "interval holds 0", "share"), rows), holds)


@contextlib.contextmanager
def _two_busy_loops() -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _counted() -> tuple[int, int]:
    storage, image = image_for(_CASES[0])
    runs = []
    for seed in range(_RUNS):
        rows = sample_cases([(case, image.key) for case in _CASES], storage, SamplingRule(seed=seed, max_samples=15))
        runs.append({name: [s for s in row.samples if s.counts] for name, row in rows.items()})
    inside = n = 0
    for a, b in itertools.pairwise(runs):
        for name in a:
            interval = median_ratio_interval(
                _walls(a[name]), _processes(a[name]), _walls(b[name]), _processes(b[name]), confidence=0.95
            )
            assert interval.low is not None
            assert interval.high is not None
            n, inside = n + 1, inside + (interval.low <= 1 <= interval.high)
    return n, inside


def _walls(samples: list[Sample]) -> list[float]:
    return [s.wall_s for s in samples]


def _processes(samples: list[Sample]) -> list[str]:
    return [s.process_id for s in samples]
