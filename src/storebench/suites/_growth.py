"""What grows with the volume, and what with the number of objects.

Volumes: one setting per format on cubes of 64 to 1,024 voxels an edge. Objects: one image cut into 100 to 1,000,000 chunks, so
that the bytes stay and the number alone grows. Sizes before a format's first would cut its tiles or shards down to the image,
which is another setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from storebench.records import Operation
from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._images import CT_CUT
from storebench.suites._reads import BLOSC, class_name

_VOLUME: Final = "What grows with the volume, and how fast?"
_OBJECTS: Final = "What does the number of objects cost, where the bytes stay the same?"

_MEMORY: Final = "How much memory does it take, beside the image's 32 or 256 MiB?"
_SLOW_EDGE: Final = 512
"""From here on a call that moves the whole image is expected to take seconds."""
_SLOW_CHUNKS: Final = 10_000


class _Format(NamedTuple):
    """How a format stores the cubes; `tiers`: the tier that asks each edge, in voxels."""

    backend: str
    layout: str
    codec: str
    tiers: Mapping[int, Tier]
    parts: tuple[str, ...] = ("roi64",)
    opens: bool = False
    n_levels: int = 1
    name: str = ""


_FROM_SMOKE: Final[Mapping[int, Tier]] = {64: "smoke", 128: "smoke", 256: "core", 512: "core", 1024: "full"}
_FROM_CORE: Final[Mapping[int, Tier]] = {128: "core", 256: "core", 512: "core", 1024: "full"}
_FULL: Final[Mapping[int, Tier]] = {128: "full", 256: "full", 512: "full"}
"""Without the largest: all stores of 2 GiB would not fit into the 20 GiB that a storage root keeps."""
_BOTH: Final = ("roi64", "plane_xz")

_FORMATS: Final = (
    _Format("npy-numpy", "default", "none", _FROM_SMOKE, _BOTH),
    _Format("zarr3-zarrpython", "64x64x64", BLOSC, _FROM_SMOKE, _BOTH, opens=True),
    _Format("zarr3-zarrpython", "32x32x32-in-128x128x128", BLOSC, _FROM_CORE, _BOTH, name="Sharded"),
    _Format("zarr3-tensorstore", "64x64x64", BLOSC, _FROM_CORE),
    _Format("omezarr-0.5-zarrpython", "64x64x64", BLOSC, _FROM_CORE, n_levels=3),
    _Format("hdf5-h5py", "64x64x64", "none", _FROM_CORE, opens=True),
    _Format("tiff-tifffile", "1x64x64", "zstd-3-predictor", _FROM_CORE, _BOTH, opens=True),
    _Format("tiffstack-tifffile", "default", "none", _FROM_CORE, opens=True),
    _Format("zarr2-zarrpython", "64x64x64", BLOSC, _FULL),
    _Format("precomputed-tensorstore", "64x64x64", "none", _FULL),
)

_CUTS: Final = {
    100: "50x40x40",
    1_000: "20x20x20",
    10_000: "10x8x10",
    100_000: "5x4x4",
    1_000_000: "2x2x2",
}
"""Number of chunks, and the chunk that cuts `CT_CUT` into so many, none of them padded."""
_IN_A_SHARD: Final = "-in-200x200x200"


class _Cut(NamedTuple):
    """What is done with the image cut into so many chunks; `shard`: what is added to a layout's name."""

    tier: Tier
    backend: str
    n_chunks: tuple[int, ...]
    operations: tuple[Operation, ...]
    shard: str = ""


