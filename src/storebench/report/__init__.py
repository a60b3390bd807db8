"""The report: one offline HTML page, and its figures for papers. Reads the tidy table alone, and no format library."""

from __future__ import annotations

from storebench.report.page import ReportFiles, build_report

__all__ = ["ReportFiles", "build_report"]
