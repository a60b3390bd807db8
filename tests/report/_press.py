"""A press for tests that look at the page and its data alone: PNG and PDF are two thirds of the time of a report."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from storebench.report.press import Press


class PageAlone(Press):
    """Leaves out PNG and PDF."""

    def save(self, figure: Figure, png: Path, pdf: Path) -> None:
        """Write nothing."""
