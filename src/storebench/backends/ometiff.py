"""OME-TIFF through tifffile: planes with OME-XML, and smaller levels in each page's SubIFDs, as viewers read them."""

from __future__ import annotations

import math
import uuid
from typing import Final

from storebench.backends._backend import WriteRequest
from storebench.backends._tiff_tags import OME_AXES
from storebench.backends.tiff import TiffTifffile
from storebench.stores import Location

_DTYPES: Final = "int8 uint8 int16 uint16 int32 uint32 float32 float64"


class OmeTiffTifffile(TiffTifffile):
    """``.ome.tiff`` of one image, its levels reduced along y and x."""

    name = "ometiff-tifffile"
    format = "ometiff"
    suffix = ".ome.tiff"
    _levels = True
    _dtypes = _DTYPES

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Refuse what OME-TIFF cannot hold beyond what TIFF cannot."""
        sentence = super().why_unsupported(location, request)
        if sentence is not None:
            return sentence
        if not request.axes.endswith("yx"):
            return f"{self.name} holds planes of y and x, not of {request.axes[-2:]}; use tiff-tifffile"
        if request.layout is not None and any(n > 1 for n in request.layout.chunk_shape[:-2]):
            return f"{self.name} has no tiles of volumes; make all but the last two of {request.layout.chunk_shape} 1"
        for factors in request.level_factors:
            if any(f > 1 for f in factors[:-2]):
                return (
                    f"{self.name} has a smaller page for each page, so its levels get smaller along y and x only, not by "
                    f"{factors}; use --level-axes yx, or omezarr-0.5-zarrpython"
                )
        return None

    def _describe(self, request: WriteRequest) -> str:
        """Return OME-XML. Not tifffile's own call of the same: that squeezes axes of one voxel away."""
        import tifffile

        xml = tifffile.OmeXml(UUID=uuid.uuid4().urn)  # tifffile's own names this machine's network card
        xml.addimage(
            request.dtype,
            request.shape,
            (math.prod(request.shape[:-2]), 1, 1, *request.shape[-2:], 1),
            axes=request.axes.upper(),
            Description=f"{OME_AXES}{request.axes}",
        )
        return str(xml.tostring(declaration=True))
