"""`storebench doctor`: this machine, its libraries, what is missing, and what can be measured here."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from storebench.cli._checks import (
    Check,
    Measured,
    Status,
    cold_checks,
    limits_checks,
    measure_machine,
    measured_document,
    noise_checks,
    tool_checks,
)
from storebench.cli._errors import GATE_FAILED
from storebench.cli._options import command, json_option, results_option, storage_option
from storebench.cli._output import Output, wrapped
from storebench.cli.listing import backend_entries
from storebench.errors import StorageError
from storebench.units import bytes_text, count_text

if TYPE_CHECKING:
    from storebench.records import Environment
    from storebench.storage import Storage

_COLORS: Final = {"ok": "green", "skip": "yellow", "warn": "yellow", "fail": "red"}
_PINNED: Final = ("asv", "asv_runner")
_ENOUGH_FREE: Final = 2 * 1024**3
"""Bytes: what the smoke tier stores, twice over."""


@command(
    "doctor", examples=("storebench doctor", "storebench doctor --no-measure", "storebench doctor --strict --json")
)
@click.option("--strict", is_flag=True, help="End with exit code 1 where anything is not ok.")
@click.option("--measure/--no-measure", default=True, help="Measure this machine's noise and limits; default: yes.")
@storage_option
@results_option
@json_option
@click.pass_obj
def doctor_command(
    output: Output, *, strict: bool, measure: bool, storage: Path | None, results: Path, json: bool
) -> None:
    """Show this machine, its libraries and what is missing.

    Unless --no-measure is given, it also measures what this machine can do at best, and how small a change can be seen on it
    now: about 15 s.
    """
    from storebench.storage import Storage

    checks: list[Check] = []
    root: Storage | None = None
    try:
        root = Storage.open(storage)
    except StorageError as error:
        checks.append(Check("fail", "storage", str(error)))
    environment = _environment(root)
    backends = backend_entries()
    checks = [*_software(environment), *_pins(), *_libraries(backends), *tool_checks(), *checks, *_storage(root)]
    checks += [*cold_checks(root, environment), _results(results)]
    measured = Measured()
    if measure:
        output.note("Measuring this machine's noise and limits, about 15 s; --no-measure leaves it out")
        measured = measure_machine(root)
        checks += [*noise_checks(measured.noise, environment), *limits_checks(measured)]
    healthy = all(check.status == "ok" for check in checks)
    if json:
        output.json(_document(checks, environment, backends, root) | measured_document(measured))
    else:
        _say(output, checks)
    if strict and not healthy:
        raise click.exceptions.Exit(GATE_FAILED)


def _environment(root: Storage | None) -> Environment:
    from storebench.measurement.environment import record_environment

    return record_environment(root.root if root else Path.cwd())


def _software(environment: Environment) -> Iterator[Check]:
    machine = environment.machine
    ram = machine.get("ram_bytes")
    cores = machine.get("n_cpu")
    yield Check(
        "ok",
        "python",
        f"Python {environment.python}, storebench {environment.storebench}"
        + (f" at {environment.commit[:8]}" if environment.commit else ""),
    )
    yield Check(
        "ok",
        "machine",
        f"{cores} {'core' if cores == 1 else 'cores'}, {bytes_text(ram if isinstance(ram, int) else None)} of memory, "
        f"{machine.get('cpu') or 'unknown processor'}, {machine.get('os')}",
    )
    if environment.dirty:
        yield Check(
            "warn", "clone", "the clone has uncommitted changes: results made now are marked dirty; commit first"
        )


def _pins() -> Iterator[Check]:
    """Compare what results depend on most with the versions that storebench asks for."""
    asked = {}
    for requirement in importlib.metadata.requires("storebench") or ():
        match = re.match(r"([\w-]+)==([\w.]+)", requirement)
        if match:
            asked[match[1].replace("-", "_")] = match[2]
    for name in _PINNED:
        found, wanted = importlib.metadata.version(name), asked.get(name)
        if wanted is None or found == wanted:
            yield Check("ok", name, f"{name} {found}" + (" as pinned" if wanted else ""))
        else:
            yield Check("fail", name, f"{name} {found} is installed, {wanted} is pinned: pip install {name}=={wanted}")


def _libraries(backends: list[dict[str, Any]]) -> Iterator[Check]:
    """One line per library with the backends that it serves, or with how to install it."""
    served: dict[tuple[Status, str], list[str]] = {}
    for entry in backends:
        facts = "".join(f"; {name} {version}" for name, version in entry["facts"].items())
        key: tuple[Status, str] = ("ok", f"{entry['library']} {entry['version']}{facts}")
        if not entry["available"]:
            key = ("skip" if entry["extra"] else "fail", entry["why_not"])
        served.setdefault(key, []).append(entry["name"])
    for (status, text), names in served.items():
        yield Check(status, names[0], f"{', '.join(names)}: {text}")


def _storage(root: Storage | None) -> Iterator[Check]:
    if root is None:
        return
    place = root.file_system()
    status: Status = "ok" if place.free_bytes >= _ENOUGH_FREE else "warn"
    short = "" if status == "ok" else "; that may be too little: storebench clean, or --storage elsewhere"
    used = f"{bytes_text(root.usage_bytes())} in {count_text(root.n_entries())} entries"
    yield Check(status, "storage", f"{root.root}: {place.kind}, {bytes_text(place.free_bytes)} free, {used}{short}")
    for warning in root.warnings():
        yield Check("warn", "storage", warning)


def _results(folder: Path) -> Check:
    from storebench.assets import bundled_results

    for place, name in ((folder, str(folder)), (bundled_results(), "the baseline that comes with storebench")):
        journals = len(list(place.glob("*/*.jsonl")))
        if journals:
            return Check(
                "ok",
                "results",
                f"{count_text(journals)} {'run' if journals == 1 else 'runs'} in {name}: storebench report",
            )
    return Check("warn", "results", f"no results in {folder}: make some with storebench quick")


def _document(
    checks: list[Check], environment: Environment, backends: list[dict[str, Any]], root: Storage | None
) -> dict[str, Any]:
    from storebench.records import to_json

    place = root.file_system() if root else None
    return {
        "ok": all(check.status == "ok" for check in checks),
        "checks": [asdict(check) for check in checks],
        "environment": to_json(environment),
        "backends": backends,
        "storage": None
        if root is None or place is None
        else {
            "root": str(root.root),
            "file_system": place.kind,
            "free_bytes": place.free_bytes,
            "usage_bytes": root.usage_bytes(),
            "limit_bytes": root.limit_bytes,
            "warnings": list(root.warnings()),
        },
        "executable": sys.executable,
    }


def _say(output: Output, checks: list[Check]) -> None:
    for check in checks:
        mark = click.style(f"{check.status:<4}", fg=_COLORS[check.status])
        output.say(f"  {mark}  {wrapped(check.text, ' ' * 8).lstrip()}")
    worst = [check for check in checks if check.status == "fail"]
    if worst:
        output.paragraph(
            f"{count_text(len(worst))} of {count_text(len(checks))} checks failed; each line above says what to do."
        )
