"""Who reads what whom wrote: what is tried for each two backends of a format, what is known to fail, and the page that says so.

`python -m tests.contract.interoperation` writes docs/interoperation.md, from the table of backends and `KNOWN` alone: the test
beside this file tries everything that the page calls equal.
"""

from __future__ import annotations

import fnmatch
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storebench.backends import BACKENDS, WriteRequest
from storebench.errors import DataError
from storebench.stores import Location

from .contract_requests import DTYPES, fixed_requests

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "interoperation.md"
FORMS: Final = ("plain", "sharded", "levels")
_NOWHERE: Final = Location(Path("nowhere"))
_AXES: Final = ("zyx", "yx")
_DTYPES: Final = ("uint16", "uint8", "uint32", "float32")
"""Each the first that both take."""

READS_AS_WELL: Final = (("omezarr-*-iohub", "omezarr-*-tensorstore"),)
"""Readers that read more than they write: all that the second reads."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A writer and a reader of one format."""

    writer: str
    reader: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What one library writes and another cannot read.

    Attributes
    ----------
    writer, reader, codec : str
        Patterns of names.
    sentence : str
        Why.
    raises : type
        By what it is noticed.
    """

    writer: str
    reader: str
    codec: str
    sentence: str
    raises: type[Exception] = DataError

    def is_about(self, pair: Pair) -> bool:
        """Tell whether these two backends are meant."""
        return fnmatch.fnmatchcase(pair.writer, self.writer) and fnmatch.fnmatchcase(pair.reader, self.reader)


KNOWN: Final = (
    *(
        Known(
            writer=writer,
            reader=reader,
            codec="*crc32c",
            sentence="tensorstore has none of Zarr v2's filters, of which a checksum is one",
        )
        for writer, reader in (
            ("zarr2-zarrpython", "zarr2-tensorstore"),
            ("omezarr-0.4-zarrpython", "omezarr-0.4-tensorstore"),
            ("omezarr-0.4-omezarrpy", "omezarr-0.4-tensorstore"),
        )
    ),
    *(
        Known(
            writer=writer,
            reader="omezarr-0.4-iohub",
            codec="*crc32c",
            sentence="iohub reads by zarrs, which lacks the checksum among Zarr v2's filters; by itself it would take Python's "
            "pipeline and say nothing",
        )
        for writer in ("omezarr-0.4-zarrpython", "omezarr-0.4-omezarrpy")
    ),
)
"""Each is a strict xfail: when a library learns it, the test says so."""


PAIRS: Final = tuple(
    Pair(a.name, b.name) for a, b in itertools.permutations(BACKENDS.values(), 2) if a.format == b.format
)


def form_of(request: WriteRequest) -> str:
    """Return one of `FORMS`."""
    if request.level_factors:
        return "levels"
    return "sharded" if request.layout is not None and request.layout.shard_shape is not None else "plain"


@functools.cache
def _candidates() -> tuple[WriteRequest, ...]:
    """Return what may be tried: of each kind of codec one, without loss; what is preferred first."""
    found = [request for request in fixed_requests() if request.codec.lossless and request.axes in _AXES]
    first = {_kind(request): request.codec for request in reversed(found)}
    found = [
        request
        for request in found
        if request.codec == first[_kind(request)] and (request.dtype.name in _DTYPES or form_of(request) == "plain")
    ]
    dtypes = dict.fromkeys((*_DTYPES, *DTYPES))
    return tuple(sorted(found, key=lambda r: (_AXES.index(r.axes), [*dtypes].index(r.dtype.name), r.layout is None)))


def _kind(request: WriteRequest) -> tuple[object, ...]:
    codec = request.codec
    return codec.kind, codec.compressor, codec.predictor, codec.filter, codec.crc32c


@functools.cache
def _taken(name: str) -> frozenset[int]:
    """Return the places of the candidates that a backend takes."""
    takes = BACKENDS[name].why_unsupported
    return frozenset(place for place, r in enumerate(_candidates()) if takes(_NOWHERE, r) is None)


@functools.cache
def _read(name: str) -> frozenset[int]:
    """Return the places of those that it reads: what it takes itself, and what another takes that it reads as well."""
    others = [other for reader, other in READS_AS_WELL if fnmatch.fnmatchcase(name, reader)]
    names = [n for n, b in BACKENDS.items() if b.format == BACKENDS[name].format and _is_one_of(n, others)]
    return _taken(name).union(*map(_taken, names))


def _is_one_of(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def requests_of(pair: Pair, *, failing: Known | None = None) -> list[WriteRequest]:
    """Return what is tried for a pair: a request for each kind of codec, plain and sharded, one with levels, one for each dtype.

    Parameters
    ----------
    pair : Pair
        Who writes and who reads.
    failing : Known, optional
        Return what fails by this; None: all that the writer takes, the reader reads, and nothing is known of.
    """
    chosen: dict[tuple[object, ...], WriteRequest] = {}
    entries = failures_of(pair)
    readable = _taken(pair.writer) if entries else _taken(pair.writer) & _read(pair.reader)
    for place in sorted(readable):
        request = _candidates()[place]
        known = [entry for entry in entries if fnmatch.fnmatchcase(request.codec.name, entry.codec)]
        if failing in known if failing is not None else not known and place in _read(pair.reader):
            form = form_of(request)
            chosen.setdefault((form,) if form == "levels" else (form, *_kind(request)), request)
            chosen.setdefault((request.dtype.name,), request)
    return list(dict.fromkeys(chosen.values()))


def failures_of(pair: Pair) -> list[Known]:
    """Return what is known to fail for a pair."""
    return [entry for entry in KNOWN if entry.is_about(pair)]


def _cell(pair: Pair) -> str:
    failures = failures_of(pair)
    tried = requests_of(pair)
    if not failures:
        return "equal" if tried else "—"
    notes = "; ".join(f"`{entry.codec}`: no, {entry.sentence}" for entry in failures)
    return f"equal; {notes}" if tried else f"no: {notes}"


def _tables() -> Iterator[str]:
    formats: dict[str, list[str]] = {}
    for name, backend in BACKENDS.items():
        formats.setdefault(backend.format, []).append(name)
    for form, names in formats.items():
        if len(names) < 2:
            continue
        requests = [request for a, b in itertools.permutations(names, 2) for request in requests_of(Pair(a, b))]
        kinds = ", ".join(f"`{kind}`" for kind in dict.fromkeys(request.codec.kind for request in requests))
        tried = set(map(form_of, requests))
        forms = ", ".join(name for name in FORMS if name in tried)
        yield f"## {form}\n"
        yield f"Codecs: {kinds}. Forms: {forms}.\n"
        yield f"| written by | {' | '.join(name.rpartition('-')[2] for name in names)} |"
        yield "|---" * (len(names) + 1) + "|"
        for writer in names:
            cells = ("own" if writer == reader else _cell(Pair(writer, reader)) for reader in names)
            yield f"| `{writer}` | {' | '.join(cells)} |"
        yield ""
    alone = [f"`{names[0]}`" for names in formats.values() if len(names) == 1]
    yield f"One backend alone writes each of the other formats: {', '.join(alone)}."


_INTRODUCTION: Final = """\
# Who reads what whom wrote

Rows are writers, columns are readers. “Equal” means: one small image of each kind of codec that both take (Blosc with each of
its compressors), plain and with shards where both have them, one with levels, and one of each dtype was written by the one and
opened by the other, and every voxel of every level, of the whole and of a part, was compared to the bit. “—”: they have no codec
in common. “No” is a strict xfail: a test fails when the library has learnt it.

This page is made from the table of backends by `python -m tests.contract.interoperation`, and a test compares the two. What it
calls equal is tried by `tests/contract/test_interoperation.py`, in CI with every library installed. A backend that is added to
the table is tried and stands here without an edit.

"""


def page() -> str:
    """Return docs/interoperation.md."""
    return _INTRODUCTION + "\n".join(_tables()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
