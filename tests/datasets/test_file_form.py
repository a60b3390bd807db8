"""How a file stores its image: what a backend wrote is found again; what no backend stores exactly is None."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storebench.backends import WriteRequest, get_backend, write_array
from storebench.codecs import parse_codec
from storebench.datasets import make, open_dataset, sample_of
from storebench.datasets.file_form import file_form
from storebench.grid import Layout, Shape
from storebench.measurement.images import load_image, stored_image
from storebench.records import FileForm, dataset_from_json, to_json
from storebench.storage import Storage
from storebench.stores import Location
from storebench.suites import grids_of


def _write(
    folder: Path,
    backend: str,
    codec: str,
    chunks: Shape | None = None,
    shards: Shape | None = None,
    *,
    shape: Shape = (32, 64, 80),
) -> Path:
    image = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    location = Location(folder / f"mine{get_backend(backend).suffix}")
    layout = None if chunks is None else Layout(chunk_shape=chunks, shard_shape=shards)
    request = WriteRequest(
        shape=shape, dtype=image.dtype, axes="zyx"[-len(shape) :], codec=parse_codec(codec), layout=layout
    )
    write_array(get_backend(backend), location, request, (image,))
    return location.path


@pytest.mark.parametrize(
    ("backend", "codec", "chunks", "shards"),
    [
        ("npy-numpy", "none", None, None),
        ("tiff-tifffile", "none", (1, 16, 32), None),
        ("tiff-tifffile", "lzw-predictor", (1, 8, 80), None),
        ("tiffstack-tifffile", "none", (1, 64, 80), None),
        ("hdf5-h5py", "none", None, None),
        ("hdf5-h5py", "deflate-4", (16, 16, 16), None),
        ("zarr2-zarrpython", "zstd-3", (16, 16, 16), None),
        ("zarr3-zarrpython", "blosc-zstd-3-shuffle", (16, 16, 16), (32, 32, 32)),
        ("omezarr-0.5-zarrpython", "gzip-5", (16, 16, 16), None),
    ],
)
def test_what_was_written_is_found(
    backend: str, codec: str, chunks: Shape | None, shards: Shape | None, tmp_path: Path
) -> None:
    path = _write(tmp_path, backend, codec, chunks, shards)
    expected = FileForm(backend=backend, codec=codec, chunk_shape=chunks, shard_shape=shards)
    dataset = open_dataset(str(path))
    assert file_form(dataset) == expected
    assert file_form(pickle.loads(pickle.dumps(dataset))) == expected


@pytest.mark.parametrize(
    ("backend", "codec", "shape"),
    [
        ("tiff-tifffile", "deflate-6", (8, 64, 64)),  # a TIFF does not keep its level
        ("png-imageio", "png-6", (64, 64)),
    ],
)
def test_what_a_file_does_not_say_is_not_made_up(backend: str, codec: str, shape: Shape, tmp_path: Path) -> None:
    assert file_form(open_dataset(str(_write(tmp_path, backend, codec, shape=shape)))) is None


def test_a_made_image_is_no_file() -> None:
    assert file_form(make("ct", shape=(16, 16, 16))) is None


def test_a_sample_has_the_chunks_of_its_file(tmp_path: Path) -> None:
    path = _write(tmp_path, "zarr3-zarrpython", "zstd-3", (16, 16, 16), shape=(256, 256, 256))
    sample = sample_of(open_dataset(str(path)), max_bytes=2**22)
    assert sample.shape != (256, 256, 256)
    assert file_form(sample) == FileForm(backend="zarr3-zarrpython", codec="zstd-3", chunk_shape=(16, 16, 16))


def test_the_form_is_kept_and_measured(tmp_path: Path) -> None:
    path = _write(tmp_path, "hdf5-h5py", "deflate-4", (16, 16, 16))
    storage = Storage.open(tmp_path / "storage")
    image = stored_image(storage, open_dataset(str(path)))
    form = FileForm(backend="hdf5-h5py", codec="deflate-4", chunk_shape=(16, 16, 16))
    assert load_image(storage, image.key).record.file_form == form
    assert dataset_from_json(to_json(image.record)) == image.record
    for tier in ("quick", "smoke", "core"):
        cases = [
            grid.case(*values)
            for grid in grids_of(tier, subject=image.subject)  # type: ignore[arg-type]
            if "AsTheFile" in grid.name
            for values in grid.combinations()
        ]
        assert {(c.backend, c.codec, c.chunk_shape) for c in cases} == {("hdf5-h5py", "deflate-4", (16, 16, 16))}
        assert {"read", "write"} <= {case.operation for case in cases}
    path.unlink()
    same_voxels = _write(tmp_path, "hdf5-h5py", "deflate-4", (8, 8, 8))
    assert stored_image(storage, open_dataset(str(same_voxels))).key != image.key


@pytest.mark.parametrize("tier", ["quick", "smoke", "core"])
def test_a_file_as_tifffile_writes_it_is_measured_once(tier: Any, tmp_path: Path) -> None:
    shape = (40, 120, 139)
    path = _write(tmp_path, "tiff-tifffile", "none", shape=shape)
    image = stored_image(Storage.open(tmp_path / "storage"), open_dataset(str(path)))
    assert image.record.file_form == FileForm(backend="tiff-tifffile", codec="none", chunk_shape=(1, 120, 139))
    cases = [grid.case(*v) for grid in grids_of(tier, subject=image.subject) for v in grid.combinations()]
    of_planes = [
        case
        for case in cases
        if (case.backend, case.codec, case.pattern) == ("tiff-tifffile", "none", "plane_xy")
        and (case.operation, case.cache) == ("read", "warm")
        and case.chunk_shape in (None, (1, 120, 139))
    ]
    assert {case.chunk_shape for case in of_planes} == {None}


def test_records_from_before_have_no_form() -> None:
    old = {
        "name": "a.tif",
        "shape": [4, 4],
        "dtype": "uint8",
        "axes": "yx",
        "seed": None,
        "axes_assumed": False,
        "source": "",
        "sha256": "",
        "bits_used": 1,
        "entropy_bits": 0.0,
        "autocorrelation": [None, None],
    }
    assert dataset_from_json(old).file_form is None


@pytest.mark.parametrize("way", [lambda image: image.T.copy().T, lambda image: image.astype(">u2")])
def test_an_npy_file_in_another_order_is_not_what_the_backend_writes(way: Any, tmp_path: Path) -> None:
    image = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    np.save(tmp_path / "plain.npy", image)
    np.save(tmp_path / "other.npy", way(image))
    assert file_form(open_dataset(tmp_path / "plain.npy")) is not None
    assert file_form(open_dataset(tmp_path / "other.npy")) is None
