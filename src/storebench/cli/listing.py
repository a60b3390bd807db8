"""`storebench list`: what exists, and whether it can be used here."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import click

from storebench.cli._options import command, json_option
from storebench.cli._output import Output, text_width
from storebench.cli._table import Column, table_text
from storebench.units import MISSING, shape_text

Entries = list[dict[str, Any]]


def backend_entries(*, with_facts: bool = True) -> Entries:
    """Return what is known of every backend; versions come from metadata, without importing the libraries.

    Parameters
    ----------
    with_facts : bool
        Whether to ask for builds as well (OpenJPEG's version and source), which imports the libraries that have any.
    """
    from storebench.backends import BACKENDS

    entries = []
    for backend in BACKENDS.values():
        why_not = backend.why_unavailable()
        entries.append(
            {
                "name": backend.name,
                "format": backend.format,
                "library": backend.library,
                "version": _version(backend.library),
                "available": why_not is None,
                "why_not": why_not,
                "extra": backend.extra,
                "partial_read": backend.partial_read,
                "facts": dict(backend.facts()) if with_facts and why_not is None else {},
            }
        )
    return entries


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _formats() -> Entries:
    entries: dict[str, dict[str, Any]] = {}
    for backend in backend_entries(with_facts=False):
        entry = entries.setdefault(
            backend["format"], {"name": backend["format"], "backends": [], "partial_read": False, "available": False}
        )
        entry["backends"].append(backend["name"])
        entry["partial_read"] |= backend["partial_read"]
        entry["available"] |= backend["available"]
    return list(entries.values())


def _codecs() -> Entries:
    from storebench.codecs import EXAMPLES, parse_codec

    return [{"name": name, "lossless": parse_codec(name).lossless, "about": about} for name, about in EXAMPLES.items()]


def _patterns() -> Entries:
    from storebench.access import EXAMPLES

    return [{"name": name, "about": about} for name, about in EXAMPLES.items()]


def _suites() -> Entries:
    from storebench.suites import SUITES

    return [{"name": name, "question": question} for name, question in SUITES.items()]


def _datasets() -> Entries:
    from storebench.datasets import list_datasets

    return [asdict(entry) for entry in list_datasets()]


_WHAT: Final[Mapping[str, Callable[[], Entries]]] = {
    "backends": backend_entries,
    "codecs": _codecs,
    "datasets": _datasets,
    "formats": _formats,
    "patterns": _patterns,
    "suites": _suites,
}
_AFTERWARDS: Final = {
    "codecs": "Other levels are spelled the same way, as in zstd-7 or blosc-lz4-9-bitshuffle.",
    "patterns": "Other sizes are spelled the same way, as in roi48, roi8x128x128 or slab4.",
    "datasets": "A file's path is one more. Synthetic ones take any --shape and --dtype; the last three are downloaded.",
    "suites": "Run one with: storebench run --suite read",
    "backends": "* reads a region without decoding the whole image.",
}
_JSON_ONLY: Final = ("kind", "axes")


@command("list", examples=("storebench list backends", "storebench list codecs --json"))
@click.argument("what", type=click.Choice(list(_WHAT)))
@json_option
@click.pass_obj
def list_command(output: Output, what: str, json: bool) -> None:
    """Show what exists: names that other commands take."""
    if json:
        output.json(_WHAT[what]())
        return
    entries = backend_entries(with_facts=False) if what == "backends" else _WHAT[what]()
    columns = _backend_columns(entries) if what == "backends" else _columns(entries)
    output.say(table_text(columns, width=text_width(), color=output.wants_color(sys.stdout)))
    if what in _AFTERWARDS:
        output.paragraph(_AFTERWARDS[what])


def _backend_columns(entries: Entries) -> list[Column]:
    return [
        Column(title="Backend", cells=[entry["name"] + ("*" if entry["partial_read"] else "") for entry in entries]),
        Column(title="Library", cells=[f"{entry['library']} {entry['version'] or MISSING}" for entry in entries]),
        Column(
            title="Here",
            cells=["yes" if entry["available"] else f"no: {entry['why_not']}" for entry in entries],
            wraps=True,
        ),
    ]


def _columns(entries: Entries) -> list[Column]:
    """Return a column per key; the last one, a sentence, wraps. What would not fit is left to --json."""
    keys = [key for key in entries[0] if key not in _JSON_ONLY]
    return [
        Column(
            title=key.replace("_", " ").capitalize(),
            cells=[_cell(entry[key]) for entry in entries],
            wraps=key == keys[-1] or key == "backends",
        )
        for key in keys
    ]


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return shape_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return MISSING if value is None else str(value)
