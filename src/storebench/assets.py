"""The files that come with storebench: suites, asv's configuration, the baseline. In a clone they lie beside `src/`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent
_CLONE: Final = _PACKAGE.parents[1]


def clone_root() -> Path | None:
    """Return the folder of the clone that this package runs from; None for an installed wheel."""
    return (
        _CLONE if (_CLONE / "asv.conf.json").is_file() and (_CLONE / "src" / "storebench").samefile(_PACKAGE) else None
    )


def _root() -> Path:
    return clone_root() or _PACKAGE / "bundled"


def bundled_benchmarks() -> Path:
    """Return the folder of the asv suites."""
    return _root() / "benchmarks"


def bundled_results() -> Path:
    """Return the folder of the results that come with storebench: the baseline."""
    return _root() / "results"
