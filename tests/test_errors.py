"""The tree of errors: what a caller catches, what the command line ends with, what a typo answers."""

from __future__ import annotations

import re

import pytest

from storebench import errors
from storebench.errors import StorebenchError, UnknownNameError, unknown_name

_DRAWN = re.findall(r"[├└]── (\w+) \((\w+)\)", errors.__doc__ or "")
_LEAVES = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)
}


def test_the_drawing_has_every_error() -> None:
    drawn = set(re.findall(r"\w+Error", errors.__doc__ or "")) & set(_LEAVES)
    assert drawn == set(_LEAVES)


@pytest.mark.parametrize(("name", "builtin"), _DRAWN)
def test_an_error_is_also_the_builtin_that_is_drawn(name: str, builtin: str) -> None:
    mro = [kind.__name__ for kind in _LEAVES[name].__mro__]
    assert "StorebenchError" in mro
    assert builtin in mro


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        ("UsageError", 2),
        ("UnsupportedError", 2),
        ("UnknownNameError", 2),
        ("MissingDependencyError", 3),
        ("DataError", 3),
        ("StorageError", 3),
        ("ResultsError", 3),
        ("VerificationError", 4),
        ("MeasurementError", 4),
        ("NothingSelectedError", 5),
    ],
)
def test_exit_codes(name: str, exit_code: int) -> None:
    assert _LEAVES[name].exit_code == exit_code


def test_an_unknown_name_reads_as_a_sentence() -> None:
    error = unknown_name("codec", "zstd3", ["zstd-3", "gzip-5"], "storebench list codecs")
    assert str(error) == ("there is no codec called 'zstd3'. Did you mean zstd-3? All of them: storebench list codecs")
    assert isinstance(error, KeyError)


def test_nothing_near_makes_no_guess() -> None:
    assert str(unknown_name("suite", "qqq", ["read", "write"])) == "there is no suite called 'qqq'."


@pytest.mark.parametrize("kind", [k for k in _LEAVES.values() if k is not StorebenchError], ids=lambda k: k.__name__)
def test_an_error_prints_the_sentence_alone(kind: type[StorebenchError]) -> None:
    assert str(kind("one sentence")) == "one sentence"
    assert not issubclass(kind, KeyError) or issubclass(kind, UnknownNameError)
