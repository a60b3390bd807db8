"""The words that the figures share: names of patterns, of views, of families of codecs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storebench.advise.words import pattern_text
from storebench.report.style import SERIES
from storebench.report.views import View
from storebench.units import shape_text

__all__ = [
    "MOST_PATTERNS",
    "CodecFamilies",
    "codec_families",
    "codec_family",
    "pattern_text",
    "read_text",
    "terms_text",
    "view_text",
]

MOST_PATTERNS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecFamilies:
    """Families of codecs, each with the colour and the marker of its place; those beyond the palette share the last.

    Attributes
    ----------
    names : sequence of str
        The most frequent first.
    n_more : int
        Families that share the last entry.
    """

    names: Sequence[str]
    n_more: int

    def place(self, codec: str) -> int:
        """Return the series of a codec."""
        family = codec_family(codec)
        return list(self.names).index(family) if family in self.names else len(self.names) - 1

    @property
    def texts(self) -> list[str]:
        """The legend's entries."""
        more = f" and {self.n_more} more" if self.n_more else ""
        return [*self.names[:-1], *(f"{name}{more}" for name in self.names[-1:])]


def codec_families(codecs: Iterable[str]) -> CodecFamilies:
    """Return the families of codecs."""
    counts = Counter(map(codec_family, codecs))
    names = [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    return CodecFamilies(names=names[: len(SERIES)], n_more=max(0, len(names) - len(SERIES)))


def codec_family(codec: str) -> str:
    """Return a codec's name without level and shuffle: what shares a colour and a marker."""
    base = codec.removesuffix("+crc32c").split("-")
    return "-".join(base[:2]) if base[0] in ("blosc", "jp2") else base[0]


def read_text(pattern: str) -> str:
    """Name what a read of an access pattern returns, inside a sentence."""
    return "the whole image" if pattern == "whole" else pattern_text(pattern)


def view_text(view: View) -> str:
    """Name a view in one line."""
    parts = [view.dataset or "?", shape_text(view.shape), view.dtype or ""]
    return " ".join(part for part in parts if part)


def terms_text(view: View) -> str:
    """Say of which image, and in which state of the cache, the reads of a view are."""
    return f"{view_text(view)}, {view.cache or 'unknown'} cache."
