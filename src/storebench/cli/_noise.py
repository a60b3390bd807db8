"""What is said of times that were taken on a busy machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storebench.cli._output import Output
from storebench.units import count_text

if TYPE_CHECKING:
    import pandas as pd


def noise_text(noise: str) -> str:
    """Say of one case that it is noisy; `noise` holds the figure, who it was where that is known, and what to do."""
    return f"Noisy, so do not rely on these times: {noise}."


def noise_summary(rows: pd.DataFrame) -> str | None:
    """Say how many rows of a tidy table are noisy, with the words of the first; None where none is."""
    noisy = rows[rows["noisy"].fillna(value=False).astype(bool)]
    if noisy.empty:
        return None
    case, noise = noisy.iloc[0][["case_id", "noise"]]
    which = "1 case is" if len(noisy) == 1 else f"{count_text(len(noisy))} of {count_text(len(rows))} cases are"
    return f"{which} noisy, so do not rely on their times. {case}: {noise}."


def note_noise(output: Output, rows: pd.DataFrame) -> None:
    """Warn where rows of a tidy table are noisy."""
    text = noise_summary(rows)
    if text is not None:
        output.note(f"Warning: {text}")
