"""The curated cases, each grid with the question it answers, in tiers that only ever add grids.

A grid is a product of parameter values that are all valid for its backend, so that no process is spent on a skip. asv throws
results away when a benchmark's parameter lists change: to measure more, add a grid; never edit the values of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from storebench.errors import UsageError, unknown_name
from storebench.suites._codecs import codec_grids, rate_grids
from storebench.suites._fitting import fitted, why_impossible
from storebench.suites._formats import formats
from storebench.suites._grid import (
    COUNTED,
    SUITES,
    TIERS,
    Grid,
    Subject,
    Tier,
    counted_values,
    fit_layout,
    is_timed,
)
from storebench.suites._growth import growth, memory
from storebench.suites._hdf5 import hdf5_plane_reads, hdf5_volume_reads
from storebench.suites._heftie import heftie_dev
from storebench.suites._images import CT, CT_SMALL, PLANE, PLANE_SMALL
from storebench.suites._large_plane import large_plane
from storebench.suites._libraries import other_libraries
from storebench.suites._multiscale import multiscale
from storebench.suites._pairs import level_pairs, sizes
from storebench.suites._parallel import parallel
from storebench.suites._quick import as_the_file, quick
from storebench.suites._reads import (
    FEW_READS,
    PLANE_READS,
    derived,
    larger,
    other_subjects,
    plane_reads,
    volume_reads,
)
from storebench.suites._states import cold_reads, durable_writes, thread_budgets
from storebench.suites._streaming import streaming

__all__ = [
    "COUNTED",
    "GRIDS",
    "SUITES",
    "TIERS",
    "Grid",
    "Subject",
    "Tier",
    "counted_values",
    "fit_layout",
    "grids_of",
    "heftie_grids",
    "is_timed",
    "why_impossible",
]

_SMOKE_READS: Final = (*volume_reads("smoke", CT_SMALL), *plane_reads("smoke", PLANE_SMALL))
_CORE_READS: Final = (*volume_reads("core", CT), *plane_reads("core", PLANE), *other_subjects())
_CORE_LIBRARIES: Final = tuple(other_libraries())
_FULL_READS: Final = tuple(larger())
_SMOKE_HDF5: Final = (*hdf5_volume_reads("smoke", CT_SMALL), *hdf5_plane_reads("smoke", PLANE_SMALL))
_CORE_HDF5: Final = (*hdf5_volume_reads("core", CT), *hdf5_plane_reads("core", PLANE))

GRIDS: Final[tuple[Grid, ...]] = (
    *(
        grid
        for reads in (_SMOKE_READS, _CORE_READS, _FULL_READS, _SMOKE_HDF5, _CORE_HDF5, _CORE_LIBRARIES)
        for grid in (*reads, *derived(reads))
    ),
    *codec_grids(),
    *rate_grids(),
    *cold_reads(),
    *durable_writes(),
    *thread_budgets(),
    *heftie_dev(),
    *level_pairs(),
    *sizes(),
    *large_plane(),
    *multiscale(),
    *streaming(),
    *parallel(),
    *growth(),
    *memory(),
    *formats(),
)
"""Every grid of the tiers that are run by name."""


def heftie_grids() -> tuple[Grid, ...]:
    """Return the grids of the peer's developer set: 28 cases, also in the core tier."""
    return tuple(heftie_dev())


def grids_of(tier: Tier, *, suites: tuple[str, ...] = (), subject: Subject | None = None) -> tuple[Grid, ...]:
    """Return the grids of a tier, the smaller tiers' included.

    Parameters
    ----------
    tier : str
        "smoke", "core", "full" or "quick".
    suites : tuple of str
        Suites to keep; empty: all.
    subject : Subject, optional
        Measure on this image instead of the grids' own; grids that it cannot answer are left out.

    Raises
    ------
    UsageError
        For an unknown tier or suite, or "quick" without a subject.
    """
    for suite in suites:
        if suite not in SUITES:
            raise unknown_name("suite", suite, SUITES, "storebench list suites")
    if tier == "quick":
        if subject is None:
            raise UsageError("the tier quick measures one image: name it")
        reads = tuple(quick(subject))
        chosen = (*reads, *(grid for grid in derived(reads) if grid.suite == "write"))
        return fitted([[grid for grid in chosen if not suites or grid.suite in suites]], subject)
    if tier not in TIERS:
        raise unknown_name("tier", tier, TIERS)
    held = TIERS[: TIERS.index(tier) + 1]
    grids = tuple(grid for grid in GRIDS if grid.tier in held and (not suites or grid.suite in suites))
    if subject is None:
        return grids
    own = [grid for grid in _of_the_file(subject) if not suites or grid.suite in suites]
    return fitted([[*(own if name == "smoke" else ()), *_asked_of(grids, name, subject)] for name in held], subject)


def _of_the_file(subject: Subject) -> tuple[Grid, ...]:
    """Return what the smallest tier asks of an image as the user's file stores it."""
    reads = tuple(as_the_file("smoke", subject, PLANE_READS if len(subject.shape) == 2 else FEW_READS))
    return (*reads, *derived(reads))


def _asked_of(grids: Iterable[Grid], tier: str, subject: Subject) -> Iterator[Grid]:
    """Yield the grids of a tier whose question can be asked of any image with as many axes, or of a volume with more."""
    wanted = 2 if len(subject.shape) == 2 else 3
    for grid in grids:
        if (
            grid.tier == tier
            and grid.subject in (CT_SMALL, CT, PLANE_SMALL, PLANE)
            and len(grid.subject.shape) == wanted
        ):
            yield grid
