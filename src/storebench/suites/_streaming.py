"""Writes as instruments and pipelines do them: slab after slab, durable slab by slab, and into what is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from storebench.records import Operation
from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._images import CT, CT_SMALL
from storebench.suites._reads import BLOSC, class_name

FRAMES: Final = Subject("ct", (64, 1024, 1024), "uint16")
"""64 frames of a camera, 2 MiB each."""
_SMALLER_FRAMES: Final = Subject("ct", (64, 512, 512), "uint16")
"""For chunks that are too deep, where each call moves 127 times the bytes."""

_WHOLE: Final = "What does the same image cost in one piece?"
_STREAM: Final = "How many planes a second does a camera get rid of, and how long does it wait at worst?"
_PITFALL: Final = "What do chunks cost that are deeper than the slab: each slab reads, changes and writes them again?"
_DURABLE: Final = "How many planes a second, if each has to be on the device before the next one comes?"
_CHANGE: Final = "How many bytes are read and written for each byte that changes?"
_PLANES: Final = ("stream1", "stream16")
_DEEP: Final = ("stream1",)
_FITTING: Final = ("stream64",)
_ROIS: Final = ("roi64-aligned64", "roi64-misaligned64")


class _Setting(NamedTuple):
    """A way to store the image; `name` sets it apart from others of its backend."""

    backend: str
    layout: str
    codecs: tuple[str, ...] = ("none",)
    name: str = ""


_NPY: Final = _Setting("npy-numpy", "default")
_TIFF_STACK: Final = _Setting("tiffstack-tifffile", "default")
_HDF5_PLANES: Final = _Setting("hdf5-h5py", "1x256x256", name="Planes")
_ZARR_PLANES: Final = _Setting("zarr3-zarrpython", "1x256x256", name="Planes")
_HDF5_CUBES: Final = _Setting("hdf5-h5py", "64x64x64", name="Cubes")
_ZARR_CUBES: Final = _Setting("zarr3-zarrpython", "64x64x64", name="Cubes")
_SHARDS: Final = _Setting("zarr3-zarrpython", "32x32x32-in-128x128x128", name="Shards")

_AS_IT_COMES: Final = (
    _NPY,
    _TIFF_STACK,
    _Setting("tiff-tifffile", "default"),
    _Setting("pngstack-imageio", "default", ("png-1",)),
    _HDF5_PLANES,
    _ZARR_PLANES._replace(codecs=("none", BLOSC)),
    _Setting("omezarr-0.5-zarrpython", "1x256x256", name="Planes"),
    _Setting("zarr3-tensorstore", "1x256x256", name="Planes"),
)
_TOO_DEEP: Final = (_HDF5_CUBES, _ZARR_CUBES, _SHARDS._replace(layout="64x64x64-in-64x256x256"))
_CHANGED: Final = (
    _NPY,
    _HDF5_CUBES._replace(codecs=("none", "deflate-1")),
    _ZARR_CUBES._replace(codecs=("none", BLOSC)),
    _SHARDS._replace(codecs=("none", BLOSC)),
    _Setting("omezarr-0.5-zarrpython", "64x64x64", name="Cubes"),
    _Setting("zarr3-tensorstore", "64x64x64", name="Cubes"),
)


def streaming() -> Iterator[Grid]:
    """Yield the grids."""
    yield _grid("smoke", CT_SMALL, _ZARR_CUBES, "write", _WHOLE)
    for setting in (_NPY, _TIFF_STACK, _HDF5_PLANES, _ZARR_PLANES):
        yield _grid("smoke", CT_SMALL, setting, "append", _STREAM, patterns=_DEEP)
    yield _grid("smoke", CT_SMALL, _ZARR_CUBES, "append", _PITFALL, patterns=(*_DEEP, *_FITTING))
    yield _grid("smoke", CT_SMALL, _ZARR_PLANES, "append", _DURABLE, patterns=_DEEP, durability="durable")
    for setting in (_ZARR_CUBES, _SHARDS):
        yield _grid("smoke", CT_SMALL, setting, "overwrite", _CHANGE, patterns=_ROIS)

    for setting in (_NPY, _TIFF_STACK, _HDF5_CUBES, _ZARR_CUBES):
        yield _grid("core", FRAMES, setting, "write", _WHOLE)
    for setting in _AS_IT_COMES:
        patterns = _PLANES if setting.name == "Planes" or setting == _NPY else _DEEP
        yield _grid("core", FRAMES, setting, "append", _STREAM, patterns=patterns)
    for setting in _TOO_DEEP:
        yield _grid("core", _SMALLER_FRAMES, setting, "append", _PITFALL, patterns=_DEEP, slow=True)
        yield _grid("core", _SMALLER_FRAMES, setting, "append", _PITFALL, patterns=_FITTING)
    for setting in (_NPY, _TIFF_STACK, _HDF5_PLANES, _ZARR_PLANES):
        yield _grid("core", FRAMES, setting, "append", _DURABLE, patterns=_DEEP, durability="durable")
    for setting in _CHANGED:
        yield _grid("core", CT, setting, "overwrite", _CHANGE, patterns=_ROIS)


def _grid(
    tier: Tier,
    subject: Subject,
    setting: _Setting,
    operation: Operation,
    question: str,
    *,
    patterns: tuple[str, ...] = (),
    durability: str = "returned",
    slow: bool = False,
) -> Grid:
    apart = ("_durable" if durability == "durable" else "") + ("_deep" if slow else "")
    params = {"layout": (setting.layout,), "codec": setting.codecs}
    return Grid(
        name=f"{tier.capitalize()}{class_name(setting.backend)}{setting.name}_{operation}{apart}",
        suite="streaming",
        tier=tier,
        question=question,
        operation=operation,
        backend=setting.backend,
        subject=subject,
        params=params | ({"pattern": patterns} if patterns else {}),
        durability=durability,
        slow=slow,
    )
