"""How the limit on threads is kept by libraries with pools or settings of their own. All backends: contract/test_threads."""

from __future__ import annotations

import subprocess
import sys

_WRITE_AND_READ = """
import os, sys, tempfile
from pathlib import Path
import numpy as np
from storebench.backends import WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.grid import Layout, Region
from storebench.stores import Location

def use(name, shape=(64, 64, 64), codec="zstd-3", chunk=(16, 16, 16)):
    backend = get_backend(name)
    values = np.arange(np.prod(shape)).reshape(shape).astype("uint16")
    layout = chunk and Layout(chunk_shape=chunk)
    request = WriteRequest(
        shape=shape, dtype=values.dtype, axes="zyx"[-len(shape):], codec=parse_codec(codec), layout=layout
    )
    with tempfile.TemporaryDirectory() as folder:
        location = Location(Path(folder) / ("image" + backend.suffix))
        write_array(backend, location, request, (values,))
        with backend.open(location) as reader:
            np.testing.assert_array_equal(reader.read(Region.whole(shape)), values)
"""


def _run(code: str) -> list[str]:
    """Run code in a fresh process, since the limits hold for a process's whole life, and return the lines that it prints."""
    done = subprocess.run([sys.executable, "-c", _WRITE_AND_READ + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_zarrs_pool_has_the_size_of_the_limit() -> None:
    printed = _run("""
import threading, zarr
print(get_backend("zarr3-zarrpython").limit_threads(3))
use("zarr3-zarrpython")
names = [thread.name for thread in threading.enumerate()]
print(1 <= sum(name.startswith("zarr_pool") for name in names) <= 3, sum(name.startswith("asyncio") for name in names))
print(zarr.config.get("async.concurrency"), zarr.config.get("threading.max_workers"))
print(get_backend("zarr2-zarrpython").limit_threads(3))
print(get_backend("zarr2-zarrpython").limit_threads(2))
""")
    refusal = "this process already runs zarr with 3 threads, not 2; start a fresh process"
    assert printed == ["None", "True 0", "3 3", "None", refusal]


def test_zarr_that_was_used_without_a_limit_can_be_held_to_one() -> None:
    """The one of the right size takes the place of its event loop's own pool, whose threads end."""
    printed = _run("""
import threading
use("zarr3-zarrpython")
idle = {thread for thread in threading.enumerate() if thread.name.startswith("asyncio")}
print(len(idle) > 0, get_backend("zarr3-zarrpython").limit_threads(1))
for _ in range(3):
    use("zarr3-zarrpython")
after = set(threading.enumerate())
print({thread for thread in after if thread.name.startswith("asyncio")} <= idle)
print(sum(thread.name.startswith("zarr_pool") for thread in after))
""")
    assert printed == ["True None", "True", "1"]


def test_zarrs_fused_pipeline_is_held_too() -> None:
    printed = _run("""
import zarr
backend = get_backend("zarr3-zarrpython")
if zarr.config.get("codec_pipeline.max_workers", "unknown") == "unknown":
    print("None\\nTrue")  # zarr 3.1 has no such pipeline
    sys.exit()
zarr.config.set({"codec_pipeline.path": "zarr.core.codec_pipeline.FusedCodecPipeline", "codec_pipeline.max_workers": 4})
use("zarr3-zarrpython")
print(backend.limit_threads(4))
print("already runs zarr with 4 threads" in backend.limit_threads(2))
""")
    assert printed == ["None", "True"]


def test_openjpegs_threads_are_set_for_each_library_and_for_the_process() -> None:
    printed = _run("""
from storebench.backends.jp2_glymur import load_glymur
print(os.environ.get("OPJ_NUM_THREADS"), load_glymur().get_option("lib.num_threads"))
for threads in (1, 3):
    for name in ("jp2-imageio", "jp2-glymur", "jp2-imagecodecs", "jp2stack-imagecodecs"):
        assert get_backend(name).limit_threads(threads) is None
        if "stack" not in name:
            use(name, (64, 64), "jp2-lossless", None)
    print(os.environ["OPJ_NUM_THREADS"], load_glymur().get_option("lib.num_threads"))
""")
    assert printed == ["None 1", "0 1", "3 3"]


def test_nothing_is_set_where_no_limit_is_asked_for() -> None:
    printed = _run("""
import zarr, numcodecs.blosc, zarr.core.sync
before = (zarr.config.get("threading.max_workers"), zarr.config.get("async.concurrency"), numcodecs.blosc.get_nthreads())
for name in ("zarr3-zarrpython", "jp2-imagecodecs"):
    use(name) if "zarr" in name else use(name, (64, 64), "jp2-lossless", None)
after = (zarr.config.get("threading.max_workers"), zarr.config.get("async.concurrency"), numcodecs.blosc.get_nthreads())
print(before == after, zarr.core.sync._executor, "OPJ_NUM_THREADS" in os.environ)
""")
    assert printed == ["True None False"]
