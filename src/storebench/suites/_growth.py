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
from storebench.suites._grid import TIERS, Grid, Subject, Tier
from storebench.suites._images import CT_CUT
from storebench.suites._reads import BLOSC, class_name

_VOLUME: Final = "What grows with the volume, and how fast?"
_OBJECTS: Final = "What does the number of objects cost, where the bytes stay the same?"

_MEMORY: Final = "How much memory does it take, beside the image's 32 or 256 MiB?"
_PART_EDGE: Final = 64
"""What is read in part there is the whole image, or its only chunk."""
_SLOW_EDGE: Final = 512
"""From here on a call that moves the whole image is expected to take seconds."""
_SLOW_CHUNKS: Final = 10_000
_SLOW_FILES: Final = 1_000
"""The same where each call begins with none of the files, or with all: a disk may take a second to remove those before it."""


class _Asked(NamedTuple):
    """One thing that is done with a cube."""

    operation: Operation
    patterns: tuple[str, ...] = ()


_ASKED: Final = {
    "Write": _Asked("write"),
    "Whole": _Asked("read", ("whole",)),
    "Box": _Asked("read", ("roi64",)),
    "Plane": _Asked("read", ("plane_xz",)),
    "Open": _Asked("open"),
}
_PARTS: Final = ("Box", "Plane")


class _Format(NamedTuple):
    """How a format stores the cubes.

    `steps`: the first tier that takes each edge, in voxels; `asked`: the first that takes each of `_ASKED`, and a grid is of the
    later of the two; `memory`: the tier that measures the memory of the cube of 512.
    """

    backend: str
    layout: str
    codec: str
    steps: Mapping[int, Tier]
    asked: Mapping[str, Tier]
    n_levels: int = 1
    name: str = ""
    memory: Tier = "core"


_FROM_64: Final[Mapping[int, Tier]] = {64: "smoke", 128: "smoke", 256: "core", 512: "core", 1024: "full"}
_FROM_128: Final[Mapping[int, Tier]] = {128: "core", 256: "core", 512: "core", 1024: "full"}
_TO_512: Final[Mapping[int, Tier]] = {128: "full", 256: "full", 512: "full"}
"""Without the largest: all stores of 2 GiB would not fit into the 20 GiB that a storage root keeps."""
_ALL_FULL: Final[Mapping[str, Tier]] = {"Write": "full", "Whole": "full", "Box": "full"}
_ALL_CORE: Final[Mapping[str, Tier]] = {"Write": "core", "Whole": "core", "Box": "core"}

