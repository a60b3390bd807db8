"""The curated reads. The other suites of the same settings are derived from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from storebench.codecs import DEFAULT_CODECS
from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._images import (
    CHAPTER,
    CT_LARGE,
    EM,
    FIVE_AXES,
    FLUORESCENCE,
    LABELS_DENSE,
    LABELS_SPARSE,
)

BLOSC: Final = "blosc-zstd-3-shuffle"
READS: Final = ("whole", "plane_xy", "plane_xz", "plane_yz", "roi32", "voxel")
FEW_READS: Final = ("whole", "plane_xy", "plane_xz", "roi32")
PLANE_READS: Final = ("whole", "tile256")
_DEFAULT: Final = "What does a library choose when it is asked nothing?"
_MULTISCALE: Final = "Does a coarser level make the overview cheap?"
_STACKS: Final = (
    ("tiffstack-tifffile", "none", "deflate-6"),
    ("pngstack-imageio", "png-1", "png-6"),
    ("jp2stack-imageio", "jp2-lossless", "jp2-ratio-10"),
)


def class_name(backend: str) -> str:
    """Return a backend's name as part of a class's."""
    return "".join(part.capitalize() for part in re.split(r"[-.]", backend))


def read_grid(
    tier: Tier,
    backend: str,
    question: str,
    subject: Subject,
    *,
    name: str = "",
    n_levels: int = 1,
    slow: bool = False,
    **params: tuple[str, ...],
) -> Grid:
    """Return a grid of reads, named after tier, backend and what sets it apart."""
    return Grid(
        name=f"{tier.capitalize()}{class_name(backend)}{name}",
        suite="read",
        tier=tier,
        question=question,
        operation="read",
        backend=backend,
        subject=subject,
        params=params,
        n_levels=n_levels,
        slow=slow,
    )


def default_reads(tier: Tier, subject: Subject, patterns: tuple[str, ...], *backends: str) -> Iterator[Grid]:
    """The libraries' own choice of chunks and codec: what everything else is held against."""
    for backend in backends:
        yield read_grid(
            tier,
            backend,
            _DEFAULT,
            subject,
            name="Default" if len(subject.shape) > 2 else "PlaneDefault",
            layout=("default",),
            codec=(DEFAULT_CODECS[backend],),
            pattern=patterns,
        )


def volume_reads(tier: Tier, subject: Subject) -> Iterator[Grid]:
    """Every format that takes a volume, with the same regions."""
    smoke = tier == "smoke"
    patterns = FEW_READS if smoke else READS
    yield read_grid(tier, "npy-numpy", "The baseline: bytes as in memory.", subject, codec=("none",), pattern=READS)
    tiff_codecs = (
        ("none", "zstd-3-predictor") if smoke else ("none", "deflate-6-predictor", "zstd-3-predictor", "lzw-predictor")
    )
    yield read_grid(
        tier,
        "tiff-tifffile",
        "TIFF tiles of one plane each: what do planes across cost?",
        subject,
        layout=("1x64x64",),
        codec=tiff_codecs,
        pattern=patterns,
    )
    yield read_grid(
        tier,
        "tiff-tifffile",
        "Volumetric TIFF tiles: as good as Zarr chunks?",
        subject,
        name="Volumetric",
        layout=("64x64x64",),
        codec=("zstd-3-predictor",),
        pattern=patterns,
    )
    for backend, *codecs in _STACKS:
        few = ("plane_xy", "plane_xz") if smoke else FEW_READS
        yield read_grid(
            tier,
            backend,
            "The chapter's (nx, ny, 1): what does a stack of 2-D files cost?",
            subject,
            codec=tuple(codecs[:1] if smoke else codecs),
            pattern=few,
            slow=not smoke and backend.startswith("jp2"),
        )
    for backend in () if smoke else ("jp2stack-glymur", "jp2stack-imagecodecs"):
        why = "Does it matter which library calls OpenJPEG?"
        yield read_grid(
            tier, backend, why, subject, codec=("jp2-lossless",), pattern=("plane_xy", "plane_xz"), slow=True
        )
    chunks = ("32x32x32", "64x64x64") if smoke else ("16x16x16", "32x32x32", "64x64x64", "128x128x128", "plane")
    for backend in ("zarr2-zarrpython", "zarr3-zarrpython"):
        yield read_grid(
            tier,
            backend,
            "No chunk shape wins every access pattern: which loses least?",
            subject,
            name="Chunks",
            layout=chunks,
            codec=(BLOSC,),
            pattern=patterns,
        )
    codecs3 = (
        ("none", "zstd-3", "blosc-lz4-5-shuffle")
        if smoke
        else (
            "none",
            "gzip-5",
            "zstd-1",
            "zstd-3",
            "zstd-9",
            "blosc-lz4-5-shuffle",
            "blosc-lz4-5-bitshuffle",
            "blosc-zstd-1-shuffle",
            "blosc-zstd-9-shuffle",
        )
    )
    yield read_grid(
        tier,
        "zarr3-zarrpython",
        "What does a codec cost a reader?",
        subject,
        name="Codecs",
        layout=("64x64x64",),
        codec=codecs3,
        pattern=("whole", "roi32") if smoke else ("whole", "plane_xz", "roi32"),
    )
    shards = ("32x32x32-in-128x128x128",) if smoke else ("32x32x32-in-128x128x128", "64x64x64-in-256x256x256")
    yield read_grid(
        tier,
        "zarr3-zarrpython",
        "Fewer files by sharding: at what price for a reader?",
        subject,
        name="Sharded",
        layout=shards,
        codec=(BLOSC,),
        pattern=patterns,
    )
    yield from default_reads(tier, subject, patterns, "zarr2-zarrpython", "zarr3-zarrpython", "tiff-tifffile")
    for backend in ("omezarr-0.4-zarrpython", "omezarr-0.5-zarrpython"):
        yield read_grid(
            tier,
            backend,
            _MULTISCALE,
            subject,
            layout=("64x64x64",),
            codec=(BLOSC,),
            pattern=("whole", "viewport@0", "viewport@1"),
            n_levels=3,
        )


