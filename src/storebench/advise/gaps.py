"""What was not measured, so that nobody takes the answer for more than it is."""

from __future__ import annotations

from collections.abc import Sequence

from storebench.advise.candidates import Candidate, Record
from storebench.advise.words import format_text


def gaps(settings: Sequence[Candidate], surroundings: Sequence[Record]) -> tuple[str, ...]:
    """Return what was not measured, as ends of "Not measured: …".

    Parameters
    ----------
    settings : sequence of Candidate
        The ranked ones, the first setting in front.
    surroundings : sequence of Record
        All rows of the image, in any state of the cache and of any status.
    """
    ok = [row for row in surroundings if row["status"] == "ok"]
    found = []
    if not any(row["operation"] == "read" and (row["cache"] or "").startswith("cold") for row in ok):
        found.append("first reads from the disk (cold cache)")
    if all(row["store"] in (None, "local") for row in ok):
        found.append("stores over a network (S3, HTTP)")
    first = settings[0].backend
    if first is not None:
        head = first.rpartition("-")[0]
        same = {row["backend"] for row in ok if (row["backend"] or "").rpartition("-")[0] == head}
        if len(same) == 1:
            found.append(f"other libraries that read {format_text(first).partition(' with ')[0]}")
    if not any((row["threads"] or 0) > 1 for row in ok):
        found.append("a set number of threads")
    return tuple(found)
