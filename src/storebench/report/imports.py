"""What is known of results that another tool measured, and what nobody checked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from storebench.report.provenance import FactBlock
from storebench.results.imported import Imported
from storebench.units import MISSING, shape_text


def imported_blocks(imported: Iterable[Imported]) -> list[FactBlock]:
    """Return where imported results come from, file by file: what the file says, and what was set by hand."""
    return [FactBlock(heading=f"Imported: {one.environment} ({one.id})", facts=_facts(one)) for one in imported]


def _facts(one: Imported) -> list[tuple[str, str]]:
    state = {None: "", True: ", with uncommitted changes", False: ", clean"}[one.dirty]
    facts = [
        ("measured by", " ".join(filter(None, (one.tool, one.tool_version)))),
        ("file", f"{one.file}, SHA-256 {one.sha256[:16]}…"),
        ("date", one.taken_at or MISSING),
        ("project", one.project or MISSING),
        ("commit", f"{one.commit}{state}" if one.commit else MISSING),
        ("Python", one.python or MISSING),
        *((name.replace("_", " "), str(value)) for name, value in one.machine.items()),
        ("libraries", "not recorded"),
        ("set by hand", _given_text(one.given)),
    ]
    return facts


def _given_text(given: Mapping[str, Any]) -> str:
    texts = [f"{name} {shape_text(value) if isinstance(value, list) else value}" for name, value in given.items()]
    return ", ".join(texts) or "nothing"


def imported_limits(imported: Sequence[Imported]) -> list[str]:
    """Return what storebench did not see of imported results, in sentences."""
    if not imported:
        return []
    tools = " and ".join(sorted({one.tool for one in imported}))
    unchecked = (
        f"{tools} measured the imported results: that what was read equals what was written, the state of the cache, and how "
        "many processes the samples come from were not checked by storebench. Intervals are worked out from the samples as if "
        "they were independent."
    )
    said = [unchecked]
    given = sorted({name for one in imported for name in one.given})
    if given:
        said.append(f"Not in the imported files, and set by hand: {', '.join(given)}.")
    return said
