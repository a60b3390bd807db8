"""Codec names: each means one thing, and nothing that is nearly a name is taken for one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storebench.codecs import BLOSC_COMPRESSORS, EXAMPLES, SHUFFLES, Codec, parse_codec
from storebench.errors import UnknownNameError

_PREDICTOR = st.sampled_from(["", "-predictor"])
_ERRORS = st.decimals("0.001", "1000", places=3).map(lambda n: f"{n.normalize():f}")
_BOUNDS = _ERRORS.map("error-{}".format)
_NAMES = st.one_of(
    st.sampled_from(["none", "crc32c", "jp2-lossless"]),
    st.integers(0, 9).map("gzip-{}".format),
    st.builds("zstd-{}{}".format, st.integers(1, 22), _PREDICTOR),
    st.builds(
        "blosc-{}-{}-{}".format, st.sampled_from(BLOSC_COMPRESSORS), st.integers(0, 9), st.sampled_from(SHUFFLES)
    ),
    st.builds("deflate-{}{}".format, st.integers(0, 9), _PREDICTOR),
    _PREDICTOR.map("lzw{}".format),
    st.builds("zstd-{}-{}".format, st.integers(1, 22), st.sampled_from(["shuffle", "delta"])),
    st.builds("zstd-{}-bitround-{}".format, st.integers(1, 22), st.integers(1, 52)),
    st.builds("zstd-{}-fixedscale-{}".format, st.integers(1, 22), _ERRORS),
    st.builds(
        "blosc2-{}-{}-{}".format, st.sampled_from(BLOSC_COMPRESSORS), st.integers(0, 9), st.sampled_from(SHUFFLES)
    ),
    st.one_of(st.just("bitshuffle-lz4"), st.integers(1, 22).map("bitshuffle-zstd-{}".format)),
    st.integers(0, 9).map("deflate-{}-shuffle".format),
    st.sampled_from(["lzf", "lzf-shuffle", "compressed-segmentation", "jls-lossless", "jxr-lossless", "rle"]),
    st.integers(0, 12).map("pcodec-{}".format),
    st.builds("{}-{}".format, st.sampled_from(["zfp", "lerc"]), st.one_of(st.just("lossless"), _BOUNDS)),
    _BOUNDS.map("sz3-{}".format),
    st.integers(1, 100).map("jpeg-{}".format),
    st.one_of(st.integers(1, 9).map("jxl-lossless-{}".format), _ERRORS.map("jxl-distance-{}".format)),
    st.integers(1, 999).map("jls-error-{}".format),
    st.integers(0, 9).map("png-{}".format),
    st.integers(1, 9999).map("jp2-ratio-{}".format),
    st.integers(20, 149).map("jp2-psnr-{}".format),
    st.lists(st.integers(1, 9999), min_size=1).map(lambda ratios: f"jp2-layers-{'-'.join(map(str, ratios))}-1"),
)


def _spelled(codec: Codec) -> str:
    """Write a codec's name from its fields alone: the inverse of parsing."""
    aim = codec.keep_bits if codec.filter == "bitround" else codec.max_error
    end = "-predictor" if codec.predictor else ""
    if codec.filter is not None:
        end = f"-{codec.filter}" + ("" if aim is None else f"-{aim:g}")
    match codec.kind:
        case "none":
            return "crc32c" if codec.crc32c else "none"
        case "blosc" | "blosc2":
            name = f"{codec.kind}-{codec.compressor}-{codec.level}-{codec.shuffle}"
        case "bitshuffle":
            name = f"bitshuffle-{codec.compressor}" + (f"-{codec.level}" if codec.level else "")
        case "jp2":
            aims = {
                "ratio": codec.ratio and f"{codec.ratio:.0f}",
                "psnr": codec.psnr_db and f"{codec.psnr_db:.0f}",
                "layers": "-".join(map(str, codec.layer_ratios)),
            }
            name = "-".join(["jp2", *next(([aim, n] for aim, n in aims.items() if n), ["lossless"])])
        case "compressed-segmentation":
            name = codec.kind
        case "jpeg":
            name = f"jpeg-{codec.quality}"
        case "jxl":
            name = f"jxl-lossless-{codec.level}" if codec.lossless else f"jxl-distance-{codec.distance:g}"
        case "htj2k" | "jxr" | "zfp" | "sz3" | "lerc" | "jls":
            name = f"{codec.kind}-lossless" if codec.lossless else f"{codec.kind}-error-{codec.max_error:g}"
        case "lzw" | "lzf" | "rle":
            name = f"{codec.kind}{end}"
        case kind:
            name = f"{kind}-{codec.level}{end}"
    return name + ("+crc32c" if codec.crc32c else "")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_back_its_name(name: str) -> None:
    codec = parse_codec(name)
    assert codec.name == name
    assert _spelled(codec) == name
    assert EXAMPLES[name]


