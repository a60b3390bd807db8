"""JPEG 2000 through glymur: tiles, areas, and the wavelet's smaller levels.

glymur carries no OpenJPEG. `load_glymur` gives it the one in Pillow's wheel, or else the system's; `Jp2Glymur.facts` says
which, since partial reads differ between OpenJPEG versions.
"""

from __future__ import annotations

import ctypes.util
import functools
import importlib.util
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import BlockCodec, StoredAs, WriteRequest
from storebench.backends._jp2 import Jp2Backend, encode_to_psnr, tile_shape
from storebench.backends._jp2_header import Header, read_header
from storebench.backends._owned import owned
from storebench.backends._single_file import check_region, reading, storing
from storebench.errors import MissingDependencyError
from storebench.grid import Region, Shape, wavelet_levels
from storebench.stores import Location

_OLDEST: Final = (2, 4)
_WRITES_TLM: Final = (2, 5)
_LOADING: Final = threading.Lock()


@functools.cache
def load_glymur() -> ModuleType:
    """Import glymur with an OpenJPEG: the one in Pillow's wheel, else the system's.

    Pillow comes with glymur everywhere, so two machines measure the same library; a system's may be years older, and OpenJPEG
    2.5.0 reads a tiled file one and a half times for a small area where 2.5.4 reads 3 % of it. glymur asks
    `ctypes.util.find_library` once, while it is imported; the answer is changed for that moment only. Its other ways (a
    ``glymurrc`` in the working folder or in the user's settings) come first and stay as they are.

    Raises
    ------
    MissingDependencyError
        If no OpenJPEG of at least 2.4 was found.
    """
    find = ctypes.util.find_library
    bundled = _bundled_openjpeg()
    with _LOADING:
        if bundled is not None:
            ctypes.util.find_library = lambda name: str(bundled) if name == "openjp2" else find(name)
        try:
            import glymur
        finally:
            ctypes.util.find_library = find
    if tuple(glymur.version.openjpeg_version_tuple) < _OLDEST:
        found = glymur.version.openjpeg_version
        raise MissingDependencyError(
            f"glymur needs OpenJPEG 2.4 or newer and found {'none' if found == '0.0.0' else found}; "
            "install with: pip install pillow (its wheel carries one), or apt-get install libopenjp2-7"
        )
    module: ModuleType = glymur
    return module


def _bundled_openjpeg() -> Path | None:
    """Return the OpenJPEG that Pillow's wheel carries."""
    spec = importlib.util.find_spec("PIL")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    found = [*package.parent.glob("pillow.libs/libopenjp2*.so*"), *package.glob(".dylibs/libopenjp2*.dylib")]
    return min(found, default=None)


