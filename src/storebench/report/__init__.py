"""The report: one offline HTML page, and its figures for papers. Reads the tidy table alone, and no format library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storebench.report.page import ReportFiles, build_report

__all__ = ["ReportFiles", "build_report"]


def __getattr__(name: str) -> Any:
    # looked up when asked for: the processes that write figures import this package and need no page
    if name in __all__:
        from storebench.report import page

        return getattr(page, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
