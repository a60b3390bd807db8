"""High-Throughput JPEG 2000 through imagecodecs, which carries OpenJPH.

Bare codestreams, for which IANA and OpenJPEG have the ending ``.jhc``. Only planes: given a third axis, imagecodecs takes
it for colour, or gives wrong voxels back without an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from storebench.backends._backend import WriteRequest
from storebench.backends._jp2 import Jp2InMemory, tile_shape
from storebench.backends._owned import owned
from storebench.backends._refusals import check_thread_limit
from storebench.grid import Shape, wavelet_levels


class Htj2kImagecodecs(Jp2InMemory):
    """``.jhc`` of 8 or 16 bits, lossless, with tiles; always decoded whole.

    imagecodecs can decode the wavelet's smaller levels (`skipres`), but what its low-pass brings below 0 comes out near the
    dtype's largest value (65,509 for -27; 2026.3.6 and 2026.10.10, a test watches it). So they are not offered here;
    `htj2k-glymur` has them right.
    """

    name = "htj2k-imagecodecs"
    format = "htj2k"
    suffix = ".jhc"
    library = "imagecodecs"
    distributions = ("imagecodecs",)
    makes_levels = False
    _codec_kind = "htj2k"

    def _why_not_tiled(self, request: WriteRequest) -> str | None:
        return super()._why_not_tiled(request) or why_not_htj2k(self.name, request)

    def _encode(self, image: NDArray, request: WriteRequest, psnr_db: float | None) -> bytes:
        return encode_htj2k(image, tile_shape(request))

    def decode(self, data: bytes) -> NDArray:
        """Return the image of a file."""
        import imagecodecs

        return owned(imagecodecs.htj2k_decode(data))

    def limit_threads(self, threads: int) -> str | None:
        """Return None: OpenJPH uses one thread."""
        check_thread_limit(threads)
        return None

    def facts(self) -> Mapping[str, str]:
        """Return the OpenJPH of imagecodecs."""
        return openjph_facts()


def why_not_htj2k(name: str, request: WriteRequest) -> str | None:
    """Return the sentence for tiles that are one voxel high or wide, in which OpenJPH writes wrong voxels, or None.

    A 0 comes back as 128 or 32,768: with imagecodecs 2026.10.10 in any such tile, with 2026.3.6 in those of one voxel.
    """
    tile = tile_shape(request)
    if any(t == 1 or n % t == 1 for t, n in zip(tile, request.shape, strict=True)):
        what = "an image" if tile == request.shape else f"with tiles of {tile} some tile"
        return (
            f"{name} writes wrong voxels where {what} is one voxel high or wide (imagecodecs 2026.3 to 2026.10); "
            "choose other tiles, or jp2-lossless with jp2-glymur"
        )
    return None


def encode_htj2k(image: NDArray, tile: Shape) -> bytes:
    """Return a plane as a lossless HTJ2K codestream.

    Where there are tiles, a table of their lengths (TLM) comes first: without it a reader of one tile goes through all.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), of 8 or 16 bits.
    tile : tuple of int
        (y, x), in voxels; the image's own shape for one tile.
    """
    import imagecodecs

    tiles: dict[str, Any] = (
        {} if tile == image.shape else {"tile": tile[::-1], "tlm": True}
    )  # imagecodecs takes a tile as (x, y)
    levels = max(wavelet_levels(image.shape, tile), 1)  # imagecodecs takes 0 for its default, 5
    return bytes(imagecodecs.htj2k_encode(image, reversible=True, resolutions=levels, **tiles))


def openjph_facts() -> Mapping[str, str]:
    """Return the version of OpenJPH."""
    import imagecodecs

    return {"openjph": f"{imagecodecs.htj2k_version().split()[-1]} (imagecodecs' wheel)"}
