"""Whether a library can read what lies elsewhere, over HTTP or in an object store: a fact of the library, not of a backend.

storebench's backends read local files. Where the bytes are far away, this says whether the same library would do.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Remote = Literal["yes", "file object", "no"]
"""By itself, given an address or a store; through any seekable file object of Python's, such as fsspec's; not at all."""

REMOTE: Final[Mapping[str, Remote]] = MappingProxyType(
    {
        "acquire-zarr": "no",  # it writes to S3, and reads nothing
        "blosc2": "no",
        "glymur": "no",  # OpenJPEG opens the file
        "h5py": "file object",
        "highdicom": "file object",
        "icechunk": "yes",
        "imagecodecs": "file object",  # it decodes bytes, from wherever they are
        "imageio": "yes",  # it fetches the whole file
        "iohub": "yes",
        "mrcfile": "file object",
        "ngff-zarr": "yes",
        "nibabel": "file object",
        "numpy": "file object",  # whole, without a memory map
        "obstore": "yes",
        "ome-zarr": "yes",
        "pydicom": "file object",
        "pynrrd": "file object",
        "tensorstore": "yes",
        "tifffile": "file object",
        "z5py": "no",
        "zarr": "yes",
        "zarrista": "yes",
        "zarrs": "yes",
    }
)
"""By distribution. A test finds a library of the table of backends that is missing here."""
