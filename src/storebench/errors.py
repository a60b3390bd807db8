"""What can go wrong, as one tree.

Each leaf also inherits the builtin that fits, so that callers who know only Python can catch it.

    StorebenchError
    ├── UsageError (ValueError)              a setting that cannot be right; the message names it and the next thing to type
    │   ├── UnsupportedError                 one backend cannot store what was asked; the sentence says what and why
    │   └── UnknownNameError (KeyError)      no such codec, backend, dataset, pattern …; says the nearest name
    ├── MissingDependencyError (ImportError) an optional library is not installed; says the command that installs it
    ├── DataError (OSError)                  a file that cannot be read as an image, or is damaged
    ├── StorageError (OSError)               no room, no permission, or a storage root that cannot be used
    ├── VerificationError (RuntimeError)     what was read back is not what was written
    ├── ResultsError (ValueError)            a result file that cannot be understood
    ├── NothingSelectedError (LookupError)   a filter that matches nothing
    └── MeasurementError (RuntimeError)      measuring itself failed (asv ended badly, a worker died)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StorebenchError(Exception):
    """The root of everything that storebench raises on purpose.

    Attributes
    ----------
    exit_code : int
        What the command line ends with (docs/cli.md has the table).
    """

    exit_code = 4


class UsageError(StorebenchError, ValueError):
    """A setting that cannot be right."""

    exit_code = 2


class UnsupportedError(UsageError):
    """A backend cannot store what was asked."""


class UnknownNameError(UsageError, KeyError):
    """No entry of that name in a table."""

    __str__ = Exception.__str__  # KeyError would print the repr of the sentence


class MissingDependencyError(StorebenchError, ImportError):
    """An optional library is needed and not there."""

    exit_code = 3


class DataError(StorebenchError, OSError):
    """A file is not an image that can be read, or it is damaged."""

    exit_code = 3


class StorageError(StorebenchError, OSError):
    """The place for stores or results cannot be used."""

    exit_code = 3


class VerificationError(StorebenchError, RuntimeError):
    """What was read back is not what was written."""


class ResultsError(StorebenchError, ValueError):
    """A result file cannot be understood."""

    exit_code = 3


class NothingSelectedError(StorebenchError, LookupError):
    """A selection is empty."""

    exit_code = 5


class MeasurementError(StorebenchError, RuntimeError):
    """Measuring itself failed."""


def unknown_name(kind: str, name: str, known: Iterable[str], list_command: str | None = None) -> UnknownNameError:
    """Build the error for a name that no table has, with the nearest names that one has.

    Parameters
    ----------
    kind : str
        What the name stands for, as in "codec".
    name : str
        What was asked for.
    known : iterable of str
        The names that exist.
    list_command : str, optional
        The command that lists them all.

    Returns
    -------
    UnknownNameError
        Ready to be raised.
    """
    by_lower_case = {entry.lower(): entry for entry in known}
    near = [by_lower_case[guess] for guess in difflib.get_close_matches(name.lower(), by_lower_case, n=3, cutoff=0.55)]
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    hint = f" All of them: {list_command}" if list_command else ""
    return UnknownNameError(f"there is no {kind} called {name!r}.{guess}{hint}")
