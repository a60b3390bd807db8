"""What the first setting is held against, and what libraries really do when they are asked nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from storebench.backends import get_backend
from storebench.backends.jp2_glymur import load_glymur
from storebench.codecs import DEFAULT_CODECS, parse_codec
from storebench.stores import Location

_ASKED_NOTHING = {
    "nifti": "import nibabel; nibabel.Nifti1Image(image.T, None).to_filename({path!r})",
    "nrrd": "import nrrd; nrrd.write({path!r}, image, index_order='C')",
    "mrc": "import mrcfile; mrcfile.write({path!r}, image)",
    "zarr2": "import zarr; zarr.create_array({path!r}, data=image, zarr_format=2)",
    "zarr3": "import zarr; zarr.create_array({path!r}, data=image)",
    "zarr3-zarrpythonfused": "import zarr\nwith zarr.config.set("
    "{{'codec_pipeline.path': 'zarr.core.codec_pipeline.FusedCodecPipeline'}}):\n    zarr.create_array({path!r}, data=image)",
    "zarr3-zarrs": "import zarr\nwith zarr.config.set({{'codec_pipeline.path': 'zarrs.ZarrsCodecPipeline'}}):\n"
    "    zarr.create_array({path!r}, data=image)",
    "zarr3-obstore": "import zarr, obstore.store; zarr.create_array("
    "zarr.storage.ObjectStore(obstore.store.LocalStore({path!r}, mkdir=True)), data=image)",
    "zarr3zip": "import zarr; s = zarr.storage.ZipStore({path!r}, mode='w'); zarr.create_array(s, data=image); s.close()",
    "zarr3-tensorstore": "import tensorstore as ts; ts.open({{'driver': 'zarr3', 'kvstore': 'file://' + {path!r} + '/'}}, "
    "create=True, dtype=image.dtype, shape=image.shape).result().write(image).result()",
    "n5-tensorstore": "import tensorstore as ts; ts.open({{'driver': 'n5', 'kvstore': 'file://' + {path!r} + '/s0/'}}, "
    "create=True, dtype=image.dtype, shape=image.T.shape).result().write(image.T).result()",
    "n5-z5py": "import z5py; z5py.N5File({path!r}, mode='x').create_dataset('s0', data=image)",
    "tiff": "import tifffile; tifffile.imwrite({path!r}, image)",
    "hdf5": "import h5py; h5py.File({path!r}, 'w').create_dataset('image', data=image)",
    "png-imageio": "import imageio.v3 as iio; iio.imwrite({path!r}, image)",
    "jp2-imageio": "import imageio.v3 as iio; iio.imwrite({path!r}, image)",
    "jp2-glymur": "import glymur; glymur.Jp2k({path!r}, data=image)",
    "imagecodecs": "import imagecodecs; imagecodecs.imwrite({path!r}, image)",
    "b2nd": "import blosc2; blosc2.asarray(image, urlpath={path!r}, mode='w')",
    "icechunk": "import icechunk, zarr; storage = icechunk.local_filesystem_storage({path!r}); "
    "session = icechunk.Repository.create(storage).writable_session('main'); "
    "zarr.create_array(session.store, data=image); session.commit('image')",
}
_BY_BACKEND = {
    "zarr2-zarrpython": "zarr2",
    "zarr3-zarrpython": "zarr3",
    "zarr3-zarrpythonfused": "zarr3-zarrpythonfused",
    "zarr3-zarrs": "zarr3-zarrs",
    "zarr3-obstore": "zarr3-obstore",
    "zarr3zip-zarrpython": "zarr3zip",
    "zarr3-tensorstore": "zarr3-tensorstore",
    "n5-tensorstore": "n5-tensorstore",
    "n5-z5py": "n5-z5py",
    "tiff-tifffile": "tiff",
    "hdf5-h5py": "hdf5",
    "nifti-nibabel": "nifti",
    "niftigz-nibabel": "nifti",
    "nrrd-pynrrd": "nrrd",
    "mrc-mrcfile": "mrc",
    "png-imageio": "png-imageio",
    "jp2-imageio": "jp2-imageio",
    "jp2-glymur": "jp2-glymur",
    "tiff-tifffilezarr": "tiff",
    "jxl-imagecodecs": "imagecodecs",
    "jls-imagecodecs": "imagecodecs",
    "jxr-imagecodecs": "imagecodecs",
    "b2nd-blosc2": "b2nd",
    "icechunk-icechunk": "icechunk",
}


def _image() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.cumsum(rng.integers(0, 9, (256, 256)), axis=-1).astype(np.uint16)


@pytest.mark.parametrize("backend", _BY_BACKEND)
def test_a_library_asked_nothing_takes_the_codec_of_the_table(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (why := get_backend(backend).why_unavailable()) is not None:
        pytest.skip(why)
    load_glymur()
    path = tmp_path / f"image{get_backend(backend).suffix}"
    image = _image()
    code = _ASKED_NOTHING[_BY_BACKEND[backend]].format(path=str(path))
    exec(code, {"image": image})  # noqa: S102
    from storebench.backends import WriteRequest, write_array

    request = WriteRequest(shape=image.shape, dtype=image.dtype, axes="yx", codec=parse_codec(DEFAULT_CODECS[backend]))
    own = write_array(get_backend(backend), Location(tmp_path / f"own{get_backend(backend).suffix}"), request, (image,))
    with get_backend(backend).open(Location(path)) as reader:
        stored = reader.stored_as()
    assert (stored.layout, stored.codec, stored.chunk_bytes) == (own.layout, own.codec, own.chunk_bytes)


def test_stacks_and_ome_take_what_their_planes_and_arrays_take() -> None:
    for backend, codec in DEFAULT_CODECS.items():
        plane = backend.replace("stack", "")
        version = plane.replace("omezarr-0.4", "zarr2").replace("omezarr-0.5", "zarr3")
        if version in DEFAULT_CODECS:  # libraries for OME-Zarr alone: tests/backends/test_omezarr_writers.py asks them
            assert DEFAULT_CODECS[version] == codec
    assert set(_BY_BACKEND) <= set(DEFAULT_CODECS)


def test_the_table_is_read_without_any_format_library() -> None:
    code = "import sys, storebench.advise.choosing; print([n for n in ('zarr', 'h5py', 'storebench.backends') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
