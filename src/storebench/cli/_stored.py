"""Two result sets that were measured before, beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from storebench.cli._findings import Findings
from storebench.cli._noise import noise_summary

if TYPE_CHECKING:
    import pandas as pd

    from storebench.results.comparison import Comparison

_ADVICE: Final = (
    "measure both again with more samples (storebench run --engine paired --half-width 2%), or measure two settings call by call "
    "in turn, which sees the same change with a tenth of the samples (storebench compare with two settings)"
)

_ADVICE_FOR_OTHERS: Final = (
    "take more samples with the tool that made these (pytest --benchmark-min-rounds=20), each side in several processes, and "
    "import them again; or measure two settings of storebench call by call in turn (storebench compare with two settings)"
)


def compare_results(a: Path, b: Path, margin: float) -> Findings:
    """Compare two results folders or files.

    Parameters
    ----------
    a, b : pathlib.Path
        As `storebench.load_results` takes them.
    margin : float
        Changes up to this share are the same.

    Raises
    ------
    ResultsError
        If one cannot be understood, or the two cannot be compared: of different machines, or several rows of one case.
    """
    from storebench.results.comparison import compare_frames
    from storebench.results.frame import load_results

    frames = load_results(a), load_results(b)
    comparison = compare_frames(*frames, margin=margin)
    return _findings(comparison, frames, (str(a), str(b)))


def _findings(comparison: Comparison, frames: tuple[pd.DataFrame, pd.DataFrame], titles: tuple[str, str]) -> Findings:
    summary = comparison.summary
    matched = {row["case_id"] for row in comparison.rows}
    noise = [
        f"In {side}: {text}"
        for side, frame in zip("AB", frames, strict=True)
        if (text := noise_summary(frame[frame["case_id"].isin(matched)])) is not None
    ]
    return Findings(
        rows=comparison.rows,
        counted=comparison.counted,
        changes=comparison.changes,
        margin=summary["margin"],
        confidence=summary["confidence"],
        advice=_ADVICE if _can_be_measured_again(frames) else _ADVICE_FOR_OTHERS,
        titles=titles,
        noise=noise,
        lost=comparison.lost,
        n_only_a=summary["n_only_a"],
        n_only_b=summary["n_only_b"],
        facts={"mode": "results", "a": {"results": titles[0]}, "b": {"results": titles[1]}},
        summary_facts={name: summary[name] for name in ("false_share", "by_operation_and_format", "caution")},
    )


def _can_be_measured_again(frames: tuple[pd.DataFrame, pd.DataFrame]) -> bool:
    """Tell whether storebench made any of the results: what another tool measured names no backend."""
    return any(frame["backend"].notna().any() for frame in frames)