class Jp2Glymur(Jp2Backend):
    """``.jp2`` of 8 or 16 bits, with tiles, reading areas at every level of the wavelet."""

    name = "jp2-glymur"
    library = "glymur"
    distributions: tuple[str, ...] = ("glymur", "pillow")
    partial_read = True
    counts_reads = False  # OpenJPEG opens the file itself
    counts_writes = False

    def why_unavailable(self) -> str | None:
        """Return None where glymur is installed and an OpenJPEG is found."""
        sentence = super().why_unavailable()
        if sentence is not None:
            return sentence
        try:
            load_glymur()
        except MissingDependencyError as error:
            return str(error)
        return None

    def _store(self, location: Location, request: WriteRequest, image: NDArray) -> None:
        with storing(location, RuntimeError, ValueError):
            if request.codec.psnr_db is None:
                _write(location.path, request, image, None)
            else:
                encode_to_psnr(
                    image,
                    request.codec.psnr_db,
                    lambda psnr_db: _write(location.path, request, image, psnr_db),
                    lambda path: np.asarray(load_glymur().Jp2k(path)[:]),
                )

    @contextmanager
    def open(self, location: Location) -> Iterator[_Jp2GlymurReader]:
        """Read the header."""
        header = read_header(location)
        glymur = load_glymur()
        with reading(location, "a JPEG 2000 image", RuntimeError, ValueError, struct.error):
            image = glymur.Jp2k(location.path)
        yield _Jp2GlymurReader(location, header, image)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return why not: glymur works on files only."""
        return f"{self.name} has no codec in memory: glymur works on files only; use jp2-imagecodecs or jp2-imageio"

    def limit_threads(self, threads: int) -> str | None:
        """Hold glymur by its own option, and OpenJPEG as the other backends do."""
        sentence = super().limit_threads(threads) or self.why_unavailable()
        if sentence is not None:
            return sentence
        try:
            load_glymur().set_option("lib.num_threads", threads)
        except RuntimeError as error:
            return f"{self.name} cannot be told a number of threads ({error}); its OpenJPEG was built without threads"
        return None

    def facts(self) -> Mapping[str, str]:
        """Return the OpenJPEG that glymur found, and where it comes from."""
        if self.why_unavailable() is not None:
            return {}
        glymur = load_glymur()
        path = Path(glymur.lib.openjp2.OPENJP2._name)
        where = "Pillow's wheel" if path == _bundled_openjpeg() else f"the system's {path.name}"
        return {"openjpeg": f"{glymur.version.openjpeg_version} ({where})"}


def _write(path: Path, request: WriteRequest, image: NDArray, psnr_db: float | None) -> Path:
    """Write a file, over the one that is there; glymur writes while it is constructed.

    Where a folder is missing or read-only, glymur's error has no words: `touch` lets the operating system speak first.
    And it parses a file that is there before it writes, so the file goes.
    """
    path.touch()
    path.unlink()
    tile = tile_shape(request)
    settings: dict[str, Any] = {"numres": wavelet_levels(request.shape, tile) + 1}
    glymur = load_glymur()
    if tile != request.shape:
        settings["tilesize"] = tile
        # A table of the tiles' lengths: with it OpenJPEG 2.5.1 and newer goes straight to the tiles of an area, else
        # through all before them. PLT would tell the packets' lengths, and OpenJPEG does not look at it.
        settings["tlm"] = tuple(glymur.version.openjpeg_version_tuple) >= _WRITES_TLM
    if psnr_db is not None:
        settings["psnr"] = [psnr_db]
    elif request.codec.ratio is not None:
        settings["cratios"] = [request.codec.ratio]
    elif request.codec.layer_ratios:
        settings["cratios"] = list(request.codec.layer_ratios)
    glymur.Jp2k(path, data=image, **settings)
    return path


class _Jp2GlymurReader:
    """Decodes areas. OpenJPEG opens the file itself, so nothing of it is counted in a location's log.

    Of HTJ2K whole tiles are decoded, then cut: asked for a part of a tile, OpenJPEG returns wrong voxels without an error
    (2.5.0 and 2.5.4, a test watches it). Whole tiles are right, at every level.
    """

    def __init__(self, location: Location, header: Header, image: Any) -> None:
        self._location = location
        self._header = header
        self._image = image
        self._whole_tiles = header.high_throughput

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The wavelet's levels."""
        return self._header.level_shapes

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Decode the area that a region covers; at smaller levels it is the wavelet's low-pass, not a mean."""
        check_region(self._location, self.levels, region, level)
        step, extents = 2**level, self._header.shape[:2]
        # glymur takes areas in voxels of level 0, with the level as the step.
        area = [(a * step, min(b * step, n)) for a, b, n in zip(region.start, region.stop, extents, strict=False)]
        cut = tuple(slice(None) for _ in area)
        if self._whole_tiles:
            tiles = self._header.tile_shape
            wider = [(a // t * t, min(-(-b // t) * t, n)) for (a, b), t, n in zip(area, tiles, extents, strict=True)]
            starts = [r - -(-a // step) for r, (a, _) in zip(region.start, wider, strict=False)]
            cut = tuple(slice(s, s + n) for s, n in zip(starts, region.shape, strict=False))
            area = wider
        with reading(self._location, "a JPEG 2000 image", RuntimeError, ValueError, struct.error):
            values = self._image[(*(slice(a, b, step) for a, b in area), *region.slices[2:])]
            return owned(np.asarray(values)[cut])

    def stored_as(self) -> StoredAs:
        """Return what the header says; where OpenJPEG decodes the code blocks of an area, the decoded block is unknown."""
        return self._header.stored_as(self._header.tile_shape if self._whole_tiles else None)
