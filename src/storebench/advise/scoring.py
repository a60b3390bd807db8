"""One number per setting: how far it is from the best on each goal, weighed. The page's script has the same function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.advise.priorities import Priorities

Numbers = NDArray[np.float64]
ROUNDING: Final = 1e11


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What each setting costs; NaN where it was not measured.

    Attributes
    ----------
    write_s : numpy.ndarray
        Seconds of a whole write; n settings, or n × draws.
    stored_bytes, n_files : numpy.ndarray
        Of the store; n settings, or n × 1 where the times are drawn.
    reads_s : mapping of str to numpy.ndarray
        Seconds of one read by access pattern, of the shape of `write_s`.
    """

    write_s: Numbers
    stored_bytes: Numbers
    n_files: Numbers
    reads_s: Mapping[str, Numbers]


def read_mix(costs: Costs, weights: Mapping[str, float]) -> Numbers:
    """Return the seconds of a mean read of the mix: the weighted arithmetic mean of the patterns that have a weight.

    Reads add up, so the mean time is what a session takes divided by its number of reads. NaN where a setting lacks one.
    """
    total, divisor = np.zeros_like(costs.write_s), 0.0
    for name, weight in weights.items():
        if weight > 0:
            total = total + weight * costs.reads_s.get(name, np.full_like(costs.write_s, np.nan))
            divisor += weight
    return total / divisor if divisor else np.full_like(costs.write_s, np.nan)


def scores(costs: Costs, priorities: Priorities) -> Numbers:
    """Return how many times the best each setting costs, by the weighted geometric mean over the goals: 1 at best.

    A goal's best is the lowest cost among the settings that have every cost which has a weight; only those are ranked.

    Parameters
    ----------
    costs : Costs
        Of n settings, or of n settings × draws: then each draw is scored by itself.
    priorities : Priorities
        Weights of goals and patterns.

    Returns
    -------
    numpy.ndarray
        Of the shape of `costs.write_s`; NaN where a setting is not ranked. Rounded to 11 decimals, so that the last
        bit of a logarithm (which differs between Python and browsers) never decides an order.
    """
    columns = {
        "write": costs.write_s,
        "read": read_mix(costs, priorities.reads),
        "size": costs.stored_bytes,
        "files": costs.n_files,
    }
    used = [(weight, columns[name]) for name, weight in priorities.goals.items() if weight > 0]
    missing = np.full_like(costs.write_s, np.nan)
    if not used:
        return missing
    ranked = np.isfinite(sum((column for _, column in used), np.zeros_like(costs.write_s)))
    if not ranked.any():
        return missing
    total = np.zeros_like(costs.write_s)
    for weight, column in used:
        whole = np.where(ranked, column, np.nan)
        total = total + weight * np.log(whole / np.nanmin(whole, axis=0))
    return _rounded(np.exp(total / sum(weight for weight, _ in used)))


def _rounded(values: Numbers) -> Numbers:
    return np.round(values * ROUNDING) / ROUNDING


def in_order(values: Sequence[float] | Numbers) -> list[int]:
    """Return the positions of the ranked settings, the best first; ties stay in the order given (by label)."""
    array = np.asarray(values, dtype=np.float64)
    order = np.argsort(array, kind="stable")
    return [int(index) for index in order if np.isfinite(array[index])]