def plane_reads(tier: Tier, subject: Subject) -> Iterator[Grid]:
    """Every format that takes one plane."""
    smoke = tier == "smoke"
    why = "One plane: the chapter's TIFF, PNG and JPEG 2000, whole and in part."
    jp2 = ("jp2-lossless", "jp2-ratio-10") if smoke else ("jp2-lossless", "jp2-ratio-2", "jp2-ratio-10", "jp2-psnr-45")
    rows: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
        ("npy-numpy", ("default",), ("none",)),
        (
            "tiff-tifffile",
            ("256x256", "default"),
            ("none", "zstd-3-predictor")
            if smoke
            else ("none", "deflate-6-predictor", "zstd-3-predictor", "lzw-predictor"),
        ),
        ("png-imageio", ("default",), ("png-1", "png-6")),
        ("jp2-imageio", ("default",), jp2),
        ("jp2-glymur", ("default", "256x256"), jp2),
        ("jp2-imagecodecs", ("default",), ("jp2-lossless",)),
        ("zarr3-zarrpython", ("256x256",), (BLOSC,)),
    )
    for backend, layouts, codecs in rows:
        yield read_grid(tier, backend, why, subject, name="Plane", layout=layouts, codec=codecs, pattern=PLANE_READS)
    yield from default_reads(tier, subject, PLANE_READS, "zarr3-zarrpython")  # TIFF's is among the layouts above
    why = "JPEG 2000 holds its own smaller levels: are they cheap to read?"
    for backend in ("jp2-glymur", "jp2-imageio"):
        levels = ("viewport@1", "viewport@2", "viewport@3")
        yield read_grid(tier, backend, why, subject, name="PlaneLevels", codec=("jp2-lossless",), pattern=levels)


def other_subjects() -> Iterator[Grid]:
    """Kinds of image on which codecs behave differently, and five axes."""
    for subject in (LABELS_DENSE, LABELS_SPARSE, FLUORESCENCE, EM):
        yield read_grid(
            "core",
            "zarr3-zarrpython",
            "Does the answer change with the kind of image?",
            subject,
            name=f"On_{subject.name}",
            layout=("64x64x64",),
            codec=("none", "zstd-3", "blosc-lz4-5-shuffle", BLOSC),
            pattern=("whole", "plane_xz"),
        )
    yield read_grid(
        "core",
        "omezarr-0.5-zarrpython",
        "Five axes, as microscopes write them.",
        FIVE_AXES,
        name="FiveAxes",
        layout=("64x64x64", "1x256x256"),
        codec=(BLOSC,),
        pattern=("whole", "plane_xy", "plane_xz"),
    )
    for backend, codec in (("tiff-tifffile", "none"), ("png-imageio", "png-6"), ("jp2-imageio", "jp2-ratio-2")):
        yield read_grid(
            "core",
            backend,
            "The chapter's own 32 x 32 image.",
            CHAPTER,
            name="Chapter",
            codec=(codec,),
            pattern=("whole",),
        )


def larger() -> Iterator[Grid]:
    """The full tier: the same questions at a size where a volume no longer fits a cache."""
    yield read_grid("full", "npy-numpy", "The baseline at 256 MiB.", CT_LARGE, codec=("none",), pattern=READS)
    yield read_grid(
        "full",
        "zarr3-zarrpython",
        "Chunk shapes at 256 MiB.",
        CT_LARGE,
        name="Chunks",
        layout=("32x32x32", "64x64x64", "128x128x128", "plane"),
        codec=(BLOSC,),
        pattern=READS,
    )
    yield read_grid(
        "full",
        "zarr3-zarrpython",
        "Shards at 256 MiB.",
        CT_LARGE,
        name="Sharded",
        layout=("32x32x32-in-256x256x256", "64x64x64-in-256x256x256"),
        codec=(BLOSC,),
        pattern=READS,
    )
    for backend, *codecs in _STACKS[:2]:
        yield read_grid(
            "full", backend, "A stack of 512 files.", CT_LARGE, codec=(codecs[0],), pattern=FEW_READS, slow=True
        )


def derived(reads: tuple[Grid, ...]) -> Iterator[Grid]:
    """Yield what else the settings of each grid of reads are good for: write, open, and what is counted; each case once."""
    seen: set[tuple[str, str]] = set()
    for grid in reads:
        settings = {name: values for name, values in grid.params.items() if name != "pattern"}
        first = {name: values[:1] for name, values in settings.items()}
        for other in (
            replace(grid, suite="traffic", slow=False),
            replace(grid, suite="size", operation="write", params=settings, slow=False),
            replace(grid, suite="write", operation="write", params=settings),
            replace(grid, suite="open", operation="open", params=first, slow=False),
        ):
            ids = {(other.suite, other.case(*values).id) for values in other.combinations()}
            if not ids <= seen:
                seen |= ids
                yield other
