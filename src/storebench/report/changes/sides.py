"""The two sides of a comparison: which libraries differ, what is the same, and how much noise there was."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from storebench.records import Environment
from storebench.report.changes.model import Changes
from storebench.report.changes.names import cases_text
from storebench.report.tables import Cell, Table
from storebench.results.settings import timed_rows
from storebench.trends import Run
from storebench.units import MISSING, bytes_text, count_text, percent_text

Difference = tuple[str, str, str]
"""A name, and what it was and is."""

_MOST_NAMED: Final = 3
BUILD: Final = " (build)"
"""Ends the name of what is inside a wheel."""
_SIZES: Final = ("ram_bytes", "read_ahead_bytes")


def software(run: Run, environments: Mapping[str, Environment]) -> dict[str, str]:
    """Return the versions a run was measured with: of Python, storebench, libraries and codec builds.

    Where the environment was not recorded, those that the rows name.
    """
    environment = environments.get(run.environment_id or "")
    if environment is None:
        found: dict[str, list[str]] = {}
        for name, version in zip(run.rows["library"], run.rows["library_version"], strict=True):
            if isinstance(name, str) and isinstance(version, str):
                found.setdefault(name, []).append(version)
        return {name: ", ".join(sorted(set(versions))) for name, versions in sorted(found.items())}
    builds = {f"{name}{BUILD}": version for name, version in sorted(environment.builds.items())}
    libraries = dict(sorted(environment.libraries.items()))
    return {**libraries, "Python": environment.python, "storebench": environment.storebench, **builds}


def hardware(run: Run, environments: Mapping[str, Environment]) -> dict[str, str]:
    """Return the facts of a run's machine; nothing where they were not recorded."""
    environment = environments.get(run.environment_id or "")
    facts = {} if environment is None else environment.machine
    return {
        name.replace("_", " ").removesuffix(" bytes"): MISSING
        if value is None
        else bytes_text(int(value))
        if name in _SIZES
        else str(value)
        for name, value in facts.items()
    }


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[Difference]:
    """Return what differs between two mappings of facts: other versions first, then what one side lacks."""
    names = [name for name in dict.fromkeys((*new, *old)) if old.get(name) != new.get(name)]
    names.sort(key=lambda name: (name not in old) + 2 * (name not in new))
    return [(name, old.get(name, MISSING), new.get(name, MISSING)) for name in names]


def differences_text(found: Sequence[Difference], most: int = _MOST_NAMED) -> str:
    """Write differences in one line, as in "zarr 3.1.6 → 3.4.0"; empty where there is none."""
    parts = [_difference_text(*one) for one in found[:most]]
    more = len(found) - most
    return ", ".join(parts) + (f" and {count_text(more)} more" if more > 0 else "")


def _difference_text(name: str, old: str, new: str) -> str:
    if old == MISSING:
        return f"{name} {new} added"
    return f"{name} {old} removed" if new == MISSING else f"{name} {old} → {new}"


def software_differences(changes: Changes) -> list[Difference]:
    """Return the versions that differ between the two runs that are compared; none where one side recorded none."""
    if changes.older is None or changes.newer is None or not has_versions(changes):
        return []
    return differences(*(software(run, changes.environments) for run in (changes.older, changes.newer)))


def has_versions(changes: Changes) -> bool:
    """Tell whether the versions of both runs that are compared were recorded: of others nothing shows that they are the same."""
    runs = [run for run in (changes.older, changes.newer) if run is not None]
    return len(runs) == 2 and all(software(run, changes.environments) for run in runs)


def headline(changes: Changes) -> str:
    """Name what differs between the two sides: libraries, else commits, else environments."""
    found = [one for one in software_differences(changes) if not one[0].endswith(BUILD)]
    if found:
        return f"What changed: {differences_text(found)}"
    if changes.older is None or changes.newer is None:
        return "What changed"
    old, new = changes.side_names
    if old != new:
        return f"What changed: {old} → {new}"
    return f"What changed: two runs of {changes.newer.name}"


