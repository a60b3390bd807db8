"""What `storebench doctor` finds out by looking at tools and disk, and by measuring: noise, neighbours and limits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from storebench.errors import StorageError
from storebench.units import MIB, bytes_text, seconds_text

if TYPE_CHECKING:
    from storebench.measurement.noise import NoiseReport
    from storebench.records import Environment, Limits
    from storebench.storage import Storage

Status = Literal["ok", "skip", "warn", "fail"]
NOISE_BUDGET_S: Final = 8.0
LIMITS_BUDGET_S: Final = 3.0
_TOLERABLE: Final = 0.10
"""The change that a paired comparison is expected to see; a machine where it cannot is worth a warning."""

_MUCH_READ_AHEAD: Final = 1 * MIB
_TOOLS: Final = {
    "valgrind": "counts machine instructions",
    "gcc": "builds what starts and stops valgrind's count",
    "strace": "checks the counts of files and bytes",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    status : str
        "ok"; "skip": an optional library is not here; "warn": numbers say less than they seem to; "fail": something will not work.
    name : str
        What was looked at.
    text : str
        What was found, and what to do about it.
    """

    status: Status
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of this machine; None: it was left out, or there was no place for it (and why)."""

    noise: NoiseReport | None = None
    limits: Limits | None = None
    why_no_limits: str | None = None


def tool_checks() -> Iterator[Check]:
    """Say which optional tools are here, or how to install them."""
    for name, use in _TOOLS.items():
        if shutil.which(name):
            yield Check("ok", name, f"{name}: {use}")
        else:
            yield Check("skip", name, f"{name}, which {use}, is not installed: sudo apt-get install {name}")


def cold_checks(root: Storage | None, environment: Environment) -> Iterator[Check]:
    """Say whether reads can be shown to be cold, and what that means here."""
    from storebench.measurement.cache import why_not_cold

    if root is None:
        return
    why_not = why_not_cold(root.root)
    if why_not is not None:
        yield Check("warn", "cold", f"cold reads cannot be measured: {why_not}")
        return
    text = "cold reads can be measured and shown to be cold"
    if environment.machine.get("virtual") == "true":
        text += "; this is a virtual machine, so they are guest-cold: its host may still hold the data"
    yield Check("ok", "cold", text)
    ahead = environment.machine.get("read_ahead_bytes")
    if isinstance(ahead, int):
        much = ahead > _MUCH_READ_AHEAD
        hint = ": cold reads of a part of a file drag in more than was asked for; device_bytes tell how much"
        text = f"the system reads {bytes_text(ahead)} ahead on this disk{hint if much else ''}"
        yield Check("ok", "read-ahead", text)


def measure_machine(root: Storage | None) -> Measured:
    """Measure noise, and limits where there is a storage root."""
    from storebench.measurement.limits import measure_limits
    from storebench.measurement.noise import measure_noise

    noise = measure_noise(NOISE_BUDGET_S)  # first: the limits keep the disk busy for a while
    if root is None:
        return Measured(noise)
    try:
        return Measured(noise, measure_limits(root, budget_s=LIMITS_BUDGET_S))
    except StorageError as error:
        return Measured(noise, why_no_limits=str(error))


def noise_checks(noise: NoiseReport | None, environment: Environment) -> Iterator[Check]:
    """Say how small a change can be seen here now, and who else keeps the machine busy."""
    from storebench.measurement.pairing import PairedRule
    from storebench.results.noise import judge_conditions

    if noise is None:
        return
    status: Status = "ok" if noise.paired_detectable <= _TOLERABLE else "warn"
    yield Check(
        status,
        "noise",
        f"two identical calls differ by {_change(noise.difference)}; a paired comparison (storebench compare) can see changes "
        f"above {_change(noise.paired_detectable)} (it reports them from {PairedRule().confirm_margin:.0%} on), two separate "
        f"runs of 10 samples above {_change(noise.separate_detectable)}"
        + ("" if status == "ok" else "; end what else runs and look again"),
    )
    n_cpu = environment.machine.get("n_cpu")
    busy = judge_conditions(noise.conditions, n_cpu if isinstance(n_cpu, int) else None)
    others = noise.conditions.other_cpus
    if busy is not None:
        yield Check("warn", "busy", f"this machine is busy: {busy}")
    elif others is None:
        yield Check("skip", "busy", "this system does not tell how busy others keep it")
    else:
        yield Check("ok", "busy", f"this machine is quiet: others keep {others:.2f} of {n_cpu} processors busy")


def _change(relative: float) -> str:
    return f"{relative:.1%}" if relative < 1 else f"a factor of {1 + relative:.1f}"


def limits_checks(measured: Measured) -> Iterator[Check]:
    """Say what this machine can do at best: the numbers that times are held against."""
    limits = measured.limits
    if measured.why_no_limits is not None:
        yield Check("fail", "limits", f"what this machine can do at best was not measured: {measured.why_no_limits}")
    if limits is None:
        return

    def speed(by_size: Mapping[str, float]) -> str:
        return f"{bytes_text(max(by_size.values(), default=None))}/s"

    random_s = seconds_text(limits.random_read_s.get("4096"))
    cold = f", {speed(limits.cold_read_bytes_per_s)} from the disk (4 KiB at a random place in {random_s})"
    yield Check(
        "ok",
        "limits",
        f"reads at best {speed(limits.warm_read_bytes_per_s)} from the page cache"
        f"{cold if limits.cold_read_bytes_per_s else ''}; opens a file in {seconds_text(limits.open_s)}",
    )
    yield Check(
        "ok",
        "limits",
        f"writes at best {speed(limits.write_bytes_per_s)} until return, {speed(limits.durable_write_bytes_per_s)} until "
        f"on the disk; creates a file in {seconds_text(limits.create_s)}, syncs one in {seconds_text(limits.sync_s)}",
    )
    sizes = sorted(map(int, limits.memcpy_bytes_per_s))
    copies = [f"{bytes_text(limits.memcpy_bytes_per_s[str(n)])}/s in blocks of {bytes_text(n)}" for n in sizes]
    yield Check("ok", "limits", f"copies memory at best at {copies[0]}, {copies[-1]}")


def measured_document(measured: Measured) -> dict[str, Any]:
    """Return what was measured for JSON; null where it was not."""
    from storebench.records import to_json

    noise = measured.noise
    return {
        "limits": None if measured.limits is None else to_json(measured.limits),
        "conditions": None if noise is None else to_json(noise.conditions),
        "noise": None
        if noise is None
        else {
            "difference": noise.difference,
            "paired_detectable": noise.paired_detectable,
            "separate_detectable": noise.separate_detectable,
            "calls": [to_json(call) for call in noise.calls],
        },
    }
