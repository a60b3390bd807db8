"""Neutral names of machines: after the processor, never after the host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_NOISE: Final = re.compile(r"\((r|tm)\)|\b(cpu|processor)\b|\b\d+(st|nd|rd|th) gen\b|\b\d+-core\b|\bw/.*|@.*")
"""What stands in processors' names beside maker and model."""


def machine_name(facts: Mapping[str, Any]) -> str | None:
    """Return a machine's name for folders and tables, as in "intel-xeon-w9-3475x-72cpu".

    Parameters
    ----------
    facts : mapping
        With `cpu`, the processor's name, and `n_cpu`; either may be missing or None.

    Returns
    -------
    str or None
        None where the processor is not known: two such machines must not be taken for one.
    """
    cpu = _NOISE.sub(" ", str(facts.get("cpu") or "").lower())
    words = re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)*", cpu)[:4]
    if not words:
        return None
    count = facts.get("n_cpu")
    return "-".join([*words, *([] if count is None else [f"{count}cpu"])])
