"""What is done of a volume, kept beside it: so that an interrupted run goes on with what is missing.

JSON lines: first the plan, then the block shapes once the empty image was created, then one line per finished block. A
line is written after its block; a block that has no line is written again, which gives the same bytes.

The run that writes holds the file locked, so that no second one touches the same image.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from storebench.errors import DataError, UsageError
from storebench.grid import Shape

SUFFIX: Final = ".progress.jsonl"


def progress_path(target: Path) -> Path:
    """Return the place of a target's progress file."""
    return target.with_name(target.name + SUFFIX)


def require_finished(path: Path) -> None:
    """Raise DataError where an image was begun and is not finished: what is not there yet reads as zeros."""
    noted = progress_path(path)
    if noted.exists():
        raise DataError(
            f"{path} is unfinished: {noted} says what is done; go on with the command that made it and --resume"
        )


def open_locked(target: Path, flags: int = 0) -> tuple[BinaryIO, bool]:
    """Open a target's progress file for reading and for lines at its end; return it, and whether it could be locked.

    Closing it unlocks it. Some network file systems have no locks.

    Parameters
    ----------
    target : pathlib.Path
        The image.
    flags : int
        More flags of `os.open`.

    Raises
    ------
    UsageError
        If another run is writing the image, or has just finished.
    """
    path = progress_path(target)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o666), "r+b")
    is_locked = True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise UsageError(
            f"another run is writing {target}; let it end, or interrupt it and go on with --resume"
        ) from error
    except OSError:
        is_locked = False
    if not os.fstat(file.fileno()).st_nlink:
        file.close()
        raise UsageError(f"another run has just finished {target}, or removed it; look at what is there")
    return file, is_locked


class ProgressFile:
    """The progress of one target. A context manager closes it.

    Parameters
    ----------
    target : pathlib.Path
        The image that is being written.

    Attributes
    ----------
    shapes : tuple of tuple of int or None
        Block shape of each level; None: the empty image was not made yet.
    done : set of int
        Blocks that are finished.
    is_new : bool
        Whether this run has begun it.
    is_locked : bool
        Whether other runs are kept away.
    """

    def __init__(self, target: Path) -> None:
        self.path = progress_path(target)
        self.shapes: tuple[Shape, ...] | None = None
        self.done: set[int] = set()
        self.is_new = False
        self.is_locked = False
        self._target = target
        self._file: BinaryIO | None = None

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Write the plan of a new run.

        Raises
        ------
        UsageError
            If there is a progress file already.
        """
        try:
            self._file, self.is_locked = open_locked(self._target, os.O_CREAT | os.O_EXCL)
        except FileExistsError as error:
            raise UsageError(
                f"another run has just begun {self._target}; let it end, or choose another name"
            ) from error
        self.is_new = True
        self._add({"plan": dict(plan)})

    def resume(self, plan: Mapping[str, Any]) -> None:
        """Read what an interrupted run has done, and go on writing after it.

        Raises
        ------
        UsageError
            If it was another run: names what differs; or if that run is still going on.
        DataError
            If the file is damaged.
        """
        self._file, self.is_locked = open_locked(self._target)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]  # the last line may be cut off by what ended that run
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            kept = lines[0]["plan"] if lines else None
            created = next((line["created"] for line in lines if "created" in line), None)
            self.shapes = None if created is None else tuple(tuple(map(int, shape)) for shape in created)
            self.done = {int(line["block"]) for line in lines if "block" in line}
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.path} is damaged ({error}); remove it and {self._target}, then start again without --resume"
            ) from error
        asked = json.loads(json.dumps(plan))
        if kept is not None and kept != asked:
            other = "; ".join(_OPTIONS.get(name, name) for name in _differing(kept, asked))
            raise UsageError(
                f"{self._target} was begun with other settings ({other}); give the same as then, or remove it and {self.path} "
                "and start again without --resume"
            )
        self._file.truncate(len(whole))
        if kept is None:
            self._add({"plan": dict(plan)})

    def note_created(self, shapes: tuple[Shape, ...]) -> None:
        """Say that the empty image is there, and which blocks it is written in."""
        self.shapes = shapes
        self._add({"created": shapes})

    def note(self, index: int) -> None:
        """Say that a block is finished."""
        self.done.add(index)
        self._add({"block": index})

    def remove(self) -> None:
        """Remove the file: the image is finished, or nothing is left of it."""
        self.path.unlink(missing_ok=True)  # as long as it is locked
        self.close()

    def close(self) -> None:
        """Close the file and keep it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            raise UsageError(f"{self.path} is closed")
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()  # to the operating system: what the end of this process cannot undo


_OPTIONS: Final[Mapping[str, str]] = {
    "backend": "--backend",
    "request.axes": "--axes",
    "request.codec": "--codec",
    "request.dtype": "--dtype",
    "request.layout": "--chunks or --shards",
    "request.level_factors": "--levels, --level-axes or --spacing",
    "request.level_method": "--level-method",
    "request.shape": "--shape",
    "request.spacing": "--spacing",
    "request.stack_axis": "--stack-axis",
    "source.modified_ns": "the source was changed since",
    "source.seed": "--seed",
}
"""What is said where a plan differs; of others, as "versions.zarr", the name itself."""


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the names of what differs, as in "request.codec"."""
    names = []
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            names += [f"{key}.{inner}" for inner in _differing(a, b)]
        elif a != b:
            names.append(key)
    return names
