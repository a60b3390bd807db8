"""Manners on the terminal: what goes to stdout and to stderr, colour, JSON, and text where only ASCII is safe."""

from __future__ import annotations

import codecs
import io
import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TextIO

import click

from storebench.records import SCHEMA_VERSION

ColorChoice = Literal["auto", "always", "never"]

_ASCII: Final = {
    "–": "-",
    "—": "-",
    "…": "...",
    "×": "x",
    "÷": "/",
    "µ": "u",
    "±": "+-",
    "≥": ">=",
    "≤": "<=",
    "²": "^2",
    "³": "^3",
}
_ERROR_HANDLER: Final = "storebench-ascii"


def _replace_for_ascii(error: UnicodeError) -> tuple[str, int]:
    """Write a character that an encoding lacks in ASCII: a look-alike, else its escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_ASCII.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lost), error.end


def make_streams_safe() -> None:
    """Let no character stop a line: stdout and stderr write ASCII look-alikes where the locale has no better.

    Python takes UTF-8 under LC_ALL=C, the terminal does not.
    """
    codecs.register_error(_ERROR_HANDLER, _replace_for_ascii)
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="ascii" if locale in ("C", "POSIX") else None, errors=_ERROR_HANDLER)


def text_width() -> int:
    """Return the width to keep to: of the terminal (or COLUMNS), 80 where there is none."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: NaN and infinity become null, arrays and tuples lists, numpy's numbers Python's."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # numpy's scalars and arrays, without importing numpy to ask
        return plain(value.tolist())
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)  # pandas' names for "missing"


@dataclass(slots=True)
class Output:
    """Where the commands write, and how.

    Attributes
    ----------
    color : str
        "auto" looks at the stream, NO_COLOR and FORCE_COLOR.
    debug : bool
        Whether errors come with their traceback.
    command : str or None
        The command that runs.
    after_interrupt : str
        What to say after Ctrl-C.
    """

    color: ColorChoice = "auto"
    debug: bool = False
    command: str | None = None
    after_interrupt: str = ""

    def wants_color(self, stream: TextIO) -> bool:
        """Tell whether a stream gets colours: --color, then NO_COLOR, then FORCE_COLOR, then whether it is a terminal."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and os.environ.get("TERM") != "dumb"

    def say(self, text: str = "") -> None:
        """Write lines of the answer to stdout; style them with `click.style`, which is taken off where it is not wanted."""
        self._write(text, sys.stdout)

    def paragraph(self, text: str) -> None:
        """Write a paragraph of the answer to stdout, wrapped between words."""
        self.say(wrapped(text))

    def note(self, text: str) -> None:
        """Write lines of progress, warning or error to stderr, wrapped between words."""
        lines = [wrapped(line) for line in text.splitlines()] or [""]
        self._write("\n".join(lines), sys.stderr)

    def log(self, line: str) -> None:
        """Write one line of progress to stderr, however long: logs are read line by line."""
        self._write(line, sys.stderr)

    def json(self, document: Mapping[str, Any] | list[Any]) -> None:
        """Write the one JSON document to stdout; objects say their schema version."""
        if isinstance(document, Mapping):
            document = {"schema_version": SCHEMA_VERSION} | dict(document)
        self._write(json.dumps(plain(document), indent=2, allow_nan=False), sys.stdout)

    def _write(self, text: str, stream: TextIO) -> None:
        # Not click.echo: it takes an ASCII stream for a mistake and writes UTF-8 to it.
        print(text if self.wants_color(stream) else click.unstyle(text), file=stream, flush=True)


def wrapped(text: str, indent: str = "") -> str:
    """Break a paragraph between words, never inside one: paths and names stay whole."""
    lead = text[: len(text) - len(text.lstrip(" "))]
    return textwrap.fill(
        text,
        width=text_width(),
        initial_indent=indent,
        subsequent_indent=indent + lead + ("  " if lead else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )
