"""Zarr arrays of both versions, and the full resolution of OME-Zarr images (0.4 and 0.5).

Which array is meant is read from the metadata files directly, so that damaged metadata gives a sentence; the voxels are
read by zarr-python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._zarr_pipelines import CONFIGURED
from storebench.datasets._file_axes import axis_letter
from storebench.datasets._file_kind import UNKNOWN_AXIS, FileKind, Found
from storebench.errors import DataError
from storebench.grid import Region

_MARKERS: Final = ("zarr.json", ".zarray", ".zgroup")
_SEARCH_DEPTH: Final = 3
_LISTED: Final = 8


@dataclass(frozen=True, slots=True)
class _Node:
    """One node of a hierarchy: `kind` "array" or "group", Zarr version, attributes, axis names where it has them."""

    path: Path
    kind: str
    version: int
    attributes: dict[str, Any]
    names: Sequence[object] | None = None


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder is a Zarr array or group."""
    return any((folder / marker).is_file() for marker in _MARKERS)


def _json(path: Path) -> dict[str, Any]:
    """Return a metadata file's object."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(
            f"{path}: the Zarr metadata are damaged, no JSON ({error}); restore the file from a copy"
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: the Zarr metadata are damaged, no JSON object; restore the file from a copy")
    return content


def _node(folder: Path) -> _Node:
    """Return what lies in a folder that `is_zarr`."""
    if (folder / "zarr.json").is_file():
        content = _json(folder / "zarr.json")
        if content.get("zarr_format") != 3 or content.get("node_type") not in ("array", "group"):
            raise DataError(f"{folder / 'zarr.json'}: neither a Zarr 3 array nor a group; restore the file from a copy")
        attributes = content.get("attributes") or {}
        return _Node(folder, content["node_type"], 3, attributes, content.get("dimension_names") or None)
    attributes = _json(folder / ".zattrs") if (folder / ".zattrs").is_file() else {}
    kind = "array" if (folder / ".zarray").is_file() else "group"
    return _Node(folder, kind, 2, attributes)


def _arrays(folder: Path, depth: int = _SEARCH_DEPTH) -> Iterator[_Node]:
    """Yield the arrays below a group."""
    for child in sorted(path for path in folder.iterdir() if path.is_dir()):
        if is_zarr(child):
            node = _node(child)
            if node.kind == "array":
                yield node
            elif depth > 1:
                yield from _arrays(child, depth - 1)


def _multiscale(group: _Node) -> tuple[_Node, list[object]] | None:
    """Return level 0 of an OME-Zarr image and its axis names; None for any other group."""
    ome = group.attributes.get("ome", group.attributes) if group.version == 3 else group.attributes
    if not isinstance(ome, dict) or "multiscales" not in ome:
        return None
    try:
        image = ome["multiscales"][0]
        level = PurePosixPath(image["datasets"][0]["path"])
        names = [axis["name"] if isinstance(axis, dict) else axis for axis in image.get("axes", ())]
    except (LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"{group.path}: its OME-Zarr metadata are damaged ({error!r}); give the path of one array in it"
        ) from error
    if level.is_absolute() or ".." in level.parts or not is_zarr(group.path / level):
        raise DataError(
            f"{group.path}: its OME-Zarr metadata name level 0 {str(level)!r}, where no array is; restore a copy"
        )
    return _node(group.path / level), names


def _array(folder: Path) -> tuple[_Node, str]:
    """Return the array that is meant by a folder, and a few words about it.

    Raises
    ------
    DataError
        If it is a group with no array or with several; lists them.
    """
    node = _node(folder)
    if node.kind == "array":
        return node, f"a Zarr {node.version} array"
    if (found := _multiscale(node)) is not None:
        array, names = found
        axes = names or array.names
        return _Node(
            array.path, array.kind, array.version, {}, axes
        ), f"an OME-Zarr image (Zarr {array.version}), level 0"
    arrays = list(_arrays(folder))
    if len(arrays) == 1:
        return arrays[0], f"the one array of a Zarr {node.version} group"
    paths = [str(array.path.relative_to(folder)) for array in arrays]
    listed = ", ".join(paths[:_LISTED]) + (", …" if len(paths) > _LISTED else "")
    if not paths:
        raise DataError(f"{folder}: a Zarr group without arrays; give the path of an array or of an OME-Zarr image")
    raise DataError(
        f"{folder}: a Zarr group with several arrays ({listed}); choose one by its path, as in {arrays[0].path}"
    )


def _open(node: _Node) -> Any:
    """Open an array, read-only."""
    import zarr

    store = zarr.storage.LocalStore(node.path, read_only=True)
    with CONFIGURED.selected():  # another thread may write by a backend with another pipeline
        return zarr.open_array(store, mode="r", zarr_format=2 if node.version == 2 else 3)


def _describe(folder: Path, _inner: str) -> Found:
    node, about = _array(folder)
    array = _open(node)
    shape = tuple(int(n) for n in array.shape)
    names = node.names or node.attributes.get("_ARRAY_DIMENSIONS") or ()
    if not isinstance(names, (list, tuple)) or len(names) != len(shape):
        names = [UNKNOWN_AXIS] * len(shape)
    return Found(shape=shape, dtype=np.dtype(array.dtype), axes="".join(map(axis_letter, names)), about=about)


def _read(folder: Path, _inner: str, regions: Sequence[Region]) -> list[NDArray[Any]]:
    array = _open(_array(folder)[0])
    return [np.asarray(array[region.slices]) for region in regions]


ZARR: Final = FileKind(
    name="zarr",
    label="Zarr 2 or 3 array or OME-Zarr 0.4 or 0.5 image",
    suffixes=(".zarr",),
    describe=_describe,
    read=_read,
)
