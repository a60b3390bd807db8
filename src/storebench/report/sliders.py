"""The weights that a reader can change: where each slider stands, and what to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from storebench.advise.ranking import Answer
from storebench.advise.words import pattern_text

_GOAL_LABELS: Final[Mapping[str, str]] = {
    "size": "Small size",
    "write": "Fast write",
    "read": "Fast reads",
    "files": "Few files",
}
_SLIDER_MIDDLE: Final = 60
"""Where the slider of the largest weight stands, of twice as much: divisible by many, so that usual weights stay whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slider:
    """One weight that a reader can change.

    Attributes
    ----------
    name, label : str
        Of the goal or the access pattern.
    value : int
        Where it stands, 0 to 120.
    share : str
        Of all weights of its kind, as text.
    note : str
        What to know before it is moved.
    """

    name: str
    label: str
    value: int
    share: str
    note: str = ""


def goal_sliders(found: Answer) -> list[Slider]:
    """Return the weights of the goals."""
    return _sliders(found.priorities.goals, _GOAL_LABELS)


def pattern_sliders(found: Answer) -> list[Slider]:
    """Return the weights of the access patterns; of one that not every setting was read with, how many were."""
    able = [candidate for candidate in found.candidates if candidate.why_not_ranked is None]
    weights = found.priorities.reads
    made = _sliders(weights, {name: pattern_text(name) for name in weights})
    counts = {name: sum(candidate.read_s(name) is not None for candidate in able) for name in weights}
    return [
        Slider(
            name=slider.name,
            label=slider.label,
            value=slider.value,
            share=slider.share,
            note="" if counts[slider.name] == len(able) else f"{counts[slider.name]} of {len(able)} settings",
        )
        for slider in made
    ]


def _sliders(weights: Mapping[str, float], labels: Mapping[str, str]) -> list[Slider]:
    largest, total = max(weights.values(), default=0.0) or 1.0, sum(weights.values()) or 1.0
    return [
        Slider(
            name=name,
            label=labels[name],
            value=round(weight / largest * _SLIDER_MIDDLE),
            share=f"{weight / total * 100:.0f} %",
        )
        for name, weight in weights.items()
    ]
