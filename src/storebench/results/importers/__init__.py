"""Results of other tools: which files are understood, and reading one.

Nothing is guessed: what a file does not say stays missing, and a person may say it (`--set`).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from storebench.errors import ResultsError, UsageError
from storebench.results.asv import NOT_RESULTS
from storebench.results.imported import Imported, imported_line, read_imported, write_imported
from storebench.results.importers import asv_foreign, pytest_benchmark
from storebench.results.importers._source import Read
from storebench.results.importers._values import WITH_AXES, parse_given
from storebench.results.machines import machine_name

__all__ = ["IMPORTERS", "Importer", "ReadFile", "keep", "keep_all", "parse_given", "read_file"]

_UNKNOWN_MACHINE: Final = "unknown-machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """One kind of file: what it is, how to recognise it, how to read it."""

    about: str
    recognises: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Path, Mapping[str, Any]], Read]


IMPORTERS: Final[Mapping[str, Importer]] = MappingProxyType(
    {
        pytest_benchmark.NAME: Importer(
            about="JSON of pytest-benchmark (--benchmark-json, --benchmark-save-data)",
            recognises=pytest_benchmark.recognises,
            read=pytest_benchmark.read,
        ),
        asv_foreign.NAME: Importer(
            about="a result file of asv, version 2", recognises=asv_foreign.recognises, read=asv_foreign.read
        ),
    }
)
"""Every kind of file that is understood, by the name of the tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """One file that was read: what it says, and how many of its results are no times and were left out."""

    imported: Imported
    n_left_out: int = 0


def read_file(
    path: Path, *, kind: str | None = None, given: Mapping[str, Any] | None = None, machine: str | None = None
) -> ReadFile:
    """Read a file of another tool.

    Parameters
    ----------
    path : Path
        The file.
    kind : str, optional
        A name of `IMPORTERS`; None: told by the content.
    given : mapping, optional
        Columns set by hand, from `parse_given`.
    machine : str, optional
        A name for the machine; None: after the processor, where the file names it.

    Raises
    ------
    ResultsError
        If it cannot be read or understood; says what was expected and what to do.
    UsageError
        If it is storebench's own, something was set that the file says itself, or what was set has another number of axes.
    """
    raw = _bytes_of(path)
    _require_another_tool(path, raw)
    importer_name, data = _kind_of(path, raw, kind)
    try:
        found = IMPORTERS[importer_name].read(path, data)
    except ResultsError as error:
        raise ResultsError(f"{path} cannot be imported from {importer_name}: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise ResultsError(
            f"{path} is no complete file of {importer_name}: {type(error).__name__} {error}; write it again with the tool"
        ) from error
    _require_rows(path, importer_name, found)
    imported = Imported(
        tool=importer_name,
        file=path.name,
        sha256=hashlib.sha256(raw).hexdigest(),
        machine_name=_slug(machine) if machine else machine_name(found.source.machine),
        given=dict(given or {}),
        rows=found.rows,
        **asdict(found.source) | {"machine": {k: v for k, v in found.source.machine.items() if v is not None}},
    )
    _require_news(imported)
    _require_same_axes(imported)
    return ReadFile(imported=imported, n_left_out=found.n_left_out)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        raise ResultsError(f"{path} is a folder; name the files in it, as in {path}/*.json") from error
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error


def _require_another_tool(path: Path, raw: bytes) -> None:
    """Refuse a journal of storebench, and asv's file that has one beside it: `report` reads both as they are."""
    journal = path.with_name(f"{path.name.removesuffix('.json')}.jsonl")
    if _is_journal(raw) or (path.suffix == ".json" and journal.is_file() and _is_journal(_bytes_of(journal))):
        raise UsageError(
            f"{path}: these are storebench's own results; show them with: "
            f"storebench report {shlex.quote(str(path.parent))}"
        )


def _is_journal(raw: bytes) -> bool:
    """Tell whether the first line is one of a journal."""
    try:
        line = json.loads(raw.partition(b"\n")[0])
    except ValueError:
        return False
    return isinstance(line, dict) and {"schema_version", "kind"} <= line.keys()