_FORMATS: Final = (
    _Format(
        "npy-numpy", "default", "none", _FROM_64, {**_ALL_FULL, "Write": "core", "Whole": "smoke", "Plane": "full"}
    ),
    _Format(
        "zarr3-zarrpython",
        "64x64x64",
        BLOSC,
        _FROM_64,
        {"Write": "smoke", "Whole": "smoke", "Box": "core", "Plane": "core", "Open": "full"},
    ),
    _Format(
        "zarr3-zarrpython",
        "32x32x32-in-128x128x128",
        BLOSC,
        _FROM_128,
        {**_ALL_CORE, "Plane": "full"},
        name="Sharded",
    ),
    _Format("zarr3-tensorstore", "64x64x64", BLOSC, _FROM_128, _ALL_FULL),
    _Format("omezarr-0.5-zarrpython", "64x64x64", BLOSC, _FROM_128, _ALL_FULL, n_levels=3),
    _Format("hdf5-h5py", "64x64x64", "none", _FROM_128, {**_ALL_CORE, "Open": "full"}),
    _Format("tiff-tifffile", "1x64x64", "zstd-3-predictor", _FROM_128, {**_ALL_CORE, "Plane": "full", "Open": "core"}),
    _Format("tiffstack-tifffile", "default", "none", _FROM_128, {**_ALL_CORE, "Box": "full", "Open": "core"}),
    _Format("zarr2-zarrpython", "64x64x64", BLOSC, _TO_512, _ALL_FULL, memory="full"),
    _Format("precomputed-tensorstore", "64x64x64", "none", _TO_512, _ALL_FULL, memory="full"),
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


_MOVE: Final[tuple[Operation, ...]] = ("write", "read")
_STORE: Final[tuple[Operation, ...]] = (*_MOVE, "open")
_FILES: Final[tuple[Operation, ...]] = (*_STORE, "list", "delete")
_CUT: Final = (
    _Cut("smoke", "zarr3-zarrpython", (100, 1_000), (*_MOVE, "delete")),
    _Cut("core", "zarr3-zarrpython", (100, 1_000), ("open", "list")),
    _Cut("core", "zarr3-zarrpython", (10_000,), _FILES),
    _Cut("core", "zarr3-zarrpython", (100, 1_000, 10_000), _MOVE, _IN_A_SHARD),
    _Cut("core", "hdf5-h5py", (100, 1_000, 10_000, 100_000), _MOVE),
    _Cut("full", "zarr3-zarrpython", (100, 1_000, 10_000), ("open",), _IN_A_SHARD),
    _Cut("full", "hdf5-h5py", (100, 1_000, 10_000, 100_000), ("open",)),
    _Cut("full", "zarr2-zarrpython", (100, 1_000, 10_000, 100_000), _STORE),
    _Cut("full", "zarr3-tensorstore", (100, 1_000, 10_000, 100_000, 1_000_000), _STORE),
    _Cut("full", "zarr3-zarrpython", (100_000, 1_000_000), _FILES),
    _Cut("full", "zarr3-zarrpython", (100_000, 1_000_000), _STORE, _IN_A_SHARD),
    _Cut("full", "hdf5-h5py", (1_000_000,), _STORE),
)
"""A stack's objects are its planes, up to 1,024 of them in the volumes."""


def growth() -> Iterator[Grid]:
    """Yield the grids; those with the most objects last, as they fill the storage root with files."""
    for setting in _FORMATS:
        for edge, step in setting.steps.items():
            for name, first in setting.asked.items():
                if edge > _PART_EDGE or name not in _PARTS:
                    yield _volume_grid(setting, edge, name, max(step, first, key=TIERS.index))
    for cut in _CUT:
        yield from _cut_grids(cut)


def memory() -> Iterator[Grid]:
    """Yield the writes and reads of the cubes that are large enough for a peak of memory to be told from what is there anyway."""
    for setting in _FORMATS:
        sizes: Mapping[int, Tier] = (
            {256: "smoke", 512: setting.memory} if 64 in setting.steps else {512: setting.memory}
        )
        for edge, tier in sizes.items():
            for name in setting.asked:
                if name != "Open":
                    grid = _volume_grid(setting, edge, name, tier)
                    yield replace(grid, suite="memory", question=_MEMORY, slow=False)


def _volume_grid(setting: _Format, edge: int, name: str, tier: Tier) -> Grid:
    """Return the grid that does one thing with one format at one size."""
    operation, patterns = _ASKED[name]
    return Grid(
        name=f"{tier.capitalize()}{class_name(setting.backend)}{setting.name}Edge{edge}{name}",
        suite="growth",
        tier=tier,
        question=_VOLUME,
        operation=operation,
        backend=setting.backend,
        subject=Subject("ct", (edge,) * 3, "uint16"),
        params={"layout": (setting.layout,), "codec": (setting.codec,)} | ({"pattern": patterns} if patterns else {}),
        n_levels=setting.n_levels,
        slow=edge >= _SLOW_EDGE and name in ("Write", "Whole"),
    )


def _cut_grids(cut: _Cut) -> Iterator[Grid]:
    """Yield a grid per operation and number of chunks."""
    for n_chunks in cut.n_chunks:
        for operation in cut.operations:
            sharded = "Sharded" if cut.shard else ""
            one_file = cut.shard or cut.backend == "hdf5-h5py"
            slow_from = _SLOW_FILES if operation in ("write", "delete") and not one_file else _SLOW_CHUNKS
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
                slow=n_chunks >= slow_from,
            )