def noise_sentences(changes: Changes) -> list[str]:
    """Say what limits the comparison: how wide its intervals are, how many rows were measured on a busy machine."""
    if changes.comparison is None or changes.older is None or changes.newer is None:
        return []
    rows = changes.comparison.rows
    said = [changes.summary["caution"]] if changes.summary["caution"] else []
    widths = [row["ratio_high"] / row["ratio_low"] for row in rows if row["ratio_low"]]
    if widths:
        half = statistics.median(widths) ** 0.5 - 1
        said.append(f"The middle one of the intervals is ± {percent_text(half)} wide; smaller changes are not seen.")
    few = len(rows) - len(widths)
    if few:
        said.append(f"No interval: {cases_text(few)} with fewer than five samples on a side.")
    known = [row for row in rows if row["noisy"] is not None]
    noisy = sum(bool(row["noisy"]) for row in known)
    if noisy:
        reasons = [_first_noise(run) for run in (changes.newer, changes.older)]
        reason = next((f": {text}" for text in reasons if text), "")
        said.append(f"{count_text(noisy)} of {cases_text(len(known))} {'is' if noisy == 1 else 'are'} noisy{reason}.")
    elif known:
        said.append(f"The machine was quiet: none of {cases_text(len(known))} is noisy.")
    else:
        said.append("How busy the machine was is not recorded.")
    for side, n in (("older", changes.summary["n_only_a"]), ("newer", changes.summary["n_only_b"])):
        if n:
            said.append(f"Not compared: {cases_text(n)} with a time only in the {side} run.")
    return said


def _first_noise(run: Run) -> str | None:
    texts = run.rows["noise"].dropna()
    return None if texts.empty else str(texts.iloc[0])


def sides_tables(changes: Changes) -> list[Table]:
    """Return what both sides are, differences first; and all that is the same on both."""
    if changes.older is None or changes.newer is None:
        return []
    runs = changes.older, changes.newer
    facts = [{**software(run, changes.environments), **hardware(run, changes.environments)} for run in runs]
    differing = differences(*facts)
    same = [(name, value) for name, value in facts[1].items() if facts[0].get(name) == value]
    about: list[Difference] = [(name, read(changes, runs[0]), read(changes, runs[1])) for name, read in _ABOUT.items()]
    columns = ["Fact", "Older", "Newer"]
    rows = [[Cell(text=name, mark="differs"), Cell(text=old), Cell(text=new)] for name, old, new in differing]
    rows += [[Cell(text=name), Cell(text=old), Cell(text=new)] for name, old, new in about]
    tables = [Table(caption="The two sides; what differs first", columns=columns, rows=rows)]
    if same:
        shared = [[Cell(text=name), Cell(text=value)] for name, value in same]
        tables.append(
            Table(
                caption=f"The same on both sides: {count_text(len(same))} facts", columns=["Fact", "Both"], rows=shared
            )
        )
    return tables


def _commit(run: Run) -> str:
    state = {None: "", True: ", uncommitted changes", False: ", clean"}[run.dirty]
    return f"{run.commit[:10] if run.commit else 'no commit'}{state}"


_ABOUT: Final[Mapping[str, Callable[[Changes, Run], str]]] = {
    "machine": lambda _, run: run.machine or MISSING,
    "commit": lambda _, run: _commit(run),
    "measured": lambda changes, run: changes.measured(run),
    "environment": lambda _, run: run.environment or MISSING,
    "cases with a time": lambda _, run: count_text(len(timed_rows(run.rows))),
    "noisy": lambda _, run: count_text(None if run.rows["noisy"].isna().all() else int(run.rows["noisy"].sum())),
    "few samples": lambda _, run: count_text(int(timed_rows(run.rows)["low_confidence"].fillna(value=True).sum())),
}
"""What is said of each run."""
