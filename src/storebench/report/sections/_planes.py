"""How one large plane was stored, and what was read of it: what the section on large planes is drawn from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.access import Target, parse_pattern
from storebench.analysis import is_lossless
from storebench.report.section import Story
from storebench.report.sections._rows import alike_but, by_image, by_value, rows_at_home, setting_text
from storebench.report.views import Record

_LEAST_VOXELS: Final = 4_000_000
WHOLE, SCREEN, SQUARE = "whole", "viewport@0", "tile256"
_TITLES: Final[Mapping[str, str]] = {WHOLE: "whole", SCREEN: "screen area", SQUARE: "256x256"}
JPEG_2000: Final = "JPEG 2000"
_BY_NAME: Final[Mapping[str, str]] = {
    "jp2": JPEG_2000,
    "htj2k": "HTJ2K",
    "tiff": "TIFF",
    "ometiff": "TIFF",
    "png": "PNG",
    "omezarr": "Zarr",
    "zarr2": "Zarr",
    "zarr3": "Zarr",
    "zarr3zip": "Zarr",
    "npy": "raw npy",
}
"""By what a backend's name begins with; others are "others"."""
NAMED: Final = tuple(dict.fromkeys(_BY_NAME.values()))
FAMILIES: Final = (*NAMED, "others")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlane:
    """One way to store the plane.

    Attributes
    ----------
    reads : mapping of str to Record
        By access pattern, by as many threads as the library uses when nobody asks.
    hurried : mapping of str to Record
        The same by the largest thread budget that was measured.
    """

    reads: Mapping[str, Record]
    hurried: Mapping[str, Record]

    @property
    def any(self) -> Record:
        """One of its rows, for what all have in common."""
        return next(iter((self.reads or self.hurried).values()))

    @property
    def label(self) -> str:
        """Its name in one line."""
        return setting_text(self.any, threads=None, chunk_shape=self._tiles)

    @property
    def _tiles(self) -> Any:
        """Tiles; None where there is one alone."""
        chunk, shape = self.any["chunk_shape"], self.any["shape"]
        return None if chunk is None or tuple(chunk) == tuple(shape) else chunk

    @property
    def family(self) -> str:
        """One of `FAMILIES`."""
        return _BY_NAME.get((self.any["backend"] or "").partition("-")[0], "others")

    @property
    def lossless(self) -> bool:
        """Whether every voxel comes back to the bit."""
        return bool(is_lossless(self.any["codec"]))


def plane_rows(story: Story) -> list[Record]:
    """Return the warm reads of the plane that most was measured of, of those that are large."""

    def wanted(row: Record) -> bool:
        warm = row["operation"] == "read" and row["cache"] in (None, "warm")
        return warm and row["axes"] == "yx" and bool(row["shape"]) and math.prod(row["shape"]) >= _LEAST_VOXELS

    planes = by_image(rows_at_home(story, wanted))
    return max(planes, key=lambda rows: (math.prod(rows[0]["shape"]), len(rows)), default=[])


def stored_planes(rows: Sequence[Record]) -> list[StoredPlane]:
    """Return each way to store the plane, families together, the fastest first."""
    found = []
    for group in alike_but(rows, "pattern", "threads"):
        budgets = sorted({row["threads"] for row in group if row["threads"]})
        reads = by_value((row for row in group if not row["threads"]), "pattern")
        hurried = by_value((row for row in group if budgets and row["threads"] == budgets[-1] > 1), "pattern")
        if reads or hurried:
            found.append(StoredPlane(reads=reads, hurried=hurried))
    best = {s.family: min(whole_s(other) for other in found if other.family == s.family) for s in found}
    return sorted(found, key=lambda s: (best[s.family], FAMILIES.index(s.family), whole_s(s), s.label))


def whole_s(setting: StoredPlane) -> float:
    """Return the seconds of the whole plane; beyond all of them where it was not read."""
    row = setting.reads.get(WHOLE)
    return math.inf if row is None else float(row["median_s"])


def drawn_patterns(settings: Sequence[StoredPlane]) -> list[str]:
    """Return the patterns that are drawn: whole, screen, square, and the whole smaller level that most settings were read at."""
    levels = Counter(name for setting in settings for name in setting.reads if name.startswith("level@"))
    overview = [min(levels, key=lambda name: (-levels[name], name))] if levels else []
    read = {name for setting in settings for name in (*setting.reads, *setting.hurried)}
    return [name for name in (WHOLE, SCREEN, SQUARE, *overview) if name in read]


def read_title(pattern: str) -> str:
    """Name a pattern over a panel or a column."""
    return _TITLES.get(pattern) or pattern.replace("@", " ")


def bytes_read(row: Record) -> int | None:
    """Return the bytes that a read took: of the store's log, or of read calls where a library cannot be logged."""
    found = row["fetched_bytes"] if row["fetched_bytes"] is not None else row["read_call_bytes"]
    return None if found is None else int(found)


def share_read(row: Record | None) -> float | None:
    """Return the bytes that a read took as a share of what is stored."""
    if row is None or not row["stored_bytes"]:
        return None
    n_bytes = bytes_read(row)
    return n_bytes / row["stored_bytes"] if n_bytes else None


def share_asked(row: Record) -> float:
    """Return the voxels asked for as a share of the plane's."""
    (request,) = parse_pattern(row["pattern"]).requests(Target((tuple(row["shape"]),), row["axes"]))
    return request.region.n_voxels / math.prod(row["shape"])
