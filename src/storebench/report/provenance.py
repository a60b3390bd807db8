"""Where and how the numbers came about, and what they do not show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from storebench.records import DatasetRecord, Environment
from storebench.report.views import Record, View
from storebench.units import MISSING, bytes_text, count_text, ratio_text, shape_text

_SIZES: Final = {"memory": "ram_bytes", "read-ahead": "read_ahead_bytes"}
"""Facts of the machine that are bytes, by what the page calls them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactBlock:
    """Facts under one heading; `wide` where they are sentences that need the whole line."""

    heading: str
    facts: Sequence[tuple[str, str]]
    wide: bool = False


def headline_facts(views: Sequence[View], records: Sequence[Record]) -> list[str]:
    """Return the facts below the title: dataset, machine, number of results by status."""
    facts = []
    if views:
        first = views[0]
        known = [shape_text(first.shape)] if first.shape else []
        known += [first.dtype] if first.dtype else []
        facts += [" ".join(known)] if known else ["image not recorded"]
        facts += [] if first.logical_bytes is None else [bytes_text(first.logical_bytes)]
        facts.append(f"machine {first.machine or MISSING}")
    counts = {name: sum(row["status"] == name for row in records) for name in ("ok", "skipped", "failed", "timeout")}
    parts = ", ".join(f"{count_text(count)} {name}" for name, count in counts.items() if count)
    facts.append(f"{count_text(len(records))} results" + (f" ({parts})" if parts else ""))
    others = sorted({row["dataset"] for row in records if row["dataset"]} - {view.dataset for view in views[:1]})
    if others:
        shown = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
        facts.append(f"also measured: {shown}")
    return facts


def noise_fact(records: Sequence[Record]) -> str:
    """Say how many of the results were taken on a busy machine; empty where none was."""
    ok = [row for row in records if row["status"] == "ok"]
    noisy = sum(bool(row["noisy"]) for row in ok)
    return f"{count_text(noisy)} of {count_text(len(ok))} measured on a busy machine" if noisy else ""


def provenance_blocks(
    records: Sequence[Record], environments: Mapping[str, Environment], datasets: Iterable[DatasetRecord]
) -> list[FactBlock]:
    """Return everything needed to judge, or to repeat, the measurements."""
    used = list(dict.fromkeys(row["environment_id"] for row in records if row["environment_id"] is not None))
    blocks = [_data_block(records), *_fingerprints(records, datasets), _terms_block(records)]
    for key in used:
        if key in environments:
            blocks += _environment_blocks(key, environments[key], several=len(used) > 1)
    if not any(key in environments for key in used):
        versions = sorted({(row["library"], row["library_version"]) for row in records if row["library_version"]})
        facts = [(library or MISSING, version) for library, version in versions]
        blocks.append(
            FactBlock(heading="Libraries, from the results", facts=facts or [("environment", "not recorded")])
        )
    return blocks


def _data_block(records: Sequence[Record]) -> FactBlock:
    """Return a line for each image: of one name there may be several shapes."""
    images: dict[tuple[object, ...], Record] = {}
    for row in records:
        key = tuple(row[name] for name in ("dataset", "shape", "dtype", "seed"))
        if key not in images or images[key]["logical_bytes"] is None:
            images[key] = row
    return FactBlock(heading="Data", facts=[(row["dataset"] or MISSING, _image_text(row)) for row in images.values()])


def _image_text(row: Record) -> str:
    parts = [shape_text(row["shape"]), row["dtype"] or MISSING, row["axes"] or "", bytes_text(row["logical_bytes"])]
    parts += [] if row["seed"] is None else [f"seed {row['seed']}"]
    return ", ".join(part for part in parts if part)


def _fingerprints(records: Sequence[Record], datasets: Iterable[DatasetRecord]) -> list[FactBlock]:
    """Return what tells an image from another of the same name, for the images that were measured."""
    measured = {(row["dataset"], tuple(row["shape"] or ()), row["dtype"], row["seed"]) for row in records}
    facts = []
    for dataset in datasets:
        if dataset.key in measured:
            neighbours = ", ".join(
                f"{axis} {MISSING if value is None else ratio_text(value)}"
                for axis, value in zip(dataset.axes, dataset.autocorrelation, strict=True)
            )
            parts = [f"SHA-256 {dataset.sha256[:16]}…", f"{ratio_text(dataset.entropy_bits)} bits of entropy per voxel"]
            parts += [] if dataset.bits_used is None else [f"{count_text(dataset.bits_used)} bits used"]
            parts += [f"correlation of neighbours: {neighbours}"]
            parts += ["axes assumed"] if dataset.axes_assumed else []
            facts.append((f"{dataset.name} {shape_text(dataset.shape)} {dataset.dtype}", "; ".join(parts)))
    return [FactBlock(heading="Fingerprints of the data", facts=facts, wide=True)] if facts else []


def _span(values: Sequence[int]) -> str:
    """Return the range of whole numbers in words."""
    if not values:
        return MISSING
    low, high = min(values), max(values)
    return count_text(low) if low == high else f"{count_text(low)} to {count_text(high)}"


