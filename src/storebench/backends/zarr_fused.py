"""Zarr v3 by zarr-python with its fused codec pipeline: a chunk is fetched, decoded and copied by one thread at one go.

zarr's default pipeline schedules each of these steps on its event loop instead. Local files are read without the event
loop at all, counted or not. A write of a region that fails leaves other threads writing for a moment: see `_zarr_threads`.
"""

from __future__ import annotations

import importlib.metadata
from typing import Final

from storebench.backends._zarr_codecs import BUILT_IN
from storebench.backends._zarr_pipelines import Pipeline
from storebench.backends.zarr_python import Zarr3ZarrPython

_SINCE: Final = (3, 3)


class Zarr3ZarrPythonFused(Zarr3ZarrPython):
    """Zarr v3, with shards or without."""

    name = "zarr3-zarrpythonfused"
    extra = "zarr-fused"
    pipeline = Pipeline(path="zarr.core.codec_pipeline.FusedCodecPipeline")
    kinds = BUILT_IN  # with any other zarr falls back to what its default pipeline does, without a word
    filters = ()

    def why_unavailable(self) -> str | None:
        """Return None where this zarr has that pipeline."""
        missing = super().why_unavailable()
        if missing is not None:
            return missing
        version = importlib.metadata.version("zarr")
        if tuple(int(part) for part in version.split(".")[:2]) >= _SINCE:
            return None
        return (
            f"the fused pipeline needs zarr 3.3 or newer, which needs Python 3.12 or newer, and here is zarr {version}; "
            f'there, install with: pip install "storebench[{self.extra}]"'
        )