@given(_NAMES, st.booleans())
def test_parsing_is_the_inverse_of_spelling(name: str, checksum: bool) -> None:
    full = f"{name}+crc32c" if checksum and name not in ("none", "crc32c") else name
    assert _spelled(parse_codec(full)) == full


@given(_NAMES, _NAMES)
def test_two_names_mean_two_things(one: str, other: str) -> None:
    assert (parse_codec(one) == parse_codec(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("none", {"kind": "none", "level": None, "crc32c": False}),
        ("crc32c", {"kind": "none", "crc32c": True}),
        ("zstd-3+crc32c", {"kind": "zstd", "level": 3, "crc32c": True}),
        ("blosc-lz4-5-bitshuffle", {"kind": "blosc", "compressor": "lz4", "level": 5, "shuffle": "bitshuffle"}),
        ("deflate-6-predictor", {"kind": "deflate", "level": 6, "predictor": True}),
        ("jp2-ratio-2", {"kind": "jp2", "ratio": 2.0, "psnr_db": None}),
        ("jp2-psnr-45", {"kind": "jp2", "psnr_db": 45.0, "ratio": None}),
        ("jp2-layers-20-10-1", {"kind": "jp2", "layer_ratios": (20, 10, 1), "ratio": None, "lossless": True}),
        ("htj2k-lossless", {"kind": "htj2k", "lossless": True}),
    ],
)
def test_what_a_name_means(name: str, fields: dict[str, object]) -> None:
    assert {key: getattr(parse_codec(name), key) for key in fields} == fields


@given(_NAMES)
def test_only_a_codec_with_an_aim_is_lossy(name: str) -> None:
    aims = ("jp2-ratio", "jp2-psnr", "jpeg", "-error-", "-distance-", "-bitround-", "-fixedscale-")
    assert parse_codec(name).lossless == (not any(aim in name for aim in aims))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "zstd",
        "zstd-0",
        "zstd-03",
        "zstd-23",
        "zstd-3-",
        "zstd--3",
        "zstd-3 ",
        " zstd-3",
        "zstd-3\n",
        "Zstd-3",
        "ZSTD-3",
        "zstd_3",
        "zstd-³",
        "jp2-ratio-1٣",
        "gzip-10",
        "gzip-5-predictor",
        "deflate-10",
        "png-10",
        "lzw-5",
        "none-0",
        "none+crc32c",
        "crc32c+crc32c",
        "zstd-3+crc32c+crc32c",
        "zstd-3+CRC32C",
        "blosc",
        "blosc-zstd-3",
        "blosc-zstd-10-shuffle",
        "blosc-snappy-3-shuffle",
        "jp2",
        "jp2-lossless-5",
        "jp2-ratio-0",
        "jp2-ratio-10000",
        "jp2-ratio-2.5",
        "jp2-psnr-5",
        "jp2-psnr-150",
        "jp2-layers-1",
        "jp2-layers-20-10",
        "htj2k-ratio-10",
    ],
)
def test_a_name_that_is_nearly_right_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=re.escape(repr(name))):
        parse_codec(name)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("blosc-zstd-3-shufle", "blosc-zstd-3-shuffle"),
        ("zstd3", "zstd-3"),
        ("gzip5", "gzip-5"),
        ("jp2-lossles", "jp2-lossless"),
        ("ztsd-3", "zstd-3"),
        ("None", "none"),
        ("LZW", "lzw"),
    ],
)
def test_a_typo_is_answered_with_what_was_meant(typo: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"Did you mean .*\b{meant}\b.*storebench list codecs"):
        parse_codec(typo)
