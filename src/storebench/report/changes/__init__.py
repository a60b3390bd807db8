"""The maintainer's page: what became slower or faster between two runs, and how times went over all runs."""

from __future__ import annotations

from storebench.report.changes.model import Changes, ResultSet, find_changes
from storebench.report.changes.page import ChangesFiles, build_changes

__all__ = ["Changes", "ChangesFiles", "ResultSet", "build_changes", "find_changes"]
