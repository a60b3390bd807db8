"""Settings as text, as in "backend=zarr3-zarrpython chunks=64x64x64 codec=zstd-3": one side of a live comparison."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from storebench.errors import MissingDependencyError, UsageError, unknown_name
from storebench.grid import parse_shape
from storebench.records import CACHE_STATES, DURABILITIES

EXAMPLE: Final = "backend=zarr3-zarrpython chunks=64x64x64 codec=zstd-3"
_BACKEND, _PYTHON = "backend", "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingText:
    """A setting as it was typed.

    Attributes
    ----------
    text : str
        What was typed.
    fields : mapping of str to object
        Fields of `records.Case` that it names.
    python : str or None
        The interpreter that measures it; None: this one.
    """

    text: str
    fields: Mapping[str, Any]
    python: str | None


def parse_setting(text: str) -> SettingText:
    """Read a setting: key=value words with blanks between them.

    Parameters
    ----------
    text : str
        As in `EXAMPLE`; a value with blanks in it stands in quotes.

    Raises
    ------
    UsageError
        For a word that is no key=value, a key that does not exist or is there twice, a value that is none, and where no
        backend is named.
    MissingDependencyError
        If the interpreter that it names cannot be run.
    """
    fields: dict[str, Any] = {}
    for word in _words(text):
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise UsageError(f"{word!r} in the setting {text!r} is no key=value; write it as in {EXAMPLE!r}")
        if key not in _KEYS:
            raise unknown_name("key of a setting", key, _KEYS)
        name, read = _KEYS[key]
        if name in fields:
            raise UsageError(f"{key} is in the setting {text!r} twice; leave one out")
        try:
            fields[name] = read(value)
        except UsageError as error:
            raise UsageError(f"{key} in the setting {text!r}: {error}") from error
    if _BACKEND not in fields:
        raise UsageError(
            f"the setting {text!r} names no backend; begin it with backend=NAME (storebench list backends)"
        )
    python = fields.pop(_PYTHON, None)
    return SettingText(text=text, fields=fields, python=python)


def looks_like_setting(text: str) -> bool:
    """Tell whether a text is meant as a setting: a word of it begins with a name and an equals sign."""
    return re.search(r"(?:^|\s)[\w-]+=", text) is not None


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the setting {text!r} cannot be read ({error}); close the quotes") from error


def _whole_number(smallest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"\d+", text) or int(text) < smallest:
            raise UsageError(f"{text!r} is no whole number of at least {smallest}")
        return int(text)

    return read


def _one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise UsageError(f"{text!r} is none of {', '.join(known)}")
        return text

    return read


def _interpreter(text: str) -> str:
    found = shutil.which(Path(text).expanduser())
    if found is None:
        raise MissingDependencyError(f"there is no Python at {text}; name an interpreter that has storebench installed")
    # not resolved: a virtual environment's python is a link, and what it links to knows nothing of the environment
    return str(Path(found).absolute())


_KEYS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "backend": (_BACKEND, str),
    "chunks": ("chunk_shape", parse_shape),
    "shards": ("shard_shape", parse_shape),
    "codec": ("codec", str),
    "levels": ("n_levels", _whole_number(1)),
    "level-axes": ("level_axes", str),
    "level-method": ("level_method", str),
    "concurrency": ("concurrency", str),
    "stack-axis": ("stack_axis", _whole_number(0)),
    "cache": ("cache", _one_of(CACHE_STATES)),
    "durability": ("durability", _one_of(DURABILITIES)),
    "threads": ("threads", _whole_number(1)),
    "python": (_PYTHON, _interpreter),
}
"""Every key, the field that it sets and how its value is read."""
