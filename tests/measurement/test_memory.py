"""Peak memory: a known allocation is seen within a few per cent, of any operation, in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from storebench.measurement._counting_process import ask
from storebench.measurement.images import image_of
from storebench.measurement.operations import _WORKLOADS
from storebench.records import OPERATIONS, Case, to_json
from storebench.storage import Storage

MIB = 2**20

_ALLOCATING = """
import json, sys
import numpy as np
from storebench.measurement.memory import peak_memory

class Allocating:
    '''A workload that holds so many bytes for a moment, and a tenth of them at the end.'''
    def prepare(self): self.kept = None
    def run(self):
        passing = np.ones(int(sys.argv[1]), np.uint8)
        self.kept = passing[: len(passing) // 10].copy()
    def conclude(self): self.kept = None

print(json.dumps(peak_memory(Allocating())))
"""


_IN_A_THREAD = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from storebench.measurement import memory

for name in sys.argv[1:]:
    getattr(memory, name)()
work = lambda: np.ones(8 * 2**20, np.uint8) is None
with ThreadPoolExecutor(1) as pool:
    for _ in range(3):
        pool.submit(work).result()
    with memory.peak_growth() as growth:
        pool.submit(work).result()
print(growth.n_bytes)
"""


def _seen_in_a_thread(*settings: str) -> float:
    command = [sys.executable, "-c", _IN_A_THREAD, *settings]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / MIB


def test_what_a_thread_uses_again_is_seen() -> None:
    assert _seen_in_a_thread("give_back_what_is_freed") == pytest.approx(8, abs=0.5)


def test_without_it_glibc_keeps_it_and_nothing_is_seen() -> None:
    assert _seen_in_a_thread() < 1
    assert _seen_in_a_thread("give_back_what_is_freed", "keep_what_is_freed") < 1


@pytest.mark.parametrize("mib", [100, 400])
def test_an_allocation_is_seen_within_three_per_cent(mib: int) -> None:
    command = [sys.executable, "-c", _ALLOCATING, str(mib * MIB)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found / MIB == pytest.approx(mib * 1.1, rel=0.03)


def test_every_operation_can_be_asked_for_its_memory() -> None:
    assert set(_WORKLOADS) == set(OPERATIONS)


@pytest.mark.parametrize(
    ("case", "least", "most"),
    [
        # uncompressed: zarr 3.1 makes a chunk ready, zarr 3.4 writes it as it is; the result of a read is all of the image
        ({"operation": "write"}, 0, 64),
        ({"operation": "read"}, 31, 70),
        ({"operation": "append", "pattern": "stream16"}, 0, 64),
        ({"operation": "overwrite", "pattern": "plane_xz"}, 31, 120),  # a plane across touches every chunk
        ({"operation": "build_levels", "n_levels": 2}, 31, 200),
        ({"operation": "open"}, 0, 4),
        ({"operation": "list"}, 0, 4),
        ({"operation": "delete"}, 0, 4),
        ({"operation": "encode", "codec": "zstd-3"}, 4, 80),
        ({"operation": "decode", "codec": "zstd-3"}, 4, 80),
    ],
    ids=lambda value: value["operation"] if isinstance(value, dict) else "",
)
def test_every_operation_has_its_peak(case: dict[str, Any], least: int, most: int, storage: Storage) -> None:
    image = image_of(storage, "random", (64, 512, 512), "uint16", 0)  # 32 MiB
    settings = {"backend": "omezarr-0.5-zarrpython", "codec": "none", "chunk_shape": (16, 512, 512)} | case
    asked = Case(dataset="random", shape=image.shape, dtype="uint16", axes="zyx", **settings)
    place = {"storage": str(storage.root), "limit_bytes": storage.limit_bytes, "image_key": image.key}
    found = ask({**place, "case": to_json(asked), "do": "memory"})
    assert least <= found / MIB <= most
