"""Blocks that are handed to an engine one after the other, and how far that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storebench.pipelines._arrays import Done
from storebench.pipelines._blocks import Block
from storebench.pipelines._engines import Engine

if TYPE_CHECKING:
    import dask.array as da


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    total, done : int
        Blocks.
    label : str
        What was finished last.
    weights : mapping of int to int
        What the time of each block goes with, by its index.
    """

    total: int
    weights: Mapping[int, int]
    done: int = 0
    label: str = ""
    _worked: int = 0
    _left: int = 0
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._left = sum(self.weights.values())

    def add(self, block: Block) -> None:
        """Count a block that was worked on now."""
        self.done += 1
        self.label = f"level {block.level}"
        self._worked += self.weights[block.index]
        self._left -= self.weights[block.index]

    @property
    def eta_s(self) -> float | None:
        """Seconds still expected; None: not known yet."""
        return (time.monotonic() - self._began) * self._left / self._worked if self._worked else None


def run_blocks(
    engine: Engine,
    blocks: Sequence[Block],
    work: Callable[[Block], da.Array],
    finished: Callable[[Block, Done], None],
) -> None:
    """Have an engine do blocks.

    Parameters
    ----------
    engine : Engine
        Who works.
    blocks : sequence of Block
        In order.
    work : callable
        Builds a block's graph; called when its turn comes.
    finished : callable
        Called in this thread with each block that is done, in any order.
    """
    by_index = {block.index: block for block in blocks}
    engine.run((work(block) for block in blocks), lambda done: finished(by_index[done.index], done))
