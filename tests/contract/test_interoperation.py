"""Every backend of a format reads what every other wrote, to the bit: each kind of codec, with shards, with levels."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storebench.backends import WriteRequest, get_backend, write_array
from storebench.grid import Region
from storebench.stores import Location

from .contract_requests import images
from .interoperation import KNOWN, PAGE, PAIRS, Known, Pair, failures_of, page, requests_of

Written = Callable[[str, WriteRequest], Location]
_FAILING = [(pair, entry) for pair in PAIRS for entry in failures_of(pair)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """What a backend wrote, once for all that read it."""
    folder, done = tmp_path_factory.mktemp("written"), dict[tuple[str, WriteRequest], Location]()

    def write(name: str, request: WriteRequest) -> Location:
        if (name, request) not in done:
            backend = get_backend(name)
            location = Location(folder / f"{uuid.uuid4().hex}{backend.suffix}")
            write_array(backend, location, request, images(request))
            done[name, request] = location
        return done[name, request]

    return write


def _skip_where_one_is_missing(pair: Pair) -> None:
    for name in (pair.writer, pair.reader):
        why = get_backend(name).why_unavailable()
        if why is not None:
            pytest.skip(why)


def _compare(pair: Pair, request: WriteRequest, location: Location) -> None:
    with get_backend(pair.reader).open(location) as reader:
        stored = reader.stored_as()
        assert (stored.shape, stored.dtype) == (request.shape, request.dtype), request
        assert reader.levels[: len(request.level_shapes)] == request.level_shapes, request
        for level, values in enumerate(images(request)):
            part = Region(tuple(n // 3 for n in values.shape), values.shape)
            for region in (Region.whole(values.shape), part):
                found = reader.read(region, level)
                np.testing.assert_array_equal(found, values[region.slices], strict=True, err_msg=str(request))


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.writer}>{pair.reader}")
def test_one_backend_reads_what_another_wrote(pair: Pair, written: Written) -> None:
    _skip_where_one_is_missing(pair)
    for request in requests_of(pair):
        _compare(pair, request, written(pair.writer, request))


@pytest.mark.parametrize(
    ("pair", "entry"),
    [
        pytest.param(
            pair,
            entry,
            marks=pytest.mark.xfail(strict=True, raises=entry.raises, reason=entry.sentence),
            id=f"{pair.writer}>{pair.reader}:{entry.codec}",
        )
        for pair, entry in _FAILING
    ],
)
def test_what_is_known_to_fail_still_does(pair: Pair, entry: Known, written: Written) -> None:
    _skip_where_one_is_missing(pair)
    for request in requests_of(pair, failing=entry):
        _compare(pair, request, written(pair.writer, request))


def test_every_known_failure_is_about_some_pair() -> None:
    assert {id(entry) for _, entry in _FAILING} == {id(entry) for entry in KNOWN}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="of the newest libraries: needs Python 3.12 or newer")
def test_the_page_says_what_is_tried() -> None:
    assert PAGE.read_text() == page(), "python -m tests.contract.interoperation writes it"


def test_most_pairs_have_something_in_common() -> None:
    """A pair of which nothing is tried says nothing: a format whose backends share no codec would be a mistake."""
    tried = [pair for pair in PAIRS if requests_of(pair)]
    assert len(tried) * 2 > len(PAIRS)


def test_pages_are_written_for_people(tmp_path: Path) -> None:
    assert "  " not in page().replace("\n\n", "")
    assert "None" not in page()
