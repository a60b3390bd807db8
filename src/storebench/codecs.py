"""Neutral codec names, parsed strictly: one name means one thing in every format and library.

A name is text and never a number in it is optional: "gzip-5", "zstd-3", "blosc-lz4-5-bitshuffle", "jp2-psnr-45".
Each backend maps a `Codec` to its library's settings, or says in a sentence why it cannot.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from storebench.errors import unknown_name
from storebench.names import NameRule, examples, match_name

Kind = Literal[
    "none",
    "gzip",
    "zstd",
    "blosc",
    "blosc2",
    "bitshuffle",
    "deflate",
    "lzw",
    "lzf",
    "pcodec",
    "zfp",
    "sz3",
    "lerc",
    "compressed-segmentation",
    "png",
    "jpeg",
    "jp2",
    "htj2k",
    "jxl",
    "jls",
    "jxr",
    "rle",
]
Filter = Literal["shuffle", "delta", "bitround", "fixedscale"]

BLOSC_COMPRESSORS: Final = ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
SHUFFLES: Final = ("noshuffle", "shuffle", "bitshuffle")
LIST_COMMAND: Final = "storebench list codecs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One way to turn a block of voxels into bytes and back.

    Attributes
    ----------
    name : str
        The neutral name, which `parse_codec` turns back into this object.
    kind : str
        Family: what the backends dispatch on.
    level : int or None
        Compression effort in the family's own scale.
    compressor, shuffle : str or None
        Blosc's inner compressor and its shuffle.
    predictor : bool
        TIFF's horizontal differencing before compression.
    filter : str or None
        What is done with the voxels before compression, by the format and not by the compressor.
    crc32c : bool
        A CRC-32C checksum after compression.
    ratio : float or None
        Lossy: the compression ratio aimed at (a PSNR floor is pinned per dataset in the tests).
    psnr_db : float or None
        Lossy: the peak signal-to-noise ratio aimed at, in dB, with the dtype's full range as the peak.
    max_error : float or None
        Lossy: no voxel is off by more, in the image's units.
    keep_bits : int or None
        Lossy: bits of the mantissa that are kept.
    distance : float or None
        Lossy: JPEG XL's Butteraugli distance.
    quality : int or None
        Lossy: JPEG's quality, 1 to 100.
    layer_ratios : tuple of int
        JPEG 2000's quality layers: the compression ratio up to the end of each. The last is 1, which stands for lossless.
    """

    name: str
    kind: Kind
    level: int | None = None
    compressor: str | None = None
    shuffle: str | None = None
    predictor: bool = False
    filter: Filter | None = None
    crc32c: bool = False
    ratio: float | None = None
    psnr_db: float | None = None
    max_error: float | None = None
    keep_bits: int | None = None
    distance: float | None = None
    quality: int | None = None
    layer_ratios: tuple[int, ...] = ()

    @property
    def lossless(self) -> bool:
        """Whether every voxel comes back to the bit."""
        aims = (self.ratio, self.psnr_db, self.max_error, self.keep_bits, self.distance, self.quality)
        return all(aim is None for aim in aims)


_ERROR: Final = r"((?:[1-9][0-9]*|0(?=\.))(?:\.[0-9]*[1-9])?)"
"""A bound in the image's units, written as a plain decimal number."""

