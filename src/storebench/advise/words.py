"""What settings, access patterns and goals are called in sentences for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from storebench.grid import Shape
from storebench.units import shape_text

_FORMATS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "zarr2": "Zarr 2",
        "zarr3": "Zarr 3",
        "zarr3zip": "zipped Zarr 3",
        "omezarr-0.4": "OME-Zarr 0.4",
        "omezarr-0.5": "OME-Zarr 0.5",
        "tiff": "TIFF",
        "ometiff": "OME-TIFF",
        "hdf5": "HDF5",
        "n5": "N5",
        "png": "PNG",
        "jp2": "JPEG 2000",
        "htj2k": "High-Throughput JPEG 2000",
        "npy": "raw npy",
        "nifti": "NIfTI",
        "niftigz": "NIfTI in gzip",
        "nrrd": "NRRD",
        "mrc": "MRC",
        "dicom": "DICOM",
    }
)
_LIBRARIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "zarrpython": "zarr-python",
        "zarrpythonfused": "zarr-python's fused pipeline",
        "zarrs": "zarr-python and zarrs",
        "obstore": "zarr-python over obstore",
        "numpy": "NumPy",
    }
)


def format_text(backend: str) -> str:
    """Name format and library of a backend, as in "Zarr 3 with zarr-python"; a name of another form stays as it is."""
    if backend in _FORMATS:
        return _FORMATS[backend]  # another tool's, and not said which
    head, _, library = backend.rpartition("-")
    stacked = head.endswith("stack")
    known = _FORMATS.get(head.removesuffix("stack"))
    if known is None:
        return backend
    return f"{f'a stack of {known} files' if stacked else known} with {_LIBRARIES.get(library, library)}"


def layout_text(chunk_shape: Shape | None, shard_shape: Shape | None) -> str:
    """Name chunks and shards, as in "chunks 64x64x64 in shards of 256x256x256"; empty where there are none."""
    if chunk_shape is None:
        return ""
    return f"chunks {shape_text(chunk_shape)}" + (f" in shards of {shape_text(shard_shape)}" if shard_shape else "")


_PATTERNS: Final[tuple[tuple[str, Callable[[re.Match[str]], str]], ...]] = (
    (r"plane_(\w+)", lambda m: f"{m[1].upper()} plane"),
    (r"stream1", lambda _: "plane by plane"),
    (r"stream(\d+)", lambda m: f"{m[1]} planes at a time"),
    (r"viewer(\d+x\d+)?(-from0)?", lambda m: _trace_text("trace of a viewer", m)),
    (r"viewer_roi(\d+)?(-from0)?", lambda m: _trace_text("trace of a viewer in 3-D", m)),
)
"""Name of access patterns → what people call them."""


def _trace_text(trace: str, found: re.Match[str]) -> str:
    extent = f", {found[1]} voxels" if found[1] else ""
    return trace + extent + (", all from full resolution" if found[2] else "")


def pattern_text(pattern: str) -> str:
    """Write an access pattern's name for people: "plane_xz" as "XZ plane", "stream16" as "16 planes at a time"."""
    for name, text in _PATTERNS:
        found = re.fullmatch(name, pattern)
        if found:
            return text(found)
    return pattern.replace("_", " ")


def operation_text(operation: str, pattern: str | None = None) -> str:
    """Write what was done for people: "append" of "stream1" as "append plane by plane"."""
    return " ".join((operation.replace("_", " "), *([pattern_text(pattern)] if pattern else [])))


def patterns_text(pattern: str) -> str:
    """Write an access pattern's name in the plural, where one is known: "plane_xz" as "XZ planes"."""
    if pattern == "whole":
        return "of the whole image"
    sized = re.fullmatch(r"(roi|tile)(\d\w*)", pattern)
    if sized:
        return f"{'cubes' if sized[1] == 'roi' else 'tiles'} of {sized[2]}"
    if re.fullmatch(r"plane_\w+|voxel|voxel_line", pattern):
        return f"{pattern_text(pattern)}s"
    return pattern_text(pattern)


def listed(words: Iterable[str], *, last: str = "and", most: int | None = None) -> str:
    """Join words as in "a, b and c"; of more than `most` the others are counted."""
    items = list(words)
    if most is not None and len(items) > most:
        items = [*items[:most], f"{len(items) - most} more"]
    return f" {last} ".join([*([", ".join(items[:-1])] if items[1:] else []), *items[-1:]])
