"""Cases by name, in two lines: what is done, and with which setting. What all cases share is said once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storebench.advise.words import operation_text
from storebench.records import PATTERNED
from storebench.results.export import plain_records
from storebench.units import count_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseName:
    """A case for people.

    Attributes
    ----------
    title : str
        Operation and access pattern, as in "read XZ plane".
    detail : str
        The rest of its id.
    """

    title: str
    detail: str

    @property
    def line(self) -> str:
        """Both in one line."""
        return f"{self.title}, {self.detail}" if self.detail else self.title


def case_names(frame: pd.DataFrame) -> tuple[Mapping[str, CaseName], str]:
    """Name the cases of a tidy table.

    Returns
    -------
    mapping of str to CaseName
        By case id.
    str
        The image, where it is the same for all; then no name says it.
    """
    rows = {
        str(row["case_id"]): row for row in plain_records(frame[["case_id", "operation", "pattern"]]) if row["case_id"]
    }
    images = {case_id.rpartition("/")[2] for case_id in rows}
    common = images.pop() if len(images) == 1 and all(row["operation"] for row in rows.values()) else ""
    return {case_id: _name(case_id, row["operation"], row["pattern"], common) for case_id, row in rows.items()}, common


def _name(case_id: str, operation: str | None, pattern: str | None, common: str) -> CaseName:
    parts = case_id.removesuffix(f"/{common}").split("/") if common else case_id.split("/")
    if operation is None or parts[0] != operation:  # of asv, or of another tool
        return CaseName(title=parts[0], detail=" ".join(parts[1:]))
    rest = [part for part in parts[1:] if part != pattern]
    return CaseName(title=operation_text(operation, pattern if operation in PATTERNED else None), detail=" ".join(rest))


def cases_text(n: int) -> str:
    """Write a number of cases."""
    return "1 case" if n == 1 else f"{count_text(n)} cases"


def metric_text(name: str) -> str:
    """Write a count's column for people: "n_files" as "files"."""
    return name.removeprefix("n_").replace("_", " ")
