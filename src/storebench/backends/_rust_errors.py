"""What libraries of Rust say where the operating system refuses: its number stands in their words only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from storebench.errors import StorebenchError
from storebench.stores import Location

_NUMBER: Final = re.compile(r"\(os error (\d+)\)")


@contextmanager
def system_errors(location: Location, *errors: type[Exception]) -> Iterator[None]:
    """Let the operating system speak where a library quotes it.

    Parameters
    ----------
    location : Location
        The image.
    *errors : type
        What the library raises, besides `OSError` without a number.

    Raises
    ------
    OSError
        With the number, the system's words and the path; what quotes nothing passes as it is.
    """
    quoting: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except StorebenchError:
        raise
    except quoting as error:
        found = _NUMBER.search(str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(location.path)) from error
