"""The answer as data for the page's script: the costs that Python ranked, names and code in parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from storebench.advise.candidates import Candidate
from storebench.advise.ranking import Answer
from storebench.advise.snippets import snippet_of
from storebench.advise.words import format_text, layout_text
from storebench.units import MISSING, bytes_text, count_text, shape_text


class _Index:
    """Numbers values in the order in which they first appear, so that each is on the page once."""

    def __init__(self) -> None:
        self.values: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        return self.values.setdefault(value, len(self.values))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)


def script_data(found: Answer) -> Markup:
    """Return what the script ranks and shows: the very costs that Python ranked; names and snippets in parts."""
    parts = [_Index() for _ in range(4)]
    templates, gaps = _Index(), _Index()
    patterns = list(found.priorities.reads)
    rows = []
    for candidate in found.candidates:
        snippet = snippet_of(candidate)
        rows.append(
            [
                [part(texts) for part, texts in zip(parts, _parts(candidate), strict=True)],
                [templates(snippet.template or snippet.why_not), gaps(snippet.layout), gaps(snippet.codec)],
                [bytes_text(candidate.stored_bytes), count_text(candidate.n_files)],
                [candidate.stored_bytes, candidate.write_s, candidate.n_files],
                [candidate.read_s(name) for name in patterns],
                int(candidate.why_not_ranked is None),
            ]
        )
    data = {
        "missing": MISSING,
        "parts": [list(part) for part in parts],
        "templates": list(templates),
        "gaps": list(gaps),
        "rows": rows,
        "own": [candidate.label for candidate in found.candidates].index(found.first.label),
    }
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # inside <script> nothing but "<" can end the element or open a comment
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def _parts(candidate: Candidate) -> list[tuple[str, str]]:
    """Return the parts of a candidate's label, each with its part of the title."""
    chunks, shards = candidate.chunk_shape, candidate.shard_shape
    layout = shape_text(chunks) + (f" in {shape_text(shards)}" if shards else "") if chunks else ""
    codec = candidate.codec or "?"
    return [
        (candidate.name, format_text(candidate.name)),
        (layout, layout_text(chunks, shards)),
        (codec, "no codec" if candidate.is_uncompressed else codec),
        (" ".join(candidate.extras), ", ".join(candidate.extras)),
    ]
