"""Where a figure becomes files: SVG at once, PNG and PDF in a process beside where one is wanted."""

from __future__ import annotations

import io
import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import matplotlib as mpl
from matplotlib.figure import Figure

from storebench.errors import StorebenchError
from storebench.report.style import house_style

PNG_DPI = 220


def figure_svg(figure: Figure, name: str) -> str:
    """Place a figure's parts once and for all, and return it as SVG, without date: same numbers, same bytes.

    Parameters
    ----------
    figure : Figure
        Drawn in `house_style`. Changed: its layout is settled.
    name : str
        Makes the ids of its parts.
    """
    stream = io.StringIO()
    with house_style(), mpl.rc_context({"svg.hashsalt": f"storebench-{name}"}):
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            # with an engine, "none" included, every format would first be drawn once more for nothing
            figure.set_layout_engine(None)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def save_for_paper(figure: Figure, png: Path, pdf: Path) -> None:
    """Write a settled figure as PNG (220 dpi) and PDF, without date.

    Parameters
    ----------
    figure : Figure
        As `figure_svg` left it.
    png, pdf : Path
        Files, replaced.
    """
    with house_style():
        figure.savefig(png, dpi=PNG_DPI, metadata={"Software": None})
        with _fonts_without_layout():
            figure.savefig(pdf, metadata={"CreationDate": None, "Creator": None, "Producer": None})


@contextmanager
def _fonts_without_layout() -> Iterator[None]:
    """Leave the tables that say how letters join out of embedded fonts: a PDF's letters are placed, no reader looks at them.

    To cut them to the letters used is half of the time of a PDF (0.2 of 0.4 s). There is no public way to tell
    fontTools through matplotlib; where the default has another name one day, PDFs take longer and nothing else changes.
    """
    from fontTools.subset import Options  # type: ignore[import-untyped]

    before = getattr(Options, "_drop_tables_default", None)
    if before is None:
        yield
        return
    Options._drop_tables_default = [*before, "GDEF", "GPOS", "GSUB", "kern"]
    try:
        yield
    finally:
        Options._drop_tables_default = before


class Press:
    """Writes figures as PNG and PDF; a context, at whose end all are written.

    Parameters
    ----------
    n_workers : int
        Processes beside this one that do it; 0: none, each figure is written when it comes. A program that asks for
        some must not do so when it is imported: the processes import its main module.
    """

    def __init__(self, n_workers: int = 0) -> None:
        self._pending: list[Future[None]] = []
        self._pool: ProcessPoolExecutor | None = None
        if n_workers > 0:
            # not forked: numpy's threads would not survive it
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(n_workers, mp_context=context, initializer=_begin)
            for _ in range(n_workers):  # begins now, so that imports are over when the first figure comes
                self._pending.append(self._pool.submit(_warm_up))

    def save(self, figure: Figure, png: Path, pdf: Path) -> None:
        """Write a settled figure, or have it written; it must not be changed any more."""
        if self._pool is None:
            save_for_paper(figure, png, pdf)
        else:
            self._pending.append(self._pool.submit(save_for_paper, figure, png, pdf))

    def finish(self) -> None:
        """Wait until every figure is written.

        Raises
        ------
        OSError
            If one could not be.
        StorebenchError
            If a process that writes them died.
        """
        pending, self._pending = self._pending, []
        try:
            for future in pending:
                future.result()
        except BrokenProcessPool as error:
            raise StorebenchError("a process that writes the figures died (out of memory?); try again") from error

    def __enter__(self) -> Press:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    # Ctrl-C reaches all processes of a terminal; the main one ends the others, which have nothing to say about it
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _warm_up() -> None:
    """Import what the first figure would wait for."""
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_pdf  # noqa: F401
