"""`storebench clean`: empties a storage root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from storebench.cli._options import BYTES, command, json_option, storage_option
from storebench.cli._output import Output
from storebench.errors import StorageError, UsageError
from storebench.units import bytes_text, count_text


@command("clean", examples=("storebench clean --dry-run", "storebench clean --keep 2GiB", "storebench clean --all"))
@click.option("--all", "everything", is_flag=True, help="Remove every stored image (as without --keep).")
@click.option("--keep", type=BYTES, metavar="SIZE", help="Keep what was used last, up to this size: 2GiB.")
@click.option("--dry-run", is_flag=True, help="Only say what is there.")
@storage_option
@json_option
@click.pass_obj
def clean_command(
    output: Output, *, everything: bool, keep: int | None, dry_run: bool, storage: Path | None, json: bool
) -> None:
    """Remove stored images and left-over files from the storage root.

    Results and reports are never touched; what was removed is made again when it
    is needed.
    """
    from storebench.storage import Storage, chosen_root

    if everything and keep is not None:
        raise UsageError("--all keeps nothing and --keep keeps something: give one of them")
    root = chosen_root(storage)
    if not (root / _marker()).is_file():
        _refuse_or_say_empty(output, root, json=json)
        return
    opened = Storage.open(root)
    facts: dict[str, Any] = {
        "storage": str(opened.root),
        "entries_before": opened.n_entries(),
        "bytes_before": opened.usage_bytes(),
        "dry_run": dry_run,
    }
    facts["freed_bytes"] = 0 if dry_run else opened.clean(keep or 0)
    facts |= {"entries_after": opened.n_entries(), "bytes_after": opened.usage_bytes()}
    if json:
        output.json(facts)
    else:
        _say(output, facts)


def _marker() -> str:
    from storebench.storage import MARKER

    return MARKER


def _refuse_or_say_empty(output: Output, root: Path, *, json: bool) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise StorageError(
            f"{root} is no storage root of storebench (it has no {_marker()}), so nothing in it is removed; "
            "name the right folder with --storage"
        )
    if json:
        nothing = {"entries_before": 0, "bytes_before": 0, "freed_bytes": 0, "entries_after": 0, "bytes_after": 0}
        output.json({"storage": str(root), "dry_run": False} | nothing)
    else:
        output.paragraph(f"Nothing to remove: there is no storage root at {root}")


def _say(output: Output, facts: dict[str, Any]) -> None:
    images = "1 entry" if facts["entries_before"] == 1 else f"{count_text(facts['entries_before'])} entries"
    output.say(f"{facts['storage']}: {images}, {bytes_text(facts['bytes_before'])}")
    if facts["dry_run"]:
        output.say("Nothing was removed. Remove everything with: storebench clean --all")
    else:
        output.say(f"Freed {bytes_text(facts['freed_bytes'])}; {bytes_text(facts['bytes_after'])} are left.")
