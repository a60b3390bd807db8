"""The one table of where libraries are known to differ from what geometry predicts, by how much, and why."""

from __future__ import annotations

import fnmatch
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from storebench.measurement.prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a count differs from its prediction, and by how much it may.

    Attributes
    ----------
    backends : str
        Patterns of backend names, separated by blanks.
    operations : tuple of str
        Of cases.
    what : str
        "requests", "bytes" (both: in the store's log; of a write what it sets) or "read_chars" (what the system counted in
        a call without a log).
    bound : str
        The allowed difference in words.
    because : str
        Where it comes from.
    allowed : callable
        From the prediction to the least and the most that may be counted.
    """

    backends: str
    operations: tuple[str, ...]
    what: str
    bound: str
    because: str
    allowed: Callable[[Prediction], tuple[int, int]]


_READS: Final = ("read", "open")
_PNG_PIECE_BYTES: Final = 1 << 14
_TENSORSTORE_GAP_BYTES: Final = 255
_ZIP_PIECE_BYTES: Final = 1 << 24

EXPLAINED: Final[tuple[Explanation, ...]] = (
    Explanation(
        backends="*-tifffile*",
        operations=_READS,
        what="requests",
        bound="at most 10 more for each page in the chain",
        because="tifffile reads the header in two pieces, each directory's length before its tags, and long values of tags "
        "one by one",
        allowed=lambda p: (p.requests, p.requests + 10 * p.n_parts),
    ),
    Explanation(
        backends="*-tifffile*",
        operations=_READS,
        what="bytes",
        bound="8 less for each page, and no more than the tags' long values and the directories once more",
        because="the last link of the chain is left out, and a page's tags are read again when its voxels are",
        allowed=lambda p: (p.n_bytes - 8 * (1 + p.n_parts), p.n_bytes + p.beside_bytes),
    ),
    Explanation(
        backends="png*-imageio",
        operations=_READS,
        what="requests",
        bound="at most 16 more for each time a file is opened, 3 more for each piece of 16 KiB or more",
        because="Pillow reads PNG piece by piece: length and kind, content, checksum",
        allowed=lambda p: (p.requests, p.requests + 16 * p.n_parts + 3 * (p.n_bytes // _PNG_PIECE_BYTES)),
    ),
    Explanation(
        backends="png*-imageio",
        operations=_READS,
        what="bytes",
        bound="at most 64 less or more for each time a file is opened",
        because="imageio and Pillow both look at the signature, and the end mark's checksum is left out",
        allowed=lambda p: (p.n_bytes - 64 * p.n_parts, p.n_bytes + 64 * p.n_parts),
    ),
    Explanation(
        backends="hdf5-h5py",
        operations=_READS,
        what="requests",
        bound="at most 16 more, and for each chunk one more for each node of the tree that leads to it; fewer where chunks are "
        "in HDF5's cache, or runs lie in one sieve buffer",
        because="HDF5 reads headers in small pieces, forgets nodes of the tree when they are many, and fills 64 KiB at once "
        "where there are no chunks",
        allowed=lambda p: (p.requests - p.again_requests, p.requests + 16 + p.n_parts),
    ),
    Explanation(
        backends="hdf5-h5py",
        operations=_READS,
        what="bytes",
        bound="at most 4096 and those nodes more, or 64 KiB for each run",
        because="the same",
        allowed=lambda p: (p.n_bytes - p.again_bytes, p.n_bytes + 4096 + p.beside_bytes),
    ),
    Explanation(
        backends="hdf5-h5py",
        operations=("write",),
        what="requests",
        bound="at most 16 more, and one more for each 16 chunks",
        because="HDF5 writes headers, and nodes of the tree of chunks, some more than once",
        allowed=lambda p: (p.requests, p.requests + 16 + p.requests // 16),
    ),
    Explanation(
        backends="hdf5-h5py",
        operations=("write",),
        what="bytes",
        bound="at most 4096 less, and the metadata once more",
        because="the same; and padding is never written",
        allowed=lambda p: (p.n_bytes - 4096, p.n_bytes + 4096 + p.beside_bytes),
    ),
    Explanation(
        backends="zarr3zip-zarrpython",
        operations=("read",),
        what="requests",
        bound="at most 5 more for each chunk of a shard and each 16 MiB that are passed over",
        because="each chunk of a shard has a search of its own, for which Python's zipfile reads on in pieces",
        allowed=lambda p: (p.requests - p.n_parts, p.requests + 5 * p.n_parts + p.beside_bytes // _ZIP_PIECE_BYTES),
    ),
    Explanation(
        backends="zarr3zip-zarrpython",
        operations=("read",),
        what="bytes",
        bound="at most each shard that is read in part twice, and once more for each of its chunks",
        because="to find the index at its end zipfile reads a shard from its beginning; Python 3.11 does so for each chunk",
        allowed=lambda p: (p.n_bytes, p.n_bytes + p.beside_bytes),
    ),
    Explanation(
        backends="*zarr*-zarrpython* zarr3-obstore zarr3-acquirezarr",
        operations=("read",),
        what="requests",
        bound="fewer, at least one for each object",
        because="zarr 3.4 reads chunks of one shard that lie near each other in one request",
        allowed=lambda p: (p.n_parts, p.requests),
    ),
    Explanation(
        backends="*zarr*-zarrpython* zarr3-obstore zarr3-acquirezarr",
        operations=("read",),
        what="bytes",
        bound="at most the gaps between the chunks of a shard that are touched",
        because="zarr 3.4 reads along what lies between them",
        allowed=lambda p: (p.n_bytes, p.n_bytes + p.beside_bytes),
    ),
    Explanation(
        backends="*-tensorstore",
        operations=("read",),
        what="requests",
        bound="fewer, at least one for each object",
        because="tensorstore reads chunks of one shard in one request where up to 255 bytes lie between them",
        allowed=lambda p: (p.n_parts, p.requests),
    ),
    Explanation(
        backends="*-tensorstore",
        operations=("read",),
        what="bytes",
        bound="at most 255 more for each request, and no more than lies between the chunks of a shard that are touched",
        because="it reads along what lies between them",
        allowed=lambda p: (p.n_bytes, p.n_bytes + min(p.beside_bytes, _TENSORSTORE_GAP_BYTES * p.requests)),
    ),
    Explanation(
        backends="[!p]*-tensorstore",
        operations=("overwrite",),
        what="requests",
        bound="1 more for each chunk or shard at an edge that is replaced whole",
        because="tensorstore reads what sticks out of the image before it replaces it",
        allowed=lambda p: (p.requests + p.n_parts,) * 2,
    ),
    Explanation(
        backends="[!p]*-tensorstore",
        operations=("overwrite",),
        what="bytes",
        bound="those chunks or shards once more",
        because="the same",
        allowed=lambda p: (p.n_bytes + p.beside_bytes,) * 2,
    ),
    Explanation(
        backends="precomputed-tensorstore",
        operations=("write",),
        what="requests",
        bound="1 more for each level beyond the first",
        because="tensorstore writes the info file anew with each level",
        allowed=lambda p: (p.requests + p.n_parts - 1,) * 2,
    ),
    Explanation(
        backends="precomputed-tensorstore",
        operations=("write",),
        what="bytes",
        bound="at most the info file for each of those levels",
        because="the same",
        allowed=lambda p: (p.n_bytes, p.n_bytes + (p.n_parts - 1) * p.beside_bytes),
    ),
    Explanation(
        backends="omezarr-0.4-zarrpython",
        operations=("write",),
        what="requests",
        bound="2 more for each level",
        because="zarr offers the group's .zgroup and .zattrs again with each array, to be set unless they are there",
        allowed=lambda p: (p.requests + 2 * p.n_parts,) * 2,
    ),
    Explanation(
        backends="omezarr-0.4-zarrpython",
        operations=("write",),
        what="bytes",
        bound="24 more for each level",
        because="the same: an empty .zgroup has 22 bytes, an empty .zattrs 2",
        allowed=lambda p: (p.n_bytes + 24 * p.n_parts,) * 2,
    ),
    Explanation(
        backends="omezarr-0.5-zarrpython",
        operations=("write",),
        what="requests",
        bound="1 more for each level",
        because="zarr offers the group's zarr.json again with each array, to be set unless it is there",
        allowed=lambda p: (p.requests + p.n_parts,) * 2,
    ),
    Explanation(
        backends="omezarr-0.5-zarrpython",
        operations=("write",),
        what="bytes",
        bound="66 more for each level",
        because="the same: an empty group's zarr.json has 66 bytes",
        allowed=lambda p: (p.n_bytes + 66 * p.n_parts,) * 2,
    ),
    Explanation(
        backends="npy-*",
        operations=("write",),
        what="requests",
        bound="1 more",
        because="the header is written before the voxels",
        allowed=lambda p: (p.requests + 1,) * 2,
    ),
    Explanation(
        backends="mrc-mrcfile",
        operations=("write",),
        what="requests",
        bound="1 more",
        because="the header is written before the voxels",
        allowed=lambda p: (p.requests + 1,) * 2,
    ),
    Explanation(
        backends="nifti-nibabel",
        operations=_READS,
        what="requests",
        bound="at most 4 more; fewer where runs of voxels lie near each other",
        because="nibabel reads the header in pieces, and along gaps of up to 256 bytes on the fastest axes",
        allowed=lambda p: (p.n_parts, p.requests + 4),
    ),
    Explanation(
        backends="nifti-nibabel",
        operations=_READS,
        what="bytes",
        bound="at most 512 more for each run",
        because="the same",
        allowed=lambda p: (p.n_bytes, p.n_bytes + p.beside_bytes),
    ),
    Explanation(
        backends="niftigz-nibabel",
        operations=_READS,
        what="requests",
        bound="one for each buffer of the stream, of 8 KiB at least; fewer where a read goes on from the last one",
        because="Python's gzip reads by buffers, and stops where the voxels are there",
        allowed=lambda p: (1, p.requests + p.n_bytes // (8 << 10) + 2 * p.n_parts),
    ),
    Explanation(
        backends="niftigz-nibabel",
        operations=_READS,
        what="bytes",
        bound="less where a read ends before the image does, or goes on from the last one",
        because="the same",
        allowed=lambda p: (1, p.n_bytes),
    ),
    Explanation(
        backends="dicom-pydicom",
        operations=_READS,
        what="requests",
        bound="at most 120 more each time the header is read, and 8 times as many for frames",
        because="pydicom reads a dataset element by element, and looks each frame up in the table of offsets",
        allowed=lambda p: (p.requests, 8 * p.requests + 120 * p.n_parts),
    ),
    Explanation(
        backends="dicom-pydicom",
        operations=_READS,
        what="bytes",
        bound="at most the header's, and the table of offsets for each frame, more or less",
        because="pydicom looks at the file's beginning more than once, and passes over values that it does not want",
        allowed=lambda p: (p.n_bytes - p.beside_bytes, p.n_bytes + p.beside_bytes + 128),
    ),
    Explanation(
        backends="*zarr*-zarrpython* zarr3-obstore",
        operations=("overwrite",),
        what="requests",
        bound="at most 1 more for each shard that is replaced whole",
        because="zarr before 3.4 reads each shard before it replaces it, zarr 3.4 those at an edge that they stick out of",
        allowed=lambda p: (p.requests, p.requests + p.n_parts),
    ),
    Explanation(
        backends="*zarr*-zarrpython* zarr3-obstore",
        operations=("overwrite",),
        what="bytes",
        bound="at most those shards once more",
        because="the same",
        allowed=lambda p: (p.n_bytes, p.n_bytes + p.beside_bytes),
    ),
    Explanation(
        backends="*",
        operations=_READS,
        what="read_chars",
        bound="one buffer more for each request and two for each file opened",
        because="a call without a log opens files with Python's buffer, and a header that the log leaves out is read too; "
        "what comes through a memory map is not seen by the system's count",
        allowed=lambda p: (0, p.n_bytes + p.beside_bytes + buffer_bytes() * (p.requests + 2 * p.n_parts + 2)),
    ),
)
"""Every difference that is known. Anything beyond is an error."""


def buffer_bytes() -> int:
    """Return the size of the buffer with which Python opens a file for reading, on a file system of 4 KiB blocks."""
    return io.DEFAULT_BUFFER_SIZE if sys.version_info >= (3, 14) else 4096


def allowed(backend: str, operation: str, what: str, predicted: Prediction) -> tuple[int, int]:
    """Return the least and the most that may be counted: the prediction, and what `EXPLAINED` allows around it."""
    exact = predicted.requests if what == "requests" else predicted.n_bytes
    for entry in EXPLAINED:
        fits = any(fnmatch.fnmatchcase(backend, pattern) for pattern in entry.backends.split())
        if fits and entry.what == what and operation in entry.operations:
            return entry.allowed(predicted)
    return exact, exact


def explained_rows() -> list[str]:
    """Return `EXPLAINED` as the lines of a Markdown table."""
    lines = ["| backends | operation | counted | allowed difference | because |", "|---|---|---|---|---|"]
    lines += [
        f"| {_coded(e.backends)} | {', '.join(e.operations)} | {e.what} | {e.bound} | {e.because} |" for e in EXPLAINED
    ]
    return lines


def _coded(patterns: str) -> str:
    return ", ".join(f"`{pattern}`" for pattern in patterns.split())
