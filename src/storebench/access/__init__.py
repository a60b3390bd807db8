"""Access patterns: what an operation asks for, as regions that are the same for every backend.

A pattern's name and the seed fix its regions for an image of a given shape; no backend's chunks are looked at. Positions
come from SHA-256 of the names, so they are the same on every Python and numpy. A pattern of several requests is one sample
with parts: the reader or writer stays open, and each part's time is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from storebench.access import _patterns, _streams, _traces
from storebench.access._requests import SCREEN_YX, AccessPattern, Request, Target
from storebench.access._traces import TracePattern
from storebench.errors import unknown_name
from storebench.names import NameRule, examples, match_name

__all__ = ["EXAMPLES", "SCREEN_YX", "AccessPattern", "Request", "Target", "TracePattern", "parse_pattern"]

_KINDS: Final[tuple[tuple[tuple[NameRule, ...], Callable[..., AccessPattern]], ...]] = (
    (_patterns.RULES, _patterns.BoxPattern),
    (_streams.RULES, _streams.StreamPattern),
    (_traces.RULES, _traces.TracePattern),
)
"""Rules, and what is made of the fields that they give."""

EXAMPLES: Final = examples(rule for rules, _ in _KINDS for rule in rules)
"""Names of access patterns worth listing, each with what it reads. Other sizes are spelled the same way."""


def parse_pattern(name: str) -> AccessPattern:
    """Turn a name into an access pattern.

    Raises
    ------
    UnknownNameError
        If it is no pattern's name; says the nearest one.
    """
    for rules, make in _KINDS:
        fields: dict[str, Any] | None = match_name(rules, name)
        if fields is not None:
            return make(name, **fields)
    raise unknown_name("access pattern", name, EXAMPLES, "storebench list patterns")
