"""What the parameters of another project's tests say: one visible table of names, and codecs put together from several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from storebench.codecs import parse_codec
from storebench.errors import StorebenchError
from storebench.records import OPERATIONS
from storebench.results.columns import FLOATS, INTS
from storebench.results.imported import SAID
from storebench.results.importers._values import extents, parse_value

PARAMETERS: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(("chunk_size", "chunk_sizes", "chunk_edge", "chunk_shape", "chunk", "chunks"), "chunk")
    | dict.fromkeys(("shard_size", "shard_edge", "shard_shape", "shard", "shards"), "shard")
    | dict.fromkeys(("zarr_spec", "zarr_format", "zarr_version"), "zarr")
    | dict.fromkeys(("codec", "compressor", "compression"), "compressor")
    | dict.fromkeys(("no_compressor", "no_compression", "uncompressed"), "uncompressed")
    | dict.fromkeys(("cname", "blosc_cname"), "cname")
    | dict.fromkeys(("shuffle", "blosc_shuffle"), "shuffle")
    | dict.fromkeys(("level", "clevel", "compression_level"), "level")
    | {f"{family}_{word}": f"{family} level" for family in ("blosc", "gzip", "zstd") for word in ("level", "clevel")}
    | {"n_threads": "threads", "num_threads": "threads"}
)
"""Name of a parameter → what it says. Others count where their name is one of `_ASKED` and their value fits."""

_ASKED: Final = (
    "dataset", "shape", "dtype", "axes", "seed", "backend", "format", "library", "library_version", "operation", "pattern",
    "n_levels", "stack_axis", "store", "cache", "durability", "threads",
)  # fmt: skip
"""Columns that say what was asked of a test; all others of `SAID` are numbers that it found."""

_FAMILIES: Final = ("blosc", "gzip", "zstd", "none")
_SHUFFLES: Final[Mapping[Any, str]] = MappingProxyType({0: "noshuffle", 1: "shuffle", 2: "bitshuffle"})
"""Blosc's own numbers."""

_VERBS: Final[Mapping[str, str]] = MappingProxyType(
    {form: verb for verb in OPERATIONS for form in (verb, f"{verb}s", f"{verb.removesuffix('e')}ing")}
)


def columns_of_parameters(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what parameters say, under the names of `SAID` and `EDGES`; what is not clear is left out.

    Parameters
    ----------
    params : mapping of str to Any
        Name to plain value.
    """
    said: dict[str, Any] = {}
    columns: dict[str, Any] = {}
    for name, value in params.items():
        meaning = PARAMETERS.get(name.lower(), name.lower())
        if meaning in ("chunk", "shard"):
            columns |= _block(meaning, value)
        elif meaning == "zarr":
            columns |= {"format": f"zarr{value}"} if str(value) in ("2", "3") else {}
        elif meaning in _ASKED:
            columns |= column_value(meaning, value)
        else:
            said[meaning] = value
    codec = _codec(said)
    return columns | ({} if codec is None else {"codec": codec})


def column_value(column: str, value: Any) -> dict[str, Any]:
    """Return a value under its column's name, or an empty mapping where it is none of that column."""
    if isinstance(value, list | tuple):
        value = "x".join(map(str, value))
    if isinstance(value, bool) or value is None:
        return {}
    try:
        return {column: parse_value(column, str(value))}
    except StorebenchError:
        return {}


def counted_values(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a test's extra information that are columns of the table."""
    counted = [name for name in (*INTS, *FLOATS) if name in SAID and name not in _ASKED]
    numbers = {name: extra[name] for name in counted if isinstance(extra.get(name), int | float)}
    return {key: value for name, number in numbers.items() for key, value in column_value(name, number).items()}


def _block(what: str, value: Any) -> dict[str, Any]:
    found = extents(value)
    if found is None:
        return {}
    return {f"{what}_edge": found} if isinstance(found, int) else {f"{what}_shape": found}


def _codec(said: Mapping[str, Any]) -> str | None:
    """Return the neutral name that all parameters together say; None where they do not say one whole codec."""
    given = said.get("compressor")
    if isinstance(given, str) and (whole := _neutral(given)):
        return whole
    families = {family for family in _FAMILIES if f"{family} level" in said}
    families |= {"blosc"} if said.get("cname") is not None else set()
    families |= {"none"} if said.get("uncompressed") is True else set()
    families |= {given.lower()} if isinstance(given, str) else set()
    if len(families) != 1:
        return None
    (family,) = families
    level = said.get(f"{family} level", said.get("level"))
    if family == "blosc":
        return _neutral(f"blosc-{said.get('cname')}-{level}-{_shuffle(said.get('shuffle'))}")
    return _neutral(family if family == "none" else f"{family}-{level}")


def _shuffle(value: Any) -> str:
    return _SHUFFLES.get(value, str(value)) if isinstance(value, int) else str(value).lower()


def _neutral(name: str) -> str | None:
    try:
        return parse_codec(name).name
    except StorebenchError:
        return None


def operation_of(*names: str | None) -> str | None:
    """Return the operation that the first name with a verb says; None where it has two, or no name has one.

    Parameters
    ----------
    names : str or None
        The clearest first: a group, a function, a file.
    """
    for name in names:
        words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name or "").lower())
        found = {_VERBS[word] for word in words if word in _VERBS}
        if found:
            return found.pop() if len(found) == 1 else None
    return None
