"""storebench: measurements people can trust of how to store large N-D images.

Two calls are meant for notebooks; everything else is on the command line (``storebench --help``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    import pandas as pd

__version__ = "0.1.0"
__all__ = ["__version__", "load_results", "measure"]


def measure(data: str | os.PathLike[str], *, backend: str, **settings: Any) -> dict[str, Any]:
    """Measure one case and return its row; see `storebench.measurement.single.measure` for the settings."""
    from storebench.measurement.single import measure as measure_one

    return measure_one(data, backend=backend, **settings)


def load_results(path: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return the tidy table of all results under a folder; see `storebench.results.frame.load_results`."""
    from storebench.results.frame import load_results as load

    return load(path)
