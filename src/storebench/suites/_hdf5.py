"""The same reads for HDF5, whose library keeps a cache of chunks of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._reads import FEW_READS, PLANE_READS, READS, read_grid

HDF5: Final = "hdf5-h5py"
DEFLATE: Final = "deflate-1"
"""Level 6 writes 32 MiB in seconds: one class asks what it buys."""


def hdf5_volume_reads(tier: Tier, subject: Subject) -> Iterator[Grid]:
    """A volume in one HDF5 file: in one run of bytes, and in chunks."""
    smoke = tier == "smoke"
    patterns = FEW_READS if smoke else READS
    yield read_grid(
        tier,
        HDF5,
        "One run of bytes in a file of a library: what does the library cost beside .npy?",
        subject,
        name="Contiguous",
        codec=("none",),
        pattern=patterns,
    )
    yield read_grid(
        tier,
        HDF5,
        "Chunks in one file: as good as Zarr's files?",
        subject,
        name="Chunks",
        layout=("64x64x64",) if smoke else ("32x32x32", "64x64x64", "plane"),
        codec=(DEFLATE,),
        pattern=patterns,
    )
    yield read_grid(
        tier,
        HDF5,
        "What does a codec cost a reader of HDF5?",
        subject,
        name="Codecs",
        layout=("64x64x64",),
        codec=("none",) if smoke else ("none", "deflate-6"),
        pattern=("whole", "plane_xz", "roi32"),
    )


def hdf5_plane_reads(tier: Tier, subject: Subject) -> Iterator[Grid]:
    """One plane in an HDF5 file."""
    why = "One plane in chunks of an HDF5 file: beside TIFF's tiles."
    yield read_grid(
        tier, HDF5, why, subject, name="Plane", layout=("256x256",), codec=("none", DEFLATE), pattern=PLANE_READS
    )
