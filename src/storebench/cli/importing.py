"""`storebench import`: results of other tools, into the same table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from storebench.cli._options import command, json_option, machine_option
from storebench.cli._output import Output
from storebench.errors import unknown_name
from storebench.units import count_text, shape_text

if TYPE_CHECKING:
    from storebench.results.importers import ReadFile

_KINDS: Final = ("pytest-benchmark", "asv")
_EXAMPLES: Final = (
    "storebench import .benchmarks/*/0001_*.json",
    "storebench import 0003_tensorstore.json -o other --set dataset=heart \\",
    "    --set shape=806x629x629 --set dtype=uint16 --set library=tensorstore",
    "storebench import .asv/results/lab-1/1a2b3c4d-*.json --from asv -o other",
)
_ASKED: Final[Mapping[str, str]] = {
    "dataset": "NAME",
    "shape": "ZxYxX",
    "dtype": "uint16",
    "format": "zarr3",
    "library": "NAME",
    "chunk_shape": "64x64x64",
    "codec": "zstd-3",
    "operation": "read",
    "pattern": "whole",
    "cache": "warm",
    "durability": "returned",
}
"""What a table of results should say of each row, and how it is set."""

_NEEDS: Final = {"pattern": ("read",), "cache": ("read", "open"), "durability": ("write",)}
"""What only some operations have."""


@command("import", examples=_EXAMPLES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    metavar="FOLDER",
    help="Results folder.",
)
@click.option(
    "--from", "kind", type=click.Choice(_KINDS), help="What wrote the files; left out: told by their content."
)
@click.option(
    "--set", "texts", multiple=True, metavar="COLUMN=VALUE", help="What the files do not say, of every row. Repeatable."
)
@machine_option
@click.option("--replace", is_flag=True, help="Let an import of the same name give way.")
@json_option
@click.pass_obj
def import_command(
    output: Output,
    *,
    files: tuple[Path, ...],
    folder: Path,
    kind: str | None,
    texts: tuple[str, ...],
    machine: str | None,
    replace: bool,
    json: bool,
) -> None:
    """Bring results of pytest-benchmark and asv into the same table.

    Each FILE becomes a journal in FOLDER, which report, export and compare read
    like results of storebench. Samples are kept as they are, intervals are worked
    out from them. What a FILE does not say stays missing; --set adds it, and the
    journal keeps apart what was set by hand. docs/import.md says what is
    recognised.
    """
    from storebench.results.importers import keep_all, parse_given, read_file

    given = parse_given(texts)
    _require_backend(given)
    found = [read_file(path, kind=kind, given=given, machine=machine) for path in files]
    kept = keep_all([one.imported for one in found], folder, replace=replace)
    facts = [_facts(one, *where) for one, where in zip(found, kept, strict=True)]
    if json:
        output.json({"kind": "storebench-import", "results": str(folder), "files": facts})
        return
    for fact in facts:
        _say(output, fact)
    output.paragraph(f"Next: storebench report {folder}")


def _require_backend(given: Mapping[str, Any]) -> None:
    """Refuse a backend that storebench does not have: these names are its own, and no library's."""
    if "backend" in given:
        from storebench.backends import BACKENDS

        if given["backend"] not in BACKENDS:
            raise unknown_name("backend", given["backend"], BACKENDS, "storebench list backends")


def _facts(found: ReadFile, path: Path, written: bool) -> dict[str, Any]:
    """Return what was read, as the JSON has it."""
    imported = found.imported
    numbers = sorted({len(row.get("samples_s") or ()) for row in imported.rows if row["status"] == "ok"})
    source = {
        name: getattr(imported, name) for name in ("tool", "tool_version", "file", "sha256", "taken_at", "project")
    }
    source |= {name: getattr(imported, name) for name in ("commit", "dirty", "python", "environment")}
    return {
        **source,
        "environment_id": imported.id,
        "machine": imported.machine_name,
        "written_to": str(path),
        "written": written,
        "n_rows": len(imported.rows),
        "n_ok": sum(row["status"] == "ok" for row in imported.rows),
        "n_left_out": found.n_left_out,
        "n_samples": [numbers[0], numbers[-1]] if numbers else None,
        "set": dict(imported.given),
        "missing": _missing(found),
    }


def _missing(found: ReadFile) -> dict[str, int]:
    """Return which columns rows lack that should have them, and in how many."""
    from storebench.results.imported import imported_rows

    rows = list(imported_rows(found.imported))
    lacking = {
        column: sum(
            row[column] is None for row in rows if row["operation"] in (None, *_NEEDS.get(column, (row["operation"],)))
        )
        for column in _ASKED
    }
    return {column: n for column, n in lacking.items() if n}


def _say(output: Output, fact: Mapping[str, Any]) -> None:
    tool = " ".join(filter(None, (fact["tool"], fact["tool_version"])))
    output.paragraph(f"{fact['file']}: {tool}, {_rows_text(fact)}{_samples_text(fact['n_samples'])}.")
    machine = fact["machine"] or "a machine that it does not name (--machine)"
    output.paragraph(f"Measured on {machine}{_on(fact)}.")
    if fact["n_left_out"]:
        n = fact["n_left_out"]
        output.paragraph(
            f"Left out: {'1 result that is no time' if n == 1 else f'{count_text(n)} results that are no times'}."
        )
    if fact["set"]:
        output.paragraph(f"Set by hand: {', '.join(_setting(column, value) for column, value in fact['set'].items())}.")
    if fact["missing"]:
        listed = ", ".join(_lack(column, n, fact["n_rows"]) for column, n in fact["missing"].items())
        example = " ".join(f"--set {name}={_ASKED[name]}" for name in list(fact["missing"])[:2])
        output.paragraph(f"Not in the file: {listed}; add what you know, as in {example}, and --replace.")
    output.paragraph(
        f"Written: {fact['written_to']}" if fact["written"] else f"Nothing new: {fact['written_to']} has it."
    )
    output.say()


def _rows_text(fact: Mapping[str, Any]) -> str:
    others = fact["n_rows"] - fact["n_ok"]
    return ("1 row" if fact["n_rows"] == 1 else f"{count_text(fact['n_rows'])} rows") + (
        f" ({count_text(others)} without a number)" if others else ""
    )


def _samples_text(numbers: Sequence[int] | None) -> str:
    if not numbers:
        return ""
    low, high = numbers
    if high == 0:
        return ", medians without samples: no intervals"
    return (
        f", {'1 sample' if low == 1 else f'{count_text(low)} samples'} each"
        if low == high
        else f", {count_text(low)} to {count_text(high)} samples each"
    )


def _on(fact: Mapping[str, Any]) -> str:
    """Say when, with which Python, of which commit."""
    parts = [f"Python {fact['python']}" if fact["python"] else "", str(fact["taken_at"] or "")[:10]]
    commit = str(fact["commit"] or "")[:8]
    parts.append(" ".join(filter(None, (fact["project"], commit))) + (", uncommitted changes" if fact["dirty"] else ""))
    return "".join(f", {part}" for part in parts if part)


def _setting(column: str, value: Any) -> str:
    return f"{column} {shape_text(value) if isinstance(value, tuple) else value}"


def _lack(column: str, n: int, n_rows: int) -> str:
    return column if n == n_rows else f"{column} (in {count_text(n)} {'row' if n == 1 else 'rows'})"
