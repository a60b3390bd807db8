"""Compression alone, and what more of it costs in likeness."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._images import CT, CT_FLOATS, CT_SMALL, LABELS_DENSE, PLANE, PLANE_SMALL
from storebench.suites._reads import BLOSC, class_name


def codec_grids() -> Iterator[Grid]:
    """Compression alone: chapter's codecs on 64³ blocks, the 2-D ones on planes, and those of floats."""
    volume = (
        "none",
        "gzip-5",
        "zstd-1",
        "zstd-3",
        "blosc-lz4-5-shuffle",
        "blosc-lz4-5-bitshuffle",
        "blosc-zstd-1-shuffle",
        BLOSC,
    )
    more = (
        "zstd-9",
        "blosc-zstd-9-shuffle",
        "blosc-zstd-5-bitshuffle",
        "blosc-lz4hc-5-shuffle",
        "blosc-zlib-3-shuffle",
        "blosc-blosclz-5-shuffle",
        "zstd-3+crc32c",
    )
    floats = ("zfp-lossless", "zfp-error-1", "zstd-3-bitround-10", "zstd-3-fixedscale-1", "zstd-3-shuffle", "pcodec-8")
    rows: tuple[tuple[Tier, str, str, Subject, str, tuple[str, ...]], ...] = (
        ("smoke", "zarr3-zarrpython", "", CT_SMALL, "64x64x64", volume),
        (
            "smoke",
            "tiff-tifffile",
            "",
            PLANE_SMALL,
            "256x256",
            ("deflate-6-predictor", "zstd-3-predictor", "lzw-predictor"),
        ),
        ("smoke", "png-imageio", "", PLANE_SMALL, "default", ("png-1", "png-6")),
        ("smoke", "jp2-imagecodecs", "", PLANE_SMALL, "default", ("jp2-lossless",)),
        ("smoke", "hdf5-h5py", "", CT_SMALL, "64x64x64", ("deflate-1", "deflate-6")),
        ("core", "zarr3-zarrpython", "", CT, "64x64x64", volume + more),
        ("core", "zarr3-zarrpython", "", LABELS_DENSE, "64x64x64", ("gzip-5", "zstd-3", "blosc-lz4-5-shuffle", BLOSC)),
        ("smoke", "zarr3-zarrpython", "Filters", CT_SMALL, "64x64x64", ("zstd-3-shuffle",)),
        ("core", "zarr3-zarrpython", "Filters", CT, "64x64x64", ("zstd-3-shuffle", "zstd-3-delta", "pcodec-8")),
        (
            "core",
            "zarr2-zarrpython",
            "Planes",
            CT,
            "1x256x256",
            ("jxl-lossless-3", "htj2k-lossless", "lerc-lossless", "lerc-error-10"),
        ),
        ("core", "zarr3-zarrpython", "Floats", CT_FLOATS, "64x64x64", floats),
        (
            "core",
            "zarr2-zarrpython",
            "Floats",
            CT_FLOATS,
            "64x64x64",
            ("sz3-error-1+crc32c",),
        ),  # of v3 on newer Pythons only
    )
    for operation in ("encode", "decode"):
        for tier, backend, label, subject, layout, codecs in rows:
            yield Grid(
                name=f"{tier.capitalize()}{class_name(backend)}{label}_{subject.name}_{operation}",
                suite="codec",
                tier=tier,
                question="How fast is the codec alone, and what does it save?",
                operation=operation,
                backend=backend,
                subject=subject,
                params={"layout": (layout,), "codec": codecs},
            )


def rate_grids() -> Iterator[Grid]:
    """What a lossy codec loses at which ratio, on a plane: counted, no clock is needed. Further ratios stand in the reads."""
    rows: tuple[tuple[Tier, str, str, Subject, tuple[str, ...]], ...] = (
        ("smoke", "jp2-glymur", "Rates", PLANE_SMALL, _ratios(2, 5, 20, 50, 100)),
        ("core", "jp2-glymur", "Rates", PLANE, _ratios(5, 20, 50, 100)),
        ("core", "jp2-imagecodecs", "Psnr", PLANE, tuple(f"jp2-psnr-{n}" for n in (50, 60, 70, 80, 90))),
        ("core", "zarr2-zarrpython", "LercErrors", PLANE, tuple(f"lerc-error-{n}" for n in (10, 50, 200))),
        ("core", "zarr2-zarrpython", "JlsErrors", PLANE, tuple(f"jls-error-{n}+crc32c" for n in (10, 50, 200))),
        ("core", "zarr2-zarrpython", "JxlDistances", PLANE, tuple(f"jxl-distance-{n}" for n in ("0.1", "0.5", "1"))),
    )
    for tier, backend, name, subject, codecs in rows:
        yield Grid(
            name=f"{tier.capitalize()}{class_name(backend)}{name}",
            suite="size",
            tier=tier,
            question="How much is lost at which ratio?",
            operation="write",
            backend=backend,
            subject=subject,
            params={"layout": ("default",), "codec": codecs},
        )


def _ratios(*ratios: int) -> tuple[str, ...]:
    return tuple(f"jp2-ratio-{ratio}" for ratio in ratios)
