"""What a proof leaves: its table, and whether the claim held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storebench.measurement.images import Image, image_of
from storebench.records import Case
from storebench.storage import Storage


@dataclass(frozen=True, slots=True)
class Section:
    """Markdown, and whether what it claims was seen."""

    markdown: str
    holds: bool


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def image_for(case: Case) -> tuple[Storage, Image]:
    """Return the storage root and the image of a synthetic case."""
    storage = Storage.open()
    return storage, image_of(storage, case.dataset, case.shape, case.dtype, case.seed or 0)


def read_case(backend: str, edge: int = 64, **settings: object) -> Case:
    """Return a whole read of a cube of the dataset ct, uint16."""
    fields: dict[str, object] = {"dataset": "ct", "shape": (edge,) * 3, "dtype": "uint16", "axes": "zyx"}
    return Case(**fields | {"operation": "read", "backend": backend} | settings)
