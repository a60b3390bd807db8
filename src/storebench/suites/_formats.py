"""Every backend of the table on one small volume, each at one sensible setting: a new backend is here without an edit.

What a backend is asked follows from what it takes: the first layout and lossless codec of the lists below that it does not
refuse. Backends of 2-D images alone get a plane.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from storebench.backends import BACKENDS, Backend, WriteRequest
from storebench.codecs import EXAMPLES, parse_codec
from storebench.grid import Layout
from storebench.stores import Location
from storebench.suites._grid import TILE_MULTIPLE, Grid, Subject, Tier, fit_layout
from storebench.suites._reads import BLOSC, class_name

SUITE: Final = "formats"
_CT: Final = Subject("ct", (64, 256, 256), "uint16")
_LABELS: Final = Subject("labels_dense", (64, 256, 256), "uint16")
_PLANE: Final = Subject("ct", (1024, 1024), "uint16", axes="yx")
_CT_SMALL: Final = Subject("ct", (32, 128, 128), "uint16")

_READ: Final = "What does every format and library take to read one small volume, whole and in part?"
_WRITE: Final = "What does every format and library take to write one small volume?"
_PATTERNS: Final = ("whole", "plane_xy", "plane_xz", "roi32", "voxel")
_LABEL_PATTERNS: Final = ("whole",)
_PLANE_PATTERNS: Final = ("whole", "tile256")
_BESIDE_PLANES: Final = ("npy-numpy", "tiff-tifffile", "zarr3-zarrpython")
"""Asked for the plane too, so that what holds nothing else stands beside something."""
_SMOKE: Final = ("npy-numpy", "tiff-tifffile", "zarr3-zarrpython", "zarr3-tensorstore")
_SMOKE_PATTERNS: Final = ("plane_xz",)

_CUBES: Final = ("64x64x64", "256x256", "default")
_TILES: Final = ("256x256", "default")
_AS_IT_IS: Final = ("default",)

_COMMON: Final = (
    BLOSC,
    "blosc2-zstd-5-shuffle",
    "blosc-zstd-1-bitshuffle",
    "zstd-3-predictor",
    "zstd-3-shuffle",
    "zstd-3",
    "deflate-4-shuffle",
    "deflate-6-predictor",
    "deflate-6",
    "deflate-1",
    "gzip-5",
    "gzip-1",
    "png-1",
    "jp2-lossless",
    "htj2k-lossless",
    "jxl-lossless-3",
)
_PARSED: Final = {name: parse_codec(name) for name in (*EXAMPLES, *_COMMON)}
_OTHERS: Final = tuple(name for name, codec in _PARSED.items() if codec.lossless and name != "none")
_BY_FORMAT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "hdf5": ("deflate-4-shuffle", "deflate-1"),  # what every HDF5 reader has; its plug-ins are others' to install
        "tiffstack": ("none",),
    }
)
"""By format: the codecs that people use first, where these are not the first of `_COMMON`."""


def formats() -> Iterator[Grid]:
    """Yield reads and a write for every backend, on a tomogram and on labels, or on a plane; and few for the smoke tier."""
    for backend in BACKENDS.values():
        volume = list(_of("core", backend, _CT, _PATTERNS))
        yield from volume
        if not volume or backend.name in _BESIDE_PLANES:
            yield from _of("core", backend, _PLANE, _PLANE_PATTERNS, name="Plane")
        yield from _of("core", backend, _LABELS, _LABEL_PATTERNS, name="Labels")
        if backend.name in _SMOKE:
            yield from _of("smoke", backend, _CT_SMALL, _SMOKE_PATTERNS)


def _of(tier: Tier, backend: Backend, subject: Subject, patterns: Sequence[str], *, name: str = "") -> Iterator[Grid]:
    """Yield a backend's reads and its write of an image; nothing where it takes none of the settings."""
    setting = sensible_setting(backend, subject)
    if setting is None:
        return
    layout, codec = setting
    settings = {"layout": (layout,), "codec": (codec,)}
    called = f"{tier.capitalize()}{class_name(backend.name)}{name}"
    for operation, question, params in (
        ("read", _READ, {**settings, "pattern": tuple(patterns)}),
        ("write", _WRITE, settings),
    ):
        yield Grid(
            name=called if operation == "read" else f"{called}Write",
            suite=SUITE,
            tier=tier,
            question=question,
            operation="read" if operation == "read" else "write",
            backend=backend.name,
            subject=subject,
            params=params,
            slow=codec.startswith("jp2-") and "stack" in backend.format,
        )


def sensible_setting(backend: Backend, subject: Subject) -> tuple[str, str] | None:
    """Return layout and codec as people use a format: the first that the backend takes for an image; None: it takes none.

    Parameters
    ----------
    backend : Backend
        Who stores.
    subject : Subject
        What.
    """
    for codec in dict.fromkeys((*_BY_FORMAT.get(backend.format, ()), *_COMMON, *_OTHERS, "none")):
        for layout in _layouts(backend, subject):
            if _takes(backend, subject, layout, codec):
                return layout, codec
    return None


def _layouts(backend: Backend, subject: Subject) -> tuple[str, ...]:
    """Return the layouts that a format is used with, the most usual first."""
    if "stack" in backend.format:
        return _AS_IT_IS
    if len(subject.shape) == 2:
        return _TILES if backend.name in _BESIDE_PLANES else _AS_IT_IS
    return _TILES if "tiff" in backend.format else _CUBES


def _takes(backend: Backend, subject: Subject, layout: str, codec: str) -> bool:
    chunk, shard = fit_layout(layout, subject.shape, multiple=TILE_MULTIPLE.get(backend.name, 1))
    request = WriteRequest(
        shape=subject.shape,
        dtype=np.dtype(subject.dtype),
        axes=subject.axes,
        codec=_PARSED[codec],
        layout=None if chunk is None else Layout(chunk_shape=chunk, shard_shape=shard),
    )
    return backend.why_unsupported(Location(Path(f"image{backend.suffix}")), request) is None