def _names(records: Sequence[Record], column: str, missing: str = MISSING) -> str:
    names = sorted({str(row[column]) for row in records if row[column] is not None})
    some_missing = any(row[column] is None for row in records)
    return ", ".join(names + ([missing] if some_missing and (missing != MISSING or not names) else [])) or MISSING


def _terms_block(records: Sequence[Record]) -> FactBlock:
    ok = [row for row in records if row["status"] == "ok"]
    low = sum(bool(row["low_confidence"]) for row in ok)
    reads = [row for row in ok if row["operation"] in ("read", "open")]
    cache = _names([row for row in ok if row["operation"] == "read"], "cache")
    facts = [
        ("samples per case", _span([row["n_samples"] for row in ok if row["n_samples"] is not None])),
        ("processes per case", _span([row["n_processes"] for row in ok if row["n_processes"] is not None])),
        ("low confidence", f"{count_text(low)} of {count_text(len(ok))} cases"),
        ("cache before reads", cache),
        (
            "writes end when",
            "the library's call returns" if _names(ok, "durability") == "returned" else _names(ok, "durability"),
        ),
        ("state of the cache shown by counters", _share(reads, lambda row: row["cache_shown"] is not None)),
        ("machine too busy", _noise_text(ok)),
        ("threads", _names(ok, "threads", missing="as each library comes")),
        ("store", _names(ok, "store")),
        ("statistic", "median, 95 % bootstrap interval over processes, then samples"),
    ]
    return FactBlock(heading="How", facts=facts)


def _share(records: Sequence[Record], holds: Callable[[Record], bool]) -> str:
    return f"{count_text(sum(map(holds, records)))} of {count_text(len(records))} cases"


def _noise_text(records: Sequence[Record]) -> str:
    recorded = [row for row in records if row["noisy"] is not None]
    return _share(recorded, lambda row: bool(row["noisy"])) if recorded else "not recorded"


def _environment_blocks(key: str, environment: Environment, *, several: bool) -> list[FactBlock]:
    suffix = f" ({key})" if several else ""
    machine = dict(environment.machine)
    sizes = {label: machine.pop(name, None) for label, name in _SIZES.items()}
    facts = [(name.replace("_", " "), MISSING if value is None else str(value)) for name, value in machine.items()]
    facts += [(label, bytes_text(int(size))) for label, size in sizes.items() if size is not None]
    state = {None: "installed package", True: "with uncommitted changes", False: "clean"}[environment.dirty]
    software = [
        ("storebench", environment.storebench),
        ("commit", f"{environment.commit or MISSING}, {state}"),
        ("Python", environment.python),
        *sorted(environment.libraries.items()),
    ]
    builds = sorted(environment.builds.items())
    blocks = [
        FactBlock(heading=f"Machine{suffix}", facts=facts),
        FactBlock(heading=f"Software{suffix}", facts=software),
    ]
    return [*blocks, *([FactBlock(heading=f"Codec builds{suffix}", facts=builds, wide=True)] if builds else [])]


def limits(records: Sequence[Record]) -> list[str]:
    """Return what these numbers do not show, in sentences."""
    machines = {row["machine"] for row in records}
    said = []
    if len(machines) <= 1:
        said.append("One machine: another disk, processor or network can change the order.")
    else:
        said.append("Several machines: their numbers stand apart and are never averaged; the figures show one of them.")
    ok = [row for row in records if row["status"] == "ok"]
    reads = [row for row in ok if row["operation"] in ("read", "open")]
    if any(row["cache"] == "warm" and row["cache_shown"] is None for row in reads):
        said.append(
            "“Warm” means after an untimed read of the same; that all of it was in the page cache is not proven where the "
            "state is not “shown”."
        )
    if any((row["cache_shown"] or "").startswith("guest") for row in reads):
        said.append("“Guest-cold” pages were in no cache of this virtual machine; its host may have held them.")
    ends = {row["durability"] for row in ok if row["operation"] == "write"}
    if "returned" in ends:
        said.append("A write ends when the library's call returns; the data may not have reached the disk yet.")
    if None in ends:
        said.append(
            "Of some writes it is not recorded whether they end when the library's call returns or when the data is on the "
            "disk: a library that waits for the disk looks slower beside one that does not."
        )
    noisy = next((row["noise"] for row in ok if row["noisy"] and row["noise"]), None)
    if noisy is not None:
        said.append(f"Rows marked “noisy” were measured on a machine too busy for times to repeat, the first: {noisy}.")
    if any(row["low_confidence"] and row["status"] == "ok" for row in records):
        said.append("Rows marked “few” or “low” rest on fewer than 8 samples or 4 processes.")
    if len({row["dataset"] for row in records}) > 1:
        said.append("The figures show the dataset with the most results; others are in the tables.")
    said.append(
        "The lowest of many medians is a little too good: settings that are close are marked as tied, not ranked."
    )
    return said
