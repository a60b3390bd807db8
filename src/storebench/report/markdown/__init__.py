"""The report in at most 60 lines of Markdown, for a README or a comment on a pull request. Names are escaped."""

from __future__ import annotations

from storebench.report.markdown.changes import changes_markdown
from storebench.report.markdown.summary import summary_markdown

__all__ = ["changes_markdown", "summary_markdown"]
