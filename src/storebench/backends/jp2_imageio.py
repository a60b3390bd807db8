"""JPEG 2000 through imageio, whose pillow plugin calls the OpenJPEG in Pillow's wheel."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import StoredAs, WriteRequest
from storebench.backends._jp2 import Jp2InMemory, tile_shape
from storebench.backends._jp2_header import Header, read_header
from storebench.backends._owned import owned
from storebench.backends._pillow import any_size, facts_of_pillow
from storebench.backends._single_file import check_region, reading
from storebench.grid import Region, Shape, wavelet_levels
from storebench.stores import Location


class Jp2Imageio(Jp2InMemory):
    """``.jp2`` of 8 or 16 bits, always decoded whole, also at the wavelet's smaller levels."""

    name = "jp2-imageio"
    library = "imageio"
    distributions = ("imageio", "pillow")

    def _why_not_tiled(self, request: WriteRequest) -> str | None:
        if request.dtype == np.uint16 and tile_shape(request) != request.shape:
            return f"{self.name} writes wrong voxels into 16-bit tiles (Pillow 13); leave tiles out or use jp2-glymur"
        return super()._why_not_tiled(request)

    def _encode(self, image: NDArray, request: WriteRequest, psnr_db: float | None) -> bytes:
        import imageio.v3 as iio

        settings: dict[str, Any] = {}
        if psnr_db is not None:
            settings |= {"quality_mode": "dB", "quality_layers": [psnr_db]}
        elif request.codec.ratio is not None:
            settings |= {"quality_mode": "rates", "quality_layers": [request.codec.ratio]}
        elif request.codec.layer_ratios:
            settings |= {"quality_mode": "rates", "quality_layers": list(request.codec.layer_ratios)}
        tile = tile_shape(request)
        if tile != request.shape:
            settings |= {"tile_size": tile[::-1], "num_resolutions": wavelet_levels(request.shape, tile) + 1}
        encoded: bytes = iio.imwrite("<bytes>", image, plugin="pillow", extension=".jp2", **settings)
        return encoded

    def decode(self, data: bytes) -> NDArray:
        """Return the image of a file."""
        return _decode(data)

    @contextmanager
    def open(self, location: Location) -> Iterator[_Jp2ImageioReader]:
        """Read the header."""
        yield _Jp2ImageioReader(location, read_header(location))

    def facts(self) -> Mapping[str, str]:
        """Return the OpenJPEG of Pillow."""
        return facts_of_pillow("jpg_2000")


def _decode(source: Any) -> NDArray:
    """Read an image from a path or bytes."""
    import imageio.v3 as iio

    with any_size():
        return owned(iio.imread(source, plugin="pillow", extension=".jp2"))


class _Jp2ImageioReader:
    """Decodes the whole image, or the whole of a wavelet level, for every read."""

    def __init__(self, location: Location, header: Header) -> None:
        self._location = location
        self._header = header

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The wavelet's levels as far as Pillow decodes them: it rounds sizes where OpenJPEG rounds up, then fails."""
        y, x = self._header.shape[:2]
        rounded = [((y + 2**k // 2) // 2**k, (x + 2**k // 2) // 2**k) for k in range(len(self._header.level_shapes))]
        pairs = zip(self._header.level_shapes, rounded, strict=True)
        return tuple(shape for shape, _ in itertools.takewhile(lambda pair: pair[0][:2] == pair[1], pairs))

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Decode a level whole and return a region of it."""
        check_region(self._location, self.levels, region, level)
        with reading(self._location, "a JPEG 2000 image", SyntaxError, ValueError):
            values = _decode(self._source()) if level == 0 else self._decode_level(level)
        return owned(values[region.slices])

    def _source(self) -> Any:
        """Return the path, or its counted bytes: OpenJPEG reads behind Python's back what Pillow opens."""
        if self._location.log is None:
            return self._location.path
        with self._location.open_file() as file:
            return file.read()

    def _decode_level(self, level: int) -> NDArray:
        """Decode a smaller level by Pillow itself: imageio has no setting for it."""
        from PIL import Image

        source = self._source()
        with any_size(), Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            image.reduce = level  # type: ignore[method-assign, assignment]
            return np.asarray(image)

    def stored_as(self) -> StoredAs:
        """Return what the codestream's header says."""
        return self._header.stored_as(self._header.shape)
