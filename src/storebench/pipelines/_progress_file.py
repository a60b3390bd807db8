"""What is done of a volume, kept beside it: so that an interrupted run goes on with what is missing.

JSON lines: first the plan, then the block shapes once the empty image was created, then one line per finished block. A
line is written after its block; a block that has no line is written again, which gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from storebench.errors import DataError, UsageError
from storebench.grid import Shape

SUFFIX: Final = ".progress.jsonl"


def progress_path(target: Path) -> Path:
    """Return the place of a target's progress file."""
    return target.with_name(target.name + SUFFIX)


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
    """

    def __init__(self, target: Path) -> None:
        self.path = progress_path(target)
        self.shapes: tuple[Shape, ...] | None = None
        self.done: set[int] = set()
        self._target = target
        self._file: TextIO | None = None

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Write the plan of a new run.

        Raises
        ------
        FileExistsError
            If there is a progress file already.
        """
        self._file = self.path.open("x", encoding="utf-8")
        self._add({"plan": dict(plan)})

    def resume(self, plan: Mapping[str, Any]) -> None:
        """Read what an interrupted run has done, and go on writing after it.

        Raises
        ------
        UsageError
            If it was another run: names what differs.
        DataError
            If the file is damaged.
        """
        content = self.path.read_bytes()
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
            other = ", ".join(_differing(kept, asked))
            raise UsageError(
                f"{self._target} was begun with other settings ({other}); give the same as then, or remove it and {self.path} "
                "and start again without --resume"
            )
        with self.path.open("r+b") as file:
            file.truncate(len(whole))
        self._file = self.path.open("a", encoding="utf-8")
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

    @property
    def is_open(self) -> bool:
        """Whether a run was begun or gone on with."""
        return self._file is not None

    def remove(self) -> None:
        """Remove the file: the image is finished."""
        self.close()
        self.path.unlink()

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
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()  # to the operating system: what the end of this process cannot undo


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the names of what differs, as in "request.layout"."""
    names = []
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            names += [f"{key}.{inner}" for inner in _differing(a, b)]
        elif a != b:
            names.append(key)
    return names
