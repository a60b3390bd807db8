"""What the tags of a TIFF's page say: shape and axes of the image, its strips or tiles, its codec."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import numpy as np

from storebench.backends._tiff_codecs import KIND_OF_TAG
from storebench.grid import Shape

OME_AXES: Final = "axes "
"""What the description of an OME image begins with where it names the axes that the image really has."""

SPATIAL_AXES: Final = frozenset("tczyx")


def described(page: Any) -> tuple[Shape, str | None] | None:
    """Return shape and axes (None where they are not told) as the first page of a file tells them, or None."""
    if not is_plain(page):
        return None
    found = _from_json(page.description) or _from_ome(page.description)
    whole = found is not None and math.prod(found[0]) % (page.imagedepth * page.imagelength * page.imagewidth) == 0
    return found if whole else None


def _from_json(text: str) -> tuple[Shape, str | None] | None:
    """Read the JSON that tifffile puts into the first page."""
    if not text.startswith('{"shape":'):
        return None
    try:
        told = json.loads(text)
        shape = tuple(int(n) for n in told["shape"])
    except (ValueError, TypeError):
        return None
    if told.get("truncate") or told.get("truncated"):
        return None
    axes = str(told.get("axes", "")).lower()
    usable = len(axes) == len(shape) and set(axes) <= SPATIAL_AXES and len(set(axes)) == len(axes)
    return shape, axes if usable else None


def _from_ome(text: str) -> tuple[Shape, str | None] | None:
    """Read OME-XML of one image whose planes are this file's pages, in order.

    OME has five axes always, so one of a single plane may be none of the image: `OME_AXES` in the image's description tells.
    """
    if not text.endswith("OME>"):
        return None
    import tifffile

    try:
        image = tifffile.xml2dict(text)["OME"]["Image"]
        pixels = image["Pixels"]
        planes = pixels["TiffData"]
        sizes = {axis.lower(): int(pixels[f"Size{axis}"]) for axis in "XYZCT"}
        order = str(pixels["DimensionOrder"]).lower()[::-1]
        if planes["IFD"] != 0 or planes["PlaneCount"] != math.prod(sizes[axis] for axis in order[:-2]):
            return None
        told = str(image.get("Description", ""))
    except (KeyError, TypeError, ValueError, SyntaxError):  # several images, files or lists of planes, or no OME-XML
        return None
    axes = told.removeprefix(OME_AXES) if told.startswith(OME_AXES) else ""
    if not axes.endswith("yx") or axes != "".join(a for a in order if a in axes or sizes[a] > 1):
        axes = "".join(a for a in order if a in "yx" or sizes[a] > 1)
    return tuple(sizes[axis] for axis in axes), axes


def is_plain(page: Any) -> bool:
    """Tell whether strips or tiles are plain blocks of one grey value per voxel."""
    return (
        page.samplesperpixel == 1
        and int(page.compression) in KIND_OF_TAG
        and page.bitspersample == 8 * np.dtype(page.dtype).itemsize
        and (page.imagedepth == 1 or (page.tile is not None and len(page.tile) == 3))
    )


def foreign_compression(page: Any) -> str:
    """Name a compression that has no neutral name."""
    return "" if int(page.compression) in KIND_OF_TAG else f"compression {page.compression.name}"


def page_shape(key: Any) -> Shape:
    """Return the extents of a page, in its own axes: depth only where there are tiles of volumes."""
    extents = (key.imagedepth, key.imagelength, key.imagewidth)
    return extents if key.tile is not None and len(key.tile) == 3 else extents[1:]


def chunk_shape(key: Any) -> Shape:
    """Return the extents of a strip or tile, in the page's axes."""
    if key.tile is not None:
        return tuple(key.tile)
    return (min(key.rowsperstrip, key.imagelength), key.imagewidth)
