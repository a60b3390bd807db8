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
        By place.
    """

    names: Sequence[str]

    def place(self, codec: str) -> int:
        """Return the series of a codec."""
        return min(self.names.index(codec_family(codec)), len(SERIES) - 1)

    def legend(self, codecs: Iterable[str]) -> dict[int, str]:
        """Return the legend's entries of a figure that shows these codecs: by series its family."""
        drawn = set(map(codec_family, codecs))
        by_place: dict[int, list[str]] = {}
        for index, name in enumerate(self.names):
            if name in drawn:
                by_place.setdefault(min(index, len(SERIES) - 1), []).append(name)
        return {
            place: f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
            for place, names in by_place.items()
        }


def codec_families(views: Sequence[View]) -> CodecFamilies:
    """Return the families of codecs of a page, for all its figures: a family looks the same in each of them.

    Those of the settings of the first view stand first, the most frequent before all, since most figures show these.
    """
    main = Counter(codec_family(setting.codec) for setting in views[0].settings)
    every = Counter(codec_family(row["codec"] or "?") for view in views for row in view.records)
    return CodecFamilies(names=sorted(every, key=lambda name: (-main[name], -every[name], name)))


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
