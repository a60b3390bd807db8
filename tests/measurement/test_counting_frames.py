"""Each view of a trace asks for what geometry says, for every format that reads parts alone; the others are named."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zarr

from storebench.backends import BACKENDS, Backend
from storebench.errors import UnsupportedError, UsageError, VerificationError
from storebench.grid import Shape, chunks_touched
from storebench.measurement._counting_frames import NOT_BY_VIEW, count_frames, not_by_view_rows, why_not_by_view
from storebench.measurement.explained import allowed
from storebench.measurement.images import Image, image_of
from storebench.measurement.operations import workload_for
from storebench.measurement.prediction import predict_read
from storebench.measurement.workload import ReadWorkload
from storebench.records import Case
from storebench.storage import Storage

_CODECS = {
    "png": "png-1",
    "jp2": "jp2-lossless",
    "htj2k": "htj2k-lossless",
    "jxl": "jxl-lossless-3",
    "jls": "jls-lossless",
    "jxr": "jxr-lossless",
    "niftigz": "gzip-1",
}
_SETTINGS: tuple[dict[str, Any], ...] = (
    {"n_levels": 3, "chunk_shape": (4, 32, 32)},
    {"n_levels": 3, "chunk_shape": (1, 32, 32), "level_axes": "yx"},
    {"n_levels": 3, "chunk_shape": (4, 16, 16), "shard_shape": (8, 64, 64)},
    {"chunk_shape": (1, 32, 32)},
    {},
)
_MERGES = tuple(map(int, zarr.__version__.split(".")[:2])) >= (3, 4)  # chunks of a shard that lie near each other


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage.open(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="session")
def images(storage: Storage) -> dict[int, Image]:
    return {len(shape): image_of(storage, "ct", shape, "uint16", 0) for shape in ((8, 96, 120), (96, 120))}


def _workloads(storage: Storage, images: dict[int, Image], backend: str) -> Iterator[ReadWorkload]:
    """Yield the trace on every setting that the backend takes: with levels, with shards, or at full resolution."""
    usual = _CODECS.get(BACKENDS[backend].format.removesuffix("stack"), "none")
    found = list(_workloads_of(storage, images, backend, usual))
    yield from found or _workloads_of(storage, images, backend, "blosc-zstd-1-bitshuffle")  # iohub has no other codec


def _workloads_of(storage: Storage, images: dict[int, Image], backend: str, codec: str) -> Iterator[ReadWorkload]:
    for image, settings in itertools.product(images.values(), _SETTINGS):
        cut = {
            name: value[-len(image.shape) :] if name.endswith("shape") else value for name, value in settings.items()
        }
        known = {"dataset": "ct", "shape": image.shape, "dtype": "uint16", "axes": image.axes, "codec": codec}
        pattern = "viewer30x40" if "n_levels" in settings else "viewer30x40-from0"
        case = Case(**known, **cut, operation="read", backend=backend, pattern=pattern)
        try:
            found = workload_for(case, image, storage)
        except (UnsupportedError, UsageError):
            continue
        assert isinstance(found, ReadWorkload)
        yield found


def _has_prediction(workload: ReadWorkload) -> bool:
    return predict_read(workload.backend.name, workload.store.location, ()) is not None


def test_each_view_asks_for_what_geometry_says_or_the_backend_is_named(
    storage: Storage, images: dict[int, Image], backend: Backend
) -> None:
    workloads = list(_workloads(storage, images, backend.name))
    assert workloads
    differs = False
    for workload in workloads:
        frames = count_frames(workload, workload.requests)
        if not backend.counts_reads:
            assert frames.frame_requests is None
            continue
        assert _has_prediction(workload)
        assert frames.frame_requests is not None
        assert len(frames.frame_requests) == len(workload.requests)
        same = (frames.frame_requests, frames.frame_bytes) == (
            frames.predicted_frame_requests,
            frames.predicted_frame_bytes,
        )
        differs |= not same
        if not same and why_not_by_view(backend.name) is None:
            _check_explained(workload, frames)
    named = why_not_by_view(backend.name) is not None
    assert named or (backend.partial_read and backend.counts_reads)
    assert not named or differs or not (backend.partial_read and backend.counts_reads), "it need not be named any more"


def _check_explained(workload: ReadWorkload, frames: Any) -> None:
    """Compare each view that differs with what is explained: a TIFF's page that is new, or merged requests of a shard."""
    layout = workload.store.stored.layout
    merges = _MERGES or workload.backend.library == "tensorstore"
    merged = merges and layout is not None and layout.shard_shape is not None
    pages: set[tuple[int, Shape]] = set()
    for n, view in enumerate(workload.requests):
        found, exact = (
            (frames.frame_requests[n], frames.frame_bytes[n]),
            (
                frames.predicted_frame_requests[n],
                frames.predicted_frame_bytes[n],
            ),
        )
        page = (view.level, view.region.start[:-2])
        if found != exact:
            assert merged or (workload.backend.format in ("tiff", "ometiff") and page not in pages)
            alone = predict_read(workload.backend.name, workload.store.location, [view])
            assert alone is not None
            for what, counted in zip(("requests", "bytes"), found, strict=True):
                assert counted <= allowed(workload.backend.name, "read", what, alone)[1]
        pages.add(page)


def test_frames_sum_up_to_the_whole_read_without_its_open(storage: Storage, images: dict[int, Image]) -> None:
    workload = next(_workloads(storage, images, "omezarr-0.5-zarrpython"))
    frames = count_frames(workload, workload.requests)
    whole = predict_read(workload.backend.name, workload.store.location, workload.requests)
    opened = predict_read(workload.backend.name, workload.store.location, ())
    assert whole is not None
    assert opened is not None
    assert sum(frames.frame_requests or ()) == whole.requests - opened.requests
    assert sum(frames.frame_bytes or ()) == whole.n_bytes - opened.n_bytes
    levels = [request.level for request in workload.requests]
    first_of_level = [levels.index(level) for level in range(3)]
    for n, (n_requests, request) in enumerate(zip(frames.frame_requests or (), workload.requests, strict=True)):
        n_chunks = chunks_touched(request.region, (4, 32, 32))
        assert n_requests == n_chunks + (n in first_of_level)  # and the level's metadata once


class _Forgetful:
    """A backend whose reader opens the image anew for each view."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    @contextmanager
    def open(self, location: Any) -> Iterator[Any]:
        backend = self._backend

        class Reader:
            def read(self, region: Any, level: int = 0) -> Any:
                with backend.open(location) as reader:
                    return reader.read(region, level)

        with backend.open(location):
            yield Reader()


def test_a_reader_that_asks_for_more_is_caught_at_its_view(storage: Storage, images: dict[int, Image]) -> None:
    workload = next(_workloads(storage, images, "omezarr-0.5-zarrpython"))
    workload.backend = _Forgetful(workload.backend)  # type: ignore[assignment]
    with pytest.raises(VerificationError, match=r"requests up to view 1 of viewer30x40, where geometry says \d+$"):
        count_frames(workload, workload.requests)


def test_one_request_is_no_trace(storage: Storage, images: dict[int, Image]) -> None:
    workload = next(_workloads(storage, images, "npy-numpy"))
    assert count_frames(workload, workload.requests[:1]).frame_requests is None


def test_the_list_names_backends_that_there_are_and_stands_in_the_docs() -> None:
    for pattern, _ in NOT_BY_VIEW:
        assert fnmatch.filter(BACKENDS, pattern), pattern
    page = Path(__file__).parents[2] / "docs" / "viewports.md"
    assert "\n".join(not_by_view_rows()) in page.read_text()
