"""How often a paired comparison cries wolf, and how often it sees a slow-down of 10 %."""

from __future__ import annotations

import sys
from pathlib import Path

from sections import Section, image_for, read_case, table

from storebench.measurement.pairing import PairedResult, PairedRule, Setting, compare_paired
from storebench.records import Case

_SLOWED = Path(__file__).with_name("slowed_worker.py")
_AA_REPEATS, _INJECTED_REPEATS = 26, 4

_ZARR = {"chunk_shape": (24, 24, 24)}
_SHARDS = {"chunk_shape": (16, 16, 16), "shard_shape": (48, 48, 48)}
_TILES = {"chunk_shape": (1, 48, 48)}
# Of two libraries only, so that most of the time goes into calls and not into starting processes.
_CASES: tuple[Case, ...] = tuple(
    read_case(backend, 48, **settings)
    for backend, settings in (
        ("zarr3-zarrpython", {**_ZARR, "codec": "zstd-3"}),
        ("zarr3-zarrpython", {**_ZARR, "codec": "zstd-3", "pattern": "plane_xz"}),
        ("zarr3-zarrpython", {**_ZARR, "codec": "zstd-3", "pattern": "voxel"}),
        ("zarr3-zarrpython", {**_ZARR, "codec": "zstd-3", "operation": "write"}),
        ("zarr3-zarrpython", {**_ZARR, "codec": "zstd-3", "operation": "decode"}),
        ("zarr3-zarrpython", {**_ZARR, "codec": "none"}),
        ("zarr3-zarrpython", {**_ZARR, "codec": "none", "operation": "open"}),
        ("zarr3-zarrpython", {**_ZARR, "codec": "gzip-5"}),
        ("zarr3-zarrpython", {**_ZARR, "codec": "blosc-lz4-5-shuffle", "pattern": "plane_xy"}),
        ("zarr3-zarrpython", {**_ZARR, "codec": "blosc-zstd-3-shuffle", "operation": "write"}),
        ("zarr3-zarrpython", {**_SHARDS, "codec": "zstd-3"}),
        ("zarr3-zarrpython", {**_SHARDS, "codec": "zstd-3", "pattern": "plane_xz"}),
        ("tiff-tifffile", {"codec": "deflate-6"}),
        ("tiff-tifffile", {"codec": "deflate-6", "pattern": "plane_xy"}),
        ("tiff-tifffile", {"codec": "deflate-6", "pattern": "plane_xz"}),
        ("tiff-tifffile", {"codec": "deflate-6", "operation": "write"}),
        ("tiff-tifffile", {"codec": "none"}),
        ("tiff-tifffile", {"codec": "none", "pattern": "plane_xz"}),
        ("tiff-tifffile", {**_TILES, "codec": "zstd-3"}),
        ("tiff-tifffile", {**_TILES, "codec": "zstd-3", "operation": "open"}),
    )
)


def false_alarms() -> Section:
    """Compare each case with itself, at least 500 times in all; at most 1 % may come out slower or faster."""
    results = [result for repeat in range(_AA_REPEATS) for result in _compared(seed=repeat)]
    alarms = sum(result.verdict in ("slower", "faster") for result in results)
    again = sum(result.confirmed is not None for result in results)
    ratios = sorted(result.ratio for result in results if result.ratio is not None)
    rows = [
        (len(results), again, alarms, f"{100 * alarms / len(results):.2f} %", f"{ratios[0]:.3f} to {ratios[-1]:.3f}")
    ]
    header = (
        "comparisons of the same with itself",
        "flagged and measured again",
        "false alarms",
        "share",
        "ratios found",
    )
    return Section(table(header, rows), alarms / len(results) <= 0.01 and len(results) >= 500)


def injected() -> Section:
    """Compare each case with one whose calls are made 10 % longer by work that is really done; 90 % must be found."""
    results = [r for repeat in range(_INJECTED_REPEATS) for r in _compared(seed=1000 + repeat, slowed=True)]
    found = sum(result.verdict == "slower" for result in results)
    ratios = sorted(result.ratio for result in results if result.ratio is not None)
    rows = [(len(results), found, f"{100 * found / len(results):.1f} %", f"{ratios[0]:.3f} to {ratios[-1]:.3f}")]
    header = ("comparisons with + 10 %", "found slower", "share", "ratios found")
    return Section(table(header, rows), found / len(results) >= 0.9)


def _compared(*, seed: int, slowed: bool = False) -> list[PairedResult]:
    storage, image = image_for(_CASES[0])
    plain = [Setting(case, image.key) for case in _CASES]
    other = [one._replace(entry=(str(_SLOWED),)) for one in plain] if slowed else plain
    pairs = list(zip(plain, other, strict=True))
    results = compare_paired(pairs, storage, PairedRule(seed=seed))
    print(
        f"{'+10 %' if slowed else 'A/A'} {seed}: " + " ".join(f"{r.ratio or 0:.3f}{r.verdict[:2]}" for r in results),
        file=sys.stderr,
        flush=True,
    )
    return results
