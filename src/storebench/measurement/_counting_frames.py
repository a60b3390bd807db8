"""Counting the views of a trace one by one: what each asks of its store while the image stays open."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from storebench.access import Request
from storebench.errors import VerificationError
from storebench.measurement.explained import allowed
from storebench.measurement.prediction import Prediction, predict_read
from storebench.measurement.workload import Workload
from storebench.stores import RequestTally

NOT_BY_VIEW: Final[tuple[tuple[str, str], ...]] = (
    ("png-*", "a PNG is decoded whole: each view reads the whole file"),
    ("jp2-im*", "OpenJPEG is given the whole file for each view"),
    ("htj2k-imagecodecs", "OpenJPH is given the whole file for each view"),
    ("j[xl][lsr]-imagecodecs", "libjxl, CharLS and jxrlib are given the whole file for each view"),
    ("*-glymur", "OpenJPEG opens the file itself, and nothing tells what it reads of it"),
    ("tiffstack-*", "the file of a plane is opened anew for each view: its header and tags are read again"),
    (
        "pngstack-*",
        "a PNG is decoded whole: each view reads the whole files of its planes, in pieces of Pillow's choice",
    ),
    ("zarr3-zarrs", "zarrs opens files itself, and nothing tells what it reads of them"),
    ("zarr3-zarrista", "zarrista opens files itself, and nothing tells what it reads of them"),
    ("n5-z5py", "z5 opens files itself, and nothing tells what it reads of them"),
    ("b2nd-blosc2", "C-Blosc2 opens the file itself, and nothing tells what it reads of it"),
    ("icechunk-icechunk", "Icechunk reads objects itself, and nothing tells which"),
    ("omezarr-*-omezarrpy", "ome-zarr-py makes its store from a path, and nothing tells what it reads of it"),
    ("omezarr-*-ngffzarr", "zarrista opens files itself, and nothing tells what it reads of them"),
    ("omezarr-*-iohub", "zarrs opens files itself, and nothing tells what it reads of them"),
    ("hdf5-h5py", "HDF5 keeps chunks in a cache, and 64 KiB of what is not chunked: views that overlap read less"),
    ("nifti-nibabel", "nibabel reads along gaps of up to 256 bytes, which makes fewer and larger requests"),
    ("niftigz-nibabel", "a gzip stream is read on from where the last view ended, or from its beginning"),
    ("nrrd-pynrrd", "pynrrd reads the whole file for each view"),
    ("dicom-pydicom", "pydicom reads the dataset in front of the frames again for each view, in many small pieces"),
)
"""Backends whose views are not what geometry says, by pattern of their names, and why."""


def why_not_by_view(backend: str) -> str | None:
    """Return None where each view asks for what geometry says and nothing else; else why not."""
    return next((why for pattern, why in NOT_BY_VIEW if fnmatch.fnmatchcase(backend, pattern)), None)


def not_by_view_rows() -> list[str]:
    """Return `NOT_BY_VIEW` as the lines of a Markdown table."""
    return ["| backends | why |", "|---|---|", *(f"| `{pattern}` | {why} |" for pattern, why in NOT_BY_VIEW)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """What each view asks for, in order; the open is in none. The fields are those of `records.Row`; None: not known.

    Attributes
    ----------
    frame_requests, frame_bytes : tuple of int or None
        Counted.
    predicted_frame_requests, predicted_frame_bytes : tuple of int or None
        What geometry says, of a reader that keeps metadata and forgets voxels.
    """

    frame_requests: tuple[int, ...] | None = None
    frame_bytes: tuple[int, ...] | None = None
    predicted_frame_requests: tuple[int, ...] | None = None
    predicted_frame_bytes: tuple[int, ...] | None = None


def count_frames(workload: Workload, reads: Sequence[Request]) -> Frames:
    """Perform a trace once more on a counted place, and look at the log after each view.

    Parameters
    ----------
    workload : Workload
        Of a read.
    reads : sequence of Request
        Its requests. A single one is no trace, and gives no frames.

    Raises
    ------
    VerificationError
        If all views up to one asked for less or more than geometry and the table of explanations allow.
    """
    if len(reads) < 2:
        return Frames()
    predictions = _predictions(workload, reads)
    predicted = Frames()
    if predictions is not None:
        predicted = Frames(
            predicted_frame_requests=_steps([p.requests for p in predictions]),
            predicted_frame_bytes=_steps([p.n_bytes for p in predictions]),
        )
    if not workload.backend.counts_reads:
        return predicted
    counted = _counted(workload, reads)
    if predictions is not None:
        _check(workload, counted, predictions)
    return Frames(
        frame_requests=_steps([n_requests for n_requests, _ in counted]),
        frame_bytes=_steps([n_bytes for _, n_bytes in counted]),
        predicted_frame_requests=predicted.predicted_frame_requests,
        predicted_frame_bytes=predicted.predicted_frame_bytes,
    )


def _counted(workload: Workload, reads: Sequence[Request]) -> list[tuple[int, int]]:
    """Return requests and bytes since the beginning: after the open, and after each view."""
    log = RequestTally()
    with workload.backend.open(workload.store.location.counted(log)) as reader:
        seen = [(log.n_requests, log.fetched_bytes)]
        for read in reads:
            reader.read(read.region, read.level)
            seen.append((log.n_requests, log.fetched_bytes))
    return seen


def _predictions(workload: Workload, reads: Sequence[Request]) -> list[Prediction] | None:
    """Return what opening takes, and what opening and the views up to each take; None where nothing can be said."""
    found = [
        predict_read(workload.backend.name, workload.store.location, reads[:n_views])
        for n_views in range(len(reads) + 1)
    ]
    return None if None in found else found  # type: ignore[return-value]


def _check(workload: Workload, counted: Sequence[tuple[int, int]], predictions: Sequence[Prediction]) -> None:
    for n_views, (found, predicted) in enumerate(zip(counted, predictions, strict=True)):
        for what, n in zip(("requests", "bytes"), found, strict=True):
            least, most = allowed(workload.backend.name, "read", what, predicted)
            if not least <= n <= most:
                raise VerificationError(
                    f"{workload.backend.name} asked its store for {n} {what} up to view {n_views} of "
                    f"{workload.case.pattern}, where geometry says {least if least == most else f'{least} to {most}'}"
                )


def _steps(sums: Sequence[int]) -> tuple[int, ...]:
    return tuple(after - before for before, after in itertools.pairwise(sums))
