"""Zarr v3 by zarr-python with zarrs' codec pipeline: chunks are read, decoded, encoded and written by threads of Rust.

What zarrs does by itself and cannot be told otherwise (0.2.3):

- It opens files on its own, so nothing of it is counted, and a counting store is never put before them: zarr would fall
  back to its own pipeline without a word, also where zarrs is told to be strict, which is about codecs and indices only.
  An array that has not got zarrs' pipeline is therefore refused.
- **Chunks of nothing but 0 are not written**, inside of shards neither, whatever is asked (``write_empty_chunks``): its
  stores of sparse data are smaller than those of all other backends here.
- A chunk or shard is changed in place: it is cut to nothing, then written. Who is killed in between leaves less than was
  there before, and who reads meanwhile finds damage.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from storebench.backends._backend import ArrayReader, ArrayWriter, BlockCodec, WriteRequest
from storebench.backends._refusals import check_thread_limit
from storebench.backends._rust_errors import system_errors
from storebench.backends._zarr_arrays import open_store
from storebench.backends._zarr_codecs import BUILT_IN
from storebench.backends._zarr_pipelines import Pipeline
from storebench.backends._zarr_threads import limit_zarr_threads
from storebench.backends.zarr_python import Zarr3ZarrPython
from storebench.errors import DataError
from storebench.stores import Location

_POOL: Final = "RAYON_NUM_THREADS"
"""The environment variable by which Rust's pool of threads is made, once in a process."""


class Zarr3Zarrs(Zarr3ZarrPython):
    """Zarr v3, with shards or without."""

    name = "zarr3-zarrs"
    library = "zarrs"
    distributions = ("zarrs", "zarr", "numcodecs")
    extra = "zarrs"
    pipeline = Pipeline(path="zarrs.ZarrsCodecPipeline", settings={"codec_pipeline.strict": True})
    kinds = BUILT_IN
    filters = ()
    counts_reads = False
    counts_writes = False
    writes_empty_chunks = False

    def open_store(self, location: Location, *, read_only: bool) -> Any:
        """Return zarr's plain local store, also where there is a log."""
        return open_store(replace(location, log=None), read_only=read_only)

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new array."""
        with system_errors(location, RuntimeError), super().create(location, request) as writer:
            yield writer

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored array."""
        with _understood(location), super().open(location) as reader:
            yield reader

    @contextmanager
    def reopen(self, location: Location) -> Iterator[ArrayWriter]:
        """Open a stored array for writing into it."""
        with system_errors(location, RuntimeError), _understood(location), super().reopen(location) as writer:
            yield writer

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """There is none."""
        return "zarrs compresses inside of arrays only; use zarr3-zarrpython for the codec alone"

    def limit_threads(self, threads: int) -> str | None:
        """Hold zarr's pools, and Rust's: by its environment variable, before zarrs is loaded.

        ``threading.max_workers``, which zarrs takes for its own limit, leaves its pool as large as it was.
        """
        check_thread_limit(threads)
        if "zarrs" not in sys.modules:  # which zarr loads with the first array, whatever its pipeline
            os.environ[_POOL] = str(threads)
        elif os.environ.get(_POOL) != str(threads):
            made_once = "this process has loaded zarrs already, whose pool of threads is made once"
            return f"{made_once}; start a fresh process to hold it to {threads}"
        return limit_zarr_threads(threads)

    def facts(self) -> Mapping[str, str]:
        """Return the settings that results depend on; codecs are zarrs' own, of versions that it does not tell."""
        return {
            **self.pipeline.facts(self.name),
            "empty chunks": "left out, whatever is asked",
            "files": "changed in place",
        }


@contextmanager
def _understood(location: Location) -> Iterator[None]:
    """Say so where zarrs lacks a codec of somebody else's array: being strict, it does not hand it to zarr's own pipeline.

    Raises
    ------
    DataError
        If it does.
    """
    from zarrs.pipeline import UnsupportedMetadataError

    try:
        yield
    except UnsupportedMetadataError as error:
        raise DataError(
            f"{location.path} cannot be read by zarrs ({error.__cause__}); read it by zarr3-zarrpython"
        ) from error
