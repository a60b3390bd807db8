"""What geometry says that one operation asks of a store; where libraries are known to differ from it is in `explained`.

A prediction is what a reader must ask for that knows the format and nothing else: each chunk, strip or tile that is touched
by one request of its stored size, and the metadata that say where it lies. `_geometry` has a function for each format.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from typing import Final

from storebench.access import Request
from storebench.grid import grid_shape
from storebench.measurement import _geometry, _geometry_medical, _geometry_tensorstore, _geometry_zip
from storebench.measurement._geometry import Family, Prediction
from storebench.measurement._geometry_hdf5 import hdf5
from storebench.measurement._geometry_tiff import cog, tiff, tiff_by_store
from storebench.measurement.stored import StoredImage
from storebench.stores import Location

__all__ = [
    "FAMILIES",
    "Prediction",
    "predict_read",
    "predict_write",
]


FAMILIES: Final[tuple[tuple[str, Family], ...]] = (
    ("npy-numpy", _geometry.npy),
    ("tiff-tifffile", tiff),
    ("tiff-tifffilezarr", tiff_by_store),
    ("ometiff-tifffile", tiff),
    ("cog-tifffile", cog),
    ("png-imageio", _geometry.png),
    ("jp2-imageio", _geometry.whole_file),
    ("jp2-imagecodecs", _geometry.whole_file),
    ("htj2k-imagecodecs", _geometry.whole_file),
    ("j[xl][lsr]-imagecodecs", _geometry.whole_file),
    ("tiffstack-tifffile", _geometry.stack(tiff)),
    ("pngstack-imageio", _geometry.stack(_geometry.png)),
    ("jp2stack-imageio", _geometry.stack(_geometry.whole_file)),
    ("jp2stack-imagecodecs", _geometry.stack(_geometry.whole_file)),
    ("htj2kstack-imagecodecs", _geometry.stack(_geometry.whole_file)),
    ("j[xl][lsr]stack-imagecodecs", _geometry.stack(_geometry.whole_file)),
    ("hdf5-h5py", hdf5),
    ("zarr?-zarrpython*", _geometry.zarr),
    ("zarr3-obstore", _geometry.zarr),
    ("zarr3zip-zarrpython", _geometry_zip.zarr3),
    ("omezarr-*-zarrpython", _geometry.omezarr),
    ("zarr?-tensorstore", _geometry_tensorstore.zarr),
    ("omezarr-*-tensorstore", _geometry_tensorstore.omezarr),
    ("precomputed-tensorstore", _geometry_tensorstore.precomputed),
    ("n5-tensorstore", _geometry_tensorstore.n5),
    ("nifti-nibabel", _geometry_medical.nifti),
    ("niftigz-nibabel", _geometry_medical.niftigz),
    ("nrrd-pynrrd", _geometry_medical.nrrd),
    ("mrc-mrcfile", _geometry_medical.mrc),
    ("dicom-pydicom", _geometry_medical.dicom),
    ("zarr3-acquirezarr", _geometry.zarr),  # it reads by zarr-python
)
"""Who predicts for which backends."""


def predict_read(backend: str, location: Location, reads: Sequence[Request]) -> Prediction | None:
    """Return what opening an image and reading regions of it takes.

    Parameters
    ----------
    backend : str
        Name of the backend.
    location : Location
        The stored image, whose files are looked at.
    reads : sequence of Request
        In order; none: opening alone.

    Returns
    -------
    Prediction or None
        None where no family of `FAMILIES` fits: what the library asks for is its own business (OpenJPEG in a file).
    """
    for pattern, family in FAMILIES:
        if fnmatch.fnmatchcase(backend, pattern):
            return family(location, reads)
    return None


def predict_write(backend: str, store: StoredImage) -> Prediction:
    """Return what writing an image once takes: each object of its verified store is set once.

    Parameters
    ----------
    backend : str
        Name of the backend.
    store : StoredImage
        The verified store of the same setting.
    """
    n_levels, n_objects, layout = len(store.request.level_shapes), store.n_files, store.stored.layout
    if fnmatch.fnmatchcase(backend, "hdf5-*"):  # the objects are inside the file
        n_objects += 1 if layout is None else math.prod(grid_shape(store.stored.shape, layout.chunk_shape))
    metadata_bytes = store.stored_bytes - (store.stored.chunk_bytes or store.stored_bytes)
    return Prediction(requests=n_objects, n_bytes=store.stored_bytes, n_parts=n_levels, beside_bytes=metadata_bytes)
