"""Names with a grammar: how codecs and access patterns are spelled, one rule per family."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class NameRule:
    """One family of names.

    Attributes
    ----------
    pattern : str
        Regular expression that the whole name matches.
    build : callable
        Turns the match into the fields that the name stands for.
    examples : tuple of str
        Names of the family that are worth listing.
    about : str
        What the family is.
    """

    pattern: str
    build: Callable[[re.Match[str]], dict[str, object]]
    examples: tuple[str, ...]
    about: str


def match_name(rules: Iterable[NameRule], name: str) -> dict[str, object] | None:
    """Return the fields that a name stands for; None where no rule knows it."""
    for rule in rules:
        match = re.fullmatch(rule.pattern, name)
        if match:
            return rule.build(match)
    return None


def examples(rules: Iterable[NameRule]) -> Mapping[str, str]:
    """Return the names worth listing, each with what it is."""
    return MappingProxyType({name: rule.about for rule in rules for name in rule.examples})