_STORE: Final[tuple[Operation, ...]] = ("write", "read", "open")
_FILES: Final[tuple[Operation, ...]] = (*_STORE, "list", "delete")
_CUT: Final = (
    _Cut("smoke", "zarr3-zarrpython", (100, 1_000), _FILES),
    _Cut("smoke", "hdf5-h5py", (100, 1_000), _STORE),
    _Cut("core", "zarr3-zarrpython", (10_000,), _FILES),
    _Cut("core", "zarr3-zarrpython", (100_000,), ("open", "list")),
    _Cut("core", "zarr3-zarrpython", (100, 1_000, 10_000, 100_000), _STORE, _IN_A_SHARD),
    _Cut("core", "zarr3-tensorstore", (100, 1_000, 10_000), _STORE),
    _Cut("core", "hdf5-h5py", (10_000, 100_000), _STORE),
    _Cut("full", "zarr2-zarrpython", (100, 1_000, 10_000, 100_000), _STORE),
    _Cut("full", "zarr3-tensorstore", (100_000, 1_000_000), _STORE),
    _Cut("full", "zarr3-zarrpython", (100_000,), ("write", "read", "delete")),
    _Cut("full", "zarr3-zarrpython", (1_000_000,), _FILES),
    _Cut("full", "zarr3-zarrpython", (1_000_000,), _STORE, _IN_A_SHARD),
    _Cut("full", "hdf5-h5py", (1_000_000,), _STORE),
)
"""A stack's objects are its planes, up to 1,024 of them in the volumes."""


def growth() -> Iterator[Grid]:
    """Yield the grids; those with the most objects last, as they fill the storage root with files."""
    for setting in _FORMATS:
        for edge in setting.tiers:
            yield from _volume_grids(setting, edge)
    for cut in _CUT:
        yield from _cut_grids(cut)


def memory() -> Iterator[Grid]:
    """Yield the writes and reads of the cubes that are large enough for a peak of memory to be told from what is there anyway."""
    for setting in _FORMATS:
        for edge, tier in ((256, setting.tiers.get(64)), (512, setting.tiers[512])):
            if tier is None:
                continue
            for grid in _volume_grids(setting, edge):
                name = tier.capitalize() + grid.name.removeprefix(grid.tier.capitalize())
                if grid.operation != "open":
                    yield replace(grid, suite="memory", tier=tier, name=name, question=_MEMORY, slow=False)


def _volume_grids(setting: _Format, edge: int) -> Iterator[Grid]:
    """Yield the grids of one format at one size: write, read whole, read in part, open."""
    tier = setting.tiers[edge]
    parts = setting.parts if edge > 64 else ()  # a cube of 64 is the whole image there
    asked: tuple[tuple[str, Operation, tuple[str, ...], bool], ...] = (
        ("Write", "write", (), True),
        ("Whole", "read", ("whole",), True),
        ("Parts", "read", parts, bool(parts)),
        ("Open", "open", (), setting.opens),
    )
    for name, operation, patterns, wanted in asked:
        if not wanted:
            continue
        yield Grid(
            name=f"{tier.capitalize()}{class_name(setting.backend)}{setting.name}Edge{edge}{name}",
            suite="growth",
            tier=tier,
            question=_VOLUME,
            operation=operation,
            backend=setting.backend,
            subject=Subject("ct", (edge,) * 3, "uint16"),
            params={"layout": (setting.layout,), "codec": (setting.codec,)}
            | ({"pattern": patterns} if patterns else {}),
            n_levels=setting.n_levels,
            slow=edge >= _SLOW_EDGE and name in ("Write", "Whole"),
        )


def _cut_grids(cut: _Cut) -> Iterator[Grid]:
    """Yield a grid per operation and number of chunks."""
    for n_chunks in cut.n_chunks:
        for operation in cut.operations:
            sharded = "Sharded" if cut.shard else ""
            yield Grid(
                name=f"{cut.tier.capitalize()}{class_name(cut.backend)}{sharded}Chunks{n_chunks}{operation.capitalize()}",
                suite="growth",
                tier=cut.tier,
                question=_OBJECTS,
                operation=operation,
                backend=cut.backend,
                subject=CT_CUT,
                params={"layout": (_CUTS[n_chunks] + cut.shard,), "codec": ("none",)}
                | ({"pattern": ("whole",)} if operation == "read" else {}),
                slow=n_chunks >= _SLOW_CHUNKS,
            )
