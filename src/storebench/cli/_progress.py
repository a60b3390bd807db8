"""Progress on stderr: a bar on a terminal, else one line at most every ten seconds."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from storebench.cli._output import Output
from storebench.units import count_text, seconds_text

SECONDS_BETWEEN_LINES: Final = 10.0
_FIRST_WITH_ETA: Final = 3
"""The first measurements carry imports and empty caches: an estimate from them would be wrong."""


class Progress(Protocol):
    """How far a campaign, a sampling or a comparison is; each has such a class of its own."""

    @property
    def done(self) -> int:
        """Measurements done."""

    @property
    def total(self) -> int:
        """Measurements planned."""

    @property
    def eta_s(self) -> float | None:
        """Seconds still expected; None: not known yet."""

    @property
    def label(self) -> str:
        """What was measured last."""


@contextmanager
def progress_shown(output: Output, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[Progress], None]]:
    """Show how far a campaign is while the block runs.

    Parameters
    ----------
    output : Output
        Decides about colours.
    clock : callable
        Seconds; another one in tests.

    Yields
    ------
    callable
        To be called with each `Progress`.
    """
    if sys.stderr.isatty():
        with _bar(output) as show:
            yield show
    else:
        yield _Lines(output, clock)


def progress_line(progress: Progress) -> str:
    """Return progress in words: "35 of 540 done, about 12.0 min left: read zarr3"."""
    line = f"{count_text(progress.done)} of {count_text(progress.total)} done"
    if progress.eta_s is not None and _FIRST_WITH_ETA <= progress.done < progress.total:
        line += f", about {seconds_text(progress.eta_s)} left"
    # The image's name is part of each benchmark's name on a user's image, and the same in all of them.
    label = re.sub(r"__\w+(?=\.)", "", progress.label)
    return f"{line}: {label}" if label else line


class _Lines:
    """Progress for a log: the first, then one line at most every ten seconds, and the last."""

    def __init__(self, output: Output, clock: Callable[[], float]) -> None:
        self._output = output
        self._clock = clock
        self._said_at: float | None = None
        self._is_done = False

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        is_due = self._said_at is None or now - self._said_at >= SECONDS_BETWEEN_LINES
        if not self._is_done and (is_due or progress.done >= progress.total):
            self._output.log(progress_line(progress))
            self._said_at = now
            self._is_done = progress.done >= progress.total


@contextmanager
def _bar(output: Output) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=True, no_color=not output.wants_color(sys.stderr))
    # transient: a finished bar says nothing that the table below it does not say.
    with Live(console=console, transient=True, refresh_per_second=4) as live:

        def show(progress: Progress) -> None:
            # Text, not markup: names with [brackets] stay whole. The label has its own lines, so that it is never cut.
            line = Text(progress_line(progress), overflow="fold")
            lines = Table.grid()
            lines.add_row(ProgressBar(total=max(progress.total, 1), completed=progress.done, width=60))
            lines.add_row(line)
            live.update(lines)

        yield show
