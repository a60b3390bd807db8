"""What an error says to the person at the terminal, and the exit code that it ends with."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import click

from storebench.errors import StorebenchError

GATE_FAILED: Final = 1
WRONG_USAGE: Final = 2
SOMETHING_MISSING: Final = 3
MEASURING_FAILED: Final = 4
INTERRUPTED: Final = 130

_OTHER_PLACE: Final = "Name another folder with --storage (stores), --results (results) or -o (reports)."
_DISK_SENTENCES: Final[dict[int, str]] = {
    errno.ENOSPC: "the disk is full{where}. Make room (storebench clean removes old stores) or name a larger disk with --storage.",
    errno.EDQUOT: "the disk quota is used up{where}. Make room (storebench clean removes stores) or name another disk: --storage.",
    errno.EROFS: "the file system is read-only{where}. " + _OTHER_PLACE,
    errno.EACCES: "no permission{where}. Check who owns it (ls -ld). " + _OTHER_PLACE,
    errno.EPERM: "no permission{where}. Check who owns it (ls -ld). " + _OTHER_PLACE,
    errno.ENOENT: "there is no such file or folder{where}. Check the name.",
    errno.EEXIST: "it exists already{where}. storebench overwrites nothing: remove it or choose another name.",
    errno.EISDIR: "a file is needed, this is a folder{where}. Check the name.",
    errno.ENOTDIR: "a folder is needed, this is a file{where}. Check the name.",
    errno.EMFILE: "too many files are open{where}. Raise the limit (ulimit -n 4096) and try again.",
}

_GOES_ON: Final = ("generate", "convert")
_GO_ON: Final = (
    "the disk, or your quota of it, is full{where}. Make room and give the same command again with --resume, "
    "or choose a target on a larger disk."
)


@dataclass(frozen=True, slots=True)
class Explained:
    """An error in words, and its exit code."""

    text: str
    exit_code: int


def explain_error(error: Exception, command: str | None) -> Explained:
    """Turn any exception into a sentence with what to do next, and an exit code.

    Parameters
    ----------
    error : Exception
        What was raised.
    command : str or None
        The command that ran, as in "measure"; None where it did not come that far.

    Returns
    -------
    Explained
        Text for stderr and the exit code (docs/cli.md has the table).
    """
    if isinstance(error, StorebenchError):
        code = error.exit_code
        return Explained(f"Error: {error}{_see_help(command) if code == WRONG_USAGE else ''}", code)
    for kind, explain in _EXPLAINERS:
        if isinstance(error, kind):
            return explain(error, command)
    return _explain_unexpected(error, command)


def _see_help(command: str | None) -> str:
    return f"\n  Help: storebench {command} --help" if command else "\n  Help: storebench --help"


def _explain_click(error: click.ClickException, command: str | None) -> Explained:
    # click gives 1 to a file that cannot be opened; here 1 means that a gate failed.
    code = SOMETHING_MISSING if isinstance(error, click.FileError) else error.exit_code
    usage = error.ctx.get_usage() + "\n" if isinstance(error, click.UsageError) and error.ctx is not None else ""
    return Explained(f"{usage}Error: {error.format_message()}{_see_help(command) if code == WRONG_USAGE else ''}", code)


def _explain_disk(error: OSError, command: str | None) -> Explained:
    where = f": {error.filename}" if error.filename else ""
    sentence = _DISK_SENTENCES.get(error.errno or 0)
    if error.errno in (errno.ENOSPC, errno.EDQUOT) and command in _GOES_ON:
        sentence = _GO_ON
    if sentence is None:
        return Explained(f"Error: {error}. Check the file and the disk, then try again.", SOMETHING_MISSING)
    return Explained("Error: " + sentence.format(where=where), SOMETHING_MISSING)


def _explain_missing_module(error: ModuleNotFoundError, command: str | None) -> Explained:
    name = (error.name or "").partition(".")[0]
    if name in ("", "storebench"):
        return _explain_unexpected(error, command)
    return Explained(
        f"Error: the package {name} is needed and not installed. Install it: pip install {name}", SOMETHING_MISSING
    )


def _explain_memory(error: MemoryError, command: str | None) -> Explained:
    return Explained(
        "Error: there is not enough memory for this. Take a smaller image (--shape) or chunk.", MEASURING_FAILED
    )


def _explain_unexpected(error: Exception, command: str | None) -> Explained:
    again = f"storebench --debug {command} …" if command else "storebench --debug …"
    return Explained(
        f"Error: storebench itself failed: {type(error).__name__}: {error}\n"
        f"  This should not happen. For the traceback, run it again as: {again}",
        MEASURING_FAILED,
    )


_EXPLAINERS: Final[tuple[tuple[type[Exception], Callable[[Any, str | None], Explained]], ...]] = (
    (click.ClickException, _explain_click),
    (ModuleNotFoundError, _explain_missing_module),
    (OSError, _explain_disk),
    (MemoryError, _explain_memory),
)
