"""One measured row in words: what `storebench measure` prints."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any, Final

from storebench.records import PATTERNED, WRITING
from storebench.units import (
    bytes_text,
    count_text,
    decibels_text,
    is_missing,
    ratio_text,
    seconds_text,
    shape_text,
    throughput_text,
    times_text,
)

_Row = Mapping[str, Any]
_Line = tuple[str, str]

_PARTS: Final = {"read": ("Views", "view"), "append": ("Slabs", "slab")}
"""What the parts of a sample are called."""
_LIMIT_TERMS: Final = {"limit_requests_s": "requests", "limit_bytes_s": "bytes", "limit_decode_s": "decoding"}


def row_lines(row: _Row) -> list[_Line]:
    """Return a measured row as labels and texts, without what was not measured.

    Parameters
    ----------
    row : mapping
        One row of the tidy table, with status ok.
    """
    return [*_image_lines(row), *_time_lines(row), *_size_lines(row)]


def _image_lines(row: _Row) -> list[_Line]:
    image = f"{row['dataset']}, {shape_text(row['shape'])} {row['dtype']}, axes {row['axes']}"
    one_piece = row["chunk_shape"] is None or tuple(row["chunk_shape"]) == tuple(row["shape"])
    layout = "in one piece" if one_piece else f"chunks {shape_text(row['chunk_shape'])}"
    shards = f", shards {shape_text(row['shard_shape'])}" if row["shard_shape"] else ""
    threads = "" if is_missing(row["threads"]) else f", {counted(row['threads'], 'thread')} at most"
    levels = ""
    if row["n_levels"] > 1:
        along = f" along {row['level_axes']}" if row["level_axes"] else ""
        levels = f", {row['n_levels']} levels by {row['level_method']}{along}"
    at_once = "" if row["concurrency"] is None else f", {row['concurrency']} at once"
    held = f"{layout}{shards}, {row['codec']}{levels}{threads}{at_once}"
    return [
        ("Image", image + (" (assumed: the file names none; say --axes)" if row.get("axes_assumed") else "")),
        ("Stored as", f"{row['backend']} {row['library_version'] or ''}, {held}"),
    ]


def _time_lines(row: _Row) -> list[_Line]:
    what = row["operation"].replace("_", " ") + (f" {row['pattern']}" if row["operation"] in PATTERNED else "")
    speed = "" if is_missing(row["throughput_mib_s"]) else f", {throughput_text(row['throughput_mib_s'])}"
    lines = [(what.capitalize(), f"{seconds_text(row['median_s'])}{_state_text(row)}{speed}")]
    lines += _interval_lines(row)
    lines += _frame_lines(row)
    lines += _write_lines(row)
    if not is_missing(row["p10_s"]):
        first = "" if is_missing(row["first_touch_s"]) else f"; first touch {seconds_text(row['first_touch_s'])}"
        lines.append(("Quickest", f"a tenth took at most {seconds_text(row['p10_s'])}{first}"))
    if not is_missing(row["cpu_s"]):
        busy = "" if is_missing(row["parallelism"]) else f": {ratio_text(row['parallelism'])} processors busy"
        lines.append(("CPU", f"{seconds_text(row['cpu_s'])}{busy}{_threads_text(row)}"))
    return lines + _limit_lines(row)


def _state_text(row: _Row) -> str:
    """Say in what state the cache was, and of how many samples that was shown."""
    if row["operation"] in WRITING:
        return f" ({row['durability']})"
    if row["operation"] not in ("read", "open"):
        return ""
    verified, discarded = row["samples_verified"], row["samples_discarded"]
    if is_missing(verified):
        return f" ({row['cache']}, not shown)"
    # "guest-cold" below a hypervisor: what the host holds cannot be told from inside.
    return f" ({row['cache_shown'] or row['cache']}, verified {verified}/{verified + discarded})"


def _interval_lines(row: _Row) -> list[_Line]:
    samples = counted(row["n_samples"] or 0, "sample")
    processes = "" if is_missing(row["n_processes"]) else f" of {counted(row['n_processes'], 'process')}"
    low, high = row["ci95_low_s"], row["ci95_high_s"]
    interval = "" if is_missing(low) else f"{seconds_text(low)} to {seconds_text(high)} (95 %), "
    end = {True: ": as narrow as asked", False: ": the budget ended first"}.get(row["converged"], "")
    return [("Interval" if interval else "Samples", f"{interval}{samples}{processes}{end}")]


def _frame_lines(row: _Row) -> list[_Line]:
    """Say how long the parts of a sample took: the first with the open before it, and the parts of all samples together."""
    if is_missing(row["n_frames"]):
        return []
    label, part = _PARTS.get(row["operation"], ("Parts", "part"))
    times = f"median {seconds_text(row['frame_median_s'])}, 95 % within {seconds_text(row['frame_p95_s'])}"
    if row["operation"] == "append":  # a camera waits for none of a hundred: the stall counts
        rate = f"{ratio_text(row['frames_per_s'])} a second"
        times = f"{rate}, {times}, 99 % within {seconds_text(row['frame_p99_s'])}"
    first = f"the first after {seconds_text(row['first_view_s'])}"
    return [(label, f"{counted(row['n_frames'], part)}: {first}, {times}, slowest {seconds_text(row['frame_max_s'])}")]


def _write_lines(row: _Row) -> list[_Line]:
    """Say both ends of a write, which are known from the same samples: its return, and everything on the disk."""
    returned, durable = row["returned_s"], row["durable_s"]
    if is_missing(returned) or is_missing(durable):
        return []
    return [("Ends", f"returned after {seconds_text(returned)}, on the disk after {seconds_text(durable)}")]


def _threads_text(row: _Row) -> str:
    return "" if is_missing(row["threads_ran"]) else f", {counted(row['threads_ran'], 'thread')} ran"


def _limit_lines(row: _Row) -> list[_Line]:
    if is_missing(row["limit_fraction"]):
        return []
    terms = [f"{word} {seconds_text(row[name])}" for name, word in _LIMIT_TERMS.items() if row[name]]
    share = row["limit_fraction"]
    text = f"{ratio_text(100 * share)} % of what this machine could do at best"
    if share > 1:  # what it can do at best is measured too, at another time
        text = f"{times_text(share)} as fast as what was measured as this machine's best, so it does not hold here"
    return [("Limit", f"{text}: {' + '.join(terms)}" if terms else text)]


def _size_lines(row: _Row) -> list[_Line]:
    lines = []
    if not is_missing(row["stored_bytes"]):
        files = "" if is_missing(row["n_files"]) else f" in {counted(row['n_files'], 'file')}"
        ratio = f"compression ratio {ratio_text(row['compression_ratio'])}"
        lines.append(("Size", f"{bytes_text(row['stored_bytes'])}{files}, {ratio}"))
    if not is_missing(row["voxels_decoded"]):
        asked, decoded = count_text(row["voxels_asked"]), count_text(row["voxels_decoded"])
        times = ratio_text(row["read_amplification"])
        lines.append(("Decoded", f"{asked} voxels asked, {decoded} decoded: {times} times as many"))
    if not is_missing(row["fetched_bytes"]):
        lines.append(("Fetched", f"{bytes_text(row['fetched_bytes'])} in {counted(row['requests'], 'request')}"))
    elif not is_missing(row["read_call_bytes"]):  # of a library that opens the file itself
        lines.append(("Fetched", f"{bytes_text(row['read_call_bytes'])} by the system's read calls"))
    if row["frame_bytes"] is not None and row["frame_requests"] is not None:
        n_bytes, n_requests = (statistics.median(row[name]) for name in ("frame_bytes", "frame_requests"))
        lines.append(("Each view", f"{bytes_text(n_bytes)} in {counted(round(n_requests), 'request')} at the median"))
    if not is_missing(row["write_amplification"]):
        written = f"{bytes_text(row['set_bytes'])} in {counted(row['sets'], 'request')}"
        lines.append(
            ("Written", f"{written}; with what is read {times_text(row['write_amplification'])} the bytes given")
        )
    if not is_missing(row["device_bytes"]):
        lines.append(("Disk", f"{bytes_text(row['device_bytes'])} read, read-ahead included"))
    if not is_missing(row["instructions"]):
        lines.append(("Instructions", f"{count_text(row['instructions'])} in one call"))
    if not is_missing(row["max_abs_error"]):
        exact = row["max_abs_error"] == 0
        checked = "every voxel came back equal" if exact else f"largest error {row['max_abs_error']:g}"
        lines.append(("Checked", checked))
    if not is_missing(row["psnr_db"]):
        likeness = f"PSNR {decibels_text(row['psnr_db'])}, peak: the dtype's largest value"
        lines.append(
            ("Likeness", likeness if is_missing(row["ssim"]) else f"{likeness}; SSIM {ratio_text(row['ssim'])}")
        )
    return lines


def counted(n: int, thing: str) -> str:
    """Write a number of things: "1 file", "1,204 files"."""
    plural = thing + ("es" if thing.endswith("s") else "s")
    return f"1 {thing}" if n == 1 else f"{count_text(n)} {plural}"