_RULES: Final = (
    NameRule(r"none", lambda _: {"kind": "none"}, ("none",), "no compression: the bytes as they are in memory"),
    NameRule(
        r"crc32c",
        lambda _: {"kind": "none", "crc32c": True},
        ("crc32c",),
        "no compression, a CRC-32C checksum behind each chunk; '+crc32c' adds it to any codec",
    ),
    NameRule(
        r"gzip-([0-9])", lambda m: {"kind": "gzip", "level": int(m[1])}, ("gzip-1", "gzip-5"), "DEFLATE in gzip frames"
    ),
    NameRule(
        r"zstd-([1-9]|1[0-9]|2[0-2])(-predictor)?",
        lambda m: {"kind": "zstd", "level": int(m[1]), "predictor": m[2] is not None},
        ("zstd-1", "zstd-3", "zstd-9", "zstd-3-predictor"),
        "Zstandard; '-predictor' adds TIFF's horizontal differencing",
    ),
    NameRule(
        rf"blosc-({'|'.join(BLOSC_COMPRESSORS)})-([0-9])-({'|'.join(SHUFFLES)})",
        lambda m: {"kind": "blosc", "compressor": m[1], "level": int(m[2]), "shuffle": m[3]},
        (*(f"blosc-{c}-3-{s}" for c in BLOSC_COMPRESSORS for s in SHUFFLES), "blosc-zstd-1-bitshuffle"),
        "Blosc 1: shuffles the bytes (or bits) of the voxels, then compresses blocks that fit the cache",
    ),
    NameRule(
        r"zstd-([1-9]|1[0-9]|2[0-2])-(shuffle|delta)",
        lambda m: {"kind": "zstd", "level": int(m[1]), "filter": m[2]},
        ("zstd-3-shuffle", "zstd-3-delta"),
        "Zstandard of shuffled bytes, or of the differences between voxels",
    ),
    NameRule(
        r"zstd-([1-9]|1[0-9]|2[0-2])-bitround-([1-9]|[1-4][0-9]|5[0-2])",
        lambda m: {"kind": "zstd", "level": int(m[1]), "filter": "bitround", "keep_bits": int(m[2])},
        ("zstd-3-bitround-10",),
        "Zstandard of floats whose mantissa is rounded to so many bits",
    ),
    NameRule(
        rf"zstd-([1-9]|1[0-9]|2[0-2])-fixedscale-{_ERROR}",
        lambda m: {"kind": "zstd", "level": int(m[1]), "filter": "fixedscale", "max_error": float(m[2])},
        ("zstd-3-fixedscale-0.01",),
        "Zstandard of floats rounded to whole multiples of twice this error",
    ),
    NameRule(
        rf"blosc2-({'|'.join(BLOSC_COMPRESSORS)})-([0-9])-({'|'.join(SHUFFLES)})",
        lambda m: {"kind": "blosc2", "compressor": m[1], "level": int(m[2]), "shuffle": m[3]},
        ("blosc2-zstd-5-shuffle", "blosc2-lz4-5-bitshuffle", "blosc2-zstd-3-shuffle"),
        "Blosc 2: as Blosc, in frames with blocks that are decoded alone",
    ),
    NameRule(
        r"bitshuffle-(lz4|zstd-([1-9]|1[0-9]|2[0-2]))",
        lambda m: {
            "kind": "bitshuffle",
            "compressor": m[1].partition("-")[0],
            "level": None if m[2] is None else int(m[2]),
        },
        ("bitshuffle-lz4", "bitshuffle-zstd-3"),
        "HDF5's bitshuffle filter, which compresses too",
    ),
    NameRule(
        r"deflate-([0-9])(-predictor)?",
        lambda m: {"kind": "deflate", "level": int(m[1]), "predictor": m[2] is not None},
        ("deflate-6", "deflate-6-predictor"),
        "DEFLATE in zlib's frames: TIFF's deflate and HDF5's gzip filter; '-predictor' is TIFF's",
    ),
    NameRule(
        r"deflate-([0-9])-shuffle",
        lambda m: {"kind": "deflate", "level": int(m[1]), "filter": "shuffle"},
        ("deflate-4-shuffle",),
        "HDF5's gzip filter after its shuffle filter",
    ),
    NameRule(
        r"lzf(-shuffle)?",
        lambda m: {"kind": "lzf", "filter": None if m[1] is None else "shuffle"},
        ("lzf", "lzf-shuffle"),
        "h5py's LZF filter: fast, and read by few others",
    ),
    NameRule(
        r"pcodec-([0-9]|1[0-2])",
        lambda m: {"kind": "pcodec", "level": int(m[1])},
        ("pcodec-8",),
        "pcodec (pcodec's own default is level 8): numbers binned and delta-coded",
    ),
    NameRule(r"zfp-lossless", lambda _: {"kind": "zfp"}, ("zfp-lossless",), "zfp in its reversible mode"),
    NameRule(
        rf"zfp-error-{_ERROR}",
        lambda m: {"kind": "zfp", "max_error": float(m[1])},
        ("zfp-error-0.01",),
        "zfp in its mode of fixed accuracy: no voxel is off by more",
    ),
    NameRule(
        rf"sz3-error-{_ERROR}",
        lambda m: {"kind": "sz3", "max_error": float(m[1])},
        ("sz3-error-0.01",),
        "SZ3: floats predicted from their neighbours; no voxel is off by more",
    ),
    NameRule(r"lerc-lossless", lambda _: {"kind": "lerc"}, ("lerc-lossless",), "LERC, Esri's raster compression"),
    NameRule(
        rf"lerc-error-{_ERROR}",
        lambda m: {"kind": "lerc", "max_error": float(m[1])},
        ("lerc-error-10",),
        "LERC: no voxel is off by more",
    ),
    NameRule(
        r"compressed-segmentation",
        lambda _: {"kind": "compressed-segmentation"},
        ("compressed-segmentation",),
        "Neuroglancer's compression of labels: small tables of values for blocks of 8 x 8 x 8 voxels",
    ),
    NameRule(
        r"lzw(-predictor)?",
        lambda m: {"kind": "lzw", "predictor": m[1] is not None},
        ("lzw", "lzw-predictor"),
        "TIFF's LZW compression",
    ),
    NameRule(
        r"png-([0-9])",
        lambda m: {"kind": "png", "level": int(m[1])},
        ("png-1", "png-6"),
        "PNG's DEFLATE and row filters",
    ),
    NameRule(
        r"jpeg-([1-9][0-9]?|100)",
        lambda m: {"kind": "jpeg", "quality": int(m[1])},
        ("jpeg-90",),
        "Baseline JPEG of 8-bit images, at a quality of 1 to 100",
    ),
    NameRule(
        r"jxl-lossless-([1-9])",
        lambda m: {"kind": "jxl", "level": int(m[1])},
        ("jxl-lossless-1", "jxl-lossless-3"),
        "JPEG XL without loss, at an effort of 1 (fastest) to 9",
    ),
    NameRule(
        rf"jxl-distance-{_ERROR}",
        lambda m: {"kind": "jxl", "distance": float(m[1])},
        ("jxl-distance-1",),
        "JPEG XL at a Butteraugli distance, which is made for what eyes see",
    ),
    NameRule(r"jls-lossless", lambda _: {"kind": "jls"}, ("jls-lossless",), "JPEG-LS without loss"),
    NameRule(
        r"jls-error-([1-9][0-9]{0,2})",
        lambda m: {"kind": "jls", "max_error": float(m[1])},
        ("jls-error-10",),
        "JPEG-LS: no voxel is off by more",
    ),
    NameRule(r"jxr-lossless", lambda _: {"kind": "jxr"}, ("jxr-lossless",), "JPEG XR without loss"),
    NameRule(
        r"rle", lambda _: {"kind": "rle"}, ("rle",), "DICOM's run lengths: PackBits of the high bytes, then of the low"
    ),
    NameRule(r"jp2-lossless", lambda _: {"kind": "jp2"}, ("jp2-lossless",), "JPEG 2000, reversible 5-3 wavelet"),
    NameRule(
        r"jp2-ratio-([1-9][0-9]{0,3})",
        lambda m: {"kind": "jp2", "ratio": float(m[1])},
        ("jp2-ratio-2", "jp2-ratio-10"),
        "JPEG 2000 cut off at a compression ratio (the chapter's quality_layers=[2] is jp2-ratio-2)",
    ),
    NameRule(
        r"jp2-psnr-([2-9][0-9]|1[0-4][0-9])",
        lambda m: {"kind": "jp2", "psnr_db": float(m[1])},
        ("jp2-psnr-45",),
        "JPEG 2000 cut off at a PSNR in dB (peak: the dtype's largest value)",
    ),
    NameRule(
        r"jp2-layers((?:-[1-9][0-9]{0,3})+)-1",
        lambda m: {"kind": "jp2", "layer_ratios": (*map(int, m[1][1:].split("-")), 1)},
        ("jp2-layers-20-10-1",),
        "JPEG 2000, lossless, in quality layers that end at these compression ratios; 1, the last, is lossless",
    ),
    NameRule(
        r"htj2k-lossless",
        lambda _: {"kind": "htj2k"},
        ("htj2k-lossless",),
        "High-Throughput JPEG 2000 (ISO/IEC 15444-15): the same reversible 5-3 wavelet, another entropy coder",
    ),
)

EXAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **examples(_RULES),
        "zstd-3+crc32c": "Zstandard with a checksum",
        "sz3-error-0.01+crc32c": "SZ3 with a checksum, which finds what would end the process that decodes it",
        "jls-lossless+crc32c": "JPEG-LS with a checksum, which finds what would hang its decoder",
        "jls-error-10+crc32c": "JPEG-LS with a bound and a checksum, which finds what would hang its decoder",
    }
)
"""Codec names worth listing, each with what it is. Other levels are spelled the same way."""


DEFAULT_CODECS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # zarr 3 asks zstd for level 0, which is zstd's name for its default, 3
        "zarr2-zarrpython": "zstd-3",
        "zarr3-zarrpython": "zstd-3",
        "zarr3-zarrpythonfused": "zstd-3",
        "zarr3-zarrs": "zstd-3",
        "zarr3-obstore": "zstd-3",
        "zarr3zip-zarrpython": "zstd-3",
        "omezarr-0.4-zarrpython": "zstd-3",
        "omezarr-0.5-zarrpython": "zstd-3",
        "omezarr-0.4-omezarrpy": "zstd-3",
        "omezarr-0.5-omezarrpy": "zstd-3",
        "omezarr-0.4-ngffzarr": "zstd-3",
        "omezarr-0.5-ngffzarr": "zstd-3",
        "omezarr-0.4-iohub": "blosc-zstd-1-bitshuffle",
        "omezarr-0.5-iohub": "blosc-zstd-1-bitshuffle",
        "zarr3-tensorstore": "none",  # of v2 its choice goes by the dtype
        "omezarr-0.5-tensorstore": "none",
        "precomputed-tensorstore": "none",
        "n5-tensorstore": "blosc-lz4-5-shuffle",
        "n5-z5py": "gzip-5",
        "zarr3-zarrista": "none",
        "zarr3-acquirezarr": "none",
        "icechunk-icechunk": "zstd-3",
        "b2nd-blosc2": "blosc2-zstd-5-shuffle",
        "tiff-tifffile": "none",
        "tiff-tifffilezarr": "none",
        "tiffstack-tifffile": "none",
        "hdf5-h5py": "none",
        "nifti-nibabel": "none",
        "niftigz-nibabel": "gzip-1",
        "nrrd-pynrrd": "gzip-9",
        "mrc-mrcfile": "none",
        "dicom-pydicom": "none",
        "png-imageio": "png-6",
        "pngstack-imageio": "png-6",
        "jp2-imageio": "jp2-lossless",
        "jp2stack-imageio": "jp2-lossless",
        "jp2-glymur": "jp2-lossless",
        "jp2stack-glymur": "jp2-lossless",
        "jxl-imagecodecs": "jxl-lossless-5",
        "jxlstack-imagecodecs": "jxl-lossless-5",
        "jls-imagecodecs": "jls-lossless",
        "jlsstack-imagecodecs": "jls-lossless",
        "jxr-imagecodecs": "jxr-lossless",
        "jxrstack-imagecodecs": "jxr-lossless",
    }
)
"""By backend: the codec that its library takes when it is asked nothing. A test asks each library."""


def examples_of(kinds: Collection[str]) -> list[str]:
    """Return a name of each family."""
    return sorted(name for kind, name in _first_of_kind().items() if kind in kinds)


@functools.cache
def _first_of_kind() -> Mapping[str, str]:
    first: dict[str, str] = {}
    for name in EXAMPLES:
        first.setdefault(parse_codec(name).kind, name)
    return first


def parse_codec(name: str) -> Codec:
    """Turn a neutral name into a `Codec`.

    Parameters
    ----------
    name : str
        As in `EXAMPLES`.

    Raises
    ------
    UnknownNameError
        If it is no codec's name; says the nearest one.
    """
    base, checksum = (name.removesuffix("+crc32c"), True) if name.endswith("+crc32c") else (name, False)
    fields = match_name(_RULES, base)
    if fields is None or (checksum and fields["kind"] == "none"):
        raise unknown_name("codec", name, EXAMPLES, LIST_COMMAND)
    return Codec(name=name, **(fields | {"crc32c": True} if checksum else fields))  # type: ignore[arg-type]
