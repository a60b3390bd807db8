"""Questions that are asked of one image alone: the main choices, and how the user's file stores it now."""

from __future__ import annotations

from collections.abc import Iterator

from storebench.grid import Shape
from storebench.records import FileForm
from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._reads import BLOSC, PLANE_READS, default_reads, read_grid
from storebench.units import shape_text


def quick(subject: Subject) -> Iterator[Grid]:
    """The main choices on one image, for `storebench quick`."""
    volume = len(subject.shape) > 2
    patterns = ("plane_xy", "plane_xz", "roi32") if volume else PLANE_READS
    chunks = ("32x32x32", "64x64x64", "128x128x128", "plane") if volume else ("128x128", "256x256", "512x512")
    middle = chunks[1]

    def grid(backend: str, name: str = "", **params: tuple[str, ...]) -> Grid:
        why = "Which storage for this image?"
        return read_grid("quick", backend, why, subject, name=name, pattern=patterns, **params)  # type: ignore[arg-type]

    yield grid("npy-numpy", codec=("none",))
    yield grid("zarr3-zarrpython", "Chunks", layout=chunks, codec=(BLOSC,))
    yield grid("zarr3-zarrpython", "Codecs", layout=(middle,), codec=("none", "zstd-3", "blosc-lz4-5-shuffle"))
    yield from as_the_file("quick", subject, patterns)
    yield from default_reads("quick", subject, patterns, "zarr3-zarrpython", "tiff-tifffile")
    if volume:
        yield grid("zarr3-zarrpython", "Sharded", layout=("32x32x32-in-128x128x128",), codec=(BLOSC,))
        yield grid("tiffstack-tifffile", codec=("deflate-6",))
        yield grid("tiff-tifffile", layout=("1x64x64",), codec=("none",))
    else:
        yield grid("tiff-tifffile", layout=("256x256",), codec=("none", "zstd-3-predictor"))
        if subject.dtype in ("uint8", "uint16"):
            yield grid("png-imageio", codec=("png-6",))
            yield grid("jp2-imageio", codec=("jp2-lossless",))


def as_the_file(tier: Tier, subject: Subject, patterns: tuple[str, ...]) -> Iterator[Grid]:
    """The user's image as the user's file stores it, where that is known and can be stored."""
    if subject.form is not None:
        yield read_grid(
            tier,
            subject.form.backend,
            "What does the image cost as it is stored now?",
            subject,
            name="AsTheFile",
            layout=(_layout(subject.form, subject.shape),),
            codec=(subject.form.codec,),
            pattern=patterns,
        )


def _layout(form: FileForm, shape: Shape) -> str:
    """Return the name of a file's layout: "default" where the library cuts so when it is asked nothing.

    One name for one layout: by two names it would be measured twice. Of TIFF it is known: without a codec tifffile
    writes each plane in one strip. What zarr and HDF5 choose is not known before they have chosen.
    """
    chunks, shards = form.chunk_shape, form.shard_shape
    plane = (*(1,) * (len(shape) - 2), *shape[-2:])
    if chunks is None or ((form.backend, form.codec) == ("tiff-tifffile", "none") and chunks == plane):
        return "default"
    return shape_text(chunks) + (f"-in-{shape_text(shards)}" if shards else "")
