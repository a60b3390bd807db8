"""Run by test_threads in a process of its own: holds the backends of one library to a number of threads, and measures them.

Prints one JSON object: backend → the sentence with which it refused, or the CPU time ÷ wall time of its reads, of the codec
for which it is the largest.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from storebench.backends import BACKENDS, Backend, WriteRequest, write_array
from storebench.codecs import parse_codec
from storebench.grid import Layout, Region
from storebench.stores import Location

_CODECS = (
    *(
        "zstd-3",
        "blosc-zstd-3-shuffle",
        "blosc-zstd-1-bitshuffle",
        "deflate-3",
        "png-3",
        "jp2-lossless",
        "htj2k-lossless",
    ),
    *("jxl-lossless-3", "jls-lossless", "jxr-lossless", "lerc-lossless", "gzip-3", "none"),
)
_CODECS_UNDER_A_SECOND_LIMIT = 2
_CALLS, _LEAST_CALLS, _LEAST_S = 60, 3, 0.1


def _requests(backend: Backend) -> list[WriteRequest]:
    """Return a request per codec that the backend takes, with many chunks where it takes chunks."""
    found = []
    for codec in map(parse_codec, _CODECS):
        for shape, chunk in (((64, 128, 128), (16, 32, 32)), ((64, 128, 128), None), ((512, 512), None)):
            layout = None if chunk is None else Layout(chunk_shape=chunk)
            request = WriteRequest(
                shape=shape, dtype=np.dtype("uint16"), axes="zyx"[-len(shape) :], codec=codec, layout=layout
            )
            if backend.why_unsupported(Location(Path("nowhere")), request) is None:
                found.append(request)
                break
    return found


def _ratio(backend: Backend, request: WriteRequest, folder: Path) -> float:
    """Return the median CPU time ÷ wall time of reads of the whole image, a freshly opened reader each.

    One that hands over to another thread has both at work for an instant, which the largest of short calls would make much of.
    """
    values = np.random.default_rng(3).normal(1000, 30, request.shape).astype(request.dtype)
    location = Location(folder / f"{request.codec.name}{backend.suffix}")
    write_array(backend, location, request, (values,))
    ratios, began = [], time.perf_counter()
    for n in range(_CALLS):
        wall, cpu = time.perf_counter(), time.process_time()
        with backend.open(location) as reader:
            found = reader.read(Region.whole(request.shape))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if n:  # the first call imports, allocates and starts threads
            ratios.append(cpu / wall)
        assert np.array_equal(found, values) or not request.codec.lossless
        if n >= _LEAST_CALLS and time.perf_counter() - began > _LEAST_S:
            break
    return statistics.median(ratios)


def main(library: str, *limits: str) -> None:
    """Apply each limit in turn (none: "-"), then measure."""
    told: dict[str, float | str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for backend in BACKENDS.values():
            if backend.library != library or backend.why_unavailable() is not None:
                continue
            sentences = [backend.limit_threads(int(limit)) for limit in limits if limit != "-"]
            place = Path(folder) / backend.name
            place.mkdir()
            requests = _requests(backend)[: _CODECS_UNDER_A_SECOND_LIMIT if len(limits) > 1 else None]
            ratios = [_ratio(backend, request, place) for request in requests]
            told[backend.name] = next((s for s in sentences if s is not None), max(ratios))
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
