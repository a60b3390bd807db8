"""Larger than memory: volumes of any size generated, converted, given levels and verified, block by block, through Dask.

A block is a whole number of the target's chunks, shards or planes, so that no two workers ever touch one object. Each is a
small dask array that is read, written and forgotten; dask runs it in threads of this process or on a cluster. What is done
is noted beside the target, so that an interrupted run goes on.
"""

from storebench.pipelines._arrays import block_work, region_array, store_block
from storebench.pipelines._blocks import grown, write_unit
from storebench.pipelines._differences import Difference, difference_of
from storebench.pipelines._engines import Cluster, Engine, Threads, engine_for
from storebench.pipelines._plans import why_not_by, why_not_resumed
from storebench.pipelines._progress_file import progress_path, require_finished
from storebench.pipelines._running import Progress
from storebench.pipelines._sources import Source, source_of
from storebench.pipelines._verifying import Verified, verify_volume
from storebench.pipelines._volumes import StoredLevel, Target
from storebench.pipelines._writing import Written, write_volume

__all__ = [
    "Cluster",
    "Difference",
    "Engine",
    "Progress",
    "Source",
    "StoredLevel",
    "Target",
    "Threads",
    "Verified",
    "Written",
    "block_work",
    "difference_of",
    "engine_for",
    "grown",
    "progress_path",
    "region_array",
    "require_finished",
    "source_of",
    "store_block",
    "verify_volume",
    "why_not_by",
    "why_not_resumed",
    "write_unit",
    "write_volume",
]
