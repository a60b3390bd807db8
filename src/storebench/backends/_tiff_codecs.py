"""TIFF's compressions, in one table for all that write or read TIFF: tags, what each holds, tifffile's words, names read back.

JPEG 2000, JPEG XL, JPEG XR, PNG, JPEG and LERC compress a strip or tile as an image of its own. Of these only JPEG XL (as
frames) and LERC (as bands) take tiles of volumes. LERC, alone of all, keeps its bound in each tile, where it is read back.

Not here: JPEG-LS and HTJ2K, for which TIFF has no tag; WebP, which has 8 bits and colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from storebench.backends._backend import WriteRequest
from storebench.backends._image_headers import HEADER_ERRORS, jxl_header, jxr_header, lerc_codec
from storebench.backends._jp2_header import codestream_header
from storebench.backends.jxl_imagecodecs import JXL_DTYPES, jxl_settings, why_not_jxl
from storebench.codecs import Codec
from storebench.errors import DataError

_ALL: Final = "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64"
_UNSIGNED: Final = "uint8 uint16"


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffCodec:
    """One compression.

    Attributes
    ----------
    tag : int
        TIFF's number for it.
    settings : callable
        From a codec to tifffile's `compressionargs`.
    stored : str or callable
        The neutral name as the file tells it, without '-predictor'; or from the bytes of a strip or tile to that.
    dtypes : str
        numpy's names of the dtypes that come back to the bit.
    volumes : bool
        Whether it takes tiles of volumes.
    as_image : bool
        Whether it takes voxels with their shape and type, and gives such back; else it takes bytes.
    worst : float
        What noise may grow by: JPEG XL at effort 1 makes 1.4 times as much of it.
    notices_a_cut : bool
        Whether decoding bytes of which the last are missing is an error; else there are voxels, and wrong ones.
    version : str
        imagecodecs' function that tells the library, empty where there is none to tell.
    """

    tag: int
    settings: Callable[[Codec], dict[str, Any]]
    stored: str | Callable[[bytes], str]
    dtypes: str = _ALL
    volumes: bool = True
    as_image: bool = True
    worst: float = 1.5
    notices_a_cut: bool = True
    version: str = ""


def _level(codec: Codec) -> dict[str, Any]:
    return {"level": codec.level}


def _nothing(_: Codec) -> dict[str, Any]:
    return {}


def _bytes(
    tag: int, settings: Callable[[Codec], dict[str, Any]], stored: str, version: str = "", worst: float = 1.01
) -> TiffCodec:
    """Return a compression of bytes. A digit ends the name, which keeps '-predictor' out of the pattern."""
    return TiffCodec(tag=tag, settings=settings, stored=stored, as_image=False, version=version, worst=worst)


TIFF_CODECS: Final[Mapping[str, TiffCodec]] = MappingProxyType(
    {
        "none": _bytes(1, _nothing, "none"),
        "lzw": _bytes(5, _nothing, "lzw", worst=1.5),  # codes of up to 12 bits for one byte that never repeats
        "deflate": _bytes(8, _level, "deflate-*[0-9]", "deflate"),
        "zstd": _bytes(50000, _level, "zstd-*[0-9]", "zstd"),
        "jpeg": TiffCodec(
            tag=7,
            settings=lambda codec: {"level": codec.quality},
            stored="jpeg-*",
            dtypes="uint8",
            volumes=False,
            notices_a_cut=False,
            version="jpeg8",
        ),
        "jp2": TiffCodec(
            tag=34712,
            settings=lambda _: {"level": 0, "reversible": True, "codecformat": "j2k"},  # a PSNR of 0 cuts nothing off
            stored=lambda data: codestream_header(data).codec,
            dtypes="int8 uint8 int16 uint16",
            volumes=False,
            version="jpeg2k",
        ),
        "lerc": TiffCodec(
            tag=34887,
            settings=lambda codec: {"level": codec.max_error or 0},
            stored=lerc_codec,
            dtypes="int8 uint8 int16 uint16 int32 uint32 float32 float64",
            version="lerc",
        ),
        "png": TiffCodec(tag=34933, settings=_level, stored="png-*", dtypes=_UNSIGNED, volumes=False, version="png"),
        "jxr": TiffCodec(
            tag=34934,
            settings=lambda _: {"level": 1.0},
            stored=lambda data: jxr_header(data).codec,
            dtypes=_UNSIGNED,
            volumes=False,
            notices_a_cut=False,
            version="jpegxr",
        ),
        "jxl": TiffCodec(
            tag=50002,
            settings=jxl_settings,
            stored=lambda data: jxl_header(data).codec,
            dtypes=JXL_DTYPES,
            version="jpegxl",
        ),
    }
)
"""By codec family."""

KIND_OF_TAG: Final[Mapping[int, str]] = MappingProxyType({codec.tag: kind for kind, codec in TIFF_CODECS.items()})


def stored_codec(page: Any, first_segment: Callable[[], bytes]) -> str:
    """Return the neutral name of how a page's strips or tiles are compressed, "?" where there is none.

    Parameters
    ----------
    page : tifffile.TiffPage
        Its tags.
    first_segment : callable
        Gives the bytes of a strip or tile, for what tags do not tell.
    """
    kind = KIND_OF_TAG.get(int(page.compression))
    if kind is None:
        return "?"
    told = TIFF_CODECS[kind].stored
    try:
        name = told if isinstance(told, str) else told(first_segment())
    except (
        *HEADER_ERRORS,
        DataError,
    ):  # somebody else's image in a strip, of a sort that storebench does not write, or none yet
        return "?"
    return name if page.predictor == 1 else f"{name.removesuffix('[0-9]')}-predictor"


_PREDICTABLE: Final = "int8 uint8 int16 uint16 int32 uint32 float16 float32 float64"


def why_not_compressed(name: str, request: WriteRequest, *, in_volumes: bool) -> str | None:
    """Return the sentence for what a compression cannot do exactly with these voxels, or None.

    Parameters
    ----------
    name : str
        Of the backend that refuses.
    request : WriteRequest
        Its codec is one of `TIFF_CODECS`.
    in_volumes : bool
        Whether tiles are to have a depth.
    """
    codec, dtype = request.codec, request.dtype
    able = TIFF_CODECS[codec.kind]
    if dtype.name not in able.dtypes.split():
        holds = ", ".join(able.dtypes.split())
        return f"{name} cannot compress {dtype.name} by {codec.kind} so that it comes back as it was; it can {holds}"
    if codec.predictor and dtype.name not in _PREDICTABLE.split():
        return f"{name} has no predictor for {dtype.name}; take the codec without '-predictor'"
    if in_volumes and not able.volumes:
        return f"{name} has no {codec.kind} for tiles of volumes; make the chunk 1 along all but the last two axes, or take zstd-3"
    if codec.kind == "jp2" and codec.name != "jp2-lossless":
        why = (
            "it has one quality layer"
            if codec.layer_ratios
            else "it can only ask for a PSNR, which is then missed by some dB"
        )
        return f"{name} cannot write {codec.name}: {why}; use jp2-lossless, or jp2-glymur for planes"
    if codec.kind == "lerc" and dtype.kind in "iu" and (codec.max_error or 0) % 1:
        return f"LERC rounds integers by whole numbers, not by {codec.max_error:g}; use lerc-error-1 or lerc-lossless"
    return why_not_jxl(name, request)


def tiff_facts() -> dict[str, str]:
    """Return the compressors inside imagecodecs, and when a file is a BigTIFF."""
    import imagecodecs

    told = [getattr(imagecodecs, f"{codec.version}_version")() for codec in TIFF_CODECS.values() if codec.version]
    found = {name: f"{number} (imagecodecs' wheel)" for name, number in (words.split(maxsplit=1) for words in told)}
    return found | {"bigtiff": "where a file might pass 4 GiB, else classic TIFF"}