def _kind_of(path: Path, raw: bytes, kind: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return the importer's name and the content."""
    expected = "; ".join(importer.about for importer in IMPORTERS.values())
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise ResultsError(f"{path} is no JSON ({error}). What can be imported: {expected}") from error
    names = [name for name, importer in IMPORTERS.items() if isinstance(data, dict) and importer.recognises(data)]
    if kind is None and names:
        return names[0], data
    if kind is None:
        raise ResultsError(
            f"{path} is of no kind that can be imported: {expected}. If it is one of them and old, say which with --from"
        )
    if not isinstance(data, dict) or (names and kind not in names):
        raise ResultsError(f"{path} is not {IMPORTERS[kind].about}{f'; it looks like {names[0]}' if names else ''}")
    return kind, data


def _require_rows(path: Path, importer_name: str, found: Read) -> None:
    if not found.rows:
        raise ResultsError(f"{path} holds no times; was {importer_name} run without any benchmark?")
    double = [name for name, count in Counter(row["case_id"] for row in found.rows).items() if count > 1]
    if double:
        raise ResultsError(
            f"{path} has {len(double)} {'name' if len(double) == 1 else 'names'} twice, as {double[0]}: rows could not be "
            "told apart"
        )


def _require_news(imported: Imported) -> None:
    """Refuse to set what every row has from the file: the file would be right and what was set without effect."""
    for column in imported.given:
        if all(row.get(column) is not None for row in imported.rows):
            said = sorted({str(row[column]) for row in imported.rows})
            shown = ", ".join(said[:3]) + (", …" if len(said) > 3 else "")
            raise UsageError(f"{imported.file} says {column} of every row itself ({shown}); leave --set {column} out")


def _require_same_axes(imported: Imported) -> None:
    """Refuse what was set by hand with another number of axes than the file says of a row."""
    given = {column: len(imported.given[column]) for column in WITH_AXES if column in imported.given}
    for row in imported.rows if given else ():
        said = {column: len(row[column]) for column in WITH_AXES if row.get(column) is not None}
        for (column, n), (other, n_said) in itertools.product(given.items(), said.items()):
            if n != n_said:
                raise UsageError(
                    f"{column} was set with {_axes_text(n)}, and {imported.file} says {other} with {_axes_text(n_said)}, as in "
                    f"{row['case_id']}; set what fits, or leave --set {column} out"
                )


def _axes_text(n: int) -> str:
    return "1 axis" if n == 1 else f"{n} axes"


def keep(imported: Imported, folder: Path, *, replace: bool = False) -> tuple[Path, bool]:
    """Write an imported file into a results folder.

    Parameters
    ----------
    imported : Imported
        What was read.
    folder : Path
        The results folder; the file goes to `<machine>/<name>.jsonl` in it.
    replace : bool
        Whether an import of the same name that is there already gives way.

    Returns
    -------
    Path, bool
        The file, and whether anything was written: the same import twice changes nothing.

    Raises
    ------
    UsageError
        If other results are there: an import that is not to be replaced, or something else; or the same file under another
        name.
    """
    return keep_all([imported], folder, replace=replace)[0]


def keep_all(imports: Sequence[Imported], folder: Path, *, replace: bool = False) -> list[tuple[Path, bool]]:
    """Write several imported files into a results folder as `keep` does: where one of them cannot be, none is."""
    _require_apart(imports, folder)
    kept = [_place(imported, folder, replace=replace) for imported in imports]
    for imported, (target, is_new) in zip(imports, kept, strict=True):
        if is_new:
            write_imported(target, imported)
    return kept


def _require_apart(imports: Sequence[Imported], folder: Path) -> None:
    """Refuse two files for one place, and one content from two files."""
    by_target: dict[Path, Imported] = {}
    by_id: dict[str, Path] = {}
    for imported in imports:
        target = _target(imported, folder)
        if by_target.setdefault(target, imported) != imported:
            raise UsageError(
                f"two of the files would become {target}; rename one, or import it into another folder with -o"
            )
        if by_id.setdefault(imported.id, target) != target:
            raise UsageError(f"{by_id[imported.id].stem} and {target.stem} have the same content: leave one out")


def _target(imported: Imported, folder: Path) -> Path:
    return folder / (imported.machine_name or _UNKNOWN_MACHINE) / f"{_name_of(imported)}.jsonl"


def _place(imported: Imported, folder: Path, *, replace: bool) -> tuple[Path, bool]:
    """Return where an imported file goes, and whether it has to be written; raises as `keep`."""
    target = _target(imported, folder)
    if target.with_suffix(".json").exists():
        raise UsageError(f"{target.with_suffix('.json')} belongs to other results; import into another folder with -o")
    if target.exists():
        before = read_imported(target)
        if not before:
            raise UsageError(f"{target} holds other results; import into another folder with -o")
        if [imported_line(one) for one in before] == [imported_line(imported)]:
            return target, False
        if not replace:
            raise UsageError(
                f"{target} is there with other content ({_about(before[0])}); put the new one in its place with --replace"
            )
    twin = _twin(imported, folder, target)
    if twin is not None:
        raise UsageError(f"{twin} was made of the same file: its rows would be there twice. Remove it first")
    return target, True


def _about(imported: Imported) -> str:
    given = ", ".join(imported.given) or "nothing"
    return f"{imported.file} of {imported.taken_at or 'no date'}, {given} set by hand"


def _twin(imported: Imported, folder: Path, target: Path) -> Path | None:
    """Return another journal in the folder that was made of the same file."""
    for path in sorted(folder.glob("*/*.jsonl")):
        if path != target and any(other.id == imported.id for other in read_imported(path)):
            return path
    return None


def _name_of(imported: Imported) -> str:
    name = _slug(Path(imported.file).stem)
    return f"{name}-imported" if f"{name}.json" in NOT_RESULTS else name


def _slug(text: str) -> str:
    """Return a text as a file's name: letters, digits, and a few signs."""
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.") or "imported"
