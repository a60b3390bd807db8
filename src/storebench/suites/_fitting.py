"""The grids on another image: only what it has axes, size and dtype for, and each case once.

What is left of a grid depends on the image and the grids of its own tier alone: a class of one name must have the same
parameters whichever tier is asked for, or asv would throw its results away.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from storebench.access import Target, parse_pattern
from storebench.backends import WriteRequest, get_backend, why_not_in_parts
from storebench.codecs import parse_codec
from storebench.errors import UsageError
from storebench.grid import Layout, Shape
from storebench.levels import level_factors
from storebench.records import Case
from storebench.stores import Location
from storebench.suites._grid import Grid, Subject

_NOWHERE: Final = Path("image")
_SMALLEST_LEVEL: Final = 32


def fitted(grids_by_tier: Sequence[Iterable[Grid]], subject: Subject) -> tuple[Grid, ...]:
    """Return the grids on another image.

    Parameters
    ----------
    grids_by_tier : sequence of iterables of Grid
        Of each tier, the smallest first. What a larger tier measures all of is left out of the smaller ones.
    subject : Subject
        The image.
    """
    kept: list[Grid] = []
    seen: set[tuple[str, str]] = set()
    for grids in reversed([list(_fitted(grids, subject)) for grids in grids_by_tier]):
        new = [grid for grid in grids if not _ids(grid) <= seen]
        seen.update(*map(_ids, new))
        kept = new + kept
    return tuple(kept)


def _fitted(grids: Iterable[Grid], subject: Subject) -> Iterator[Grid]:
    """Yield the grids of one tier, without what the image cannot answer or an earlier grid asks already."""
    seen: set[tuple[str, str]] = set()
    for grid in grids:
        moved = grid.on(subject)
        good: list[tuple[str, ...]] = []
        found: set[tuple[str, str]] = set()
        for values in moved.combinations():
            one = (moved.suite, moved.case(*values).id)
            if one not in seen | found and why_impossible(moved.case(*values)) is None:
                good.append(values)
                found.add(one)
        narrowed = _narrowed(moved, good)
        if narrowed is not None:
            seen |= found
            yield narrowed


def _narrowed(grid: Grid, good: Sequence[tuple[str, ...]]) -> Grid | None:
    """Return the grid of the good combinations; None where there are none, or they are no product of values."""
    columns = [set(column) for column in zip(*good, strict=True)]
    params = {
        name: tuple(value for value in values if value in column)
        for (name, values), column in zip(grid.params.items(), columns, strict=bool(columns))
    }
    narrowed = replace(grid, params=params)
    return narrowed if good and list(narrowed.combinations()) == list(good) else None


def _ids(grid: Grid) -> set[tuple[str, str]]:
    return {(grid.suite, grid.case(*values).id) for values in grid.combinations()}


def _own_levels(shape: Shape) -> tuple[Shape, ...]:
    """Return the smaller levels that a wavelet is sure to have: those that stay a tile's worth."""
    levels = []
    while all(n >= 2 * _SMALLEST_LEVEL for n in shape):
        shape = tuple(-(-n // 2) for n in shape)
        levels.append(shape)
    return tuple(levels)


@functools.cache
def _is_available(backend: str) -> bool:
    """Tell whether a backend's libraries are installed; finding out takes milliseconds, and many cases ask."""
    return get_backend(backend).why_unavailable() is None


def why_impossible(case: Case) -> str | None:
    """Return None where a case can be measured, else one sentence that says why not.

    A backend whose library is missing is not asked about: it says so itself.
    """
    backend = get_backend(case.backend)
    try:
        request = WriteRequest(
            shape=case.shape,
            dtype=np.dtype(case.dtype),
            axes=case.axes,
            codec=parse_codec(case.codec),
            layout=case.layout,
            level_factors=level_factors(case.axes, case.shape, case.n_levels, along=case.level_axes),
            level_method=case.level_method,
            stack_axis=case.stack_axis,
        )
        levels = request.level_shapes + (_own_levels(case.shape) if backend.makes_levels else ())
        parts = parse_pattern(case.pattern).requests(Target(levels, case.axes))
    except UsageError as error:
        return str(error)
    if not _is_available(case.backend):
        return None
    sentence = backend.why_unsupported(Location(_NOWHERE.with_suffix(backend.suffix)), request)
    if sentence is None and case.operation == "append":
        return why_not_in_parts(backend, request, [part.region for part in parts])
    if sentence is None and case.operation in ("encode", "decode"):
        codec = backend.block_codec(replace(request, layout=request.layout or Layout(chunk_shape=request.shape)))
        return codec if isinstance(codec, str) else None
    return sentence
