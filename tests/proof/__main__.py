"""`make proof`: measures storebench itself and writes what came out into docs/proof.md.

python tests/proof                     all of it, about an hour on 2 cores
python tests/proof overhead cold       some of it; the other sections stay as they are
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click
from counters import counters
from coverage_of_intervals import coverage
from overhead import overhead
from pairs import false_alarms, injected
from repeatability import repeatability
from sections import Section

from cold import cold_reads, read_ahead
from storebench.measurement.conditions import ConditionsRecorder
from storebench.records import Conditions

_PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "proof.md"

PROOFS: Final[Mapping[str, Callable[[], Section]]] = MappingProxyType(
    {
        "overhead": overhead,
        "repeatability": repeatability,
        "coverage": coverage,
        "false-alarms": false_alarms,
        "injected": injected,
        "cold": cold_reads,
        "read-ahead": read_ahead,
        "counters": counters,
    }
)


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(tuple(PROOFS)))
def main(names: tuple[str, ...]) -> None:
    """Run the proofs and write their sections; end with 1 where one did not hold."""
    failed = []
    for name in names or tuple(PROOFS):
        recorder, began = ConditionsRecorder(), time.monotonic()
        section = PROOFS[name]()
        load = _load_text(recorder.take(), time.monotonic() - began)
        _write(name, f"{section.markdown}\n\n{load}\n")
        click.echo(f"{'holds ' if section.holds else 'FAILED'}  {name}  {load}")
        failed += [] if section.holds else [name]
    sys.exit(1 if failed else 0)


def _load_text(conditions: Conditions, seconds: float) -> str:
    parts = [f"Measured {time.strftime('%Y-%m-%d', time.gmtime(conditions.ended_at))} in {seconds:.0f} s"]
    if conditions.load_1m is not None:
        parts.append(f"load average {conditions.load_1m:.1f} at the end")
    if conditions.cpu_pressure is not None:
        parts.append(f"CPU pressure {100 * conditions.cpu_pressure:.0f} %")
    if conditions.other_cpus is not None:
        parts.append(f"other processes used {conditions.other_cpus:.2f} processors")
    return "; ".join(parts) + "."


def _write(name: str, text: str) -> None:
    """Put a section between its marks; a mark that is missing is an error, so that no figure gets lost."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    page = _PAGE.read_text()
    page, n = re.subn(f"{begin}.*?{end}", lambda _: f"{begin}\n\n{text}\n{end}", page, flags=re.DOTALL)
    if n != 1:
        raise SystemExit(f"{_PAGE} has no marks {begin} … {end}")
    _PAGE.write_text(page)


if __name__ == "__main__":
    main()
