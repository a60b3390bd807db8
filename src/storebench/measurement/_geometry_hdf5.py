"""What HDF5 must be asked for to read a region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from storebench.access import Request
from storebench.grid import Shape, blocks_touched, grid_shape
from storebench.measurement._geometry import Prediction, n_runs
from storebench.stores import Location

_SUPERBLOCK_BYTES: Final = 96
_NODE_ENTRIES: Final = 32  # a node of the tree of chunks holds so many at least, and twice as many at most


def hdf5(location: Location, reads: Sequence[Request]) -> Prediction:
    """The superblock, then each chunk, or each run of a dataset that is not chunked."""
    import h5py

    opened = Prediction(requests=1, n_bytes=_SUPERBLOCK_BYTES)
    with h5py.File(location.path, "r") as file:
        dataset = file["image"]
        taken = _chunks(dataset, reads) if dataset.chunks else _runs(dataset, reads)
    return opened + taken


def _chunks(dataset: Any, reads: Sequence[Request]) -> Prediction:
    """Chunks that are touched twice may come from HDF5's cache; the nodes of the tree that lead to them are the parts."""
    chunk, seen, total = tuple(dataset.chunks), set(), Prediction()
    depth = 1 + math.ceil(math.log(max(math.prod(grid_shape(dataset.shape, chunk)), 2), _NODE_ENTRIES))
    key_bytes = 8 * (2 + len(chunk))
    node_bytes = 24 + (2 * _NODE_ENTRIES + 1) * key_bytes + 2 * _NODE_ENTRIES * 8
    stored: dict[Shape, int] = {}
    if reads:
        dataset.id.chunk_iter(lambda found: stored.__setitem__(tuple(found.chunk_offset), found.size))
    for read in reads:
        for index in blocks_touched(read.region, chunk):
            start = tuple(i * n for i, n in zip(index, chunk, strict=True))
            n_bytes = stored.get(start, 0)
            again = index in seen
            seen.add(index)
            total += Prediction(
                requests=1,
                n_bytes=n_bytes,
                n_parts=depth,
                beside_bytes=depth * node_bytes,
                again_requests=int(again),
                again_bytes=n_bytes * again,
            )
    return total


def _runs(dataset: Any, reads: Sequence[Request]) -> Prediction:
    """Runs of voxels; those that lie near each other come from one filling of HDF5's sieve buffer."""
    buffer = dataset.file.id.get_access_plist().get_sieve_buf_size()
    runs = [n_runs(read.region, dataset.shape) for read in reads]
    sizes = [read.region.n_voxels * dataset.dtype.itemsize for read in reads]
    most = [min(n * buffer, dataset.nbytes) for n in runs]
    return Prediction(
        requests=sum(runs),
        n_bytes=sum(sizes),
        beside_bytes=sum(most),
        again_requests=max(sum(runs) - 1, 0),
        again_bytes=sum(sizes) - max(sizes, default=0),
    )
